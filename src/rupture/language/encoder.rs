//! A small sentence encoder, built into the program: what a sentence resembles, beyond its words.
//!
//! all-MiniLM-L6-v2, trained further on our own written lines by `scripts/train-encoder`
//! (`docs/rupture-model.md`). Its weights are stored in eight bits and computed with in 32, so that
//! a sentence's scores do not depend on what is computed beside it. Run by `rten` on the processor.

use std::collections::HashMap;

use rten::{Model, NodeId};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;
use rten_text::models::{Model as _, WordPiece, WordPieceOptions};

use super::normal::sure;
use crate::rupture::data::{MarkerKind, ReadingKind, RepairStep};
use crate::speech::Word;

/// Texts that are computed at once; more only takes memory.
const BATCH: usize = 16;

/// Most tokens of a text or a pair of them; what is longer is cut at the end.
const LONGEST: usize = 128;

/// Most words of a text that are read.
const WORDS: usize = 60;

/// Most words of what was said before a reply that are read, the last ones.
const WORDS_BEFORE: usize = 40;

/// What carries no meaning, whatever stands around it.
const MURMURS: [&str; 10] = [
    "um", "uh", "er", "erm", "uhm", "mm", "hmm", "hm", "mhm", "ah",
];

/// The encoder of a language.
pub(crate) struct Encoder {
    model: Model,
    pieces: WordPiece,
    /// Begins a text.
    begin: i32,
    /// Ends a text, and the first of a pair.
    end: i32,
    inputs: [NodeId; 3],
    outputs: [NodeId; 2],
}

/// What the encoder says of a text. Scores have no unit and are no probabilities; above zero is
/// for, below against.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Encoded {
    /// Whether a sentence of the client resembles a marker.
    pub(crate) strain: f32,
    /// Which kind it resembles, in the order of [`KINDS`].
    kinds: Vec<f32>,
    /// Of a reply, given what it answers: whether it receives (above zero) or defends.
    pub(crate) receives: f32,
    /// Which reading the client's words resemble, in the order of [`READINGS`].
    readings: Vec<f32>,
    /// Of a reply: whether it takes a step of repair (above zero), in the order of [`STEPS`].
    steps: Vec<f32>,
    /// The place of the text among all texts: of length one, near in meaning is near in angle.
    pub(crate) place: Vec<f32>,
}

/// Readings in the order of the encoder's scores.
const READINGS: [ReadingKind; 4] = [
    ReadingKind::GoalOrMethodMismatch,
    ReadingKind::SmallRelationalBreach,
    ReadingKind::AmbivalenceAboutChange,
    ReadingKind::NotEnoughSaid,
];

/// The encoder also scores what a turn of the therapist mainly does, in so many numbers. They are not
/// used: reading every turn for it took a session of 50 minutes from 3 to 17 s, for 0.70 in place of 0.69.
const BEHAVIOURS: usize = 4;

/// Steps of repair in the order of the encoder's scores.
const STEPS: [RepairStep; 3] = [
    RepairStep::ValidateCourage,
    RepairStep::Renegotiate,
    RepairStep::TalkAboutProcess,
];

/// Kinds in the order of the encoder's scores. Runs of short answers are counted, not resembled.
pub(super) const KINDS: [MarkerKind; 12] = [
    MarkerKind::Avoidance,
    MarkerKind::ComplaintActivity,
    MarkerKind::ComplaintParameters,
    MarkerKind::ComplaintProgress,
    MarkerKind::ComplaintTherapist,
    MarkerKind::Deference,
    MarkerKind::Hopelessness,
    MarkerKind::Pressure,
    MarkerKind::Rejecting,
    MarkerKind::SelfDefence,
    MarkerKind::Shutdown,
    MarkerKind::TopicShift,
];

impl Encoded {
    fn new(scores: &[f32], place: &[f32]) -> Option<Encoded> {
        let (strain, rest) = scores.split_first()?;
        let (kinds, rest) = rest.split_at_checked(KINDS.len())?;
        let (receives, rest) = rest.split_first()?;
        let (readings, rest) = rest.split_at_checked(READINGS.len())?;
        let (_, steps) = rest.split_at_checked(BEHAVIOURS)?;
        let length = place.iter().map(|x| x * x).sum::<f32>().sqrt();
        (steps.len() == STEPS.len()).then(|| Encoded {
            strain: *strain,
            kinds: kinds.into(),
            receives: *receives,
            readings: readings.into(),
            steps: steps.into(),
            place: place.iter().map(|x| x / length.max(1e-6)).collect(),
        })
    }

    /// The kind of marker it resembles most.
    pub(crate) fn kind(&self) -> MarkerKind {
        highest(KINDS.into_iter(), &self.kinds).unwrap_or(MarkerKind::Avoidance)
    }

    /// Whether, of a reply, it takes a step of repair: above zero for, below against.
    pub(crate) fn takes(&self, step: RepairStep) -> f32 {
        let place = STEPS.iter().position(|known| *known == step);
        place.map_or(f32::MIN, |place| self.steps[place])
    }

