//! A recording made through the sound system itself: a signal is played into a null sink of a
//! private PulseAudio server and recorded from the sink's monitor. It fails, and does not skip,
//! where PulseAudio is missing.
//!
//! The sound library finds its server by the environment, and a test must not change its own, so
//! the test runs itself once more, inside.

#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::Stdio;
use std::time::{Duration, Instant};

use undertone::audio::capture::{CaptureSource, CpalSource};
use undertone::audio::{Memory, Spec, devices, levels::Meter, wav};

const RATE: u32 = 48_000;
const SECONDS: usize = 4;
const SILENCE: usize = RATE as usize / 2;

/// Runs the test `name` of this file again, as a client of `pulse`.
fn inside(pulse: &common::pulse::Pulse, name: &str) {
    let played = pulse.dir().join("played.wav");
    let output = pulse
        .command(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env("PLAYED", &played)
        .output()
        .unwrap();
    print!("{}", String::from_utf8_lossy(&output.stdout));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(!errors.contains("ALSA lib"), "ALSA was asked: {errors}");
}

/// Two tones, one a channel, with a short silence before and after.
fn tones() -> Vec<f32> {
    let tone =
        |i: usize, hz: f32| 0.25 * (i as f32 * hz * std::f32::consts::TAU / RATE as f32).sin();
    let silence = vec![0.0; SILENCE * 2];
    let sound = (0..RATE as usize * SECONDS).flat_map(|i| [tone(i, 400.0), tone(i, 1_000.0)]);
    [silence.clone(), sound.collect(), silence].concat()
}

#[test]
fn both_channels_arrive_unswapped_in_time_and_without_a_gap() {
    let pulse = common::pulse::Pulse::start(RATE);
    let samples = tones();
    let spec = Spec {
        sample_rate: RATE,
        channels: 2,
        frames: Some(samples.len() as u64 / 2),
    };
    let file = std::fs::File::create(pulse.dir().join("played.wav")).unwrap();
    wav::write(file, spec, &mut Memory::new(samples, RATE, 2)).unwrap();
    inside(&pulse, "inside_record_what_is_played");
}

#[test]
fn a_device_that_is_not_there_is_a_clear_error() {
    let pulse = common::pulse::Pulse::start(RATE);
    inside(&pulse, "inside_ask_for_what_is_not_there");
}

#[test]
#[ignore = "run by the tests above, inside their server"]
fn inside_ask_for_what_is_not_there() {
    let error = CpalSource::find(Some("no such thing")).err().unwrap();
    assert_eq!(error.kind(), undertone::Kind::NotFound);
    assert!(error.hints()[0].contains("undertone devices"));
}

#[test]
#[ignore = "run by the tests above, inside their server"]
fn inside_record_what_is_played() {
    let listed = devices::list().unwrap();
    let monitor = listed
        .iter()
        .find(|d| d.id == "pulseaudio:room.monitor")
        .expect("the monitor is listed");
    assert_eq!((monitor.channels, monitor.sample_rate), (2, RATE));
    assert!(monitor.warnings.contains(&devices::Warning::Monitor));

    let mut source = CpalSource::find(Some(&monitor.id)).unwrap();
    let mut stream = source.start().unwrap();
    let begun = (Instant::now(), cpu_seconds());
    let mut player = std::process::Command::new("paplay")
        .arg(std::env::var_os("PLAYED").unwrap())
        .stdin(Stdio::null())
        .spawn()
        .expect("paplay cannot be started: install pulseaudio-utils");
    let mut samples = Vec::new();
    let mut over = None;
    while over.is_none_or(|at: Instant| at.elapsed() < Duration::from_millis(500)) {
        stream.wait(Duration::from_millis(100));
        stream.read(&mut samples);
        assert!(stream.quiet_for() < Duration::from_secs(1));
        if over.is_none() && player.try_wait().unwrap().is_some() {
            over = Some(Instant::now());
        }
        assert!(begun.0.elapsed() < Duration::from_secs(60));
    }
    player.wait().unwrap();
    let wall = begun.0.elapsed().as_secs_f64();
    println!(
        "capture at {RATE} Hz, 2 channels: {:.2} % of one core, {} callbacks of {:.1} ms",
        (cpu_seconds() - begun.1) / wall * 100.0,
        stream.callbacks(),
        stream.frames_given() as f64 / f64::from(RATE) * 1_000.0 / stream.callbacks() as f64,
    );
    assert_eq!(stream.frames_lost(), 0);
    assert!(stream.gaps().is_empty());
    assert_eq!(stream.complaints(), (0, None));
    assert!(
        stream.frames_given() / stream.callbacks() <= u64::from(RATE) / 20,
        "buffers of at most 50 ms"
    );
    // Sound time and wall time agree: the server drops nothing before it reaches us.
    let sound = samples.len() as f64 / 2.0 / f64::from(RATE);
    assert!((sound - wall).abs() < 0.3, "{sound} s of sound in {wall} s");

    // Each channel has its own tone from end to end, and nothing of the other's.
    for (channel, own, other) in [(0, 400.0, 1_000.0), (1, 1_000.0, 400.0)] {
        let track: Vec<f32> = samples.iter().skip(channel).step_by(2).copied().collect();
        let first = track.iter().position(|s| s.abs() > 0.02).unwrap();
        let last = track.iter().rposition(|s| s.abs() > 0.02).unwrap();
        let heard = (last - first) as f64 / f64::from(RATE);
        let wanted = SECONDS as f64;
        assert!(
            (heard - wanted).abs() < wanted * 0.005,
            "{heard} s on {channel}"
        );
        // In every 100 ms: a hole or a repeat anywhere would break the tone.
        for part in track[first..=last].chunks_exact(RATE as usize / 10) {
            assert!(
                (power(part, own) - 0.031_25).abs() < 0.003,
                "{}",
                power(part, own)
            );
            assert!(power(part, other) < 1e-4);
        }
    }
    let mut meter = Meter::new(2);
    meter.push(&samples);
    assert!(meter.take().iter().all(|l| l.clipped == 0));
}

/// Power of a sine of `hz` in `part`.
fn power(part: &[f32], hz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (i, s) in part.iter().enumerate() {
        let w = std::f64::consts::TAU * hz * i as f64 / f64::from(RATE);
        re += f64::from(*s) * w.cos();
        im += f64::from(*s) * w.sin();
    }
    2.0 * (re * re + im * im) / (part.len() as f64).powi(2)
}

/// Processor seconds of this process so far.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}
