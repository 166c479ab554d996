//! What each turn of the therapist mainly does: reflects, asks, gives, or something else. By
//! rules alone: no data that may be shipped was found to learn it from.

use super::data::{Behaviour, TurnBehaviour};
use super::language::Language;
use super::said::{Said, any, said};
use crate::transcript::{Role, Transcript};

/// One entry for each of the therapist's turns that take the floor; none in a language that is
/// not known.
pub(crate) fn behaviours(transcript: &Transcript) -> Vec<TurnBehaviour> {
    let Some(language) = Language::of(&transcript.language) else {
        return Vec::new();
    };
    said(transcript, language)
        .iter()
        .filter(|turn| turn.role == Role::Therapist)
        .map(|turn| TurnBehaviour {
            turn: turn.turn.id,
            behaviour: behaviour(turn, language),
        })
        .collect()
}

/// Words that a turn needs to be more than a murmur.
const LEAST_WORDS: usize = 4;

fn behaviour(turn: &Said<'_>, language: &Language) -> Behaviour {
    if !turn.asked.is_empty() {
        return Behaviour::Question;
    }
    if turn.length < LEAST_WORDS {
        return Behaviour::Other;
    }
    let votes = |kind: Behaviour| -> usize {
        let words = language.words.behaviours.iter().filter(|b| b.kind == kind);
        words
            .map(|b| turn.sentences.iter().filter(|s| any(&b.when, s)).count())
            .sum()
    };
    let (reflects, gives) = (votes(Behaviour::Reflection), votes(Behaviour::Input));
    match (reflects, gives) {
        (0, 0) => Behaviour::Other,
        (r, g) if r >= g && turn.length < 60 => Behaviour::Reflection,
        _ => Behaviour::Input,
    }
}
