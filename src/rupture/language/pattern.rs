//! The notation in which wording is written down, and how it is found in a sentence.
//!
//! A pattern is a line of elements, parted by spaces:
//!
//! | written | finds |
//! | --- | --- |
//! | `word` | that word, as [`super::normal`] leaves it: lower case, contractions written out |
//! | `a\|b\|{class}` | one of several; a class of `words.toml` may hold phrases |
//! | `help*` | a word that begins so |
//! | `two_words` | those words, one after the other |
//! | `word?` | that, or nothing |
//! | `..` `..5` | up to three, or up to that many, words of any kind; up to one or two pass over no "not" |
//! | `!a\|b` | finds no word, and holds only if none of these follows |
//! | `^` | the beginning of the sentence, words such as "well" and "but" passed over |
//! | `,` | the same, or the beginning of a part of the sentence after a comma |
//! | `$` | the end of the sentence; may be one of several |
//! | `?` | holds only in a sentence that asks |
//!
//! "it isn't really helping me" is found by `this|it {be} not ..1 help*`.

use std::collections::{HashMap, HashSet};

use super::normal::Sentence;

/// Longest gap, in words.
const GAP: usize = 3;

/// Gaps of up to so many words pass over none that turns round what follows: "you rush me" is not found in "you do not
/// rush me".
const SHORT_GAP: usize = 2;

/// Most elements of a pattern: the search tries every length of every gap.
const MOST_ELEMENTS: usize = 16;

/// Classes of words and phrases, by name.
pub(crate) type Classes = HashMap<String, Vec<String>>;

/// One of several words or phrases.
#[derive(Debug, Clone, Default)]
struct Choice {
    words: HashSet<String>,
    beginnings: Vec<String>,
    phrases: Vec<Vec<String>>,
    /// Whether the end of the sentence is one of them.
    end: bool,
    /// The [`letter`]s that they begin with: most tokens begin with none of them.
    letters: u32,
}

/// A bit for the first byte of a word, which several share; all where there is none.
fn letter(word: &str) -> u32 {
    word.bytes()
        .next()
        .map_or(u32::MAX, |first| 1 << (first % 32))
}

#[derive(Debug, Clone)]
enum Element {
    One(Choice),
    Maybe(Choice),
    Not(Choice),
    Gap(usize),
    Start,
    Clause,
    End,
}

/// A pattern that can be searched for.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    elements: Vec<Element>,
    asks: bool,
}

/// Tokens of a sentence: from the first to before the last.
pub(crate) type Found = std::ops::Range<usize>;

impl Pattern {
    /// Reads a pattern. The error names what is wrong with it.
    pub(crate) fn read(source: &str, classes: &Classes) -> Result<Pattern, String> {
        let mut elements = Vec::new();
        let mut asks = false;
        for piece in source.split_whitespace() {
            let element = match piece {
                "?" => {
                    asks = true;
                    continue;
                }
                "^" => Element::Start,
                "," => Element::Clause,
                "$" => Element::End,
                ".." => Element::Gap(GAP),
                _ => {
                    if let Some(most) = piece.strip_prefix("..") {
                        let most = most.parse().map_err(|_| format!("{source}: {piece}"))?;
                        Element::Gap(most)
                    } else if let Some(rest) = piece.strip_prefix('!') {
                        Element::Not(choice(rest, classes).map_err(|e| format!("{source}: {e}"))?)
                    } else if let Some(rest) = piece.strip_suffix('?') {
                        Element::Maybe(choice(rest, classes).map_err(|e| format!("{source}: {e}"))?)
                    } else {
                        Element::One(choice(piece, classes).map_err(|e| format!("{source}: {e}"))?)
                    }
                }
            };
            elements.push(element);
        }
        let solid = elements.iter().any(|e| matches!(e, Element::One(_)));
        if !(solid || asks && elements.is_empty()) || elements.len() > MOST_ELEMENTS {
            return Err(format!("{source}: too short or too long"));
        }
        if matches!(elements.first(), Some(Element::Gap(_) | Element::Maybe(_)))
            || matches!(elements.last(), Some(Element::Gap(_) | Element::Maybe(_)))
        {
            return Err(format!("{source}: begins or ends with what may be nothing"));
        }
        Ok(Pattern { elements, asks })
    }

