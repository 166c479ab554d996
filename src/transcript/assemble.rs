//! From each channel's words to turns.
//!
//! The rules, in the order they are applied (all thresholds are constants below):
//!
//! 1. A speaker's words are cut into *utterances* at a breath ([`BREATH`]).
//! 2. A short utterance while the other goes on talking is a *backchannel*. It is a turn of its
//!    own, marked, and does not cut the other's turn. The answer to a question is none, and
//!    neither is the beginning of a longer turn, nor one of several short turns in a row.
//! 3. A turn is cut where its speaker falls silent for longer than [`OWN_PAUSE`], or where the
//!    other says something that is no backchannel while they are silent. Who goes on talking
//!    while the other talks keeps their turn: overlap shows as two turns that overlap in time.
//!
//! Length and place decide, not wording, so the rules hold for every language. Words are never
//! changed, reordered or dropped (a "word" of nothing but spaces is none); suspect words stay in
//! their speaker's turn and take nobody's floor.

use std::ops::Range;

use jiff::Timestamp;

use super::spans::{finite, millis};
use super::talk::{overlaps, pauses, talk};
use super::voices::voice;
use super::{Activity, Bookmark, Gap, Model, SCHEMA, Session, Speaker, Transcript, Turn, Wordless};
use crate::speech::sentence::asks;
use crate::speech::{ChannelSpeech, Separation, Span, Word, WordVoice};

/// A speaker's own silence, in seconds, longer than which a turn ends.
pub const OWN_PAUSE: f64 = 1.5;

/// Silence between two words, in seconds, longer than which an utterance ends.
pub const BREATH: f64 = 0.6;

/// Most words of a backchannel.
pub const BACKCHANNEL_WORDS: usize = 3;

/// Longest backchannel, in seconds.
pub const BACKCHANNEL_SECONDS: f64 = 1.2;

/// Longest that both may be silent around a backchannel, in seconds, for the other to have gone
/// on talking rather than to have taken the floor back.
pub const BACKCHANNEL_PAUSE: f64 = 1.0;

/// This long (in seconds) in the other's silence takes the floor, whatever came before or after.
const TAKES_FLOOR: f64 = 1.0;

/// Everything a transcript is made from.
#[derive(Debug, Clone)]
pub struct AssembleInput {
    /// The session.
    pub session: Session,
    /// Language of the words, as an ISO 639-1 code.
    pub language: String,
    /// The model that wrote the words.
    pub model: Model,
    /// Who speaks, in channel order.
    pub speakers: Vec<Speaker>,
    /// What was heard on each channel, in the order of `speakers`.
    pub channels: Vec<ChannelSpeech>,
    /// How well the microphones held the speakers apart.
    pub separation: Separation,
    /// Where nothing was recorded.
    pub gaps: Vec<Gap>,
    /// Moments that were marked while recording.
    pub bookmarks: Vec<Bookmark>,
    /// When the transcript is made.
    pub created: Timestamp,
    /// The program and version that makes it.
    pub tool: String,
}

/// Makes a transcript of what was heard.
///
/// The same input gives the same transcript. Whatever the input, the result keeps the promises of
/// schema `undertone-transcript/1`: times are finite, in whole milliseconds and within the
/// session, starts never go back within a speaker, turns are numbered by start, and every word is
/// in exactly one turn. Times that break this are moved to the nearest that does not.
#[must_use]
pub fn assemble(input: AssembleInput) -> Transcript {
    let AssembleInput {
        mut session,
        language,
        model,
        speakers,
        channels,
        separation,
        gaps,
        bookmarks,
        created,
        tool,
    } = input;

    let names: Vec<String> = speakers.iter().map(|s| s.id.clone()).collect();
    let mut channels: Vec<ChannelSpeech> = channels;
    channels.resize_with(names.len(), ChannelSpeech::default);
    if !session.duration.is_finite() || session.duration <= 0.0 {
        session.duration = channels.iter().map(last_moment).fold(0.0, f64::max);
    }
    let end = millis(session.duration);
    session.duration = end;

    let activity: Vec<Vec<Span>> = channels
        .iter()
        .map(|c| spans_within(&c.activity, end))
        .collect();
    let wordless = wordless_within(&names, &channels, end);
    let heard: Vec<Heard> = channels.into_iter().map(|c| words_within(c, end)).collect();
    let talks: Vec<Vec<Span>> = activity
        .iter()
        .zip(&heard)
        .map(|(spans, heard)| talk(spans, heard.words.iter()))
        .collect();
    let gaps = gaps_within(gaps, end);

    Transcript {
        schema: SCHEMA.into(),
        session,
        language,
        model,
        overlaps: overlaps(&talks),
        pauses: pauses(&names, &talks, &gaps),
        turns: turns(&names, heard, &talks),
        activity: names
            .into_iter()
            .zip(activity)
            .map(|(speaker, spans)| Activity { speaker, spans })
            .collect(),
        speakers,
        gaps,
        bookmarks: bookmarks_within(bookmarks, end),
        wordless,
        separation: measured(separation),
        created,
        tool,
    }
}

