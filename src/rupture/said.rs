//! A session as the rules read it: turns that take the floor, their sentences, who said them.

use std::cell::OnceCell;

use super::facts::questions::{self, Asked};
use super::language::Language;
use super::language::normal::{LONGEST, Sentence, sentences};
use super::language::pattern::Pattern;
use crate::speech::Word;
use crate::transcript::{Role, Transcript, Turn};

/// A turn that takes the floor.
#[derive(Debug)]
pub(crate) struct Said<'a> {
    pub(crate) turn: &'a Turn,
    pub(crate) role: Role,
    pub(crate) sentences: Vec<Sentence>,
    /// Words that are more than punctuation, suspect ones left out.
    pub(crate) length: usize,
    pub(crate) asked: Vec<Asked>,
    guards: OnceCell<Guards>,
}

/// What guards find in a turn.
#[derive(Debug)]
pub(crate) struct Guards {
    /// By sentence, whether it is about this therapy,
    pub(crate) here: Vec<bool>,
    /// whether about something else,
    pub(crate) elsewhere: Vec<bool>,
    /// and whether it softens what is said beside it.
    pub(crate) softens: Vec<bool>,
    /// Whether in it the therapist lets the client speak to somebody who is not there, rehearse or read aloud.
    pub(crate) stages: bool,
    /// Whether another's words are made the speaker's own.
    pub(crate) taken_over: bool,
    /// Whether there are warm words for the therapist.
    pub(crate) warmth: bool,
    /// Whether it asks about what the two do here.
    pub(crate) about_us: bool,
    /// Whether it offers another subject, or ends the hour.
    pub(crate) offers_change: bool,
    /// Whether it speaks of what the other feels.
    pub(crate) inner: bool,
    /// Whether it suggests or supposes something.
    pub(crate) suggests: bool,
}

/// The turns of a transcript that say something; short answers inside the other's turn do not.
pub(crate) fn said<'a>(transcript: &'a Transcript, language: &Language) -> Vec<Said<'a>> {
    let role = |turn: &Turn| {
        let speaker = transcript.speakers.iter().find(|s| s.id == turn.speaker);
        speaker.map(|speaker| speaker.role)
    };
    let counts = |word: &&Word| !word.suspect && word.text.contains(char::is_alphanumeric);
    transcript
        .turns
        .iter()
        .filter(|turn| !turn.backchannel)
        .filter_map(|turn| {
            let length = turn.words.iter().filter(counts).count();
            (length > 0).then_some(())?;
            Some(Said {
                turn,
                role: role(turn)?,
                sentences: sentences(&turn.words, &language.normal),
                length,
                asked: questions::asked(turn.words.iter().filter(counts).map(|w| w.text.as_str())),
                guards: OnceCell::new(),
            })
        })
        .collect()
}

impl Said<'_> {
    /// Whether any of the patterns is found in the turn.
    pub(crate) fn has(&self, patterns: &[Pattern]) -> bool {
        self.sentences
            .iter()
            .any(|sentence| any(patterns, sentence))
    }

    /// What guards find in it. Every match asks, so they are looked for once: each time would take a turn of an hour
    /// minutes.
    pub(crate) fn guards(&self, language: &Language) -> &Guards {
        self.guards.get_or_init(|| {
            let patterns = |name: &str| language.markers.guard(name);
            let each = |name: &str| {
                let sentences = self.sentences.iter();
                sentences.map(|one| any(patterns(name), one)).collect()
            };
            Guards {
                here: each("here"),
                elsewhere: each("elsewhere"),
                softens: each("softens"),
                stages: self.role == Role::Therapist && self.has(patterns("staged")),
                taken_over: self.has(patterns("taken_over")),
                warmth: self.has(patterns("warmth")),
                about_us: self.has(patterns("asked_about_us")),
                offers_change: self.has(&language.words.offers_change),
                inner: self.has(&language.words.inner),
                suggests: self.has(&language.words.suggests),
            }
        })
    }

    /// Whether it asks openly.
    pub(crate) fn asks_openly(&self) -> bool {
        self.asked.contains(&Asked::Open)
    }

    /// The words of a range, suspect ones left out; as many as the longest sentence has.
    pub(crate) fn quote(&self, words: std::ops::Range<usize>) -> String {
        let mut kept: Vec<&str> = self.turn.words[words]
            .iter()
            .filter(|word| !word.suspect)
            .map(|word| word.text.as_str())
            .collect();
        if kept.len() > LONGEST {
            kept.truncate(LONGEST);
            kept.push("…");
        }
        kept.join(" ")
    }

    /// Start and end of a range of words, in seconds.
    pub(crate) fn times(&self, words: std::ops::Range<usize>) -> (f64, f64) {
        let words = &self.turn.words[words];
        let start = words.first().map_or(self.turn.start, |word| word.start);
        let end = words.last().map_or(self.turn.end, |word| word.end);
        (start, end.max(start))
    }

    /// The recogniser's mean probability of a range of words.
    pub(crate) fn confidence(&self, words: std::ops::Range<usize>) -> f64 {
        let sure: Vec<f64> = self.turn.words[words]
            .iter()
            .filter(|word| !word.suspect)
            .map(|word| f64::from(word.probability))
            .collect();
        let mean = sure.iter().sum::<f64>() / sure.len().max(1) as f64;
        (mean * 1000.0).round() / 1000.0
    }
}

/// Whether any of the patterns is found in the sentence.
pub(crate) fn any(patterns: &[Pattern], sentence: &Sentence) -> bool {
    patterns
        .iter()
        .any(|pattern| pattern.find(sentence).is_some())
}

/// The last turn of this role before this one, among the two before it.
pub(crate) fn before<'s, 'a>(turns: &'s [Said<'a>], at: usize, role: Role) -> Option<&'s Said<'a>> {
    turns[at.saturating_sub(2)..at]
        .iter()
        .rev()
        .find(|said| said.role == role)
}
