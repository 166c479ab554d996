//! The recall layer: what resembles the written examples though no rule names it. It adds
//! findings of tier *possible* alone, and weighs what the rules found.

use std::collections::{HashMap, HashSet};

use super::data::{Behaviour, Evidence, EvidenceBy, RepairStep, Stance, Tier};
use super::language::Language;
use super::language::encoder::{Encoded, Text, WORDS, WORDS_BEFORE, plain};
use super::language::normal::sure;
use super::markers::{Hit, Nearness, nearness};
use super::said::{Said, before};
use crate::transcript::Role;

/// Fewer words say too little, of a sentence or a passage of the client,
const LEAST_WORDS: usize = 2;

/// and of a reply.
const LEAST_WORDS_OF_A_REPLY: usize = 3;

/// How much it speaks for strain in a turn that the therapist's next turn resembles an answer to strain.
const ANSWERED: f32 = 1.5;

/// The least that it counts, also where there is no answer: strain may be passed over, and "tell me more" is said to everything.
const UNANSWERED: f32 = -2.0;

/// How many turns later that may be: a turn of two words is no answer.
const ANSWERED_WITHIN: usize = 2;

/// A passage that has less than this with its answer is not looked at sentence by sentence: none of its sentences could be a finding.
const GLANCE: f32 = -1.0;

/// From this score on, of a sentence, its passage and its answer together and for its length, a sentence that speaks to
/// the therapist or of the therapy is a finding. Chosen on the tune, held, fresh, late, subtle and plain splits and on
/// ordinary counselling (`docs/rupture-model.md`), as are the two above and those that follow down to [`SURER`].
const NEAR: f32 = 0.3;

/// From this score on one is that speaks of something else too, or in another's words,
const GUARDED: f32 = 1.0;

/// and from this one on one that names neither.
const FAR: f32 = 4.4;

/// What a word of a sentence takes off its score: long, halting talk resembles everything a little.
const A_WORD: f32 = 0.15;

/// More words take no more off.
const MOST_WORDS: usize = 30;

/// A plain marker of the rules of which sentence, passage and answer have less together for its length, a bland answer
/// counting nothing, is not told as plain,
const PLAIN: f32 = -5.0;

/// or less than this in a sentence that speaks of something else too, where all scores are lower.
const PLAIN_BESIDE: f32 = 6.0;

/// What a word of the sentence takes off there: plain words in a long story are more often about something else.
const A_PLAIN_WORD: f32 = 0.35;

/// and a possible one of which they have less than this is not told at all.
const LEAST: f32 = -8.0;

/// How much it speaks for a kind of marker that a rule found it, beside what the passage resembles.
const OF_A_RULE: f32 = 4.0;

/// How sure the encoder must be of a reply to be heard where the rules say nothing or both.
const SURE: f32 = 0.5;

/// How sure it must be to speak against the rules.
const SURER: f32 = 1.0;

/// From this score on a reply takes a step of repair: less likely than not. Chosen on the same splits.
const STEP: f32 = -1.0;

/// Below this score it takes none, though a rule names one: rules are right of six in ten of the replies on
/// which none was written.
const NO_STEP: f32 = -2.0;

/// How much it speaks for what a turn of the therapist does that the rules say so, and that it reflects (of
/// which our written turns have fewer), beside the encoder's scores. The two numbers were chosen on AnnoMI.
const RULED: f32 = 2.5;
const REFLECTS: f32 = 2.0;

/// A part of a turn of the client that is read at once, with what the therapist said before it: whole
/// sentences, each surely heard. Without a word that may be a "not" one may mean the opposite.
struct Passage {
    at: usize,
    sentences: Vec<usize>,
    words: Vec<String>,
}

