#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::audio::Memory;
use crate::audio::flac::Encoder;
use proptest::prelude::*;
use std::io::Cursor;
use std::path::PathBuf;

fn file(dir: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn wav(spec: hound::WavSpec, frames: usize) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let mut w = hound::WavWriter::new(&mut out, spec).unwrap();
    for i in 0..frames * usize::from(spec.channels) {
        let s = if i.is_multiple_of(2) { 0.5 } else { -0.25 };
        match spec.sample_format {
            hound::SampleFormat::Float => w.write_sample(s).unwrap(),
            hound::SampleFormat::Int => {
                let full = (1i64 << (spec.bits_per_sample - 1)) as f32;
                w.write_sample((s * full) as i32).unwrap();
            }
        }
    }
    w.finalize().unwrap();
    out.into_inner()
}

fn stereo16() -> hound::WavSpec {
    hound::WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    }
}

fn drain(mut from: impl Frames) -> (Vec<f32>, Result<()>) {
    let mut all = Vec::new();
    loop {
        match from.read(&mut all, 1_000) {
            Ok(0) => break (all, Ok(())),
            Ok(_) => {}
            Err(e) => break (all, Err(e)),
        }
    }
}

#[test]
fn every_width_of_wav_reads_the_same() {
    let dir = tempfile::tempdir().unwrap();
    for (bits, sample_format) in [
        (8, hound::SampleFormat::Int),
        (16, hound::SampleFormat::Int),
        (24, hound::SampleFormat::Int),
        (32, hound::SampleFormat::Int),
        (32, hound::SampleFormat::Float),
    ] {
        let spec = hound::WavSpec {
            bits_per_sample: bits,
            sample_format,
            ..stereo16()
        };
        // The name says nothing.
        let path = file(&dir, "a.mp3", &wav(spec, 3_000));
        let (read, end) = drain(session(&path).unwrap());
        assert!(end.is_ok());
        assert_eq!(read.len(), 6_000, "{bits} bit");
        assert!(read.chunks(2).all(|f| f == [0.5, -0.25]), "{bits} bit");
    }
}

#[test]
fn a_cut_wav_yields_what_is_there_and_says_how_much() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = wav(stereo16(), 44_100);
    let path = file(&dir, "cut.wav", &bytes[..44 + 44_100 * 2 + 1]);
    let (read, end) = drain(open(&path).unwrap());
    assert_eq!(read.len(), 44_100);
    let error = end.unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged);
    assert!(error.sentence().contains("0.5 s of 1.0 s"), "{error}");
}

#[test]
fn a_wav_of_unknown_length_ends_where_the_file_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = wav(stereo16(), 500);
    let data = bytes.windows(4).position(|w| w == b"data").unwrap();
    bytes[data + 4..data + 8].copy_from_slice(&0xffff_fffcu32.to_le_bytes());
    let (read, end) = drain(open(&file(&dir, "a", &bytes)).unwrap());
    assert!(end.is_ok());
    assert_eq!(read.len(), 1_000);
}

#[test]
fn what_is_no_sound_file_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let kind = |path: &Path| open(path).err().unwrap().kind();
    assert_eq!(kind(&dir.path().join("none.wav")), Kind::NotFound);
    assert_eq!(kind(dir.path()), Kind::Audio);
    assert_eq!(kind(&file(&dir, "empty", b"")), Kind::Damaged);
    assert_eq!(kind(&file(&dir, "a.wav", b"Dear colleague, ")), Kind::Audio);
    assert_eq!(
        kind(&file(&dir, "b.wav", b"RIFF\0\0\0\0WAVEfmt ")),
        Kind::Damaged
    );
    let text = "words and more words\n".repeat(5_000);
    assert_eq!(kind(&file(&dir, "c.mp3", text.as_bytes())), Kind::Audio);
    #[cfg(target_os = "linux")]
    assert_eq!(kind(Path::new("/dev/zero")), Kind::Audio);
}

#[test]
fn one_channel_is_refused_with_the_reason_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let spec = hound::WavSpec {
        channels: 1,
        ..stereo16()
    };
    let path = file(&dir, "mono.wav", &wav(spec, 10));
    let error = session(&path).err().unwrap();
    assert_eq!(error.kind(), Kind::Usage);
    assert!(error.sentence().contains("by channel"));
    assert!(error.hints()[0].contains("two files"));
}

#[test]
fn flac_is_read_and_its_cut_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let mut encoder = Encoder::new(Vec::new(), 16_000, 2).unwrap();
    encoder.write(&[1_000; 20_000]).unwrap();
    let bytes = encoder.finish().unwrap();
    let (read, end) = drain(session(&file(&dir, "a", &bytes)).unwrap());
    assert!(end.is_ok() && read.len() == 20_000);
    let (read, end) = drain(session(&file(&dir, "b", &bytes[..bytes.len() - 2])).unwrap());
    assert_eq!(end.unwrap_err().kind(), Kind::Damaged);
    assert_eq!(read.len() % 4_096, 0);
}

#[test]
fn two_of_many_channels_can_be_chosen() {
    let many = Memory::new(vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 16_000, 3);
    assert!(two_channels(many.spec()).is_err());
    assert!(select(many.clone(), 0, 1).is_err());
    assert!(select(many.clone(), 2, 2).is_err());
    assert!(select(many.clone(), 1, 4).is_err());
    let (read, _) = drain(select(many, 3, 1).unwrap());
    assert_eq!(read, [0.3, 0.1, 0.6, 0.4]);
}

#[test]
fn two_files_of_different_rates_and_lengths_become_one() {
    let a = Memory::new(vec![0.5; 48_000], 48_000, 1);
    let b = Memory::new(vec![-0.25; 2 * 8_000], 16_000, 2);
    let joined = pair(a, b).unwrap();
    assert_eq!(joined.spec().frames, Some(16_000));
    let (read, end) = drain(joined);
    assert!(end.is_ok());
    assert_eq!(read.len(), 32_000);
    let frame = |i: usize| (read[2 * i], read[2 * i + 1]);
    assert!((frame(4_000).0 - 0.5).abs() < 0.01 && frame(4_000).1 == -0.25);
    assert!((frame(12_000).0 - 0.5).abs() < 0.01 && frame(12_000).1 == 0.0);
}

#[test]
fn a_stereo_file_with_two_people_is_no_half_of_a_pair() {
    let both = Memory::new(vec![0.5, -0.5, 0.1, 0.2], 16_000, 2);
    let (_, end) = drain(pair(both, Memory::new(vec![0.0; 4], 16_000, 1)).unwrap());
    assert_eq!(end.unwrap_err().kind(), Kind::Usage);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn altered_wav_headers_never_panic(
        flips in prop::collection::vec((0usize..60, any::<u8>()), 1..6), cut in 4usize..2_000,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = wav(stereo16(), 400);
        for (at, with) in flips {
            bytes[at] ^= with;
        }
        bytes.truncate(cut);
        if let Ok(frames) = open(&file(&dir, "a", &bytes)) {
            let (read, _) = drain(frames);
            prop_assert!(read.len() < 20_000);
        }
    }
}
