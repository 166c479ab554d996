//! What small linear models learned from our own written episodes: weights of words and pairs of
//! words, as whole numbers. Gives the same scores, digit by digit, as `scripts/train-rupture`,
//! which wrote them.

use std::collections::{BTreeMap, HashMap};

use crate::speech::Word;

use super::normal::LEAST_PROBABILITY;

/// A model: weights and bias in steps of 1/64.
#[derive(Debug, Default)]
pub(crate) struct Model {
    bias: i32,
    threshold: i32,
    weights: HashMap<String, i32>,
}

/// All that was learned for a language, by name.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    models: BTreeMap<String, Model>,
}

impl Learned {
    /// Reads the file that training wrote. The error names the line.
    pub(super) fn read(text: &str) -> Result<Learned, String> {
        let mut learned = Learned::default();
        let mut open: Option<String> = None;
        for (line, number) in text.lines().zip(1..) {
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            let wrong = || format!("learned.txt: line {number}");
            let parts: Vec<&str> = line.split('\t').collect();
            match parts[..] {
                ["model", name, bias, threshold] => {
                    let model = Model {
                        bias: bias.parse().map_err(|_| wrong())?,
                        threshold: threshold.parse().map_err(|_| wrong())?,
                        weights: HashMap::new(),
                    };
                    learned.models.insert(name.into(), model);
                    open = Some(name.into());
                }
                [feature, weight] => {
                    let name = open.as_ref().ok_or_else(wrong)?;
                    let model = learned.models.get_mut(name).ok_or_else(wrong)?;
                    let weight = weight.parse().map_err(|_| wrong())?;
                    model.weights.insert(feature.into(), weight);
                }
                _ => return Err(wrong()),
            }
        }
        Ok(learned)
    }

    /// The model of this name.
    pub(crate) fn model(&self, name: &str) -> Option<&Model> {
        self.models.get(name)
    }

    /// The models whose names begin so, with what follows in their names.
    pub(crate) fn of<'a>(&'a self, begin: &'a str) -> impl Iterator<Item = (&'a str, &'a Model)> {
        self.models
            .iter()
            .filter_map(move |(name, model)| Some((name.strip_prefix(begin)?, model)))
    }
}

impl Model {
    /// The score of a text's features, in steps: the bias, and the weights divided by the square
    /// root of their number.
    pub(crate) fn score(&self, features: &[String]) -> f64 {
        let sum: i64 = features
            .iter()
            .filter_map(|feature| self.weights.get(feature))
            .map(|weight| i64::from(*weight))
            .sum();
        if features.is_empty() {
            return f64::from(self.bias);
        }
        f64::from(self.bias) + sum as f64 / (features.len() as f64).sqrt()
    }

    /// From this score on the model speaks.
    pub(crate) fn threshold(&self) -> f64 {
        f64::from(self.threshold)
    }

    /// The features that weigh most for it, single words and pairs alike.
    pub(crate) fn most(&self, features: &[String], count: usize) -> Vec<String> {
        let mut heavy: Vec<(&String, i32)> = features
            .iter()
            .filter_map(|feature| Some((feature, *self.weights.get(feature)?)))
            .filter(|(feature, weight)| *weight > 0 && !feature.contains(['<', '>']))
            .collect();
        heavy.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
        heavy
            .into_iter()
            .take(count)
            .map(|(feature, _)| feature.clone())
            .collect()
    }
}

/// Words and pairs of words, the edges as `<` and `>`; each once, in order. A suspect word, or one
/// the recogniser is unsure of, stands for nothing and joins nothing.
pub(crate) fn features(words: &[Word]) -> Vec<String> {
    let mut tokens: Vec<Option<String>> = vec![Some("<".into())];
    for word in words {
        if word.suspect || !(LEAST_PROBABILITY..=1.0).contains(&word.probability) {
            tokens.push(None);
        } else {
            tokens.extend(pieces(&word.text).map(Some));
        }
    }
    tokens.push(Some(">".into()));
    let inner = tokens[1..tokens.len() - 1].iter().flatten().cloned();
    let pairs = tokens.windows(2).filter_map(|pair| match pair {
        [Some(a), Some(b)] => Some(format!("{a} {b}")),
        _ => None,
    });
    let mut seen = std::collections::HashSet::new();
    inner
        .chain(pairs)
        .filter(|feature| seen.insert(feature.clone()))
        .collect()
}

/// Runs of letters and apostrophes, as the trainer cuts them.
fn pieces(text: &str) -> impl Iterator<Item = String> {
    let text = text.to_lowercase().replace('’', "'");
    text.split(|c: char| !(c.is_ascii_lowercase() || c == '\''))
        .filter(|piece| !piece.is_empty())
        .map(String::from)
        .collect::<Vec<_>>()
        .into_iter()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::rupture::language::Language;
    use crate::transcript::testing::say;

    const TRAINER: &str = include_str!("../../../tests/rupture/learned-scores.json");

    #[test]
    fn the_scores_are_those_of_the_trainer_digit_by_digit() {
        let examples: Vec<serde_json::Value> = serde_json::from_str(TRAINER).unwrap();
        let learned = &Language::of("en").unwrap().learned;
        assert!(examples.len() > 40);
        for example in examples {
            let features = features(&say(0.0, example["text"].as_str().unwrap()));
            for (name, score) in example["scores"].as_object().unwrap() {
                let ours = learned.model(name).unwrap().score(&features);
                assert_eq!(
                    ours,
                    score.as_str().unwrap().parse::<f64>().unwrap(),
                    "{name}: {example}"
                );
            }
        }
    }

    #[test]
    fn a_suspect_word_weighs_nothing() {
        let mut words = say(0.0, "this is not working");
        words[2].suspect = true;
        let found = features(&words);
        assert!(!found.iter().any(|f| f.contains("not") || f == "is working"));
    }

    #[test]
    fn what_is_no_model_file_is_told() {
        for wrong in ["a\t1", "model\tx\ty\t1", "model\tx\t1\t1\nword"] {
            assert!(Learned::read(wrong).is_err(), "{wrong}");
        }
    }
}