    /// The first place in the sentence where it is found.
    pub(crate) fn find(&self, sentence: &Sentence) -> Option<Found> {
        self.find_from(sentence, 0)
    }

    /// The first place at or after this token where it is found.
    fn find_from(&self, sentence: &Sentence, first: usize) -> Option<Found> {
        if self.asks && !sentence.asks {
            return None;
        }
        if self.elements.is_empty() {
            return (first < sentence.tokens.len()).then_some(first..sentence.tokens.len());
        }
        (first..sentence.tokens.len()).find_map(|at| {
            let end = follow(&self.elements, sentence, at)?.end;
            (end > at).then_some(at..end)
        })
    }

    /// All places in the sentence where it is found, none in another.
    pub(crate) fn finds(&self, sentence: &Sentence) -> impl Iterator<Item = Found> {
        let next = |from| self.find_from(sentence, from);
        std::iter::successors(next(0), move |before| next(before.end))
    }

    /// The tokens that gaps pass over where it is found from this token on.
    pub(crate) fn passed(&self, sentence: &Sentence, at: usize) -> Vec<usize> {
        follow(&self.elements, sentence, at).map_or_else(Vec::new, |way| way.passed)
    }

    /// Whether it is found and ends at or before this token.
    pub(crate) fn before(&self, sentence: &Sentence, end: usize) -> bool {
        self.find(sentence).is_some_and(|found| found.end <= end)
    }
}

/// How elements were found.
struct Way {
    end: usize,
    /// Tokens that gaps passed over, from the last to the first.
    passed: Vec<usize>,
}

/// The first way in which these elements are found from this token on, if there is one.
fn follow(elements: &[Element], sentence: &Sentence, at: usize) -> Option<Way> {
    let Some((element, rest)) = elements.split_first() else {
        let passed = Vec::new();
        return Some(Way { end: at, passed });
    };
    match element {
        Element::Start => (at <= sentence.opening).then(|| follow(rest, sentence, at))?,
        Element::Clause => sentence
            .begins_clause(at)
            .then(|| follow(rest, sentence, at))?,
        Element::End => (at == sentence.tokens.len()).then(|| follow(rest, sentence, at))?,
        Element::Not(choice) => choice
            .ends(sentence, at)
            .is_empty()
            .then(|| follow(rest, sentence, at))?,
        Element::Gap(most) => (0..=*most)
            .take_while(|skipped| at + skipped <= sentence.tokens.len())
            .take_while(|skipped| {
                let passed = skipped
                    .checked_sub(1)
                    .map(|last| &sentence.tokens[at + last]);
                *most > SHORT_GAP || passed.is_none_or(|passed| !passed.negates)
            })
            .find_map(|skipped| {
                let mut way = follow(rest, sentence, at + skipped)?;
                way.passed.extend((at..at + skipped).rev());
                Some(way)
            }),
        Element::One(choice) => choice
            .ends(sentence, at)
            .into_iter()
            .find_map(|end| follow(rest, sentence, end)),
        Element::Maybe(choice) => choice
            .ends(sentence, at)
            .into_iter()
            .chain(std::iter::once(at))
            .find_map(|end| follow(rest, sentence, end)),
    }
}

impl Choice {
    /// Where each of these words and phrases ends that begins at this token.
    fn ends(&self, sentence: &Sentence, at: usize) -> Vec<usize> {
        let Some(token) = sentence.tokens.get(at) else {
            return if self.end { vec![at] } else { Vec::new() };
        };
        if self.letters & letter(&token.text) == 0 {
            return Vec::new();
        }
        let mut ends: Vec<usize> =
            self.phrases
                .iter()
                .filter(|phrase| {
                    phrase.iter().enumerate().all(|(n, word)| {
                        sentence.tokens.get(at + n).is_some_and(|token| {
                            match word.strip_suffix('*') {
                                Some(begin) => token.text.starts_with(begin),
                                None => token.text == *word,
                            }
                        })
                    })
                })
                .map(|phrase| at + phrase.len())
                .collect();
        if self.words.contains(&token.text)
            || self.beginnings.iter().any(|b| token.text.starts_with(b))
        {
            ends.push(at + 1);
        }
        ends
    }

