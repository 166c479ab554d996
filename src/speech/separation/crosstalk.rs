//! Takes the other's voice out of a channel where both talk.
//!
//! What leaks into a microphone is what the other's own microphone hears, a little later and coloured by the
//! room. Where the other talks alone that can be learnt ([`super::filter`]), as in the echo cancellers of
//! telephones (Sondhi 1967). Where both talk, what it predicts is subtracted. Of the own voice, which leaks
//! into the other's microphone, a faint echo is subtracted as well; everywhere else the sound is left as it
//! is, to the bit.
//!
//! Figures: docs/benchmarks.md.

use std::collections::VecDeque;
use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use super::filter::{AHEAD, BINS, Filter, HOP, Spectrum, TAPS, WINDOW};
use crate::audio::{Frames, SPEECH_RATE, Spec};
use crate::speech::Span;
use crate::speech::spans::{both, inside, union, without};
use crate::{Error, Kind, Result};

/// The edges of the own voice are no better known than this, in seconds.
const NEAR: f64 = 0.25;
/// Learning is worth while only so long before a place where both talk, in seconds.
const BEFORE: f64 = 30.0;

/// Where a channel's leak is learnt, and where it is taken out. In seconds of the sound; in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Places {
    learn: Vec<Span>,
    take_out: Vec<Span>,
}

impl Places {
    /// Of a channel whose stretches `heard` are written down, where its speaker talks at `own` and the other
    /// at `others`; all in order.
    pub fn of(heard: &[Span], own: &[Span], others: &[Span]) -> Places {
        let near = own.iter().map(|span| Span {
            start: span.start - NEAR,
            end: span.end + NEAR,
        });
        let alone = without(others, &union(near.collect()));
        let take_out = both(others, heard);
        let soon = take_out.iter().map(|span| Span {
            start: span.start - BEFORE,
            end: span.end,
        });
        Places {
            learn: both(&alone, &union(soon.collect())),
            take_out,
        }
    }

    /// The same on a clock that is so many seconds ahead.
    pub fn shifted(mut self, seconds: f64) -> Places {
        for span in self.learn.iter_mut().chain(&mut self.take_out) {
            span.start += seconds;
            span.end += seconds;
        }
        self
    }

    pub fn is_empty(&self) -> bool {
        self.take_out.is_empty()
    }
}

/// Two channels' sound with the leaks taken out. Blocks go in and come out, some samples later.
pub struct Crosstalk {
    places: [Places; 2],
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    shape: Vec<f32>,
    /// By channel: samples that are still needed, from sample `at` on,
    held: [Vec<f32>; 2],
    /// and what is to be subtracted from them.
    leak: [Vec<f32>; 2],
    at: usize,
    /// Samples that were handed out.
    out: usize,
    /// By frame, the last ones, and by channel.
    spectra: VecDeque<[Spectrum; 2]>,
    /// Frames whose spectrum is known.
    frames: usize,
    filters: [Filter; 2],
}

impl Crosstalk {
    /// Sound of two channels that begins `begins` samples after the moment that places count from.
    pub fn new(places: [Places; 2], begins: usize) -> Crosstalk {
        let seconds = begins as f64 / f64::from(SPEECH_RATE);
        let mut planner = RealFftPlanner::new();
        let turn = std::f32::consts::PI / WINDOW as f32;
        Crosstalk {
            places: places.map(|places| places.shifted(-seconds)),
            forward: planner.plan_fft_forward(WINDOW),
            inverse: planner.plan_fft_inverse(WINDOW),
            // The root of Hann's: applied before and after, neighbours add up to one.
            shape: (0..WINDOW).map(|n| (turn * n as f32).sin()).collect(),
            held: [Vec::new(), Vec::new()],
            leak: [Vec::new(), Vec::new()],
            at: 0,
            out: 0,
            spectra: (0..TAPS).map(|_| [Spectrum::EMPTY; 2]).collect(),
            frames: 0,
            filters: [Filter::new(), Filter::new()],
        }
    }

    /// Takes in interleaved sound, and appends to `into` what is ready.
    ///
    /// # Errors
    /// [`Kind::Internal`] if a transform fails, which it does not.
    pub fn push(&mut self, interleaved: &[f32], into: &mut Vec<f32>) -> Result<()> {
        for frame in interleaved.chunks_exact(2) {
            for (held, sample) in self.held.iter_mut().zip(frame) {
                held.push(*sample);
            }
        }
        while self.frames * HOP + WINDOW <= self.at + self.held[0].len() {
            self.step()?;
        }
        // A sample is done when the last frame that holds it is: that before the newest.
        let done = self.frames.saturating_sub(AHEAD) * HOP;
        self.hand_out(done, into);
        Ok(())
    }

