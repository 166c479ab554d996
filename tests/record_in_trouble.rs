//! `undertone record` on real input, looked at closely and put to trouble: what comes out is
//! compared with what was played, sample by sample; the disk is searched for any run of it; the
//! person stops it twice; the device goes away, or cannot tell two people apart. It fails, and
//! does not skip, where PulseAudio is missing.

#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use common::pulse::Pulse;
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use undertone::Kind;
use undertone::audio::flac::Decoder;
use undertone::audio::{Frames, Memory, SPEECH_RATE, Spec, to_i16, wav};
use undertone::vault::{OpenSession, Origin, Role, State, Unlocked, Vault};

/// The rate of the made-up microphone, in hertz.
const DEVICE_RATE: u32 = 48_000;
/// Seconds of the bundled session that are played: the first words of both people.
const PLAYED: usize = 12;
const TITLE: &str = "Quince and marmalade";
const CODE: &str = "ZX-81-sorrel";
const PASSPHRASE: &str = "gravel onion trumpet";

/// A server, a vault below its folder (so below HOME and TMPDIR too), and a file to play that lies
/// elsewhere, where the search for plain sound does not find it.
struct Room {
    pulse: Pulse,
    vault: PathBuf,
    elsewhere: tempfile::TempDir,
    played: Vec<f32>,
}

impl Room {
    fn new(seconds: usize) -> Self {
        let pulse = Pulse::start(DEVICE_RATE);
        let vault = pulse.dir().join("vault");
        let new = common::desk::new_vault(PASSPHRASE, Timestamp::now());
        Vault::create(&vault, new).unwrap();
        let bundled = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/session.flac");
        let mut from = Decoder::new(std::fs::File::open(bundled).unwrap()).unwrap();
        let wanted = seconds * SPEECH_RATE as usize;
        let mut played = Vec::new();
        while played.len() < wanted * 2 && from.read(&mut played, 16_000).unwrap() > 0 {}
        played.truncate(wanted * 2);
        let elsewhere = tempfile::tempdir().unwrap();
        let spec = Spec {
            sample_rate: SPEECH_RATE,
            channels: 2,
            frames: Some(wanted as u64),
        };
        let file = std::fs::File::create(elsewhere.path().join("played.wav")).unwrap();
        let mut frames = Memory::new(played.clone(), SPEECH_RATE, 2);
        wav::write(file, spec, &mut frames).unwrap();
        Room {
            pulse,
            vault,
            elsewhere,
            played,
        }
    }

    /// Runs undertone with this vault and server; `arguments` follow the global ones.
    fn undertone(&self, arguments: &[&str]) -> Running {
        let mut child = self
            .pulse
            .command(env!("CARGO_BIN_EXE_undertone"))
            .arg("--vault")
            .arg(&self.vault)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, said) = channel();
        let stderr = child.stderr.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Running {
            child,
            said,
            heard: String::new(),
        }
    }

    fn record(&self, more: &[&str]) -> Running {
        let arguments = [
            "record",
            "--consent",
            "verbal",
            "--device",
            "pulseaudio:room.monitor",
        ];
        let mut running = self.undertone(&[&arguments, more].concat());
        running.until("Recording from");
        running
    }

    /// Plays the file to its end.
    fn play(&self) {
        let status = self
            .pulse
            .command("paplay")
            .arg(self.elsewhere.path().join("played.wav"))
            .status()
            .expect("paplay cannot be started: install pulseaudio-utils");
        assert!(status.success());
    }

    fn pactl(&self, arguments: &[&str]) {
        let status = self
            .pulse
            .command("pactl")
            .args(arguments)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{arguments:?}");
    }

    fn unlock(&self) -> Unlocked {
        let vault = Vault::open(&self.vault).unwrap();
        vault.unlock(&PASSPHRASE.to_owned().into()).unwrap()
    }

    /// The only session: its state and what opens it.
    fn only(&self) -> (State, undertone::vault::SessionId) {
        let sessions = Vault::open(&self.vault).unwrap().sessions().unwrap();
        assert_eq!(sessions.len(), 1);
        (sessions[0].state, sessions[0].id)
    }

    fn folder(&self, id: undertone::vault::SessionId) -> PathBuf {
        self.vault.join("sessions").join(id.to_string())
    }

    /// Every file below the server's folder, which is HOME, TMPDIR and the vault.
    fn on_disk(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        gather(self.pulse.dir(), &mut found);
        assert!(found.iter().any(|(path, _)| path.starts_with(&self.vault)));
        found
    }
}

