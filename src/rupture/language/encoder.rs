//! Small sentence encoders, built into the program: what a sentence resembles, beyond its words.
//!
//! Each is all-MiniLM-L6-v2, trained further on our own written lines by `scripts/train-encoder`
//! (`docs/rupture-model.md`). A sentence's scores do not depend on what is computed beside it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use rayon::ThreadPoolBuilder;
use rten_text::models::{Model as _, WordPiece, WordPieceOptions};

use super::network::{Network, Tokens};
use super::normal::sure;
use crate::arithmetic::Arithmetic;
use crate::rupture::data::{Behaviour, MarkerKind, ReadingKind, RepairStep};
use crate::speech::{Word, threads};

/// Texts that are computed at once; more only takes memory.
const AT_ONCE: usize = 24;

/// Most tokens of a text, and of what it answers; what is longer is cut at the end.
const LONGEST: usize = 168;

/// Most words of a text that are read.
pub(crate) const WORDS: usize = 90;

/// Most words of what was said before that are read, the last ones.
pub(crate) const WORDS_BEFORE: usize = 40;

/// What carries no meaning, whatever stands around it.
const MURMURS: [&str; 10] = [
    "um", "uh", "er", "erm", "uhm", "mm", "hmm", "hm", "mhm", "ah",
];

/// The encoder of a language.
pub(crate) struct Encoder {
    network: Network,
    pieces: WordPiece,
    /// Begins a text.
    begin: u32,
    /// Ends a text, and the first of a pair.
    end: u32,
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
    /// Of a turn of the therapist: what it mainly does, in the order of [`BEHAVIOURS`].
    behaviours: Vec<f32>,
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

/// What a turn of the therapist mainly does, in the order of the encoder's scores.
const BEHAVIOURS: [Behaviour; 4] = [
    Behaviour::Reflection,
    Behaviour::Question,
    Behaviour::Input,
    Behaviour::Other,
];

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
        let (behaviours, steps) = rest.split_at_checked(BEHAVIOURS.len())?;
        let length = place.iter().map(|x| x * x).sum::<f32>().sqrt();
        (steps.len() == STEPS.len()).then(|| Encoded {
            strain: *strain,
            kinds: kinds.into(),
            receives: *receives,
            readings: readings.into(),
            behaviours: behaviours.into(),
            steps: steps.into(),
            place: place.iter().map(|x| x / length.max(1e-6)).collect(),
        })
    }

    /// The kind of marker it resembles most, where `more` speaks for some of them besides.
    pub(crate) fn kind(&self, more: impl Fn(MarkerKind) -> f32) -> MarkerKind {
        highest(&KINDS, &self.kinds, more).unwrap_or(MarkerKind::Avoidance)
    }

    /// Whether, of a reply, it takes a step of repair: above zero for, below against.
    pub(crate) fn takes(&self, step: RepairStep) -> f32 {
        let place = STEPS.iter().position(|known| *known == step);
        place.map_or(f32::MIN, |place| self.steps[place])
    }

    /// What a turn of the therapist mainly does, where `more` speaks for some of it besides.
    pub(crate) fn behaviour(&self, more: impl Fn(Behaviour) -> f32) -> Behaviour {
        highest(&BEHAVIOURS, &self.behaviours, more).unwrap_or(Behaviour::Other)
    }

    /// How much more than "not enough said" the client's words resemble a reading.
    pub(crate) fn reads(&self, reading: ReadingKind) -> f32 {
        let of = |kind| {
            let place = READINGS.iter().position(|known| *known == kind);
            place.map_or(0.0, |place| self.readings[place])
        };
        of(reading) - of(ReadingKind::NotEnoughSaid)
    }
}