/// What the other last said before a turn, as the encoder reads it: the end of it.
fn said_before(turns: &[Said<'_>], at: usize, role: Role) -> Vec<String> {
    let Some(said) = before(turns, at, role) else {
        return Vec::new();
    };
    // With murmurs and repeats, which are not read.
    let from = said.turn.words.len().saturating_sub(4 * WORDS_BEFORE);
    let mut words = plain(&said.turn.words[from..]);
    words.drain(..words.len().saturating_sub(WORDS_BEFORE));
    words
}

/// The passages of the client's turns.
fn passages(turns: &[Said<'_>]) -> Vec<Passage> {
    let mut found: Vec<Passage> = Vec::new();
    for (at, turn) in turns.iter().enumerate() {
        if turn.role != Role::Client {
            continue;
        }
        for (index, sentence) in turn.sentences.iter().enumerate() {
            let said = &turn.turn.words[sentence.words.clone()];
            if !said.iter().all(sure) {
                continue;
            }
            let words = plain(said);
            match found.last_mut() {
                Some(last) if last.at == at && last.words.len() + words.len() <= WORDS => {
                    last.words.extend(words);
                    last.sentences.push(index);
                }
                _ => found.push(Passage {
                    at,
                    sentences: vec![index],
                    words,
                }),
            }
        }
    }
    found.retain(|passage| passage.words.len() >= LEAST_WORDS);
    found
}

/// A sentence of the client, as the encoder sees it.
#[derive(Debug)]
struct Sentence {
    near: Nearness,
    alone: Encoded,
    /// The place of the passage it lies in.
    passage: usize,
}

/// The first words of a turn that are more than "Okay.".
fn telling(turn: &Said<'_>) -> Option<std::ops::Range<usize>> {
    let mut sentences = turn.sentences.iter();
    let long = sentences.find(|sentence| sentence.tokens.len() >= LEAST_WORDS_OF_A_REPLY);
    let first = long.or(turn.sentences.first())?;
    Some(first.words.clone())
}

/// Gives a marker that a rule found the kind that its whole passage resembles, unless the rule's is near to that.
fn weigh_kind(hit: &mut Hit, passage: &Encoded) {
    let by_rule = hit.kind;
    hit.kind = passage.kind(|kind| if kind == by_rule { OF_A_RULE } else { 0.0 });
    if hit.kind != by_rule {
        let alone = by_rule.label();
        hit.against
            .push(format!("the matched words by themselves read as: {alone}"));
    }
    if !hit.kind.may_be_explicit() {
        hit.tier = Tier::Possible;
    }
}

/// What the encoder says of a session's sentences.
#[derive(Debug, Default)]
pub(crate) struct Resemblance {
    /// By turn and sentence, of the client: how near it is, by itself, and the passage it lies in.
    sentences: HashMap<(usize, usize), Sentence>,
    passages: Vec<Encoded>,
    /// By turn of the therapist, with what it answers.
    replies: HashMap<usize, Encoded>,
}

impl Resemblance {
    /// Of the client's passages, of the sentences in those that may voice strain and in turns in which a
    /// rule found something, and of the therapist's turns. `done` is told the share that is done, 0 to 1.
    pub(crate) fn of(
        turns: &[Said<'_>],
        by_rules: &[Hit],
        language: &Language,
        done: &mut dyn FnMut(f64),
    ) -> Resemblance {
        let (Ok(encoder), Ok(of_replies)) = (language.strain(), language.answers()) else {
            return Resemblance::default();
        };
        let mut resemblance = Resemblance::default();
        let answers: Vec<usize> = (0..turns.len())
            .filter(|at| turns[*at].role == Role::Therapist)
            .filter(|at| turns[*at].length >= LEAST_WORDS_OF_A_REPLY)
            .collect();
        let texts: Vec<Text> = answers
            .iter()
            .map(|at| Text {
                before: Some(said_before(turns, *at, Role::Client)),
                words: plain(&turns[*at].turn.words),
            })
            .collect();
        let encoded = of_replies.encode(&texts, &mut |share| done(0.4 * share));
        let heard = answers.into_iter().zip(encoded);
        resemblance.replies = heard
            .filter_map(|(at, encoded)| Some((at, encoded?)))
            .collect();
        let passages = passages(turns);
        let texts: Vec<Text> = passages
            .iter()
            .map(|passage| Text {
                before: Some(said_before(turns, passage.at, Role::Therapist)),
                words: passage.words.clone(),
            })
            .collect();
        let encoded = encoder.encode(&texts, &mut |share| done(0.4 + 0.4 * share));
        let ruled: HashSet<usize> = by_rules.iter().map(|hit| hit.at).collect();
        let mut places = Vec::new();
        let mut texts = Vec::new();
        for (passage, encoded) in passages.iter().zip(encoded) {
            let Some(encoded) = encoded else { continue };
            let glance = encoded.strain + resemblance.answered(passage.at);
            if glance < GLANCE && !ruled.contains(&passage.at) {
                continue;
            }
            for index in &passage.sentences {
                let sentence = &turns[passage.at].sentences[*index];
                let words = plain(&turns[passage.at].turn.words[sentence.words.clone()]);
                if words.len() >= LEAST_WORDS {
                    places.push((passage.at, *index, resemblance.passages.len()));
                    texts.push(Text {
                        before: None,
                        words,
                    });
                }
            }
            resemblance.passages.push(encoded);
        }
        let encoded = encoder.encode(&texts, &mut |share| done(0.8 + 0.2 * share));
        for ((at, index, passage), encoded) in places.into_iter().zip(encoded) {
            let Some(alone) = encoded else { continue };
            let sentence = Sentence {
                near: nearness(turns, at, index, language),
                alone,
                passage,
            };
            resemblance.sentences.insert((at, index), sentence);
        }
        resemblance
    }

    /// A marker in a turn of the client in which no rule found one.
    pub(crate) fn marker(&self, turns: &[Said<'_>], at: usize, language: &Language) -> Option<Hit> {
        let answered = self.answered(at);
        let turn = &turns[at];
        let (_, sentence, heard) = turn
            .sentences
            .iter()
            .enumerate()
            .filter_map(|(index, sentence)| {
                let heard = self.sentences.get(&(at, index))?;
                let needed = match heard.near {
                    Nearness::Near => NEAR,
                    Nearness::Guarded => GUARDED,
                    Nearness::Far => FAR,
                    // "You don't talk over me" is too like "you talk over me" for an encoder.
                    Nearness::Opposite => return None,
                };
                let length = sentence.words.len().min(MOST_WORDS) as f32;
                let above = self.strain(heard, answered) - A_WORD * length - needed;
                (above >= 0.0).then_some((above, sentence, heard))
            })
            .max_by(|a, b| a.0.total_cmp(&b.0))?;
        let kind = self.passages[heard.passage].kind(|_| 0.0);
        let example = language.examples.nearest(&heard.alone, kind);
        let mut evidence = vec![Evidence {
            by: EvidenceBy::Resemblance,
            what: example.unwrap_or_default().into(),
        }];
        let answer = self.answer(at);
        if let Some((next, _)) = answer.filter(|(_, answer)| answer.strain > 0.0)
            && let Some(says) = telling(&turns[next])
        {
            evidence.push(Evidence {
                by: EvidenceBy::Answer,
                what: turns[next].quote(says),
            });
        }
        Some(Hit {
            at,
            since: None,
            kind,
            tier: Tier::Possible,
            words: sentence.words.clone(),
            evidence,
            against: vec!["no rule names these words; they only resemble written examples".into()],
        })
    }

    /// How much a sentence of a turn resembles strain, by itself, where it was said, and by how it was answered.
    fn strain(&self, heard: &Sentence, answered: f32) -> f32 {
        heard.alone.strain + self.passages[heard.passage].strain + answered
    }

    /// How much what the therapist says next speaks for strain in a turn.
    fn answered(&self, at: usize) -> f32 {
        self.answer(at).map_or(UNANSWERED, |(_, answer)| {
            (ANSWERED * answer.strain).max(UNANSWERED)
        })
    }

    /// The therapist's next turn.
    fn answer(&self, at: usize) -> Option<(usize, &Encoded)> {
        let mut next = at + 1..=at + ANSWERED_WITHIN;
        next.find_map(|next| Some((next, self.replies.get(&next)?)))
    }

    /// Weighs a marker that a rule found: plain words that do not resemble the written examples of strain well are told as
    /// possible, and possible ones that resemble them far less are not told. Its kind is weighed too.
    pub(crate) fn weigh(&self, mut hit: Hit, turns: &[Said<'_>]) -> Option<Hit> {
        let turn = &turns[hit.at];
        if !turn.turn.words[hit.words.clone()].iter().all(sure) {
            hit.tier = Tier::Possible;
            hit.against
                .push("not every word of it was surely heard".into());
        }
        let answered = self.answered(hit.at);
        let sentences = turn.sentences.iter().enumerate();
        let heard: Vec<&Sentence> = sentences
            .filter(|(_, s)| s.words.start >= hit.words.start && s.words.end <= hit.words.end)
            .filter_map(|(index, _)| self.sentences.get(&(hit.at, index)))
            .collect();
        let Some(first) = heard.first() else {
            return Some(hit);
        };
        let length = hit.words.len().min(MOST_WORDS);
        // A bland answer makes plain words no less plain.
        let plain = |heard: &&Sentence| {
            let needed = match heard.near {
                Nearness::Near => PLAIN + A_PLAIN_WORD * length as f32,
                Nearness::Guarded | Nearness::Far | Nearness::Opposite => PLAIN_BESIDE,
            };
            self.strain(heard, answered.max(0.0)) >= needed
        };
        weigh_kind(&mut hit, &self.passages[first.passage]);
        if hit.tier == Tier::Explicit && !heard.iter().any(plain) {
            hit.tier = Tier::Possible;
            hit.against
                .push("as a whole it resembles written examples of strain only a little".into());
        }
        let enough = |heard: &&Sentence| self.strain(heard, answered) >= LEAST;
        (hit.tier == Tier::Explicit || heard.iter().any(enough)).then_some(hit)
    }

    /// What a turn of the therapist mainly does: of the rules, unless it resembles something else far more.
    pub(crate) fn behaviour(&self, at: usize, by_rules: Behaviour) -> Behaviour {
        self.replies.get(&at).map_or(by_rules, |encoded| {
            encoded.behaviour(|behaviour| {
                let ruled = if behaviour == by_rules { RULED } else { 0.0 };
                let reflects = if behaviour == Behaviour::Reflection {
                    REFLECTS
                } else {
                    0.0
                };
                ruled + reflects
            })
        })
    }

    /// Whether a reply takes a step of repair, though no rule may name its words.
    pub(crate) fn takes(&self, at: usize, step: RepairStep) -> bool {
        self.step(at, step).is_some_and(|score| score >= STEP)
    }

    /// Whether it may take one that a rule names: where it does not surely take none.
    pub(crate) fn may_take(&self, at: usize, step: RepairStep) -> bool {
        self.step(at, step).is_none_or(|score| score >= NO_STEP)
    }

    fn step(&self, at: usize, step: RepairStep) -> Option<f32> {
        Some(self.replies.get(&at)?.takes(step))
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::rupture::said::said;
    use crate::rupture::testing::talk;
    use crate::transcript::Transcript;

    fn passages_of(transcript: &Transcript) -> Vec<(usize, Vec<usize>, usize)> {
        let language = Language::of("en").unwrap();
        let turns = said(transcript, language);
        passages(&turns)
            .into_iter()
            .map(|passage| (passage.at, passage.sentences, passage.words.len()))
            .collect()
    }

    #[test]
    fn a_passage_is_of_whole_sentences_of_one_turn_and_no_longer_than_is_read() {
        let long = "We went to the sea and it rained all day long. ".repeat(10);
        let text =
            format!("T: How was it?\nC: {long}\nT: And then?\nC: No.\nT: Mm?\nC: It rained.");
        assert_eq!(
            passages_of(&talk(&text)),
            [
                (1, (0..8).collect(), 88),
                (1, vec![8, 9], 22),
                (5, vec![0], 2)
            ]
        );
    }

    #[test]
    fn a_sentence_with_a_word_that_was_not_surely_heard_is_in_no_passage() {
        let mut transcript = talk("C: It rained. I did not like it. We left.");
        transcript.turns[0].words[4].probability = 0.2;
        assert_eq!(passages_of(&transcript), [(0, vec![0, 2], 4)]);
    }

    #[test]
    fn what_was_said_before_changes_what_a_short_answer_resembles() {
        let strain = |before: &str| {
            let transcript = talk(&format!("T: {before}\nC: No. That's private, that is."));
            let language = Language::of("en").unwrap();
            let turns = said(&transcript, language);
            let resemblance = Resemblance::of(&turns, &[], language, &mut |_| {});
            resemblance.passages.first().map_or(f32::MIN, |p| p.strain)
        };
        let asked = strain("Can we talk about why you stopped taking the tablets?");
        assert!(asked > strain("Is that the path down to the river, the one with the gate?"));
    }
}
