//! Any rate to [`SPEECH_RATE`], exactly as long and exactly in place.
//!
//! Band-limited conversion in the frequency domain (rubato's synchronous converter): the filter's
//! delay is taken off the front, and the result holds `frames * 16000 / rate` frames, rounded to
//! the nearest. The same input gives the same output. When the rates match nothing is touched.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _, WindowFunction};

use super::{Frames, SPEECH_RATE, Spec};
use crate::{Error, Kind, Result};

/// Reads `F` at 16 kHz.
pub struct Resampler<F: Frames> {
    from: F,
    rate: u32,
    channels: usize,
    machine: Option<Machine>,
}

struct Machine {
    fft: Fft<f32>,
    input: Vec<f32>,
    output: Vec<f32>,
    /// What is ready in `output`, in samples.
    ready: std::ops::Range<usize>,
    /// Frames of filter delay not yet taken off.
    delay: usize,
    frames_in: u64,
    frames_out: u64,
    ended: bool,
    trouble: Option<Error>,
}

impl<F: Frames> Resampler<F> {
    /// Prepares the conversion.
    ///
    /// # Errors
    /// [`Kind::Audio`] for rates outside 8 to 192 kHz.
    pub fn new(from: F) -> Result<Self> {
        let spec = from.spec();
        let channels = usize::from(spec.channels);
        let impossible = || {
            Error::new(
                Kind::Audio,
                format!(
                    "Sound with {} channels at {} Hz cannot be converted to 16 kHz.",
                    spec.channels, spec.sample_rate
                ),
            )
        };
        if !(8_000..=192_000).contains(&spec.sample_rate) || !(1..=32).contains(&channels) {
            return Err(impossible());
        }
        let machine = if spec.sample_rate == SPEECH_RATE {
            None
        } else {
            // A filter of about 40 ms: steep enough to keep speech up to 7.5 kHz.
            let chunk = (spec.sample_rate / 25) as usize;
            let fft = Fft::<f32>::new_custom(
                spec.sample_rate as usize,
                SPEECH_RATE as usize,
                chunk,
                1,
                channels,
                WindowFunction::BlackmanHarris2,
                FixedSync::Both,
            )
            .map_err(|_| impossible())?;
            Some(Machine {
                delay: fft.output_delay(),
                output: vec![0.0; fft.output_frames_max() * channels],
                input: Vec::new(),
                ready: 0..0,
                fft,
                frames_in: 0,
                frames_out: 0,
                ended: false,
                trouble: None,
            })
        };
        Ok(Resampler {
            from,
            rate: spec.sample_rate,
            channels,
            machine,
        })
    }
}

/// Frames at 16 kHz that `frames` at `rate` become.
fn length(frames: u64, rate: u32) -> u64 {
    let scaled = u128::from(frames) * u128::from(SPEECH_RATE) + u128::from(rate) / 2;
    (scaled / u128::from(rate.max(1))) as u64
}

impl Machine {
    /// Converts one more chunk; false when all that there will ever be was handed out.
    fn turn(&mut self, from: &mut impl Frames, rate: u32, channels: usize) -> Result<bool> {
        let want = self.fft.input_frames_next();
        self.input.clear();
        while !self.ended && self.input.len() < want * channels {
            let missing = want - self.input.len() / channels;
            match from.read(&mut self.input, missing) {
                Ok(0) => self.ended = true,
                Ok(n) => self.frames_in += n as u64,
                Err(e) => {
                    self.ended = true;
                    self.trouble = Some(e);
                }
            }
        }
        if self.ended && self.frames_out >= length(self.frames_in, rate) {
            return Ok(false);
        }
        // Behind the end comes silence, until the filter's delay has run out.
        self.input.resize(want * channels, 0.0);
        let defect = || {
            Error::new(
                Kind::Internal,
                "The rate of the sound could not be converted.",
            )
        };
        let frames = self.output.len() / channels;
        let input = InterleavedSlice::new(&self.input[..], channels, want).map_err(|_| defect())?;
        let mut output = InterleavedSlice::new_mut(&mut self.output[..], channels, frames)
            .map_err(|_| defect())?;
        let (_, made) = self
            .fft
            .process_into_buffer(&input, &mut output, None::<&Indexing>)
            .map_err(|_| defect())?;
        let skip = self.delay.min(made);
        self.delay -= skip;
        let mut keep = made - skip;
        if self.ended {
            let left = length(self.frames_in, rate) - self.frames_out;
            keep = keep.min(usize::try_from(left).unwrap_or(keep));
        }
        self.frames_out += keep as u64;
        self.ready = skip * channels..(skip + keep) * channels;
        Ok(true)
    }
}

