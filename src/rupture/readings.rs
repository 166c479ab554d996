//! What a strain may mean, side by side: by rules and by what the client's words resemble.

use std::ops::RangeInclusive;

use super::data::{Line, MarkerKind, Reading, ReadingKind};
use super::language::Language;
use super::language::encoder::{Text, WORDS, plain};
use super::markers::Hit;
use super::said::{Said, any};
use crate::transcript::Role;
use crate::transcript::spans::millis;

/// The readings that the words can say; where they say none, not enough was said.
const SAID: [ReadingKind; 3] = [
    ReadingKind::GoalOrMethodMismatch,
    ReadingKind::SmallRelationalBreach,
    ReadingKind::AmbivalenceAboutChange,
];

/// How much it speaks for a reading that a rule names it, beside what the words resemble,
const NAMED: f32 = 2.0;

/// and how much more than "not enough said" it must be. Both chosen as the thresholds of `recall.rs`.
const CLEARLY: f32 = 0.5;

/// Words before the first marker that are read too: a long turn comes to its point late.
const WORDS_BEFORE: usize = 30;

/// What a marker itself says about the reading of it: a complaint about what is done says that
/// it does not fit, one about the therapist that something hurt.
fn implied(kind: MarkerKind) -> Option<ReadingKind> {
    match kind {
        MarkerKind::ComplaintActivity | MarkerKind::Pressure => {
            Some(ReadingKind::GoalOrMethodMismatch)
        }
        MarkerKind::ComplaintTherapist | MarkerKind::SelfDefence => {
            Some(ReadingKind::SmallRelationalBreach)
        }
        _ => None,
    }
}

/// A line of the client that a rule reads: its turn and first word, what it says, and the line.
type Named = ((usize, usize), ReadingKind, Line);

/// What rules say of the words in the turns of an episode, in the order spoken.
fn named(
    group: &[Hit],
    turns: &[Said<'_>],
    range: RangeInclusive<usize>,
    language: &Language,
) -> Vec<Named> {
    let mut found: Vec<Named> = Vec::new();
    for hit in group {
        if let Some(kind) = implied(hit.kind) {
            let line = line(&turns[hit.at], hit.words.clone());
            found.push(((hit.at, hit.words.start), kind, line));
        }
    }
    for at in range.filter(|at| turns[*at].role == Role::Client) {
        let turn = &turns[at];
        for sentence in &turn.sentences {
            let place = (at, sentence.words.start);
            for reading in &language.words.readings {
                let known = |(other, kind, _): &Named| *other == place && *kind == reading.kind;
                if any(&reading.when, sentence)
                    && !any(&reading.unless, sentence)
                    && !found.iter().any(known)
                {
                    found.push((place, reading.kind, line(turn, sentence.words.clone())));
                }
            }
        }
    }
    found.sort_by_key(|(place, ..)| *place);
    found
}

/// How much more than "not enough said" the client's words resemble each of [`SAID`]: those from a little before the first
/// marker on, as many as are read.
fn resembled(group: &[Hit], turns: &[Said<'_>], last: usize, language: &Language) -> [f32; 3] {
    let mut words = Vec::new();
    if let Some(hit) = group.first() {
        let from = hit.words.start.saturating_sub(WORDS_BEFORE);
        words.extend(plain(&turns[hit.at].turn.words[from..]));
        let later = turns.iter().take(last + 1).skip(hit.at + 1);
        for turn in later.filter(|turn| turn.role == Role::Client) {
            words.extend(plain(&turn.turn.words));
        }
        words.truncate(WORDS);
    }
    let text = Text {
        before: None,
        words,
    };
    let encoder = language.answers().as_ref().ok();
    let encoded = encoder.and_then(|encoder| encoder.encode(&[text], &mut |_| {}).pop()?);
    SAID.map(|kind| encoded.as_ref().map_or(0.0, |encoded| encoded.reads(kind)))
}

fn line(turn: &Said<'_>, words: std::ops::Range<usize>) -> Line {
    Line {
        turn: turn.number(words.start),
        at: millis(turn.times(words.clone()).0),
        quote: turn.quote(words),
    }
}

/// Readings of the client's words in an episode of these turns, the one they say most plainly first, each with the lines that say
/// so: those a rule names, or the first marker's.
pub(super) fn readings(
    group: &[Hit],
    turns: &[Said<'_>],
    range: RangeInclusive<usize>,
    language: &Language,
) -> Vec<Reading> {
    let resembled = resembled(group, turns, *range.end(), language);
    let named = named(group, turns, range, language);
    let mut found: Vec<(f32, Reading)> = Vec::new();
    for (kind, resembled) in SAID.into_iter().zip(resembled) {
        let of_kind = named.iter().filter(|(_, of, _)| *of == kind);
        let mut lines: Vec<Line> = of_kind.map(|(.., line)| line.clone()).collect();
        let clearly = resembled + if lines.is_empty() { 0.0 } else { NAMED };
        if clearly < CLEARLY {
            continue;
        }
        if let (true, Some(hit)) = (lines.is_empty(), group.first()) {
            lines.push(line(&turns[hit.at], hit.words.clone()));
        }
        found.push((clearly, Reading { kind, lines }));
    }
    if found.is_empty() {
        return vec![Reading {
            kind: ReadingKind::NotEnoughSaid,
            lines: Vec::new(),
        }];
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.into_iter().map(|(_, reading)| reading).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rupture::testing::talk;

    fn read(text: &str) -> Vec<Reading> {
        let (mut episodes, _) = crate::rupture::looked_for(&talk(text), &mut |_| {});
        episodes.remove(0).readings
    }

    #[test]
    fn ambivalence_stands_first_only_where_the_client_said_it() {
        let said = read("C: These sessions aren't helping me. Part of me doesn't want them to.");
        assert_eq!(said[0].kind, ReadingKind::AmbivalenceAboutChange);
        let guessed = read(
            "C: These sessions aren't helping me.\nT: Perhaps part of you is afraid to change.",
        );
        assert_eq!(guessed[0].kind, ReadingKind::NotEnoughSaid);
    }

    #[test]
    fn a_reading_has_the_line_that_says_so_or_the_markers() {
        let named = read("C: You never listen to me.\nT: I'm sorry. What did I miss?");
        assert_eq!(named[0].kind, ReadingKind::SmallRelationalBreach);
        assert_eq!(named[0].lines[0].quote, "You never listen to me.");
        assert!(read("C: This isn't helping.")[0].lines.is_empty());
    }
}
