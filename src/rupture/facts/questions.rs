//! Which sentences ask, and how, by their wording. Knows English; elsewhere only the question mark.
//!
//! A rough measure: it looks at how a sentence begins, not at what it is after. The recogniser
//! sets the question marks, and it hears wording better than a rising voice.

use crate::speech::sentence::{asks, ends_sentence};

/// How a question is worded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Invites more than a fact: "How was that?"
    Open,
    /// Can be answered with yes, no or a fact: "Did you sleep?"
    Closed,
    /// Asks for something in the form of a request, question mark or not: "Tell me more."
    Invites,
}

/// How sentences begin. The longest entry that fits decides. Words as [`bare`] leaves them.
const BEGINNINGS: &[(&str, Asked)] = &[
    ("how", Asked::Open),
    ("how come", Asked::Open),
    ("how many", Asked::Closed),
    ("how much", Asked::Closed),
    ("how long", Asked::Closed),
    ("how often", Asked::Closed),
    ("how old", Asked::Closed),
    ("how far", Asked::Closed),
    ("how big", Asked::Closed),
    ("how soon", Asked::Closed),
    ("what", Asked::Open),
    ("what's", Asked::Open),
    ("what time", Asked::Closed),
    ("what day", Asked::Closed),
    ("what date", Asked::Closed),
    ("what month", Asked::Closed),
    ("what year", Asked::Closed),
    ("what age", Asked::Closed),
    ("what's the time", Asked::Closed),
    ("why", Asked::Open),
    ("in what way", Asked::Open),
    ("in what ways", Asked::Open),
    ("who", Asked::Closed),
    ("who's", Asked::Closed),
    ("when", Asked::Closed),
    ("where", Asked::Closed),
    ("which", Asked::Closed),
    ("can you tell me about", Asked::Open),
    ("can you tell me more", Asked::Open),
    ("can you say more", Asked::Open),
    ("can you say a bit more", Asked::Open),
    ("can you say a little more", Asked::Open),
    ("can you describe", Asked::Open),
    ("can you help me understand", Asked::Open),
    ("could you tell me about", Asked::Open),
    ("could you tell me more", Asked::Open),
    ("could you say more", Asked::Open),
    ("could you say a bit more", Asked::Open),
    ("could you say a little more", Asked::Open),
    ("could you describe", Asked::Open),
    ("could you help me understand", Asked::Open),
    ("would you tell me about", Asked::Open),
    ("would you tell me more", Asked::Open),
    ("would you say more", Asked::Open),
    ("tell me about", Asked::Invites),
    ("tell me more", Asked::Invites),
    ("tell me a bit", Asked::Invites),
    ("tell me a little", Asked::Invites),
    ("tell me what", Asked::Invites),
    ("tell me how", Asked::Invites),
    ("tell me why", Asked::Invites),
    ("say more", Asked::Invites),
    ("say a bit more", Asked::Invites),
    ("say a little more", Asked::Invites),
    ("help me understand", Asked::Invites),
    ("walk me through", Asked::Invites),
];

/// Words that a sentence may begin with before it begins.
const BEFORE: &[&str] = &[
    "so", "and", "but", "or", "well", "okay", "ok", "alright", "right", "yeah", "yes", "no", "oh",
    "ah", "um", "uh", "er", "erm", "hm", "hmm", "mm", "mmhm", "mhm", "mmhmm", "now", "then",
    "please", "like", "because", "just", "sure", "maybe",
];

/// Most words of an entry in [`BEGINNINGS`].
const LONGEST: usize = 6;

/// The questions in a turn's words, in order.
pub(crate) fn asked<'a>(words: impl Iterator<Item = &'a str>) -> Vec<Asked> {
    let mut found = Vec::new();
    let mut sentence: Vec<&str> = Vec::new();
    for word in words {
        sentence.push(word);
        if ends_sentence(word) {
            found.extend(kind(&sentence, asks(word)));
            sentence.clear();
        }
    }
    found.extend(kind(&sentence, false));
    found
}

/// How a sentence asks, if it does. `marked` says that it ends with a question mark.
fn kind(sentence: &[&str], marked: bool) -> Option<Asked> {
    let words: Vec<String> = sentence.iter().map(|word| bare(word)).collect();
    let first = words
        .iter()
        .position(|word| !word.is_empty() && !BEFORE.contains(&word.as_str()))?;
    let opening = beginning(&words[first..]);
    if opening == Some(Asked::Invites) {
        return Some(Asked::Open);
    }
    if !marked {
        return None;
    }
    // "On a scale from one to ten, how sure are you?" asks where its clause begins.
    let clauses =
        (first + 1..words.len()).filter(|&at| sentence[at - 1].ends_with([',', '-', '–', '—']));
    let asks = opening.or_else(|| clauses.filter_map(|at| beginning(&words[at..])).next_back());
    match asks {
        Some(Asked::Open | Asked::Invites) => Some(Asked::Open),
        _ => Some(Asked::Closed),
    }
}

fn beginning(words: &[String]) -> Option<Asked> {
    (1..=LONGEST.min(words.len())).rev().find_map(|length| {
        let start = words[..length].join(" ");
        BEGINNINGS
            .iter()
            .find(|(known, _)| *known == start)
            .map(|(_, kind)| *kind)
    })
}

/// A word without punctuation around and hyphens within, in lower case, with a plain apostrophe.
fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric())
        .chars()
        .filter(|c| !matches!(c, '-' | '‑'))
        .map(|c| if c == '’' { '\'' } else { c })
        .collect::<String>()
        .to_lowercase()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use Asked::{Closed, Open};

    fn of(text: &str) -> Vec<Asked> {
        asked(text.split_whitespace())
    }

    #[test]
    fn wording_tells_open_from_closed() {
        assert_eq!(of("How was that for you?"), [Open]);
        assert_eq!(of("So, um, what's it like?"), [Open]);
        assert_eq!(of("Did you sleep?"), [Closed]);
        assert_eq!(of("How often do you drink?"), [Closed]);
        assert_eq!(of("You went home?"), [Closed]);
        assert_eq!(
            of("On a scale from one to ten, how sure are you?"),
            [Closed, Open][1..]
        );
        assert_eq!(of("You were angry, weren't you?"), [Closed]);
    }

    #[test]
    fn a_request_to_say_more_asks_without_a_question_mark() {
        assert_eq!(of("Okay. Tell me more about that."), [Open]);
        assert_eq!(of("Could you say more about the evening?"), [Open]);
        assert_eq!(of("They tell me more every day."), []);
    }

    #[test]
    fn a_statement_asks_nothing_even_if_it_begins_like_a_question() {
        assert_eq!(of("What you said hurt me. How nice."), []);
        assert_eq!(of("Well"), []);
        assert_eq!(of(""), []);
    }

    #[test]
    fn each_sentence_counts() {
        assert_eq!(of("Is it me? Or what is it? I see."), [Closed, Open]);
    }

    #[test]
    fn no_entry_of_the_table_is_out_of_reach() {
        for (entry, _) in BEGINNINGS {
            let words: Vec<String> = entry.split(' ').map(bare).collect();
            assert!(words.len() <= LONGEST);
            assert_eq!(words.join(" "), *entry);
            assert!(!BEFORE.contains(&words[0].as_str()));
        }
    }
}
