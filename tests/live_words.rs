//! Words while the session is recorded, from the real model on a private sound server: they appear,
//! the pause leaves none, and whatever becomes of the process that writes them, the recording is
//! whole.

#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use age::secrecy::SecretString;
use common::desk::{self, Desk};
use common::process;
use common::pulse::Pulse;
use common::recorder::Recorder;
use common::sound;
use common::tmux::Tmux;
use rustix::process::{Pid, Signal, kill_process};
use undertone::vault::{State, Vault};

const RATE: usize = 16_000;
const TINY: [&str; 3] = ["--words", "--model", "tiny.en"];
/// What the screen says when the words stay away.
const LATER: &str = "words will come after the session";

/// The newest session's length and whether it has a transcript; it must be complete and whole.
fn newest(desk: &Desk) -> (f64, bool) {
    let vault = Vault::open(&desk.vault()).unwrap();
    let id = vault.find("last").unwrap();
    assert_eq!(vault.entry(&id).unwrap().state, State::Complete);
    let unlocked = vault
        .unlock(&SecretString::from(desk::PASSPHRASE.to_owned()))
        .unwrap();
    assert!(unlocked.check(&id).unwrap().sound());
    let session = unlocked.session(&id).unwrap();
    let (manifest, samples) = sound::newest(desk);
    let kept = samples.len() as f64 / 2.0 / RATE as f64;
    assert!((manifest.duration_s.unwrap() - kept).abs() < 0.01);
    assert!(manifest.gaps.is_empty(), "{:?}", manifest.gaps);
    assert_eq!(manifest.model.is_some(), session.has("transcript.json"));
    (kept, session.has("transcript.json"))
}

/// Records, does something to the process that writes down, goes on for a while and ends.
fn disturbed(disturb: impl Fn(Pid, Pid), wait: bool) -> String {
    let desk = Desk::new();
    let pulse = Pulse::start(48_000);
    let folder = tempfile::tempdir().unwrap();
    let part = sound::stretch(folder.path(), 0.5, 14.5);
    let mut recorder = Recorder::start(&desk, &pulse, &TINY);
    let begun = recorder.begun;
    let mut player = pulse.command("paplay").arg(&part).spawn().unwrap();
    recorder.until("Therapist:");
    let recording = i32::try_from(recorder.child.id()).unwrap();
    let scribe = process::child_of(recording).expect("a process that writes down");
    disturb(Pid::from_raw(recording).unwrap(), scribe);
    if wait {
        recorder.until(LATER);
    }
    assert!(player.wait().unwrap().success());
    recorder.signal(Signal::INT);
    let recorded = begun.elapsed().as_secs_f64();
    // Waiting for words that do not come is ended as the recording was.
    if !recorder.ends_within(Duration::from_secs(8)) {
        recorder.signal(Signal::INT);
    }
    let (status, _, said) = recorder.end();
    assert!(status.success(), "{status}: {said}");
    assert!(said.contains("Next: undertone transcribe"), "{said}");
    let (kept, written) = newest(&desk);
    assert!(!written);
    assert!(recorded - kept < 1.0, "{kept} s of {recorded} s are kept");
    desk.holds_none_of(&[b"listening", b"AGE-SECRET-KEY-"]);
    desk.done(&["transcribe", "last", "--model", "tiny.en"]);
    let text = desk.done(&["export", "last", "--format", "json"]);
    let transcript = serde_json::from_str(&text).unwrap();
    assert!(!desk::heard(&transcript, "therapist").is_empty());
    said
}

/// That the process that writes down is shut in by itself, not by what it has from the recording alone, and has nothing but
/// pipes.
fn holds_nothing_but_pipes(recorder: Pid, scribe: Pid) {
    // 2: by a filter.
    assert_eq!(process::status(scribe, "Seccomp"), "2");
    assert_eq!(process::status(scribe, "NoNewPrivs"), "1");
    let filters = |process| process::status(process, "Seccomp_filters").parse::<u32>();
    // Linux 5.9 and older do not count them. Both phases of its own are five on x86-64, and four elsewhere; the recording had
    // the first when it began it, three or two, and has both by now.
    if let (Ok(of_recorder), Ok(of_scribe)) = (filters(recorder), filters(scribe)) {
        assert!(of_scribe >= of_recorder + 2, "{of_scribe}, {of_recorder}");
    }
    let Some(open) = process::open_in(scribe) else {
        eprintln!("Not tested: what it holds open; the kernel shows that to root alone.");
        return;
    };
    assert!(open.len() >= 2, "{open:?}");
    for held in &open {
        let harmless = held.starts_with("pipe:[") || held == "/dev/null";
        assert!(harmless, "{held} of {open:?}");
    }
}

