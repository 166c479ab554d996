//! First pass over a session: how loud each channel is, band by band, every 10 ms, how likely it
//! holds a voice, and how high that voice is.
//!
//! Kept small on purpose: a three-hour session of two channels takes about 30 MB here, so that
//! the sound itself need never be in memory whole.

use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex, num_complex::Complex32};

use super::arrival::{Arrival, Arrivals};
use super::pitch::{LOWEST_HZ, PitchFinder};
use crate::audio::{Frames, SPEECH_RATE};
use crate::{Error, Kind, Result};

/// Samples from one analysis frame to the next: 10 ms.
pub const HOP: usize = 160;
/// Samples in an analysis frame: 32 ms, long enough to tell bands of speech apart.
const WINDOW: usize = 512;
/// Samples in a step of the voice activity detector (16 ms, given by the detector).
const VOICE_STEP: usize = 256;
/// Band edges in hertz. Below 150 Hz there is hum and handling noise, and little that tells two
/// people apart; the widths follow the ear (about two Bark each).
const EDGES: [f32; 13] = [
    150.0, 300.0, 450.0, 630.0, 840.0, 1080.0, 1370.0, 1720.0, 2150.0, 2700.0, 3400.0, 4600.0,
    7000.0,
];
/// Bands in a frame.
pub const BANDS: usize = EDGES.len() - 1;
/// Spectral bins in a band.
#[must_use]
pub fn bins(band: usize) -> f32 {
    (EDGES[band + 1] - EDGES[band]) * WINDOW as f32 / SPEECH_RATE as f32
}

/// Pitch is looked for where the voice detector's probability is at least this, of 255,
const VOICED: u8 = 128;
/// and in every frame of so many (20 ms).
const PITCH_EVERY: usize = 2;
/// Steps in an octave that pitch is kept in: a fifth of a semitone.
const PITCH_STEPS: f32 = 60.0;

/// Level written for digital silence, in dBFS.
pub const FLOOR_DB: f32 = -110.0;

/// Frames a second.
pub const FRAME_RATE: f64 = SPEECH_RATE as f64 / HOP as f64;

/// What is known of one channel after the first pass. Index `f` covers the time around
/// `f / FRAME_RATE` seconds.
#[derive(Debug, Default, Clone)]
pub struct ChannelFeatures {
    bands: Vec<[u8; BANDS]>,
    voice: Vec<u8>,
    /// In steps over [`LOWEST_HZ`], from 1; 0 where there is none.
    pitch: Vec<u8>,
}

impl ChannelFeatures {
    /// Frames of these levels in dBFS, the same power in every band, each with or without a voice.
    #[cfg(test)]
    pub fn of_levels(levels: &[(f32, bool)]) -> ChannelFeatures {
        let share = 10.0 * (BANDS as f32).log10();
        let code = |db: f32| ((db - share - FLOOR_DB) * 2.0).round().clamp(0.0, 255.0) as u8;
        ChannelFeatures {
            bands: levels.iter().map(|(db, _)| [code(*db); BANDS]).collect(),
            voice: levels
                .iter()
                .map(|(_, voice)| u8::from(*voice) * 255)
                .collect(),
            pitch: vec![0; levels.len()],
        }
    }

    /// Number of frames.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bands.len()
    }

    /// Whether there is no frame at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bands.is_empty()
    }

    /// Level of a band in dBFS, in steps of half a dB.
    #[must_use]
    pub fn band_db(&self, frame: usize, band: usize) -> f32 {
        f32::from(self.bands[frame][band]) * 0.5 + FLOOR_DB
    }

    /// Power of the whole frame, in dBFS, from the bands.
    #[must_use]
    pub fn level_db(&self, frame: usize) -> f32 {
        let power: f32 = (0..BANDS)
            .map(|band| from_db(self.band_db(frame, band)))
            .sum();
        to_db(power)
    }

    /// Probability that the frame holds a voice, whoever's it is, 0 to 1.
    #[must_use]
    pub fn voice(&self, frame: usize) -> f32 {
        f32::from(self.voice[frame]) / 255.0
    }

    /// Pitch of the frame in hertz, whoever's it is, within a tenth of a semitone; none where there
    /// is no clear one, and in every second frame.
    #[must_use]
    pub fn pitch_hz(&self, frame: usize) -> Option<f32> {
        let step = f32::from(self.pitch[frame].checked_sub(1)?);
        Some(LOWEST_HZ * (step / PITCH_STEPS).exp2())
    }
}

/// Both channels after the first pass.
#[derive(Debug, Default, Clone)]
pub struct Features {
    /// One entry a channel; all of the same length.
    pub channels: Vec<ChannelFeatures>,
    /// Of two channels, by frame, at which of them the sound arrives first; perhaps not of the last ones while
    /// a session is recorded. Empty otherwise.
    pub arrivals: Vec<Arrival>,
    /// Samples in the session, a channel.
    pub samples: u64,
}

/// Power ratio to decibels, with a floor.
#[must_use]
pub fn to_db(power: f32) -> f32 {
    (10.0 * power.max(1e-12).log10()).max(FLOOR_DB)
}

