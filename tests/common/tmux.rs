//! A terminal that a test types into and reads from: tmux, on a server of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A terminal with a shell command in it; ended when dropped.
pub struct Tmux {
    socket: PathBuf,
}

impl Tmux {
    /// Runs `script` by `sh` in a terminal of this size. `environment` makes the command that
    /// starts tmux, so that what runs inside inherits its variables.
    pub fn start(
        dir: &Path,
        environment: &dyn Fn(&str) -> Command,
        (columns, rows): (u16, u16),
        script: &str,
    ) -> Self {
        let socket = dir.join("tmux");
        let tmux = Tmux { socket };
        let mut command = environment("tmux");
        command
            .arg("-S")
            .arg(&tmux.socket)
            .args(["-f", "/dev/null", "new-session", "-d", "-x"])
            .arg(columns.to_string())
            .arg("-y")
            .arg(rows.to_string())
            .args(["sh", "-c", script])
            .env("SHELL", "/bin/sh")
            .env("LANG", "C.UTF-8");
        let status = command
            .status()
            .expect("tmux cannot be started: install tmux");
        assert!(status.success());
        tmux
    }

    fn tmux(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new("tmux");
        command
            .arg("-u")
            .arg("-S")
            .arg(&self.socket)
            .args(arguments);
        command.output().expect("tmux")
    }

    /// What stands on the screen.
    pub fn screen(&self) -> String {
        let output = self.tmux(&["capture-pane", "-p"]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Presses keys, by tmux's names; a text is typed.
    pub fn press(&self, keys: &[&str]) {
        let output = self.tmux(&[&["send-keys"], keys].concat());
        assert!(output.status.success());
    }

    /// Waits until the screen shows `words`.
    pub fn until(&self, words: &str) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if screen.contains(words) {
                return screen;
            }
            let patient = begun.elapsed() < Duration::from_secs(30);
            assert!(patient, "{words:?} never stood on the screen:\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The terminal's device.
    pub fn device(&self) -> std::os::fd::OwnedFd {
        use rustix::fs::{Mode, OFlags, open};
        let output = self.tmux(&["display-message", "-p", "#{pane_tty}"]);
        let path = String::from_utf8_lossy(&output.stdout).into_owned();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        open(path.trim(), flags, Mode::empty()).expect("a terminal")
    }

    /// The program that the shell in the terminal runs now.
    pub fn child_of_shell(&self) -> rustix::process::Pid {
        let shell = self.number("#{pane_pid}").as_raw_nonzero();
        let children = format!("/proc/{shell}/task/{shell}/children");
        let children = std::fs::read_to_string(children).expect("a process");
        let child = children.split_whitespace().next().expect("a child");
        let child = child.parse().expect("a number");
        rustix::process::Pid::from_raw(child).expect("a process")
    }

    fn number(&self, format: &str) -> rustix::process::Pid {
        let output = self.tmux(&["display-message", "-p", format]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let number = text.trim().parse().expect("a number");
        rustix::process::Pid::from_raw(number).expect("a process")
    }

    /// Closes the terminal as a window is closed.
    pub fn close(&self) {
        self.tmux(&["kill-server"]);
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.close();
    }
}
