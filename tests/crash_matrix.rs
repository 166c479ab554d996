//! What is left of a session when its recording ends in a way that nobody wanted: every cell is a
//! real recording through a private sound server, ended, looked at, recovered and searched.
//!
//! `scripts/crash-matrix` runs it larger and prints the table.

#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use age::secrecy::SecretString;
use common::desk::{self, Desk};
use common::microphone::Microphone;
use common::process;
use common::pulse::Pulse;
use common::recorder::Recorder;
use common::sound;
use common::tmux::Tmux;
use rayon::prelude::*;
use rustix::process::{Pid, Signal, kill_process};
use undertone::audio::Frames;
use undertone::audio::flac::Decoder;
use undertone::vault::{State, Vault};

const RATE: usize = 16_000;
/// A click comes so often, in seconds: where one is missing, or the distance is another, something
/// earlier than the end was lost.
const CLICK: f64 = 0.25;
/// So much may be missing at the end, in seconds.
const MOST_LOST: f64 = 3.0;
/// Recordings that run at once: each is little work and much waiting, and has a server and a vault of its own.
const SIDE_BY_SIDE: usize = 4;
const TITLE: &str = "Quillfeather";
const CODE: &str = "ZEBRA-7781";

/// Two minutes of soft noise with clicks, outside of what is searched.
fn clicks(folder: &std::path::Path) -> std::path::PathBuf {
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let frames = (0..RATE * 120).map(|at| {
        let loud = if at % (RATE / 4) < 32 { 0.5 } else { 0.001 };
        [noise() * loud, noise() * loud]
    });
    sound::wav(folder.join("clicks.wav"), RATE as u32, frames)
}

/// Where clicks begin in the first channel, in seconds.
fn found(samples: &[f32]) -> Vec<f64> {
    let mut starts = Vec::new();
    let mut last = f64::MIN;
    for (at, frame) in samples.chunks_exact(2).enumerate() {
        let at = at as f64 / RATE as f64;
        if frame[0].abs() > 0.1 && at - last > CLICK / 2.0 {
            starts.push(at);
            last = at;
        }
    }
    starts
}

/// What only root can do.
const FED_GARBAGE: &str = "transcriber fed garbage";
const DISK_FULL: &str = "disk full";

/// A recording that is ended in some way and looked at; none where it cannot be done.
type Record = Box<dyn Fn() -> Option<Outcome> + Send + Sync>;

/// How a cell came out.
struct Outcome {
    cell: String,
    state: &'static str,
    recorded: f64,
    kept: f64,
}

struct Cell {
    name: &'static str,
    desk: Desk,
    pulse: Pulse,
    player: std::process::Child,
    _sound: tempfile::TempDir,
}

impl Drop for Cell {
    fn drop(&mut self) {
        let _ = self.player.kill();
        let _ = self.player.wait();
    }
}

impl Cell {
    fn new(name: &'static str) -> Cell {
        let pulse = Pulse::start(48_000);
        let sound = tempfile::tempdir().unwrap();
        let player = pulse
            .command("paplay")
            .arg("--device=room")
            .arg(clicks(sound.path()))
            .spawn()
            .expect("paplay: install pulseaudio-utils");
        Cell {
            name,
            desk: Desk::new(),
            pulse,
            player,
            _sound: sound,
        }
    }

    fn record(&self) -> Recorder {
        self.record_with(&[])
    }

    fn record_with(&self, more: &[&str]) -> Recorder {
        let flags = ["--title", TITLE, "--client-code", CODE, "--patience", "0"];
        Recorder::start(&self.desk, &self.pulse, &[&flags, more].concat())
    }

