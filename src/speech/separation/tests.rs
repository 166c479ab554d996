//! Two people in a room, as levels: who talks when is known to the frame.

use proptest::prelude::*;

use super::delay::Delay;
use super::noise::Noise;
use super::*;
use crate::speech::arrival::Arrival;

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

/// What the microphones are like.
#[derive(Clone, Copy)]
struct Room {
    /// How loud a voice is at the other's microphone, in dB against its own, by frame.
    bleed_db: fn(usize) -> f32,
    /// Frames that the second channel is behind.
    late: i32,
    /// Of the second microphone, against the first.
    gain_db: f32,
    /// How far single frames are off, up or down.
    swing_db: f32,
}

const ROOM: Room = Room {
    bleed_db: |_| -15.0,
    late: 0,
    gain_db: 0.0,
    swing_db: 0.0,
};

/// What the two microphones hear.
fn heard(said: &[(usize, f32)], room: Room) -> Features {
    let level = |channel: usize, frame: usize| -> (f32, bool) {
        let shift = if channel == 1 { room.late as isize } else { 0 };
        let gain_db = if channel == 1 { room.gain_db } else { 0.0 };
        // Noise swings, so that its floor is found as in a room.
        let noise = NOISE_DB + [0.0, 2.0, -2.0, 1.0][frame % 4];
        let Some(&(who, level)) = frame
            .checked_add_signed(-shift)
            .and_then(|frame| said.get(frame))
        else {
            return (noise + gain_db, false);
        };
        let swing_db = room.swing_db * [1.0, -0.3, -1.0, 0.6, -0.3][(frame + channel) % 5];
        let level = match who == channel {
            true => level,
            false => level + (room.bleed_db)(frame),
        } + swing_db;
        let db = to_db(from_db(level) + from_db(noise));
        (db + gain_db, level > NOISE_DB + 6.0)
    };
    let channel = |channel| {
        let levels: Vec<(f32, bool)> = (0..said.len()).map(|at| level(channel, at)).collect();
        ChannelFeatures::of_levels(&levels)
    };
    Features {
        channels: vec![channel(0), channel(1)],
        arrivals: Vec::new(),
        samples: said.len() as u64 * 160,
    }
}

fn delay(features: &Features) -> Delay {
    let [one, two] = [&features.channels[0], &features.channels[1]];
    Delay::find([one, two], [&Noise::of(one), &Noise::of(two)])
}

/// Share of the frames in which somebody (0 or 1) talks that a channel takes for its own speaker's.
fn taken(features: &Features, said: &[(usize, f32)], talker: usize, channel: usize) -> f64 {
    within(features, said, talker, channel, 1_000..said.len() - 1_000)
}

fn within(
    features: &Features,
    said: &[(usize, f32)],
    talker: usize,
    channel: usize,
    frames: std::ops::Range<usize>,
) -> f64 {
    let ownership = own_voices(features);
    let (mut all, mut taken) = (0u32, 0u32);
    for frame in frames.filter(|&frame| said[frame].0 == talker && said[frame].1 > NOISE_DB) {
        let time = frame as f64 / FRAME_RATE;
        let own = ownership.activity(channel);
        all += 1;
        taken += u32::from(own.iter().any(|span| span.start <= time && time < span.end));
    }
    f64::from(taken) / f64::from(all.max(1))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn a_recorder_that_was_begun_late_is_found_to_the_frame(late in -280i32..280, seed in 1u64..99) {
        let said = talk(12_000, seed);
        let features = heard(&said, Room { late, ..ROOM });
        let found = delay(&features);
        let expected = if late.abs() <= 1 { 0 } else { late };
        for frame in [0, 5_000, 11_999] {
            prop_assert_eq!(found.at(frame), expected);
        }
    }
}

#[test]
fn microphones_that_hear_nothing_of_each_other_share_a_clock() {
    let features = heard(
        &talk(12_000, 7),
        Room {
            bleed_db: |_| -90.0,
            late: 150,
            ..ROOM
        },
    );
    assert_eq!(delay(&features), Delay::default());
}