#[test]
#[ignore = "slow: a recording, and a speech model"]
fn slow_the_process_that_writes_down_has_no_socket_is_killed_and_the_recording_goes_on() {
    let look_and_kill = |recorder, scribe| {
        holds_nothing_but_pipes(recorder, scribe);
        kill_process(scribe, Signal::KILL).unwrap();
    };
    disturbed(look_and_kill, true);
}

#[test]
#[ignore = "slow: a recording, and a speech model"]
fn slow_the_process_that_writes_down_hangs_and_the_recording_goes_on_and_ends() {
    let stop = |_, scribe| kill_process(scribe, Signal::STOP).unwrap();
    disturbed(stop, false);
}

/// A message as the process that writes down sends it.
fn message(json: &serde_json::Value) -> Vec<u8> {
    let text = json.to_string().into_bytes();
    let length = u32::try_from(text.len()).unwrap().to_le_bytes();
    [length.to_vec(), text].concat()
}

/// Everything that was heard in a session of so many seconds, with one word.
fn everything(seconds: f64, text: &str) -> serde_json::Value {
    let word = serde_json::json!(
        {"text": text, "start": -1e300, "end": 1e300, "probability": 7.0, "suspect": false}
    );
    let channel = serde_json::json!({
        "words": [word], "own": [], "voices": [], "wordless": [],
        "activity": [{"start": 1e300, "end": -1e300}],
    });
    serde_json::json!({"heard": {
        "channels": [channel, channel, channel],
        "separation": {"channels": [], "margin_db": 0.0, "leaked_words": 4_294_967_295u32},
        "language": "en", "duration": seconds,
    }})
}

/// Records with something else in the place of the process that writes down: what is started is the
/// running program's own file, which is another by then. Returns the screen at the end.
fn deceived(talk: &[u8], then: &str) -> String {
    let desk = Desk::new();
    let pulse = Pulse::start(48_000);
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("undertone");
    std::fs::copy(env!("CARGO_BIN_EXE_undertone"), &program).unwrap();
    let script = format!(
        "trap : INT; {} record --device pulseaudio:room.monitor --plain {}; \
         echo \"ended with $?\"; sleep 600",
        program.display(),
        TINY.join(" ")
    );
    let environment = |tmux: &str| -> Command {
        let mut command = pulse.command(tmux);
        desk.prepare(&mut command);
        command
    };
    let terminal = Tmux::start(pulse.dir(), &environment, (100, 50), &script);
    terminal.until("[w]ritten, [v]erbal");
    std::fs::remove_file(&program).unwrap();
    std::fs::write(folder.path().join("talk"), talk).unwrap();
    // So the kernel names the file of a running program that was removed.
    let other = folder.path().join("undertone (deleted)");
    let words = format!(
        "#!/bin/sh\ncat '{}/talk'\n{then}\n",
        folder.path().display()
    );
    std::fs::write(&other, words).unwrap();
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o700)).unwrap();
    terminal.press(&["v", "Enter"]);
    for question in ["written down", "analysed", "handed on", "how many days"] {
        terminal.until(question);
        terminal.press(&["Enter"]);
    }
    terminal.until("Recording from");
    let begun = Instant::now();
    std::thread::sleep(Duration::from_secs(4));
    terminal.press(&["q", "Enter"]);
    let recorded = begun.elapsed().as_secs_f64();
    let asked = Instant::now();
    while !terminal.screen().contains("ended with") && asked.elapsed() < Duration::from_secs(8) {
        std::thread::sleep(Duration::from_millis(100));
    }
    if !terminal.screen().contains("ended with") {
        terminal.press(&["C-c"]);
    }
    let screen = terminal.until("ended with");
    assert!(screen.contains("ended with 0"), "{screen}");
    let (kept, written) = newest(&desk);
    assert!(!written, "lies were sealed: {screen}");
    assert!(kept > 3.5 && kept <= recorded + 1.5, "{kept}, {recorded}");
    screen
}

