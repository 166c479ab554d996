//! `undertone record` driven by keys at a real terminal, on a private sound server.

#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::Command;
use std::time::Duration;

use age::secrecy::SecretString;
use common::desk::{self, Desk};
use common::pulse::Pulse;
use common::sound;
use common::tmux::Tmux;
use undertone::audio::Frames;
use undertone::audio::flac::Decoder;
use undertone::vault::{State, Vault};

const RATE: usize = 16_000;

/// Starts `undertone record` in a terminal; what follows it tells how it ended and what the
/// terminal is like then.
fn recorder(desk: &Desk, pulse: &Pulse, flags: &str, size: (u16, u16)) -> Tmux {
    let program = env!("CARGO_BIN_EXE_undertone");
    let script = format!(
        "trap : INT; {program} record --device pulseaudio:room.monitor {flags}; \
         echo \"ended with $?\"; stty -a; sleep 600"
    );
    let environment = |tmux: &str| -> Command {
        let mut command = pulse.command(tmux);
        desk.prepare(&mut command);
        command.env_remove("NO_COLOR");
        command
    };
    Tmux::start(pulse.dir(), &environment, size, &script)
}

/// Presses a key until the screen says that it had its effect.
fn press(terminal: &Tmux, key: &str, until: &str) -> String {
    terminal.press(&[key]);
    terminal.until(until)
}

/// The newest session's sound, interleaved, and its moments.
fn stored(desk: &Desk) -> (Vec<f32>, serde_json::Value) {
    let vault = Vault::open(&desk.vault()).unwrap();
    let unlocked = vault
        .unlock(&SecretString::from(desk::PASSPHRASE.to_owned()))
        .unwrap();
    let id = vault.find("last").unwrap();
    assert_eq!(vault.entry(&id).unwrap().state, State::Complete);
    let session = unlocked.session(&id).unwrap();
    let mut decoder = Decoder::new(session.stream("audio.flac").unwrap()).unwrap();
    let mut samples = Vec::new();
    while decoder.read(&mut samples, RATE).unwrap() > 0 {}
    let moments = session.read("moments.json", 1 << 20).unwrap();
    (samples, serde_json::from_slice(&moments).unwrap())
}

fn settled(terminal: &Tmux) {
    let screen = terminal.until("cs8");
    assert!(screen.contains("ended with 0"), "{screen}");
    // As a shell has it: lines are edited, typing is seen, Ctrl-C is a signal.
    for mode in ["icanon", "echo", "isig"] {
        let on = screen.split_whitespace().any(|word| word == mode);
        assert!(on, "not {mode}: {screen}");
    }
}

#[test]
fn keys_pause_mark_hide_and_stop_and_the_terminal_is_as_before() {
    let desk = Desk::new();
    let pulse = Pulse::start(48_000);
    let sound = sound::stretch(&desk.path(""), 17.5, 24.5);
    let terminal = recorder(&desk, &pulse, "", (80, 24));
    // What a person is asked.
    terminal.until("[w]ritten, [v]erbal");
    terminal.press(&["w", "Enter"]);
    terminal.until("written down");
    terminal.press(&["Enter"]);
    terminal.until("analysed");
    terminal.press(&["Enter"]);
    terminal.until("handed on");
    terminal.press(&["y", "Enter"]);
    terminal.until("how many days");
    terminal.press(&["9", "0", "Enter"]);

    terminal.until("Sealed as it comes");
    let mut player = pulse.command("paplay").arg(&sound).spawn().unwrap();
    terminal.until("0:00:01");
    press(&terminal, "b", "a line if you like");
    terminal.press(&["-l", "q p Quillfeather"]);
    let screen = press(&terminal, "Enter", "q p Quillfeather\n");
    assert!(screen.contains("Bookmarks"), "{screen}");
    let screen = press(&terminal, "h", "words hidden");
    assert!(!screen.contains("Quillfeather"), "{screen}");
    press(&terminal, "p", "OFF THE RECORD: nothing is kept");
    std::thread::sleep(Duration::from_secs(2));
    press(&terminal, "p", "Sealed as it comes");
    assert!(player.wait().unwrap().success());
    press(&terminal, "q", "Stop the recording?");
    press(&terminal, "n", "p pause");
    terminal.press(&["q", "Enter"]);
    settled(&terminal);
    assert!(!terminal.screen().contains("Quillfeather"));

    let (samples, moments) = stored(&desk);
    let off = &moments["off_record"][0];
    let at = |name: &str| off[name].as_f64().unwrap();
    let (from, to) = (at("start"), at("end"));
    assert!((1.9..4.0).contains(&(to - from)), "{moments}");
    let part = |from: f64, to: f64| {
        let at = |seconds: f64| ((seconds * RATE as f64) as usize * 2).min(samples.len());
        &samples[at(from)..at(to)]
    };
    let kept = |part: &[f32]| part.iter().filter(|s| **s != 0.0).count();
    // 50 ms at the edges are the filter's.
    assert_eq!(
        kept(part(from + 0.05, to - 0.05)),
        0,
        "sound of the pause was kept"
    );
    assert!(
        kept(part(0.0, from)) > RATE,
        "what was said before is there"
    );
    assert!(kept(part(to, 1e6)) > RATE, "what was said after is there");
    let mark = &moments["bookmarks"][0];
    assert_eq!(mark["text"], "q p Quillfeather");
    assert!(mark["at"].as_f64().unwrap() < from);
    assert_eq!(moments["bookmarks"].as_array().unwrap().len(), 1);
    desk.holds_none_of(&[b"Quillfeather", b"bookmarks", b"off_record"]);

    let noted = desk.done(&["consent", "last", "--json"]);
    let noted: serde_json::Value = serde_json::from_str(&noted).unwrap();
    assert_eq!(noted["consent"]["basis"], "written");
    assert_eq!(noted["consent"]["keep_days"], 90);
    let gaps = &noted["consent"]["agreed"];
    assert_eq!(gaps.as_array().unwrap().len(), 4);
}

