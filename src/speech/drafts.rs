//! From a window's words to a channel's: where in the session each was said, and whether it is the
//! channel's own.

use std::collections::BTreeMap;
use std::ops::Range;

use super::engine::{WindowWord, Written};
use super::features::Features;
use super::sentence::ends_sentence;
use super::separation::Ownership;
use super::spans::{seconds_within, without};
use super::suspect::{self, Evidence};
use super::transcribe::Heard;
use super::twins::{copied, twins};
use super::windows::Window;
use super::{ChannelSpeech, Span, Word, voice};

/// A word belongs to a channel if its own voice is heard in at least this share of it.
const OWN_SHARE: f32 = 0.30;
/// Whisper's word times are this vague, in seconds: look a little around the word.
const VAGUE: f64 = 0.08;
/// Nobody takes longer over a word, in seconds: what is longer holds a pause.
const SLOWEST_WORD: f64 = 1.2;
/// A word said in less, in seconds, was put in the wrong place by the alignment.
const HASTY: f64 = 0.06;
/// The last word before a pause is moved by at most this much, in seconds, to end with the voice.
const END_REACH: f64 = 0.5;

/// The words of all channels while they come in.
pub struct Drafts<'a> {
    ownership: &'a Ownership,
    channels: Vec<Draft>,
    leaked: u32,
    /// How many words were written in each language.
    languages: BTreeMap<&'static str, usize>,
}

/// The words of one channel while they come in.
#[derive(Debug, Clone, Default)]
struct Draft {
    words: Vec<(Word, Evidence)>,
}

