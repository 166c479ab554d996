//! What goes wrong while recording is told within two seconds, by the real program on a real sound
//! server. The machine's own sleep cannot be made here: that is held by unit tests alone.

#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::desk::{Desk, PASSPHRASE};
use common::pulse::Pulse;
use common::recorder::Recorder;
use common::sound;
use rustix::process::Signal;
use undertone::vault::Vault;

/// From what happens to when it is told: two seconds, and what the test's own steps take.
const SOON: Duration = Duration::from_millis(2_300);

/// Two different noises, and a place in the second channel's that is changed by `change`.
fn noise(desk: &Desk, name: &str, change: impl Fn(&mut [f32; 2])) -> PathBuf {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(state >> 8) as f32 / 8_388_608.0 - 1.0) * 0.05
    };
    let frames = (0..48_000 * 20).map(|_| {
        let mut frame = [next(), next()];
        change(&mut frame);
        frame
    });
    sound::wav(desk.path(name), 48_000, frames)
}

struct Player(Child);

impl Player {
    fn play(pulse: &Pulse, file: &std::path::Path) -> Player {
        let mut command = pulse.command("paplay");
        command.arg("--device=room").arg(file).stdin(Stdio::null());
        Player(command.spawn().expect("paplay: install pulseaudio-utils"))
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ends_well(recorder: Recorder) {
    recorder.signal(Signal::INT);
    let (status, _, said) = recorder.end();
    assert!(status.success(), "{said}");
}

fn told_soon(what: &str, happened: Instant, told: Instant) {
    let after = told.duration_since(happened);
    println!("{what}: told after {:.2} s", after.as_secs_f64());
    assert!(after < SOON, "{what} was told after {after:?}");
}

#[test]
fn a_stream_that_the_server_moves_away_silently_is_told_with_the_new_name() {
    let (desk, pulse) = (Desk::new(), Pulse::start(48_000));
    pulse.pactl(&[
        "load-module",
        "module-null-sink",
        "sink_name=webcam",
        "sink_properties=device.description=webcam",
    ]);
    let good = noise(&desk, "good.wav", |_| {});
    let mut recorder = Recorder::start(&desk, &pulse, &[]);
    let _player = Player::play(&pulse, &good);
    std::thread::sleep(Duration::from_secs(2));
    let outputs = pulse.pactl(&["list", "short", "source-outputs"]);
    let ours: Vec<&str> = outputs
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(!ours.is_empty(), "{outputs}");
    let happened = Instant::now();
    for output in &ours {
        pulse.pactl(&["move-source-output", output, "webcam.monitor"]);
    }
    let told = recorder.until("from another device without asking");
    told_soon("moved to another source", happened, told);
    recorder.until("webcam");
    let happened = Instant::now();
    for output in &ours {
        pulse.pactl(&["move-source-output", output, "room.monitor"]);
    }
    told_soon("moved back", happened, recorder.until("right device again"));
    ends_well(recorder);
}

#[test]
fn a_server_that_hangs_and_comes_back_is_told_both_times_and_recording_goes_on() {
    let (desk, pulse) = (Desk::new(), Pulse::start(48_000));
    let good = noise(&desk, "good.wav", |_| {});
    let mut recorder = Recorder::start(&desk, &pulse, &[]);
    let _player = Player::play(&pulse, &good);
    std::thread::sleep(Duration::from_secs(2));
    let happened = Instant::now();
    pulse.signal(Signal::STOP);
    let told = recorder.until("No sound has come");
    pulse.signal(Signal::CONT);
    told_soon("no callbacks", happened, told);
    recorder.until("Sound comes again");
    std::thread::sleep(Duration::from_secs(1));
    ends_well(recorder);
}

#[test]
fn a_muted_microphone_is_told_when_it_falls_silent() {
    let (desk, pulse) = (Desk::new(), Pulse::start(48_000));
    let good = noise(&desk, "good.wav", |_| {});
    let mut recorder = Recorder::start(&desk, &pulse, &[]);
    let _player = Player::play(&pulse, &good);
    std::thread::sleep(Duration::from_secs(4));
    // The silence before the player came has made the channels look gated: what is told then is
    // told after half a minute. So this is a recorder that has heard sound from its start.
    ends_well(recorder);
    recorder = Recorder::start(&desk, &pulse, &[]);
    std::thread::sleep(Duration::from_secs(2));
    let happened = Instant::now();
    pulse.pactl(&["set-source-mute", "room.monitor", "1"]);
    let told = recorder.until("Nothing comes from the therapist's microphone");
    told_soon("digital silence", happened, told);
    ends_well(recorder);
}

#[test]
fn one_signal_on_both_channels_and_sound_that_is_too_loud_are_told() {
    let (desk, pulse) = (Desk::new(), Pulse::start(48_000));
    let same = noise(&desk, "same.wav", |frame| frame[1] = frame[0]);
    let loud = noise(&desk, "loud.wav", |frame| frame[1] *= 40.0);
    let mut recorder = Recorder::start(&desk, &pulse, &[]);
    let happened = Instant::now();
    let player = Player::play(&pulse, &same);
    let told = recorder.until("Both channels carry the same sound");
    told_soon("identical channels", happened, told);
    drop(player);
    let happened = Instant::now();
    let _player = Player::play(&pulse, &loud);
    let told = recorder.until("Sound is cut off at the client's microphone");
    told_soon("clipping", happened, told);
    ends_well(recorder);
}

#[test]
fn a_recording_ends_by_itself_at_its_set_length() {
    let (desk, pulse) = (Desk::new(), Pulse::start(48_000));
    let mut recorder = Recorder::start(&desk, &pulse, &["--max-length", "1"]);
    recorder.until("ends by itself in 1 minute");
    // A minute is long for a test: that it does end is seen by its own clock, not here.
    ends_well(recorder);
}

#[test]
fn a_device_that_is_unplugged_and_plugged_in_again_goes_on_in_the_same_session() {
    let (desk, pulse) = (Desk::new(), Pulse::start(48_000));
    let good = noise(&desk, "good.wav", |_| {});
    let mut recorder = Recorder::start(&desk, &pulse, &[]);
    let player = Player::play(&pulse, &good);
    std::thread::sleep(Duration::from_secs(3));
    let happened = Instant::now();
    pulse.pactl(&["unload-module", "module-null-sink"]);
    told_soon(
        "device gone",
        happened,
        recorder.until("Everything until now is kept"),
    );
    drop(player);
    std::thread::sleep(Duration::from_secs(3));
    pulse.pactl(&[
        "load-module",
        "module-null-sink",
        "sink_name=room",
        "rate=48000",
        "channels=2",
    ]);
    recorder.until("The device is back and recording goes on");
    let _player = Player::play(&pulse, &good);
    std::thread::sleep(Duration::from_secs(3));
    let whole = recorder.begun.elapsed().as_secs_f64();
    recorder.signal(Signal::INT);
    let (status, printed, said) = recorder.end();
    assert!(status.success(), "{said}");
    let vault = Vault::open(&desk.vault()).unwrap();
    assert_eq!(vault.sessions().unwrap().len(), 1, "{printed}");
    let unlocked = vault
        .unlock(&age::secrecy::SecretString::from(PASSPHRASE.to_owned()))
        .unwrap();
    let session = unlocked.session(&vault.find("last").unwrap()).unwrap();
    let manifest = session.manifest().unwrap();
    let gaps: Vec<_> = manifest
        .gaps
        .iter()
        .filter(|gap| gap.reason == "the device was gone")
        .collect();
    assert_eq!(gaps.len(), 1, "{:?}", manifest.gaps);
    assert!((2.5..8.0).contains(&gaps[0].duration_s), "{gaps:?}");
    // The time without the device is part of the session's time.
    let length = manifest.duration_s.unwrap();
    assert!((length - whole).abs() < 1.0, "{length} s of {whole} s");
}

#[test]
fn what_came_before_the_device_went_is_sealed_while_it_is_waited_for() {
    let (desk, pulse) = (Desk::new(), Pulse::start(48_000));
    let good = noise(&desk, "good.wav", |_| {});
    let mut recorder = Recorder::start(&desk, &pulse, &[]);
    let player = Player::play(&pulse, &good);
    std::thread::sleep(Duration::from_millis(5_300));
    pulse.pactl(&["unload-module", "module-null-sink"]);
    let before = recorder.begun.elapsed().as_secs_f64();
    recorder.until("Everything until now is kept");
    drop(player);
    std::thread::sleep(Duration::from_secs(9));
    let whole = recorder.begun.elapsed().as_secs_f64();
    recorder.signal(Signal::KILL);
    let _ = recorder.end();
    desk.done(&["recover"]);
    let (manifest, samples) = sound::newest(&desk);
    let rate = f64::from(manifest.sample_rate);
    let length = samples.len() as f64 / 2.0 / rate;
    // The silence is two seconds behind.
    assert!(whole - length < 5.0, "{length} s of {whole} s");
    let last = samples.iter().rposition(|sample| sample.abs() > 0.005);
    let heard = last.unwrap() as f64 / 2.0 / rate;
    println!(
        "killed {:.1} s after the device went: {heard:.2} s of {before:.2} s are there",
        whole - before
    );
    assert!(before - heard < 0.5, "{heard} s of {before} s");
}