    /// The reading it resembles most, and by how much more than "not enough said".
    pub(crate) fn reading(&self) -> (ReadingKind, f32) {
        let of = |kind| {
            let place = READINGS.iter().position(|known| *known == kind);
            place.map_or(0.0, |place| self.readings[place])
        };
        let most = highest(READINGS.into_iter(), &self.readings);
        let most = most.unwrap_or(ReadingKind::NotEnoughSaid);
        (most, of(most) - of(ReadingKind::NotEnoughSaid))
    }
}

fn highest<T>(names: impl Iterator<Item = T>, scores: &[f32]) -> Option<T> {
    names
        .zip(scores)
        .max_by(|a, b| a.1.total_cmp(b.1))
        .map(|(name, _)| name)
}

/// A text to be encoded, in words as [`plain`] gives them.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    /// What it answers; of replies alone.
    pub(crate) before: Option<Vec<String>>,
    pub(crate) words: Vec<String>,
}

impl Encoder {
    /// Reads the model (ONNX) and its pieces of words, one a line. The error says what is wrong.
    pub(super) fn read(model: &'static [u8], pieces: &str) -> Result<Encoder, String> {
        let wrong = |what: &dyn std::fmt::Display| format!("encoder.onnx: {what}");
        let model = Model::load_static_slice(model).map_err(|error| wrong(&error))?;
        let node = |name: &str| model.node_id(name).map_err(|error| wrong(&error));
        let inputs = [
            node("input_ids")?,
            node("attention_mask")?,
            node("token_type_ids")?,
        ];
        let outputs = [node("scores")?, node("place")?];
        let pieces: HashMap<String, u32> = pieces.lines().map(String::from).zip(0..).collect();
        let pieces = WordPiece::from_vocab(pieces, WordPieceOptions::default());
        let special = |name: &str| {
            let id = pieces.get_token_id(name).map(i32::try_from);
            id.and_then(std::result::Result::ok)
                .ok_or(format!("encoder-words.txt: no {name}"))
        };
        special("[UNK]")?;
        Ok(Encoder {
            begin: special("[CLS]")?,
            end: special("[SEP]")?,
            model,
            pieces,
            inputs,
            outputs,
        })
    }

    /// Encodes texts, each for itself; nothing for one without words, or where computing fails.
    /// `done` is told the share that is done, 0 to 1.
    pub(crate) fn encode(&self, texts: &[Text], done: &mut dyn FnMut(f64)) -> Vec<Option<Encoded>> {
        let mut all = vec![None; texts.len()];
        let mut tokens: Vec<(usize, Vec<i32>, usize)> = texts
            .iter()
            .enumerate()
            .filter_map(|(index, text)| {
                let (ids, first) = self.tokens(text)?;
                Some((index, ids, first))
            })
            .collect();
        // Texts of like length together: less is computed for nothing.
        tokens.sort_by_key(|(_, ids, _)| ids.len());
        let all_tokens: usize = tokens.iter().map(|(_, ids, _)| ids.len()).sum();
        let mut tokens_done = 0;
        for batch in tokens.chunks(BATCH) {
            for ((index, ..), encoded) in batch.iter().zip(self.batch(batch).into_iter().flatten())
            {
                all[*index] = encoded;
            }
            tokens_done += batch.iter().map(|(_, ids, _)| ids.len()).sum::<usize>();
            done(tokens_done as f64 / all_tokens as f64);
        }
        all
    }

    /// The tokens of a text, and how many of them are of what it answers.
    fn tokens(&self, text: &Text) -> Option<(Vec<i32>, usize)> {
        if text.words.is_empty() {
            return None;
        }
        let mut tokens = vec![self.begin];
        if let Some(before) = &text.before {
            let last = before.len().saturating_sub(WORDS_BEFORE);
            self.add(&before[last..], &mut tokens)?;
        }
        let first = if text.before.is_some() {
            tokens.len()
        } else {
            usize::MAX
        };
        self.add(&text.words[..text.words.len().min(WORDS)], &mut tokens)?;
        Some((tokens, first))
    }

    /// Adds the pieces of words, up to [`LONGEST`] tokens in all, and the end.
    fn add(&self, words: &[String], tokens: &mut Vec<i32>) -> Option<()> {
        for piece in words.iter().flat_map(|word| split_keeping(word)) {
            let mut add = |_, id| tokens.push(i32::try_from(id).unwrap_or(0));
            self.pieces.encode_with_offsets(piece, &mut add).ok()?;
        }
        tokens.truncate(LONGEST);
        tokens.push(self.end);
        Some(())
    }