/// The name of the highest score, with what `more` adds to each.
fn highest<T: Copy>(names: &[T], scores: &[f32], more: impl Fn(T) -> f32) -> Option<T> {
    let scores = names.iter().zip(scores);
    scores
        .map(|(name, score)| (*name, score + more(*name)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(name, _)| name)
}

/// A text to be encoded, in words as [`plain`] gives them.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    /// What the other said before it, where it is read with that.
    pub(crate) before: Option<Vec<String>>,
    pub(crate) words: Vec<String>,
}

impl Encoder {
    /// Reads the network and its pieces of words, one a line. The error says what is wrong.
    pub(super) fn read(network: &[u8], pieces: &str) -> Result<Encoder, String> {
        let network = Network::read(network).ok_or("encoder.bin: not whole")?;
        if network.longest() < LONGEST + 2 {
            return Err("encoder.bin: too few positions".into());
        }
        let pieces: HashMap<String, u32> = pieces.lines().map(String::from).zip(0..).collect();
        let pieces = WordPiece::from_vocab(pieces, WordPieceOptions::default());
        let special = |name: &str| {
            let id = pieces.get_token_id(name);
            id.ok_or(format!("encoder-words.txt: no {name}"))
        };
        special("[UNK]")?;
        Ok(Encoder {
            begin: special("[CLS]")?,
            end: special("[SEP]")?,
            network,
            pieces,
        })
    }

    /// Encodes texts, each for itself; nothing for one without words, or where computing fails.
    /// `done` is told the share that is done, 0 to 1.
    pub(crate) fn encode(&self, texts: &[Text], done: &mut dyn FnMut(f64)) -> Vec<Option<Encoded>> {
        let tokens: Vec<Option<Tokens>> = texts.iter().map(|text| self.tokens(text)).collect();
        let known: Vec<(usize, &Tokens)> = tokens
            .iter()
            .enumerate()
            .filter_map(|(at, tokens)| Some((at, tokens.as_ref()?)))
            .collect();
        let parts: Vec<&[(usize, &Tokens)]> = known.chunks(AT_ONCE).collect();
        let mut all = vec![None; texts.len()];
        let mut texts_done = 0;
        let some = |part: &&[(usize, &Tokens)]| self.some(part);
        each_by_one_thread(&parts, some, &mut |part, given| {
            for ((at, _), encoded) in part.iter().zip(given.into_iter().flatten()) {
                all[*at] = encoded;
            }
            texts_done += part.len();
            done(texts_done as f64 / known.len() as f64);
        });
        all
    }

    fn some(&self, texts: &[(usize, &Tokens)]) -> Option<Vec<Option<Encoded>>> {
        let tokens: Vec<&Tokens> = texts.iter().map(|(_, tokens)| *tokens).collect();
        let given = self.network.run(&tokens, &mut Arithmetic::default()).ok()?;
        let encoded = given
            .iter()
            .map(|(scores, place)| Encoded::new(scores, place));
        Some(encoded.collect())
    }

    /// The tokens of a text.
    fn tokens(&self, text: &Text) -> Option<Tokens> {
        if text.words.is_empty() {
            return None;
        }
        let mut ids = vec![self.begin];
        if let Some(before) = &text.before {
            let last = before.len().saturating_sub(WORDS_BEFORE);
            self.add(&before[last..], &mut ids)?;
        }
        let second = match text.before {
            Some(_) => ids.len(),
            None => usize::MAX,
        };
        self.add(&text.words[..text.words.len().min(WORDS)], &mut ids)?;
        Some(Tokens { ids, second })
    }

    /// Adds the pieces of words, up to [`LONGEST`] tokens in all, and the end.
    fn add(&self, words: &[String], tokens: &mut Vec<u32>) -> Option<()> {
        for piece in words.iter().flat_map(|word| split_keeping(word)) {
            let mut add = |_, id| tokens.push(id);
            self.pieces.encode_with_offsets(piece, &mut add).ok()?;
        }
        tokens.truncate(LONGEST);
        tokens.push(self.end);
        Some(())
    }
}

