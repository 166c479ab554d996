//! A session as the rules read it: turns that take the floor, their sentences, who said them.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::facts::questions::{self, Asked};
use super::language::Language;
use super::language::normal::{LONGEST, Sentence, sentences};
use super::language::pattern::Pattern;
use crate::speech::Word;
use crate::speech::sentence::asks;
use crate::transcript::{Role, Transcript, Turn};

/// Most words of a murmur,
const MURMUR: usize = 3;

/// and the longest time, in seconds, that the client is silent around it for what follows to be the same turn: the pause
/// in which somebody searches for words, not one in which a subject ends or the recording was paused.
const GOES_ON_WITHIN: f64 = 8.0;

/// A turn that takes the floor. What the client goes on to say while the therapist murmurs ("Mm-hm.", "Right.") is one turn,
/// wherever the transcript cuts it.
#[derive(Debug)]
pub(crate) struct Said<'a> {
    pub(crate) turn: Cow<'a, Turn>,
    /// The turns of the transcript that are in it: the place of the first word of each, and its number.
    pieces: Vec<(usize, u32)>,
    /// The numbers of the therapist's murmurs in it.
    pub(crate) murmurs: Vec<u32>,
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

/// Whether a word is more than punctuation, and no suspect.
fn counts(word: &&Word) -> bool {
    !word.suspect && word.text.contains(char::is_alphanumeric)
}

/// The turns of a transcript that say something; short answers inside the other's turn do not.
pub(crate) fn said<'a>(transcript: &'a Transcript, language: &Language) -> Vec<Said<'a>> {
    let role = |turn: &Turn| {
        let speaker = transcript.speakers.iter().find(|s| s.id == turn.speaker);
        speaker.map(|speaker| speaker.role)
    };
    let mut said: Vec<Said> = Vec::new();
    // What the therapist murmured since the client last spoke.
    let mut murmured: Vec<&Turn> = Vec::new();
    for turn in transcript.turns.iter().filter(|turn| !turn.backchannel) {
        let Some(role) = role(turn).filter(|_| turn.words.iter().any(|word| counts(&word))) else {
            continue;
        };
        let own = said.last_mut().filter(|own| own.role == Role::Client);
        match (own, role) {
            (Some(_), Role::Therapist) if murmurs(turn, language) => murmured.push(turn),
            (Some(own), Role::Client) if !murmured.is_empty() && own.may_go_on(turn) => {
                own.go_on(&std::mem::take(&mut murmured), turn);
            }
            _ => {
                // Then who murmured has taken the floor.
                let murmured = std::mem::take(&mut murmured).into_iter();
                said.extend(murmured.map(|turn| Said::of(turn, Role::Therapist)));
                said.push(Said::of(turn, role));
            }
        }
    }
    said.extend(
        murmured
            .into_iter()
            .map(|turn| Said::of(turn, Role::Therapist)),
    );
    for said in &mut said {
        said.read(language);
    }
    said
}

/// Whether a turn is nothing but a murmur, which leaves the floor to the other.
fn murmurs(turn: &Turn, language: &Language) -> bool {
    let bare = |word: &Word| {
        let word = word.text.trim_matches(|c: char| !c.is_alphanumeric());
        word.to_lowercase()
    };
    let asks = turn.words.last().is_some_and(|word| asks(&word.text));
    let mut words = turn.words.iter().filter(counts);
    !asks
        && words.clone().count() <= MURMUR
        && words.all(|w| language.words.murmurs.contains(&bare(w)))
}

impl<'a> Said<'a> {
    /// A turn, of which nothing is read yet.
    fn of(turn: &'a Turn, role: Role) -> Self {
        Said {
            turn: Cow::Borrowed(turn),
            pieces: vec![(0, turn.id)],
            murmurs: Vec::new(),
            role,
            sentences: Vec::new(),
            length: 0,
            asked: Vec::new(),
            guards: OnceCell::new(),
        }
    }

    /// Whether a turn after a murmur is the same speaker going on, and not somebody else or another moment.
    fn may_go_on(&self, turn: &Turn) -> bool {
        self.turn.speaker == turn.speaker && turn.start - self.turn.end <= GOES_ON_WITHIN
    }