impl<'a> Drafts<'a> {
    /// No words yet.
    #[must_use]
    pub fn new(ownership: &'a Ownership, channels: usize) -> Drafts<'a> {
        Drafts {
            ownership,
            channels: vec![Draft::default(); channels],
            leaked: 0,
            languages: BTreeMap::new(),
        }
    }

    /// Takes in a window's words: those that are the channel's own.
    pub fn add(&mut self, channel: usize, window: &Window, written: &Written) {
        let words = &written.words;
        if let Some(language) = written.language {
            *self.languages.entry(language).or_default() += words.len();
        }
        let places = place(words, window, self.ownership.activity(channel));
        let mut before = 0.0;
        for (word, span) in words.iter().zip(places) {
            // Within a window words stay in the order in which they were said.
            let start = span.start.max(before);
            let span = Span {
                start,
                end: span.end.max(start),
            };
            let around = Span {
                start: span.start - VAGUE,
                end: span.end + VAGUE,
            };
            let voice = self.ownership.share(channel, around);
            let leaked =
                voice < OWN_SHARE && self.ownership.others_share(channel, around) > OWN_SHARE;
            if leaked {
                self.leaked += 1;
                continue;
            }
            before = start;
            let said = Word {
                text: word.text.clone(),
                start: span.start,
                end: span.end,
                probability: word.probability,
                suspect: false,
            };
            let evidence = Evidence {
                voice,
                certain: word.voice,
                no_speech: word.no_speech,
            };
            self.channels[channel].words.push((said, evidence));
        }
    }

    /// What was heard in the session, `duration` seconds long.
    #[must_use]
    pub fn finish(self, features: &Features, duration: f64) -> Heard {
        let ownership = self.ownership;
        let written: Vec<_> = self.channels.into_iter().map(Draft::finish).collect();
        let copies = match written.as_slice() {
            [(one, _), (two, _)] => copies([one, two], ownership, features),
            _ => [Vec::new(), Vec::new()],
        };
        let mut leaked = self.leaked;
        let mostly = self.languages.into_iter().filter(|(_, words)| *words > 0);
        let mostly = mostly.max_by_key(|(_, words)| *words);
        let mut channels = Vec::with_capacity(written.len());
        for ((index, (mut words, mut own)), copies) in written.into_iter().enumerate().zip(copies) {
            // A copy says what the voice was that is heard there.
            let wordless = voice::wordless(features, ownership, index, &words);
            let said: Vec<Span> = copies
                .iter()
                .map(|copied| Span {
                    start: words[copied.start].start,
                    end: words[copied.end - 1].end,
                })
                .collect();
            for copied in copies.into_iter().rev() {
                leaked += u32::try_from(copied.len()).unwrap_or(0);
                words.drain(copied.clone());
                own.drain(copied);
            }
            if !ownership.told() {
                own.fill(0.0);
            }
            channels.push(ChannelSpeech {
                voices: voice::of_words(features, ownership, index, &words),
                wordless,
                activity: without(ownership.activity(index), &said),
                words,
                own,
            });
        }
        Heard {
            channels,
            separation: ownership.report(leaked),
            language: mostly.map_or("en", |(language, _)| language).to_owned(),
            duration,
        }
    }
}

/// By channel, the places of words that are the other's, written down a second time; in order, not touching.
fn copies(
    words: [&[Word]; 2],
    ownership: &Ownership,
    features: &Features,
) -> [Vec<Range<usize>>; 2] {
    let mut copies = [Vec::new(), Vec::new()];
    for row in twins(words, |seconds| ownership.late(seconds)) {
        let said = &words[0][row.at[0]..row.at[0] + row.length];
        let span = Span {
            start: said[0].start,
            end: said[row.length - 1].end,
        };
        let Some(speaker) = ownership.speaker(features, span) else {
            continue;
        };
        let copy = 1 - speaker;
        let copied = copied(row, copy, words, ownership.late(span.start));
        let of_copy: &mut Vec<Range<usize>> = &mut copies[copy];
        let start = of_copy.last().map_or(0, |last| last.end).max(copied.start);
        if start < copied.end {
            of_copy.push(start..copied.end);
        }
    }
    copies
}

impl Draft {
    /// The words in order, suspect ones marked, and by word how much of the sound was own voice.
    fn finish(mut self) -> (Vec<Word>, Vec<f32>) {
        // Stable: windows that were written down later may lie between earlier ones.
        self.words.sort_by(|a, b| a.0.start.total_cmp(&b.0.start));
        let (mut words, evidence): (Vec<Word>, Vec<Evidence>) = self.words.into_iter().unzip();
        suspect::mark(&mut words, &evidence);
        (words, evidence.iter().map(|word| word.voice).collect())
    }
}

/// Session times of a window's words.
///
/// A word lies in the piece that its end lies in; or, unless a sentence begins with it, in an earlier one that
/// holds more of the voice that was heard while it was said: the alignment may give a pause to the word before it
/// or to the one behind it. It begins where own voice begins there, and not before the word before it ended. A window that is
/// transcribed has at least one piece.
fn place(words: &[WindowWord], window: &Window, activity: &[Span]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::with_capacity(words.len());
    let mut pieces: Vec<usize> = Vec::with_capacity(words.len());
    for (at, word) in words.iter().enumerate() {
        // A hair before the end: an end on a seam belongs to what was said before it.
        let inside = word.end - ((word.end - word.start) / 2.0).min(0.05);
        let mut index = window.piece_at(inside);
        if !begins_sentence(words, at) {
            index = most_voice(word, window, activity, index);
        }
        let piece = window.pieces[index];
        let shift = piece.span.start - piece.at;
        let end = (word.end + shift).clamp(piece.span.start, piece.span.end);
        let earliest = (word.start + shift).max(end - SLOWEST_WORD);
        spans.push(Span {
            start: onset(activity, end)
                .max(earliest)
                .clamp(piece.span.start, end),
            end,
        });
        pieces.push(index);
    }
    carry_over(words, window, &mut spans, &mut pieces);
    last_ends(&mut spans, activity);
    spans
}

/// Whether a sentence begins with a word and goes on, as far as its signs can tell. With the first of a window one
/// does in any case: the alignment has it begin where the window begins.
fn begins_sentence(words: &[WindowWord], at: usize) -> bool {
    let word = &words[at].text;
    let capital = word.starts_with(char::is_uppercase) && !word.starts_with("I'") && word != "I";
    at == 0 || !ends_sentence(word) && (capital || ends_sentence(&words[at - 1].text))
}

/// The piece, of those up to `last` that a word reaches into, in which there is most of the channel's own
/// voice while it is said; the last of those that have as much.
fn most_voice(word: &WindowWord, window: &Window, activity: &[Span], last: usize) -> usize {
    let voice = |index: usize| {
        let piece = window.pieces[index];
        let shift = piece.span.start - piece.at;
        let said = Span {
            start: (word.start + shift).max(piece.span.start),
            end: (word.end + shift).min(piece.span.end),
        };
        seconds_within(activity, said)
    };
    let first = window.piece_at(word.start).min(last);
    (first..=last)
        .max_by(|a, b| voice(*a).total_cmp(&voice(*b)))
        .unwrap_or(last)
}

/// Ends the last word of each stretch of own voice where the voice ends: the alignment is vague
/// about where sound gives way to silence.
fn last_ends(spans: &mut [Span], activity: &[Span]) {
    for at in 0..spans.len() {
        let word = spans[at];
        let begun = activity.partition_point(|voice| voice.start <= word.start);
        let Some(voice) = activity[..begun].last() else {
            continue;
        };
        let last = spans.get(at + 1).is_none_or(|next| next.start >= voice.end);
        if last && (word.end - voice.end).abs() < END_REACH {
            spans[at] = Span {
                start: word.start.min(voice.end),
                end: voice.end,
            };
        }
    }
}

/// Where the stretch of own voice that holds (or last held) a moment began.
fn onset(activity: &[Span], moment: f64) -> f64 {
    let at = activity.partition_point(|span| span.start < moment);
    activity[..at].last().map_or(0.0, |span| span.start)
}

/// Moves a word over the seam where its time says it was said in no time at all, right before a
/// pause, while the next piece has room for it: the alignment holds on to the last sound before a
/// pause for too long.
fn carry_over(words: &[WindowWord], window: &Window, spans: &mut [Span], pieces: &mut [usize]) {
    for at in (0..spans.len().saturating_sub(1)).rev() {
        let next = spans[at + 1];
        if pieces[at] >= pieces[at + 1] || spans[at].end - spans[at].start > HASTY {
            continue;
        }
        // It stands where it stands.
        if ends_sentence(&words[at].text) {
            continue;
        }
        let begin = window.pieces[pieces[at + 1]].span.start;
        if next.end - begin.max(next.start - SLOWEST_WORD) > 3.0 * HASTY {
            let end = next.start.max(begin);
            spans[at] = Span { start: end, end };
            pieces[at] = pieces[at + 1];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::features::ChannelFeatures;
    use crate::speech::separation::own_voices;
    use crate::speech::windows::Piece;

    /// Two people in turns of four seconds, each heard by the other's microphone so many dB less.
    fn in_turns(leak: impl Fn(usize) -> f32) -> Features {
        let level = |channel: usize, frame: usize| {
            let who = frame / 400 % 2;
            // In no rhythm: a rhythm is alike to itself later on.
            let talks = (frame / 8).pow(2) % 11 < 8 && frame / 8 % 13 < 11;
            let leak = leak(frame);
            let db = if who == channel { -25.0 } else { -25.0 + leak };
            (if talks { db } else { -70.0 }, talks)
        };
        let channel = |channel| {
            let levels: Vec<(f32, bool)> = (0..4_800).map(|at| level(channel, at)).collect();
            ChannelFeatures::of_levels(&levels)
        };
        Features {
            channels: vec![channel(0), channel(1)],
            arrivals: Vec::new(),
            samples: 4_800 * 160,
        }
    }

    fn heard(text: &str, from: f64) -> Draft {
        let words = text.split(' ').enumerate().map(|(at, text)| {
            let start = from + 0.4 * at as f64;
            let word = Word {
                text: text.to_owned(),
                start,
                end: start + 0.3,
                probability: 0.9,
                suspect: false,
            };
            let evidence = Evidence {
                voice: 1.0,
                certain: Some(1.0),
                no_speech: 0.0,
            };
            (word, evidence)
        });
        Draft {
            words: words.collect(),
        }
    }

    /// The second moves nearer to the first's microphone in the end.
    fn moved() -> Features {
        in_turns(|frame| if frame < 4_400 { -20.0 } else { -5.0 })
    }

    fn written(features: &Features, one: Draft, two: Draft) -> Heard {
        let ownership = own_voices(features);
        let mut drafts = Drafts::new(&ownership, 2);
        drafts.channels = vec![one, two];
        drafts.finish(features, 48.0)
    }

    #[test]
    fn a_sentence_on_both_channels_is_kept_where_it_was_said_and_nobody_talks_on_the_other() {
        let text = "I could do so much at home";
        let heard = written(&moved(), heard(text, 44.2), heard(text, 44.2));
        assert_eq!(heard.channels[1].words.len(), 7);
        assert!(heard.channels[0].words.is_empty());
        assert_eq!(heard.separation.leaked_words, 7);
        let talks = |span: &Span| span.start < 46.0 && span.end > 44.5;
        assert!(!heard.channels[0].activity.iter().any(talks));
        assert!(heard.channels[0].wordless.is_empty());
    }

    #[test]
    fn what_two_people_in_two_rooms_read_out_together_is_kept_on_both() {
        // In the end the first reads with the second, 6 dB softer.
        let apart = in_turns(|frame| if frame < 4_400 { -45.0 } else { -6.0 });
        let text = "I could do so much at home";
        let heard = written(&apart, heard(text, 44.2), heard(text, 44.2));
        let kept = heard.channels.iter().map(|channel| channel.words.len());
        assert_eq!(kept.collect::<Vec<_>>(), [7, 7]);
    }

    #[test]
    fn what_both_say_at_once_in_other_words_is_kept_on_both() {
        let heard = written(
            &moved(),
            heard("no that is not what I meant", 44.2),
            heard("I could do so much at home", 44.2),
        );
        let kept = heard.channels.iter().map(|channel| channel.words.len());
        assert_eq!(kept.collect::<Vec<_>>(), [7, 7]);
    }

    #[test]
    fn a_word_that_reaches_over_a_pause_stands_where_the_voice_was() {
        let span = |start, end| Span { start, end };
        // "…a table for me?" and, two seconds later, "There are two".
        let piece = |at, span| Piece {
            at,
            span,
            gain: 1.0,
        };
        let window = Window {
            pieces: vec![piece(0.0, span(10.0, 12.0)), piece(2.6, span(14.0, 16.0))],
            length: 4.6,
        };
        let activity = [span(10.2, 11.7), span(14.2, 15.7)];
        let word = |text: &str, start, end| WindowWord {
            text: text.to_owned(),
            start,
            end,
            probability: 0.9,
            no_speech: 0.0,
            voice: None,
        };
        let placed = |words: &[WindowWord]| place(words, &window, &activity);
        let last = [
            word("for", 1.1, 1.3),
            word("me?", 1.3, 2.7),
            word("There", 2.8, 3.1),
        ];
        assert_eq!(placed(&last)[1], span(11.3, 11.7));
        // The pause was given to the first word behind it.
        let first = [
            word("me.", 1.3, 1.65),
            word("There", 1.65, 3.1),
            word("are", 3.1, 3.2),
        ];
        assert_eq!(placed(&first)[1], span(14.2, 14.5));
    }

    #[test]
    fn activity_loses_what_was_copied() {
        let span = |start, end| Span { start, end };
        let activity = [span(0.0, 2.0), span(3.0, 6.0), span(7.0, 8.0)];
        let rest = without(&activity, &[span(1.0, 4.0)]);
        assert_eq!(rest, [span(0.0, 1.0), span(4.0, 6.0), span(7.0, 8.0)]);
    }
}
