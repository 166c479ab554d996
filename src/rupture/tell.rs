//! Findings as plain lines for a terminal: quotes before counts, no percentage, no grade.

use super::data::{Episode, EvidenceBy, Marker, ReadingKind, Stance, Tier};
use super::judgement::{Judgement, Judgements, Verdict};
use super::language::normal::LONGEST;
use super::wrap::wrap;
use super::{Analysis, facts};
use crate::transcript::text::{clean, clock};

/// Narrowest that lines are made for, in columns; a narrower width is taken as this.
const LEAST_WIDTH: usize = 40;

/// What a session without plain findings reads.
pub const NOTHING: &str =
    "Nothing explicit found; trained observers find ruptures in most sessions.";

/// What the findings were looked for in.
const LISTENED_FOR: [&str; 4] = [
    "wording of complaint, rejecting, self-defence, pressure; of stopping, giving way, giving up",
    "a change of subject and general talk after a question about feelings; runs of short answers",
    "sentences to the therapist or of the therapy that resemble written examples of strain",
    "in what order the therapist received, explained or defended, in the turns after it",
];

/// What they were not.
const NOT_LISTENED_FOR: [&str; 4] = [
    "tone of voice, laughter, crying; face, gestures, posture",
    "the meaning of a silence, a short or a pleasant answer: it can be culture, an interpreter, \
     tiredness, autism, age",
    "words marked as suspect, and words the recogniser was unsure of",
    "what was not said: most withdrawal leaves no words",
];

/// The analysis in lines of at most `width` columns (at least 40), without control characters.
/// Findings come first, in the client's and therapist's words, then the facts.
#[must_use]
pub fn tell(analysis: &Analysis, judgements: &Judgements, width: usize) -> Vec<String> {
    let width = width.max(LEAST_WIDTH);
    let mut lines = Vec::new();
    let plain = |episode: &&Episode| {
        let more = episode.more_markers.iter();
        more.chain([&episode.marker])
            .any(|m| m.tier == Tier::Explicit)
    };
    if !analysis.language_known {
        lines.push("Wording is known in English only: nothing was looked for here.".into());
    } else if !analysis.episodes.iter().any(|episode| plain(&episode)) {
        lines.push(NOTHING.into());
    }
    if !analysis.episodes.is_empty() {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push("Passages where strain may have been voiced, for you to judge:".into());
    }
    let place = Place {
        untimed: analysis.facts.is_none(),
    };
    for episode in &analysis.episodes {
        lines.push(String::new());
        passage(episode, judgements, &place, &mut lines);
    }
    let added: Vec<_> = judgements.added().collect();
    if !added.is_empty() {
        lines.push(String::new());
        lines.push("Added by you:".into());
        for own in added {
            let (turn, kind) = (own.turn, own.kind.label());
            lines.push(format!("  turn {turn} {kind}: \"{}\"", begun(&own.quote)));
            note(own, &mut lines);
        }
    }
    lines.push(String::new());
    lines.push("Listened for:".into());
    lines.extend(LISTENED_FOR.iter().map(|what| format!("- {what}")));
    lines.push("Not listened for:".into());
    lines.extend(NOT_LISTENED_FOR.iter().map(|what| format!("- {what}")));
    let mut all: Vec<String> = lines.iter().flat_map(|line| wrap(line, width)).collect();
    if let Some(found) = &analysis.facts {
        all.push(String::new());
        all.extend(facts::tell(found, width));
    }
    all
}

/// How a moment is named: by the clock, or by the turn where nobody measured times.
struct Place {
    untimed: bool,
}

impl Place {
    fn of(&self, at: f64, turn: u32) -> String {
        if self.untimed {
            format!("turn {turn}")
        } else {
            clock(at)
        }
    }
}

