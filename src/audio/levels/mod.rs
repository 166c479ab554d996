//! How loud each channel is, while recording ([`Meter`]) and before a session ([`check`]).
//!
//! Levels are in dBFS with 0 at full scale, so that a full-scale sine has an RMS of -3.0; silence
//! is held at [`FLOOR_DBFS`]. Nothing here judges voices or people: only microphones and rooms.

pub mod check;
pub mod humps;

use serde::Serialize;

/// What digital silence is shown as, so that every figure is a number.
pub const FLOOR_DBFS: f32 = -120.0;

/// From this value up (of 1.0) a sample counts as clipped: within a step or two of the end of 16
/// bit.
const CLIPPED: f32 = 32_766.0 / 32_768.0;

/// The level of one channel over a window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Level {
    /// The largest sample, in dBFS.
    pub peak_dbfs: f32,
    /// The root mean square, in dBFS.
    pub rms_dbfs: f32,
    /// Samples at full scale.
    pub clipped: u64,
}

/// Measures every channel of a stream over windows that the caller chooses.
#[derive(Debug, Clone)]
pub struct Meter {
    channels: Vec<Sum>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    peak: f32,
    power: f64,
    count: u64,
    clipped: u64,
}

impl Meter {
    /// A meter for so many channels; zero counts as one.
    #[must_use]
    pub fn new(channels: u16) -> Self {
        Meter {
            channels: vec![Sum::default(); usize::from(channels.max(1))],
        }
    }

    /// Adds interleaved samples to the window; a part of a frame at the end is left out.
    pub fn push(&mut self, interleaved: &[f32]) {
        let count = self.channels.len();
        for frame in interleaved.chunks_exact(count) {
            for (sum, s) in self.channels.iter_mut().zip(frame) {
                let size = s.abs();
                sum.peak = sum.peak.max(size);
                sum.power += f64::from(*s) * f64::from(*s);
                sum.count += 1;
                sum.clipped += u64::from(size >= CLIPPED);
            }
        }
    }

    /// The levels of the window, one a channel, and begins a new window.
    pub fn take(&mut self) -> Vec<Level> {
        self.channels
            .iter_mut()
            .map(|sum| {
                let sum = std::mem::take(sum);
                Level {
                    peak_dbfs: dbfs(f64::from(sum.peak).powi(2)),
                    rms_dbfs: dbfs(sum.power / sum.count.max(1) as f64),
                    clipped: sum.clipped,
                }
            })
            .collect()
    }
}

/// A power (1.0 at full scale) in dBFS.
fn dbfs(power: f64) -> f32 {
    let db = 10.0 * power.max(1e-30).log10();
    (db as f32).clamp(FLOOR_DBFS, 20.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_full_scale_sine_is_at_minus_three_and_silence_at_the_floor() {
        let mut meter = Meter::new(2);
        let tone: Vec<f32> = (0..16_000)
            .flat_map(|i| [(i as f32 * std::f32::consts::TAU / 16.0).sin(), 0.0])
            .collect();
        meter.push(&tone);
        let levels = meter.take();
        assert!((levels[0].rms_dbfs + 3.01).abs() < 0.01);
        assert!(levels[0].peak_dbfs.abs() < 0.01);
        assert_eq!(levels[0].clipped, 2_000);
        assert_eq!(levels[1].rms_dbfs, FLOOR_DBFS);
        assert_eq!(
            meter.take()[0].peak_dbfs,
            FLOOR_DBFS,
            "the window began anew"
        );
    }
}