    /// Appends what is left.
    ///
    /// # Errors
    /// As [`Crosstalk::push`].
    pub fn finish(&mut self, into: &mut Vec<f32>) -> Result<()> {
        let end = self.at + self.held[0].len();
        let mut rest = Vec::new();
        // Silence behind the end brings the last frames up.
        self.push(&[0.0; 2 * (WINDOW + AHEAD * HOP)], &mut rest)?;
        self.hand_out(end, &mut rest);
        let surplus = self.out.saturating_sub(end);
        rest.truncate(rest.len().saturating_sub(2 * surplus));
        into.extend(rest);
        Ok(())
    }

    fn hand_out(&mut self, to: usize, into: &mut Vec<f32>) {
        for at in self.out..to {
            for (held, leak) in self.held.iter().zip(&self.leak) {
                let leak = leak.get(at - self.at).copied().unwrap_or_default();
                into.push(held[at - self.at] - leak);
            }
        }
        self.out = self.out.max(to);
        // The next frame still needs its samples.
        let surplus = self.out.min(self.frames * HOP) - self.at;
        for samples in self.held.iter_mut().chain(&mut self.leak) {
            samples.drain(..surplus.min(samples.len()));
        }
        self.at += surplus;
    }

    /// Takes the spectrum of the next frame, and works on the one before.
    fn step(&mut self) -> Result<()> {
        let first = self.frames * HOP - self.at;
        let newest = [self.spectrum(0, first)?, self.spectrum(1, first)?];
        self.spectra.pop_back();
        self.spectra.push_front(newest);
        self.frames += 1;
        let Some(frame) = self.frames.checked_sub(1 + AHEAD) else {
            return Ok(());
        };
        let rate = f64::from(SPEECH_RATE);
        let begins = (frame * HOP) as f64 / rate;
        let ends = (frame * HOP + WINDOW) as f64 / rate;
        for into in 0..2 {
            let places = &self.places[into];
            let holds = |spans| inside(spans, begins) || inside(spans, ends);
            let taps = || self.spectra.iter().map(|both| &both[1 - into]);
            if inside(&places.learn, begins) && inside(&places.learn, ends) {
                self.filters[into].learn(taps(), &self.spectra[AHEAD][into]);
            } else if holds(&places.take_out)
                && let Some(leak) = self.filters[into].leak(taps())
            {
                self.subtract(into, frame, leak)?;
            }
        }
        Ok(())
    }

    fn spectrum(&self, channel: usize, first: usize) -> Result<Spectrum> {
        let mut samples: Vec<f32> = self.held[channel][first..first + WINDOW].to_vec();
        for (sample, shape) in samples.iter_mut().zip(&self.shape) {
            *sample *= shape;
        }
        let mut bins = self.forward.make_output_vec();
        let done = self.forward.process(&mut samples, &mut bins);
        done.map_err(|_| failed())?;
        Ok(Spectrum::of(&bins))
    }

    /// Adds to what is subtracted from a channel.
    fn subtract(&mut self, channel: usize, frame: usize, mut leak: Vec<Complex32>) -> Result<()> {
        // A real signal has no phase there.
        leak[0].im = 0.0;
        leak[BINS - 1].im = 0.0;
        let mut samples = self.inverse.make_output_vec();
        let done = self.inverse.process(&mut leak, &mut samples);
        done.map_err(|_| failed())?;
        let first = frame * HOP - self.at;
        let out = &mut self.leak[channel];
        if out.len() < first + WINDOW {
            out.resize(first + WINDOW, 0.0);
        }
        for (at, (sample, shape)) in samples.iter().zip(&self.shape).enumerate() {
            out[first + at] += sample * shape / WINDOW as f32;
        }
        Ok(())
    }
}

fn failed() -> Error {
    Error::new(Kind::Internal, "A spectrum could not be computed.")
}

/// Sound with the leaks taken out, as it is read.
pub struct Cleaned<'a> {
    frames: Box<dyn Frames + 'a>,
    crosstalk: Crosstalk,
    read: Vec<f32>,
    ended: bool,
    ready: Vec<f32>,
}

impl<'a> Cleaned<'a> {
    /// Of sound of two channels, from its start.
    pub fn new(frames: Box<dyn Frames + 'a>, places: [Places; 2]) -> Cleaned<'a> {
        Cleaned {
            frames,
            crosstalk: Crosstalk::new(places, 0),
            read: Vec::new(),
            ended: false,
            ready: Vec::new(),
        }
    }
}

impl Frames for Cleaned<'_> {
    fn spec(&self) -> Spec {
        self.frames.spec()
    }

