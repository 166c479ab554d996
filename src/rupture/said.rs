//! A session as the rules read it: turns that take the floor, their sentences, who said them.

use super::facts::questions::{self, Asked};
use super::language::Language;
use super::language::normal::{Sentence, sentences};
use super::language::pattern::Pattern;
use crate::speech::Word;
use crate::transcript::{Role, Transcript, Turn};

/// Most words of a quote; longer ones are cut at the end.
const LONGEST_QUOTE: usize = 60;

/// A turn that takes the floor.
#[derive(Debug)]
pub(crate) struct Said<'a> {
    pub(crate) turn: &'a Turn,
    pub(crate) role: Role,
    pub(crate) sentences: Vec<Sentence>,
    /// Words that are more than punctuation, suspect ones left out.
    pub(crate) length: usize,
    pub(crate) asked: Vec<Asked>,
    /// Whether in it the therapist lets the client speak to somebody who is not there, rehearse or read aloud.
    pub(crate) stages: bool,
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
            let mut said = Said {
                turn,
                role: role(turn)?,
                sentences: sentences(&turn.words, &language.normal),
                length,
                asked: questions::asked(turn.words.iter().filter(counts).map(|w| w.text.as_str())),
                stages: false,
            };
            said.stages =
                said.role == Role::Therapist && said.has(language.markers.guard("staged"));
            Some(said)
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

    /// Whether it asks openly.
    pub(crate) fn asks_openly(&self) -> bool {
        self.asked.contains(&Asked::Open)
    }

    /// The words of a range, suspect ones left out.
    pub(crate) fn quote(&self, words: std::ops::Range<usize>) -> String {
        let mut kept: Vec<&str> = self.turn.words[words]
            .iter()
            .filter(|word| !word.suspect)
            .map(|word| word.text.as_str())
            .collect();
        if kept.len() > LONGEST_QUOTE {
            kept.truncate(LONGEST_QUOTE);
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