    fn add(&mut self, entry: &str) {
        let words: Vec<&str> = entry.split([' ', '_']).filter(|w| !w.is_empty()).collect();
        let first = words.first().copied().unwrap_or_default();
        self.letters |= letter(first.strip_suffix('*').unwrap_or(first));
        match words[..] {
            [word] => match word.strip_suffix('*') {
                Some(begin) => self.beginnings.push(begin.into()),
                None => {
                    self.words.insert(word.into());
                }
            },
            _ => self
                .phrases
                .push(words.iter().map(|w| (*w).into()).collect()),
        }
    }
}

/// `a|b|{class}`.
fn choice(source: &str, classes: &Classes) -> Result<Choice, String> {
    let mut choice = Choice::default();
    for part in source.split('|') {
        if let Some(name) = part.strip_prefix('{') {
            let name = name
                .strip_suffix('}')
                .ok_or(format!("{part} is not closed"))?;
            let entries = classes.get(name).ok_or(format!("no class {name}"))?;
            for entry in entries {
                choice.add(entry);
            }
        } else if part == "$" {
            choice.end = true;
        } else if part.is_empty()
            || !part
                .chars()
                .all(|c| c.is_alphanumeric() || "*_".contains(c))
        {
            return Err(format!("{part} is no word"));
        } else {
            choice.add(part);
        }
    }
    // The longest phrase first: "talking to you" before "talking".
    choice
        .phrases
        .sort_by_key(|phrase| std::cmp::Reverse(phrase.len()));
    Ok(choice)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::rupture::language::{Language, normal::sentences_of};

    fn found(pattern: &str, text: &str) -> Option<String> {
        let english = Language::of("en").unwrap();
        let pattern = Pattern::read(pattern, &english.classes).unwrap();
        let sentences = sentences_of(text, &english.normal);
        sentences.iter().find_map(|sentence| {
            let found = pattern.find(sentence)?;
            let words = sentence.tokens[found].iter().map(|t| t.text.as_str());
            Some(words.collect::<Vec<_>>().join(" "))
        })
    }

    #[test]
    fn words_choices_gaps_and_ends_are_found() {
        let text = "Well, it isn't really helping me.";
        assert_eq!(
            found("this|it is not ..1 help*", text).unwrap(),
            "it is not helping"
        );
        assert!(found("^ it is", text).is_some());
        assert!(found("^ is not", text).is_none());
        assert!(found("helping me $", text).is_some());
        assert!(found("not $", text).is_none());
        assert!(found("it is !not", text).is_none());
        assert!(found("it was? is ..4 me", text).is_some());
        assert!(found("it ..1 me", text).is_none());
        assert!(found("? it is", text).is_none());
        assert!(found(", it", "I go home, it helps.").is_some());
    }

    #[test]
    fn a_short_gap_passes_over_no_word_that_turns_round_what_follows() {
        assert!(found("you ..1 rush", "You always rush me.").is_some());
        assert_eq!(found("you ..2 rush", "You don't rush me."), None);
        assert_eq!(found("you ..2 rush", "You never once rush me."), None);
        assert!(found("you not|never rush", "You never rush me.").is_some());
        assert!(found("you ..4 rush", "You do not see that you rush me.").is_some());
    }

    #[test]
    fn what_gaps_pass_over_is_known() {
        let english = Language::of("en").unwrap();
        let pattern = Pattern::read("sheets ..3 useless", &english.classes).unwrap();
        let sentences = sentences_of("Those sheets are far from useless.", &english.normal);
        let found = pattern.find(&sentences[0]).unwrap();
        assert_eq!(pattern.passed(&sentences[0], found.start), [4, 3, 2]);
    }

    #[test]
    fn what_is_not_a_pattern_is_told() {
        let classes = Classes::new();
        for wrong in ["", "..", "{no}", "a..b", ".. a", "a ..", "{x", "^ $", "a?"] {
            assert!(Pattern::read(wrong, &classes).is_err(), "{wrong}");
        }
    }
}
