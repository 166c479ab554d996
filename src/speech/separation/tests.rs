//! Two people in a room, as levels: who talks when is known to the frame.

use proptest::prelude::*;

use super::delay::Delay;
use super::noise::Noise;
use super::*;

const NOISE_DB: f32 = -65.0;
const VOICE_DB: f32 = -25.0;

/// Whose turn it is (0 or 1) and how loud they are, by frame: turns of two to eight seconds with
/// syllables and pauses.
fn talk(frames: usize, seed: u64) -> Vec<(usize, f32)> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut random = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut said = Vec::new();
    let mut who = 0;
    while said.len() < frames {
        let end = said.len() + 200 + random(600) as usize;
        while said.len() < end {
            let (length, level) = (8 + random(20), VOICE_DB - random(12) as f32);
            said.extend((0..length).map(|_| (who, level)));
            said.extend((0..random(12)).map(|_| (who, NOISE_DB)));
        }
        said.extend((0..20 + random(80)).map(|_| (who, NOISE_DB)));
        who = 1 - who;
    }
    said.truncate(frames);
    said
}

/// What the two microphones hear, if a voice leaks into the other by `bleed_db(frame)` and the
/// second is `late` frames behind.
fn heard(said: &[(usize, f32)], bleed_db: &dyn Fn(usize) -> f32, late: i32) -> Features {
    let level = |channel: usize, frame: usize| -> (f32, bool) {
        let shift = if channel == 1 { late as isize } else { 0 };
        let Some(&(who, level)) = frame
            .checked_add_signed(-shift)
            .and_then(|frame| said.get(frame))
        else {
            return (NOISE_DB, false);
        };
        let level = if who == channel {
            level
        } else {
            level + bleed_db(frame)
        };
        // Noise swings, so that its floor is found as in a room.
        let swing = [0.0, 2.0, -2.0, 1.0][frame % 4];
        let db = to_db(from_db(level) + from_db(NOISE_DB + swing));
        (db, level > NOISE_DB + 6.0)
    };
    let channel = |channel| {
        let levels: Vec<(f32, bool)> = (0..said.len()).map(|at| level(channel, at)).collect();
        ChannelFeatures::of_levels(&levels)
    };
    Features {
        channels: vec![channel(0), channel(1)],
        samples: said.len() as u64 * 160,
    }
}

fn delay(features: &Features) -> Delay {
    let [one, two] = [&features.channels[0], &features.channels[1]];
    Delay::find([one, two], [&Noise::of(one), &Noise::of(two)])
}

/// Share of the frames in which the other talks that a channel takes for its own speaker's.
fn mistaken(features: &Features, said: &[(usize, f32)], within: std::ops::Range<usize>) -> f64 {
    let ownership = own_voices(features);
    let theirs = within.filter(|&frame| said[frame] != (0, NOISE_DB) && said[frame].0 == 1);
    let (mut all, mut wrong) = (0u32, 0u32);
    for frame in theirs.filter(|&frame| said[frame].1 > NOISE_DB) {
        let time = frame as f64 / FRAME_RATE;
        let own = ownership.activity(0);
        all += 1;
        wrong += u32::from(own.iter().any(|span| span.start <= time && time < span.end));
    }
    f64::from(wrong) / f64::from(all.max(1))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn a_recorder_that_was_begun_late_is_found_to_the_frame(late in -280i32..280, seed in 1u64..99) {
        let said = talk(12_000, seed);
        let features = heard(&said, &|_| -15.0, late);
        let found = delay(&features);
        let expected = if late.abs() <= 1 { 0 } else { late };
        for frame in [0, 5_000, 11_999] {
            prop_assert_eq!(found.at(frame), expected);
        }
    }
}

#[test]
fn microphones_that_hear_nothing_of_each_other_share_a_clock() {
    let features = heard(&talk(12_000, 7), &|_| -90.0, 150);
    assert_eq!(delay(&features), Delay::default());
}

#[test]
fn clocks_that_part_are_followed() {
    let said = talk(60_000, 3);
    // The second loses a frame in a thousand: 1000 ppm, ten times worse than a bad recorder.
    let one = heard(&said, &|_| -12.0, 0);
    let slow: Vec<(f32, bool)> = (0..said.len())
        .map(|frame| {
            let there = (frame as f64 * 0.999) as usize;
            let two = &one.channels[1];
            (two.level_db(there), two.voice(there) > 0.5)
        })
        .collect();
    let features = Features {
        channels: vec![one.channels[0].clone(), ChannelFeatures::of_levels(&slow)],
        samples: one.samples,
    };
    let found = delay(&features);
    for frame in (1_500..58_500).step_by(3_000) {
        let expected = frame as f64 * 0.001;
        let error = f64::from(found.at(frame)) - expected;
        assert!(error.abs() <= 3.0, "at {frame}: {error}");
    }
}

#[test]
fn who_leans_forward_is_not_taken_for_the_other() {
    let said = talk(36_000, 5);
    let bleed = |frame: usize| if frame < 18_000 { -22.0 } else { -7.0 };
    let features = heard(&said, &bleed, 0);
    for half in [1_000..17_000, 19_000..35_000] {
        let share = mistaken(&features, &said, half.clone());
        assert!(share < 0.01, "{share} of the other's talk in {half:?}");
    }
    let report = own_voices(&features).report(0);
    let worst = report.channels[0].worst_bleed_db.unwrap_or(0.0);
    assert!((worst + 7.0).abs() < 2.0, "{worst}");
}

#[test]
fn what_a_late_recorder_picks_up_is_not_taken_for_its_own_speaker() {
    let said = talk(18_000, 9);
    let features = heard(&said, &|_| -10.0, 40);
    let share = mistaken(&features, &said, 1_000..17_000);
    assert!(share < 0.01, "{share}");
    assert_eq!(own_voices(&features).report(0).delay_ms, Some(400.0));
}

#[test]
fn one_channel_has_nobody_elses_talk_in_it() {
    let said = talk(3_000, 2);
    let mut features = heard(&said, &|_| -90.0, 0);
    features.channels.truncate(1);
    let ownership = own_voices(&features);
    assert!(ownership.others(0).is_empty());
    let span = Span {
        start: 1.0,
        end: 3.0,
    };
    assert_eq!(ownership.others_share(0, span), 0.0);
    assert!(!ownership.activity(0).is_empty());
}
