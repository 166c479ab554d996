//! The picture of the sound that Whisper reads: how loud each mel band is, every 10 ms.
//!
//! As in OpenAI's log_mel_spectrogram: 25 ms seen through a Hann window, the sound mirrored at its start,
//! silence behind its end, the logarithm of power cut off 80 dB below the loudest.

use std::ops::Range;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use crate::{Error, Kind, Result};

/// Samples seen at once.
const SEEN: usize = 400;
/// Samples from one frame to the next.
pub const HOP: usize = 160;
/// Power below this counts as this.
const FLOOR: f32 = 1e-10;
/// Powers of ten below the loudest that are told apart.
const RANGE: f32 = 8.0;

/// Draws the picture. One for each worker.
pub struct Painter {
    transform: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    /// By band: its bins, and their weights.
    bands: Vec<(Range<usize>, Vec<f32>)>,
}

impl Painter {
    /// By a bank of `mels` filters.
    pub fn new(bank: &[f32], mels: usize) -> Painter {
        let bands = bank
            .chunks_exact(SEEN / 2 + 1)
            .take(mels)
            .map(|filter| {
                let first = filter.iter().position(|weight| *weight > 0.0).unwrap_or(0);
                let end = filter
                    .iter()
                    .rposition(|weight| *weight > 0.0)
                    .map_or(0, |last| last + 1);
                (first..end, filter[first..end.max(first)].to_vec())
            })
            .collect();
        let turn = std::f64::consts::TAU / SEEN as f64;
        Painter {
            transform: RealFftPlanner::new().plan_fft_forward(SEEN),
            window: (0..SEEN)
                .map(|at| (0.5 - 0.5 * (turn * at as f64).cos()) as f32)
                .collect(),
            bands,
        }
    }

    /// The picture of samples at 16 kHz, `frames` long: frame after frame, a number a band.
    ///
    /// # Errors
    /// [`Kind::Internal`] never, unless the transform refuses its own sizes.
    pub fn paint(&self, sound: &[f32], frames: usize) -> Result<Vec<f32>> {
        let mels = self.bands.len();
        let mut out = Vec::with_capacity(frames * mels);
        let mut seen = self.transform.make_input_vec();
        let mut bins: Vec<Complex<f32>> = self.transform.make_output_vec();
        let mut room = self.transform.make_scratch_vec();
        let mut powers = vec![0.0f32; bins.len()];
        let reach = SEEN / 2;
        for frame in 0..frames {
            if frame * HOP >= sound.len() + reach {
                break;
            }
            for (at, number) in seen.iter_mut().enumerate() {
                let place = (frame * HOP + at).abs_diff(reach);
                *number = sound.get(place).copied().unwrap_or(0.0) * self.window[at];
            }
            self.transform
                .process_with_scratch(&mut seen, &mut bins, &mut room)
                .map_err(|_| Error::new(Kind::Internal, "The sound cannot be pictured."))?;
            powers
                .iter_mut()
                .zip(&bins)
                .for_each(|(power, bin)| *power = bin.norm_sqr());
            out.extend(self.bands.iter().map(|(bins, weights)| {
                let power: f32 = powers[bins.clone()]
                    .iter()
                    .zip(weights)
                    .map(|(p, w)| p * w)
                    .sum();
                power.max(FLOOR).log10()
            }));
        }
        out.resize(frames * mels, FLOOR.log10());
        let loudest = out.iter().copied().fold(f32::MIN, f32::max);
        for number in &mut out {
            *number = (number.max(loudest - RANGE) + 4.0) / 4.0;
        }
        Ok(out)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// One band for each four bins.
    fn bank() -> Vec<f32> {
        let mut bank = vec![0.0; 50 * 201];
        for band in 0..50 {
            bank[band * 201 + 4 * band..][..4].fill(1.0);
        }
        bank
    }

    #[test]
    fn a_tone_is_in_its_band_for_as_long_as_it_lasts() {
        let painter = Painter::new(&bank(), 50);
        // 1 kHz is bin 25: band 6.
        let tone: Vec<f32> = (0..16_000)
            .map(|at| (std::f32::consts::TAU * at as f32 / 16.0).sin() * 0.5)
            .collect();
        let picture = painter.paint(&tone, 200).unwrap();
        for (frame, bands) in picture.chunks(50).enumerate() {
            let loudest = (0..50)
                .max_by(|a, b| bands[*a].total_cmp(&bands[*b]))
                .unwrap();
            if frame < 98 {
                assert_eq!(loudest, 6, "frame {frame}");
            }
            if frame > 102 {
                assert!(bands.iter().all(|band| (band - bands[0]).abs() < 1e-6));
            }
        }
    }

    #[test]
    fn silence_and_nothing_are_flat() {
        let painter = Painter::new(&bank(), 50);
        for sound in [&[][..], &[0.0; 3000]] {
            let picture = painter.paint(sound, 20).unwrap();
            assert_eq!(picture.len(), 1000);
            assert!(picture.iter().all(|number| (number + 1.5).abs() < 1e-6));
        }
    }
}
