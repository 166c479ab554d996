//! Two devices with clocks of their own, made into two channels of one clock: the computer's. Pure:
//! samples and the times of calls go in, frames come out; nothing here knows a device or a thread.
//!
//! Every device's sound is resampled by what its [`Clock`] says, steered so gently that no pitch is
//! heard to move, and placed where it belongs: a frame of the outcome is a moment of the computer's
//! clock, whatever device its two samples came from.
//!
//! It refuses to hold one channel back for the other for longer than a second: a device that gives
//! nothing becomes silence, told in [`Joint::silences`], until it gives again; then it is placed
//! anew.

use std::collections::VecDeque;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Adjustable, Async, FixedAsync, Indexing, Resampler as _, SincInterpolationParameters,
    SincInterpolationType, WindowFunction,
};

use super::drift::Clock;
use crate::{Error, Kind, Result};

/// Length of the resampling filter in frames of the device.
const FILTER: usize = 128;
/// A device may be so late, in seconds, before its channel becomes silence.
const HOLD: f64 = 1.0;
/// Where both are silent, the outcome is so far behind the clock, in seconds.
const BEHIND: f64 = 0.2;
/// The outcome begins this much before now, in seconds: what both devices have given surely.
const BEGIN: f64 = 0.1;
/// A misplacement is made good over so many seconds.
const MEND: f64 = 8.0;
/// The most by which that may bend the pitch: half a per cent, a twelfth of a semitone.
const BEND: f64 = 0.005;
/// Sound that was lost is silence when it is more than this, in seconds; see [`Clock::observe`].
const LOST: f64 = -0.03;
/// Sound that is ahead by more than this, in seconds, is placed anew rather than bent.
const AHEAD: f64 = 1.0;
/// At most so many silences are remembered.
const SILENCES: usize = 1_000;

/// One channel's silence, on the outcome's timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// Which device: 0 or 1.
    pub device: usize,
    /// The frame at which it begins.
    pub at_frame: u64,
    /// Frames; none while it lasts.
    pub frames: Option<u64>,
}

/// One device's way into the outcome.
struct Track {
    clock: Clock,
    rate: f64,
    machine: Async<f32>,
    /// What has come and is not used; the first is the device's frame `first`.
    input: VecDeque<f32>,
    first: u64,
    /// Frames of the device that a block takes before it comes out, once it runs.
    ahead: Option<f64>,
    running: bool,
    /// Whether the machine was steered for the block to come.
    steered: bool,
    /// By how much the last block was misplaced, in seconds.
    error: f64,
    begun: Option<f64>,
}

impl Track {
    fn new(rate: u32, out_rate: u32, block: usize) -> Result<Track> {
        let parameters = SincInterpolationParameters {
            sinc_len: FILTER,
            f_cutoff: None,
            oversampling_factor: 128,
            interpolation: SincInterpolationType::Cubic,
            window: WindowFunction::BlackmanHarris2,
        };
        let ratio = f64::from(out_rate) / f64::from(rate);
        let machine = Async::new_sinc(ratio, 1.05, &parameters, block, 1, FixedAsync::Output)
            .map_err(|_| defect())?;
        Ok(Track {
            clock: Clock::new(rate),
            rate: f64::from(rate),
            machine,
            input: VecDeque::new(),
            first: 0,
            ahead: None,
            running: false,
            steered: false,
            error: 0.0,
            begun: None,
        })
    }

    /// The device's frame that belongs to the moment `at`.
    fn wanted(&self, at: f64) -> Option<f64> {
        Some(self.rate * (at + self.clock.phase_at(at)?))
    }

    /// Begins to run with the block that begins at `at`, if what belongs there has come.
    fn place(&mut self, at: f64) -> bool {
        let Some(wanted) = self.wanted(at) else {
            return false;
        };
        // What comes out of the filter lies half its length behind what goes in.
        let from = wanted + FILTER as f64 / 2.0;
        let skip = from.round() - self.first as f64;
        if skip < 0.0 {
            return false;
        }
        // A moment's silence is better than a moment too old.
        let skip = skip as usize;
        let enough = skip + self.machine.input_frames_max();
        if enough > self.input.len() {
            let old = self.input.len().saturating_sub(self.rate as usize * 2);
            self.forget(old);
            return false;
        }
        self.forget(skip);
        self.machine.reset();
        self.ahead = None;
        self.steered = false;
        self.error = 0.0;
        self.running = true;
        self.begun.get_or_insert(at);
        true
    }

