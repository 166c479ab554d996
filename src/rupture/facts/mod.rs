//! What can be counted and timed in a session: talk, turns, answers, silences, overlap, questions.
//!
//! Facts, never a verdict: nothing here is good, bad, too much or too little. Times of talk come
//! from the sound (see [`Transcript::talk`]); counts of words come from words that are not suspect.

mod data;
pub(crate) mod questions;
mod tell;
mod voices;

pub use data::*;
pub use tell::tell;

use crate::rupture::language::Language;
use crate::rupture::language::normal::sentences;
use crate::speech::{Span, Word};
use crate::transcript::spans::{finite, millis, total, union, within};
use crate::transcript::{Speaker, Transcript, Turn};
use questions::Asked;

/// Shortest silence that counts as one, in seconds.
pub const SILENCE_SECONDS: f64 = 3.0;

/// Length of the stretches that a session is told in over time, in seconds.
pub const BIN_SECONDS: f64 = 300.0;

/// Most stretches; in longer sessions each is longer.
const MOST_BINS: f64 = 288.0;

/// Talk shorter than this (in seconds) gives no words a minute.
const LEAST_TALK: f64 = 1.0;

/// How far (in seconds) the edge of a turn's words may lie from the edge of talk in the sound for
/// the two to be the same edge.
const SAME_EDGE: f64 = 0.5;

/// What nobody should look for in these facts.
const NOT_LISTENED_FOR: [&str; 5] = [
    "tone of voice, laughter, crying, sighs",
    "faces, gestures, posture",
    "what a silence, a short answer, an overlap or a change of voice means",
    "whether anything was helpful, right or well said",
    "words marked as suspect, and anything said off the record",
];

/// The facts of a session. Every figure is finite; what cannot be said (the median length of no
/// turns) is none.
#[must_use]
pub fn facts(transcript: &Transcript) -> Facts {
    let session = finite(transcript.session.duration).max(0.0);
    let english = transcript
        .language
        .split(['-', '_'])
        .next()
        .is_some_and(|code| code.eq_ignore_ascii_case("en"));
    let language = Language::of(&transcript.language);
    let people: Vec<Person<'_>> = transcript
        .speakers
        .iter()
        .map(|speaker| Person {
            id: &speaker.id,
            talk: clip(transcript.talk(&speaker.id), session),
            turns: transcript
                .turns
                .iter()
                .filter(|turn| turn.speaker == speaker.id && said(turn).next().is_some())
                .collect(),
            suspect: transcript
                .turns
                .iter()
                .filter(|turn| turn.speaker == speaker.id)
                .flat_map(|turn| &turn.words)
                .filter(|word| word.suspect)
                .count() as u64,
            language,
        })
        .collect();
    let everybody: f64 = people.iter().fold(0.0, |sum, p| sum + total(&p.talk));

    let lost = union(
        transcript
            .gaps
            .iter()
            .map(|gap| Span {
                start: gap.start.max(0.0),
                end: (gap.start + gap.duration).min(session),
            })
            .collect(),
    );
    let filled = union(
        people
            .iter()
            .flat_map(|p| p.talk.iter().copied())
            .chain(lost.iter().copied())
            .collect(),
    );
    let overlaps = clip(transcript.overlaps.clone(), session);

    Facts {
        session_seconds: millis(session),
        recorded_seconds: millis((session - total(&lost)).max(0.0)),
        nobody_seconds: millis((session - total(&filled)).max(0.0)),
        speakers: transcript
            .speakers
            .iter()
            .zip(&people)
            .map(|(speaker, person)| person.facts(speaker, everybody, english))
            .collect(),
        responses: responses(transcript, &people, &lost),
        silences: silences(transcript),
        overlaps: overlapping(&overlaps, &people),
        over_time: over_time(session, &people, &overlaps, &filled),
        voices: people
            .iter()
            .filter_map(|person| voices::voices(person.id, &person.turns))
            .collect(),
        not_listened_for: NOT_LISTENED_FOR.map(String::from).to_vec(),
    }
}

/// The part of the spans that lies within the session.
fn clip(spans: Vec<Span>, session: f64) -> Vec<Span> {
    let mut spans = union(spans);
    for span in &mut spans {
        span.start = span.start.clamp(0.0, session);
        span.end = span.end.clamp(0.0, session);
    }
    spans.retain(|span| span.end > span.start);
    spans
}

/// Words that count: not suspect, and more than punctuation.
fn said(turn: &Turn) -> impl Iterator<Item = &Word> {
    turn.words
        .iter()
        .filter(|word| !word.suspect && word.text.contains(char::is_alphanumeric))
}

