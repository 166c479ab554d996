//! Words as they are compared: lower case, contractions written out, fillers and repeats left
//! out. What stands in the transcript is never changed; every token knows the word it is from.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use crate::speech::Word;
use crate::speech::sentence::{asks, ends_sentence};

/// Words that the recogniser is less sure of than this (its own probability, not calibrated) are
/// not compared with anything.
pub(crate) const LEAST_PROBABILITY: f32 = 0.4;

/// Whether a word was surely said: it is not suspect, and the recogniser is sure enough of it.
pub(crate) fn sure(word: &Word) -> bool {
    !word.suspect && (LEAST_PROBABILITY..=1.0).contains(&word.probability)
}

/// What stands for a word that may not have been said. No pattern finds it, and no short gap passes over it: it may have
/// been a "not".
const UNSURE: &str = "\u{fffd}";

/// Most words of a sentence. Of what the recogniser did not punctuate each stretch of about so many is taken as one, so
/// that a quote is no longer than that, and the encoders read all of it.
pub(crate) const LONGEST: usize = 60;

/// How a language writes and speaks. `normal.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Normal {
    /// Whole words and what stands for them: `can't` and `can not`.
    pub(crate) written_out: HashMap<String, String>,
    /// Ends of words and what stands for them, in order: `n't` and ` not`.
    pub(crate) endings: Vec<(String, String)>,
    /// Words of which `'s` is short for "is"; elsewhere it is left out.
    pub(crate) with_is: HashSet<String>,
    /// Words and phrases without weight of their own: "really", "kind of".
    pub(crate) fillers: Vec<String>,
    /// Such as have none only beside a comma: "you know", "like".
    pub(crate) asides: Vec<String>,
    /// Words and phrases that soften what is said: "maybe".
    pub(crate) hedges: Vec<String>,
    /// Words that turn round what follows: "not".
    pub(crate) negations: HashSet<String>,
    /// Words that a sentence may begin with before it begins: "well".
    pub(crate) openers: HashSet<String>,
}

/// A word as it is compared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    /// Lower case, no punctuation.
    pub(crate) text: String,
    /// Index of the word in its turn.
    pub(crate) word: usize,
    /// Whether a comma or the like stands before it.
    after_comma: bool,
    /// Whether it turns round what follows.
    pub(crate) negates: bool,
}

/// A sentence of a turn, of [`LONGEST`] words at most.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Sentence {
    /// In order; never empty.
    pub(crate) tokens: Vec<Token>,
    /// Whether it ends with a question mark.
    pub(crate) asks: bool,
    /// Whether something in it softens it.
    pub(crate) hedged: bool,
    /// Whether it begins in quotation marks, opened by it or before it.
    pub(crate) quoted: bool,
    /// Index of the first token that is no opener; the last one counts as none.
    pub(crate) opening: usize,
    /// Its words in the turn, from the first to before the last.
    pub(crate) words: std::ops::Range<usize>,
}

impl Sentence {
    /// Whether the sentence or a part of it after a comma begins at this token.
    pub(crate) fn begins_clause(&self, at: usize) -> bool {
        at <= self.opening || self.after_comma(at)
    }

    /// Whether a comma or the like stands before this token.
    pub(crate) fn after_comma(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|token| token.after_comma)
    }

    /// The part from a token on, as a sentence of its own; it is quoted whole.
    pub(crate) fn part(&self, from: usize, normal: &Normal) -> Option<Sentence> {
        let tokens = self.tokens.get(from..)?.to_vec();
        Some(Sentence {
            opening: opening(&tokens, normal)?,
            tokens,
            words: self.words.clone(),
            ..*self
        })
    }

    /// Words from the first to the last of these tokens, as a range of the turn's words.
    pub(crate) fn words_of(&self, found: &std::ops::Range<usize>) -> std::ops::Range<usize> {
        let first = self.tokens.get(found.start).map_or(0, |token| token.word);
        let last = self.tokens.get(found.end.saturating_sub(1));
        first..last.map_or(first, |token| token.word + 1)
    }
}

/// The sentences in a turn's words.
pub(crate) fn sentences(words: &[Word], normal: &Normal) -> Vec<Sentence> {
    let quoted = quoted(words);
    let found = ranges(words).into_iter().filter_map(|range| {
        let mut tokens = tokens(words, range.clone(), normal);
        let hedged = normal.hedges.iter().any(|hedge| holds(&tokens, hedge));
        weigh(&mut tokens, normal);
        let opening = opening(&tokens, normal)?;
        Some(Sentence {
            tokens,
            opening,
            asks: asks(&words[range.end - 1].text),
            hedged,
            quoted: quoted[range.start],
            words: range,
        })
    });
    found.collect()
}

