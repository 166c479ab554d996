//! When each speaker talks, when both do, and when nobody does.
//!
//! From the sound: `activity` is what a voice detector heard. Words only fill in where the
//! detector is silent altogether for a speaker, or missed a word outright (a whisper).

use super::spans::{both, finite, millis, union};
use super::{Gap, Pause, Transcript};
use crate::speech::{Span, Word};

/// Shortest silence that is written down as a pause, in seconds.
pub const PAUSE_SECONDS: f64 = 2.0;

/// Shortest talking at once that is written down as an overlap, in seconds. Below this the edges
/// of a voice detector's spans decide, not the speakers.
pub const OVERLAP_SECONDS: f64 = 0.2;

/// A gap in the recording shorter than this (in seconds) is treated as silence; at a longer one
/// nobody can say who spoke last, and a silence that touches it is no pause.
pub const GAP_SECONDS: f64 = 0.5;

/// A word this far (in seconds) from its speaker's activity was missed by the voice detector.
const MISSED_BY: f64 = 0.25;

/// Words closer than this (in seconds) are one stretch of talk where there is no activity to go by.
const WORDS_JOIN: f64 = 0.3;

/// When somebody talks, from their activity and their words; in order, not touching.
///
/// Suspect words never count as talk.
pub(crate) fn talk<'a>(activity: &[Span], words: impl Iterator<Item = &'a Word>) -> Vec<Span> {
    let heard = union(activity.to_vec());
    let spoken = words.filter(|word| !word.suspect).map(|word| Span {
        start: word.start,
        end: word.end,
    });
    if heard.is_empty() {
        // Half the distance on either side of each word closes the distances between them.
        let half = WORDS_JOIN / 2.0;
        let widened = union(
            spoken
                .map(|w| Span {
                    start: w.start - half,
                    end: w.end + half,
                })
                .collect(),
        );
        return widened
            .into_iter()
            .map(|w| Span {
                start: millis(w.start + half),
                end: millis(w.end - half),
            })
            .collect();
    }
    let missed: Vec<Span> = spoken
        .filter(|word| {
            let near = heard.partition_point(|span| span.end + MISSED_BY < word.start);
            heard
                .get(near)
                .is_none_or(|span| span.start - MISSED_BY > word.end)
        })
        .collect();
    union(heard.into_iter().chain(missed).collect())
}

impl Transcript {
    /// When the speaker of this id talks, in order and not touching: the activity heard in the
    /// sound, and words that the voice detector missed.
    #[must_use]
    pub fn talk(&self, speaker: &str) -> Vec<Span> {
        let activity: Vec<Span> = self
            .activity
            .iter()
            .filter(|activity| activity.speaker == speaker)
            .flat_map(|activity| activity.spans.iter().copied())
            .collect();
        let words = self
            .turns
            .iter()
            .filter(|turn| turn.speaker == speaker)
            .flat_map(|turn| turn.words.iter());
        talk(&activity, words)
    }
}

/// Where at least two of the speakers talk at once, [`OVERLAP_SECONDS`] or longer.
pub(super) fn overlaps(talks: &[Vec<Span>]) -> Vec<Span> {
    let mut shared = Vec::new();
    for (i, a) in talks.iter().enumerate() {
        for b in talks.iter().skip(i + 1) {
            shared.extend(both(a, b));
        }
    }
    let mut shared = union(shared);
    shared.retain(|span| millis(span.end - span.start) >= OVERLAP_SECONDS);
    shared
}

/// Where nobody talks for [`PAUSE_SECONDS`] or longer, between two stretches of talk. `names` are
/// the speakers' ids, in the order of `talks`.
pub(super) fn pauses(names: &[String], talks: &[Vec<Span>], gaps: &[Gap]) -> Vec<Pause> {
    let talk = talks
        .iter()
        .zip(names)
        .flat_map(|(spans, name)| spans.iter().map(move |span| (*span, Some(name))));
    let lost = gaps
        .iter()
        .filter(|gap| gap.start.is_finite())
        // Of no length is one of which nobody knows how long it was.
        .filter(|gap| gap.duration == 0.0 || finite(gap.duration) >= GAP_SECONDS)
        .map(|gap| {
            let (start, end) = (gap.start, gap.start + gap.duration);
            (Span { start, end }, None)
        });
    let mut stretches: Vec<(Span, Option<&String>)> = talk.chain(lost).collect();
    stretches.sort_by(|a, b| a.0.start.total_cmp(&b.0.start));

    let mut pauses = Vec::new();
    let mut reached: Option<(f64, Option<&String>)> = None;
    for (span, who) in stretches {
        if let Some((end, Some(after))) = reached
            && let Some(before) = who
            && millis(span.start - end) >= PAUSE_SECONDS
        {
            pauses.push(Pause {
                start: end,
                end: span.start,
                after: after.clone(),
                before: before.clone(),
            });
        }
        if reached.is_none_or(|(end, _)| span.end >= end) {
            reached = Some((span.end, who));
        }
    }
    pauses
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn span(start: f64, end: f64) -> Span {
        Span { start, end }
    }

    fn word(start: f64, end: f64, suspect: bool) -> Word {
        Word {
            text: "word".into(),
            start,
            end,
            probability: 0.9,
            suspect,
        }
    }

    fn names() -> Vec<String> {
        vec!["therapist".into(), "client".into()]
    }

    #[test]
    fn a_whispered_word_the_detector_missed_counts_as_talk_and_a_suspect_one_does_not() {
        let words = [word(5.0, 5.4, false), word(9.0, 9.4, true)];
        let found = talk(&[span(0.0, 1.0)], words.iter());
        assert_eq!(found, vec![span(0.0, 1.0), span(5.0, 5.4)]);
    }

    #[test]
    fn without_activity_words_stand_in_for_it() {
        let words = [
            word(1.0, 1.4, false),
            word(1.6, 2.0, false),
            word(4.0, 4.4, false),
        ];
        assert_eq!(
            talk(&[], words.iter()),
            vec![span(1.0, 2.0), span(4.0, 4.4)]
        );
    }

    #[test]
    fn a_pause_says_who_spoke_before_and_who_after_it() {
        let talks = [vec![span(0.0, 4.0)], vec![span(3.0, 3.5), span(7.0, 8.0)]];
        let found = pauses(&names(), &talks, &[]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].start, found[0].end), (4.0, 7.0));
        assert_eq!(
            (found[0].after.as_str(), found[0].before.as_str()),
            ("therapist", "client")
        );
    }

    #[test]
    fn what_was_not_recorded_is_no_silence() {
        let talks = [vec![span(0.0, 4.0)], vec![span(20.0, 21.0)]];
        let gap = |duration| Gap {
            start: 8.0,
            duration,
            reason: "off the record".into(),
        };
        assert!(pauses(&names(), &talks, &[gap(5.0)]).is_empty());
        assert!(pauses(&names(), &talks, &[gap(0.0)]).is_empty());
        assert_eq!(pauses(&names(), &talks, &[gap(0.02)]).len(), 1);
    }

    #[test]
    fn a_touch_of_two_voices_is_no_overlap_and_two_seconds_is_a_pause() {
        let talks = [vec![span(0.0, 1.0)], vec![span(0.9, 2.0), span(4.0, 5.0)]];
        assert!(overlaps(&talks).is_empty());
        assert_eq!(pauses(&names(), &talks, &[]).len(), 1);
        let talks = [vec![span(0.0, 1.0)], vec![span(0.7, 2.0)]];
        assert_eq!(overlaps(&talks), vec![span(0.7, 1.0)]);
    }
}
