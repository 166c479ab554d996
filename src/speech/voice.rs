//! How each word was said: how loud and how high; and where a voice was heard that said no word.
//!
//! Only what the sound holds: decibels, hertz, seconds. What they mean is not for us to say.

use super::features::{FRAME_RATE, Features, from_db, to_db};
use super::separation::Ownership;
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
                if !inside(own, frame) || inside(&others, frame) {
                    continue;
                }
                power += from_db(sound.level_db(frame));
                count += 1;
                pitches.extend(sound.pitch_hz(frame));
            }
            WordVoice {
                seconds: f64::from(count) / FRAME_RATE,
                loudness_dbfs: (count > 0).then(|| to_db(power / count as f32)),
                pitch_hz: middle(pitches),
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
    let others = ownership.others(channel);
    let taken = words
        .iter()
        .map(|word| (word.start - NEAR, word.end + NEAR))
        .chain(others.iter().map(|span| (span.start, span.end)));
    let mut taken: Vec<(f64, f64)> = taken.collect();
    taken.sort_by(|a, b| a.0.total_cmp(&b.0));
    free(ownership.activity(channel), &taken)
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

fn inside(spans: &[Span], frame: usize) -> bool {
    let time = frame as f64 / FRAME_RATE;
    let at = spans.partition_point(|span| span.end <= time);
    spans.get(at).is_some_and(|span| span.start <= time)
}

fn middle(mut values: Vec<f32>) -> Option<f32> {
    let at = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(at, f32::total_cmp).1)
}

/// What is left of the spans (in order) outside what is taken (by start).
fn free(spans: &[Span], taken: &[(f64, f64)]) -> Vec<Span> {
    let mut left = Vec::new();
    let mut next = 0;
    let mut reached = 0.0f64;
    for span in spans {
        let mut start = span.start.max(reached);
        while let Some(&(from, to)) = taken.get(next).filter(|(from, _)| *from < span.end) {
            if from > start {
                left.push(Span { start, end: from });
            }
            reached = reached.max(to);
            start = start.max(reached);
            next += 1;
        }
        if span.end > start {
            left.push(Span {
                start,
                end: span.end,
            });
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spans() -> impl Strategy<Value = Vec<Span>> {
        prop::collection::vec((0.01f64..3.0, 0.01f64..5.0), 0..12).prop_map(|pairs| {
            let mut at = 0.0;
            pairs
                .into_iter()
                .map(|(pause, length)| {
                    let start = at + pause;
                    at = start + length;
                    Span { start, end: at }
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn a_moment_is_free_if_it_is_in_a_span_and_not_taken(
            spans in spans(),
            mut taken in prop::collection::vec((0.0f64..60.0, 0.0f64..8.0), 0..12),
            moment in 0.0f64..80.0,
        ) {
            for pair in &mut taken {
                pair.1 += pair.0;
            }
            taken.sort_by(|a, b| a.0.total_cmp(&b.0));
            let holds = |list: &[Span]| list.iter().any(|s| s.start < moment && moment < s.end);
            let free = free(&spans, &taken);
            let is_taken = taken.iter().any(|(from, to)| *from <= moment && moment <= *to);
            prop_assert_eq!(holds(&free), holds(&spans) && !is_taken);
        }
    }
}
