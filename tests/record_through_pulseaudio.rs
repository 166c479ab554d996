//! A session recorded as a therapist would: the real program, a real sound server, two voices.

#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use age::secrecy::SecretString;
use common::desk::{self, Desk};
use common::pulse::Pulse;
use common::sound;
use undertone::audio::Frames;
use undertone::audio::flac::Decoder;
use undertone::vault::{State, Vault};

/// The first seconds of the bundled session as a WAV file.
fn excerpt(desk: &Desk, seconds: usize) -> std::path::PathBuf {
    let file = std::fs::File::open(desk::session()).unwrap();
    let mut decoder = Decoder::new(file).unwrap();
    let mut samples = Vec::new();
    while samples.len() < 32_000 * seconds && decoder.read(&mut samples, 16_000).unwrap() > 0 {}
    samples.truncate(32_000 * seconds);
    let frames = samples.chunks_exact(2).map(|frame| [frame[0], frame[1]]);
    sound::wav(desk.path("played.wav"), 16_000, frames)
}

/// Starts recording and waits until it says that it does.
fn recording(desk: &Desk, pulse: &Pulse, trace: Option<&std::path::Path>) -> Child {
    let program = env!("CARGO_BIN_EXE_undertone");
    let mut command = match trace {
        None => pulse.command(program),
        Some(trace) => {
            let mut command = pulse.command("strace");
            command
                .args(["-f", "-e", "trace=%network,seccomp", "-o"])
                .arg(trace)
                .arg(program);
            command
        }
    };
    desk.prepare(&mut command);
    let mut child = command
        .args([
            "record",
            "--consent",
            "verbal",
            "--device",
            "pulseaudio:room.monitor",
        ])
        .args(["--title", "Quillfeather", "--client-code", "ZEBRA-7781"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("record cannot be started: install strace");
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("Recording from") {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "it ended: {said}");
        said.push_str(&line);
    }
    std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    child
}

fn interrupt(pid: u32) {
    let sent = Command::new("kill")
        .args(["-INT", &pid.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// All samples of the newest session, both channels interleaved, and how it ended.
fn stored(desk: &Desk) -> Vec<f32> {
    let unlocked = Vault::open(&desk.vault())
        .unwrap()
        .unlock(&SecretString::from(desk::PASSPHRASE.to_owned()))
        .unwrap();
    let id = unlocked.vault().find("last").unwrap();
    let session = unlocked.session(&id).unwrap();
    let mut decoder = Decoder::new(session.stream("audio.flac").unwrap()).unwrap();
    let mut samples = Vec::new();
    while decoder
        .read(&mut samples, 16_000)
        .is_ok_and(|read| read > 0)
    {}
    samples
}

#[test]
fn both_channels_are_recorded_in_full_and_sealed_from_the_first_sample() {
    let desk = Desk::new();
    let pulse = Pulse::start(48_000);
    let played = excerpt(&desk, 12);
    let mut child = recording(&desk, &pulse, None);
    pulse.play(&played);

    // While it records: nothing on disk or in the arguments says who or what.
    let arguments = std::fs::read(format!("/proc/{}/cmdline", child.id())).unwrap();
    assert!(desk::contains(&arguments, b"record"));
    assert!(!desk::contains(&arguments, b"ZEBRA"));
    assert!(!desk::contains(&arguments, b"Quillfeather"));
    std::fs::remove_file(&played).unwrap();
    let secrets: [&[u8]; 4] = [b"fLaC", b"ZEBRA-7781", b"Quillfeather", b"AGE-SECRET-KEY-"];
    desk.holds_none_of(&secrets);

    std::thread::sleep(Duration::from_millis(700));
    interrupt(child.id());
    assert!(child.wait().unwrap().success());
    desk.holds_none_of(&secrets);

    let samples = stored(&desk);
    let pcm: Vec<u8> = samples
        .iter()
        .skip(samples.len() / 2)
        .take(64)
        .flat_map(|sample| ((sample * 32_768.0) as i16).to_le_bytes())
        .collect();
    desk.holds_none_of(&[&pcm]);

    // What was played: sound from the first voice to the last, 12 s less its silent edges.
    let reference = {
        let file = std::fs::File::open(desk::session()).unwrap();
        let mut decoder = Decoder::new(file).unwrap();
        let mut all = Vec::new();
        while all.len() < 32_000 * 12 && decoder.read(&mut all, 16_000).unwrap() > 0 {}
        all.truncate(32_000 * 12);
        all
    };
    let (from, to) = (voiced(&reference), voiced(&samples));
    let (first, last) = (to.1 - to.0, from.1 - from.0);
    let off = (first as f64 - last as f64).abs() / last as f64;
    println!("played {last} blocks of 10 ms, recorded {first}");
    assert!(off < 0.005, "played {last} blocks, recorded {first}");
    // The therapist greets first: channel 1 is the louder one there, and not the other way round.
    let greeting = &samples[to.0 * 320..(to.0 + 300) * 320];
    let power = |channel: usize| -> f32 {
        greeting
            .iter()
            .skip(channel)
            .step_by(2)
            .map(|s| s * s)
            .sum()
    };
    assert!(power(0) > 10.0 * power(1), "{} {}", power(0), power(1));
    // No hole: the session's noise floor is never digital silence for 100 ms.
    let hole = samples[to.0 * 320..to.1 * 320]
        .chunks(3_200)
        .any(|chunk| chunk.iter().all(|sample| *sample == 0.0));
    assert!(!hole, "there is a hole in the recording");
}

/// First and last block of 10 ms that holds sound well above the noise.
fn voiced(samples: &[f32]) -> (usize, usize) {
    let loud: Vec<usize> = samples
        .chunks(320)
        .enumerate()
        .filter(|(_, block)| block.iter().any(|sample| sample.abs() > 0.02))
        .map(|(index, _)| index)
        .collect();
    (loud[0], loud[loud.len() - 1])
}

#[test]
fn a_recording_that_is_killed_can_be_recovered_but_for_its_last_seconds() {
    let desk = Desk::new();
    let pulse = Pulse::start(48_000);
    let played = excerpt(&desk, 8);
    let mut child = recording(&desk, &pulse, None);
    pulse.play(&played);
    child.kill().unwrap();
    child.wait().unwrap();
    let entries = Vault::open(&desk.vault()).unwrap().sessions().unwrap();
    assert_eq!(entries[0].state, State::Interrupted);
    let said = desk.done(&["recover", "--json"]);
    let recovered: serde_json::Value = serde_json::from_str(&said).unwrap();
    let seconds = recovered[0]["duration_s"].as_f64().unwrap();
    println!("8 s played, {seconds:.1} s recovered");
    assert!(seconds > 4.5, "only {seconds} s were recovered");
    assert!(voiced(&stored(&desk)).1 > 300);
    let entries = Vault::open(&desk.vault()).unwrap().sessions().unwrap();
    assert_eq!(entries[0].state, State::Complete);
}

#[test]
fn only_local_sockets_are_made_and_none_once_the_sound_flows() {
    let desk = Desk::new();
    let pulse = Pulse::start(48_000);
    let trace = desk.path("trace");
    let mut child = recording(&desk, &pulse, Some(&trace));
    std::thread::sleep(Duration::from_secs(2));
    // The program itself, not strace, gets the signal.
    let begun = Instant::now();
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let pids = std::fs::read_to_string(children).unwrap();
    interrupt(pids.split_whitespace().next().unwrap().parse().unwrap());
    assert!(child.wait().unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(10));
    let trace = std::fs::read_to_string(&trace).unwrap();
    let calls = desk::calls(&trace);
    let sockets: Vec<&String> = calls
        .iter()
        .filter(|call| desk::made(call, &["socket("]))
        .collect();
    assert!(!sockets.is_empty(), "it never asked the sound server");
    assert!(
        sockets.iter().all(|call| call.contains("AF_UNIX")),
        "{sockets:#?}"
    );
    let shut = calls
        .iter()
        .rposition(|call| call.contains("seccomp(SECCOMP_SET_MODE_FILTER"));
    let late = calls[shut.expect("no filter was set")..]
        .iter()
        .find(|call| desk::made(call, &["socket(", "connect(", "bind(", "listen("]));
    assert!(late.is_none(), "{late:?}");
}
