//! PipeWire in the place of PulseAudio, which is what most of today's Linux desktops have. Asked for nothing, it gives its
//! sound every two seconds.

#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use common::desk::Desk;
use common::pipewire::PipeWire;
use common::recorder::Recorder;
use common::sound;
use rustix::process::Signal;

/// Sound that is nowhere silent.
fn hum(desk: &Desk) -> std::path::PathBuf {
    let tone = |n: u32| 0.2 * (n as f32 * std::f32::consts::TAU * 437.0 / 16_000.0).sin();
    let frames = (0..16_000 * 60).map(|n| [tone(n), tone(n) * 0.5]);
    sound::wav(desk.path("hum.wav"), 16_000, frames)
}

/// Records for so many seconds and returns what was recorded, in frames of two, and for how long.
fn record(desk: &Desk, servers: &PipeWire, devices: &[&str], seconds: u64) -> (Vec<f32>, f64, f64) {
    let command = servers.command(env!("CARGO_BIN_EXE_undertone"));
    let recorder = Recorder::from(command, desk, devices, &[]);
    std::thread::sleep(Duration::from_secs(seconds));
    recorder.signal(Signal::INT);
    let passed = recorder.begun.elapsed().as_secs_f64();
    let (status, _, said) = recorder.end();
    assert!(status.success(), "{said}");
    assert!(!said.contains("No sound has come"), "{said}");
    let (manifest, samples) = sound::newest(desk);
    assert!(manifest.gaps.is_empty(), "{:?}", manifest.gaps);
    (samples, f64::from(manifest.sample_rate), passed)
}

/// Seconds of the channel in whose tenths nothing is heard, but for the first and the last half second.
fn silent(samples: &[f32], rate: f64, channel: usize) -> f64 {
    let edge = (rate / 2.0) as usize * 2;
    let tenth = (rate / 10.0) as usize * 2;
    let inner = &samples[edge..samples.len() - edge];
    let mut tenths = inner.chunks_exact(tenth);
    let nothing = tenths.by_ref().filter(|part| {
        let mut own = part.iter().skip(channel).step_by(2);
        own.all(|sample| sample.abs() < 1e-3)
    });
    nothing.count() as f64 / 10.0
}

#[test]
fn what_pipewire_hears_is_recorded_as_it_comes_and_to_the_end() {
    let desk = Desk::new();
    let Some(mut servers) = PipeWire::start() else {
        return;
    };
    let hum = hum(&desk);
    servers.play_into("near", 48_000, &hum);
    servers.play_into("far", 44_100, &hum);
    std::thread::sleep(Duration::from_secs(1));
    let one = ["--device", "pulseaudio:near.monitor"];
    let two = [
        "--therapist-device",
        "pulseaudio:near.monitor",
        "--client-device",
        "pulseaudio:far.monitor",
    ];
    for devices in [&one[..], &two[..]] {
        let (samples, rate, passed) = record(&desk, &servers, devices, 7);
        let length = samples.len() as f64 / 2.0 / rate;
        println!("{length:.2} s recorded in {passed:.2} s");
        // It was recording already when it said so.
        assert!(length > passed - 0.5, "{length} s of {passed} s");
        for channel in [0, 1] {
            let silent = silent(&samples, rate, channel);
            assert!(silent < 0.15, "{silent} s of channel {channel} are silent");
        }
    }
}
