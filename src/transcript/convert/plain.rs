//! Lines of `Speaker: text`. A line without a speaker goes on with the turn before it.

use super::{Called, MOST_TURNS, refused, spread, too_many, turn, unknown_speaker};
use crate::Result;
use crate::transcript::{Role, Turn};

/// Seconds a word is given where nothing was timed.
const WORD: f64 = 0.4;

/// Seconds between turns where nothing was timed.
const BETWEEN: f64 = 1.0;

/// Most words of a name in front of a colon,
const MOST_NAMES: usize = 4;

/// and most characters.
const LONGEST_NAME: usize = 40;

/// The turns of a file, in its order.
pub(super) fn turns(text: &str, called: &Called) -> Result<Vec<Turn>> {
    let mut said: Vec<(Role, String)> = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let line = without_time(line.trim());
        if line.is_empty() {
            continue;
        }
        match line.split_once(':') {
            Some((name, rest)) if called.role(name).is_some() => {
                if said.len() == MOST_TURNS {
                    return Err(too_many());
                }
                let role = called.role(name).unwrap_or(Role::Client);
                said.push((role, rest.trim().into()));
            }
            Some((name, rest)) if names_somebody(name, rest) => {
                return Err(unknown_speaker(number));
            }
            _ => match said.last_mut() {
                Some((_, text)) => {
                    text.push(' ');
                    text.push_str(line);
                }
                None => return Err(refused(format!("line {number} does not say who speaks"))),
            },
        }
    }
    let mut clock = 0.0;
    let mut turns = Vec::new();
    for (role, text) in said {
        let length = text.split_whitespace().count() as f64 * WORD;
        let words = spread(&text, clock, clock + length);
        if !words.is_empty() {
            turns.push(turn(role, words));
            clock += length + BETWEEN;
        }
    }
    Ok(turns)
}

/// Whether a line begins as if somebody else spoke: one word ("sam"), or some of which each begins with a capital letter, a
/// number or a bracket ("Dr. Anna May", "Speaker 2", "C (crying)").
fn names_somebody(name: &str, rest: &str) -> bool {
    let words: Vec<&str> = name.split_whitespace().collect();
    let of_a_name = |word: &&str| {
        word.starts_with(|c: char| c.is_uppercase() || c.is_numeric() || c == '(')
            || word.ends_with(')')
    };
    (1..=MOST_NAMES).contains(&words.len())
        && name.chars().count() <= LONGEST_NAME
        && (rest.is_empty() || rest.starts_with(char::is_whitespace))
        && (words.len() == 1 || words.iter().all(of_a_name))
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || c.is_whitespace() || ".-_'()#".contains(c))
}

/// A line without a time of the form `[00:12]` or `00:00:12` in front.
fn without_time(line: &str) -> &str {
    let end = line
        .find(|c: char| !(c.is_ascii_digit() || "[]():.,".contains(c)))
        .unwrap_or(line.len());
    let (time, rest) = line.split_at(end);
    let timed = time.contains(':') && time.chars().any(|c| c.is_ascii_digit());
    if timed { rest.trim_start() } else { line }
}
