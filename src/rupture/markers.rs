//! Client markers: wording found by rules, and what speaks against it.
//!
//! The **target test** comes first: is it about this therapy, its therapist, or what the two do
//! here? Then negation and its scope, somebody else's words, the past, and what is only feared.
//! No rule rests on a suspect word or one the recogniser is unsure of: those match nothing.

use super::data::{Evidence, EvidenceBy, MarkerKind, Tier};
use super::language::normal::Sentence;
use super::language::pattern::{Found, Pattern};
use super::language::{Language, Rule, Target};
use super::said::{Said, any, before};
use crate::transcript::Role;

/// A marker before it is put into an episode.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    /// Index of the client's turn among those [`super::said::said`] gives.
    pub(crate) at: usize,
    /// Index of the first turn, of a run.
    pub(crate) since: Option<usize>,
    pub(crate) kind: MarkerKind,
    pub(crate) tier: Tier,
    /// Words of the turn that are quoted.
    pub(crate) words: std::ops::Range<usize>,
    pub(crate) evidence: Vec<Evidence>,
    pub(crate) against: Vec<String>,
}

/// Index of the last sentence of a turn that still answers what was said before it.
const EARLY: usize = 1;

/// How many turns a scene goes on after the therapist has set it.
const STAGED_WITHIN: usize = 5;

/// What speaks for the words being about this therapy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Here,
    Elsewhere,
    Unknown,
}

