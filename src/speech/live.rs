//! Writing down a session while it is recorded.
//!
//! Two things are done with the same sound. What somebody has just said is written down at
//! once, to be shown. And once enough of a channel's speech has come to fill a window, it is written down as
//! well as it would be after the session, and kept. At the end the whole session is looked at again:
//! words that turn out to be the other's voice are dropped, and own speech that no window holds is
//! written down then. So the result is close to that of [`super::transcribe`] (how close:
//! docs/benchmarks.md), and little is left to do.
//!
//! Keeps the sound in memory, as FLAC: about 100 MB an hour. Touches no disk but the model file.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use super::drafts::Drafts;
use super::engine::{Decoding, Engine, LONGEST_WINDOW, Worker, Written};
use super::features::{FRAME_RATE, Features, HOP, Measuring};
use super::languages::Spoken;
use super::plan::plan;
use super::separation::{self, Crosstalk, Ownership, Places};
use super::spans::{union, without};
use super::transcribe::{Heard, Progress, cleaned, copy, fade, spans, to_samples, write_down};
use super::windows::Window;
use super::{Span, Word};
use crate::Result;
use crate::audio::SPEECH_RATE;
use crate::audio::flac::{Decoder, Encoder};

/// Who speaks is judged by this much of the latest sound, in seconds.
const HORIZON: f64 = 150.0;
/// It is judged again after this much more, in seconds.
const LOOK_EVERY: f64 = 2.5;
/// What was said this lately may still be judged otherwise, in seconds.
const SETTLE: f64 = 4.0;
/// A window is written down for good when it holds this much speech, in seconds,
const FULL: f64 = 22.0;
/// or when its first words were said this long ago.
const AGED: f64 = 100.0;
/// What was said is shown after a pause this long, in seconds,
const PAUSE: f64 = 0.7;
/// or when this much of it waits.
const MUCH: f64 = 7.0;
/// Words further apart than this, in seconds, are shown as two utterances.
const APART: f64 = 1.5;
/// Own speech shorter than this, in seconds, right beside what a window holds is the jitter of an edge.
const SLIVER: f64 = 0.6;

/// Something that was just said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Utterance {
    /// Channel, counted from 0.
    pub channel: usize,
    /// Start, in seconds of session time.
    pub start: f64,
    /// The words, joined by spaces.
    pub text: String,
}

/// A session that is being written down while it is recorded.
pub struct Live<'a> {
    engine: &'a Engine,
    worker: Worker<'a>,
    decoding: Decoding,
    measuring: Measuring,
    sound: Encoder<Vec<u8>>,
    /// The latest sound, interleaved, from this sample on.
    recent: Vec<f32>,
    recent_from: u64,
    sides: Vec<Side>,
    looked_at: f64,
}

/// One channel.
#[derive(Debug, Clone, Default)]
struct Side {
    /// What was said before is written down for good, in seconds.
    written_to: f64,
    /// What was said before was shown, in seconds.
    shown_to: f64,
    windows: Vec<(Window, Written)>,
    spoken: Spoken,
}

impl<'a> Live<'a> {
    /// A session of so many channels, at 16 kHz.
    ///
    /// # Errors
    /// [`crate::Kind::Model`] if there is not enough memory.
    pub fn new(engine: &'a Engine, decoding: Decoding, channels: u16) -> Result<Live<'a>> {
        Ok(Live {
            engine,
            worker: engine.worker()?,
            decoding,
            measuring: Measuring::new(usize::from(channels)),
            sound: Encoder::new(Vec::new(), SPEECH_RATE, channels)?,
            recent: Vec::new(),
            recent_from: 0,
            sides: vec![Side::default(); usize::from(channels)],
            looked_at: 0.0,
        })
    }

    /// Takes in interleaved sound.
    ///
    /// # Errors
    /// [`crate::Kind::Internal`] if it cannot be kept.
    pub fn push(&mut self, interleaved: &[i16]) -> Result<()> {
        self.sound.write(interleaved)?;
        let block: Vec<f32> = interleaved
            .iter()
            .map(|sample| f32::from(*sample) / 32_768.0)
            .collect();
        self.measuring.push(&block);
        self.recent.extend_from_slice(&block);
        Ok(())
    }

    /// Length of the session so far, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.measuring.samples() as f64 / f64::from(SPEECH_RATE)
    }