#[test]
fn lines_do_the_same_where_a_screen_reader_is_used() {
    let desk = Desk::new();
    let pulse = Pulse::start(48_000);
    let flags = "--consent verbal --plain";
    let terminal = recorder(&desk, &pulse, flags, (60, 20));
    terminal.until("Recording from");
    std::thread::sleep(Duration::from_millis(1_500));
    terminal.press(&["-l", "b the mother"]);
    press(&terminal, "Enter", "Marked.");
    terminal.press(&["p", "Enter"]);
    terminal.until("Off the record");
    std::thread::sleep(Duration::from_secs(1));
    terminal.press(&["p", "Enter"]);
    terminal.until("On the record again");
    terminal.press(&["q", "Enter"]);
    settled(&terminal);
    let (_, moments) = stored(&desk);
    assert_eq!(moments["bookmarks"][0]["text"], "the mother");
    assert_eq!(moments["off_record"].as_array().unwrap().len(), 1);
    desk.holds_none_of(&[b"the mother"]);
}

#[test]
fn a_window_that_is_closed_ends_the_recording_well() {
    let desk = Desk::new();
    let pulse = Pulse::start(48_000);
    for flags in ["--consent verbal", "--consent verbal --plain"] {
        let terminal = recorder(&desk, &pulse, flags, (80, 24));
        terminal.until(if flags.contains("plain") {
            "Recording from"
        } else {
            "Sealed as"
        });
        std::thread::sleep(Duration::from_secs(2));
        terminal.close();
        let vault = Vault::open(&desk.vault()).unwrap();
        let begun = std::time::Instant::now();
        while vault
            .sessions()
            .unwrap()
            .iter()
            .any(|s| s.state == State::Writing)
        {
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "{flags}: it goes on"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        let newest = vault.find("last").unwrap();
        let state = vault.entry(&newest).unwrap().state;
        assert_eq!(state, State::Complete, "{flags}");
    }
}

#[test]
fn a_small_terminal_and_one_that_is_made_small_show_the_state() {
    let desk = Desk::new();
    let pulse = Pulse::start(48_000);
    let terminal = recorder(&desk, &pulse, "--consent verbal", (24, 6));
    let screen = terminal.until("REC");
    assert!(screen.contains("0:00:0"), "{screen}");
    press(&terminal, "p", "PAUSED");
    terminal.press(&["C-c"]);
    // The end of what `stty -a` says.
    terminal.until("extproc");
    let vault = Vault::open(&desk.vault()).unwrap();
    let state = vault.entry(&vault.find("last").unwrap()).unwrap().state;
    assert_eq!(state, State::Complete);
}

#[test]
#[ignore = "two minutes, and a speech model"]
fn slow_not_a_word_from_the_pause_is_in_the_transcript_and_the_bookmark_is() {
    let desk = Desk::new();
    let pulse = Pulse::start(48_000);
    let parts = [(0.5, 14.5), (17.5, 31.5), (48.2, 66.5)]
        .map(|(a, b)| sound::stretch(&desk.path(""), a, b));
    let flags = "--consent verbal --agreed all --title Quillfeather";
    let terminal = recorder(&desk, &pulse, flags, (80, 24));
    terminal.until("Sealed as it comes");
    pulse.play(&parts[0]);
    press(&terminal, "p", "OFF THE RECORD");
    pulse.play(&parts[1]);
    press(&terminal, "p", "Sealed as it comes");
    press(&terminal, "b", "a line if you like");
    terminal.press(&["-l", "alone with it"]);
    press(&terminal, "Enter", "alone with it\n");
    pulse.play(&parts[2]);
    terminal.press(&["q"]);
    terminal.until("Stop the recording?");
    terminal.press(&["q"]);
    settled(&terminal);

    desk.done(&["transcribe", "last", "--model", "tiny.en"]);
    let text = desk.done(&["export", "last", "--format", "json"]);
    let transcript: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (from, to) = desk::pause_left_no_word(&transcript);
    let at = |value: &serde_json::Value| value.as_f64().unwrap();
    assert!((14.0..19.0).contains(&(to - from)), "{from} to {to}");
    let mark = &transcript["bookmarks"][0];
    assert_eq!(mark["text"], "alone with it");
    let marked = at(&mark["at"]);
    assert!(marked >= to && marked < to + 3.0, "{marked}, {to}");
    // The first word of the third part follows the bookmark within seconds.
    let turns = transcript["turns"].as_array().unwrap().iter();
    let starts = turns
        .flat_map(|turn| turn["words"].as_array().unwrap())
        .map(|word| at(&word["start"]));
    let next = starts.filter(|start| *start > to).fold(f64::MAX, f64::min);
    assert!(
        next - marked < 6.0,
        "marked at {marked}, next word at {next}"
    );

    let shown = desk.done(&["show", "last"]);
    assert!(shown.contains("bookmark: alone with it"), "{shown}");
    assert!(shown.contains("not recorded: off the record"), "{shown}");
    let page = desk.done(&["export", "last", "--format", "md"]);
    assert!(page.contains("alone with it") && page.contains("off the record"));
    for part in &parts {
        std::fs::remove_file(part).unwrap();
    }
    desk.holds_none_of(&[
        b"alone with it",
        b"off the record",
        b"Quillfeather",
        b"listening",
    ]);
}

#[test]
fn a_terminal_that_hangs_holds_up_neither_the_recording_nor_its_end() {
    let desk = Desk::new();
    let pulse = Pulse::start(48_000);
    let sound = sound::stretch(&desk.path(""), 17.5, 24.5);
    let terminal = recorder(&desk, &pulse, "--consent verbal", (80, 24));
    terminal.until("Sealed as it comes");
    let recorder = terminal.child_of_shell();
    // What Ctrl-S does, and a window that is not served any more: whoever writes waits.
    let tty = terminal.device();
    rustix::termios::tcflow(&tty, rustix::termios::Action::OOff).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let before = terminal.screen();
    // Longer than the ring would hold, were nobody to empty it.
    pulse.play(&sound);
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(before, terminal.screen(), "the terminal did not hang");
    rustix::process::kill_process(recorder, rustix::process::Signal::INT).unwrap();
    let vault = Vault::open(&desk.vault()).unwrap();
    let begun = std::time::Instant::now();
    let entry = loop {
        let entry = vault.entry(&vault.find("last").unwrap()).unwrap();
        if entry.state == State::Complete {
            break entry;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it never ended");
        std::thread::sleep(Duration::from_millis(50));
    };
    rustix::termios::tcflow(&tty, rustix::termios::Action::OOn).unwrap();
    let unlocked = vault
        .unlock(&SecretString::from(desk::PASSPHRASE.to_owned()))
        .unwrap();
    let manifest = unlocked.session(&entry.id).unwrap().manifest().unwrap();
    assert!(manifest.gaps.is_empty(), "{:?}", manifest.gaps);
    assert!(manifest.duration_s.unwrap() > 13.5);
}

#[test]
fn ctrl_c_at_a_question_records_nothing() {
    let desk = Desk::new();
    let pulse = Pulse::start(48_000);
    let terminal = recorder(&desk, &pulse, "", (80, 30));
    terminal.until("[w]ritten, [v]erbal");
    terminal.press(&["v", "Enter"]);
    terminal.until("written down");
    terminal.press(&["C-c"]);
    let screen = terminal.until("ended with 130");
    assert!(screen.contains("Nothing was recorded"), "{screen}");
    assert!(
        Vault::open(&desk.vault())
            .unwrap()
            .sessions()
            .unwrap()
            .is_empty()
    );
}