    /// Adds what the speaker went on to say after the other murmured.
    fn go_on(&mut self, murmured: &[&Turn], turn: &Turn) {
        self.murmurs.extend(murmured.iter().map(|turn| turn.id));
        self.pieces.push((self.turn.words.len(), turn.id));
        let own = self.turn.to_mut();
        own.words.extend_from_slice(&turn.words);
        own.end = turn.end;
        own.attribution = match (own.attribution, turn.attribution) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    fn read(&mut self, language: &Language) {
        let words = self.turn.words.iter().filter(counts);
        self.length = words.clone().count();
        self.asked = questions::asked(words.map(|word| word.text.as_str()));
        self.sentences = sentences(&self.turn.words, &language.normal);
    }

    /// The number in the transcript of the turn that one of the words stands in,
    pub(crate) fn number(&self, word: usize) -> u32 {
        let piece = self.pieces.partition_point(|(first, _)| *first <= word);
        self.pieces[piece.saturating_sub(1)].1
    }

    /// and of the last one.
    pub(crate) fn last_number(&self) -> u32 {
        self.number(usize::MAX)
    }
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::rupture::testing::talk;

    /// Of each turn who says it, how many words, the numbers of the first and the last turn in it, and the murmurs.
    fn read(text: &str) -> Vec<(Role, usize, u32, u32, Vec<u32>)> {
        let transcript = talk(text);
        let language = Language::of("en").unwrap();
        said(&transcript, language)
            .iter()
            .map(|said| {
                let numbers = (said.number(0), said.last_number());
                (
                    said.role,
                    said.length,
                    numbers.0,
                    numbers.1,
                    said.murmurs.clone(),
                )
            })
            .collect()
    }

    #[test]
    fn what_the_client_says_while_the_therapist_murmurs_is_one_turn() {
        let text = "T: How was it?\nC: You keep me waiting-\nT: Mm-hm.\nC: -for an hour.\nT: Right, okay.\nC: Every week.\nT: I am sorry.";
        assert_eq!(
            read(text),
            [
                (Role::Therapist, 3, 1, 1, vec![]),
                (Role::Client, 9, 2, 6, vec![3, 5]),
                (Role::Therapist, 3, 7, 7, vec![]),
            ]
        );
    }

    #[test]
    fn a_murmur_that_nobody_goes_on_after_is_a_turn_and_so_is_a_question() {
        for text in [
            "C: It is a waste.\nT: Right.",
            "C: It is a waste.\nT: Right?\nC: It is.",
        ] {
            assert_eq!(read(text)[1].0, Role::Therapist, "{text}");
        }
        // Nor does the client's leave the floor to the therapist: "okay" may be all they say to it.
        let text = "T: You should stop.\nC: Okay.\nT: Today.";
        assert_eq!(read(text).len(), 3);
    }

    #[test]
    fn another_client_or_a_long_silence_begins_a_turn() {
        let mut transcript = talk("C: You never-\nT: Mm.\nC: listen to me.");
        let language = Language::of("en").unwrap();
        assert_eq!(said(&transcript, language).len(), 1);
        let late = transcript.turns[0].end + GOES_ON_WITHIN + 0.1;
        transcript.turns[2].start = late;
        assert_eq!(said(&transcript, language).len(), 3);
        transcript.turns[2].start = transcript.turns[1].end;
        let mut other = transcript.speakers[1].clone();
        other.id = "Client 2".into();
        transcript.turns[2].speaker = other.id.clone();
        transcript.speakers.push(other);
        assert_eq!(said(&transcript, language).len(), 3);
    }

    #[test]
    fn a_word_is_told_by_the_turn_it_stands_in() {
        let transcript = talk("C: You keep me waiting-\nT: Yeah.\nC: -for an hour.");
        let language = Language::of("en").unwrap();
        let said = said(&transcript, language);
        assert_eq!((said[0].number(3), said[0].number(4)), (1, 3));
    }
}