    /// Does what there is to do, and returns what was just said; without `show` only what has to be
    /// done anyway, to catch up.
    ///
    /// # Errors
    /// [`crate::Kind::Cancelled`] when `cancel` becomes true, [`crate::Kind::Model`] if the engine
    /// gives up.
    pub fn step(&mut self, show: bool, cancel: &Arc<AtomicBool>) -> Result<Vec<Utterance>> {
        let now = self.seconds();
        if now - self.looked_at < LOOK_EVERY {
            return Ok(Vec::new());
        }
        self.looked_at = now;
        let first = ((now - HORIZON).max(0.0) * FRAME_RATE) as usize;
        let view = View::of(self.measuring.since(first), first);
        let mut said = Vec::new();
        for channel in 0..self.sides.len() {
            self.write_full(channel, &view, now, cancel)?;
            if show {
                said.extend(self.show(channel, &view, now, cancel)?);
            } else {
                self.sides[channel].shown_to = now;
            }
        }
        self.forget(now);
        said.sort_by(|a: &Utterance, b| a.start.total_cmp(&b.start));
        Ok(said)
    }

    /// Writes down for good what fills a window.
    fn write_full(
        &mut self,
        channel: usize,
        view: &View,
        now: f64,
        cancel: &Arc<AtomicBool>,
    ) -> Result<()> {
        let settled = now - SETTLE;
        let speech = view.speech(channel, self.sides[channel].written_to, settled);
        let held = spans(self.sides[channel].windows.iter().map(|(window, _)| window));
        let mut windows = view.plan(channel, &speech, &held, view.here(settled));
        if let Some(last) = windows.pop() {
            let begun = last.session_span().map_or(now, |span| span.start);
            if last.length >= FULL || view.session(begun) < now - AGED {
                windows.push(last);
            }
        }
        for window in windows {
            let places = view.crosstalk(channel, &window);
            let window = view.moved(&window);
            let sound = self.gather(channel, &window, places)?;
            let written = self.write(channel, &sound, cancel)?;
            let side = &mut self.sides[channel];
            if let Some(span) = window.session_span() {
                side.written_to = span.end;
            }
            side.windows.push((window, written));
        }
        Ok(())
    }

    /// Writes down sound of a channel, in the language that is spoken there.
    fn write(
        &mut self,
        channel: usize,
        sound: &[f32],
        cancel: &Arc<AtomicBool>,
    ) -> Result<Written> {
        let spoken = &mut self.sides[channel].spoken;
        let asked = self.decoding.language.as_deref().or(spoken.language());
        let written = self.worker.write(sound, asked, &self.decoding, cancel)?;
        spoken.hear(&written);
        Ok(written)
    }

    /// Writes down what was just said.
    fn show(
        &mut self,
        channel: usize,
        view: &View,
        now: f64,
        cancel: &Arc<AtomicBool>,
    ) -> Result<Vec<Utterance>> {
        let speech = view.speech(channel, self.sides[channel].shown_to, now);
        let count = closed(&speech, view.here(now));
        let Some(last) = count.checked_sub(1).map(|at| speech[at].end) else {
            return Ok(Vec::new());
        };
        let shown = Span {
            start: 0.0,
            end: self.sides[channel].shown_to,
        };
        self.sides[channel].shown_to = view.session(last);
        let mut drafts = Drafts::new(&view.ownership, self.sides.len());
        for window in view.plan(channel, &speech[..count], &[shown], view.here(now)) {
            let places = view.crosstalk(channel, &window);
            let sound = self.gather(channel, &view.moved(&window), places)?;
            let written = self.write(channel, &sound, cancel)?;
            drafts.add(channel, &window, &written);
        }
        let heard = drafts.finish(&view.features, view.here(now));
        let words = heard.channels.into_iter().nth(channel);
        Ok(utterances(channel, &words.unwrap_or_default().words, view))
    }