/// The last moment that a channel speaks of.
fn last_moment(channel: &ChannelSpeech) -> f64 {
    let words = channel.words.iter().map(|word| finite(word.end));
    let spans = channel.activity.iter().map(|span| finite(span.end));
    words.chain(spans).fold(0.0, f64::max)
}

/// A channel's words, and by word what was measured of it; empty where nothing was.
#[derive(Debug)]
struct Heard {
    words: Vec<Word>,
    /// See [`ChannelSpeech::own`].
    own: Vec<f32>,
    voices: Vec<WordVoice>,
}

/// The words with times that are finite, in order, within the session, and not into the next word:
/// one mouth says one word at a time.
///
/// What was measured of each word follows the words; it is left out if it does not go with them.
fn words_within(channel: ChannelSpeech, end: f64) -> Heard {
    let ChannelSpeech {
        mut words,
        mut own,
        mut voices,
        ..
    } = channel;
    if own.len() != words.len() || own.iter().any(|share| !share.is_finite()) {
        own.clear();
    }
    if voices.len() != words.len() {
        voices.clear();
    }
    let written = |word: &Word| !word.text.trim().is_empty();
    let mut keep = words.iter().map(written);
    own.retain(|_| keep.next() == Some(true));
    let mut keep = words.iter().map(written);
    voices.retain(|_| keep.next() == Some(true));
    words.retain(written);
    let mut reached = 0.0_f64;
    for word in &mut words {
        word.text = word.text.trim().to_owned();
        let start = if word.start.is_finite() {
            word.start
        } else {
            reached
        };
        word.start = millis(start.clamp(0.0, end)).max(reached);
        let stop = if word.end.is_finite() {
            word.end
        } else {
            word.start
        };
        word.end = millis(stop.clamp(0.0, end)).max(word.start);
        word.probability = if word.probability.is_finite() {
            word.probability.clamp(0.0, 1.0)
        } else {
            0.0
        };
        reached = word.start;
    }
    let mut next = end;
    for word in words.iter_mut().rev() {
        word.end = word.end.min(next);
        next = word.start;
    }
    Heard { words, own, voices }
}

/// Where a voice is heard that says no word, in order, within the session.
fn wordless_within(names: &[String], channels: &[ChannelSpeech], end: f64) -> Vec<Wordless> {
    let mut found: Vec<Wordless> = names
        .iter()
        .zip(channels)
        .flat_map(|(speaker, channel)| {
            spans_within(&channel.wordless, end)
                .into_iter()
                .map(|span| Wordless {
                    speaker: speaker.clone(),
                    start: span.start,
                    end: span.end,
                })
        })
        .collect();
    found.sort_by(|a, b| a.start.total_cmp(&b.start));
    found
}

fn spans_within(spans: &[Span], end: f64) -> Vec<Span> {
    let mut inside = super::spans::union(
        spans
            .iter()
            .filter(|span| span.start.is_finite() && span.end.is_finite())
            .map(|span| Span {
                start: millis(span.start.clamp(0.0, end)),
                end: millis(span.end.clamp(0.0, end)),
            })
            .collect(),
    );
    inside.retain(|span| span.end > span.start);
    inside
}

/// Within so many seconds a second moment at which sound may be missing, for the same reason, tells nothing more.
const SAME_MOMENT: f64 = 60.0;