    fn forget(&mut self, frames: usize) {
        let frames = frames.min(self.input.len());
        self.input.drain(..frames);
        self.first += frames as u64;
    }

    /// Whether the block that begins at `at` can be made.
    fn ready(&mut self, at: f64) -> bool {
        if !self.steered {
            self.steer(at);
            self.steered = true;
        }
        self.input.len() >= self.machine.input_frames_next()
    }

    fn steer(&mut self, at: f64) {
        let Some(wanted) = self.wanted(at) else {
            return;
        };
        if let Some(ahead) = self.ahead {
            self.error = (wanted - (self.first as f64 - ahead)) / self.rate;
        }
        let bend = (self.error / MEND).clamp(-BEND, BEND);
        let faster = 1.0 + self.clock.steady() + bend;
        // In bounds whatever the clock says: it is held to a hundredth.
        let _ = self
            .machine
            .set_resample_ratio_relative(1.0 / faster, self.ahead.is_some());
    }

    /// Makes the block; [`Self::ready`] said that it can.
    fn make(&mut self, into: &mut [f32]) -> Result<()> {
        let need = self.machine.input_frames_next();
        let ratio = self.machine.resample_ratio();
        let now: Vec<f32> = self.input.drain(..need).collect();
        self.first += need as u64;
        let block = into.len();
        let input = InterleavedSlice::new(&now[..], 1, need).map_err(|_| defect())?;
        let mut output = InterleavedSlice::new_mut(into, 1, block).map_err(|_| defect())?;
        self.machine
            .process_into_buffer(&input, &mut output, None::<&Indexing>)
            .map_err(|_| defect())?;
        self.ahead
            .get_or_insert_with(|| need as f64 - block as f64 / ratio + FILTER as f64 / 2.0);
        self.steered = false;
        Ok(())
    }
}

fn defect() -> Error {
    Error::new(
        Kind::Internal,
        "The sound of two devices could not be brought to one clock.",
    )
}

/// Two devices being joined.
pub(super) struct Joint {
    tracks: [Track; 2],
    rate: f64,
    block: usize,
    /// The moment of the first frame.
    begin: Option<f64>,
    blocks: u64,
    waited: f64,
    polled: Option<f64>,
    silences: Vec<Silence>,
    /// The silence that lasts, of each device: its place in `silences`.
    open: [Option<usize>; 2],
}

impl Joint {
    /// Devices that say they give `rates` frames a second, joined at `rate`.
    ///
    /// # Errors
    /// [`Kind::Internal`] where no resampler can be made.
    pub(super) fn new(rates: [u32; 2], rate: u32) -> Result<Joint> {
        let block = (rate / 50).max(1) as usize;
        Ok(Joint {
            tracks: [
                Track::new(rates[0], rate, block)?,
                Track::new(rates[1], rate, block)?,
            ],
            rate: f64::from(rate),
            block,
            begin: None,
            blocks: 0,
            waited: 0.0,
            polled: None,
            silences: Vec::new(),
            open: [None; 2],
        })
    }

    /// Takes in what a device gave.
    pub(super) fn hear(&mut self, device: usize, samples: &[f32]) {
        let track = &mut self.tracks[device];
        track.input.extend(samples);
        if !track.running {
            // Long before anything can be placed nothing need be kept.
            let most = track.rate as usize * 4;
            let old = track.input.len().saturating_sub(most);
            track.forget(old);
        }
    }

    /// Takes in that a device called at `at`, having given `frames` since it was opened.
    pub(super) fn called(&mut self, device: usize, at: f64, frames: u64) {
        let jump = self.tracks[device].clock.observe(at, frames);
        if jump.is_some_and(|by| !(LOST..=AHEAD).contains(&by)) {
            self.rest(device);
        }
    }

    /// A device gives anew, after it was opened anew or went astray: the next of its frames is
    /// `first`.
    pub(super) fn renewed(&mut self, device: usize, first: u64) {
        self.rest(device);
        let track = &mut self.tracks[device];
        track.clock.restart();
        track.input.clear();
        track.first = first;
    }

    /// The device gives nothing, or not what belongs here: its channel is silent from here on.
    fn rest(&mut self, device: usize) {
        if !std::mem::take(&mut self.tracks[device].running) || self.open[device].is_some() {
            return;
        }
        if self.silences.len() < SILENCES {
            self.open[device] = Some(self.silences.len());
            self.silences.push(Silence {
                device,
                at_frame: self.frames(),
                frames: None,
            });
        }
    }