    fn batch(&self, batch: &[(usize, Vec<i32>, usize)]) -> Option<Vec<Option<Encoded>>> {
        let longest = batch.iter().map(|(_, ids, _)| ids.len()).max()?;
        let mut ids = NdTensor::<i32, 2>::zeros([batch.len(), longest]);
        let mut mask = ids.clone();
        let mut second = ids.clone();
        for (row, (_, tokens, first)) in batch.iter().enumerate() {
            for (column, token) in tokens.iter().enumerate() {
                ids[[row, column]] = *token;
                mask[[row, column]] = 1;
                second[[row, column]] = i32::from(column >= *first);
            }
        }
        let [a, b, c] = self.inputs;
        let inputs = vec![
            (a, ids.view().into()),
            (b, mask.view().into()),
            (c, second.view().into()),
        ];
        let mut given = self
            .model
            .run(inputs, &self.outputs, None)
            .ok()?
            .into_iter();
        let scores: NdTensor<f32, 2> = given.next()?.try_into().ok()?;
        let places: NdTensor<f32, 2> = given.next()?.try_into().ok()?;
        let row = |of: &NdTensor<f32, 2>, row: usize| -> Vec<f32> {
            (0..of.size(1)).map(|column| of[[row, column]]).collect()
        };
        Some(
            (0..batch.len())
                .map(|at| Encoded::new(&row(&scores, at), &row(&places, at)))
                .collect(),
        )
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

/// Splits a word at apostrophes, which are pieces of their own: `don`, `'`, `t`.
fn split_keeping(word: &str) -> impl Iterator<Item = &str> {
    word.split_inclusive('\'').flat_map(|part| {
        let bare = part.strip_suffix('\'');
        let mark = bare.map(|_| "'");
        std::iter::once(bare.unwrap_or(part))
            .filter(|bare| !bare.is_empty())
            .chain(mark)
    })
}

/// Words as the encoder reads them: lower case, no punctuation but question marks, no murmurs, no
/// repeats. Suspect words, and those the recogniser is unsure of, are left out.
pub(crate) fn plain(words: &[Word]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for word in words.iter().filter(|word| sure(word)) {
        let lower = word.text.to_lowercase().replace('’', "'");
        let apart = |c: char| !(c.is_alphanumeric() || c == '\'' || c == '?');
        for piece in lower.replace('?', " ? ").split(apart) {
            let piece = piece.trim_matches('\'');
            let again = all.last().is_some_and(|last| last == piece);
            if !piece.is_empty() && !again && !MURMURS.contains(&piece) {
                all.push(piece.into());
            }
        }
    }
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::rupture::language::Language;
    use crate::transcript::testing::say;

    const TRAINER: &str = include_str!("../../../tests/rupture/encoder-scores.json");

    fn encode(texts: &[Text]) -> Vec<Option<Encoded>> {
        let encoder = Language::of("en").unwrap().encoder().unwrap();
        let mut told = vec![0.0];
        let encoded = encoder.encode(texts, &mut |share| told.push(share));
        assert!(told.is_sorted() && told.iter().all(|share| *share <= 1.0));
        encoded
    }

    fn text(before: Option<&str>, words: &str) -> Text {
        Text {
            before: before.map(|before| plain(&say(0.0, before))),
            words: plain(&say(0.0, words)),
        }
    }

    #[test]
    fn the_scores_are_those_of_the_trainer() {
        let rows: Vec<serde_json::Value> = serde_json::from_str(TRAINER).unwrap();
        assert!(rows.len() > 24);
        let texts: Vec<Text> = rows
            .iter()
            .map(|row| text(row["before"].as_str(), row["text"].as_str().unwrap()))
            .collect();
        for (row, encoded) in rows.iter().zip(encode(&texts)) {
            let encoded = encoded.unwrap();
            let near = |ours: f32, name: &str| {
                (f64::from(ours) - row[name].as_f64().unwrap()).abs() < 0.02
            };
            assert!(near(encoded.strain, "strain"), "{row}: {}", encoded.strain);
            assert!(
                near(encoded.receives, "receives"),
                "{row}: {}",
                encoded.receives
            );
            assert_eq!(encoded.kind().id(), row["kind"], "{row}");
        }
    }

    #[test]
    fn a_text_scores_the_same_whatever_is_computed_beside_it() {
        let one = text(None, "I don't think any of this is helping me.");
        let long = text(None, &"we went to the sea and it rained ".repeat(8));
        let alone = encode(std::slice::from_ref(&one)).remove(0).unwrap();
        let beside = encode(&[long, one]).remove(1).unwrap();
        assert!((alone.strain - beside.strain).abs() < 1e-3);
    }

    #[test]
    fn a_suspect_word_weighs_nothing() {
        let mut words = say(0.0, "Um, this is is not working?");
        words[4].suspect = true;
        assert_eq!(plain(&words), ["this", "is", "working", "?"]);
    }

    #[test]
    fn what_is_no_text_or_a_very_long_one_is_no_failure() {
        assert_eq!(encode(&[text(None, "")]), [None]);
        let odd = "ö".repeat(5000) + " '' ?? \u{200b} " + &"word ".repeat(9000);
        assert!(encode(&[text(Some(&odd), &odd)])[0].is_some());
    }

    #[test]
    fn what_is_no_model_is_told() {
        assert!(Encoder::read(b"nothing", "").is_err());
    }
}
