//! The pitch of a voice in a short piece of sound.
//!
//! McLeod and Wyvill, "A smarter way to find pitch" (ICMC 2005): the sound is compared with itself
//! a little later, normalised by its energy, and the first delay that is nearly as like it as the
//! best is taken. Knows nothing of who speaks, and gives nothing where there is no clear pitch.

use std::sync::Arc;

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex, num_complex::Complex32};

use crate::audio::SPEECH_RATE;

/// Lowest pitch told, in hertz: a deep voice at the end of a sentence.
pub const LOWEST_HZ: f32 = 65.0;
/// Highest pitch told, in hertz: a cry.
pub const HIGHEST_HZ: f32 = 500.0;
/// How like itself the sound must be, 0 to 1: noise stays under it.
const CLEAR: f32 = 0.75;
/// The first delay this near to the best is taken (the paper's k): its multiples are as like.
const FIRST: f32 = 0.9;

/// Finds the pitch of pieces of one length, at 16 kHz.
pub struct PitchFinder {
    forward: Arc<dyn RealToComplex<f32>>,
    back: Arc<dyn ComplexToReal<f32>>,
    padded: Vec<f32>,
    spectrum: Vec<Complex32>,
    likeness: Vec<f32>,
    length: usize,
}

impl PitchFinder {
    /// For pieces of `length` samples: at least 32 ms for the lowest pitch.
    #[must_use]
    pub fn new(length: usize) -> PitchFinder {
        let size = (length + longest(length) + 1).next_power_of_two();
        let mut planner = RealFftPlanner::<f32>::new();
        let forward = planner.plan_fft_forward(size);
        PitchFinder {
            spectrum: forward.make_output_vec(),
            forward,
            back: planner.plan_fft_inverse(size),
            padded: vec![0.0; size],
            likeness: Vec::new(),
            length,
        }
    }

    /// The pitch in hertz, within [`LOWEST_HZ`] and [`HIGHEST_HZ`]; none without a clear one, or
    /// if the piece is not of the finder's length.
    pub fn pitch(&mut self, piece: &[f32]) -> Option<f32> {
        if piece.len() != self.length {
            return None;
        }
        self.compare(piece)?;
        let shortest = (SPEECH_RATE as f32 / HIGHEST_HZ) as usize;
        let delay = first_peak(&self.likeness, shortest)?;
        let hertz = SPEECH_RATE as f32 / delay;
        (LOWEST_HZ..=HIGHEST_HZ).contains(&hertz).then_some(hertz)
    }

    /// Fills in, by delay in samples, how like itself the piece is: -1 to 1.
    fn compare(&mut self, piece: &[f32]) -> Option<()> {
        self.padded[..piece.len()].copy_from_slice(piece);
        self.padded[piece.len()..].fill(0.0);
        self.forward
            .process(&mut self.padded, &mut self.spectrum)
            .ok()?;
        for value in &mut self.spectrum {
            *value = Complex32::new(value.norm_sqr(), 0.0);
        }
        self.back
            .process(&mut self.spectrum, &mut self.padded)
            .ok()?;
        let scale = 1.0 / self.padded.len() as f32;
        let mut energy = 2.0 * piece.iter().map(|sample| sample * sample).sum::<f32>();
        self.likeness.clear();
        for delay in 0..=longest(piece.len()) {
            if delay > 0 {
                energy -= piece[delay - 1].powi(2) + piece[piece.len() - delay].powi(2);
            }
            let like = 2.0 * self.padded[delay] * scale / energy.max(1e-9);
            self.likeness.push(like.clamp(-1.0, 1.0));
        }
        Some(())
    }
}

/// The longest delay looked at: half of the piece at least must be compared.
fn longest(length: usize) -> usize {
    ((SPEECH_RATE as f32 / LOWEST_HZ) as usize + 1).min(length / 2)
}

/// The delay of the first peak that is nearly the best, between samples.
fn first_peak(likeness: &[f32], shortest: usize) -> Option<f32> {
    // The peak at no delay at all ends where the likeness first turns negative.
    let begin = likeness.iter().position(|like| *like < 0.0)?.max(shortest);
    let peaks = (begin.max(1)..likeness.len().saturating_sub(1)).filter(|&at| {
        likeness[at] > 0.0 && likeness[at] >= likeness[at - 1] && likeness[at] > likeness[at + 1]
    });
    let best = peaks
        .clone()
        .map(|at| likeness[at])
        .fold(f32::MIN, f32::max);
    if best < CLEAR {
        return None;
    }
    let at = peaks.clone().find(|&at| likeness[at] >= FIRST * best)?;
    let [before, here, after] = [likeness[at - 1], likeness[at], likeness[at + 1]];
    let bend = before - 2.0 * here + after;
    let aside = if bend < 0.0 {
        0.5 * (before - after) / bend
    } else {
        0.0
    };
    Some(at as f32 + aside.clamp(-0.5, 0.5))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LENGTH: usize = 512;

    /// A voice-like tone: harmonics that fall off, perhaps without the first.
    fn tone(hertz: f32, first: u32) -> Vec<f32> {
        (0..LENGTH)
            .map(|n| {
                let phase = 2.0 * std::f32::consts::PI * hertz * n as f32 / SPEECH_RATE as f32;
                let harmonics = first..first + 8;
                0.1 * harmonics
                    .map(|k| (k as f32 * phase).sin() / k as f32)
                    .sum::<f32>()
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_tone_is_found_within_a_tenth_of_a_semitone(hertz in 80.0f32..480.0, first in 1u32..3) {
            let found = PitchFinder::new(LENGTH).pitch(&tone(hertz, first)).unwrap();
            prop_assert!((12.0 * (found / hertz).log2()).abs() < 0.1, "{hertz} {found}");
        }

        #[test]
        fn whatever_is_given_nothing_breaks(piece in prop::collection::vec(any::<f32>(), 0..600)) {
            if let Some(hertz) = PitchFinder::new(LENGTH).pitch(&piece) {
                prop_assert!((LOWEST_HZ..=HIGHEST_HZ).contains(&hertz));
            }
        }
    }

    #[test]
    fn noise_and_silence_have_no_pitch() {
        let mut finder = PitchFinder::new(LENGTH);
        assert_eq!(finder.pitch(&[0.0; LENGTH]), None);
        let mut seed = 1u32;
        let mut found = 0;
        for _ in 0..200 {
            let noise: Vec<f32> = (0..LENGTH)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (seed >> 8) as f32 / 8_388_608.0 - 1.0
                })
                .collect();
            found += u32::from(finder.pitch(&noise).is_some());
        }
        assert_eq!(found, 0);
    }
}
