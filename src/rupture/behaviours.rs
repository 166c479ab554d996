//! What each turn of the therapist mainly does: reflects, asks, gives, or something else. By
//! rules, and by what it resembles.

use super::data::{Behaviour, TurnBehaviour};
use super::language::Language;
use super::recall::Resemblance;
use super::said::Said;
use crate::transcript::Role;

/// One entry for each of the therapist's turns that take the floor, and for murmurs that do not.
pub(crate) fn behaviours(
    turns: &[Said<'_>],
    resemblance: &Resemblance,
    language: &Language,
) -> Vec<TurnBehaviour> {
    let mut told = Vec::new();
    for (at, turn) in turns.iter().enumerate() {
        told.extend(turn.murmurs.iter().map(|murmur| TurnBehaviour {
            turn: *murmur,
            behaviour: Behaviour::Other,
        }));
        if turn.role == Role::Therapist {
            told.push(TurnBehaviour {
                turn: turn.turn.id,
                behaviour: resemblance.behaviour(at, behaviour(turn, language)),
            });
        }
    }
    told
}

/// Words that a turn needs to be more than a murmur.
const LEAST_WORDS: usize = 4;

/// From this length (in words) on a turn without a question mostly informs.
const LONG: usize = 45;

fn behaviour(turn: &Said<'_>, language: &Language) -> Behaviour {
    let found = |kind: Behaviour| {
        let words = language.words.behaviours.iter().filter(|b| b.kind == kind);
        let patterns = words.flat_map(|b| &b.when);
        turn.sentences
            .iter()
            .filter(|s| patterns.clone().any(|pattern| pattern.find(s).is_some()))
            .count()
    };
    let reflects = found(Behaviour::Reflection);
    let gives = found(Behaviour::Input);
    if !turn.asked.is_empty() {
        // "So you'd rather wait?" says back, whatever its voice does.
        let asks = found(Behaviour::Question) > 0;
        return if !asks && reflects > 0 && turn.length >= LEAST_WORDS {
            Behaviour::Reflection
        } else {
            Behaviour::Question
        };
    }
    if found(Behaviour::Other) > 0 && turn.length < 12 || turn.length < LEAST_WORDS {
        return Behaviour::Other;
    }
    if found(Behaviour::Question) > 0 && turn.length < LONG && reflects == 0 {
        return Behaviour::Question;
    }
    if gives > reflects || turn.length >= LONG && gives > 0 {
        return Behaviour::Input;
    }
    Behaviour::Reflection
}
