//! A running `undertone record` without a terminal, and what it says, with the time.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::desk::Desk;
use super::pulse::Pulse;

/// Killed when dropped.
pub struct Recorder {
    pub child: Child,
    said: Receiver<(Instant, String)>,
    pub heard: String,
    /// When it said that it records.
    pub begun: Instant,
}

impl Recorder {
    /// Starts recording the server's room and waits until it says so.
    pub fn start(desk: &Desk, pulse: &Pulse, flags: &[&str]) -> Self {
        let command = pulse.command(env!("CARGO_BIN_EXE_undertone"));
        Self::by(command, desk, flags)
    }

    /// As [`Self::start`], by a command to which undertone's arguments are added.
    pub fn by(command: Command, desk: &Desk, flags: &[&str]) -> Self {
        Self::from(
            command,
            desk,
            &["--device", "pulseaudio:room.monitor"],
            flags,
        )
    }

    /// As [`Self::by`], from other devices.
    pub fn from(mut command: Command, desk: &Desk, devices: &[&str], flags: &[&str]) -> Self {
        desk.prepare(&mut command);
        let mut child = command
            .arg("record")
            .args(devices)
            .args(["--consent", "verbal", "--agreed", "all"])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("record cannot be started");
        let (tell, said) = channel();
        let stderr = child.stderr.take().expect("a pipe");
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = tell.send((Instant::now(), line));
            }
        });
        let mut recorder = Recorder {
            child,
            said,
            heard: String::new(),
            begun: Instant::now(),
        };
        recorder.begun = recorder.until("Recording from");
        recorder
    }

    /// Waits until it says `words`, which it must not have said before, and tells when it did.
    pub fn until(&mut self, words: &str) -> Instant {
        let begun = Instant::now();
        // What was said is wrapped.
        let mut lately = String::new();
        loop {
            if let Ok((at, line)) = self.said.recv_timeout(Duration::from_millis(100)) {
                lately += line.trim();
                lately.push(' ');
                self.heard += &line;
                self.heard.push('\n');
                if lately.contains(words) {
                    return at;
                }
                continue;
            }
            let patient = begun.elapsed() < Duration::from_secs(30);
            assert!(patient, "never said {words:?}: {}", self.heard);
            let over = self.child.try_wait().expect("its state");
            assert!(over.is_none(), "{over:?} before {words:?}: {}", self.heard);
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a signal");
    }

    /// Waits so long for its end, and tells whether it came.
    pub fn ends_within(&mut self, patience: Duration) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if self.child.try_wait().expect("its state").is_some() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// Waits for the end: the status, stdout, and all that was said.
    pub fn end(mut self) -> (ExitStatus, String, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("its state") {
                break status;
            }
            let patient = begun.elapsed() < Duration::from_secs(30);
            assert!(patient, "did not end: {}", self.heard);
            std::thread::sleep(Duration::from_millis(20));
        };
        let mut printed = String::new();
        let mut stdout = self.child.stdout.take().expect("a pipe");
        stdout.read_to_string(&mut printed).expect("text");
        while let Ok((_, line)) = self.said.recv_timeout(Duration::from_millis(100)) {
            self.heard += &line;
            self.heard.push('\n');
        }
        (status, printed, std::mem::take(&mut self.heard))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