    /// The sound of a window, from what is kept of the latest. `places` is where the leaks are taken out.
    fn gather(
        &self,
        channel: usize,
        window: &Window,
        places: Option<[Places; 2]>,
    ) -> Result<Vec<f32>> {
        let width = self.sides.len();
        let mut sound = vec![0.0; to_samples(window.length)];
        let from = usize::try_from(self.recent_from).unwrap_or(usize::MAX);
        let mut cleaned = Vec::new();
        if let Some(places) = places {
            let mut crosstalk = Crosstalk::new(places, from);
            crosstalk.push(&self.recent, &mut cleaned)?;
            crosstalk.finish(&mut cleaned)?;
        }
        let recent = if cleaned.is_empty() {
            &self.recent
        } else {
            &cleaned
        };
        for piece in &window.pieces {
            copy(piece, recent, from, width, channel, &mut sound);
            let length = to_samples(piece.span.end - piece.span.start);
            fade(&mut sound, to_samples(piece.at), length);
        }
        Ok(sound)
    }

    /// Lets go of sound that was written down and shown.
    fn forget(&mut self, now: f64) {
        let needed = self
            .sides
            .iter()
            .map(|side| side.written_to.min(side.shown_to))
            .fold(now, f64::min);
        let keep_from = needed.max(now - HORIZON).max(0.0) - 1.0;
        let first = (keep_from.max(0.0) * f64::from(SPEECH_RATE)) as u64;
        let surplus = first.saturating_sub(self.recent_from);
        let samples = usize::try_from(surplus).unwrap_or(0) * self.sides.len();
        self.recent.drain(..samples.min(self.recent.len()));
        self.recent_from += surplus;
    }

    /// Writes down what is left, and judges everything by the whole session.
    ///
    /// # Errors
    /// As [`Live::step`].
    pub fn finish(
        self,
        threads: usize,
        cancel: &Arc<AtomicBool>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Heard> {
        let duration = self.seconds();
        let features = self.measuring.finish();
        let ownership = separation::own_voices(&features);
        let plans: Vec<Vec<Window>> = self
            .sides
            .iter()
            .enumerate()
            .map(|(channel, side)| {
                let held = spans(side.windows.iter().map(|(window, _)| window));
                let mut left = without(ownership.activity(channel), &held);
                left.retain(|span| {
                    let cut = held
                        .iter()
                        .any(|h| h.end == span.start || h.start == span.end);
                    !cut || span.end - span.start >= SLIVER
                });
                // What is written down already is not heard twice.
                let mut others = ownership.others(channel);
                others.extend(held);
                plan(
                    &features,
                    &ownership,
                    channel,
                    &left,
                    &union(others),
                    duration,
                )
            })
            .collect();
        let mut drafts = Drafts::new(&ownership, self.sides.len());
        for (channel, side) in self.sides.iter().enumerate() {
            for (window, written) in &side.windows {
                drafts.add(channel, window, written);
            }
        }
        let bytes = self.sound.finish()?;
        drop(self.worker);
        // What is left is little: both are taken to go on as they spoke, where they spoke alike.
        let mut known = self.sides.iter().filter_map(|side| side.spoken.language());
        let first = known.next();
        let language = first
            .filter(|first| known.all(|other| other == *first))
            .map(str::to_owned);
        let decoding = Decoding {
            threads,
            language: self.decoding.language.or(language),
            ..self.decoding
        };
        write_down(
            &|| {
                let frames = Box::new(Decoder::new(bytes.as_slice())?);
                Ok(cleaned(frames, &ownership, &plans))
            },
            &plans,
            self.engine,
            &decoding,
            cancel,
            progress,
            &mut |channel, window, written| drafts.add(channel, window, written),
        )?;
        Ok(drafts.finish(&features, duration))
    }
}

/// The latest part of the session, with a clock of its own.
struct View {
    features: Features,
    ownership: Ownership,
    /// Where it begins, in seconds of session time.
    begins: f64,
}

impl View {
    fn of(features: Features, first: usize) -> View {
        View {
            ownership: separation::own_voices(&features),
            features,
            begins: (first * HOP) as f64 / f64::from(SPEECH_RATE),
        }
    }

