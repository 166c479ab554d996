//! The recall layer: what resembles the written examples though no rule names it. It adds
//! findings of tier *possible* alone, and weighs what the rules found.

use std::collections::{HashMap, HashSet};

use super::data::{Evidence, EvidenceBy, ReadingKind, RepairStep, Stance, Tier};
use super::language::Language;
use super::language::encoder::{Encoded, Text, plain};
use super::language::normal::sure;
use super::markers::{Hit, Nearness, nearness};
use super::said::{Said, before};
use crate::transcript::Role;

/// A shorter sentence resembles too much.
const LEAST_WORDS: usize = 4;

/// A reply of fewer words says too little.
const LEAST_WORDS_OF_A_REPLY: usize = 3;

/// From this score on a sentence is a finding. Chosen on the tune and held splits and on ordinary
/// counselling (`docs/rupture-model.md`), as are [`GUARDED`], [`PLAIN`] and [`SURER`].
const STRAIN: f32 = -0.6;

/// From this score on a sentence is one that speaks of something else too, or in another's words.
const GUARDED: f32 = 3.0;

/// A plain marker of the rules below this score is not told as plain,
const PLAIN: f32 = 1.5;

/// or below this one in a sentence that speaks of something else too, where all scores are lower.
const PLAIN_BESIDE: f32 = 0.0;

/// How sure the encoder must be of a reply to be heard where the rules say nothing or both.
const SURE: f32 = 0.5;

/// How sure it must be to speak against the rules.
const SURER: f32 = 3.0;

/// From this score on a reply takes a step of repair: as likely as not.
const STEP: f32 = 0.0;

/// How much more than "not enough said" a reading must be resembled.
const CLEARLY: f32 = 1.0;

/// What the encoder says of a session's sentences.
#[derive(Debug, Default)]
pub(crate) struct Resemblance {
    /// By turn and sentence, of the client.
    sentences: HashMap<(usize, usize), (Nearness, Encoded)>,
    /// By turn of the therapist, read as a reply.
    replies: HashMap<usize, Encoded>,
}