/// Index of the first token that is no opener, or the last one; none where there are no tokens.
fn opening(tokens: &[Token], normal: &Normal) -> Option<usize> {
    let last = tokens.len().checked_sub(1)?;
    let opens = |token: &Token| normal.openers.contains(&token.text);
    let first = tokens.iter().position(|token| !opens(token));
    Some(first.unwrap_or(last))
}

/// Where the sentences of a turn lie in its words.
fn ranges(words: &[Word]) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    let mut first = 0;
    for (index, word) in words.iter().enumerate() {
        if !ends_sentence(&word.text) && index + 1 < words.len() {
            continue;
        }
        while index + 1 - first > LONGEST {
            let end = first + cut(&words[first..first + LONGEST]);
            ranges.push(first..end);
            first = end;
        }
        ranges.push(first..index + 1);
        first = index + 1;
    }
    ranges
}

/// How many words of a stretch without an end belong together: those before the last comma or the longest pause in its
/// latter half.
fn cut(words: &[Word]) -> usize {
    let comma = |at: usize| words[at].text.ends_with([',', ';', ':']);
    let pause = |at: usize| words[at + 1].start - words[at].end;
    (words.len() / 2..words.len() - 1)
        .max_by(|a, b| {
            let later = comma(*a).cmp(&comma(*b));
            later.then(pause(*a).total_cmp(&pause(*b)))
        })
        .map_or(words.len(), |last| last + 1)
}

/// Of every word, whether it stands in quotation marks or opens them. Straight ones count only where each has its
/// other.
fn quoted(words: &[Word]) -> Vec<bool> {
    let signs = |word: &Word, sign: char| word.text.matches(sign).count();
    let straight: usize = words.iter().map(|word| signs(word, '"')).sum();
    let paired = straight.is_multiple_of(2);
    let (mut straight, mut opened, mut closed) = (0_usize, 0, 0);
    words
        .iter()
        .map(|word| {
            let open = paired && !straight.is_multiple_of(2) || opened > closed;
            straight += signs(word, '"');
            opened += signs(word, '“');
            closed += signs(word, '”');
            // One word in quotation marks is no other's: "therapy".
            let closed_again = word.text.matches(['"', '”', '’']).count()
                > usize::from(word.text.starts_with('"'));
            open || word.text.starts_with(['"', '“', '‘']) && !closed_again
        })
        .collect()
}

fn holds(tokens: &[Token], phrase: &str) -> bool {
    let words: Vec<&str> = phrase.split(' ').collect();
    tokens.windows(words.len()).any(|window| {
        window
            .iter()
            .zip(&words)
            .all(|(token, word)| token.text == *word)
    })
}

fn tokens(words: &[Word], range: std::ops::Range<usize>, normal: &Normal) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut comma = false;
    for index in range {
        let word = &words[index];
        let mut push = |text: &str, first: bool| {
            tokens.push(Token {
                text: text.into(),
                word: index,
                after_comma: comma && first,
                negates: text == UNSURE || normal.negations.contains(text),
            });
        };
        if !sure(word) {
            push(UNSURE, true);
        } else {
            let lower = word.text.to_lowercase().replace('’', "'");
            let mut first = true;
            for part in lower.split(['-', '–', '—', '/', '…']) {
                let bare = part.trim_matches(|c: char| !c.is_alphanumeric());
                for piece in written_out(bare, normal).split_whitespace() {
                    push(piece, first);
                    first = false;
                }
            }
        }
        comma = word.text.ends_with([',', ';', ':', '-', '–', '—']);
    }
    tokens
}

fn written_out(word: &str, normal: &Normal) -> String {
    if let Some(whole) = normal.written_out.get(word) {
        return whole.clone();
    }
    for (ending, long) in &normal.endings {
        if let Some(stem) = word.strip_suffix(ending.as_str())
            && !stem.is_empty()
        {
            return format!("{stem}{long}");
        }
    }
    match word.strip_suffix("'s") {
        Some(stem) if normal.with_is.contains(stem) => format!("{stem} is"),
        Some(stem) => stem.into(),
        None => word.replace('\'', ""),
    }
}

