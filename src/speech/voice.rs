//! How each word was said: how loud and how high; and where a voice was heard that said no word.
//!
//! Only what the sound holds: decibels, hertz, seconds. What they mean is not for us to say.

use super::features::{FRAME_RATE, Features, from_db, to_db};
use super::separation::{Ownership, percentile};
use super::spans::{inside, union, without};
use super::{Span, Word, WordVoice};

/// Shortest voice without words that is told, in seconds: a breath drawn in is shorter.
const LEAST_WORDLESS: f64 = 0.7;
/// A word's times are this vague, in seconds: sound this near to a word is its own.
const NEAR: f64 = 0.25;
/// A voice without words has a clear pitch for this share of the time: paper, typing and steps have
/// none, and neither has a sigh.
const PITCHED: f64 = 0.4;

/// How each of a channel's words was said, from the frames in which their speaker is heard alone.
#[must_use]
pub fn of_words(
    features: &Features,
    ownership: &Ownership,
    channel: usize,
    words: &[Word],
) -> Vec<WordVoice> {
    let Some(sound) = features.channels.get(channel) else {
        return Vec::new();
    };
    let own = ownership.activity(channel);
    let others = ownership.others(channel);
    words
        .iter()
        .map(|word| {
            let (mut power, mut count) = (0.0, 0u32);
            let mut pitches = Vec::new();
            for frame in frames(word.start, word.end, sound.len()) {
                let time = frame as f64 / FRAME_RATE;
                if !inside(own, time) || inside(&others, time) {
                    continue;
                }
                power += from_db(sound.level_db(frame));
                count += 1;
                pitches.extend(sound.pitch_hz(frame));
            }
            WordVoice {
                seconds: f64::from(count) / FRAME_RATE,
                loudness_dbfs: (count > 0).then(|| to_db(power / count as f32)),
                pitch_hz: percentile(pitches, 0.5),
            }
        })
        .collect()
}

/// Where a channel's own speaker is heard, alone, with a pitch and without a word: laughing, crying,
/// humming, or words that were not made out.
#[must_use]
pub fn wordless(
    features: &Features,
    ownership: &Ownership,
    channel: usize,
    words: &[Word],
) -> Vec<Span> {
    let Some(sound) = features.channels.get(channel) else {
        return Vec::new();
    };
    let said = words.iter().map(|word| Span {
        start: word.start - NEAR,
        end: word.end + NEAR,
    });
    let others = ownership.others(channel);
    without(
        &without(ownership.activity(channel), &union(said.collect())),
        &others,
    )
    .into_iter()
    .filter(|span| span.end - span.start >= LEAST_WORDLESS)
    .filter(|span| {
        // Pitch is looked for in every second frame.
        let (mut looked, mut found) = (0u32, 0u32);
        for frame in frames(span.start, span.end, sound.len()).step_by(2) {
            looked += 1;
            let even = frame - frame % 2;
            found += u32::from(sound.pitch_hz(even).is_some());
        }
        f64::from(found) >= PITCHED * f64::from(looked.max(1))
    })
    .collect()
}

fn frames(start: f64, end: f64, length: usize) -> std::ops::Range<usize> {
    let frame = |seconds: f64| ((seconds.max(0.0) * FRAME_RATE).round() as usize).min(length);
    frame(start)..frame(end)
}
