#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::audio::Memory;
use proptest::prelude::*;

fn stereo(rate: u32) -> Spec {
    Spec {
        sample_rate: rate,
        channels: 2,
        frames: None,
    }
}

#[test]
fn a_file_read_slowly_loses_nothing() {
    let samples: Vec<f32> = (0..200_000).map(|i| i as f32 / 200_000.0).collect();
    let sound = Box::new(Memory::new(samples.clone(), 8_000, 2));
    let mut stream = FileSource::new("a", sound, Pace::AsRead).start().unwrap();
    let mut read = Vec::new();
    while !stream.ended() {
        stream.wait(Duration::from_millis(100));
        stream.read(&mut read);
    }
    assert!(read == samples);
    assert_eq!(stream.frames_lost(), 0);
    assert!(stream.gaps().is_empty());
    assert_eq!(stream.callbacks(), 100_000 / 160);
}

#[test]
fn real_time_takes_its_time() {
    let sound = Box::new(Memory::new(vec![0.1; 8_000], 16_000, 2));
    let begun = Instant::now();
    let mut stream = FileSource::new("a", sound, Pace::RealTime).start().unwrap();
    let mut read = Vec::new();
    while !stream.ended() {
        stream.wait(Duration::from_millis(100));
        stream.read(&mut read);
    }
    assert!(begun.elapsed() >= Duration::from_millis(250));
    assert_eq!(read.len(), 8_000);
}

#[test]
fn what_found_no_room_becomes_silence_in_its_place() {
    let (mut feed, mut stream) = CaptureStream::new(stereo(100));
    // Ten seconds of ring hold 1,000 frames; 1,500 come.
    for _ in 0..15 {
        feed.put([0.5f32; 200].into_iter());
    }
    let mut read = Vec::new();
    while stream.read(&mut read) > 0 {}
    assert_eq!(read.len(), 2_000);
    feed.put([0.25f32; 200].into_iter());
    while stream.read(&mut read) > 0 {}
    assert_eq!(read.len(), 3_200);
    assert!(read[..2_000].iter().all(|s| *s == 0.5));
    assert!(read[2_000..3_000].iter().all(|s| *s == 0.0));
    assert!(read[3_000..].iter().all(|s| *s == 0.25));
    assert_eq!(
        stream.gaps(),
        [Gap {
            at_frame: 1_000,
            frames: 500
        }]
    );
    assert_eq!(stream.frames_lost(), 500);
    assert_eq!(stream.frames_given(), 1_600);
}

#[test]
fn a_gap_at_the_very_end_is_told_too() {
    let (mut feed, mut stream) = CaptureStream::new(stereo(100));
    for _ in 0..11 {
        feed.put([0.5f32; 200].into_iter());
    }
    drop(feed);
    let mut read = Vec::new();
    while stream.read(&mut read) > 0 {}
    assert_eq!(read.len(), 2_200);
    assert_eq!(
        stream.gaps(),
        [Gap {
            at_frame: 1_000,
            frames: 100
        }]
    );
    assert!(stream.ended());
}

#[test]
fn a_device_that_stops_calling_is_noticed() {
    let (mut feed, mut stream) = CaptureStream::new(stereo(8_000));
    feed.put([0.0f32; 320].into_iter());
    stream.read(&mut Vec::new());
    std::thread::sleep(Duration::from_millis(30));
    assert!(stream.quiet_for() >= Duration::from_millis(30));
    feed.put([0.0f32; 320].into_iter());
    stream.read(&mut Vec::new());
    assert!(stream.quiet_for() < Duration::from_millis(30));
    assert_eq!(stream.complaints(), (0, None));
    stream.counters.complain(Complaint::Gone);
    assert_eq!(stream.complaints(), (1, Some(Complaint::Gone)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..Default::default() })]

    #[test]
    fn time_is_kept_whatever_the_reader_does(
        turns in prop::collection::vec((1usize..400, any::<bool>()), 1..60),
    ) {
        let (mut feed, mut stream) = CaptureStream::new(stereo(50));
        let mut given = Vec::new();
        let mut read = Vec::new();
        for (frames, reads) in turns {
            let first = given.len();
            given.extend((0..frames * 2).map(|i| (first + i + 1) as f32));
            feed.put(given[first..].iter().copied());
            if reads {
                while stream.read(&mut read) > 0 {}
            }
        }
        drop(feed);
        while stream.read(&mut read) > 0 {}
        prop_assert_eq!(read.len(), given.len());
        let silent = read.iter().filter(|s| **s == 0.0).count() as u64;
        prop_assert_eq!(silent, stream.frames_lost() * 2);
        prop_assert_eq!(silent, stream.gaps().iter().map(|g| g.frames * 2).sum::<u64>());
        prop_assert!(read.iter().zip(&given).all(|(r, g)| *r == 0.0 || r == g));
    }
}