/// Gaps with times within the session, in order. One that had a length and has none within it is left out.
fn gaps_within(mut gaps: Vec<Gap>, end: f64) -> Vec<Gap> {
    gaps.retain_mut(|gap| {
        if !gap.start.is_finite() || !gap.duration.is_finite() {
            return false;
        }
        let moment = gap.duration == 0.0;
        let stop = millis((gap.start + gap.duration).clamp(0.0, end));
        gap.start = millis(gap.start.clamp(0.0, end));
        gap.duration = millis(stop - gap.start);
        moment || gap.duration > 0.0
    });
    gaps.sort_by(|a, b| a.start.total_cmp(&b.start));
    gaps.dedup_by(|gap, before| {
        let moments = gap.duration == 0.0 && before.duration == 0.0;
        moments && gap.reason == before.reason && gap.start - before.start < SAME_MOMENT
    });
    gaps
}

fn bookmarks_within(mut bookmarks: Vec<Bookmark>, end: f64) -> Vec<Bookmark> {
    bookmarks.retain(|bookmark| bookmark.at.is_finite());
    for bookmark in &mut bookmarks {
        bookmark.at = millis(bookmark.at.clamp(0.0, end));
    }
    bookmarks.sort_by(|a, b| a.at.total_cmp(&b.at));
    bookmarks
}

/// The figures that can be written down: a level of minus infinity (digital silence) or one that
/// could not be calculated is none.
fn measured(mut separation: Separation) -> Separation {
    separation.margin_db = finite(separation.margin_db);
    separation.delay_ms = separation.delay_ms.filter(|late| late.is_finite());
    for channel in &mut separation.channels {
        for figure in [
            &mut channel.own_dbfs,
            &mut channel.bleed_db,
            &mut channel.worst_bleed_db,
            &mut channel.noise_dbfs,
        ] {
            *figure = figure.filter(|db| db.is_finite());
        }
    }
    separation
}

/// Words between two breaths.
#[derive(Debug, Clone)]
struct Utterance {
    /// Index of the first word.
    first: usize,
    start: f64,
    end: f64,
    /// Holds at least one word that is not suspect.
    said: bool,
    short: bool,
    backchannel: bool,
}

fn turns(names: &[String], heard: Vec<Heard>, talks: &[Vec<Span>]) -> Vec<Turn> {
    let mut words = Vec::with_capacity(heard.len());
    let mut measured = Vec::with_capacity(heard.len());
    for channel in heard {
        words.push(channel.words);
        measured.push((channel.own, channel.voices));
    }
    let mut utterances: Vec<Vec<Utterance>> = words.iter().map(|w| utterances(w)).collect();
    mark_backchannels(&words, &mut utterances);

    let mut turns: Vec<(usize, Turn)> = Vec::new();
    for (speaker, (words, name)) in words.into_iter().zip(names).enumerate() {
        let cuts = cuts(&words, speaker, &utterances);
        let mut marks = utterances[speaker].iter().peekable();
        let mut backchannel = false;
        for (index, word) in words.into_iter().enumerate() {
            if let Some(mark) = marks.next_if(|u| u.first == index) {
                backchannel = mark.backchannel;
            }
            match turns.last_mut() {
                Some((s, turn)) if *s == speaker && !cuts[index] => {
                    turn.end = turn.end.max(word.end);
                    turn.words.push(word);
                }
                _ => turns.push((
                    speaker,
                    Turn {
                        id: 0,
                        speaker: name.clone(),
                        start: word.start,
                        end: word.end,
                        backchannel,
                        attribution: None,
                        voice: None,
                        words: vec![word],
                    },
                )),
            }
        }
    }
    // So far each speaker's turns hold their words in the order in which they were measured.
    let mut next = vec![0; measured.len()];
    for (speaker, turn) in &mut turns {
        let first = next[*speaker];
        next[*speaker] += turn.words.len();
        let (own, voices) = &measured[*speaker];
        let words = first..next[*speaker];
        turn.attribution = attribution(own, words.clone());
        let voices = voices.get(words).unwrap_or_default();
        turn.voice = voice(&turn.words, voices, &talks[*speaker]);
    }
    // Stable: one speaker's turns of the same start stay in the order they were said.
    turns.sort_by(|(a, x), (b, y)| x.start.total_cmp(&y.start).then(a.cmp(b)));
    turns
        .into_iter()
        .zip(1_u32..)
        .map(|((_, turn), id)| Turn { id, ..turn })
        .collect()
}

/// The mean over a turn's words of how much of the sound around each was the speaker's own.
fn attribution(own: &[f32], words: Range<usize>) -> Option<f32> {
    let shares = own.get(words).filter(|shares| !shares.is_empty())?;
    let mean = shares.iter().sum::<f32>() / shares.len() as f32;
    // Hundredths: more would be a promise.
    Some((mean.clamp(0.0, 1.0) * 100.0).round() / 100.0)
}