    fn read(&mut self, into: &mut Vec<f32>, max_frames: usize) -> Result<usize> {
        while self.ready.is_empty() && !self.ended {
            self.read.clear();
            if self.frames.read(&mut self.read, max_frames)? == 0 {
                self.ended = true;
                self.crosstalk.finish(&mut self.ready)?;
            } else {
                self.crosstalk.push(&self.read, &mut self.ready)?;
            }
        }
        let count = max_frames.min(self.ready.len() / 2);
        into.extend(self.ready.drain(..2 * count));
        Ok(count)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span(start: f64, end: f64) -> Span {
        Span { start, end }
    }

    fn places(learn: &[Span], take_out: &[Span]) -> Places {
        Places {
            learn: learn.to_vec(),
            take_out: take_out.to_vec(),
        }
    }

    /// A voice of sorts: noise that comes and goes, the same for the same seed.
    fn voice(samples: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut before = 0.0;
        (0..samples)
            .map(|at| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
                before = 0.7 * before + noise;
                0.1 * before * (1.0 + (at as f32 / 1_500.0).sin())
            })
            .collect()
    }

    /// What a room makes of a voice on its way to the other microphone.
    fn leaked(voice: &[f32]) -> Vec<f32> {
        let way = [(40, 0.3), (71, -0.2), (190, 0.15), (420, 0.1), (700, -0.05)];
        (0..voice.len())
            .map(|at| {
                let part = |(late, gain): &(usize, f32)| match at.checked_sub(*late) {
                    Some(then) => gain * voice[then],
                    None => 0.0,
                };
                way.iter().map(part).sum()
            })
            .collect()
    }

    fn cleaned(sound: &[f32], places: [Places; 2], begins: usize, blocks: &[usize]) -> Vec<f32> {
        let mut crosstalk = Crosstalk::new(places, begins);
        let mut out = Vec::new();
        let mut at = 0;
        for block in blocks.iter().cycle() {
            if at >= sound.len() {
                break;
            }
            let end = (at + 2 * block).min(sound.len());
            crosstalk.push(&sound[at..end], &mut out).unwrap();
            at = end;
        }
        crosstalk.finish(&mut out).unwrap();
        out
    }

    fn power(samples: impl Iterator<Item = f32>) -> f32 {
        samples.map(|sample| sample * sample).sum()
    }

    #[test]
    fn a_leak_is_taken_out_where_both_talk_and_only_there() {
        const RATE: usize = 16_000;
        let mut own = voice(12 * RATE, 7);
        own[..8 * RATE].fill(0.0);
        let other = voice(12 * RATE, 3);
        let leak = leaked(&other);
        let sound: Vec<f32> = (0..own.len())
            .flat_map(|at| [own[at] + leak[at], other[at]])
            .collect();
        let first = places(&[span(0.0, 8.0)], &[span(8.0, 11.0)]);
        let out = cleaned(&sound, [first, Places::default()], 0, &[16_000]);
        assert_eq!(out.len(), sound.len());
        let same = |from: usize, to: usize| out[2 * from..2 * to] == sound[2 * from..2 * to];
        assert!(same(0, 8 * RATE - WINDOW) && same(11 * RATE + WINDOW, 12 * RATE));
        assert!((0..own.len()).all(|at| out[2 * at + 1] == sound[2 * at + 1]));
        let both = 8 * RATE + WINDOW..11 * RATE - WINDOW;
        let before = power(both.clone().map(|at| leak[at]));
        let left = power(both.map(|at| out[2 * at] - own[at]));
        let less = 10.0 * (before / left).log10();
        assert!(less > 12.0, "{less} dB");
    }

    #[test]
    fn who_was_never_heard_alone_is_left_in() {
        let sound = voice(64_000, 5);
        let first = places(&[span(0.0, 0.9)], &[span(1.0, 2.0)]);
        assert_eq!(
            cleaned(&sound, [first, Places::default()], 0, &[999]),
            sound
        );
    }

    #[test]
    fn a_leak_is_learnt_where_the_other_talks_alone_before_both_do() {
        let others = [span(0.0, 3.0), span(50.0, 56.0), span(60.0, 70.0)];
        let own = [span(54.0, 58.0), span(69.5, 72.0), span(90.0, 95.0)];
        let heard = [span(53.9, 58.2)];
        let found = Places::of(&heard, &own, &others);
        assert_eq!(found.take_out, [span(53.9, 56.0)]);
        assert_eq!(found.learn, [span(50.0, 53.75)]);
        assert!(Places::of(&[], &own, &others).learn.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn blocks_of_any_length_give_the_same_sound(
            samples in 0usize..40_000,
            begins in 0usize..20_000,
            blocks in prop::collection::vec(1usize..5_000, 1..6),
        ) {
            let sound: Vec<f32> = voice(2 * samples, 9);
            let some = || [
                places(&[span(0.0, 1.2)], &[span(1.25, 1.7)]),
                places(&[span(0.3, 1.5)], &[span(1.5, 9.0)]),
            ];
            let one = cleaned(&sound, some(), begins, &blocks);
            prop_assert_eq!(one.len(), sound.len());
            prop_assert_eq!(one, cleaned(&sound, some(), begins, &[50_000]));
        }
    }
}