/// The markers that rules find in one turn of the client; at most one a kind.
pub(crate) fn markers(turns: &[Said<'_>], at: usize, language: &Language) -> Vec<Hit> {
    let mut best: Vec<Option<Hit>> = Vec::new();
    let turn = &turns[at];
    for (index, sentence) in turn.sentences.iter().enumerate() {
        let found = plainest(turns, at, index, sentence, language).or_else(|| {
            let after = after_but(sentence, language)?;
            plainest(turns, at, index, &after, language)
        });
        best.push(found);
    }
    let mut hits: Vec<Hit> = Vec::new();
    for hit in best.into_iter().flatten() {
        match hits.iter_mut().find(|other| other.kind == hit.kind) {
            Some(other) => {
                if hit.words.start <= other.words.end + 1 {
                    other.words.end = other.words.end.max(hit.words.end);
                } else if hit.tier < other.tier {
                    other.words = hit.words;
                    other.against = hit.against;
                }
                other.tier = other.tier.min(hit.tier);
                other.evidence.extend(hit.evidence);
            }
            None => hits.push(hit),
        }
    }
    hits.sort_by_key(|hit| (hit.tier, rank(hit.kind)));
    // One turn, one strain, unless a second is as plain.
    let first = hits.first().map(|hit| hit.tier);
    let mut kept = 0;
    hits.retain(|hit| {
        kept += 1;
        kept == 1 || kept == 2 && first == Some(Tier::Explicit) && hit.tier == Tier::Explicit
    });
    hits
}

/// What the rules find in a sentence: plain words before soft ones, then the more specific kind.
fn plainest(
    turns: &[Said<'_>],
    at: usize,
    index: usize,
    sentence: &Sentence,
    language: &Language,
) -> Option<Hit> {
    let rules = language.markers.rules.iter();
    rules
        .filter_map(|rule| hit(turns, at, index, sentence, rule, language))
        .min_by_key(|hit| (hit.tier, rank(hit.kind)))
}

/// What comes after the last ", but": "I'm not saying it's useless, but you never listen". What was denied or said of
/// others before it does not speak against that.
fn after_but(sentence: &Sentence, language: &Language) -> Option<Sentence> {
    let turns = language.markers.guard("turns_to").iter();
    let last = turns
        .flat_map(|guard| guard.finds(sentence))
        .filter(|found| sentence.after_comma(found.start))
        .map(|found| found.end)
        .max()?;
    sentence.part(last, &language.normal)
}

fn rank(kind: MarkerKind) -> usize {
    MarkerKind::ALL.iter().position(|k| *k == kind).unwrap_or(0)
}

fn hit(
    turns: &[Said<'_>],
    at: usize,
    index: usize,
    sentence: &Sentence,
    rule: &Rule,
    language: &Language,
) -> Option<Hit> {
    let turn = &turns[at];
    if turn.length > rule.at_most_words || rule.early && index > EARLY {
        return None;
    }
    let (found, pattern) = rule
        .when
        .iter()
        .find_map(|pattern| Some((pattern.find(sentence)?, pattern)))?;
    if any(&rule.unless, sentence) || disclaimed(sentence, language) {
        return None;
    }
    let asked = before(turns, at, Role::Therapist);
    if !follows(rule, asked, language) {
        return None;
    }
    let guards = &language.markers;
    if guards.guard("denied").iter().any(|guard| {
        guard
            .finds(sentence)
            .any(|denied| right_before(&denied, &found))
    }) {
        return None;
    }
    let reported = guards.guard("reported").iter().any(|guard| {
        guard.before(sentence, found.start.max(1))
            && guard.find(sentence).is_some_and(|f| f.start < found.start)
    });
    if (reported || sentence.quoted) && !turn.guards(language).taken_over {
        return None;
    }
    if any(guards.guard("over"), sentence) {
        return None;
    }
    if praise(sentence, language).any(|praise| praise.start < found.end && found.start < praise.end)
    {
        return None;
    }
    let mut against = Vec::new();
    let mut tier = rule.tier;
    let mut soften = |why: &str| {
        tier = Tier::Possible;
        against.push(why.to_owned());
    };
    if rule.target == Target::Here {
        match about(turns, at, index, sentence, &found, language) {
            About::Here => {}
            About::Elsewhere => return None,
            About::Unknown => soften("what \"this\" is about is not said"),
        }
    }
    if reported {
        soften("somebody else's words, taken over");
    }
    let before_it = |guard: &Pattern| guard.find(sentence).is_some_and(|f| f.start < found.start);
    if guards.guard("retold").iter().any(before_it) {
        soften("told as said at another time, or as what might be said");
    }
    // In the midst of a scene it may itself be faulted, or broken off.
    if !ends_a_scene(rule.kind) && in_a_scene(turns, at, language) {
        return None;
    }
    if sentence.hedged {
        soften("said softly");
    }
    if turned(pattern, &found, sentence, language) {
        soften("a word such as \"not\" or \"far from\" may turn it round");
    }
    if guards.guard("supposed").iter().any(before_it) && rule.kind != MarkerKind::Pressure {
        soften("only supposed, or feared");
    }
    if of_the_therapist(rule.kind) && turn.guards(language).warmth {
        soften("beside it, warm words for the therapist");
    }
    let mut softens = turn.guards(language).softens.iter().enumerate();
    if let Some((beside, _)) = softens.find(|(n, soft)| **soft && *n != index) {
        let words = turn.sentences[beside].words.clone();
        against.push(format!("beside it: {}", turn.quote(words)));
    }
    Some(Hit {
        at,
        since: None,
        kind: rule.kind,
        tier,
        words: sentence.words.clone(),
        evidence: vec![evidence(turn, sentence, &found)],
        against,
    })
}

/// Whether a match may say the opposite, for what stands right before it or what its gaps pass over: "the sheets are far
/// from useless".
fn turned(pattern: &Pattern, found: &Found, sentence: &Sentence, language: &Language) -> bool {
    let passed = pattern.passed(sentence, found.start);
    let mut guards = language.markers.guard("turned").iter();
    guards.any(|guard| {
        guard.finds(sentence).any(|turns| {
            right_before(&turns, found) || turns.clone().all(|token| passed.contains(&token))
        })
    })
}

/// Whether a sentence as a whole denies what it says, and leaves it at that: "it's not that this is a waste".
fn disclaimed(sentence: &Sentence, language: &Language) -> bool {
    let guards = &language.markers;
    any(guards.guard("disclaimed"), sentence) && !any(guards.guard("goes_on"), sentence)
}

/// Praise for what the therapist does not do: "you don't lecture me".
fn praise(sentence: &Sentence, language: &Language) -> impl Iterator<Item = Found> {
    let guards = language.markers.guard("praised").iter();
    guards.filter_map(|guard| guard.find(sentence))
}

/// Whether this faults the therapist or what they do.
fn of_the_therapist(kind: MarkerKind) -> bool {
    matches!(
        kind,
        MarkerKind::ComplaintTherapist
            | MarkerKind::ComplaintActivity
            | MarkerKind::ComplaintParameters
    )
}

/// Whether a scene is faulted or broken off by this.
fn ends_a_scene(kind: MarkerKind) -> bool {
    matches!(
        kind,
        MarkerKind::ComplaintActivity
            | MarkerKind::Rejecting
            | MarkerKind::Shutdown
            | MarkerKind::Avoidance
    )
}

/// Whether the therapist has set a scene in one of the turns shortly before.
fn in_a_scene(turns: &[Said<'_>], at: usize, language: &Language) -> bool {
    turns[at.saturating_sub(STAGED_WITHIN)..at]
        .iter()
        .any(|turn| turn.guards(language).stages)
}

fn evidence(turn: &Said<'_>, sentence: &Sentence, found: &Found) -> Evidence {
    Evidence {
        by: EvidenceBy::Wording,
        what: turn.quote(sentence.words_of(found)),
    }
}

/// Whether one ends where another begins, or one word before it.
fn right_before(one: &Found, other: &Found) -> bool {
    one.end <= other.start && other.start - one.end <= 1
}

/// What the rule asks of the therapist's turn before.
fn follows(rule: &Rule, asked: Option<&Said<'_>>, language: &Language) -> bool {
    if rule.after_therapist && asked.is_none() {
        return false;
    }
    if rule.after_statement
        && !asked.is_some_and(|asked| {
            asked.length > 3 && (asked.asked.is_empty() || asked.guards(language).suggests)
        })
    {
        return false;
    }
    if rule.after_inner {
        let Some(asked) = asked else { return false };
        let guards = asked.guards(language);
        return !guards.offers_change && (guards.inner || asked.asks_openly());
    }
    true
}

/// What "this" and "it" in a match are about: the sentence decides, then the sentences before it
/// in the turn from the last to the first, then what the therapist asked.
fn about(
    turns: &[Said<'_>],
    at: usize,
    index: usize,
    sentence: &Sentence,
    found: &Found,
    language: &Language,
) -> About {
    let turn = &turns[at];
    let said = turn.guards(language);
    if said.here[index] {
        return About::Here;
    }
    if language.markers.guard("elsewhere").iter().any(|guard| {
        guard
            .find(sentence)
            .is_some_and(|f| f.start < found.end + 6)
    }) {
        return About::Elsewhere;
    }
    let earlier = said.here[..index].iter().zip(&said.elsewhere[..index]);
    for (here, elsewhere) in earlier.rev() {
        match (here, elsewhere) {
            (true, _) => return About::Here,
            (_, true) => return About::Elsewhere,
            _ => {}
        }
    }
    let asked = before(turns, at, Role::Therapist).map(|asked| asked.guards(language));
    if asked.is_some_and(|asked| asked.about_us) || said.here[index + 1..].contains(&true) {
        return About::Here;
    }
    if asked.is_some_and(|asked| asked.elsewhere.contains(&true)) {
        return About::Elsewhere;
    }
    let own = before(turns, at, Role::Client).map(|own| own.guards(language));
    if own.is_some_and(|own| own.here.contains(&true)) {
        return About::Here;
    }
    if own.is_some_and(|own| own.elsewhere.contains(&true)) {
        return About::Elsewhere;
    }
    About::Unknown
}

/// Whether a guard speaks against the sentence as a whole: somebody else's words, denied, over.
fn guarded(sentence: &Sentence, language: &Language) -> bool {
    ["reported", "retold", "denied", "over"]
        .iter()
        .any(|guard| any(language.markers.guard(guard), sentence))
}

/// How near a sentence is to this therapy, as far as wording can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nearness {
    /// It speaks to the therapist or of the therapy, or answers a question about it.
    Near,
    /// It does, but of something else too, or in another's words.
    Guarded,
    /// It does not.
    Far,
    /// It praises the therapist for what they do not do, or denies what it says.
    Opposite,
}

/// How near a sentence is to this therapy.
pub(crate) fn nearness(
    turns: &[Said<'_>],
    at: usize,
    index: usize,
    language: &Language,
) -> Nearness {
    let sentence = &turns[at].sentences[index];
    let guards = &language.markers;
    if disclaimed(sentence, language) || praise(sentence, language).next().is_some() {
        return Nearness::Opposite;
    }
    if sentence.quoted || in_a_scene(turns, at, language) {
        return Nearness::Far;
    }
    let said = turns[at].guards(language);
    let near = said.here[index] || any(guards.guard("to_the_therapist"), sentence);
    let against = said.elsewhere[index] || guarded(sentence, language);
    if near && against {
        Nearness::Guarded
    } else if near
        || !against && about(turns, at, index, sentence, &(0..0), language) == About::Here
    {
        Nearness::Near
    } else {
        Nearness::Far
    }
}

/// Runs of very short answers to open invitations, well below the client's own length.
///
/// A run is at least two such answers in a row, each of at most [`SHORT`] words, each right after
/// a question. There must be a fall: the client's own earlier turns are at least [`USUAL`] words
/// and [`FALL`] times as long in the median. A client who is brief throughout is no run.
pub(crate) fn runs(turns: &[Said<'_>], language: &Language) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut earlier: Vec<usize> = Vec::new();
    let mut run: Vec<usize> = Vec::new();
    let end = |run: &mut Vec<usize>, earlier: &mut Vec<usize>, hits: &mut Vec<Hit>| {
        if let Some(hit) = closed(turns, run, earlier, language) {
            hits.push(hit);
        }
        earlier.extend(run.iter().map(|at| turns[*at].length));
        run.clear();
    };
    for (at, turn) in turns.iter().enumerate() {
        if turn.role != Role::Client {
            continue;
        }
        let invited =
            before(turns, at, Role::Therapist).is_some_and(|asked| invites(asked, language));
        let short = turn.length <= SHORT && !turn.has(&language.words.fullness);
        if short && invited {
            run.push(at);
        } else {
            end(&mut run, &mut earlier, &mut hits);
            earlier.push(turn.length);
        }
    }
    end(&mut run, &mut earlier, &mut hits);
    hits
}

/// Most words of a very short answer.
const SHORT: usize = 4;

/// How many times as long the client's own turns must have been.
const FALL: f64 = 4.0;

/// Fewest words of the client's own turns before, in the median.
const USUAL: usize = 8;

/// Whether a turn opens the floor: an open question, or something said back.
fn invites(asked: &Said<'_>, language: &Language) -> bool {
    asked.asks_openly()
        || !asked.asked.is_empty()
            && asked.has(&language.words.invites)
            && !asked.has(&language.words.permission)
}

fn closed(
    turns: &[Said<'_>],
    run: &[usize],
    earlier: &[usize],
    language: &Language,
) -> Option<Hit> {
    let (first, last) = (*run.first()?, *run.last()?);
    let openly = |at: &&usize| before(turns, **at, Role::Therapist).is_some_and(Said::asks_openly);
    if run.len() < 2
        || !run.iter().any(|at| openly(&at))
        || !run.iter().any(|at| turns[*at].has(&language.words.closes))
    {
        return None;
    }
    let closing = run
        .iter()
        .filter(|at| turns[**at].has(&language.words.closes))
        .count();
    let mut lengths = earlier.to_vec();
    lengths.sort_unstable();
    let mean = run.iter().map(|at| turns[*at].length).sum::<usize>() as f64 / run.len() as f64;
    let usual = lengths.get(lengths.len() / 2).copied();
    let told = match usual {
        Some(usual)
            if usual >= USUAL && usual as f64 >= FALL * mean && 2 * closing >= run.len() =>
        {
            format!(
                "{} answers of {mean:.1} words in the mean; this client's turns before: {usual} words in the median",
                run.len()
            )
        }
        _ => return None,
    };
    Some(Hit {
        at: last,
        since: Some(first),
        kind: MarkerKind::MinimalResponses,
        tier: Tier::Possible,
        words: 0..turns[last].turn.words.len(),
        evidence: vec![Evidence {
            by: EvidenceBy::Sequence,
            what: told,
        }],
        against: vec![
            "a short answer can be tiredness, culture, an interpreter, or a whole answer".into(),
        ],
    })
}