/// A speaker's talk and turns.
struct Person<'a> {
    id: &'a str,
    talk: Vec<Span>,
    turns: Vec<&'a Turn>,
    suspect: u64,
    language: Option<&'static Language>,
}

impl Person<'_> {
    /// Turns that take the floor.
    fn floor(&self) -> impl Iterator<Item = &&Turn> {
        self.turns.iter().filter(|turn| !turn.backchannel)
    }

    fn facts(&self, speaker: &Speaker, everybody: f64, english: bool) -> SpeakerFacts {
        let talk = total(&self.talk);
        let words = self
            .turns
            .iter()
            .map(|turn| said(turn).count() as u64)
            .sum();
        let mut lengths: Vec<f64> = self.floor().map(|turn| length(turn)).collect();
        let turns = lengths.len() as u64;
        let mean = (turns > 0).then(|| millis(lengths.iter().sum::<f64>() / lengths.len() as f64));
        let longest = lengths.iter().copied().reduce(f64::max).map(millis);
        let asked = self.asked();
        SpeakerFacts {
            speaker: speaker.id.clone(),
            channel: speaker.channel,
            role: speaker.role,
            talk_seconds: millis(talk),
            talk_share: (everybody > 0.0).then(|| (talk / everybody * 1e4).round() / 1e4),
            turns,
            turn_mean_seconds: mean,
            turn_median_seconds: median(&mut lengths),
            turn_longest_seconds: longest,
            words,
            suspect_words: self.suspect,
            words_per_minute: (talk >= LEAST_TALK)
                .then(|| (words as f64 / talk * 600.0).round() / 10.0),
            questions: asked.len() as u64,
            open_questions: english.then(|| count(&asked, Asked::Open)),
            closed_questions: english.then(|| count(&asked, Asked::Closed)),
            backchannels: self.turns.iter().filter(|turn| turn.backchannel).count() as u64,
            feelings: self.language.map(|language| self.feelings(language, words)),
        }
    }

    fn feelings(&self, language: &Language, words: u64) -> FeelingWords {
        let lexicon = &language.feelings;
        let mut families: Vec<FeelingFamily> = lexicon
            .families()
            .map(|family| FeelingFamily {
                family: family.into(),
                words: 0,
                negated: 0,
            })
            .collect();
        let (mut all, mut positive, mut negative, mut negated_words) = (0_u64, 0, 0, 0);
        for turn in &self.turns {
            for sentence in sentences(&turn.words, &language.normal) {
                let felt = lexicon.felt(&sentence);
                for (name, negated) in felt.families {
                    all += 1;
                    for family in families.iter_mut().filter(|f| f.family == name) {
                        family.words += u64::from(!negated);
                        family.negated += u64::from(negated);
                    }
                }
                for (good, negated) in felt.valence {
                    match (negated, good) {
                        (true, _) => negated_words += 1,
                        (false, true) => positive += 1,
                        (false, false) => negative += 1,
                    }
                }
            }
        }
        FeelingWords {
            families,
            per_100_words: (words > 0).then(|| (all as f64 / words as f64 * 1000.0).round() / 10.0),
            positive_words: positive,
            negative_words: negative,
            negated_words,
        }
    }

    /// Feeling words of one turn.
    fn felt(&self, turn: &Turn) -> u64 {
        self.language.map_or(0, |language| {
            sentences(&turn.words, &language.normal)
                .iter()
                .map(|sentence| language.feelings.felt(sentence).families.len() as u64)
                .sum()
        })
    }

    fn asked(&self) -> Vec<Asked> {
        self.floor().flat_map(|turn| asked(turn)).collect()
    }
}

fn asked(turn: &Turn) -> Vec<Asked> {
    questions::asked(said(turn).map(|word| word.text.as_str()))
}

fn count(asked: &[Asked], kind: Asked) -> u64 {
    asked.iter().filter(|asked| **asked == kind).count() as u64
}

/// From the first word that counts to the last one, in seconds.
fn length(turn: &Turn) -> f64 {
    let start = said(turn).next().map_or(0.0, |word| word.start);
    let end = said(turn).last().map_or(0.0, |word| word.end);
    finite(end - start).max(0.0)
}

/// The middle value, in seconds; of an even number the mean of the two in the middle.
fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    let lower = if values.len().is_multiple_of(2) {
        *values.get(middle.checked_sub(1)?)?
    } else {
        upper
    };
    Some(millis(f64::midpoint(lower, upper)))
}

