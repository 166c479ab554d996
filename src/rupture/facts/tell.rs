//! The facts as plain lines for a terminal. Figures beside every bar; no colour is needed.

use super::data::{Facts, SpeakerFacts};
use super::voices;
use crate::rupture::wrap::wrap;
use crate::transcript::text::{clock, length};

/// Of each speaker's turns that are apart at most so many are listed.
const MOST_APART: usize = 6;

/// Narrowest that lines are made for, in columns; a narrower width is taken as this.
const LEAST_WIDTH: usize = 40;

/// The facts in lines of at most `width` columns (at least 40), without control characters.
#[must_use]
pub fn tell(facts: &Facts, width: usize) -> Vec<String> {
    let width = width.max(LEAST_WIDTH);
    let mut lines = Vec::new();
    lines.push(format!(
        "Session of {}, {} of it recorded; nobody talks for {}.",
        length(facts.session_seconds),
        length(facts.recorded_seconds),
        length(facts.nobody_seconds)
    ));
    lines.push(String::new());
    table(facts, &mut lines);
    bars(facts, width, &mut lines);
    exchange(facts, &mut lines);
    apart(facts, &mut lines);
    over_time(facts, width, &mut lines);
    lines.push(String::new());
    lines.push("Not listened for:".into());
    for what in &facts.not_listened_for {
        lines.push(format!("- {what}"));
    }
    lines.iter().flat_map(|line| wrap(line, width)).collect()
}

/// `Therapist` and `Client`, with the channel where a role is there more than once.
fn name(facts: &Facts, speaker: &SpeakerFacts) -> String {
    let label = speaker.role.label();
    match facts
        .speakers
        .iter()
        .filter(|s| s.role == speaker.role)
        .count()
    {
        1 => label.into(),
        _ => format!("{label} {}", speaker.channel),
    }
}

fn named(facts: &Facts, id: &str) -> String {
    facts
        .speakers
        .iter()
        .find(|speaker| speaker.speaker == id)
        .map_or_else(|| "somebody".into(), |speaker| name(facts, speaker))
}

fn table(facts: &Facts, lines: &mut Vec<String>) {
    let mut row = |what: &str, cell: &dyn Fn(&SpeakerFacts) -> String| {
        let mut line = format!("{what:<18}");
        for speaker in &facts.speakers {
            line += &format!(" {:>10}", cell(speaker));
        }
        lines.push(line);
    };
    let seconds = |value: Option<f64>| value.map_or("-".into(), |s| format!("{s:.1} s"));
    row("", &|s| name(facts, s));
    row("Talk", &|s| clock(s.talk_seconds));
    row("Turns", &|s| s.turns.to_string());
    row("  mean length", &|s| seconds(s.turn_mean_seconds));
    row("  median length", &|s| seconds(s.turn_median_seconds));
    row("  longest", &|s| seconds(s.turn_longest_seconds));
    row("Words", &|s| s.words.to_string());
    row("  a minute of talk", &|s| {
        s.words_per_minute.map_or("-".into(), |w| format!("{w:.0}"))
    });
    row("Questions", &|s| s.questions.to_string());
    if facts.speakers.iter().any(|s| s.open_questions.is_some()) {
        let some = |count: Option<u64>| count.map_or("-".into(), |c| c.to_string());
        row("  open", &|s| some(s.open_questions));
        row("  closed", &|s| some(s.closed_questions));
    }
    if facts.speakers.iter().any(|s| s.feelings.is_some()) {
        row("Feeling words", &|s| {
            s.feelings.as_ref().map_or("-".into(), |feelings| {
                let families = feelings.families.iter();
                families
                    .map(|f| f.words + f.negated)
                    .sum::<u64>()
                    .to_string()
            })
        });
        let all = |family: &str| {
            let found = facts.speakers.iter().flat_map(|s| &s.feelings);
            let families = found.flat_map(|feelings| &feelings.families);
            let of = families.filter(|known| known.family == family);
            of.map(|known| known.words + known.negated).sum::<u64>()
        };
        let first = facts.speakers.iter().find_map(|s| s.feelings.as_ref());
        let families = first.iter().flat_map(|feelings| &feelings.families);
        for family in families.filter(|family| all(&family.family) > 0) {
            row(&format!("  {}", family.family), &|s| {
                let own = s.feelings.iter().flat_map(|feelings| &feelings.families);
                let own = own.filter(|own| own.family == family.family);
                own.map(|own| match own.negated {
                    0 => own.words.to_string(),
                    negated => format!("{} (+{negated} not)", own.words),
                })
                .collect()
            });
        }
    }
    if !facts.voices.is_empty() {
        let voice = |s: &SpeakerFacts| facts.voices.iter().find(|v| v.speaker == s.speaker);
        row("Pitch", &|s| {
            let pitch = voice(s).and_then(|voice| voice.pitch_hz);
            pitch.map_or("-".into(), |hertz| format!("{hertz:.0} Hz"))
        });
    }
    row("Mm-hm and the like", &|s| s.backchannels.to_string());
    row("Suspect words", &|s| s.suspect_words.to_string());
}

