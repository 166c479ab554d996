//! Words while the session is recorded: they appear, what is said off the record is not among them,
//! and whatever becomes of the process that writes them down, the recording is whole.

#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use common::desk::{self, Desk};
use common::pulse::Pulse;
use common::recorder::Recorder;
use common::sound;
use common::tmux::Tmux;
use rustix::process::{Pid, Signal, kill_process};
use undertone::audio::Frames;
use undertone::audio::flac::Decoder;

const RATE: usize = 16_000;

/// The bundled session between two moments, in seconds, as a WAV file.
fn stretch(desk: &Desk, from: f64, to: f64) -> PathBuf {
    let file = std::fs::File::open(desk::session()).unwrap();
    let mut decoder = Decoder::new(file).unwrap();
    let mut samples = Vec::new();
    let at = |seconds: f64| (seconds * RATE as f64) as usize * 2;
    while samples.len() < at(to) && decoder.read(&mut samples, RATE).unwrap() > 0 {}
    let frames = samples[at(from)..at(to)]
        .chunks_exact(2)
        .map(|frame| [frame[0], frame[1]]);
    sound::wav(desk.path(&format!("{from}.wav")), RATE as u32, frames)
}

fn play(pulse: &Pulse, file: &std::path::Path) {
    assert!(
        pulse
            .command("paplay")
            .arg(file)
            .status()
            .unwrap()
            .success()
    );
}