/// How soon each speaker answers each other one.
///
/// An answer is a turn after which the floor has changed hands. Its latency runs from where the
/// one stops talking in the sound to where the other begins; it is negative where they overlap. A
/// turn that begins and ends inside the other's is no answer to it, and no latency runs over a gap
/// in the recording.
fn responses(transcript: &Transcript, people: &[Person<'_>], lost: &[Span]) -> Vec<Responses> {
    let mut found: Vec<Vec<f64>> = vec![Vec::new(); people.len() * people.len()];
    let at = |id: &str| people.iter().position(|p| p.id == id);
    let mut holder: Option<(usize, &Turn)> = None;
    let floor = transcript
        .turns
        .iter()
        .filter(|turn| !turn.backchannel && said(turn).next().is_some());
    for turn in floor {
        let Some(speaker) = at(&turn.speaker) else {
            continue;
        };
        if let Some((from, before)) = holder {
            if turn.end <= before.end {
                continue;
            }
            if from != speaker {
                let stopped = edge(&people[from].talk, before.end, |span| span.end);
                let began = edge(&people[speaker].talk, turn.start, |span| span.start);
                let (first, last) = (stopped.min(began), stopped.max(began));
                if !lost.iter().any(|gap| gap.start < last && gap.end > first) {
                    found[from * people.len() + speaker].push(finite(began - stopped));
                }
            }
        }
        holder = Some((speaker, turn));
    }
    let mut responses = Vec::new();
    for (from, one) in people.iter().enumerate() {
        for (to, other) in people.iter().enumerate().filter(|(to, _)| *to != from) {
            let all = &found[from * people.len() + to];
            let (mut late, mut early): (Vec<f64>, Vec<f64>) =
                all.iter().partition(|latency| **latency >= 0.0);
            responses.push(Responses {
                after: one.id.into(),
                by: other.id.into(),
                count: late.len() as u64,
                median_seconds: median(&mut late),
                overlapping_count: early.len() as u64,
                overlapping_median_seconds: median(&mut early),
            });
        }
    }
    responses
}

/// The edge of talk nearest to `time`, or `time` itself where none is near.
fn edge(talk: &[Span], time: f64, of: impl Fn(&Span) -> f64) -> f64 {
    let first = talk.partition_point(|span| span.end < time - SAME_EDGE);
    talk.iter()
        .skip(first)
        .take_while(|span| span.start <= time + SAME_EDGE)
        .map(of)
        .filter(|edge| (edge - time).abs() <= SAME_EDGE)
        .min_by(|a, b| (a - time).abs().total_cmp(&(b - time).abs()))
        .unwrap_or(time)
}

fn silences(transcript: &Transcript) -> Silences {
    let all: Vec<Silence> = transcript
        .pauses
        .iter()
        .filter(|pause| finite(pause.end - pause.start) >= SILENCE_SECONDS)
        .map(|pause| Silence {
            start_seconds: millis(pause.start),
            end_seconds: millis(pause.end),
            after: pause.after.clone(),
            broken_by: pause.before.clone(),
        })
        .collect();
    let seconds = |silence: &Silence| silence.end_seconds - silence.start_seconds;
    let mut by: Vec<SilencesBy> = Vec::new();
    for after in &transcript.speakers {
        for broken_by in &transcript.speakers {
            let mine = || {
                all.iter()
                    .filter(|s| s.after == after.id && s.broken_by == broken_by.id)
            };
            by.push(SilencesBy {
                after: after.id.clone(),
                broken_by: broken_by.id.clone(),
                count: mine().count() as u64,
                seconds: millis(mine().fold(0.0, |sum, s| sum + seconds(s))),
            });
        }
    }
    Silences {
        at_least_seconds: SILENCE_SECONDS,
        count: all.len() as u64,
        seconds: millis(all.iter().fold(0.0, |sum, s| sum + seconds(s))),
        longest_seconds: all.iter().map(seconds).reduce(f64::max).map(millis),
        by,
        list: all,
    }
}

/// Who came in is who began to talk last before both talked at once.
fn overlapping(overlaps: &[Span], people: &[Person<'_>]) -> Overlaps {
    let mut came_in: Vec<CameIn> = people
        .iter()
        .map(|person| CameIn {
            speaker: person.id.into(),
            count: 0,
            took_floor: 0,
            seconds: 0.0,
        })
        .collect();
    for span in overlaps {
        let ends = |index: usize| {
            let talk = &people[index].talk;
            let at = talk.partition_point(|talk| talk.start <= span.start);
            at.checked_sub(1)
                .and_then(|at| talk.get(at))
                .map(|talk| talk.end)
        };
        let begun = |person: &Person<'_>| {
            let at = person.talk.partition_point(|talk| talk.start <= span.start);
            let talk = person.talk.get(at.checked_sub(1)?)?;
            (talk.end > span.start).then_some(talk.start)
        };
        let mut begun: Vec<(f64, usize)> = people
            .iter()
            .enumerate()
            .filter_map(|(index, person)| Some((begun(person)?, index)))
            .collect();
        begun.sort_by(|a, b| b.0.total_cmp(&a.0));
        if let [(last, index), (other, host), ..] = begun[..]
            && last > other
        {
            came_in[index].count += 1;
            came_in[index].took_floor += u64::from(ends(index) > ends(host));
            came_in[index].seconds += span.end - span.start;
        }
    }
    for one in &mut came_in {
        one.seconds = millis(one.seconds);
    }
    Overlaps {
        count: overlaps.len() as u64,
        seconds: millis(total(overlaps)),
        came_in,
    }
}

fn over_time(
    session: f64,
    people: &[Person<'_>],
    overlaps: &[Span],
    filled: &[Span],
) -> Vec<Stretch> {
    let step = (session / MOST_BINS / BIN_SECONDS).ceil().max(1.0) * BIN_SECONDS;
    let mut stretches = Vec::new();
    let mut start = 0.0;
    while start < session {
        let end = (start + step).min(session);
        let last = end >= session;
        // What begins at the very end of a session belongs to its last stretch.
        let here = |time: f64| time >= start && (time < end || last);
        stretches.push(Stretch {
            start_seconds: millis(start),
            end_seconds: millis(end),
            nobody_seconds: millis((end - start - within(filled, start, end)).max(0.0)),
            overlap_seconds: millis(within(overlaps, start, end)),
            speakers: people
                .iter()
                .map(|person| {
                    (
                        person,
                        voices::medians(
                            person.turns.iter().copied().filter(|turn| here(turn.start)),
                        ),
                    )
                })
                .map(|(person, (loudness_dbfs, pitch_hz))| SpeakerStretch {
                    speaker: person.id.into(),
                    loudness_dbfs,
                    pitch_hz,
                    talk_seconds: millis(within(&person.talk, start, end)),
                    turns: person.floor().filter(|turn| here(turn.start)).count() as u64,
                    words: person
                        .turns
                        .iter()
                        .flat_map(|turn| said(turn))
                        .filter(|word| here(word.start))
                        .count() as u64,
                    questions: person
                        .floor()
                        .filter(|turn| here(turn.start))
                        .map(|turn| asked(turn).len() as u64)
                        .sum(),
                    feeling_words: person.language.map(|_| {
                        person
                            .turns
                            .iter()
                            .filter(|turn| here(turn.start))
                            .map(|turn| person.felt(turn))
                            .sum()
                    }),
                })
                .collect(),
        });
        start = end;
    }
    stretches
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transcript::testing::{hostile_session, input, sample, say, session, wild_channel};
    use crate::transcript::{Gap, assemble};

    fn of<'a>(facts: &'a Facts, speaker: &str) -> &'a SpeakerFacts {
        facts
            .speakers
            .iter()
            .find(|s| s.speaker == speaker)
            .unwrap()
    }

    fn response<'a>(facts: &'a Facts, by: &str) -> &'a Responses {
        facts.responses.iter().find(|r| r.by == by).unwrap()
    }

    #[test]
    fn the_sample_is_counted_as_by_hand() {
        let facts = facts(&sample());
        let therapist = of(&facts, "therapist");
        assert_eq!((therapist.turns, therapist.backchannels), (2, 1));
        assert_eq!(
            (therapist.questions, therapist.open_questions),
            (2, Some(1))
        );
        assert_eq!(therapist.words, 7 + 1 + 13);
        let client = of(&facts, "client");
        assert_eq!((client.turns, client.words), (2, 11 + 10));
        assert_eq!(client.suspect_words, 1);
        assert_eq!(facts.silences.count, 1);
        assert_eq!(facts.silences.list[0].broken_by, "client");
        assert_eq!(facts.overlaps.count, 2);
        assert_eq!(facts.overlaps.came_in[0].count, 2);
        // From "week?" (ends 3.08) to "Honestly," (4.0).
        assert_eq!(response(&facts, "client").median_seconds, Some(0.92));
    }

    #[test]
    fn an_answer_that_overlaps_is_told_apart_from_one_that_waits() {
        let t = session(
            20.0,
            say(0.0, "I thought that we could try it again today"),
            say(2.3, "But it did not help me at all"),
        );
        let facts = facts(&t);
        let client = response(&facts, "client");
        assert_eq!((client.count, client.overlapping_count), (0, 1));
        assert!(client.overlapping_median_seconds.unwrap() < 0.0);
        assert_eq!(client.median_seconds, None);
    }

    #[test]
    fn a_latency_does_not_run_over_what_was_not_recorded() {
        let mut given = input(30.0, Vec::new());
        given.gaps = vec![Gap {
            start: 4.0,
            duration: 10.0,
            reason: "off the record".into(),
        }];
        let mut t = assemble(given);
        t.turns = session(30.0, say(0.0, "How are you?"), say(15.0, "Better now.")).turns;
        let facts = facts(&t);
        assert_eq!(response(&facts, "client").count, 0);
        assert_eq!(facts.recorded_seconds, 20.0);
    }

    #[test]
    fn nor_does_it_run_over_a_moment_at_which_nobody_knows_how_much_is_missing() {
        let mut t = session(30.0, say(0.0, "How are you?"), say(15.0, "Better now."));
        assert_eq!(response(&facts(&t), "client").count, 1);
        t.gaps = vec![Gap {
            start: 4.0,
            duration: 0.0,
            reason: "the computer slept".into(),
        }];
        assert_eq!(response(&facts(&t), "client").count, 0);
    }

    #[test]
    fn who_talks_over_a_turn_without_taking_it_does_not_answer_it() {
        let mut client = say(0.0, "I do not want to talk about my father again today");
        client.extend(say(6.0, "I mean it."));
        let t = session(20.0, say(1.0, "But last week you said"), client);
        assert_eq!(response(&facts(&t), "therapist").overlapping_count, 0);
        assert_eq!(response(&facts(&t), "client").count, 0);
    }

    #[test]
    fn a_session_in_which_nobody_speaks_has_facts_too() {
        let facts = facts(&session(600.0, Vec::new(), Vec::new()));
        assert_eq!(facts.nobody_seconds, 600.0);
        assert_eq!(facts.over_time.len(), 2);
        assert_eq!(facts.speakers[0].talk_share, None);
        assert_eq!(facts.speakers[0].words_per_minute, None);
    }

    #[test]
    fn other_languages_have_questions_but_not_open_and_closed_ones() {
        let mut t = sample();
        t.language = "de".into();
        let facts = facts(&t);
        assert_eq!(of(&facts, "therapist").questions, 2);
        assert_eq!(of(&facts, "therapist").open_questions, None);
    }

    #[test]
    fn times_that_are_no_numbers_become_no_facts() {
        let mut t = sample();
        t.session.duration = f64::NAN;
        for turn in &mut t.turns {
            turn.end = f64::NAN;
            turn.words[0].start = f64::NEG_INFINITY;
        }
        t.pauses[0].end = f64::INFINITY;
        let facts = facts(&t);
        let text = serde_json::to_string(&facts).unwrap();
        assert_eq!(serde_json::from_str::<Facts>(&text).unwrap(), facts);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn parts_add_up_and_every_figure_is_finite(a in wild_channel(), b in wild_channel()) {
            let t = assemble(input(1900.0, vec![a, b]));
            let facts = facts(&t);
            // Not finite would be written as null, and would not read back.
            let text = serde_json::to_string(&facts).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Facts>(&text).unwrap(), &facts);

            let near = |a: f64, b: f64| (a - b).abs() < 0.01;
            prop_assert_eq!(facts.over_time.len(), 7);
            for speaker in &facts.speakers {
                let parts = || facts.over_time.iter().flat_map(|s| &s.speakers)
                    .filter(|s| s.speaker == speaker.speaker);
                prop_assert!(near(parts().map(|s| s.talk_seconds).sum(), speaker.talk_seconds));
                prop_assert_eq!(parts().map(|s| s.words).sum::<u64>(), speaker.words);
                prop_assert_eq!(parts().map(|s| s.turns).sum::<u64>(), speaker.turns);
                prop_assert_eq!(parts().map(|s| s.questions).sum::<u64>(), speaker.questions);
                prop_assert!(speaker.talk_seconds <= facts.session_seconds);
            }
            let shares: Vec<f64> = facts.speakers.iter().filter_map(|s| s.talk_share).collect();
            prop_assert!(shares.is_empty() || near(shares.iter().sum(), 1.0));
            prop_assert!(near(facts.over_time.iter().map(|s| s.nobody_seconds).sum(), facts.nobody_seconds));
            prop_assert!(near(facts.over_time.iter().map(|s| s.overlap_seconds).sum(), facts.overlaps.seconds));
        }

        #[test]
        fn any_session_can_be_told_within_the_width(t in hostile_session(), width in 0_usize..120) {
            for line in tell(&facts(&t), width) {
                prop_assert!(line.chars().count() <= width.max(40), "{}", line);
            }
        }
    }
}
