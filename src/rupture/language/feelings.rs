//! Feeling words by family, and words with a valence. Counting words is no reading of emotion.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;

use super::normal::Sentence;
use super::pattern::{Classes, Pattern};

/// A negation this many words before a word, or fewer, negates it.
const REACH: usize = 3;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FeelingsSource {
    families: BTreeMap<String, Vec<String>>,
    negation: Negation,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Negation {
    words: HashSet<String>,
}

/// The feeling words of a language.
#[derive(Debug)]
pub(crate) struct Feelings {
    families: Vec<(String, Pattern)>,
    negation: HashSet<String>,
    valence: HashMap<String, f32>,
}

/// What was found in a sentence: a family or a side, and whether it is negated.
#[derive(Debug, Default)]
pub(crate) struct Felt<'a> {
    pub(crate) families: Vec<(&'a str, bool)>,
    /// Valence above zero, and whether it is negated.
    pub(crate) valence: Vec<(bool, bool)>,
}

impl Feelings {
    pub(super) fn read(source: FeelingsSource, valence: &str) -> Result<Feelings, String> {
        let mut families = Vec::new();
        for (name, words) in source.families {
            let classes = Classes::from([("family".into(), words)]);
            families.push((name, Pattern::read("{family}", &classes)?));
        }
        let mut weights = HashMap::new();
        for line in valence.lines().filter(|line| !line.starts_with('#')) {
            let (word, weight) = line
                .split_once('\t')
                .ok_or(format!("valence.tsv: {line}"))?;
            let weight = weight.parse().map_err(|_| format!("valence.tsv: {line}"))?;
            weights.insert(word.to_owned(), weight);
        }
        Ok(Feelings {
            families,
            negation: source.negation.words,
            valence: weights,
        })
    }

    /// The families, in order.
    pub(crate) fn families(&self) -> impl Iterator<Item = &str> {
        self.families.iter().map(|(name, _)| name.as_str())
    }

    /// The feeling words of a sentence.
    pub(crate) fn felt(&self, sentence: &Sentence) -> Felt<'_> {
        let negated = |at: usize| {
            // A comma between them ends its reach: "not angry, just sad".
            (at.saturating_sub(REACH)..at)
                .rev()
                .take_while(|before| !sentence.after_comma(before + 1))
                .any(|before| self.negation.contains(&sentence.tokens[before].text))
        };
        let mut felt = Felt::default();
        for (name, pattern) in &self.families {
            for found in pattern.finds(sentence) {
                felt.families.push((name, negated(found.start)));
            }
        }
        for (at, token) in sentence.tokens.iter().enumerate() {
            if let Some(weight) = self.valence.get(&token.text)
                && !self.negation.contains(&token.text)
            {
                felt.valence.push((*weight > 0.0, negated(at)));
            }
        }
        felt
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::rupture::language::{Language, normal::sentences_of};

    #[test]
    fn feeling_words_are_counted_by_family_with_negation() {
        let english = Language::of("en").unwrap();
        let sentences = sentences_of(
            "I'm not really angry, just sad and let down.",
            &english.normal,
        );
        let felt = english.feelings.felt(&sentences[0]);
        let mut families = felt.families;
        families.sort_unstable();
        assert_eq!(
            families,
            [
                ("anger", true),
                ("hurt", false),
                ("sadness", false),
                ("sadness", false)
            ]
        );
        assert!(felt.valence.contains(&(false, true)) && felt.valence.contains(&(false, false)));
    }
}