#[test]
#[ignore = "slow: five recordings"]
fn slow_whatever_the_process_that_writes_down_says_the_recording_is_whole() {
    let ready = message(&serde_json::json!({"ready": 0.5}));
    let noise: Vec<u8> = (0..300_000u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let screen = deceived(&noise, "sleep 60");
    assert!(screen.contains(LATER), "{screen}");
    // Ends at once, and reads nothing.
    let screen = deceived(&ready, "exit 3");
    assert!(screen.contains(LATER), "{screen}");
    // Announces more than any session says.
    let screen = deceived(&u32::MAX.to_le_bytes(), "sleep 60");
    assert!(screen.contains(LATER), "{screen}");
    // Tries to take the terminal over.
    let evil = serde_json::json!({"said": {"channel": 1, "start": 1.0,
        "text": "harm\u{1b}[2J\u{1b}]0;taken\u{7}less\r\n\u{202e}turned"}});
    let talk = [ready.clone(), message(&evil).repeat(5)].concat();
    let screen = deceived(&talk, "cat >/dev/null; sleep 60");
    assert!(screen.contains("Client: harm"), "{screen}");
    assert!(screen.contains("Recording from"), "the screen was cleared");
    // A transcript of another session: days long.
    let talk = [ready, message(&everything(900_000.0, "never said"))].concat();
    let screen = deceived(&talk, "cat >/dev/null; sleep 60");
    assert!(!screen.contains("Written down"), "{screen}");
}

#[test]
#[ignore = "slow: two minutes, and a speech model"]
fn slow_words_appear_and_not_one_from_the_pause_is_in_the_transcript_sealed_at_the_end() {
    let desk = Desk::new();
    let pulse = Pulse::start(48_000);
    let folder = tempfile::tempdir().unwrap();
    let parts =
        [(0.5, 14.5), (17.5, 31.5), (48.2, 66.5)].map(|(a, b)| sound::stretch(folder.path(), a, b));
    let script = format!(
        "trap : INT; exec 9</etc/passwd; \
         {} record --device pulseaudio:room.monitor --consent verbal --agreed all {}; \
         echo \"ended with $?\"; sleep 600",
        env!("CARGO_BIN_EXE_undertone"),
        TINY.join(" ")
    );
    let environment = |tmux: &str| -> Command {
        let mut command = pulse.command(tmux);
        desk.prepare(&mut command);
        command
    };
    let terminal = Tmux::start(pulse.dir(), &environment, (80, 30), &script);
    terminal.until("Sealed as it comes");
    terminal.until("a few seconds after they are said");
    pulse.play(&parts[0]);
    let screen = terminal.until("Therapist:");
    let recorder = terminal.child_of_shell();
    let scribe = process::child_of(recorder.as_raw_nonzero().get()).unwrap();
    holds_nothing_but_pipes(recorder, scribe);
    terminal.press(&["h"]);
    let hidden = terminal.until("hidden (h shows them)");
    assert!(!hidden.contains("Therapist:"), "{hidden}");
    terminal.press(&["h"]);
    terminal.until("Therapist:");
    println!("{screen}");
    terminal.press(&["p"]);
    terminal.until("OFF THE RECORD");
    pulse.play(&parts[1]);
    terminal.press(&["p"]);
    terminal.until("Sealed as it comes");
    terminal.press(&["b"]);
    terminal.until("a line if you like");
    terminal.press(&["-l", "alone with it"]);
    terminal.press(&["Enter"]);
    terminal.until("alone with it\n");
    pulse.play(&parts[2]);
    // While the words are on the screen, none is on the disk.
    let secrets: [&[u8]; 5] = [
        b"listening",
        b"scary",
        b"alone with it",
        b"off the record",
        b"AGE-SECRET-KEY-",
    ];
    desk.holds_none_of(&secrets);
    terminal.press(&["q"]);
    terminal.until("Stop the recording?");
    terminal.press(&["q"]);
    let screen = terminal.until("ended with");
    assert!(screen.contains("ended with 0"), "{screen}");
    assert!(screen.contains("Written down with tiny.en"), "{screen}");
    assert!(screen.contains("Next: undertone show"), "{screen}");
    desk.holds_none_of(&secrets);

    let text = desk.done(&["export", "last", "--format", "json"]);
    let transcript: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (from, to) = desk::pause_left_no_word(&transcript);
    assert!((14.0..20.0).contains(&(to - from)), "{from} to {to}");
    let mark = &transcript["bookmarks"][0];
    assert_eq!(mark["text"], "alone with it");

    // As written down afterwards from the sealed sound.
    desk.done(&["transcribe", "last", "--model", "tiny.en"]);
    let text = desk.done(&["export", "last", "--format", "json"]);
    let after: serde_json::Value = serde_json::from_str(&text).unwrap();
    for who in ["therapist", "client"] {
        let (offline, live) = (desk::heard(&after, who), desk::heard(&transcript, who));
        let apart = desk::word_errors(&offline, &live);
        println!("{who}: {apart} of {} words differ", offline.len());
        assert!(apart * 20 <= offline.len(), "{who}: {apart} words differ");
    }
    let noted = desk.done(&["consent", "last", "--json"]);
    assert!(noted.contains("verbal"), "{noted}");
}

#[test]
fn without_consent_to_a_transcript_nothing_is_written_down() {
    let desk = Desk::new();
    let pulse = Pulse::start(48_000);
    let mut command = pulse.command(env!("CARGO_BIN_EXE_undertone"));
    desk.prepare(&mut command);
    let output = command
        .args(["record", "--device", "pulseaudio:room.monitor"])
        .args(["--consent", "verbal", "--agreed", "recording"])
        .args(TINY)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("did not agree"), "{said}");
    let vault = Vault::open(&desk.vault()).unwrap();
    assert!(vault.sessions().unwrap().is_empty());
}
