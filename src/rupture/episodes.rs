//! From markers to episodes: marker, the therapist's next turns, and what came of it, told as a
//! sequence; readings side by side; the steps of repair.

use std::collections::HashSet;

use std::ops::Range;

use super::data::{
    Episode, Line, Marker, MarkerKind, Outcome, Repair, RepairStep, Reply, ReplyKind, Stance, Tier,
};
use super::language::Language;
use super::markers::{Hit, runs};
use super::readings::readings;
use super::recall::Resemblance;
use super::replies::{Acts, acts, reply};
use super::said::Said;
use crate::transcript::Role;
use crate::transcript::spans::millis;

/// How many of the therapist's turns after the last marker belong to an episode.
pub const WINDOW: usize = 3;

/// The episodes of a session.
pub(crate) fn episodes(
    turns: &[Said<'_>],
    by_rules: Vec<Hit>,
    resemblance: &Resemblance,
    language: &Language,
) -> Vec<Episode> {
    let found: HashSet<usize> = by_rules.iter().map(|hit| hit.at).collect();
    let silent = (0..turns.len())
        .filter(|at| turns[*at].role == Role::Client)
        .filter(|at| !found.contains(at));
    let mut hits = runs(turns, language);
    hits.extend(silent.filter_map(|at| resemblance.marker(turns, at, language)));
    let weighed = by_rules.into_iter();
    hits.extend(weighed.filter_map(|hit| resemblance.weigh(hit, turns)));
    for hit in hits.iter_mut().filter(|hit| turns[hit.at].turn.unsure()) {
        hit.tier = Tier::Possible;
        hit.against
            .push("the sound leaves it open who said this".into());
    }
    hits.sort_by_key(|hit| (hit.at, hit.tier));
    // Two of one kind in a turn are one, with the evidence of both.
    hits.dedup_by(|later, first| {
        let same = (later.at, later.kind) == (first.at, first.kind);
        if same {
            first.evidence.append(&mut later.evidence);
            later.against.retain(|why| !first.against.contains(why));
            first.against.append(&mut later.against);
        }
        same
    });
    let mut number = 0;
    grouped(hits, turns)
        .iter()
        .map(|group| episode(group, turns, resemblance, language, &mut number))
        .collect()
}

/// Markers whose windows of replies touch.
fn grouped(hits: Vec<Hit>, turns: &[Said<'_>]) -> Vec<Vec<Hit>> {
    let mut groups: Vec<Vec<Hit>> = Vec::new();
    for hit in hits {
        let first = hit.since.unwrap_or(hit.at);
        match groups.last_mut() {
            Some(group) if first <= reached(group, turns) + 1 => group.push(hit),
            _ => groups.push(vec![hit]),
        }
    }
    groups
}

/// The last turn of a group of markers and the answers to them.
fn reached(group: &[Hit], turns: &[Said<'_>]) -> usize {
    let answered = window(group, turns).last().copied().unwrap_or(0);
    group.iter().map(|hit| hit.at).fold(answered, usize::max)
}

/// Indices of the therapist's turns after the first marker, up to [`WINDOW`] after the last one.
fn window(group: &[Hit], turns: &[Said<'_>]) -> Vec<usize> {
    let first = group.iter().map(|hit| hit.at).min().unwrap_or(0);
    let last = group.iter().map(|hit| hit.at).max().unwrap_or(0);
    let therapist = |at: &usize| turns[*at].role == Role::Therapist;
    let between = (first + 1..last).filter(therapist);
    let after = (last + 1..turns.len()).filter(therapist).take(WINDOW);
    between.chain(after).collect()
}

fn episode(
    group: &[Hit],
    turns: &[Said<'_>],
    resemblance: &Resemblance,
    language: &Language,
    number: &mut u32,
) -> Episode {
    let window = window(group, turns);
    let first = group
        .iter()
        .map(|hit| hit.since.unwrap_or(hit.at))
        .min()
        .unwrap_or(0);
    let reached = reached(group, turns);
    // The client's uptake belongs to it.
    let last = match turns.get(reached + 1) {
        Some(next) if next.role == Role::Client => reached + 1,
        _ => reached,
    };
    // Whether the client was received in an earlier turn.
    let mut received = false;
    let mut done: Vec<(usize, Acts)> = Vec::new();
    for at in window {
        let mut acts = acts(&turns[at], received, language);
        acts.stance = resemblance.stance(at, acts.stance, received);
        match acts.stance {
            Stance::Receives => acts.kinds.retain(|(kind, _)| kind.receives()),
            Stance::Defends => acts.kinds.retain(|(kind, _)| !kind.receives()),
            _ => {}
        }
        received |= acts.stance == Stance::Receives || acts.stance == Stance::Mixed;
        done.push((at, acts));
    }
    let replies: Vec<Reply> = done
        .iter()
        .map(|(at, acts)| reply(&turns[*at], acts))
        .collect();
    let mut told = group.iter().map(|hit| {
        *number += 1;
        marker(hit, turns, *number)
    });
    let marker = told.next().unwrap_or_else(|| nothing(turns, first));
    let more_markers: Vec<Marker> = told.collect();
    let wording = language.words.wording.get(&marker.kind);
    let (start, end) = (turns[first].turn.start, turns[last].turn.end);
    Episode {
        start: millis(start),
        end: millis(end.max(start)),
        first_turn: turns[first].turn.id,
        last_turn: turns[last].last_number(),
        wording: wording
            .and_then(|all| all.first())
            .cloned()
            .unwrap_or_default(),
        outcome: outcome(&replies),
        readings: readings(group, turns, first..=last, language),
        repair: repair(&done, turns, resemblance),
        marker,
        more_markers,
        replies,
    }
}

fn marker(hit: &Hit, turns: &[Said<'_>], finding: u32) -> Marker {
    let turn = &turns[hit.at];
    let (start, end) = turn.times(hit.words.clone());
    Marker {
        finding,
        kind: hit.kind,
        tier: hit.tier,
        turn: turn.number(hit.words.start),
        since: hit.since.map(|at| turns[at].turn.id),
        start: millis(start),
        end: millis(end),
        quote: turn.quote(hit.words.clone()),
        evidence: hit.evidence.clone(),
        counter_evidence: hit.against.clone(),
        confidence: turn.confidence(hit.words.clone()),
    }
}

/// Never used: a group has a marker. It stands here so that nothing can panic.
fn nothing(turns: &[Said<'_>], at: usize) -> Marker {
    let hit = Hit {
        at,
        since: None,
        kind: MarkerKind::Avoidance,
        tier: Tier::Possible,
        words: 0..0,
        evidence: Vec::new(),
        against: Vec::new(),
    };
    marker(&hit, turns, 0)
}

/// What order the replies came in. Turns that do nothing do not count.
fn outcome(replies: &[Reply]) -> Outcome {
    let only_redirects = |reply: &Reply| reply.kinds == [ReplyKind::Redirect];
    let answers: Vec<&Reply> = replies
        .iter()
        .filter(|r| r.stance != Stance::Unclear)
        .collect();
    let Some((first, later)) = answers.split_first() else {
        return Outcome::Unclear;
    };
    if answers.iter().all(|reply| only_redirects(reply)) {
        return Outcome::NotTakenUp;
    }
    let receives = |reply: &&&Reply| matches!(reply.stance, Stance::Receives | Stance::Mixed);
    let defends = |reply: &&&Reply| matches!(reply.stance, Stance::Defends | Stance::Mixed);
    match first.stance {
        Stance::Receives if later.iter().any(|reply| defends(&reply)) => Outcome::Mixed,
        Stance::Receives => Outcome::ReceivedFirst,
        Stance::Mixed => Outcome::Mixed,
        _ if only_redirects(first) && later.iter().any(|reply| receives(&reply)) => Outcome::Mixed,
        _ => Outcome::ExplainedFirst,
    }
}

/// The steps of repair, each where it was heard first: by its words, or else by what a whole reply
/// resembles.
fn repair(done: &[(usize, Acts)], turns: &[Said<'_>], resemblance: &Resemblance) -> Vec<Repair> {
    let line = |at: usize, words: Range<usize>| {
        let turn = &turns[at];
        Line {
            turn: turn.turn.id,
            at: millis(turn.times(words.clone()).0),
            quote: turn.quote(words),
        }
    };
    let step_of = |kind| match kind {
        ReplyKind::Validate | ReplyKind::Thank => Some(RepairStep::ValidateCourage),
        ReplyKind::Renegotiate => Some(RepairStep::Renegotiate),
        ReplyKind::HereAndNow => Some(RepairStep::TalkAboutProcess),
        _ => None,
    };
    let defends = |acts: &Acts| matches!(acts.stance, Stance::Defends | Stance::Mixed);
    let named = |step: RepairStep| {
        let first = step == RepairStep::ValidateCourage;
        for (at, acts) in done {
            for (kind, index) in &acts.kinds {
                if first && !kind.receives() {
                    return None;
                }
                if step_of(*kind) == Some(step) && resemblance.may_take(*at, step) {
                    return Some(line(*at, turns[*at].sentences[*index].words.clone()));
                }
            }
            if first && defends(acts) {
                return None;
            }
        }
        None
    };
    let resembles = |step: RepairStep| {
        let (at, _) = done
            .iter()
            .take_while(|(_, acts)| step != RepairStep::ValidateCourage || !defends(acts))
            .find(|(at, _)| resemblance.takes(*at, step))?;
        let sentences = &turns[*at].sentences;
        let words = sentences.first()?.words.start..sentences.last()?.words.end;
        Some(line(*at, words))
    };
    [
        RepairStep::ValidateCourage,
        RepairStep::Renegotiate,
        RepairStep::TalkAboutProcess,
    ]
    .map(|step| Repair {
        step,
        heard: named(step).or_else(|| resembles(step)),
    })
    .to_vec()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rupture::data::EvidenceBy;
    use crate::rupture::testing::talk;
    use crate::transcript::Transcript;
    use crate::transcript::testing::hostile_session;

    fn episodes(transcript: &Transcript) -> Vec<Episode> {
        crate::rupture::looked_for(transcript, &mut |_| {}).0
    }

    fn of(text: &str) -> Vec<Episode> {
        episodes(&talk(text))
    }

    fn found(text: &str) -> Option<(MarkerKind, Tier)> {
        let first = of(text).into_iter().next()?.marker;
        Some((first.kind, first.tier))
    }

    #[test]
    fn what_the_therapist_does_not_do_is_praise() {
        for text in [
            "You don't rush me.",
            "You never once lectured me.",
            "You've never judged me.",
        ] {
            assert_eq!(
                found(&format!("T: What helps?\nC: {text}\nT: I see.")),
                None,
                "{text}"
            );
        }
        for text in ["You always rush me.", "You never listen to me."] {
            let found = found(&format!("C: {text}"));
            assert_eq!(
                found,
                Some((MarkerKind::ComplaintTherapist, Tier::Explicit)),
                "{text}"
            );
        }
    }

    #[test]
    fn nothing_is_explicit_where_it_is_unsure_who_speaks() {
        let mut transcript = talk("C: You never listen to me.");
        let tier = |transcript: &Transcript| episodes(transcript)[0].marker.tier;
        assert_eq!(tier(&transcript), Tier::Explicit);
        transcript.turns[0].attribution = Some(0.2);
        assert_eq!(tier(&transcript), Tier::Possible);
        let against = &episodes(&transcript)[0].marker.counter_evidence;
        assert!(against.iter().any(|why| why.contains("who said this")));
    }

    #[test]
    fn each_kind_of_marker_is_found_in_plain_words() {
        use MarkerKind as K;
        for (text, kind) in [
            (
                "C: I don't think these sessions are helping me.",
                K::ComplaintProgress,
            ),
            ("C: You never listen to me.", K::ComplaintTherapist),
            (
                "C: I don't see the point of these worksheets.",
                K::ComplaintActivity,
            ),
            (
                "C: You were half an hour late again.",
                K::ComplaintParameters,
            ),
            (
                "T: Maybe the anger protects you.\nC: No. That's not it.",
                K::Rejecting,
            ),
            (
                "T: You said you would call.\nC: Are you saying it's my fault?",
                K::SelfDefence,
            ),
            ("C: Just tell me what to do.", K::Pressure),
            (
                "T: How did he die?\nC: I don't want to talk about that.",
                K::Shutdown,
            ),
            (
                "T: What did you feel?\nC: By the way, did you see the game?",
                K::TopicShift,
            ),
            (
                "T: We could do the ladder.\nC: Whatever you think is best.",
                K::Deference,
            ),
            ("T: A small step?\nC: I'm beyond help.", K::Hopelessness),
            (
                "T: What did you feel?\nC: You know how families are.",
                K::Avoidance,
            ),
        ] {
            assert_eq!(found(text).map(|(kind, _)| kind), Some(kind), "{text}");
        }
    }

    #[test]
    fn what_is_not_about_this_therapy_is_no_marker() {
        for text in [
            "C: My wife never listens to me.",
            "C: The new tablets aren't working.",
            "C: My boss said, you never listen to me.",
            "C: My last therapist never listened to me.",
            "C: I'm not saying you don't listen.",
            "C: At first I thought these sessions were pointless but now I like them.",
            "T: Is it okay if we go over the form?\nC: Sure.",
            "C: I told my son I don't want to talk about it with him.",
            "C: We'll never win, it's hopeless, that team.",
            "C: I don't mean it's a waste coming here, not at all.",
            "C: You made me feel welcome.",
            "C: You never make me feel stupid.",
            "C: It's not that I don't get anything out of this.",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn a_softened_complaint_is_possible_and_says_why() {
        let text = "C: Maybe these sessions aren't helping me.";
        let marker = of(text).remove(0).marker;
        assert_eq!(marker.tier, Tier::Possible);
        assert!(!marker.counter_evidence.is_empty());
        for (text, tier) in [
            ("C: These sessions aren't helping me.", Tier::Explicit),
            ("C: You never listen to me.", Tier::Explicit),
            ("C: Maybe you never listen to me.", Tier::Possible),
            ("C: You should have asked me first.", Tier::Possible),
            (
                "C: It's not that this isn't helping, but you never listen to me.",
                Tier::Possible,
            ),
            ("C: You never make me feel heard.", Tier::Explicit),
        ] {
            assert_eq!(found(text).unwrap().1, tier, "{text}");
        }
    }

    #[test]
    fn plain_words_to_somebody_who_is_not_there_are_not_plain() {
        for (text, plain) in [
            ("T: How are you today?\nC: You never listen to me.", true),
            (
                "T: Put your father in that chair. What do you want to say to him?\nC: You never listen to me.",
                false,
            ),
            (
                "T: I'll be your boss. Try it on me.\nC: You never listen to me.",
                false,
            ),
            (
                "T: Tell him.\nC: Dad. Come here.\nT: Go on.\nC: You never listen to me.",
                false,
            ),
            ("T: And then?\nC: So I go, you never listen to me.", false),
            (
                "T: Go on.\nC: I read it out to her. \"Dear Ann. You never listen to me. Yours, Bob.\"",
                false,
            ),
            (
                "T: Put your father in that chair.\nC: I don't see the point of these exercises.",
                true,
            ),
        ] {
            let explicit = found(text).is_some_and(|(_, tier)| tier == Tier::Explicit);
            assert_eq!(explicit, plain, "{text}");
        }
    }

    #[test]
    fn plain_words_are_told_however_bland_the_answer() {
        for said in [
            "This isn't helping.",
            "Therapy isn't working for me.",
            "These sessions aren't helping me.",
            "You never listen to me.",
            "I'm not sure coming here is doing any good.",
        ] {
            for answer in [
                "Okay. Let's go on with the worksheet.",
                "I'm sorry. Tell me more about that.",
                "Mm. And how was your week?",
            ] {
                let text = format!("T: How are you today?\nC: {said}\nT: {answer}");
                assert!(found(&text).is_some(), "{text}");
            }
        }
    }

    #[test]
    fn the_answer_speaks_for_strain_and_is_told_as_evidence() {
        let told = |answer: &str| {
            let text = format!("T: How are you today?\nC: I did it the way you said.\nT: {answer}");
            let marker = of(&text).into_iter().next().map(|episode| episode.marker);
            marker.map(|marker| marker.evidence)
        };
        assert_eq!(told("Mm. And how was your week?"), None);
        let answered =
            "I got that wrong, and I pushed it on you. I'm sorry. What should we do differently?";
        let evidence = told(answered).unwrap();
        let answer = evidence
            .iter()
            .find(|e| e.by == EvidenceBy::Answer)
            .unwrap();
        assert_eq!(answer.what, "I got that wrong, and I pushed it on you.");
    }

    #[test]
    fn nothing_rests_on_a_suspect_word_or_one_the_recogniser_is_unsure_of() {
        let mut transcript = talk("C: You never listen to me.");
        assert_eq!(episodes(&transcript).len(), 1);
        transcript.turns[0].words[1].probability = 0.2;
        assert!(episodes(&transcript).is_empty());
        transcript.turns[0].words[1].probability = 0.9;
        transcript.turns[0].words[2].suspect = true;
        assert!(episodes(&transcript).is_empty());
    }

    #[test]
    fn a_word_that_may_have_been_a_not_makes_nothing_plain() {
        for (text, unsure) in [
            ("C: You don't rush me.", 1),
            ("C: I'm not saying you never listen to me.", 1),
        ] {
            let mut transcript = talk(text);
            transcript.turns[0].words[unsure].probability = 0.2;
            let told = episodes(&transcript);
            let explicit = |episode: &Episode| episode.marker.tier == Tier::Explicit;
            assert!(!told.iter().any(explicit), "{text}");
        }
    }

    #[test]
    fn of_two_alike_in_a_turn_the_plainer_one_is_quoted() {
        let text = "C: Maybe these sessions aren't helping me. I went home. I slept. These sessions aren't helping me.";
        let marker = of(text).remove(0).marker;
        assert_eq!(marker.tier, Tier::Explicit);
        assert_eq!(marker.quote, "These sessions aren't helping me.");
        assert!(marker.counter_evidence.is_empty());
    }

    #[test]
    fn what_nobody_punctuated_is_quoted_where_it_was_said() {
        let before = "and then we went to the shop and came back ".repeat(8);
        let text = format!("C: {before} these sessions aren't helping me");
        let marker = of(&text).remove(0).marker;
        assert!(
            marker.quote.contains("aren't helping me"),
            "{}",
            marker.quote
        );
    }

    #[test]
    fn what_is_said_in_one_turn_is_one_episode() {
        let text = "T: How was it?\nC: You never listen to me. You were half an hour late again.";
        let told = of(text);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].more_markers.len(), 1);
    }

    #[test]
    fn an_answer_whose_kind_no_rule_names_is_an_answer() {
        let answer = |stance| Reply {
            turn: 2,
            stance,
            kinds: Vec::new(),
            start: 0.0,
            quote: String::new(),
        };
        assert_eq!(outcome(&[answer(Stance::Receives)]), Outcome::ReceivedFirst);
        assert_eq!(outcome(&[answer(Stance::Defends)]), Outcome::ExplainedFirst);
    }

    #[test]
    fn short_answers_count_only_where_they_fall_from_the_clients_own_length() {
        let long = "C: Well we drove up to my sister and the whole way we talked about the house and who \
            would have it and it went better than I had feared it would.\n";
        let short =
            "T: What was it like to see her?\nC: Fine.\nT: What went on in you?\nC: Don't know.\n";
        let with = format!("T: How was the week?\n{long}{short}");
        let marker = of(&with).remove(0).marker;
        assert_eq!(marker.kind, MarkerKind::MinimalResponses);
        assert_eq!((marker.since, marker.turn), (Some(4), 6));
        let terse = "T: How was it?\nC: Cold.\nT: What did you do?\nC: Swam.\nT: And then, how was that?\nC: Good.\n";
        assert!(of(terse).is_empty());
        // Nothing is known yet of how this client speaks.
        assert!(of(short).is_empty());
    }

    #[test]
    fn order_tells_how_it_was_answered() {
        let of = |replies: &str| {
            let text = format!("C: These sessions aren't helping me.\n{replies}");
            of(&text).remove(0)
        };
        let first = of(
            "T: Thank you for telling me, that takes courage.\nC: Okay.\nT: The sheets are there to help you because change takes time.\n",
        );
        assert_eq!(first.outcome, Outcome::ReceivedFirst);
        assert_eq!(first.replies[0].stance, Stance::Receives);
        let courage = first.repair[0].heard.as_ref().unwrap();
        assert!(courage.quote.starts_with("Thank you"));
        assert!(first.repair[2].heard.is_none());

        let late = of(
            "T: Change takes time, you have to be patient.\nC: Right.\nT: I'm sorry, I didn't listen just now.\n",
        );
        assert_eq!(late.outcome, Outcome::ExplainedFirst);
        assert!(late.repair[0].heard.is_none());

        let passed = of("T: Let's get back to the homework.\n");
        assert_eq!(passed.outcome, Outcome::NotTakenUp);
        assert_eq!(of("").outcome, Outcome::Unclear);
    }

    #[test]
    fn a_language_that_is_not_known_is_not_guessed_at() {
        let mut transcript = talk("C: You never listen to me.");
        transcript.language = "de".into();
        assert!(episodes(&transcript).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn whatever_is_said_findings_are_whole(transcript in hostile_session(), lines in prop::collection::vec(
            prop::sample::select(vec!["C: You never listen.", "T: What was that like?", "C: Fine.", "C: Whatever.",
                "T: I'm sorry.", "T: But last week you said it helped.", "C: This isn't helping.", "T: Mm."]), 1..14)) {
            for transcript in [transcript, talk(&lines.join("\n"))] {
                let mut number = 0;
                for episode in episodes(&transcript) {
                    prop_assert!(episode.first_turn <= episode.last_turn && episode.start <= episode.end);
                    prop_assert!(!episode.readings.is_empty() && episode.repair.len() == 3);
                    for marker in std::iter::once(&episode.marker).chain(&episode.more_markers) {
                        number += 1;
                        prop_assert_eq!(marker.finding, number);
                        let turn = transcript.turns.iter().find(|t| t.id == marker.turn).unwrap();
                        prop_assert_eq!(turn.speaker.as_str(), "client");
                        prop_assert!(!marker.evidence.is_empty());
                        prop_assert!((0.0..=1.0).contains(&marker.confidence));
                    }
                    for reply in &episode.replies {
                        let turn = transcript.turns.iter().find(|t| t.id == reply.turn).unwrap();
                        prop_assert_eq!(turn.speaker.as_str(), "therapist");
                    }
                }
            }
        }
    }
}
