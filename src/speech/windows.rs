//! Packs a channel's own speech into windows for the engine, and maps times back.
//!
//! Whisper hears up to 30 seconds at once, and each window costs something of its own, so speech is packed
//! across pauses. What is not own voice is left out: the engine cannot mishear what it is not given.

use super::Span;
use super::engine::LONGEST_WINDOW;

/// Kept before a stretch of speech, in seconds: soft onsets.
const LEAD: f64 = 0.20;
/// Kept after a stretch of speech, in seconds: trailing words.
const TRAIL: f64 = 0.30;
/// Lead and trail are at least this, in seconds: the edge of a voice is not known better.
const LEAST_PAD: f64 = 0.05;
/// Pauses longer than this are shortened to it, in seconds.
const PAUSE: f64 = 0.60;

/// A stretch of the session inside a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Piece {
    /// Where it begins in the window, in seconds.
    pub at: f64,
    /// The session time it holds.
    pub span: Span,
    /// What its samples are multiplied by.
    pub gain: f32,
}

/// What is given to the engine at once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Window {
    /// In order; silence lies between them.
    pub pieces: Vec<Piece>,
    /// Length in seconds, at most [`LONGEST_WINDOW`].
    pub length: f64,
}

impl Window {
    /// Index of the piece that a moment of the window lies in, or of the nearest.
    #[must_use]
    pub fn piece_at(&self, at: f64) -> usize {
        let distance = |piece: &Piece| {
            let end = piece.at + piece.span.end - piece.span.start;
            (piece.at - at).max(at - end).max(0.0)
        };
        (0..self.pieces.len())
            .min_by(|a, b| distance(&self.pieces[*a]).total_cmp(&distance(&self.pieces[*b])))
            .unwrap_or(0)
    }

    /// Session time from the start of the first piece to the end of the last.
    #[must_use]
    pub fn session_span(&self) -> Option<Span> {
        Some(Span {
            start: self.pieces.first()?.span.start,
            end: self.pieces.last()?.span.end,
        })
    }
}

/// Packs stretches of own speech (in order, not overlapping) into windows.
///
/// `others` is where somebody else talks, in order: lead and trail stop there, since their voice
/// would be written down as the speaker's own.
///
/// `quietest(span)` finds the best moment to cut within a span, in seconds; it is asked only where
/// somebody talks longer than a window without a pause.
#[must_use]
pub fn pack(
    activity: &[Span],
    others: &[Span],
    duration: f64,
    quietest: &mut dyn FnMut(Span) -> f64,
) -> Vec<Window> {
    let mut windows = Vec::new();
    let mut window = Window::default();
    for span in split_long(padded(activity, others, duration), quietest) {
        let length = span.end - span.start;
        let pause = window
            .pieces
            .last()
            .map_or(0.0, |last| (span.start - last.span.end).clamp(0.0, PAUSE));
        if !window.pieces.is_empty() && window.length + pause + length > LONGEST_WINDOW {
            windows.push(std::mem::take(&mut window));
        }
        let pause = if window.pieces.is_empty() { 0.0 } else { pause };
        window.pieces.push(Piece {
            at: window.length + pause,
            span,
            gain: 1.0,
        });
        window.length += pause + length;
    }
    if !window.pieces.is_empty() {
        windows.push(window);
    }
    windows
}

/// Adds lead and trail, and joins what then touches.
fn padded(activity: &[Span], others: &[Span], duration: f64) -> Vec<Span> {
    let mut out: Vec<Span> = Vec::new();
    for span in activity {
        let before = others.partition_point(|other| other.start < span.start);
        let silent_from = others[..before].last().map_or(0.0, |other| other.end);
        let lead = (span.start - silent_from).clamp(LEAST_PAD, LEAD);
        let after = others.partition_point(|other| other.end <= span.end);
        let silent_to = others.get(after).map_or(f64::INFINITY, |other| other.start);
        let trail = (silent_to - span.end).clamp(LEAST_PAD, TRAIL);
        let start = (span.start - lead).max(0.0);
        let end = (span.end + trail).min(duration).max(start);
        match out.last_mut() {
            Some(last) if start <= last.end => last.end = last.end.max(end),
            _ => out.push(Span { start, end }),
        }
    }
    out
}

fn split_long(spans: Vec<Span>, quietest: &mut dyn FnMut(Span) -> f64) -> Vec<Span> {
    let mut out = Vec::new();
    for mut span in spans {
        while span.end - span.start > LONGEST_WINDOW {
            // Look for a pause in the last third, so that windows stay well filled.
            let within = Span {
                start: span.start + LONGEST_WINDOW * 2.0 / 3.0,
                end: span.start + LONGEST_WINDOW,
            };
            let cut = quietest(within).clamp(within.start, within.end);
            out.push(Span {
                start: span.start,
                end: cut,
            });
            span.start = cut;
        }
        out.push(span);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::speech::testing::spans;

    proptest! {
        #[test]
        fn every_moment_of_speech_is_in_a_window_and_maps_back(
            activity in spans(8.0, 70.0),
            others in spans(8.0, 70.0),
        ) {
            let duration = activity.last().map_or(0.0, |span| span.end + 1.0);
            let windows = pack(&activity, &others, duration, &mut |span| (span.start + span.end) / 2.0);
            for window in &windows {
                prop_assert!(window.length <= LONGEST_WINDOW + 1e-9);
                for piece in &window.pieces {
                    let middle = (piece.span.end - piece.span.start) / 2.0;
                    let found = window.piece_at(piece.at + middle);
                    prop_assert_eq!(&window.pieces[found], piece);
                }
            }
            let pieces: Vec<Span> = windows.iter().flat_map(|w| w.pieces.iter().map(|p| p.span)).collect();
            prop_assert!(pieces.windows(2).all(|pair| pair[0].end <= pair[1].start + 1e-9));
            for span in &activity {
                for share in [0.0, 0.3, 0.5, 0.9, 1.0] {
                    let moment = span.start + (span.end - span.start) * share;
                    prop_assert!(pieces.iter().any(|p| p.start - 1e-9 <= moment && moment <= p.end + 1e-9));
                }
            }
        }
    }
}