fn utterances(words: &[Word]) -> Vec<Utterance> {
    let mut found: Vec<Utterance> = Vec::new();
    let mut count = 0;
    for (index, word) in words.iter().enumerate() {
        match found.last_mut() {
            Some(last) if millis(word.start - last.end) <= BREATH => {
                last.end = word.end;
                last.said |= !word.suspect;
                count += 1;
            }
            _ => {
                found.push(Utterance {
                    first: index,
                    start: word.start,
                    end: word.end,
                    said: !word.suspect,
                    short: false,
                    backchannel: false,
                });
                count = 1;
            }
        }
        if let Some(last) = found.last_mut() {
            last.short =
                count <= BACKCHANNEL_WORDS && millis(last.end - last.start) <= BACKCHANNEL_SECONDS;
        }
    }
    found
}

/// Rule 2.
fn mark_backchannels(words: &[Vec<Word>], utterances: &mut [Vec<Utterance>]) {
    for speaker in 0..utterances.len() {
        for index in 0..utterances[speaker].len() {
            let own = &utterances[speaker][index];
            let next = utterances[speaker].get(index + 1);
            let inside = own.said
                && own.short
                && (0..utterances.len())
                    .filter(|&other| other != speaker)
                    .any(|other| goes_on(own, next, &utterances[other], &words[other]));
            utterances[speaker][index].backchannel = inside;
        }
    }
}

/// Whether somebody (whose utterances and words are given) goes on talking around `own`, so that
/// `own` lies inside their turn. `next` is what the speaker of `own` says next.
///
/// Only a longer utterance can hold a backchannel, and a longer one is never a backchannel itself:
/// so the answer does not depend on the order in which utterances are looked at.
fn goes_on(own: &Utterance, next: Option<&Utterance>, host: &[Utterance], words: &[Word]) -> bool {
    let after_at = host.partition_point(|u| u.start < own.start);
    let before = host[..after_at].iter().rev().find(|u| u.said);
    let after = host[after_at..].iter().find(|u| u.said);
    let Some(before) = before else { return false };

    // "Did you sleep?" "No." "Tell me more." is three turns.
    let last_word = words[..words.partition_point(|w| w.start < own.start)]
        .iter()
        .rev()
        .find(|w| !w.suspect);
    if last_word.is_some_and(|word| asks(&word.text) && word.end <= own.start + BREATH / 2.0) {
        return false;
    }
    // "Yeah [overlapping the end of the other's turn], it has been hard" begins a turn.
    let comes_back = words
        .iter()
        .skip(words.partition_point(|w| w.start < own.end))
        .find(|w| !w.suspect)
        .map_or(f64::INFINITY, |w| w.start);
    if next.is_some_and(|n| n.start - own.end <= OWN_PAUSE && n.start < comes_back) {
        return false;
    }
    if before.end >= own.end {
        return !before.short;
    }
    after.is_some_and(|after| {
        let said = (own.end - own.start.max(before.end)).max(0.0);
        let silent = (after.start - before.end).max(0.0) - said;
        millis(silent) <= BACKCHANNEL_PAUSE && !(before.short && after.short)
    })
}

/// Rule 3: whether a turn begins at each word.
fn cuts(words: &[Word], speaker: usize, utterances: &[Vec<Utterance>]) -> Vec<bool> {
    let mut cuts = vec![false; words.len()];
    let own = &utterances[speaker];
    for (index, utterance) in own.iter().enumerate() {
        let after_backchannel = index > 0 && own[index - 1].backchannel;
        cuts[utterance.first] |= utterance.backchannel || after_backchannel;
    }
    for index in 1..words.len() {
        let (from, to) = (words[index - 1].end, words[index].start);
        if to > from {
            cuts[index] |= loses_floor(from, to, speaker, utterances);
        }
    }
    cuts
}