#[test]
fn clocks_that_part_are_followed() {
    let said = talk(60_000, 3);
    // The second loses a frame in a thousand: 1000 ppm, ten times worse than a bad recorder.
    let one = heard(
        &said,
        Room {
            bleed_db: |_| -12.0,
            ..ROOM
        },
    );
    let slow: Vec<(f32, bool)> = (0..said.len())
        .map(|frame| {
            let there = (frame as f64 * 0.999) as usize;
            let two = &one.channels[1];
            (two.level_db(there), two.voice(there) > 0.5)
        })
        .collect();
    let features = Features {
        channels: vec![one.channels[0].clone(), ChannelFeatures::of_levels(&slow)],
        arrivals: Vec::new(),
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
    let room = Room {
        bleed_db: |frame| if frame < 18_000 { -22.0 } else { -7.0 },
        ..ROOM
    };
    let features = heard(&said, room);
    for half in [1_000..17_000, 19_000..35_000] {
        let share = within(&features, &said, 1, 0, half.clone());
        assert!(share < 0.01, "{share} of the other's talk in {half:?}");
    }
    let report = own_voices(&features).report(0);
    let worst = report.channels[0].worst_bleed_db.unwrap_or(0.0);
    assert!((worst + 7.0).abs() < 2.0, "{worst}");
}

#[test]
fn what_a_late_recorder_picks_up_is_not_taken_for_its_own_speaker() {
    let said = talk(18_000, 9);
    let room = Room {
        bleed_db: |_| -10.0,
        late: 40,
        ..ROOM
    };
    let features = heard(&said, room);
    let share = taken(&features, &said, 1, 0);
    assert!(share < 0.01, "{share}");
    assert_eq!(own_voices(&features).report(0).delay_ms, Some(400.0));
}

/// Two microphones on one desk.
const DESK: Room = Room {
    bleed_db: |_| -4.0,
    swing_db: 3.5,
    ..ROOM
};

#[test]
fn what_is_said_at_one_desk_is_kept_and_stays_with_who_said_it() {
    let said = talk(18_000, 4);
    // Microphones of one kind, and of two.
    for gain_db in [0.0, -10.0, 12.0] {
        let features = heard(&said, Room { gain_db, ..DESK });
        for who in [0, 1] {
            let kept = taken(&features, &said, who, who);
            assert!(kept > 0.97, "{kept} of {who} with {gain_db} dB");
            let mistaken = taken(&features, &said, 1 - who, who);
            assert!(mistaken < 0.03, "{mistaken} by {who} with {gain_db} dB");
        }
    }
}

#[test]
fn who_hardly_talks_at_a_desk_is_heard_as_well() {
    let said = talk(36_000, 6);
    let mut turns = 0;
    let mut before = 0;
    let said: Vec<(usize, f32)> = said
        .into_iter()
        .map(|(who, level)| {
            turns += u32::from(who != before);
            before = who;
            // The second person lets most of their turns pass.
            match who == 1 && turns % 10 != 1 {
                true => (0, NOISE_DB),
                false => (who, level),
            }
        })
        .collect();
    let features = heard(
        &said,
        Room {
            gain_db: 10.0,
            ..DESK
        },
    );
    for who in [0, 1] {
        let kept = taken(&features, &said, who, who);
        assert!(kept > 0.97, "{kept} of {who}");
    }
}

#[test]
fn who_talks_alone_all_the_time_is_one_person() {
    for bleed_db in [|_| -4.0, |_| -15.0] {
        let mut said = talk(18_000, 8);
        said.iter_mut().for_each(|frame| frame.0 = 1);
        let features = heard(&said, Room { bleed_db, ..DESK });
        let kept = taken(&features, &said, 1, 1);
        assert!(kept > 0.97, "{kept}");
        let mistaken = taken(&features, &said, 1, 0);
        assert!(mistaken < 0.01, "{mistaken}");
    }
}

#[test]
fn who_is_as_loud_at_both_microphones_is_told_by_which_hears_them_first() {
    let said = talk(18_000, 3);
    let room = Room {
        bleed_db: |_| 0.0,
        ..DESK
    };
    let mut features = heard(&said, room);
    assert!(!own_voices(&features).told());
    // The second speaker's chair is nearer to the middle; now and then a wall is heard.
    let arrival = |(at, (who, _)): (usize, &(usize, f32))| match at % 97 {
        0..6 => Arrival::at(41),
        _ => Arrival::at([35, 19][*who]),
    };
    features.arrivals = said.iter().enumerate().map(arrival).collect();
    let ownership = own_voices(&features);
    assert!(ownership.told());
    for who in [0, 1] {
        let kept = taken(&features, &said, who, who);
        assert!(kept > 0.95, "{kept} of {who}");
        let mistaken = taken(&features, &said, 1 - who, who);
        assert!(mistaken < 0.05, "{mistaken} by {who}");
    }
}

#[test]
fn one_channel_has_nobody_elses_talk_in_it() {
    let said = talk(3_000, 2);
    let mut features = heard(
        &said,
        Room {
            bleed_db: |_| -90.0,
            ..ROOM
        },
    );
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

#[test]
fn whose_voice_it_is_is_known_by_both_levels_also_where_they_came_nearer_and_of_unequal_gain() {
    let said = talk(12_000, 5);
    for gain_db in [-8.0, 0.0, 8.0] {
        let room = Room {
            bleed_db: |frame| if frame < 9_000 { -20.0 } else { -7.0 },
            gain_db,
            ..ROOM
        };
        let features = heard(&said, room);
        let ownership = own_voices(&features);
        let mut start = 0;
        for turn in said.chunk_by(|one, next| one.0 == next.0) {
            let span = Span {
                start: start as f64 / FRAME_RATE,
                end: (start + turn.len()) as f64 / FRAME_RATE,
            };
            assert_eq!(ownership.speaker(&features, span), Some(turn[0].0));
            start += turn.len();
        }
    }
}