/// Turns whose sound is apart from their speaker's own median.
fn apart(facts: &Facts, lines: &mut Vec<String>) {
    if facts.voices.iter().all(|voice| voice.apart.is_empty()) {
        return;
    }
    lines.push(String::new());
    lines.push("Turns that sound apart from the speaker's own median".into());
    for voice in &facts.voices {
        let name = named(facts, &voice.speaker);
        for apart in voice.apart.iter().take(MOST_APART) {
            let at = clock(apart.start_seconds);
            lines.push(format!("  {name} {at}: {}", voices::in_words(apart)));
        }
        match voice.apart.len().saturating_sub(MOST_APART) {
            0 => {}
            more => lines.push(format!("  {name}: {more} more (undertone analyze --json)")),
        }
    }
}

fn bars(facts: &Facts, width: usize, lines: &mut Vec<String>) {
    if facts.speakers.iter().all(|s| s.talk_share.is_none()) {
        return;
    }
    lines.push(String::new());
    lines.push("Share of talk".into());
    let most = width.saturating_sub(22).min(40);
    for speaker in &facts.speakers {
        let share = speaker.talk_share.unwrap_or(0.0);
        lines.push(format!(
            "  {:<12} {} {:>3.0} %",
            name(facts, speaker),
            bar(share, most),
            share * 100.0
        ));
    }
}

/// A bar of this many columns, filled to this part.
fn bar(part: f64, columns: usize) -> String {
    let filled = (part.clamp(0.0, 1.0) * columns as f64).round() as usize;
    "█".repeat(filled) + &"·".repeat(columns - filled)
}