/// Does something with each of `all`, as many at once as there are [`threads`], each on one: where
/// more may be had, a product spreads over all of them, and its rows are packed once for each. `take` is given
/// what comes out, in any order.
fn each_by_one_thread<T: Sync, R: Send>(
    all: &[T],
    make: impl Fn(&T) -> R + Sync,
    take: &mut dyn FnMut(&T, R),
) {
    let next = AtomicUsize::new(0);
    let (made, coming) = mpsc::channel();
    let work = |made: mpsc::Sender<_>| {
        let pool = ThreadPoolBuilder::new().num_threads(1).build();
        let steps = || {
            while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                let _ = made.send((one, make(one)));
            }
        };
        match pool {
            Ok(pool) => pool.install(steps),
            Err(_) => steps(),
        }
    };
    let work = &work;
    std::thread::scope(|scope| {
        let begun = (0..threads().min(all.len())).filter(|_| {
            let made = made.clone();
            let thread = std::thread::Builder::new().name("encoder".into());
            thread.spawn_scoped(scope, move || work(made)).is_ok()
        });
        if begun.count() == 0 {
            work(made.clone());
        }
        drop(made);
        for (one, result) in coming {
            take(one, result);
        }
    });
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

    /// What the trainer got of each of the two encoders.
    const TRAINER: [&str; 2] = [
        include_str!("../../../tests/rupture/scores-of-strain.json"),
        include_str!("../../../tests/rupture/scores-of-replies.json"),
    ];

    /// The trainer computes in 32 bits, the program multiplies in eight: how far a score may be off,
    const NEAR: f64 = 0.2;

    /// one in fifty of them,
    const ODD: f64 = 0.3;

    /// and all, by the root of the mean square.
    const TOGETHER: f64 = 0.08;

    fn encoders() -> [&'static Encoder; 2] {
        let english = Language::of("en").unwrap();
        [english.strain(), english.answers()].map(|encoder| encoder.as_ref().unwrap())
    }

    fn encode(texts: &[Text]) -> Vec<Option<Encoded>> {
        encode_by(encoders()[0], texts)
    }

    fn encode_by(encoder: &Encoder, texts: &[Text]) -> Vec<Option<Encoded>> {
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
        for (encoder, told) in encoders().into_iter().zip(TRAINER) {
            scores_are(encoder, told);
        }
    }

    fn scores_are(encoder: &Encoder, told: &str) {
        let rows: Vec<serde_json::Value> = serde_json::from_str(told).unwrap();
        assert!(rows.len() > 24);
        let texts: Vec<Text> = rows
            .iter()
            .map(|row| text(row["before"].as_str(), row["text"].as_str().unwrap()))
            .collect();
        let mut all_off = Vec::new();
        for (row, encoded) in rows.iter().zip(encode_by(encoder, &texts)) {
            let encoded = encoded.unwrap();
            let steps = row["steps"].as_array().unwrap();
            let theirs = [&row["strain"], &row["receives"]].into_iter().chain(steps);
            let ours = [encoded.strain, encoded.receives].into_iter();
            for (theirs, ours) in theirs.zip(ours.chain(encoded.steps.iter().copied())) {
                let off = (f64::from(ours) - theirs.as_f64().unwrap()).abs();
                assert!(off < ODD, "{row}: {theirs} {ours}");
                all_off.push(off);
            }
            if row["clearly"].as_f64().unwrap() > 2.0 * NEAR {
                assert_eq!(encoded.kind(|_| 0.0).id(), row["kind"], "{row}");
            }
        }
        let odd = all_off.iter().filter(|off| **off >= NEAR).count();
        assert!(odd <= all_off.len() / 50, "{odd} of {}", all_off.len());
        let squares: f64 = all_off.iter().map(|off| off * off).sum();
        let together = (squares / all_off.len() as f64).sqrt();
        assert!(together < TOGETHER, "{together}");
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