    fn resume(&mut self, device: usize) {
        let now = self.frames();
        if let Some(silence) = self.open[device]
            .take()
            .and_then(|at| self.silences.get_mut(at))
        {
            silence.frames = Some(now - silence.at_frame);
        }
    }

    /// Frames made so far.
    pub(super) fn frames(&self) -> u64 {
        self.blocks * self.block as u64
    }

    /// The moment of the first frame, once there is one.
    pub(super) fn begin(&self) -> Option<f64> {
        self.begin
    }

    /// Appends the interleaved frames that can be made at the moment `now`.
    ///
    /// # Errors
    /// [`Kind::Internal`] where the resampler refuses.
    pub(super) fn poll(&mut self, now: f64, into: &mut Vec<f32>) -> Result<()> {
        // Only time in which this side was awake counts as waiting.
        let passed = now - self.polled.unwrap_or(now);
        self.polled = Some(now);
        self.waited += passed.clamp(0.0, 0.05);
        let known = |track: &Track| track.clock.phase_at(now).is_some();
        if self.begin.is_none() && self.tracks.iter().all(known) {
            self.begin = Some(now - BEGIN);
            self.waited = 0.0;
        }
        let Some(begin) = self.begin else {
            return Ok(());
        };
        loop {
            let at = begin + self.frames() as f64 / self.rate;
            for device in [0, 1] {
                let track = &mut self.tracks[device];
                if !track.running && at < now && track.place(at) {
                    self.resume(device);
                }
            }
            // The first block waits for both.
            if self.blocks == 0
                && self.waited < HOLD
                && !self.tracks.iter().all(|track| track.running)
            {
                return Ok(());
            }
            let mut late = [false; 2];
            for (late, track) in late.iter_mut().zip(&mut self.tracks) {
                *late = track.running && !track.ready(at);
            }
            let silent = self.tracks.iter().all(|track| !track.running);
            if late.contains(&true) {
                if self.waited < HOLD {
                    return Ok(());
                }
                for device in [0, 1] {
                    if late[device] {
                        self.rest(device);
                    }
                }
                continue;
            }
            if silent && now - at < BEHIND {
                return Ok(());
            }
            self.make(into)?;
            self.waited = 0.0;
        }
    }

    fn make(&mut self, into: &mut Vec<f32>) -> Result<()> {
        let from = into.len();
        into.resize(from + self.block * 2, 0.0);
        let mut one = vec![0.0; self.block];
        for (channel, track) in self.tracks.iter_mut().enumerate() {
            if track.running {
                track.make(&mut one)?;
                for (frame, sample) in into[from..].chunks_exact_mut(2).zip(&one) {
                    frame[channel] = *sample;
                }
            }
        }
        self.blocks += 1;
        Ok(())
    }

    /// Where a channel is silent because its device gave nothing, in the order it began.
    pub(super) fn silences(&self) -> &[Silence] {
        &self.silences
    }

    /// Notes silence that was put in elsewhere for sound that is missing: `frames` of the device.
    pub(super) fn note_lost(&mut self, device: usize, frames: u64) {
        if self.silences.len() < SILENCES {
            let scaled = frames as f64 / self.tracks[device].rate * self.rate;
            self.silences.push(Silence {
                device,
                at_frame: self.frames(),
                frames: Some(scaled as u64),
            });
        }
    }

    /// Whether the device's channel is silent now.
    pub(super) fn resting(&self, device: usize) -> bool {
        self.begin.is_some() && !self.tracks[device].running
    }

    /// Parts in a million by which the device runs fast, once known.
    pub(super) fn ppm(&self, device: usize) -> Option<f64> {
        self.tracks[device].clock.ppm()
    }

    /// By how many seconds the device began to give sound after the computer's clock began.
    pub(super) fn offset(&self, device: usize) -> Option<f64> {
        let begin = self.begin?;
        Some(-self.tracks[device].clock.phase_at(begin)?)
    }

    /// By how many seconds the device's channel is misplaced, as far as is known.
    pub(super) fn error(&self, device: usize) -> f64 {
        self.tracks[device].error
    }
}

#[cfg(test)]
#[path = "join_tests.rs"]
mod tests;
