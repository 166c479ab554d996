//! The rules of a language as they lie in its files, made ready to be searched with.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use super::pattern::{Classes, Pattern};
use super::patterns;
use crate::rupture::data::{Behaviour, MarkerKind, ReadingKind, ReplyKind, Tier};

/// What must be known for words to be about this therapy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// The words themselves name it.
    Named,
    /// It depends on what was spoken of.
    Here,
    /// None is needed.
    Own,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleSource {
    kind: MarkerKind,
    tier: Tier,
    target: Target,
    when: Vec<String>,
    #[serde(default)]
    soft: Vec<String>,
    #[serde(default)]
    unless: Vec<String>,
    #[serde(default)]
    after_statement: bool,
    #[serde(default)]
    after_therapist: bool,
    #[serde(default)]
    after_inner: bool,
    #[serde(default)]
    early: bool,
    at_most_words: Option<usize>,
}

/// The files of markers and guards.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MarkersSource {
    #[serde(default)]
    rule: Vec<RuleSource>,
    #[serde(default)]
    guard: HashMap<String, Vec<String>>,
}

/// Wording of one kind of marker.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) kind: MarkerKind,
    pub(crate) tier: Tier,
    pub(crate) target: Target,
    /// Any of these.
    pub(crate) when: Vec<Pattern>,
    /// None of these in the same sentence.
    pub(crate) unless: Vec<Pattern>,
    /// Only where the therapist has just stated or suggested something.
    pub(crate) after_statement: bool,
    /// Only where the therapist has spoken before.
    pub(crate) after_therapist: bool,
    /// Only where the therapist has just asked or spoken about what the client feels.
    pub(crate) after_inner: bool,
    /// Only in the first two sentences of a turn: an answer to what the therapist has just said.
    pub(crate) early: bool,
    /// Only in turns of at most this many words.
    pub(crate) at_most_words: usize,
}

/// Wording of the client's markers, and what speaks against them.
#[derive(Debug, Default)]
pub(crate) struct Markers {
    pub(crate) rules: Vec<Rule>,
    guards: HashMap<String, Vec<Pattern>>,
}

impl Markers {
    pub(super) fn add(&mut self, source: MarkersSource, classes: &Classes) -> Result<(), String> {
        for rule in source.rule {
            for (tier, wording) in [(rule.tier, &rule.when), (Tier::Possible, &rule.soft)] {
                self.rules.push(Rule {
                    kind: rule.kind,
                    tier,
                    target: rule.target,
                    when: patterns(wording, classes)?,
                    unless: patterns(&rule.unless, classes)?,
                    after_statement: rule.after_statement,
                    after_therapist: rule.after_therapist,
                    after_inner: rule.after_inner,
                    early: rule.early,
                    at_most_words: rule.at_most_words.unwrap_or(usize::MAX),
                });
            }
        }
        for (name, sources) in source.guard {
            self.guards.insert(name, patterns(&sources, classes)?);
        }
        Ok(())
    }

