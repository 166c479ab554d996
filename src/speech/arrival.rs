//! At which of two microphones a sound arrives first, and by how much.
//!
//! A voice in a room is heard a little later by the microphone that is farther from it, however loud either is
//! turned up. The shift is where the two sounds agree best once all their frequencies count alike (the generalized
//! cross-correlation with phase transform, Knapp and Carter 1976).

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner};

/// Bins of the spectrum that are compared: 300 Hz to 4 kHz, of a voice and above the hum.
fn bins(window: usize, rate: u32) -> Range<usize> {
    let bin = |hertz: usize| hertz * window / rate as usize;
    bin(300)..bin(4_000)
}

/// Frames in a block, for which one shift is found from it and the two beside it (0.1 s, 0.3 s).
const BLOCK: usize = 10;
const AROUND: usize = 3;
/// Longest shift that is looked for, in samples: 2.7 m.
const REACH: i8 = 127;

/// How a sound arrives at two microphones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Arrival {
    /// By how many samples the second microphone hears it later than the first; below 0 if it hears it first.
    pub late: i8,
    /// How well the two agree at that shift, from 0 to 255: 255 where one is the other, shifted.
    clear: u8,
}

impl Arrival {
    /// How well the two sounds agree at the shift, 0 to 1.
    pub fn clear(self) -> f32 {
        f32::from(self.clear) / 255.0
    }

    /// One that is quite clear.
    #[cfg(test)]
    pub fn at(late: i8) -> Arrival {
        Arrival { late, clear: 255 }
    }
}

/// Finds arrivals from the two channels' spectra, frame by frame.
pub struct Arrivals {
    bins: Range<usize>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    /// Of the first channel, those that the second has not come up with.
    waiting: VecDeque<Vec<Complex32>>,
    /// Sums of the phases of the blocks around the next to be found; the last is not full yet.
    sums: VecDeque<Vec<Complex32>>,
    frames: usize,
    found: Vec<Arrival>,
}

impl Arrivals {
    /// Of spectra of windows of so many samples, at a rate in hertz.
    pub fn new(window: usize, rate: u32) -> Arrivals {
        let bins = bins(window, rate);
        Arrivals {
            inverse: RealFftPlanner::new().plan_fft_inverse(window),
            waiting: VecDeque::new(),
            sums: VecDeque::from([vec![Complex32::default(); bins.len()]]),
            bins,
            frames: 0,
            found: Vec::new(),
        }
    }

    /// Takes in the next spectrum of a channel, 0 or 1; the first is never behind.
    pub fn hear(&mut self, channel: usize, spectrum: &[Complex32]) {
        let heard = &spectrum[self.bins.clone()];
        if channel == 0 {
            self.waiting.push_back(heard.to_vec());
            return;
        }
        let (Some(first), Some(sum)) = (self.waiting.pop_front(), self.sums.back_mut()) else {
            return;
        };
        for ((sum, one), two) in sum.iter_mut().zip(&first).zip(heard) {
            let both = two * one.conj();
            let power = both.norm_sqr();
            if power > 0.0 {
                *sum += both / power.sqrt();
            }
        }
        self.frames += 1;
        if self.frames.is_multiple_of(BLOCK) {
            self.close();
        }
    }

    /// Ends a block: the one before it can be found now.
    fn close(&mut self) {
        if self.sums.len() >= 2 {
            let arrival = self.arrival();
            self.found.extend([arrival; BLOCK]);
        }
        if self.sums.len() == AROUND {
            self.sums.pop_front();
        }
        self.sums
            .push_back(vec![Complex32::default(); self.bins.len()]);
    }

    fn arrival(&self) -> Arrival {
        let mut phases = self.inverse.make_input_vec();
        for sum in &self.sums {
            for (phase, one) in phases[self.bins.clone()].iter_mut().zip(sum) {
                *phase += one;
            }
        }
        let mut agreement = self.inverse.make_output_vec();
        if self.inverse.process(&mut phases, &mut agreement).is_err() {
            return Arrival::default();
        }
        // Shifts below 0 stand at the end.
        let length = agreement.len() as i32;
        let at = |late: i8| agreement[i32::from(late).rem_euclid(length) as usize];
        let best = (-REACH..=REACH).max_by(|a, b| at(*a).total_cmp(&at(*b)));
        let late = best.unwrap_or_default();
        let most = (2 * self.bins.len() * self.sums.len() * BLOCK) as f32;
        Arrival {
            late,
            clear: (255.0 * at(late) / most).round().clamp(0.0, 255.0) as u8,
        }
    }

    /// Arrivals by frame, of all that can be known yet.
    pub fn found(&self) -> &[Arrival] {
        &self.found
    }

    /// Arrivals of all frames.
    pub fn finish(mut self) -> Vec<Arrival> {
        let frames = self.frames;
        while self.found.len() < frames {
            self.close();
        }
        self.found.truncate(frames);
        self.found
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use realfft::RealFftPlanner;

    use super::*;

    const WINDOW: usize = 512;

    /// Arrivals of noise that the second channel hears later, and so many times as loud.
    fn heard(late: i32, gain: f32, frames: usize) -> Vec<Arrival> {
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(WINDOW);
        let sound = |at: i32| {
            let mut bits = (at as u32).wrapping_mul(0x9e37_79b9);
            bits = (bits ^ bits >> 15).wrapping_mul(0x85eb_ca6b);
            bits = (bits ^ bits >> 13).wrapping_mul(0xc2b2_ae35);
            (bits >> 8) as f32 / 8_388_608.0 - 1.0
        };
        let mut arrivals = Arrivals::new(WINDOW, 16_000);
        for frame in 0..frames as i32 {
            for (channel, (shift, gain)) in [(0, 1.0), (late, gain)].into_iter().enumerate() {
                let sample = |n: usize| gain * sound(frame * 160 + n as i32 - shift);
                let mut samples: Vec<f32> = (0..WINDOW).map(sample).collect();
                let mut spectrum = fft.make_output_vec();
                fft.process(&mut samples, &mut spectrum).unwrap();
                arrivals.hear(channel, &spectrum);
            }
        }
        arrivals.finish()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn the_shift_is_found_however_loud_each_is(late in -100i32..=100, gain in 0.001f32..1000.0) {
            let found = heard(late, gain, 47);
            prop_assert_eq!(found.len(), 47);
            for arrival in found {
                prop_assert_eq!(i32::from(arrival.late), late);
                prop_assert!(arrival.clear() > 0.2);
            }
        }
    }

    #[test]
    fn nothing_is_clear_in_silence() {
        assert!(
            heard(3, 0.0, 25)
                .iter()
                .all(|arrival| arrival.clear() == 0.0)
        );
        assert_eq!(heard(3, 1.0, 0), []);
    }
}
