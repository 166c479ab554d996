//! One sentence that was written down on both channels: a leak that was not known as one, as in the first seconds
//! after people have changed their seats.
//!
//! Energies come first, words only here: two people may well say the same word at the same moment, but not four in a row,
//! each within a third of a second.

use super::Word;
use super::suspect::plain;

/// Fewer words in a row may be two people agreeing.
const LEAST: usize = 4;
/// How far apart two writings of one word may begin, in seconds: a leak comes milliseconds later, the alignment wavers.
const APART: f64 = 0.3;
/// Words next to the row were said with it if no longer silence lies between, in seconds. A leak is often misheard at its ends,
const BREATH: f64 = 0.3;
/// by at most so many words on either side.
const MISHEARD: usize = 3;

/// A row of the same words on both channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Twins {
    /// By channel, the place of the first word.
    pub at: [usize; 2],
    /// How many words.
    pub length: usize,
}

/// The rows of the same words that are in both channels at the same time, `late` seconds later in the second's.
pub fn twins(words: [&[Word]; 2], late: impl Fn(f64) -> f64) -> Vec<Twins> {
    let plain = words.map(|words| {
        let plain = words.iter().map(|word| plain(&word.text));
        plain.collect::<Vec<_>>()
    });
    let starts: Vec<f64> = words[0]
        .iter()
        .map(|word| word.start + late(word.start))
        .collect();
    let same = |one: usize, two: usize| {
        let near = words[1]
            .get(two)
            .is_some_and(|word| (word.start - starts[one]).abs() < APART);
        near && !plain[0][one].is_empty() && plain[0][one] == plain[1][two]
    };
    let mut found = Vec::new();
    let (mut one, mut first) = (0, 0);
    while one < starts.len() {
        while words[1]
            .get(first)
            .is_some_and(|word| word.start <= starts[one] - APART)
        {
            first += 1;
        }
        let near = words[1][first..].iter();
        let near = near
            .take_while(|word| word.start < starts[one] + APART)
            .count();
        let longest = (first..first + near)
            .map(|two| {
                let row = (one..starts.len()).zip(two..);
                (row.take_while(|(one, two)| same(*one, *two)).count(), two)
            })
            .max_by_key(|(length, _)| *length);
        match longest {
            Some((length, two)) if length >= LEAST => {
                found.push(Twins {
                    at: [one, two],
                    length,
                });
                one += length;
            }
            _ => one += 1,
        }
    }
    found
}

/// The words of a channel that are copies: the row, and words next to it that were said while the other channel's words were,
/// which are the same ones misheard.
pub fn copied(twins: Twins, copy: usize, words: [&[Word]; 2], late: f64) -> std::ops::Range<usize> {
    let (own, others) = (words[copy], words[1 - copy]);
    let late = if copy == 0 { late } else { -late };
    let said_there = |word: &Word| {
        let middle = f64::midpoint(word.start, word.end) + late;
        others
            .iter()
            .any(|other| other.start <= middle && middle <= other.end)
    };
    let row = twins.at[copy]..twins.at[copy] + twins.length;
    let before = (row.start.saturating_sub(MISHEARD)..row.start).rev();
    let start = before
        .take_while(|at| own[at + 1].start - own[*at].end < BREATH && said_there(&own[*at]))
        .last();
    let after = row.end..(row.end + MISHEARD).min(own.len());
    let end = after
        .take_while(|at| own[*at].start - own[at - 1].end < BREATH && said_there(&own[*at]))
        .last();
    start.unwrap_or(row.start)..end.map_or(row.end, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, from: f64) -> Vec<Word> {
        let words = text.split(' ').enumerate();
        words
            .map(|(at, text)| Word {
                text: text.to_owned(),
                start: from + 0.3 * at as f64,
                end: from + 0.3 * at as f64 + 0.25,
                probability: 0.9,
                suspect: false,
            })
            .collect()
    }

    fn found(one: &[Word], two: &[Word]) -> Vec<Twins> {
        twins([one, two], |_| 0.0)
    }

    #[test]
    fn a_sentence_on_both_channels_at_once_is_one() {
        let one = said("I could do so much at home.", 10.0);
        let two = said("well I can do so much, at home", 9.75);
        let row = Twins {
            at: [2, 3],
            length: 5,
        };
        assert_eq!(found(&one, &two), [row]);
        // "I could" was misheard; "well" was said before the other spoke.
        assert_eq!(copied(row, 1, [&one, &two], 0.0), 1..8);
        assert_eq!(copied(row, 0, [&one, &two], 0.0), 0..7);
    }

    #[test]
    fn a_recorder_that_is_late_is_known_to_be() {
        let (one, two) = (
            said("one two three four", 1.0),
            said("one two three four", 3.0),
        );
        assert!(found(&one, &two).is_empty());
        assert_eq!(twins([&one, &two], |_| 2.0).len(), 1);
    }

    #[test]
    fn what_is_said_again_after_the_other_or_with_them_in_few_words_is_said_twice() {
        let one = said("I don't want to go there", 1.0);
        assert!(found(&one, &said("I don't want to go there", 3.0)).is_empty());
        assert!(found(&said("yes yes yes", 1.0), &said("yes yes yes", 1.1)).is_empty());
        assert!(found(&one, &[]).is_empty() && found(&[], &one).is_empty());
    }
}