/// Decibels to a power ratio.
#[must_use]
pub fn from_db(db: f32) -> f32 {
    10f32.powf(db / 10.0)
}

/// Reads a 16 kHz session to its end and measures it.
///
/// `progress` is told the samples read so far; it returns false to stop.
///
/// # Errors
/// What reading gives; [`Kind::Audio`] if the rate is not 16 kHz or there are no channels;
/// [`Kind::Cancelled`] when `progress` says stop.
pub fn measure(frames: &mut dyn Frames, progress: &mut dyn FnMut(u64) -> bool) -> Result<Features> {
    let spec = frames.spec();
    let count = usize::from(spec.channels);
    if spec.sample_rate != SPEECH_RATE || count == 0 {
        return Err(Error::new(
            Kind::Audio,
            "The sound must be at 16 kHz before it is analysed.",
        ));
    }
    let mut measuring = Measuring::new(count);
    let mut block: Vec<f32> = Vec::new();
    loop {
        block.clear();
        if frames.read(&mut block, SPEECH_RATE as usize)? == 0 {
            break;
        }
        measuring.push(&block);
        if !progress(measuring.samples) {
            return Err(Error::new(Kind::Cancelled, "Stopped."));
        }
    }
    Ok(measuring.finish())
}

/// A session that is being measured while it is recorded.
pub struct Measuring {
    channels: Vec<Measurer>,
    arrivals: Option<Arrivals>,
    samples: u64,
}

impl Measuring {
    /// Of so many channels at 16 kHz.
    #[must_use]
    pub fn new(channels: usize) -> Measuring {
        Measuring {
            channels: (0..channels).map(|_| Measurer::new()).collect(),
            arrivals: (channels == 2).then(|| Arrivals::new(WINDOW, SPEECH_RATE)),
            samples: 0,
        }
    }

    /// Takes in interleaved samples.
    pub fn push(&mut self, block: &[f32]) {
        let count = self.channels.len().max(1);
        self.samples += (block.len() / count) as u64;
        for (index, channel) in self.channels.iter_mut().enumerate() {
            let samples = block.iter().skip(index).step_by(count).copied();
            channel.push(samples, &mut hear(&mut self.arrivals, index));
        }
    }

    /// Samples taken in so far, a channel.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// What was measured from a frame on; its first frame is that frame.
    #[must_use]
    pub fn since(&self, frame: usize) -> Features {
        Features {
            channels: self.channels.iter().map(|c| c.since(frame)).collect(),
            arrivals: self.arrivals.as_ref().map_or_else(Vec::new, |arrivals| {
                arrivals.found().get(frame..).unwrap_or_default().to_vec()
            }),
            samples: self.samples.saturating_sub((frame * HOP) as u64),
        }
    }

    /// Everything that was measured.
    #[must_use]
    pub fn finish(self) -> Features {
        let mut arrivals = self.arrivals;
        let channels = self.channels.into_iter().enumerate();
        let channels = channels
            .map(|(index, channel)| channel.finish(&mut hear(&mut arrivals, index)))
            .collect();
        Features {
            channels,
            arrivals: arrivals.map_or_else(Vec::new, Arrivals::finish),
            samples: self.samples,
        }
    }
}

/// What takes the spectra of a channel in, where arrivals are found.
fn hear(arrivals: &mut Option<Arrivals>, channel: usize) -> impl FnMut(&[Complex32]) {
    move |spectrum| {
        if let Some(arrivals) = arrivals {
            arrivals.hear(channel, spectrum);
        }
    }
}

/// Turns the samples of one channel into frames.
struct Measurer {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    scaled: Vec<f32>,
    spectrum: Vec<Complex32>,
    bins: Vec<Option<usize>>,
    pending: Vec<f32>,
    finder: PitchFinder,
    detector: Box<earshot::Detector>,
    voice_pending: Vec<f32>,
    voice_steps: Vec<u8>,
    out: ChannelFeatures,
}

impl Measurer {
    fn new() -> Self {
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(WINDOW);
        // Hann; scaled so that a full-scale sine reads 0 dBFS summed over bands.
        let window: Vec<f32> = (0..WINDOW)
            .map(|n| {
                let phase = 2.0 * std::f32::consts::PI * n as f32 / WINDOW as f32;
                0.5 - 0.5 * phase.cos()
            })
            .collect();
        let bins = (0..=WINDOW / 2)
            .map(|bin| {
                let hertz = bin as f32 * SPEECH_RATE as f32 / WINDOW as f32;
                EDGES
                    .windows(2)
                    .position(|edge| hertz >= edge[0] && hertz < edge[1])
            })
            .collect();
        Measurer {
            spectrum: fft.make_output_vec(),
            scaled: vec![0.0; WINDOW],
            fft,
            window,
            bins,
            // The first frame is centred on time zero.
            pending: vec![0.0; WINDOW / 2],
            finder: PitchFinder::new(WINDOW),
            detector: earshot::Detector::default_boxed(),
            voice_pending: Vec::new(),
            voice_steps: Vec::new(),
            out: ChannelFeatures::default(),
        }
    }

