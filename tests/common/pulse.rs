//! A private PulseAudio server with one two-channel null sink, for as long as a test lives.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The server; killed when dropped.
pub struct Pulse {
    child: Child,
    dir: tempfile::TempDir,
}

impl Pulse {
    /// Starts a server whose sink runs at `rate` hertz and waits until it answers.
    ///
    /// Panics, with what to install, where there is no PulseAudio: a machine without it must not
    /// pass for one on which recording works.
    pub fn start(rate: u32) -> Self {
        let dir = tempfile::tempdir().expect("a temp folder");
        let socket = dir.path().join("native");
        // The server admits everybody, but hangs up on a client without a cookie of 256 bytes.
        std::fs::write(dir.path().join("cookie"), [7u8; 256]).expect("a cookie");
        let log = std::fs::File::create(dir.path().join("log")).expect("a log file");
        let mut command = Command::new("pulseaudio");
        command
            .args(["-n", "--daemonize=no", "--exit-idle-time=-1"])
            .args(["--use-pid-file=no", "--system=false", "--disable-shm=yes"])
            .arg("-L")
            .arg(format!(
                "module-native-protocol-unix auth-anonymous=1 socket={}",
                socket.display()
            ))
            .arg("-L")
            .arg(format!(
                "module-null-sink sink_name=room rate={rate} channels=2 \
                 channel_map=front-left,front-right"
            ))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        for (name, value) in Self::environment(dir.path()) {
            command.env(name, value);
        }
        command.env_remove("PULSE_SERVER");
        let child = command
            .spawn()
            .expect("pulseaudio cannot be started: install pulseaudio and pulseaudio-utils");
        let mut pulse = Pulse { child, dir };
        let begun = Instant::now();
        while !pulse.answers() {
            let gone = pulse.child.try_wait().expect("the server's state");
            if gone.is_some() || begun.elapsed() > Duration::from_secs(15) {
                let log = std::fs::read_to_string(pulse.dir.path().join("log"));
                panic!("pulseaudio did not start: {}", log.unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        pulse
    }

    fn answers(&self) -> bool {
        self.dir.path().join("native").exists()
            && self
                .command("pactl")
                .arg("info")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .expect("pactl cannot be started: install pulseaudio-utils")
                .success()
    }

    fn environment(dir: &Path) -> Vec<(&'static str, PathBuf)> {
        let folders = ["HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH", "TMPDIR"];
        let mut all = folders.map(|name| (name, dir.to_owned())).to_vec();
        all.push(("XDG_CONFIG_HOME", dir.join(".config")));
        all.push(("PULSE_COOKIE", dir.join("cookie")));
        all
    }

    /// A command whose sound goes to and comes from this server.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, value) in Self::environment(self.dir.path()) {
            command.env(name, value);
        }
        let server = format!("unix:{}", self.dir.path().join("native").display());
        command.env("PULSE_SERVER", server);
        command
    }

    /// Plays a file to its end.
    pub fn play(&self, file: &Path) {
        let played = self.command("paplay").arg(file).status();
        assert!(played.expect("paplay: install pulseaudio-utils").success());
    }

    /// Runs `pactl` and returns what it printed.
    pub fn pactl(&self, arguments: &[&str]) -> String {
        let output = self
            .command("pactl")
            .args(arguments)
            .output()
            .expect("pactl cannot be started: install pulseaudio-utils");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Sends the server a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let server = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(server, signal).expect("a signal");
    }

    /// A folder that goes when the server goes.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