fn passage(episode: &Episode, judgements: &Judgements, place: &Place, lines: &mut Vec<String>) {
    for marker in std::iter::once(&episode.marker).chain(&episode.more_markers) {
        finding(marker, judgements, place, lines);
    }
    for reply in &episode.replies {
        let did: Vec<&str> = reply.kinds.iter().map(|kind| kind.label()).collect();
        let did = match (did.is_empty(), reply.stance) {
            (false, _) => did.join(", "),
            (true, Stance::Receives) => "resembles receiving".into(),
            (true, Stance::Defends) => "resembles defending".into(),
            (true, _) => "nothing that says either".into(),
        };
        lines.push(format!(
            "   {} Therapist: \"{}\" ({did})",
            place.of(reply.start, reply.turn),
            clean(&reply.quote)
        ));
    }
    lines.push(format!("   Order: {}", episode.outcome.label()));
    for reading in &episode.readings {
        if reading.kind == ReadingKind::NotEnoughSaid {
            lines.push("   What it is about: not enough said".into());
            continue;
        }
        let said: Vec<String> = reading
            .lines
            .iter()
            .map(|line| format!("\"{}\"", clean(&line.quote)))
            .collect();
        lines.push(format!(
            "   It may be that {}: {}",
            reading.kind.label(),
            said.join(" ")
        ));
    }
    for step in &episode.repair {
        let heard = match &step.heard {
            Some(line) => format!(
                "heard at {}, \"{}\"",
                place.of(line.at, line.turn),
                clean(&line.quote)
            ),
            None => "not heard".into(),
        };
        lines.push(format!("   Repair, {}: {heard}", step.step.label()));
    }
    if !episode.wording.is_empty() {
        lines.push(format!("   An example of words: \"{}\"", episode.wording));
    }
}

fn finding(marker: &Marker, judgements: &Judgements, place: &Place, lines: &mut Vec<String>) {
    let tier = match marker.tier {
        Tier::Explicit => "explicit",
        Tier::Possible => "possible",
    };
    lines.push(format!(
        "{:>2} {} Client: \"{}\"",
        marker.finding,
        place.of(marker.start, marker.turn),
        clean(&marker.quote)
    ));
    lines.push(format!("   {} ({tier})", marker.kind.label()));
    for evidence in &marker.evidence {
        let what = clean(&evidence.what);
        lines.push(match evidence.by {
            EvidenceBy::Wording => format!("   What matched: \"{what}\""),
            EvidenceBy::Resemblance => format!("   Resembles the written example: \"{what}\""),
            EvidenceBy::Answer => format!("   Answered as strain often is: \"{what}\""),
            EvidenceBy::Sequence => format!("   Counted: {what}"),
        });
    }
    for against in &marker.counter_evidence {
        lines.push(format!("   Against it: {}", clean(against)));
    }
    if let Some(judged) = judgements.on(marker) {
        let verdict = match judged.verdict {
            Verdict::Agree => "you agreed".into(),
            Verdict::Disagree => "you disagreed".into(),
            Verdict::Recode => format!("you call it: {}", judged.kind.label()),
            Verdict::Add => "you added it too".to_owned(),
        };
        lines.push(format!("   Your judgement: {verdict}"));
        note(judged, lines);
    }
}

fn note(judged: &Judgement, lines: &mut Vec<String>) {
    if let Some(note) = &judged.note {
        lines.push(format!("   Your note: {}", clean(note)));
    }
}

/// The beginning of a turn, as long as a quote may be.
fn begun(quote: &str) -> String {
    let quote = clean(quote);
    match quote.match_indices(' ').nth(LONGEST - 1) {
        Some((end, _)) => format!("{} …", &quote[..end]),
        None => quote,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transcript::testing::{hostile_session, sample, say, session};

    fn told(transcript: &crate::transcript::Transcript, width: usize) -> Vec<String> {
        let created = "2026-11-02T15:12:00Z".parse().unwrap();
        let analysis = Analysis::of(transcript, None, created, "test");
        tell(&analysis, &Judgements::default(), width)
    }

    #[test]
    fn quotes_come_before_counts_and_nothing_is_scored() {
        let lines = told(&sample(), 80).join("\n");
        let quote = lines.find("I don't think this is working for me").unwrap();
        assert!(quote < lines.find("Share of talk").unwrap());
        for word in ["severity", "score", "detect", "diagnos", "rupture score"] {
            assert!(!lines.to_lowercase().contains(word), "{word}");
        }
        let findings = &lines[..lines.find("Session of").unwrap()];
        assert!(!findings.contains('%'));
        assert!(findings.contains("the meaning of a silence"));
    }

    #[test]
    fn a_session_without_plain_findings_says_what_observers_find() {
        let quiet = session(
            9.0,
            say(0.0, "How was it?"),
            say(2.0, "We went to the sea."),
        );
        assert_eq!(told(&quiet, 80)[0], NOTHING);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn every_line_fits_and_steers_nothing(transcript in hostile_session(), width in 40_usize..120) {
            for line in told(&transcript, width) {
                prop_assert!(line.chars().count() <= width, "{line}");
                prop_assert!(!line.chars().any(char::is_control));
            }
        }
    }
}