    fn session(&self, here: f64) -> f64 {
        here + self.begins
    }

    fn here(&self, session: f64) -> f64 {
        session - self.begins
    }

    /// A channel's own speech between two moments of the session, on this view's clock. What goes on
    /// at the end is left out, unless it is longer than a window.
    fn speech(&self, channel: usize, from: f64, to: f64) -> Vec<Span> {
        let (from, to) = (self.here(from), self.here(to));
        self.ownership
            .activity(channel)
            .iter()
            .filter(|span| span.end <= to || to - span.start > LONGEST_WINDOW)
            .map(|span| Span {
                start: span.start.max(from),
                end: span.end.min(to),
            })
            .filter(|span| span.end - span.start > 0.05)
            .collect()
    }

    /// Windows of speech up to a moment of this view. What is held, in session time, is not heard twice.
    fn plan(&self, channel: usize, speech: &[Span], held: &[Span], end: f64) -> Vec<Window> {
        let mut others = self.ownership.others(channel);
        others.extend(held.iter().map(|span| Span {
            start: self.here(span.start),
            end: self.here(span.end),
        }));
        others.retain(|span| span.end > 0.0);
        let duration = end.max(0.0);
        plan(
            &self.features,
            &self.ownership,
            channel,
            speech,
            &union(others),
            duration,
        )
    }

    /// Where the leak into a window is taken out, in session time.
    fn crosstalk(&self, channel: usize, window: &Window) -> Option<[Places; 2]> {
        let heard = spans([window]);
        let mut both: [&[Span]; 2] = [&[], &[]];
        *both.get_mut(channel)? = &heard;
        let places = self.ownership.crosstalk(both)?;
        Some(places.map(|places| places.shifted(self.begins)))
    }

    /// A window of this view in session time.
    fn moved(&self, window: &Window) -> Window {
        let mut window = window.clone();
        for piece in &mut window.pieces {
            piece.span.start += self.begins;
            piece.span.end += self.begins;
        }
        window
    }
}

/// How many stretches of speech are followed by a pause, or have waited long enough.
fn closed(speech: &[Span], now: f64) -> usize {
    let next = |at: usize| speech.get(at + 1).map_or(now, |next| next.start);
    let paused = (0..speech.len())
        .rev()
        .find(|&at| next(at) - speech[at].end >= PAUSE);
    let waiting: f64 = speech.iter().map(|span| span.end - span.start).sum();
    match paused {
        Some(at) => at + 1,
        None if waiting > MUCH => speech.len(),
        None => 0,
    }
}

/// Words as utterances, in session time; words that may be inventions are not shown.
fn utterances(channel: usize, words: &[Word], view: &View) -> Vec<Utterance> {
    let mut said: Vec<Utterance> = Vec::new();
    let mut reached = f64::NEG_INFINITY;
    for word in words.iter().filter(|word| !word.suspect) {
        match said.last_mut() {
            Some(last) if word.start - reached <= APART => {
                last.text.push(' ');
                last.text.push_str(&word.text);
            }
            _ => said.push(Utterance {
                channel,
                start: view.session(word.start),
                text: word.text.clone(),
            }),
        }
        reached = word.end;
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: f64, end: f64) -> Span {
        Span { start, end }
    }

    #[test]
    fn what_was_said_is_shown_after_a_pause_or_when_much_of_it_waits() {
        let speech = [span(0.0, 2.0), span(2.3, 4.0)];
        assert_eq!(closed(&speech, 4.2), 0);
        assert_eq!(closed(&speech, 4.8), 2);
        let speech = [span(0.0, 2.0), span(3.0, 4.0)];
        assert_eq!(closed(&speech, 4.2), 1);
        let speech = [span(0.0, 4.0), span(4.3, 8.0)];
        assert_eq!(closed(&speech, 8.2), 2);
        assert_eq!(closed(&[], 8.2), 0);
    }
}
