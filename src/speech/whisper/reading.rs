//! What an attempt says: pieces of text with their times, how much of the sound they are of, and whether
//! that can be all that was said in there and no more.

use super::alignment;
use super::attempt::Attempt;
use super::choice::Chosen;
use super::copied::copied;
use super::tokens::Tokens;
use crate::speech::engine::Piece;
use crate::speech::suspect::FASTEST_LETTER;
use crate::speech::voiced::Voiced;

/// A voice that goes on for longer than this, in seconds, while one word is written has said more. Of
/// windows in which every word was written it was 1.3 s at most (docs/benchmarks.md).
const MOST_OF_A_WORD: f64 = 1.5;
/// Text may reach so far, in seconds, behind the moment that closes it. Now and then the model closes much too early what
/// it wrote: what lies behind that moment would be written twice (docs/benchmarks.md).
const MOST_BEYOND: f64 = 1.0;
/// So many letters may stand in any time: moments of something that short are not to be relied on.
const A_FEW_LETTERS: usize = 30;

/// Sound shorter than this behind the last moment is not looked at again: a second, in positions.
const REST: usize = 50;
/// Nor is a window of which less than this was read: half a second.
const LEAST_READ: usize = 25;

/// How many positions are written down after those that were read, if any are.
pub fn rest(read: usize, length: usize) -> Option<usize> {
    let rest = length.saturating_sub(read);
    (read >= LEAST_READ && rest > REST).then_some(rest)
}

/// What was read of a window, or of a part of it.
pub struct Reading {
    /// With times from the start of the window.
    pub pieces: Vec<Piece>,
    /// Positions of the sound that they are of.
    pub read: usize,
    /// The longest that a voice goes on in there while one word is written or none, in seconds.
    unsaid: f64,
    /// Letters written.
    letters: usize,
    /// How far behind what was read, in seconds, the last of it was said.
    beyond: f64,
    /// Whether it says again, in no time, what was said before.
    copied: bool,
}

impl Reading {
    /// Takes an attempt at `length` positions of sound that begin at `from` in their window. `before` are the
    /// tokens that it was given first.
    pub fn of(
        attempt: &Attempt,
        tokens: &Tokens,
        (from, length): (usize, usize),
        voiced: Option<&Voiced>,
        before: &[u32],
    ) -> Reading {
        let (kept, read) = match attempt.nobody_spoke() {
            true => (0, length),
            false => kept(attempt, tokens, length),
        };
        let shift = alignment::seconds(from);
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
        // What is not looked at again has to be written by now.
        let looked_at = length - rest(read, length).unwrap_or(0);
        let end = shift + alignment::seconds(looked_at);
        let unsaid = voiced.map_or(0.0, |voiced| unsaid(&pieces, (shift, end), voiced));
        let letters = letters(&pieces);
        let beyond = beyond(&pieces, end);
        let before = before.iter().filter_map(|token| tokens.piece(*token));
        let copied = copied(before, &pieces, shift + alignment::seconds(read));
        Reading {
            pieces,
            read,
            unsaid,
            letters,
            beyond,
            copied,
        }
    }

    /// Whether more was said than is written, or more is written than can have been said.
    pub fn wrong(&self) -> bool {
        self.unsaid > MOST_OF_A_WORD || self.beyond > MOST_BEYOND || self.crowded() || self.copied
    }

    /// Whether more is written than there was time for. Now and then the model writes down a whole window
    /// and closes with a moment near its beginning: what lies behind it would be written twice.
    fn crowded(&self) -> bool {
        let soonest = self.letters as f64 * FASTEST_LETTER;
        self.letters > A_FEW_LETTERS && alignment::seconds(self.read) < soonest
    }
}