/// The process that writes down, of a running recording.
fn scribe(recorder: &Recorder) -> Pid {
    let id = recorder.child.id();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        for task in std::fs::read_dir(format!("/proc/{id}/task")).unwrap() {
            let children = std::fs::read_to_string(task.unwrap().path().join("children"));
            if let Some(child) = children.unwrap_or_default().split_whitespace().next() {
                return Pid::from_raw(child.parse().unwrap()).unwrap();
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("nobody writes down");
}

fn transcript(desk: &Desk) -> serde_json::Value {
    serde_json::from_str(&desk.done(&["export", "last", "--format", "json"])).unwrap()
}

#[test]
fn words_appear_and_not_one_from_the_pause_is_kept() {
    let desk = Desk::new();
    let pulse = Pulse::start(48_000);
    let before = stretch(&desk, 0.0, 15.0);
    // "… the breathing exercise you gave me feels pointless."
    let paused = stretch(&desk, 17.5, 27.0);
    let after = stretch(&desk, 66.0, 70.5);
    let program = env!("CARGO_BIN_EXE_undertone");
    let script = format!(
        "trap : INT; {program} record --device pulseaudio:room.monitor --consent verbal \
         --agreed all --words --model tiny.en; echo \"ended with $?\"; sleep 600"
    );
    let environment = |tmux: &str| -> Command {
        let mut command = pulse.command(tmux);
        desk.prepare(&mut command);
        command
    };
    let terminal = Tmux::start(pulse.dir(), &environment, (80, 30), &script);
    terminal.until("a few seconds after they are said");
    play(&pulse, &before);
    let screen = terminal.until("listening");
    assert!(screen.contains("Client:"), "{screen}");
    terminal.press(&["h"]);
    let screen = terminal.until("hidden");
    assert!(!screen.contains("listening"), "{screen}");
    terminal.press(&["h"]);
    terminal.until("listening");
    terminal.press(&["b"]);
    terminal.until("a line if you like");
    terminal.press(&["-l", "Quillfeather"]);
    terminal.press(&["Enter"]);
    terminal.until("Quillfeather\n");
    terminal.press(&["p"]);
    terminal.until("OFF THE RECORD");
    play(&pulse, &paused);
    terminal.press(&["p"]);
    terminal.until("Sealed as it comes");
    // What is on its way when the pause ends is left out too.
    std::thread::sleep(Duration::from_millis(700));
    play(&pulse, &after);
    let screen = terminal.until("father");
    assert!(!screen.contains("pointless"), "{screen}");
    terminal.press(&["q"]);
    terminal.until("Stop the recording?");
    terminal.press(&["Enter"]);
    let screen = terminal.until("ended with");
    assert!(screen.contains("ended with 0"), "{screen}");
    assert!(screen.contains("Next: undertone show"), "{screen}");

    let transcript = transcript(&desk);
    let words = |role| desk::heard(&transcript, role).join(" ");
    let (therapist, client) = (words("therapist"), words("client"));
    assert!(therapist.contains("take your time"), "{therapist}");
    assert!(client.contains("my father"), "{client}");
    for said in ["pointless", "breathing", "two months"] {
        assert!(!client.contains(said), "{client}");
    }
    assert_eq!(transcript["bookmarks"][0]["text"], "Quillfeather");
    let gap = &transcript["gaps"][0];
    assert_eq!(gap["reason"], "off the record");
    assert!(gap["duration"].as_f64().unwrap() > 9.0, "{gap}");
    assert_eq!(transcript["model"]["name"], "tiny.en");
    // The files that were played are the test's own.
    for file in [before, paused, after] {
        std::fs::remove_file(file).unwrap();
    }
    desk.holds_none_of(&[
        b"take your time",
        b"Take your time",
        b"father",
        b"Quillfeather",
    ]);
    // A session that was written down while it was recorded can be written down again.
    desk.done(&["transcribe", "last", "--model", "tiny.en"]);
}

/// What is done to the process that writes down.
#[derive(Debug, Clone, Copy)]
enum Harm {
    Killed,
    Stopped,
    Garbage,
}

#[test]
fn whatever_becomes_of_the_words_the_recording_is_whole() {
    for harm in [Harm::Killed, Harm::Stopped, Harm::Garbage] {
        let desk = Desk::new();
        let pulse = Pulse::start(48_000);
        let sound = stretch(&desk, 0.0, 9.0);
        let mut recorder = Recorder::start(&desk, &pulse, &["--words", "--model", "tiny.en"]);
        let scribe = scribe(&recorder);
        play(&pulse, &sound);
        recorder.until("Therapist:");
        match harm {
            Harm::Killed => kill_process(scribe, Signal::KILL).unwrap(),
            Harm::Stopped => kill_process(scribe, Signal::STOP).unwrap(),
            Harm::Garbage => {
                // Into the pipe that its words come out of.
                let pipe = format!("/proc/{}/fd/1", scribe.as_raw_nonzero());
                match std::fs::OpenOptions::new().write(true).open(pipe) {
                    Ok(mut pipe) => pipe.write_all(&[0xee; 4_000]).unwrap(),
                    // It cannot be looked into but by root: that is as it should be.
                    Err(error) => {
                        println!("NOT RUN: garbage ({error})");
                        continue;
                    }
                }
            }
        }
        play(&pulse, &sound);
        if !matches!(harm, Harm::Stopped) {
            recorder.until("words will come after the session");
        }
        let begun = Instant::now();
        recorder.signal(Signal::INT);
        if matches!(harm, Harm::Stopped) {
            recorder.until("Ctrl-C leaves it for later");
            recorder.signal(Signal::INT);
        }
        let (status, _, said) = recorder.end();
        assert!(begun.elapsed() < Duration::from_secs(10), "{harm:?}");
        assert!(status.success(), "{harm:?}: {said}");
        assert!(
            said.contains("Next: undertone transcribe"),
            "{harm:?}: {said}"
        );
        let (manifest, samples) = sound::newest(&desk);
        assert!(manifest.finished && manifest.model.is_none());
        let seconds = samples.len() as f64 / 2.0 / RATE as f64;
        assert!(seconds > 17.5, "{harm:?}: {seconds} s");
        assert!(!manifest.files.contains_key("transcript.json"));
        std::fs::remove_file(&sound).unwrap();
        desk.holds_none_of(&[b"good to see you", b"come on in"]);
        println!("{harm:?}: {seconds:.1} s recorded, whole");
    }
}

#[test]
fn without_consent_nothing_is_written_down() {
    let desk = Desk::new();
    let pulse = Pulse::start(48_000);
    let mut command = pulse.command(env!("CARGO_BIN_EXE_undertone"));
    desk.prepare(&mut command);
    let output = command
        .args(["record", "--device", "pulseaudio:room.monitor"])
        .args(["--consent", "verbal", "--agreed", "recording", "--words"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("did not agree"), "{said}");
}