/// Leaves out fillers, asides and repeats; not where nothing else would be left.
fn weigh(tokens: &mut Vec<Token>, normal: &Normal) {
    let drop = |tokens: &[Token], entries: &[String], aside: bool| -> Vec<Token> {
        let mut kept: Vec<Token> = Vec::with_capacity(tokens.len());
        let mut at = 0;
        let mut comma = false;
        while at < tokens.len() {
            let length = entries.iter().find_map(|entry| {
                let length = entry.split(' ').count();
                let same = entry
                    .split(' ')
                    .enumerate()
                    .all(|(n, word)| tokens.get(at + n).is_some_and(|t| t.text == word));
                let edge = tokens[at].after_comma
                    || tokens.get(at + length).is_some_and(|next| next.after_comma);
                (same && (!aside || edge)).then_some(length)
            });
            if let Some(length) = length {
                comma |= tokens[at].after_comma;
                at += length;
            } else {
                let mut token = tokens[at].clone();
                token.after_comma |= comma;
                comma = false;
                kept.push(token);
                at += 1;
            }
        }
        kept
    };
    let kept = drop(tokens, &normal.asides, true);
    let kept = drop(&kept, &normal.fillers, false);
    if !kept.is_empty() {
        *tokens = kept;
    }
    // "I I don't", "it's, it's not".
    for length in [1, 2] {
        let mut kept: Vec<Token> = Vec::with_capacity(tokens.len());
        for token in tokens.drain(..) {
            kept.push(token);
            let Some(first) = kept.len().checked_sub(2 * length) else {
                continue;
            };
            let same = (first..first + length).all(|n| kept[n].text == kept[n + length].text);
            if same {
                kept[first + length].after_comma |= kept[first].after_comma;
                kept.drain(first..first + length);
            }
        }
        *tokens = kept;
    }
}

/// The sentences of a text.
#[cfg(test)]
pub(crate) fn sentences_of(text: &str, normal: &Normal) -> Vec<Sentence> {
    sentences(&crate::transcript::testing::say(0.0, text), normal)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rupture::language::Language;
    use crate::transcript::testing::{hostile_words, say};

    fn of(text: &str) -> Vec<String> {
        let normal = &Language::of("en").unwrap().normal;
        let sentences = sentences_of(text, normal);
        let join = |s: &Sentence| {
            let words: Vec<&str> = s.tokens.iter().map(|t| t.text.as_str()).collect();
            words.join(" ")
        };
        sentences.iter().map(join).collect()
    }

    #[test]
    fn speech_is_compared_without_its_stumbles() {
        assert_eq!(of("I-I don't, um, really know."), ["i do not know"]);
        assert_eq!(of("It's, it’s not, like, HELPING"), ["it is not helping"]);
        assert_eq!(
            of("I can't. My wife's sister?"),
            ["i can not", "my wife sister"]
        );
        assert_eq!(of("Really."), ["really"]);
    }

    #[test]
    fn a_word_nobody_may_have_said_is_compared_with_nothing() {
        let normal = &Language::of("en").unwrap().normal;
        let mut words = say(0.0, "this is not working");
        words[3].suspect = true;
        words[0].probability = 0.1;
        let found = sentences(&words, normal);
        assert_eq!(found[0].tokens[0].text, UNSURE);
        assert_eq!(found[0].tokens[3].text, UNSURE);
        assert_eq!(found[0].words_of(&(1..3)), 1..3);
    }

    #[test]
    fn a_sentence_is_quoted_from_an_opening_mark_to_its_other() {
        let normal = &Language::of("en").unwrap().normal;
        let quoted = |text: &str| -> Vec<bool> {
            let sentences = sentences_of(text, normal);
            sentences.iter().map(|sentence| sentence.quoted).collect()
        };
        let straight = "I read it. \"Dear Ann. You never listen.\" That was it.";
        assert_eq!(quoted(straight), [false, true, true, false]);
        let curved = "I read it. “Dear Ann. You never listen.” That was it.";
        assert_eq!(quoted(curved), [false, true, true, false]);
        let inches = "Six foot, 6\". You never listen.";
        assert_eq!(quoted(inches), [false, false]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_token_is_from_a_word_of_its_sentence(words in hostile_words()) {
            let normal = &Language::of("en").unwrap().normal;
            for sentence in sentences(&words, normal) {
                prop_assert!(!sentence.tokens.is_empty());
                prop_assert!(sentence.opening < sentence.tokens.len());
                for token in &sentence.tokens {
                    prop_assert!(sentence.words.contains(&token.word));
                }
            }
        }
    }
}