    /// The guard of this name; without a guard of that name nothing is guarded.
    pub(crate) fn guard(&self, name: &str) -> &[Pattern] {
        self.guards.get(name).map_or(&[], Vec::as_slice)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActSource {
    kind: ReplyKind,
    when: Vec<String>,
    #[serde(default)]
    unless: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RepliesSource {
    act: Vec<ActSource>,
    guard: HashMap<String, Vec<String>>,
}

/// Wording of one kind of reply.
#[derive(Debug)]
pub(crate) struct Act {
    pub(crate) kind: ReplyKind,
    pub(crate) when: Vec<Pattern>,
    pub(crate) unless: Vec<Pattern>,
}

/// Wording of the therapist's replies.
#[derive(Debug)]
pub(crate) struct Replies {
    pub(crate) acts: Vec<Act>,
    guards: HashMap<String, Vec<Pattern>>,
}

impl Replies {
    pub(super) fn read(source: RepliesSource, classes: &Classes) -> Result<Replies, String> {
        let acts = source.act.into_iter().map(|act| {
            Ok(Act {
                kind: act.kind,
                when: patterns(&act.when, classes)?,
                unless: patterns(&act.unless, classes)?,
            })
        });
        let guards = source.guard.into_iter();
        let guards = guards.map(|(name, sources)| Ok((name, patterns(&sources, classes)?)));
        Ok(Replies {
            acts: acts.collect::<Result<_, String>>()?,
            guards: guards.collect::<Result<_, String>>()?,
        })
    }

    /// The guard of this name.
    pub(crate) fn guard(&self, name: &str) -> &[Pattern] {
        self.guards.get(name).map_or(&[], Vec::as_slice)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadingSource {
    kind: ReadingKind,
    when: Vec<String>,
    #[serde(default)]
    unless: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BehaviourSource {
    kind: Behaviour,
    when: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WordsSource {
    murmurs: HashSet<String>,
    closes: Vec<String>,
    invites: Vec<String>,
    permission: Vec<String>,
    offers_change: Vec<String>,
    suggests: Vec<String>,
    inner: Vec<String>,
    fullness: Vec<String>,
    reading: Vec<ReadingSource>,
    behaviour: Vec<BehaviourSource>,
    wording: HashMap<MarkerKind, Vec<String>>,
}

/// Wording of a reading or a behaviour.
#[derive(Debug)]
pub(crate) struct Wording<K> {
    pub(crate) kind: K,
    pub(crate) when: Vec<Pattern>,
    pub(crate) unless: Vec<Pattern>,
}

/// Everything else.
#[derive(Debug)]
pub(crate) struct Words {
    /// Words of which a murmur is made: "mm", "right".
    pub(crate) murmurs: HashSet<String>,
    /// A short answer that closes: "I guess".
    pub(crate) closes: Vec<Pattern>,
    /// An invitation to speak: "what was that like".
    pub(crate) invites: Vec<Pattern>,
    /// A question that is answered by yes: "is that all right?".
    pub(crate) permission: Vec<Pattern>,
    /// The therapist offers another subject, or ends the hour.
    pub(crate) offers_change: Vec<Pattern>,
    /// The therapist suggests or supposes something, if need be as a question.
    pub(crate) suggests: Vec<Pattern>,
    /// The therapist speaks of what the client feels.
    pub(crate) inner: Vec<Pattern>,
    /// A short answer that is whole: a number, a day, a name.
    pub(crate) fullness: Vec<Pattern>,
    pub(crate) readings: Vec<Wording<ReadingKind>>,
    pub(crate) behaviours: Vec<Wording<Behaviour>>,
    /// Examples of answers that do not defend, by marker.
    pub(crate) wording: HashMap<MarkerKind, Vec<String>>,
}

impl Words {
    pub(super) fn read(source: WordsSource, classes: &Classes) -> Result<Words, String> {
        let readings = source.reading.into_iter().map(|reading| {
            Ok(Wording {
                kind: reading.kind,
                when: patterns(&reading.when, classes)?,
                unless: patterns(&reading.unless, classes)?,
            })
        });
        let behaviours = source.behaviour.into_iter().map(|behaviour| {
            Ok(Wording {
                kind: behaviour.kind,
                when: patterns(&behaviour.when, classes)?,
                unless: Vec::new(),
            })
        });
        Ok(Words {
            murmurs: source.murmurs,
            closes: patterns(&source.closes, classes)?,
            invites: patterns(&source.invites, classes)?,
            permission: patterns(&source.permission, classes)?,
            offers_change: patterns(&source.offers_change, classes)?,
            suggests: patterns(&source.suggests, classes)?,
            inner: patterns(&source.inner, classes)?,
            fullness: patterns(&source.fullness, classes)?,
            readings: readings.collect::<Result<_, String>>()?,
            behaviours: behaviours.collect::<Result<_, String>>()?,
            wording: source.wording,
        })
    }
}