impl Resemblance {
    /// Of the client's sentences that are long enough and surely heard, and that speak to the
    /// therapist or of the therapy or lie in a turn in which a rule found something.
    pub(crate) fn of(
        turns: &[Said<'_>],
        by_rules: &[Hit],
        language: &Language,
        done: &mut dyn FnMut(f64),
    ) -> Resemblance {
        let Some(encoder) = language.encoder() else {
            return Resemblance::default();
        };
        let found: HashSet<usize> = by_rules.iter().map(|hit| hit.at).collect();
        let mut places = Vec::new();
        let mut texts = Vec::new();
        for (at, turn) in turns.iter().enumerate() {
            if turn.role != Role::Client {
                continue;
            }
            for (index, sentence) in turn.sentences.iter().enumerate() {
                let near = nearness(turns, at, index, language);
                if near == Nearness::Far && !found.contains(&at) {
                    continue;
                }
                let said = &turn.turn.words[sentence.words.clone()];
                let words = plain(said);
                // Without a word that may be a "not" a sentence may mean the opposite.
                if words.len() >= LEAST_WORDS && said.iter().all(sure) {
                    places.push(((at, index), near));
                    texts.push(Text {
                        before: None,
                        words,
                    });
                }
            }
        }
        let encoded = encoder.encode(&texts, done);
        let sentences = places
            .into_iter()
            .zip(encoded)
            .filter_map(|((place, near), encoded)| Some((place, (near, encoded?))))
            .collect();
        Resemblance {
            sentences,
            replies: HashMap::new(),
        }
    }

    /// Reads these turns of the therapist as replies to what the client said before them.
    pub(crate) fn read_replies(
        &mut self,
        turns: &[Said<'_>],
        replies: &[usize],
        language: &Language,
        done: &mut dyn FnMut(f64),
    ) {
        let Some(encoder) = language.encoder() else {
            return;
        };
        let places: Vec<usize> = replies
            .iter()
            .copied()
            .filter(|at| turns[*at].length >= LEAST_WORDS_OF_A_REPLY)
            .collect();
        let text = |at: &usize| {
            let client = before(turns, *at, Role::Client);
            Text {
                before: Some(client.map_or_else(Vec::new, |client| plain(&client.turn.words))),
                words: plain(&turns[*at].turn.words),
            }
        };
        let texts: Vec<Text> = places.iter().map(text).collect();
        let encoded = encoder.encode(&texts, done);
        let heard = places.into_iter().zip(encoded);
        self.replies = heard
            .filter_map(|(at, encoded)| Some((at, encoded?)))
            .collect();
    }

    /// A marker in a turn of the client in which no rule found one.
    pub(crate) fn marker(&self, turns: &[Said<'_>], at: usize, language: &Language) -> Option<Hit> {
        let turn = &turns[at];
        let (sentence, encoded) = turn
            .sentences
            .iter()
            .enumerate()
            .filter_map(|(index, sentence)| {
                let (near, encoded) = self.sentences.get(&(at, index))?;
                let enough = match near {
                    Nearness::Near => STRAIN,
                    Nearness::Guarded => GUARDED,
                    Nearness::Far => return None,
                };
                (encoded.strain >= enough).then_some((sentence, encoded))
            })
            .max_by(|a, b| a.1.strain.total_cmp(&b.1.strain))?;
        Some(Hit {
            at,
            since: None,
            kind: encoded.kind(),
            tier: Tier::Possible,
            words: sentence.words.clone(),
            evidence: vec![Evidence {
                by: EvidenceBy::Resemblance,
                what: language
                    .examples
                    .nearest(encoded, encoded.kind())
                    .unwrap_or_default()
                    .into(),
            }],
            against: vec!["no rule names these words; they only resemble written examples".into()],
        })
    }

    /// Weighs a marker that a rule found: plain words that do not resemble the written examples
    /// of strain well are told as possible.
    pub(crate) fn weigh(&self, mut hit: Hit, turns: &[Said<'_>]) -> Hit {
        let turn = &turns[hit.at];
        let mut scores = turn
            .sentences
            .iter()
            .enumerate()
            .filter(|(_, s)| s.words.start >= hit.words.start && s.words.end <= hit.words.end)
            .filter_map(|(index, _)| self.sentences.get(&(hit.at, index)))
            .peekable();
        let known = scores.peek().is_some();
        let plain = scores.any(|(near, encoded)| {
            let enough = match near {
                Nearness::Near => PLAIN,
                Nearness::Guarded | Nearness::Far => PLAIN_BESIDE,
            };
            encoded.strain >= enough
        });
        if hit.tier == Tier::Explicit && known && !plain {
            hit.tier = Tier::Possible;
            hit.against
                .push("as a whole it resembles written examples of strain only a little".into());
        }
        hit
    }

    /// Whether a reply takes a step of repair, though no rule may name its words.
    pub(crate) fn takes(&self, at: usize, step: RepairStep) -> bool {
        self.replies
            .get(&at)
            .is_some_and(|encoded| encoded.takes(step) >= STEP)
    }

    /// The stance of a reply: of the rules where they and the encoder agree or it is unsure.
    ///
    /// After the client was received, a reason is no defence: there the encoder alone finds none.
    pub(crate) fn stance(&self, at: usize, by_rules: Stance, received: bool) -> Stance {
        let Some(receives) = self.replies.get(&at).map(|encoded| encoded.receives) else {
            return by_rules;
        };
        let by_encoder = if receives > 0.0 {
            Stance::Receives
        } else {
            Stance::Defends
        };
        let needed = match by_rules {
            Stance::Unclear if received && by_encoder == Stance::Defends => return by_rules,
            Stance::Unclear | Stance::Mixed => SURE,
            _ => SURER,
        };
        if receives.abs() >= needed {
            by_encoder
        } else {
            by_rules
        }
    }
}

/// The reading that a client's words resemble, where they resemble one clearly.
pub(crate) fn reading(turn: &Said<'_>, language: &Language) -> Option<ReadingKind> {
    let text = Text {
        before: None,
        words: plain(&turn.turn.words),
    };
    let encoded = language.encoder()?.encode(&[text], &mut |_| {}).pop()??;
    let (kind, clearly) = encoded.reading();
    (kind != ReadingKind::NotEnoughSaid && clearly >= CLEARLY).then_some(kind)
}
