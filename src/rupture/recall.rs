//! The recall layer: what resembles the written examples though no rule names it. It adds
//! findings of tier *possible* alone, and only where the words are about the two or the therapy.

use super::data::{Evidence, EvidenceBy, MarkerKind, Stance, Tier};
use super::language::Language;
use super::language::learned::features;
use super::markers::{Hit, close_by};
use super::said::Said;

/// A shorter sentence resembles too much.
const LEAST_WORDS: usize = 6;

/// How sure (in steps of the score) the model of replies must be to be heard where the rules say
/// nothing or both.
const SURE: f64 = 8.0;

/// How sure it must be to speak against the rules.
const SURER: f64 = 40.0;

/// A marker in a turn of the client in which no rule found one.
pub(crate) fn resembles(turns: &[Said<'_>], at: usize, language: &Language) -> Option<Hit> {
    let turn = &turns[at];
    let strain = language.learned.model("strain")?;
    let (sentence, features, _) = turn
        .sentences
        .iter()
        .enumerate()
        .filter(|(_, sentence)| sentence.tokens.len() >= LEAST_WORDS)
        .filter(|(index, _)| close_by(turns, at, *index, language))
        .map(|(_, sentence)| {
            let features = features(&turn.turn.words[sentence.words.clone()]);
            let score = strain.score(&features);
            (sentence, features, score)
        })
        .filter(|(.., score)| *score >= strain.threshold())
        .max_by(|a, b| a.2.total_cmp(&b.2))?;
    let kind = language
        .learned
        .of("kind ")
        .max_by(|a, b| a.1.score(&features).total_cmp(&b.1.score(&features)))
        .and_then(|(name, _)| MarkerKind::ALL.into_iter().find(|kind| kind.id() == name))?;
    Some(Hit {
        at,
        since: None,
        kind,
        tier: Tier::Possible,
        words: sentence.words.clone(),
        evidence: vec![Evidence {
            by: EvidenceBy::Resemblance,
            what: strain.most(&features, 4).join(", "),
        }],
        against: vec!["no rule names these words; they only resemble written examples".into()],
    })
}

/// The stance of a reply, where the model is sure enough to add to what the rules say.
///
/// After the client was received, a reason is no defence: there the model alone finds none.
pub(crate) fn stance(
    turn: &Said<'_>,
    by_rules: Stance,
    received: bool,
    language: &Language,
) -> Stance {
    let Some(model) = language.learned.model("stance") else {
        return by_rules;
    };
    if turn.length < 3 {
        return by_rules;
    }
    let score = model.score(&features(&turn.turn.words));
    let by_model = if score > 0.0 {
        Stance::Receives
    } else {
        Stance::Defends
    };
    let needed = match by_rules {
        Stance::Unclear if received && by_model == Stance::Defends => return by_rules,
        Stance::Unclear | Stance::Mixed => SURE,
        _ => SURER,
    };
    if score.abs() >= needed {
        by_model
    } else {
        by_rules
    }
}
