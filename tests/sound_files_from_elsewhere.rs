//! Files that other programs write are read, and what we write is read by other programs. ffmpeg
//! stands for those programs; the tests fail, and do not skip, where it is missing.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

use undertone::Kind;
use undertone::audio::{Frames, flac, import};

fn ffmpeg(arguments: &[&str]) {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "warning", "-y"])
        .args(arguments)
        .output()
        .expect("ffmpeg cannot be started: install ffmpeg");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
}

/// Five seconds, 400 Hz left and 1,000 Hz right, coded as `codec` says, under a name that lies.
fn coded(dir: &Path, codec: &[&str]) -> std::path::PathBuf {
    let path = dir.join("recording.dat");
    let sine = "aevalsrc=0.25*sin(2*PI*400*t)|0.25*sin(2*PI*1000*t):s=44100:d=5";
    let mut all = vec!["-f", "lavfi", "-i", sine];
    all.extend_from_slice(codec);
    all.push(path.to_str().unwrap());
    ffmpeg(&all);
    path
}

fn drain(mut from: impl Frames) -> (Vec<f32>, Option<undertone::Error>) {
    let mut all = Vec::new();
    loop {
        match from.read(&mut all, 4_096) {
            Ok(0) => return (all, None),
            Ok(_) => {}
            Err(e) => return (all, Some(e)),
        }
    }
}

/// Power of a sine of `hz` in one channel of the middle second.
fn power(samples: &[f32], channel: usize, hz: f64) -> f64 {
    let track: Vec<f32> = samples.iter().skip(channel).step_by(2).copied().collect();
    let part = &track[88_200..132_300];
    let (mut re, mut im) = (0.0, 0.0);
    for (i, s) in part.iter().enumerate() {
        let w = std::f64::consts::TAU * hz * i as f64 / 44_100.0;
        re += f64::from(*s) * w.cos();
        im += f64::from(*s) * w.sin();
    }
    2.0 * (re * re + im * im) / (part.len() as f64).powi(2)
}

const CODECS: [&[&str]; 9] = [
    &["-c:a", "pcm_s16le", "-f", "wav"],
    &["-c:a", "pcm_s24le", "-f", "wav"],
    &["-c:a", "pcm_f32le", "-f", "wav"],
    &["-c:a", "pcm_u8", "-f", "wav"],
    &["-c:a", "flac", "-f", "flac"],
    &["-c:a", "libmp3lame", "-b:a", "128k", "-f", "mp3"],
    &["-c:a", "libvorbis", "-f", "ogg"],
    &["-c:a", "aac", "-b:a", "128k", "-f", "ipod"],
    &[
        "-c:a",
        "aac",
        "-b:a",
        "128k",
        "-movflags",
        "+faststart",
        "-f",
        "ipod",
    ],
];

#[test]
fn every_kind_of_file_is_read_whole_and_with_its_channels_in_order() {
    let dir = tempfile::tempdir().unwrap();
    for codec in CODECS {
        let frames = import::session(&coded(dir.path(), codec)).unwrap();
        assert_eq!(frames.spec().sample_rate, 44_100, "{codec:?}");
        let (samples, trouble) = drain(frames);
        assert_eq!(trouble, None, "{codec:?}");
        let seconds = samples.len() as f64 / 2.0 / 44_100.0;
        assert!((seconds - 5.0).abs() < 0.1, "{codec:?}: {seconds} s");
        for (channel, own, other) in [(0, 400.0, 1_000.0), (1, 1_000.0, 400.0)] {
            let level = power(&samples, channel, own);
            assert!((level - 0.031_25).abs() < 0.004, "{codec:?}: {level}");
            assert!(power(&samples, channel, other) < 1e-4, "{codec:?}");
        }
    }
}

#[test]
fn a_cut_file_gives_what_it_has_and_never_passes_for_more() {
    let dir = tempfile::tempdir().unwrap();
    for codec in CODECS {
        let path = coded(dir.path(), codec);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let frames = match import::session(&path) {
            Ok(frames) => frames,
            // An M4A file without its table at the end cannot be read by anybody.
            Err(e) => {
                assert!(codec.contains(&"ipod"), "{codec:?}: {e}");
                continue;
            }
        };
        let (samples, trouble) = drain(frames);
        let seconds = samples.len() as f64 / 2.0 / 44_100.0;
        assert!((0.9..3.5).contains(&seconds), "{codec:?}: {seconds} s");
        // An OGG stream does not say how long it is.
        if !codec.contains(&"ogg") {
            let trouble = trouble.unwrap_or_else(|| panic!("{codec:?} seemed whole"));
            assert_eq!(trouble.kind(), Kind::Damaged);
        }
    }
}

#[test]
fn a_wav_from_a_pipe_whose_length_nobody_knew_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let whole = coded(dir.path(), &["-c:a", "pcm_s16le", "-f", "wav"]);
    let output = Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-loglevel",
            "error",
            "-i",
            whole.to_str().unwrap(),
        ])
        .args(["-f", "wav", "-"])
        .output()
        .expect("ffmpeg cannot be started: install ffmpeg");
    let path = dir.path().join("piped");
    std::fs::write(&path, output.stdout).unwrap();
    let (samples, trouble) = drain(import::session(&path).unwrap());
    assert_eq!(trouble, None);
    assert_eq!(samples.len(), 5 * 44_100 * 2);
}

#[test]
fn other_programs_read_our_flac_to_the_bit() {
    let dir = tempfile::tempdir().unwrap();
    let samples: Vec<i16> = (0..64_000u32)
        .map(|i| ((f64::from(i) * 0.01).sin() * 12_000.0) as i16 + (i % 7) as i16)
        .collect();
    let mut encoder = flac::Encoder::new(Vec::new(), 16_000, 2).unwrap();
    encoder.write(&samples).unwrap();
    let ours = dir.path().join("ours.flac");
    std::fs::write(&ours, encoder.finish().unwrap()).unwrap();
    let raw = dir.path().join("raw");
    ffmpeg(&[
        "-i",
        ours.to_str().unwrap(),
        "-f",
        "s16le",
        raw.to_str().unwrap(),
    ]);
    let read: Vec<i16> = std::fs::read(&raw)
        .unwrap()
        .chunks_exact(2)
        .map(|b| i16::from_le_bytes([b[0], b[1]]))
        .collect();
    assert!(read == samples);
}

#[test]
#[ignore = "a measurement: run it by name"]
fn how_fast_flac_is_written_and_read() {
    let mut seed = 1u32;
    let samples: Vec<i16> = (0..16_000 * 2 * 600u32)
        .map(|i| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((f64::from(i) * 0.01).sin() * 3_000.0) as i16 + (seed >> 25) as i16
        })
        .collect();
    let begun = std::time::Instant::now();
    let mut encoder = flac::Encoder::new(Vec::new(), 16_000, 2).unwrap();
    for part in samples.chunks(640) {
        encoder.write(part).unwrap();
    }
    let bytes = encoder.finish().unwrap();
    println!(
        "written at {:.0} times real time",
        600.0 / begun.elapsed().as_secs_f64()
    );
    let begun = std::time::Instant::now();
    let (read, trouble) = drain(flac::Decoder::new(&bytes[..]).unwrap());
    println!(
        "read at {:.0} times real time",
        600.0 / begun.elapsed().as_secs_f64()
    );
    assert!(trouble.is_none() && read.len() == samples.len());
}
