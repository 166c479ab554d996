//! Whether an attempt says once more, in no time, what was said before.
//!
//! The model is given what was said before, so that it knows names and style, and it reads what it has
//! written itself. Where the sound says little to it, now and then it writes a sentence of those again:
//! "no, that will be all" came out as a whole sentence of half a minute earlier.

use crate::speech::engine::Piece;
use crate::speech::suspect::plain;

/// So many words in a row are the same sentence. Fewer are said again all the time.
const SENTENCE: usize = 6;
/// Seconds a letter in which nobody says it again: the fastest talkers take 0.04 (eight syllables a second,
/// of three to four letters).
const FASTEST_LETTER: f64 = 0.035;

/// A word without its signs, and when it was said: none where it is of what was said before.
struct Spoken {
    text: String,
    start: Option<f64>,
}

/// Whether pieces repeat a sentence of `before`, or of what they say before it, faster than it can be
/// said. `before` is cut to pieces like them; `end`, in seconds, is where the last piece ends.
pub fn copied<'b>(before: impl Iterator<Item = &'b [u8]>, pieces: &[Piece], end: f64) -> bool {
    let mut words: Vec<Spoken> = Vec::new();
    let mut take = |bytes: &[u8], first: bool, start: Option<f64>| {
        if first || bytes.first() == Some(&b' ') || words.is_empty() {
            words.push(Spoken {
                text: String::new(),
                start,
            });
        }
        if let Some(word) = words.last_mut() {
            word.text.push_str(&plain(&String::from_utf8_lossy(bytes)));
        }
    };
    before.for_each(|bytes| take(bytes, false, None));
    for piece in pieces {
        take(&piece.bytes, piece.first, Some(piece.time.0));
    }
    words.retain(|word| !word.text.is_empty());
    (SENTENCE..words.len()).any(|at| {
        let again = (0..=at - SENTENCE).map(|from| alike(&words, from, at));
        let longest = again.max().unwrap_or(0);
        longest >= SENTENCE && hurried(&words, at, longest, end)
    })
}

/// How many words are the same from two places on, up to where the first reaches the second.
fn alike(words: &[Spoken], from: usize, at: usize) -> usize {
    let pairs = words[from..at].iter().zip(&words[at..]);
    pairs.take_while(|(a, b)| a.text == b.text).count()
}

/// Whether there was no time to say so many words from a place on.
fn hurried(words: &[Spoken], at: usize, count: usize, end: f64) -> bool {
    let Some(start) = words[at].start else {
        return false;
    };
    let after = words.get(at + count).and_then(|word| word.start);
    let letters: usize = words[at..at + count]
        .iter()
        .map(|word| word.text.chars().count())
        .sum();
    after.unwrap_or(end) - start < FASTEST_LETTER * letters as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A sentence said from a moment on, a word in so many seconds.
    fn said(text: &str, from: f64, each: f64) -> Vec<Piece> {
        let words = text.split(' ').enumerate();
        let piece = |(at, word): (usize, &str)| Piece {
            bytes: format!(" {word}").into_bytes(),
            time: (from + each * at as f64, from + each * (at + 1) as f64),
            probability: 0.9,
            no_speech: 0.0,
            first: at == 0,
        };
        words.map(piece).collect()
    }

    const SENTENCE: &str = "I'm looking for a place to stay while I'm in town.";

    fn copied_after(before: &str, pieces: &[Piece]) -> bool {
        let before: Vec<Vec<u8>> = before
            .split(' ')
            .map(|word| format!(" {word}").into_bytes())
            .collect();
        let end = pieces.last().map_or(0.0, |piece| piece.time.1);
        copied(before.iter().map(Vec::as_slice), pieces, end)
    }

    #[test]
    fn a_sentence_that_comes_again_in_a_second_is_a_copy() {
        let twice = |each| [said(SENTENCE, 0.0, 0.3), said(SENTENCE, 20.0, each)].concat();
        assert!(copied_after("", &twice(0.1)));
        assert!(!copied_after("", &twice(0.25)));
        assert!(copied_after(SENTENCE, &said(SENTENCE, 3.0, 0.1)));
        assert!(!copied_after(SENTENCE, &said(SENTENCE, 3.0, 0.25)));
    }

    #[test]
    fn what_is_said_in_haste_for_the_first_time_is_no_copy_nor_are_a_few_words() {
        assert!(!copied_after(
            "What else did you want?",
            &said(SENTENCE, 3.0, 0.1)
        ));
        assert!(!copied_after(
            "I don't know, really.",
            &said("I don't know, really.", 3.0, 0.05)
        ));
    }

    proptest! {
        #[test]
        fn any_pieces_can_be_asked(
            texts in prop::collection::vec("[ a-c.]{0,3}", 0..30),
            before in prop::collection::vec("[ a-c.]{0,3}", 0..9),
            each in 0.0f64..0.4,
        ) {
            let pieces = said(&texts.join(" "), 0.0, each);
            copied(before.iter().map(String::as_bytes), &pieces, 2.0);
        }
    }
}