/// `1 answer`, `2 answers`.
fn times(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn exchange(facts: &Facts, lines: &mut Vec<String>) {
    lines.push(String::new());
    lines.push("Until the other answers (median)".into());
    for response in &facts.responses {
        let waited = match response.median_seconds {
            Some(median) => format!("{median:.1} s ({})", times(response.count, "answer")),
            None => "no answer after a wait".into(),
        };
        let early = match response.overlapping_median_seconds {
            Some(median) => format!(
                "; {} began {:.1} s before the end",
                response.overlapping_count,
                median.abs()
            ),
            None => String::new(),
        };
        lines.push(format!(
            "  {} after {}: {waited}{early}",
            named(facts, &response.by),
            named(facts, &response.after),
        ));
    }
    lines.push(String::new());
    let silences = &facts.silences;
    let mut told = format!(
        "Silences of {:.0} s or more: {}",
        silences.at_least_seconds, silences.count
    );
    if let Some(longest) = silences.longest_seconds {
        told += &format!(
            ", {} together, longest {}",
            length(silences.seconds),
            length(longest)
        );
    }
    lines.push(told);
    for by in silences.by.iter().filter(|by| by.count > 0) {
        lines.push(format!(
            "  after {}, broken by {}: {} ({})",
            named(facts, &by.after),
            named(facts, &by.broken_by),
            by.count,
            length(by.seconds)
        ));
    }
    lines.push(format!(
        "Both at once: {}, {:.1} s together",
        times(facts.overlaps.count, "time"),
        facts.overlaps.seconds
    ));
    for came_in in facts.overlaps.came_in.iter().filter(|c| c.count > 0) {
        lines.push(format!(
            "  {} came in: {} ({:.1} s); the other fell silent first: {}",
            named(facts, &came_in.speaker),
            came_in.count,
            came_in.seconds,
            came_in.took_floor
        ));
    }
}

fn over_time(facts: &Facts, width: usize, lines: &mut Vec<String>) {
    if facts.over_time.len() < 2 {
        return;
    }
    lines.push(String::new());
    let Some(first) = facts.speakers.first() else {
        return;
    };
    lines.push(format!(
        "Over time: {}'s share of talk, and silence",
        name(facts, first)
    ));
    let most = width.saturating_sub(42).min(30);
    for stretch in &facts.over_time {
        let all: f64 = stretch
            .speakers
            .iter()
            .fold(0.0, |sum, s| sum + s.talk_seconds);
        let own = stretch.speakers.first().map_or(0.0, |s| s.talk_seconds);
        let share = if all > 0.0 { own / all } else { 0.0 };
        let figure = if all > 0.0 {
            format!("{:.0} %", share * 100.0)
        } else {
            "-".into()
        };
        lines.push(format!(
            "  {:>7} {} {figure:>5}  nobody {}",
            clock(stretch.start_seconds),
            bar(share, most),
            length(stretch.nobody_seconds)
        ));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::rupture::facts::facts;
    use crate::transcript::testing::sample;

    #[test]
    fn the_facts_of_a_session_fit_a_terminal() {
        insta::assert_snapshot!(tell(&facts(&sample()), 80).join("\n"), @r"
        Session of 30 s, 30 s of it recorded; nobody talks for 18 s.

                            Therapist     Client
        Talk                    00:06      00:06
        Turns                       2          2
          mean length           3.0 s      3.1 s
          median length         3.0 s      3.1 s
          longest               3.9 s      3.3 s
        Words                      21         21
          a minute of talk        202        201
        Questions                   2          0
          open                      1          0
          closed                    1          0
        Feeling words               1          0
          hope                      1          0
        Mm-hm and the like          1          0
        Suspect words               0          1

        Share of talk
          Therapist    ████████████████████····················  50 %
          Client       ████████████████████····················  50 %

        Until the other answers (median)
          Client after Therapist: 0.9 s (1 answer)
          Therapist after Client: no answer after a wait; 1 began 0.3 s before the end

        Silences of 3 s or more: 1, 7 s together, longest 7 s
          after Client, broken by Client: 1 (7 s)
        Both at once: 2 times, 0.6 s together
          Therapist came in: 2 (0.6 s); the other fell silent first: 1

        Not listened for:
        - tone of voice, laughter, crying, sighs
        - faces, gestures, posture
        - what a silence, a short answer, an overlap or a change of voice means
        - whether anything was helpful, right or well said
        - words marked as suspect, and anything said off the record
        ");
    }

    #[test]
    fn a_longer_session_is_told_over_time() {
        let mut transcript = sample();
        transcript.session.duration = 700.0;
        let told = tell(&facts(&transcript), 80).join("\n");
        assert!(told.contains("Over time: Therapist's share"));
        assert!(told.contains("\n    05:00 ··"));
    }

    #[test]
    fn a_bar_is_full_at_one_and_empty_at_nothing() {
        assert_eq!(bar(1.0, 3), "███");
        assert_eq!(bar(0.0, 3), "···");
        assert_eq!(bar(f64::NAN, 3), "···");
    }
}
