//! A private PipeWire, serving as PulseAudio does, for as long as a test lives.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What is started, in this order.
const PROGRAMS: [&str; 4] = ["dbus-daemon", "pipewire", "wireplumber", "pipewire-pulse"];

/// The servers; killed when dropped.
pub struct PipeWire {
    children: Vec<Child>,
    dir: tempfile::TempDir,
}

impl PipeWire {
    /// Starts it and waits until it answers. None, and a line that says so, where it is not installed or cannot run: it takes
    /// the place of a person's own sound server, so `scripts/test` installs it in CI alone.
    pub fn start() -> Option<Self> {
        let there = |program: &&str| {
            let paths = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&paths).any(|path| path.join(program).exists())
        };
        if let Some(missing) = PROGRAMS.iter().find(|program| !there(program)) {
            println!("Not tested: there is no {missing} here.");
            return None;
        }
        let dir = tempfile::tempdir().expect("a temp folder");
        let mut servers = PipeWire {
            children: Vec::new(),
            dir,
        };
        let bus = format!(
            "--address=unix:path={}",
            servers.dir.path().join("bus").display()
        );
        for program in PROGRAMS {
            let mut command = servers.command(program);
            if program == "dbus-daemon" {
                command.args(["--session", "--nofork", "--nopidfile", &bus]);
            }
            let log = std::fs::File::create(servers.dir.path().join(program)).expect("a log file");
            let child = command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log);
            servers.children.push(child.spawn().expect(program));
            // The next one looks for what this one serves.
            std::thread::sleep(Duration::from_millis(500));
        }
        let begun = Instant::now();
        while servers.pactl(&["info"]).is_none() {
            if begun.elapsed() > Duration::from_secs(15) {
                println!("Not tested: PipeWire does not answer here.");
                return None;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(servers)
    }

    /// A command whose sound goes to and comes from this server.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let dir = self.dir.path();
        let mut command = Command::new(program);
        for name in ["HOME", "XDG_RUNTIME_DIR", "PIPEWIRE_RUNTIME_DIR", "TMPDIR"] {
            command.env(name, dir);
        }
        let bus = format!("unix:path={}", dir.join("bus").display());
        let server = format!("unix:{}", dir.join("pulse/native").display());
        command.env("XDG_CONFIG_HOME", dir.join(".config"));
        command.env("DBUS_SESSION_BUS_ADDRESS", bus);
        command.env("PULSE_SERVER", server);
        command.env_remove("PULSE_COOKIE").env_remove("DISPLAY");
        command
    }

    /// Runs `pactl` and returns what it printed; none if it failed.
    pub fn pactl(&self, arguments: &[&str]) -> Option<String> {
        let output = self.command("pactl").args(arguments).output();
        let output = output.expect("pactl cannot be started: install pulseaudio-utils");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(printed)
    }

    /// Makes a sink and plays a file into it for as long as the server lives.
    pub fn play_into(&mut self, sink: &str, rate: u32, file: &Path) {
        let (name, rate) = (format!("sink_name={sink}"), format!("rate={rate}"));
        let made = self.pactl(&[
            "load-module",
            "module-null-sink",
            &name,
            "channels=2",
            &rate,
        ]);
        made.expect("a sink");
        let mut play = self.command("paplay");
        play.arg(format!("--device={sink}"))
            .arg(file)
            .stdin(Stdio::null());
        self.children
            .push(play.spawn().expect("paplay: install pulseaudio-utils"));
    }
}

impl Drop for PipeWire {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
