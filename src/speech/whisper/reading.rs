//! What an attempt says: pieces of text with their times, how much of the sound they are of, and whether
//! somebody said more than was written.

use super::attempt::Attempt;
use super::tokens::Tokens;
use super::{Piece, alignment};
use crate::speech::voiced::Voiced;

/// A voice that goes on for longer than this, in seconds, while one word is written has said more. Of
/// windows in which every word was written it was 0.7 s at most (docs/benchmarks.md).
const MOST_OF_A_WORD: f64 = 1.5;

/// What was read of a window, or of a part of it.
pub struct Reading {
    /// With times from the start of the window.
    pub pieces: Vec<Piece>,
    /// Positions of the sound that they are of.
    pub read: usize,
    /// The longest that a voice goes on in there while one word is written or none, in seconds.
    unsaid: f64,
}

impl Reading {
    /// Takes an attempt at `length` positions of sound that begin at `from` in their window.
    pub fn of(
        attempt: &Attempt,
        tokens: &Tokens,
        (from, length): (usize, usize),
        voiced: Option<&Voiced>,
    ) -> Reading {
        let (kept, read) = match attempt.nobody_spoke() {
            true => (0, length),
            false => kept(attempt, tokens, length),
        };
        let shift = from as f64 * alignment::STEP;
        let begins = begins(attempt, tokens, length);
        let mut pieces = Vec::new();
        let mut first = true;
        for (chosen, time) in attempt.written[..kept].iter().zip(begins.windows(2)) {
            if let Some(bytes) = tokens.piece(chosen.token) {
                pieces.push(Piece {
                    bytes: bytes.to_vec(),
                    probability: chosen.probability,
                    time: (shift + time[0], shift + time[1]),
                    no_speech: attempt.nobody,
                    first,
                });
                first = false;
            } else {
                first = true;
            }
        }
        let end = shift + read as f64 * alignment::STEP;
        let unsaid = voiced.map_or(0.0, |voiced| unsaid(&pieces, (shift, end), voiced));
        Reading {
            pieces,
            read,
            unsaid,
        }
    }

    /// Whether more was said than is written.
    pub fn lacks(&self) -> bool {
        self.unsaid > MOST_OF_A_WORD
    }
}

/// How many tokens of an attempt stand, and how many positions of its sound they are of.
///
/// Text between two moments is a passage. What follows the last pair of moments was not finished
/// and is written again, with the sound from there on.
fn kept(attempt: &Attempt, tokens: &Tokens, length: usize) -> (usize, usize) {
    let written = &attempt.written;
    let moment = |at: usize| written.get(at).and_then(|chosen| tokens.moment(chosen.token));
    let count = count(attempt, tokens);
    let closed = count > 1 && moment(count - 1).is_some() && moment(count - 2).is_none();
    let pair = (1..count)
        .rev()
        .find(|at| moment(*at).is_some() && moment(*at - 1).is_some());
    match pair {
        Some(at) if !closed => (at, moment(at - 1).unwrap_or(length)),
        _ if closed => (count, moment(count - 1).unwrap_or(length)),
        _ => (count, length),
    }
}

/// Tokens but for that of the end.
fn count(attempt: &Attempt, tokens: &Tokens) -> usize {
    let ended = |chosen: &super::choice::Chosen| chosen.token == tokens.end;
    attempt.written.len() - usize::from(attempt.written.last().is_some_and(ended))
}

/// When each token begins, and one more, in seconds from the start of the sound.
fn begins(attempt: &Attempt, tokens: &Tokens, length: usize) -> Vec<f64> {
    let begins = alignment::begins(&attempt.scores, length);
    if !begins.is_empty() {
        return begins;
    }
    let written = attempt.written[..count(attempt, tokens)].iter();
    let moments: Vec<Option<usize>> = written.map(|chosen| tokens.moment(chosen.token)).collect();
    alignment::between(&moments, length)
}

/// The longest that a voice goes on from one piece to the next, before the first or behind the last, from
/// one moment to another; all in seconds.
fn unsaid(pieces: &[Piece], (from, to): (f64, f64), voiced: &Voiced) -> f64 {
    let mut since = from;
    let mut longest = 0.0f64;
    for next in pieces.iter().map(|piece| piece.time.0).chain([to]) {
        let next = next.clamp(since, to.max(since));
        longest = longest.max(voiced.seconds(since, next));
        since = next;
    }
    longest
}