/// Whether who was silent between `from` and `to` has lost the floor in between.
fn loses_floor(from: f64, to: f64, speaker: usize, utterances: &[Vec<Utterance>]) -> bool {
    let mut answered = 0.0;
    for (other, list) in utterances.iter().enumerate() {
        if other == speaker {
            continue;
        }
        let until = list.partition_point(|u| u.start <= to);
        let inside = list[..until].iter().rev().take_while(|u| u.end >= from);
        for utterance in inside.filter(|u| u.said) {
            let shared = (utterance.end.min(to) - utterance.start.max(from)).max(0.0);
            let centre = f64::midpoint(utterance.start, utterance.end);
            if utterance.backchannel {
                answered += shared;
            } else if shared >= TAKES_FLOOR || (from..=to).contains(&centre) {
                return true;
            }
        }
    }
    millis(to - from - answered) > OWN_PAUSE
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transcript::testing::{input, say, session, wild_channel, words};

    /// `T: text | C: text`, backchannels in brackets.
    fn told(transcript: &Transcript) -> String {
        let turns: Vec<String> = transcript
            .turns
            .iter()
            .map(|turn| {
                let text: Vec<&str> = turn.words.iter().map(|w| w.text.as_str()).collect();
                let who = &turn.speaker[..1];
                let text = text.join(" ");
                if turn.backchannel {
                    format!("{who}: ({text})")
                } else {
                    format!("{who}: {text}")
                }
            })
            .collect();
        turns.join(" | ")
    }

    #[test]
    fn a_question_and_its_answer_are_two_turns() {
        let t = session(
            9.0,
            say(0.0, "How are you?"),
            say(1.4, "Not so good, I think."),
        );
        assert_eq!(told(&t), "t: How are you? | c: Not so good, I think.");
    }

    #[test]
    fn a_moment_of_unknown_length_is_kept_and_told_once_a_minute() {
        let gap = |start, duration, reason: &str| Gap {
            start,
            duration,
            reason: reason.into(),
        };
        let given = vec![
            gap(90.0, 0.0, "lost sound"),
            gap(10.0, 0.0, "lost sound"),
            gap(20.0, 0.0, "lost sound"),
            gap(30.0, 0.0, "slept"),
            gap(40.0, 2.0, "slept"),
            gap(100.0, 0.0, "slept"),
            gap(101.0, 5.0, "slept"),
        ];
        let kept: Vec<(f64, f64)> = gaps_within(given, 95.0)
            .iter()
            .map(|gap| (gap.start, gap.duration))
            .collect();
        let expected = [(10.0, 0.0), (30.0, 0.0), (40.0, 2.0), (90.0, 0.0)];
        assert_eq!(kept[..4], expected);
        assert_eq!(kept[4..], [(95.0, 0.0)]);
    }

    #[test]
    fn mm_hm_inside_the_others_turn_does_not_cut_it() {
        let client = say(0.0, "I went to see my mother and it was like always really");
        let t = session(9.0, words("Mm-hm.@1.5-1.8"), client);
        assert_eq!(
            told(&t),
            "c: I went to see my mother and it was like always really | t: (Mm-hm.)"
        );
        assert_eq!(t.turns[1].id, 2);
    }

    #[test]
    fn mm_hm_in_a_breath_of_the_other_does_not_cut_it_either() {
        let mut client = say(0.0, "I went to see my mother.");
        client.extend(say(3.0, "And it was like always."));
        let t = session(9.0, words("Mm-hm.@2.2-2.6"), client);
        assert_eq!(
            told(&t),
            "c: I went to see my mother. And it was like always. | t: (Mm-hm.)"
        );
    }

    #[test]
    fn a_short_answer_to_a_question_takes_the_floor() {
        let mut therapist = say(0.0, "Did you sleep at all?");
        therapist.extend(say(2.3, "Tell me what kept you awake."));
        let t = session(9.0, therapist, words("No.@1.7-2.0"));
        assert_eq!(
            told(&t),
            "t: Did you sleep at all? | c: No. | t: Tell me what kept you awake."
        );
    }

    #[test]
    fn short_turns_in_a_row_are_turns_and_not_backchannels_of_each_other() {
        let t = session(
            9.0,
            words("Okay.@0-0.3 Right.@1.2-1.5"),
            words("Okay.@0.6-0.9 Right.@1.8-2.1"),
        );
        assert_eq!(told(&t), "t: Okay. | c: Okay. | t: Right. | c: Right.");
    }

    #[test]
    fn a_yeah_that_begins_a_turn_is_no_backchannel() {
        let therapist = say(0.0, "So it has been hard since the spring");
        let mut client = words("Yeah.@2.0-2.3");
        client.extend(say(3.2, "It has been terrible."));
        let t = session(9.0, therapist, client);
        assert_eq!(
            told(&t),
            "t: So it has been hard since the spring | c: Yeah. It has been terrible."
        );
    }

    #[test]
    fn who_goes_on_talking_while_the_other_talks_keeps_the_turn() {
        let client = say(0.0, "I do not want to talk about my father again today");
        let t = session(9.0, say(1.0, "But last week you said"), client);
        assert_eq!(t.turns.len(), 2);
        assert_eq!(t.overlaps.len(), 1);
        assert_eq!(
            told(&t),
            "c: I do not want to talk about my father again today | t: But last week you said"
        );
    }

    #[test]
    fn a_long_silence_of_ones_own_ends_a_turn_and_a_short_one_does_not() {
        let mut client = say(0.0, "It is just");
        client.extend(say(2.2, "hard."));
        client.extend(say(6.0, "Never mind."));
        let t = session(9.0, Vec::new(), client);
        assert_eq!(told(&t), "c: It is just hard. | c: Never mind.");
        assert_eq!(t.pauses.len(), 1);
        assert_eq!(t.pauses[0].after, t.pauses[0].before);
    }

    #[test]
    fn a_suspect_word_takes_nobodys_floor() {
        let mut client = say(0.0, "It is just that I");
        client.extend(say(2.5, "cannot sleep."));
        let t = session(9.0, words("~Thank@1.6-1.9 ~you.@1.9-2.2"), client);
        assert_eq!(
            told(&t),
            "c: It is just that I cannot sleep. | t: Thank you."
        );
        assert!(t.overlaps.is_empty());
    }

    #[test]
    fn figures_that_json_cannot_hold_are_none() {
        let mut given = input(5.0, Vec::new());
        given.separation.channels[0].own_dbfs = Some(f64::NEG_INFINITY);
        given.separation.margin_db = f64::NAN;
        let t = assemble(given);
        assert_eq!(t.separation.channels[0].own_dbfs, None);
        assert_eq!(t.separation.margin_db, 0.0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn whatever_comes_in_the_promises_hold(
            a in wild_channel(),
            b in wild_channel(),
            duration in prop::sample::select(vec![90.0, 45.0, 0.0, f64::NAN, f64::INFINITY]),
        ) {
            let said = [a.clone(), b.clone()].map(|channel| {
                let mut words = channel.words;
                words.retain(|w| !w.text.trim().is_empty());
                words.into_iter().map(|w| (w.text, w.suspect)).collect::<Vec<_>>()
            });
            let t = assemble(input(duration, vec![a.clone(), b.clone()]));
            prop_assert_eq!(&t, &assemble(input(duration, vec![a, b])));
            prop_assert!(t.session.duration.is_finite());

            for (speaker, said) in t.speakers.iter().zip(said) {
                let own: Vec<&Turn> = t.turns.iter().filter(|turn| turn.speaker == speaker.id).collect();
                let words: Vec<&Word> = own.iter().flat_map(|turn| &turn.words).collect();
                // Every word once, in the order it was given.
                let told: Vec<(String, bool)> =
                    words.iter().map(|w| (w.text.clone(), w.suspect)).collect();
                prop_assert_eq!(told, said);
                prop_assert!(words.windows(2).all(|w| w[0].start <= w[1].start && w[0].end <= w[1].start));
                prop_assert!(words.iter().all(|w| 0.0 <= w.start && w.start <= w.end && w.end <= t.session.duration));
                prop_assert!(own.windows(2).all(|w| w[0].end <= w[1].start));
            }
            prop_assert!(t.turns.windows(2).all(|w| w[0].start <= w[1].start && w[0].id + 1 == w[1].id));
            for turn in &t.turns {
                prop_assert_eq!(turn.start, turn.words[0].start);
                prop_assert_eq!(turn.end, turn.words[turn.words.len() - 1].end);
                if turn.backchannel {
                    prop_assert!(turn.words.len() <= BACKCHANNEL_WORDS);
                    prop_assert!(millis(turn.end - turn.start) <= BACKCHANNEL_SECONDS);
                }
            }
            prop_assert!(t.pauses.iter().all(|p| millis(p.end - p.start) >= PAUSE));
            prop_assert!(t.overlaps.windows(2).all(|w| w[0].end < w[1].start));
        }
    }

    const PAUSE: f64 = crate::transcript::PAUSE_SECONDS;
}
