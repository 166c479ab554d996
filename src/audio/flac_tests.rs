#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use proptest::prelude::*;

fn speechlike(frames: usize) -> Vec<i16> {
    let mut noise = 1u32;
    (0..frames * 2)
        .map(|i| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let tone = ((i / 2) as f32 * 0.07 * (1 + i % 2) as f32).sin() * 9_000.0;
            tone as i16 + (noise >> 24) as i16
        })
        .collect()
}

fn encode(samples: &[i16], rate: u32) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new(), rate, 2).unwrap();
    for part in samples.chunks(1_234) {
        encoder.write(part).unwrap();
    }
    encoder.finish().unwrap()
}

fn drain(mut from: impl Frames) -> (Vec<i16>, Result<()>) {
    let mut all = Vec::new();
    loop {
        match from.read(&mut all, 700) {
            Ok(0) => break (back(&all), Ok(())),
            Ok(_) => {}
            Err(e) => break (back(&all), Err(e)),
        }
    }
}

fn back(samples: &[f32]) -> Vec<i16> {
    samples.iter().map(|s| (s * 32_768.0) as i16).collect()
}

#[test]
fn what_is_written_comes_back_to_the_bit() {
    for frames in [0, 1, 15, 2_048, 20_001] {
        let samples = speechlike(frames);
        let (read, end) = drain(Decoder::new(&encode(&samples, 16_000)[..]).unwrap());
        assert!(end.is_ok(), "{frames}");
        assert!(read == samples, "{frames}");
    }
}

#[test]
fn a_cut_stream_yields_all_whole_blocks_and_then_says_so() {
    let samples = speechlike(20_000);
    let bytes = encode(&samples, 16_000);
    let (read, end) = drain(Decoder::new(&bytes[..bytes.len() - 7]).unwrap());
    assert_eq!(end.unwrap_err().kind(), Kind::Damaged);
    assert_eq!(read.len() / 2, 20_000 / 2_048 * 2_048);
    assert!(read[..] == samples[..read.len()]);
}

#[test]
fn a_cut_inside_the_frame_header_is_no_clean_end() {
    let bytes = encode(&speechlike(2_048), 16_000);
    let mut twice = bytes.clone();
    twice.extend_from_slice(&bytes[42..45]);
    let (read, end) = drain(Decoder::new(&twice[..]).unwrap());
    assert_eq!(read.len(), 4_096);
    assert_eq!(end.unwrap_err().kind(), Kind::Damaged);
}

#[test]
fn a_failing_reader_is_damage_and_not_an_end() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof))
        }
    }
    let bytes = encode(&speechlike(4_096), 16_000);
    let (read, end) = drain(Decoder::new((&bytes[..]).chain(Fails)).unwrap());
    assert_eq!(read.len(), 8_192);
    assert_eq!(end.unwrap_err().kind(), Kind::Damaged);
}

#[test]
fn blocks_last_about_an_eighth_of_a_second() {
    for rate in [8_000, 16_000, 44_100, 48_000, 96_000] {
        let seconds = f64::from(block_size(rate)) / f64::from(rate);
        assert!((0.05..=0.13).contains(&seconds), "{rate}: {seconds}");
    }
}

#[test]
fn rates_and_channels_beyond_the_limits_are_refused() {
    for (rate, channels) in [(0, 2), (7_999, 1), (192_001, 2), (16_000, 0), (16_000, 9)] {
        assert!(Encoder::new(Vec::new(), rate, channels).is_err());
    }
    for rate in [0u32, 1, 500_000] {
        assert!(Decoder::new(&header(rate, 2, 16, 4_096)[..]).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn altered_bytes_never_panic(
        flips in prop::collection::vec((0usize..9_000, any::<u8>()), 1..12), cut in 0usize..9_000,
    ) {
        let mut bytes = encode(&speechlike(3_000), 16_000);
        for (at, with) in flips {
            let at = at % bytes.len();
            bytes[at] ^= with;
        }
        bytes.truncate(cut.max(40));
        if let Ok(decoder) = Decoder::new(&bytes[..]) {
            let (read, _) = drain(decoder);
            prop_assert!(read.len() < 20_000_000);
        }
    }
}
