//! The therapist's replies, looked for only in an episode. Order matters: a reason after the
//! client was received is not defensive, and what "but" takes back was not given.

use super::data::{Reply, ReplyKind, Stance};
use super::language::Language;
use super::language::normal::Sentence;
use super::said::{Said, any};

/// What a turn does, before it is told.
#[derive(Debug)]
pub(crate) struct Acts {
    /// In the order spoken; each with the index of its sentence.
    pub(crate) kinds: Vec<(ReplyKind, usize)>,
    /// All of it together.
    pub(crate) stance: Stance,
}

/// What the therapist does in this turn, by wording. `received`: whether the client was received in an earlier turn of the
/// episode.
pub(crate) fn acts(turn: &Said<'_>, received: bool, language: &Language) -> Acts {
    let mut kinds: Vec<(ReplyKind, usize)> = Vec::new();
    for (index, sentence) in turn.sentences.iter().enumerate() {
        for (kind, _) in in_sentence(sentence, language) {
            if !kinds.iter().any(|(known, _)| *known == kind) {
                kinds.push((kind, index));
            }
        }
    }
    settle(&mut kinds, received);
    let all: Vec<ReplyKind> = kinds.iter().map(|(kind, _)| *kind).collect();
    let stance = stance(&all);
    Acts { kinds, stance }
}

/// Kinds found in a sentence, in the order of their words.
fn in_sentence(sentence: &Sentence, language: &Language) -> Vec<(ReplyKind, usize)> {
    let replies = &language.replies;
    let bare = replies.guard("bare_formula");
    let taken_back = bare
        .iter()
        .filter_map(|guard| guard.find(sentence))
        .map(|f| f.end)
        .max();
    let mut found: Vec<(ReplyKind, usize)> = Vec::new();
    for act in &replies.acts {
        if any(&act.unless, sentence) {
            continue;
        }
        let first = act
            .when
            .iter()
            .filter_map(|pattern| pattern.find(sentence))
            .map(|f| f.start)
            .min();
        let Some(first) = first else { continue };
        if act.kind.receives() && taken_back.is_some_and(|end| first < end) {
            continue;
        }
        match found.iter_mut().find(|(kind, _)| *kind == act.kind) {
            Some((_, at)) => *at = first.min(*at),
            None => found.push((act.kind, first)),
        }
    }
    found.sort_by_key(|(_, first)| *first);
    let has = |kind| found.iter().any(|(known, _)| *known == kind);
    // What is asked back about the strain explores; what goes elsewhere does not.
    let redirects = has(ReplyKind::Redirect);
    let others = found
        .iter()
        .any(|(kind, _)| !kind.receives() && *kind != ReplyKind::Redirect);
    let receives = found
        .iter()
        .any(|(kind, _)| kind.receives() && *kind != ReplyKind::Explore);
    // What owns or thanks in the same breath does not argue.
    let owns = has(ReplyKind::OwnPart) || has(ReplyKind::Thank);
    found.retain(|(kind, _)| match kind {
        ReplyKind::Rebut
        | ReplyKind::Blame
        | ReplyKind::Justify
        | ReplyKind::ExplainFirst
        | ReplyKind::InterpretBack
            if owns && taken_back.is_none() =>
        {
            false
        }
        ReplyKind::Explore => !redirects && !others && !receives,
        ReplyKind::Redirect => !others && !receives,
        _ => true,
    });
    found
}

/// What order makes of the kinds of a turn.
fn settle(kinds: &mut Vec<(ReplyKind, usize)>, mut received: bool) {
    let mut defended = false;
    kinds.retain(|(kind, _)| {
        let keep = match kind {
            ReplyKind::ExplainFirst => !received && !defended,
            ReplyKind::Lecture | ReplyKind::Justify => !received,
            ReplyKind::Redirect => !received && !defended,
            _ => true,
        };
        if keep {
            received |= kind.receives();
            defended |= !kind.receives();
        }
        keep
    });
}

/// The stance of a turn that does these things.
fn stance(kinds: &[ReplyKind]) -> Stance {
    let receives = kinds.iter().any(|kind| kind.receives());
    let defends = kinds.iter().any(|kind| !kind.receives());
    match (receives, defends) {
        (true, false) => Stance::Receives,
        (false, true) => Stance::Defends,
        (true, true) => Stance::Mixed,
        (false, false) => Stance::Unclear,
    }
}

/// A turn as it is told.
pub(crate) fn reply(turn: &Said<'_>, acts: &Acts) -> Reply {
    let kinds: Vec<ReplyKind> = acts.kinds.iter().map(|(kind, _)| *kind).collect();
    let words = match acts.kinds.first() {
        Some((_, index)) => turn.sentences[*index].words.clone(),
        None => turn.sentences.first().map_or(0..0, |s| s.words.clone()),
    };
    Reply {
        turn: turn.turn.id,
        stance: acts.stance,
        kinds,
        start: turn.turn.start,
        quote: turn.quote(words),
    }
}