    /// `each` is given the spectrum of every frame.
    fn push(&mut self, samples: impl Iterator<Item = f32>, each: &mut dyn FnMut(&[Complex32])) {
        for sample in samples {
            let sample = if sample.is_finite() { sample } else { 0.0 };
            self.pending.push(sample);
            self.voice_pending.push(sample);
        }
        self.drain(each);
    }

    fn drain(&mut self, each: &mut dyn FnMut(&[Complex32])) {
        // Voices first: pitch is looked for only where there is one.
        let mut start = 0;
        while start + VOICE_STEP <= self.voice_pending.len() {
            let score = self
                .detector
                .predict_f32(&self.voice_pending[start..start + VOICE_STEP]);
            self.voice_steps
                .push((score.clamp(0.0, 1.0) * 255.0).round() as u8);
            start += VOICE_STEP;
        }
        self.voice_pending.drain(..start);
        let mut start = 0;
        while start + WINDOW <= self.pending.len() {
            self.frame(start);
            each(&self.spectrum);
            start += HOP;
        }
        self.pending.drain(..start);
    }

    fn frame(&mut self, start: usize) {
        for ((out, sample), weight) in self
            .scaled
            .iter_mut()
            .zip(&self.pending[start..start + WINDOW])
            .zip(&self.window)
        {
            *out = sample * weight;
        }
        let mut power = [0f32; BANDS];
        if self
            .fft
            .process(&mut self.scaled, &mut self.spectrum)
            .is_ok()
        {
            for (value, band) in self.spectrum.iter().zip(&self.bins) {
                if let Some(band) = band {
                    power[*band] += value.norm_sqr();
                }
            }
        }
        // Sum of squared Hann weights is 3/8 of the length; two-sided spectrum; sine has power 1/2.
        let scale = 4.0 / (0.375 * (WINDOW * WINDOW) as f32);
        self.out.bands.push(power.map(|value| {
            ((to_db(value * scale) - FLOOR_DB) * 2.0)
                .round()
                .clamp(0.0, 255.0) as u8
        }));
        let pitch = self.pitch(start);
        self.out.pitch.push(pitch);
    }

    /// The pitch of the frame that is the next to be pushed, as it is kept.
    fn pitch(&mut self, start: usize) -> u8 {
        let frame = self.out.pitch.len();
        let voice = self.voice_steps.get(frame * HOP / VOICE_STEP);
        if !frame.is_multiple_of(PITCH_EVERY) || voice.is_none_or(|voice| *voice < VOICED) {
            return 0;
        }
        self.finder
            .pitch(&self.pending[start..start + WINDOW])
            .map_or(0, |hertz| {
                let step = PITCH_STEPS * (hertz / LOWEST_HZ).log2();
                (1.0 + step.round()).clamp(1.0, 255.0) as u8
            })
    }

    fn finish(mut self, each: &mut dyn FnMut(&[Complex32])) -> ChannelFeatures {
        let tail = vec![0.0; WINDOW / 2];
        self.push(tail.into_iter(), each);
        self.out.voice = self.voices(0..self.out.bands.len());
        self.out
    }

    fn since(&self, frame: usize) -> ChannelFeatures {
        let from = frame.min(self.out.bands.len());
        ChannelFeatures {
            bands: self.out.bands[from..].to_vec(),
            voice: self.voices(from..self.out.bands.len()),
            pitch: self.out.pitch[from..].to_vec(),
        }
    }

    /// The detector steps every 16 ms, frames every 10: the step that a frame's centre lies in.
    fn voices(&self, frames: std::ops::Range<usize>) -> Vec<u8> {
        let last = self.voice_steps.len().saturating_sub(1);
        let step = |frame: usize| (frame * HOP / VOICE_STEP).min(last);
        frames
            .map(|frame| self.voice_steps.get(step(frame)).copied().unwrap_or(0))
            .collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::speech::testing::Samples;

    #[test]
    fn a_full_scale_sine_reads_zero_dbfs_on_its_channel_only() {
        let frames: Vec<f32> = (0..16_000)
            .flat_map(|n| {
                let phase = 2.0 * std::f32::consts::PI * 1000.0 * n as f32 / 16_000.0;
                [phase.sin(), 0.0]
            })
            .collect();
        let features = measure(&mut Samples::new(2, frames), &mut |_| true).unwrap();
        let middle = features.channels[0].len() / 2;
        assert!(features.channels[0].level_db(middle).abs() < 0.6);
        assert!(features.channels[1].level_db(middle) < -90.0);
        assert_eq!(features.samples, 16_000);
    }

    #[test]
    fn there_is_a_frame_for_every_ten_milliseconds() {
        let features = measure(&mut Samples::new(1, vec![0.0; 16_000 * 3]), &mut |_| true).unwrap();
        let frames = features.channels[0].len();
        assert!((299..=301).contains(&frames), "{frames}");
    }

    #[test]
    fn samples_that_are_no_numbers_are_taken_as_silence() {
        let features = measure(&mut Samples::new(1, vec![f32::NAN; 4_000]), &mut |_| true).unwrap();
        assert!(features.channels[0].level_db(3) <= FLOOR_DB + 11.0);
    }
}