/// How many tokens of an attempt stand, and how many positions of its sound they are of.
///
/// Text between two moments is a passage. What follows the last pair of moments was not finished
/// and is written again, with the sound from there on; it stands where that sound is not looked at again.
fn kept(attempt: &Attempt, tokens: &Tokens, length: usize) -> (usize, usize) {
    let written = &attempt.written;
    let moment = |at: usize| {
        written
            .get(at)
            .and_then(|chosen| tokens.moment(chosen.token))
    };
    let count = count(attempt, tokens);
    let closed = count > 1 && moment(count - 1).is_some() && moment(count - 2).is_none();
    let pair = (1..count)
        .rev()
        .find(|at| moment(*at).is_some() && moment(*at - 1).is_some());
    if closed {
        return (count, moment(count - 1).unwrap_or(length));
    }
    let again = pair.and_then(|at| Some((at, moment(at - 1)?)));
    again
        .filter(|(_, read)| rest(*read, length).is_some())
        .unwrap_or((count, length))
}

/// Tokens but for that of the end.
fn count(attempt: &Attempt, tokens: &Tokens) -> usize {
    let ended = |chosen: &Chosen| chosen.token == tokens.end;
    attempt.written.len() - usize::from(attempt.written.last().is_some_and(ended))
}

/// Letters of a text, its signs among them, but no blanks.
fn letters(pieces: &[Piece]) -> usize {
    let bytes: Vec<u8> = pieces
        .iter()
        .flat_map(|piece| piece.bytes.clone())
        .collect();
    let text = String::from_utf8_lossy(&bytes);
    text.chars()
        .filter(|letter| !letter.is_whitespace())
        .count()
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

/// How far behind `end`, from which on the sound is looked at again, the last piece begins.
fn beyond(pieces: &[Piece], end: f64) -> f64 {
    pieces.last().map_or(0.0, |last| last.time.0 - end).max(0.0)
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

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use proptest::prelude::*;

    use super::super::tokens::tests::tokens;
    use super::*;

    /// Of the tokens that stand for text.
    const TEXT: u32 = 2;
    const TWO_LETTERS: u32 = 3;
    /// Steps of the voice detector in a second, about.
    const A_SECOND: usize = 31;

    /// An attempt without aligned heads: numbers below 8 are text, others moments from 8 on.
    fn attempt(tokens: &Tokens, written: &[u32], nobody: f32) -> Attempt {
        let number = |written: &u32| match *written {
            text if text < 8 => text,
            moment => tokens.first_moment + moment - 8,
        };
        let chosen = |token| Chosen {
            token,
            probability: 0.3,
        };
        let end = [chosen(tokens.end)];
        let written = written.iter().map(number).map(chosen);
        Attempt {
            written: written.chain(end).collect(),
            scores: Vec::new(),
            nobody,
            ended: true,
        }
    }

    fn reading(written: &[u32], place: (usize, usize), voiced: &Voiced) -> Reading {
        let tokens = tokens(51_864);
        Reading::of(
            &attempt(&tokens, written, 0.1),
            &tokens,
            place,
            Some(voiced),
            &[],
        )
    }

    #[test]
    fn what_follows_the_last_pair_of_moments_is_left_for_later() {
        let nothing = Voiced::of(&[]);
        // A passage of a second and a half, and one that is not closed.
        let open = reading(&[8, TEXT, TEXT, 83, 83, TEXT], (100, 400), &nothing);
        assert_eq!((open.pieces.len(), open.read), (2, 75));
        assert_eq!(open.pieces[0].time.0, 2.5);
        let closed = reading(&[8, TEXT, 83, 83, TEXT, 183], (0, 400), &nothing);
        assert_eq!((closed.pieces.len(), closed.read), (2, 175));
        let without = reading(&[8, TEXT, TEXT], (0, 400), &nothing);
        assert_eq!((without.pieces.len(), without.read), (2, 400));
    }

    #[test]
    fn what_is_not_looked_at_again_is_not_thrown_away() {
        let nothing = Voiced::of(&[]);
        // A pair of moments 0.8 s before the end, and one 0.4 s after the start.
        for pair in [258 + 8, 20 + 8] {
            let open = reading(&[8, TEXT, TEXT, pair, pair, TEXT], (0, 298), &nothing);
            assert_eq!((open.pieces.len(), open.read), (3, 298));
        }
        // Closed before it had begun, with a voice behind it.
        let voice = Voiced::of(&[0.9; 8 * A_SECOND]);
        let closed = reading(&[8, TEXT, 20 + 8], (0, 400), &voice);
        assert_eq!(closed.read, 20);
        assert!(closed.wrong());
        assert!(!reading(&[8, TEXT, 20 + 8], (0, 400), &nothing).wrong());
    }

    #[test]
    fn a_voice_that_goes_on_under_one_word_has_said_more() {
        let voice = Voiced::of(&[0.9; 8 * A_SECOND]);
        let one_word = reading(&[8, TEXT], (0, 400), &voice);
        assert!(one_word.wrong() && one_word.unsaid > 3.9);
        let many = [&[8u32][..], &[TEXT; 40]].concat();
        assert!(!reading(&many, (0, 400), &voice).wrong());
        // A pause is nothing that was said.
        let mut pause = vec![0.1; 8 * A_SECOND];
        pause[..A_SECOND].fill(0.9);
        assert!(!reading(&[8, TEXT], (0, 400), &Voiced::of(&pause)).wrong());
        // What was not read is written down later.
        assert!(!reading(&[8, TEXT, 33, 33, TEXT], (0, 400), &voice).wrong());
    }

    #[test]
    fn nobody_says_much_in_no_time() {
        let nothing = Voiced::of(&[]);
        // 62 letters that are closed by a moment after one second, and after two.
        let said = |end: u32| [&[8][..], &[TWO_LETTERS; 31], &[end, end]].concat();
        let crowded = reading(&said(58), (0, 400), &nothing);
        assert!(crowded.wrong() && crowded.read == 50 && crowded.letters == 62);
        assert!(!reading(&said(108), (0, 400), &nothing).crowded());
        // Of a few letters the moments may be a little off.
        let few = [&[8][..], &[TWO_LETTERS; 10], &[28, 28]].concat();
        assert!(!reading(&few, (0, 400), &nothing).wrong());
    }

    #[test]
    fn what_was_said_behind_the_moment_that_closes_it_would_be_written_twice() {
        let tokens = tokens(51_864);
        // Closed at two seconds, and the last of the text looks at `last`, in positions.
        let closed = |last: usize| {
            let mut attempt = attempt(&tokens, &[8, TEXT, TEXT, 108, 108], 0.1);
            let looks = |span: Range<usize>| {
                let score = |at: usize| if span.contains(&at) { 4.0 } else { 0.0 };
                vec![(0..400).map(score).collect()].into()
            };
            let rest = last + 20..400;
            let spans = [
                0..10,
                10..last,
                last..last + 20,
                rest.clone(),
                rest.clone(),
                rest,
            ];
            attempt.scores = spans.map(looks).to_vec();
            Reading::of(&attempt, &tokens, (0, 400), None, &[])
        };
        let early = closed(300);
        assert!(early.beyond > 3.9 && early.wrong(), "{}", early.beyond);
        assert!(!closed(75).wrong());
    }

    #[test]
    fn where_the_model_hears_nobody_and_the_detector_a_voice_something_is_missing() {
        let voice = Voiced::of(&[0.9; 8 * A_SECOND]);
        let tokens = tokens(51_864);
        let nobody = attempt(&tokens, &[8, TEXT], 0.9);
        let reading = Reading::of(&nobody, &tokens, (0, 400), Some(&voice), &[]);
        assert!(reading.pieces.is_empty() && reading.wrong());
        let unknown = Reading::of(&nobody, &tokens, (0, 400), None, &[]);
        assert!(!unknown.wrong());
    }

    proptest! {
        #[test]
        fn any_attempt_can_be_read(
            written in prop::collection::vec(prop_oneof![0u32..8, 8u32..1500], 0..30),
            from in 0usize..900,
            length in 1usize..600,
            voices in prop::collection::vec(0.0f32..1.0, 0..900),
        ) {
            let voiced = Voiced::of(&voices);
            let read = reading(&written, (from, length), &voiced);
            prop_assert!(read.unsaid <= voiced.seconds(0.0, 60.0));
            let starts: Vec<f64> = read.pieces.iter().map(|piece| piece.time.0).collect();
            prop_assert!(starts.is_sorted());
        }
    }
}