fn gather(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            gather(&entry.path(), found);
        } else if kind.is_file() {
            // A file may be renamed between the list and the look.
            if let Ok(bytes) = std::fs::read(entry.path()) {
                found.push((entry.path(), bytes));
            }
        }
    }
}

/// A running undertone; killed when dropped.
struct Running {
    child: Child,
    said: Receiver<String>,
    heard: String,
}

impl Running {
    fn listen(&mut self, patience: Duration) -> bool {
        match self.said.recv_timeout(patience) {
            Ok(line) => {
                self.heard.push_str(&line);
                self.heard.push('\n');
                true
            }
            Err(_) => false,
        }
    }

    /// Waits until it says `words`.
    fn until(&mut self, words: &str) {
        let begun = Instant::now();
        while !self.heard.contains(words) {
            let patient = begun.elapsed() < Duration::from_secs(30);
            assert!(patient, "never said {words:?}: {}", self.heard);
            if !self.listen(Duration::from_millis(200)) {
                let over = self.child.try_wait().unwrap();
                assert!(over.is_none(), "ended with {over:?}: {}", self.heard);
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// What the system shows to every user about this process.
    fn command_line(&self) -> Vec<u8> {
        std::fs::read(format!("/proc/{}/cmdline", self.child.id())).unwrap()
    }

    /// Waits for the end: the status, stdout, and all that was said.
    fn end(mut self) -> (ExitStatus, String, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            let patient = begun.elapsed() < Duration::from_secs(30);
            assert!(patient, "did not end: {}", self.heard);
            std::thread::sleep(Duration::from_millis(20));
        };
        let mut printed = String::new();
        let mut stdout = self.child.stdout.take().unwrap();
        stdout.read_to_string(&mut printed).unwrap();
        while self.listen(Duration::from_millis(100)) {}
        (status, printed, std::mem::take(&mut self.heard))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The whole sound of a session, interleaved, and its FLAC bytes.
fn sound(session: &OpenSession) -> (Vec<f32>, Vec<u8>) {
    let mut flac = Vec::new();
    let mut stream = session.stream("audio.flac").unwrap();
    stream.read_to_end(&mut flac).unwrap();
    let mut decoder = Decoder::new(&flac[..]).unwrap();
    let spec = decoder.spec();
    assert_eq!((spec.sample_rate, spec.channels), (SPEECH_RATE, 2));
    let mut samples = Vec::new();
    loop {
        match decoder.read(&mut samples, 16_000) {
            Ok(0) => break,
            Ok(_) => {}
            // A killed recording ends inside a frame.
            Err(error) => {
                assert_eq!(error.kind(), Kind::Damaged);
                break;
            }
        }
    }
    (samples, flac)
}

/// Without the highest tones, which the sound server's own conversion takes away.
fn dull(samples: &[f32]) -> Vec<f32> {
    samples
        .windows(4)
        .map(|w| w.iter().sum::<f32>() / 4.0)
        .collect()
}

fn track(interleaved: &[f32], channel: usize) -> Vec<f32> {
    interleaved
        .iter()
        .skip(channel)
        .step_by(2)
        .copied()
        .collect()
}

fn rms(samples: &[f32]) -> f64 {
    let power: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
    (power / samples.len().max(1) as f64).sqrt()
}

/// How alike two stretches are, 1 for the same shape.
fn likeness(a: &[f32], b: &[f32]) -> f64 {
    let product: f64 = a
        .iter()
        .zip(b)
        .map(|(a, b)| f64::from(*a) * f64::from(*b))
        .sum();
    product / (a.len().min(b.len()).max(1) as f64 * rms(a) * rms(b)).max(1e-12)
}

/// Where `part` begins in `whole`, in samples: first by loudness in steps of 10 ms, then exactly.
fn find(part: &[f32], whole: &[f32]) -> usize {
    const STEP: usize = 160;
    let loudness = |samples: &[f32]| -> Vec<f32> {
        let all: Vec<f32> = samples.chunks(STEP).map(|c| rms(c) as f32).collect();
        let mean = all.iter().sum::<f32>() / all.len() as f32;
        all.iter().map(|l| l - mean).collect()
    };
    let (own, all) = (loudness(part), loudness(whole));
    let best = |range: std::ops::Range<usize>, at: &dyn Fn(usize) -> f64| {
        range.max_by(|a, b| at(*a).total_cmp(&at(*b))).unwrap()
    };
    let coarse = best(0..all.len() - own.len(), &|i| {
        likeness(&own, &all[i..i + own.len()])
    });
    let from = (coarse * STEP).saturating_sub(2 * STEP);
    let to = (coarse * STEP + 2 * STEP).min(whole.len() - part.len());
    best(from..to + 1, &|i| likeness(part, &whole[i..i + part.len()]))
}

/// How many different bytes there are.
fn variety(bytes: &[u8]) -> u32 {
    let mut seen = [0u64; 4];
    for byte in bytes {
        seen[usize::from(byte / 64)] |= 1 << (byte % 64);
    }
    seen.iter().map(|part| part.count_ones()).sum()
}

/// Refuses plain text and plain sound in any of `files`.
fn nothing_readable(files: &[(PathBuf, Vec<u8>)], flac: &[u8], samples: &[f32]) {
    const RUN: usize = 64;
    let holds = |bytes: &[u8], wanted: &[u8]| bytes.windows(wanted.len()).any(|w| w == wanted);
    let whole: Vec<i16> = samples.iter().copied().map(to_i16).collect();
    let pcm: Vec<u8> = whole.iter().flat_map(|s| s.to_le_bytes()).collect();
    let float: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    let mut runs = HashSet::new();
    for plain in [flac, &pcm, &float] {
        // Silence and padding look alike everywhere: a run must have something in it.
        runs.extend(plain.windows(RUN).filter(|run| variety(run) >= 12));
    }
    assert!(runs.len() > 50_000, "the search would prove nothing");
    assert_eq!(&flac[..4], b"fLaC");
    for (path, bytes) in files {
        let path = path.display();
        for text in [TITLE, CODE, "therapist"] {
            assert!(!holds(bytes, text.as_bytes()), "{text} is in {path}");
        }
        // The marker with the head of the block that follows: four bytes alone come by chance.
        assert!(!holds(bytes, &flac[..8]), "a FLAC marker is in {path}");
        let plain = bytes.windows(RUN).any(|run| runs.contains(run));
        assert!(!plain, "plain sound is in {path}");
    }
}

#[test]
fn what_was_played_is_what_the_vault_holds_and_nothing_else_is_on_the_disk() {
    let room = Room::new(PLAYED);
    let mut running = room.record(&["--title", TITLE, "--client-code", CODE, "--json"]);
    let begun = Instant::now();
    room.play();
    std::thread::sleep(Duration::from_millis(700));

    // While it records.
    let shown = running.command_line();
    for secret in [TITLE, CODE] {
        let bytes = secret.as_bytes();
        assert!(!shown.windows(bytes.len()).any(|w| w == bytes));
    }
    assert_eq!(room.only().0, State::Writing);
    let during = room.on_disk();
    while running.listen(Duration::ZERO) {}

    running.signal(Signal::INT);
    let wall = begun.elapsed().as_secs_f64();
    let (status, printed, said) = running.end();
    assert!(status.success(), "{status}: {said}");
    for secret in [TITLE, CODE] {
        assert!(!said.contains(secret) && !printed.contains(secret));
    }

    let unlocked = room.unlock();
    let (state, id) = room.only();
    assert_eq!(state, State::Complete);
    let session = unlocked.session(&id).unwrap();
    let (samples, flac) = sound(&session);
    nothing_readable(&during, &flac, &samples);
    nothing_readable(&room.on_disk(), &flac, &samples);

    let seconds = samples.len() as f64 / 2.0 / f64::from(SPEECH_RATE);
    let manifest = session.manifest().unwrap();
    assert_eq!(manifest.title.as_deref(), Some(TITLE));
    assert_eq!(manifest.client_code.as_deref(), Some(CODE));
    assert_eq!(manifest.origin, Origin::Recorded);
    assert!(manifest.gaps.is_empty(), "{:?}", manifest.gaps);
    assert!((manifest.duration_s.unwrap() - seconds).abs() < 1e-6);
    let roles: Vec<Role> = manifest.channels.iter().map(|c| c.role).collect();
    assert_eq!(roles, [Role::Therapist, Role::Client]);
    assert!(manifest.channels.iter().all(|c| c.device.is_some()));
    let told: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(told["session"], id.to_string());
    assert_eq!(told["gaps"], serde_json::json!([]));
    assert!(told["bytes"].as_u64().unwrap() as usize > flac.len());
    assert!((seconds - wall).abs() < 0.5, "{seconds} s in {wall} s");

    // The speed: where the first and the last third begin, by the one who speaks in both.
    let (played, heard) = (track(&room.played, 0), track(&samples, 0));
    let third = played.len() / 3;
    let first = find(&played[..third], &heard);
    let last = find(&played[2 * third..], &heard);
    let stretch = (last - first) as f64 / (2 * third) as f64;
    let off = (stretch - 1.0) * 100.0;
    println!("begins after {first} samples, speed off by {off:.4} %");
    assert!((stretch - 1.0).abs() < 0.005);

    for channel in [0, 1] {
        let (played, heard) = (track(&room.played, channel), track(&samples, channel));
        // The sound: its own, not the other person's, and no hole anywhere.
        let heard = &heard[first..];
        assert!(heard.len() >= played.len(), "the end is missing");
        let heard = dull(&heard[..played.len()]);
        let (played, other) = (dull(&played), dull(&track(&room.played, 1 - channel)));
        let own = likeness(&played, &heard);
        let other = likeness(&other, &heard);
        println!("channel {channel}: likeness to its own {own:.4}, to the other {other:.4}");
        assert!(own > 0.99 && other < 0.5);
        let mut sounding = 0;
        for (was, is) in played.chunks_exact(1_600).zip(heard.chunks_exact(1_600)) {
            if rms(was) > 0.003 {
                sounding += 1;
                let change = 20.0 * (rms(is).max(1e-9) / rms(was)).log10();
                assert!(change.abs() < 1.5, "a stretch changed by {change:.1} dB");
            }
        }
        assert!(sounding > 20, "too little sounded to see a hole");
    }
}

/// Records, plays, and sends two signals, the second while the first is being obeyed. None if the
/// recording was ended well before the second came, which must then have kept everything, or its sound was.
fn ended_by_a_second_signal() -> Option<Room> {
    let room = Room::new(8);
    let running = room.record(&["--client-code", CODE]);
    room.play();
    // Not at once: two threads that take a signal each at the same moment both count as first.
    running.signal(Signal::INT);
    std::thread::sleep(Duration::from_millis(2));
    running.signal(Signal::TERM);
    let (status, printed, said) = running.end();
    if status.success() {
        assert_eq!(room.only().0, State::Complete, "{said}");
        return None;
    }
    assert_eq!(status.code(), Some(130), "{said}");
    assert_eq!(printed, "");
    let (state, id) = room.only();
    if room.folder(id).join("audio.flac.age").exists() {
        // It came when the sound was complete, and perhaps before the manifest said so.
        if state == State::Interrupted {
            room.unlock().recover(&id, Timestamp::now()).unwrap();
        }
        assert_eq!(room.only().0, State::Complete, "{said}");
        return None;
    }
    Some(room)
}

#[test]
fn a_second_signal_ends_it_at_once_and_leaves_a_part_that_can_be_recovered() {
    // On a busy machine the second signal can come too late, but not every time.
    let room = (0..6)
        .find_map(|_| ended_by_a_second_signal())
        .expect("the second signal never ended it at once");

    let (state, id) = room.only();
    assert_eq!(state, State::Interrupted);
    assert!(room.folder(id).join("audio.flac.age.part").exists());
    let unlocked = room.unlock();
    let recovered = unlocked.recover(&id, Timestamp::now()).unwrap();
    assert_eq!(recovered.manifest.client_code.as_deref(), Some(CODE));
    assert_eq!(room.only().0, State::Complete);
    let (samples, flac) = sound(&unlocked.session(&id).unwrap());
    let seconds = samples.len() as f64 / 2.0 / f64::from(SPEECH_RATE);
    println!("{seconds:.1} s of a little over 8 s were kept");
    assert!(seconds > 3.0, "only {seconds} s of 8 were kept");
    let greeting = track(&room.played[..4 * SPEECH_RATE as usize], 0);
    let first = find(&greeting, &track(&samples, 0));
    for channel in [0, 1] {
        let heard = track(&samples, channel);
        let played = track(&room.played, channel);
        let length = played.len().min(heard.len() - first);
        let (played, heard) = (&played[..length], &heard[first..first + length]);
        assert!(likeness(&dull(played), &dull(heard)) > 0.99);
    }
    nothing_readable(&room.on_disk(), &flac, &samples);
}

#[test]
fn a_device_that_cannot_tell_two_people_apart_is_refused_before_anything_is_begun() {
    let room = Room::new(1);
    let sink = "sink_name=single";
    room.pactl(&["load-module", "module-null-sink", sink, "channels=1"]);
    let running = room.undertone(&[
        "record",
        "--consent",
        "verbal",
        "--device",
        "pulseaudio:single.monitor",
    ]);
    let (status, _, said) = running.end();
    assert_eq!(
        status.code(),
        Some(i32::from(Kind::Audio.exit_code())),
        "{said}"
    );
    assert!(
        said.contains("one channel") && said.contains("undertone devices"),
        "{said}"
    );
    for wrong in [["--therapist", "2"], ["--client", "3"]] {
        let arguments = [
            "record",
            "--consent",
            "verbal",
            "--device",
            "pulseaudio:room.monitor",
        ];
        let (status, _, said) = room.undertone(&[&arguments[..], &wrong].concat()).end();
        assert!(!status.success() && said.contains("channel"), "{said}");
    }
    let vault = Vault::open(&room.vault).unwrap();
    assert!(vault.sessions().unwrap().is_empty());
}

#[test]
fn a_device_that_goes_away_ends_the_recording_well_and_is_told() {
    let room = Room::new(3);
    let mut running = room.record(&["--patience", "0"]);
    room.play();
    while running.listen(Duration::ZERO) {}
    room.pactl(&["unload-module", "module-null-sink"]);
    let (status, printed, said) = running.end();
    assert_eq!(
        status.code(),
        Some(i32::from(Kind::Audio.exit_code())),
        "{said}"
    );
    assert!(
        said.contains("Warning") && said.contains("is kept"),
        "{said}"
    );
    let (state, id) = room.only();
    assert_eq!(state, State::Complete);
    assert_eq!(printed.trim(), id.to_string());
    let (samples, _) = sound(&room.unlock().session(&id).unwrap());
    let heard = track(&samples, 0);
    find(&track(&room.played, 0), &heard);
    assert!(rms(&heard) > 0.001, "nothing of it was kept");
}
