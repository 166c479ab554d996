//! A person who stops twice, at once: the terminal is as it was before, and the session is kept.

#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::Command;
use std::time::Duration;

use common::desk::Desk;
use common::pulse::Pulse;
use common::tmux::Tmux;
use rustix::process::{Signal, kill_process};
use undertone::vault::{State, Vault};

#[test]
fn a_second_signal_right_after_the_first_leaves_the_terminal_as_it_was() {
    let pulse = Pulse::start(48_000);
    // Where in the screen's tenth of a second they come is chance: more than once, then.
    for (turn, apart) in [0, 3, 20, 60].into_iter().enumerate() {
        let desk = Desk::new();
        let program = env!("CARGO_BIN_EXE_undertone");
        let script = format!(
            "{program} record --device pulseaudio:room.monitor --consent verbal --agreed all; \
             echo \"ended with $?\"; stty -a; sleep 600"
        );
        let environment = |tmux: &str| -> Command {
            let mut command = pulse.command(tmux);
            desk.prepare(&mut command);
            command
        };
        let folder = pulse.dir().join(turn.to_string());
        std::fs::create_dir(&folder).unwrap();
        let terminal = Tmux::start(&folder, &environment, (80, 24), &script);
        terminal.until("Sealed as it comes");
        let recorder = terminal.child_of_shell();
        kill_process(recorder, Signal::TERM).unwrap();
        std::thread::sleep(Duration::from_millis(apart));
        // It may have ended meanwhile.
        let _ = kill_process(recorder, Signal::INT);
        let screen = terminal.until("cs8");
        for mode in ["icanon", "echo", "isig"] {
            let on = screen.split_whitespace().any(|word| word == mode);
            assert!(on, "not {mode} after {apart} ms: {screen}");
        }
        let vault = Vault::open(&desk.vault()).unwrap();
        let state = vault.sessions().unwrap()[0].state;
        let kept = matches!(state, State::Complete | State::Interrupted);
        assert!(kept, "{state:?} after {apart} ms");
    }
}