    /// Looks at what is left, recovers it, and searches the disk before and after.
    fn look(&self, recorded: f64, states: &[State]) -> Outcome {
        let secrets: [&[u8]; 5] = [
            b"fLaC\0\0\0\"",
            TITLE.as_bytes(),
            CODE.as_bytes(),
            b"AGE-SECRET-KEY-",
            b"the mother again",
        ];
        self.desk.holds_none_of(&secrets);
        let vault = Vault::open(&self.desk.vault()).unwrap();
        let id = vault.find("last").unwrap();
        let state = vault.entry(&id).unwrap().state;
        assert!(states.contains(&state), "{}: {state:?}", self.name);
        let listed = self.desk.done(&["sessions"]);
        assert!(listed.contains(&id.to_string()), "{}: {listed}", self.name);
        if state == State::Interrupted {
            assert!(listed.contains("INTERRUPTED"), "{}: {listed}", self.name);
            self.desk.done(&["recover"]);
        }
        let unlocked = vault
            .unlock(&SecretString::from(desk::PASSPHRASE.to_owned()))
            .unwrap();
        assert!(unlocked.check(&id).unwrap().sound(), "{}", self.name);
        let session = unlocked.session(&id).unwrap();
        let mut decoder = Decoder::new(session.stream("audio.flac").unwrap()).unwrap();
        let mut samples = Vec::new();
        // A cut stream ends in the middle of a frame; all before it is whole.
        while decoder.read(&mut samples, RATE).is_ok_and(|read| read > 0) {}
        let middle = samples.len() / 2;
        let pcm: Vec<u8> = samples[middle..middle + 64]
            .iter()
            .flat_map(|sample| ((sample * 32_768.0) as i16).to_le_bytes())
            .collect();
        self.desk.holds_none_of(&secrets);
        self.desk.holds_none_of(&[&pcm]);
        let manifest = session.manifest().unwrap();
        assert_eq!(manifest.title.as_deref(), Some(TITLE));
        assert!(manifest.consent.is_some(), "{}", self.name);
        let kept = samples.len() as f64 / 2.0 / RATE as f64;
        assert!((manifest.duration_s.unwrap() - kept).abs() < 0.01);
        self.unbroken(&samples, &manifest.gaps);
        let outcome = Outcome {
            cell: self.name.to_owned(),
            state: match state {
                State::Complete => "complete",
                _ => "interrupted, recovered",
            },
            recorded,
            kept,
        };
        let lost = recorded - kept;
        assert!(lost <= MOST_LOST, "{}: {lost:.2} s are lost", self.name);
        outcome
    }

    /// No click is missing from the first to the last, gaps apart.
    fn unbroken(&self, samples: &[f32], gaps: &[undertone::vault::GapInfo]) {
        let clicks = found(samples);
        assert!(clicks.len() > 4, "{}: {clicks:?}", self.name);
        for pair in clicks.windows(2) {
            let paused = gaps
                .iter()
                .any(|gap| gap.start_s < pair[1] && gap.start_s + gap.duration_s > pair[0]);
            let apart = pair[1] - pair[0];
            let right = (apart - CLICK).abs() < 0.004;
            assert!(
                right || paused,
                "{}: {apart} s after {}",
                self.name,
                pair[0]
            );
        }
    }
}

/// Seconds from when recording was said to begin.
fn since(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64()
}

fn wait_until(begun: Instant, seconds: f64) {
    let until = Duration::from_secs_f64(seconds);
    std::thread::sleep(until.saturating_sub(begun.elapsed()));
}

fn killed(after: f64) -> Outcome {
    let cell = Cell::new("kill -9");
    let mut recorder = cell.record();
    wait_until(recorder.begun, after);
    recorder.child.kill().unwrap();
    let recorded = since(recorder.begun);
    recorder.child.wait().unwrap();
    cell.look(recorded, &[State::Interrupted])
}