impl<F: Frames> Frames for Resampler<F> {
    fn spec(&self) -> Spec {
        let spec = self.from.spec();
        Spec {
            sample_rate: SPEECH_RATE,
            channels: spec.channels,
            frames: spec.frames.map(|n| length(n, self.rate)),
        }
    }

    fn read(&mut self, into: &mut Vec<f32>, max_frames: usize) -> Result<usize> {
        let Some(machine) = &mut self.machine else {
            return self.from.read(into, max_frames);
        };
        if max_frames == 0 {
            return Ok(0);
        }
        while machine.ready.is_empty() {
            if !machine.turn(&mut self.from, self.rate, self.channels)? {
                return machine.trouble.take().map_or(Ok(0), Err);
            }
        }
        let samples = machine
            .ready
            .len()
            .min(max_frames.saturating_mul(self.channels));
        let end = machine.ready.start + samples;
        into.extend_from_slice(&machine.output[machine.ready.start..end]);
        machine.ready.start = end;
        Ok(samples / self.channels)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::audio::Memory;

    fn convert(samples: Vec<f32>, rate: u32, channels: u16, step: usize) -> Vec<f32> {
        let mut r = Resampler::new(Memory::new(samples, rate, channels)).unwrap();
        let mut out = Vec::new();
        while r.read(&mut out, step).unwrap() > 0 {}
        out
    }

    #[test]
    fn the_length_is_exact_at_every_rate() {
        for rate in [8_000, 11_025, 22_050, 44_100, 47_999, 48_000, 96_000] {
            for frames in [0usize, 1, 2, 1_000, 44_101] {
                let out = convert(vec![0.1; frames], rate, 1, 777);
                assert_eq!(
                    out.len() as u64,
                    length(frames as u64, rate),
                    "{frames} at {rate}"
                );
            }
        }
    }

    #[test]
    fn a_sine_keeps_its_frequency_and_level_on_each_channel() {
        for rate in [8_000u32, 44_100, 48_000] {
            let tone =
                |i: usize, hz: f32| (i as f32 / rate as f32 * hz * std::f32::consts::TAU).sin();
            let samples = (0..rate as usize)
                .flat_map(|i| [0.5 * tone(i, 440.0), 0.25 * tone(i, 1_000.0)])
                .collect();
            let out = convert(samples, rate, 2, 1_000);
            for i in 800..15_200 {
                let t = i as f32 / 16_000.0 * std::f32::consts::TAU;
                assert!(
                    (out[2 * i] - 0.5 * (t * 440.0).sin()).abs() < 0.002,
                    "{rate} at {i}"
                );
                assert!(
                    (out[2 * i + 1] - 0.25 * (t * 1_000.0).sin()).abs() < 0.002,
                    "{rate} at {i}"
                );
            }
        }
    }

    #[test]
    fn an_impulse_stays_in_place() {
        for (rate, at) in [(48_000u32, 30_000usize), (44_100, 22_050), (8_000, 4_000)] {
            let mut samples = vec![0.0; rate as usize];
            samples[at] = 1.0;
            let out = convert(samples, rate, 1, 4_096);
            let peak = (0..out.len())
                .max_by(|a, b| out[*a].abs().total_cmp(&out[*b].abs()))
                .unwrap();
            let want = at as f64 * 16_000.0 / f64::from(rate);
            assert!(
                (peak as f64 - want).abs() <= 1.0,
                "{rate}: {peak} for {want}"
            );
        }
    }

    #[test]
    fn the_step_of_reading_changes_nothing() {
        let samples: Vec<f32> = (0..9_000).map(|i| ((i * i) as f32 * 0.001).sin()).collect();
        let one = convert(samples.clone(), 44_100, 2, 1);
        assert_eq!(one, convert(samples, 44_100, 2, 100_000));
    }

    #[test]
    fn matching_rates_change_nothing() {
        let samples = vec![0.1, -0.7, 0.3, 0.9];
        assert_eq!(convert(samples.clone(), 16_000, 2, 3), samples);
    }

    #[test]
    fn what_was_read_before_damage_is_handed_out_first() {
        struct Breaks(Memory);
        impl Frames for Breaks {
            fn spec(&self) -> Spec {
                self.0.spec()
            }
            fn read(&mut self, into: &mut Vec<f32>, most: usize) -> Result<usize> {
                match self.0.read(into, most)? {
                    0 => Err(Error::new(Kind::Damaged, "cut")),
                    n => Ok(n),
                }
            }
        }
        let from = Breaks(Memory::new(vec![0.2; 4_800], 48_000, 1));
        let mut r = Resampler::new(from).unwrap();
        let mut out = Vec::new();
        let error = loop {
            match r.read(&mut out, 500) {
                Ok(n) => assert!(n > 0),
                Err(e) => break e,
            }
        };
        assert_eq!(error.kind(), Kind::Damaged);
        assert_eq!(out.len(), 1_600);
    }
}