/// A click of soft noise a quarter of a second, for devices with clocks of their own.
fn room(at: f64) -> f32 {
    let place = (at * 48_000.0) as u32;
    let noise = f64::from(place.wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0;
    let loud = if at.rem_euclid(CLICK) < 0.002 {
        0.5
    } else {
        0.001
    };
    noise * loud
}

fn killed_of_two_devices(after: f64) -> Outcome {
    let cell = Cell::new("kill -9, two devices");
    let epoch = Instant::now();
    let _mine = Microphone::plug_in(&cell.pulse, "mine", room, epoch, 100.0);
    let _theirs = Microphone::plug_in(&cell.pulse, "theirs", room, epoch, -100.0);
    let devices = ["--therapist-device", "mine", "--client-device", "theirs"];
    let flags = ["--title", TITLE, "--client-code", CODE];
    let command = cell.pulse.command(env!("CARGO_BIN_EXE_undertone"));
    let mut recorder = Recorder::from(command, &cell.desk, &devices, &flags);
    wait_until(recorder.begun, after);
    recorder.child.kill().unwrap();
    let recorded = since(recorder.begun);
    recorder.child.wait().unwrap();
    cell.look(recorded, &[State::Interrupted])
}

fn signalled(name: &'static str, signal: Signal) -> Outcome {
    let cell = Cell::new(name);
    let recorder = cell.record();
    wait_until(recorder.begun, 5.0);
    recorder.signal(signal);
    let recorded = since(recorder.begun);
    let (status, _, said) = recorder.end();
    assert!(status.success(), "{name}: {said}");
    cell.look(recorded, &[State::Complete])
}

fn sound_ends(name: &'static str, end: impl Fn(&Pulse)) -> Outcome {
    let cell = Cell::new(name);
    let recorder = cell.record();
    wait_until(recorder.begun, 5.0);
    end(&cell.pulse);
    let recorded = since(recorder.begun);
    let (status, _, said) = recorder.end();
    assert_eq!(status.code(), Some(4), "{name}: {said}");
    cell.look(recorded, &[State::Complete])
}

/// A file that may not grow any more: what a quota does, and to the writer the same as a full disk.
fn no_more_room() -> Outcome {
    let cell = Cell::new("file may not grow");
    let mut command = cell.pulse.command("sh");
    let script = "trap '' XFSZ; ulimit -f 400; exec \"$0\" \"$@\"";
    command
        .args(["-c", script])
        .arg(env!("CARGO_BIN_EXE_undertone"));
    let flags = ["--title", TITLE, "--client-code", CODE];
    let mut recorder = Recorder::by(command, &cell.desk, &flags);
    let begun = recorder.begun;
    let over = loop {
        if let Some(over) = recorder.child.try_wait().unwrap() {
            break over;
        }
        assert!(since(begun) < 60.0, "it goes on without a disk");
        std::thread::sleep(Duration::from_millis(20));
    };
    let recorded = since(begun);
    assert_eq!(over.code(), Some(10), "{}", recorder.heard);
    cell.look(recorded, &[State::Interrupted])
}

/// A disk of its own for the vault, filled to the last byte while recording.
struct Disk(std::path::PathBuf);

impl Disk {
    fn mount(at: &std::path::Path) -> Option<Disk> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"])
            .arg(at)
            .stderr(std::process::Stdio::null())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then(|| Disk(at.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// None where no disk can be made, which takes root.
fn disk_full() -> Option<Outcome> {
    let cell = Cell::new(DISK_FULL);
    let vault = cell.desk.vault();
    let aside = cell.desk.path("aside");
    std::fs::rename(&vault, &aside).unwrap();
    let disk = Disk::mount(&vault)?;
    let copied = Command::new("cp")
        .arg("-a")
        .arg(aside.join("."))
        .arg(&vault)
        .status();
    assert!(copied.unwrap().success());
    std::fs::remove_dir_all(&aside).unwrap();
    let recorder = cell.record();
    wait_until(recorder.begun, 5.0);
    let filler = vault.join("filler");
    // Until it takes no more.
    let _ = std::io::copy(
        &mut std::io::repeat(0),
        &mut std::fs::File::create(&filler).unwrap(),
    );
    let recorded = since(recorder.begun);
    let (status, _, said) = recorder.end();
    assert_eq!(status.code(), Some(10), "{said}");
    std::fs::remove_file(&filler).unwrap();
    let outcome = cell.look(recorded, &[State::Interrupted, State::Complete]);
    drop(disk);
    Some(outcome)
}

/// Killed while off the record, with a bookmark set before: both are known afterwards.
fn killed_off_the_record() -> Outcome {
    let cell = Cell::new("kill -9 off the record");
    let program = env!("CARGO_BIN_EXE_undertone");
    let pid = cell.desk.path("pid");
    let script = format!(
        "sh -c 'echo $$ >\"$0\"; exec \"$@\"' {} {program} record --plain --consent verbal \
         --device pulseaudio:room.monitor --title {TITLE} --client-code {CODE}; sleep 60",
        pid.display()
    );
    let environment = |tmux: &str| -> Command {
        let mut command = cell.pulse.command(tmux);
        cell.desk.prepare(&mut command);
        command
    };
    let terminal = Tmux::start(cell.pulse.dir(), &environment, (80, 24), &script);
    terminal.until("Recording from");
    let begun = Instant::now();
    wait_until(begun, 4.0);
    terminal.press(&["-l", "b the mother again"]);
    terminal.press(&["Enter"]);
    terminal.until("Marked.");
    terminal.press(&["p", "Enter"]);
    terminal.until("Off the record");
    wait_until(begun, 9.0);
    let recorded = since(begun);
    let pid: i32 = std::fs::read_to_string(&pid)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let outcome = cell.look(recorded, &[State::Interrupted]);
    let vault = Vault::open(&cell.desk.vault()).unwrap();
    let unlocked = vault
        .unlock(&SecretString::from(desk::PASSPHRASE.to_owned()))
        .unwrap();
    let session = unlocked.session(&vault.find("last").unwrap()).unwrap();
    let moments = session.read("moments.json", 1 << 20).unwrap();
    assert!(desk::contains(&moments, b"the mother again"));
    let gap = &session.manifest().unwrap().gaps[0];
    assert_eq!(gap.reason, "off the record");
    assert!(
        (gap.start_s + gap.duration_s - outcome.kept).abs() < 0.01,
        "{gap:?}"
    );
    outcome
}

const WORDS: [&str; 3] = ["--words", "--model", "tiny.en"];

/// The process that writes down for a recording.
fn transcriber(recorder: &Recorder) -> Pid {
    let parent = i32::try_from(recorder.child.id()).unwrap();
    process::child_of(parent).expect("a process that writes down")
}

/// Something is done to the process that writes down; the recording goes on and is ended well.
fn transcriber_suffers(name: &'static str, what: impl Fn(Pid) -> bool) -> Option<Outcome> {
    let cell = Cell::new(name);
    let mut recorder = cell.record_with(&WORDS);
    wait_until(recorder.begun, 5.0);
    if !what(transcriber(&recorder)) {
        return None;
    }
    wait_until(recorder.begun, 10.0);
    recorder.signal(Signal::INT);
    let recorded = since(recorder.begun);
    // Nobody waits a minute for words that do not come.
    if !recorder.ends_within(Duration::from_secs(8)) {
        recorder.signal(Signal::INT);
    }
    let (status, _, said) = recorder.end();
    assert!(status.success(), "{name}: {said}");
    assert!(
        said.contains("Next: undertone transcribe"),
        "{name}: {said}"
    );
    Some(cell.look(recorded, &[State::Complete]))
}

/// As a process that may not be looked into lets only root do: noise between the sound.
fn feed_garbage(transcriber: Pid) -> bool {
    let pipe = format!("/proc/{}/fd/0", transcriber.as_raw_nonzero());
    let Ok(mut pipe) = std::fs::OpenOptions::new().write(true).open(pipe) else {
        return false;
    };
    let noise: Vec<u8> = (0..20_000u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    // It may end in the middle of it.
    let _ = std::io::Write::write_all(&mut pipe, &noise);
    true
}

/// The recorder is killed: the process that writes down for it does not stay behind.
fn killed_with_words(after: f64) -> Outcome {
    let cell = Cell::new("kill -9 with live words");
    let mut recorder = cell.record_with(&WORDS);
    let scribe = transcriber(&recorder);
    wait_until(recorder.begun, after);
    recorder.child.kill().unwrap();
    let recorded = since(recorder.begun);
    recorder.child.wait().unwrap();
    let killed = Instant::now();
    while process::lives(scribe) {
        assert!(since(killed) < 20.0, "the transcriber stayed behind");
        std::thread::sleep(Duration::from_millis(50));
    }
    cell.look(recorded, &[State::Interrupted])
}

/// How often to kill at random moments.
fn times() -> usize {
    std::env::var("UNDERTONE_CRASHES")
        .ok()
        .and_then(|times| times.parse().ok())
        .unwrap_or(3)
}

#[test]
#[ignore = "minutes: real recordings, each ended in another way"]
fn slow_however_a_recording_ends_it_is_kept_but_for_its_last_seconds() {
    let mut cells: Vec<Record> = Vec::new();
    // Random from run to run; the moment is printed.
    let mut seed = u64::from(std::process::id()) | 1;
    for _ in 0..times() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let after = 2.5 + (seed >> 33) as f64 / f64::from(u32::MAX) * 2.0 * 8.0;
        cells.push(Box::new(move || Some(killed(after))));
    }
    let signal = |signal| move |scribe| kill_process(scribe, signal).is_ok();
    cells.extend([
        Box::new(|| Some(killed_off_the_record())) as Record,
        Box::new(|| Some(killed_of_two_devices(7.0))),
        Box::new(|| Some(signalled("SIGTERM", Signal::TERM))),
        Box::new(|| Some(signalled("SIGHUP", Signal::HUP))),
        Box::new(|| {
            let end = |pulse: &Pulse| pulse.signal(Signal::KILL);
            Some(sound_ends("sound server killed", end))
        }),
        Box::new(|| {
            let end = |pulse: &Pulse| drop(pulse.pactl(&["unload-module", "module-null-sink"]));
            Some(sound_ends("source unloaded", end))
        }),
        Box::new(|| Some(killed_with_words(8.0))),
        Box::new(move || transcriber_suffers("transcriber kill -9", signal(Signal::KILL))),
        Box::new(move || transcriber_suffers("transcriber stopped", signal(Signal::STOP))),
        Box::new(|| transcriber_suffers(FED_GARBAGE, feed_garbage)),
        Box::new(|| Some(no_more_room())),
        Box::new(disk_full),
    ]);
    let lanes = rayon::ThreadPoolBuilder::new().num_threads(SIDE_BY_SIDE);
    let all: Vec<Option<Outcome>> = lanes.build().unwrap().install(|| {
        let cells = cells.par_iter().with_max_len(1);
        cells.map(|record| record()).collect()
    });
    let all: Vec<Outcome> = all.into_iter().flatten().collect();
    let run = |name: &str| all.iter().any(|one| one.cell == name);
    if !run(FED_GARBAGE) {
        println!("{FED_GARBAGE}: NOT RUN, its pipe is opened by root only");
    }
    if !run(DISK_FULL) {
        println!("{DISK_FULL}: NOT RUN, making a disk takes root");
    }
    println!(
        "{:24} {:24} {:>9} {:>9} {:>9}",
        "ended by", "session", "recorded", "kept", "lost"
    );
    let kills: Vec<f64> = all
        .iter()
        .filter(|one| one.cell == "kill -9")
        .map(|one| (one.recorded - one.kept).max(0.0))
        .collect();
    println!(
        "{} kills at random moments: {:.2} s lost at most, {:.2} s on average",
        kills.len(),
        kills.iter().copied().fold(0.0, f64::max),
        kills.iter().sum::<f64>() / kills.len().max(1) as f64
    );
    // Of many kills the first few stand for all.
    let mut shown = 0;
    for one in &all {
        shown += usize::from(one.cell == "kill -9");
        if one.cell == "kill -9" && shown > 5 {
            continue;
        }
        println!(
            "{:24} {:24} {:>7.2} s {:>7.2} s {:>7.2} s",
            one.cell,
            one.state,
            one.recorded,
            one.kept,
            (one.recorded - one.kept).max(0.0)
        );
    }
    println!("In every cell: listed, whole up to its end, nothing readable on the disk.");
}
