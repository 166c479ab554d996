//! Sound that is already in memory, as [`Frames`]: short files, tests, what is played back.

use super::{Frames, Spec};
use crate::Result;

/// Interleaved samples in memory.
#[derive(Debug, Clone)]
pub struct Memory {
    samples: Vec<f32>,
    spec: Spec,
    at: usize,
}

impl Memory {
    /// Takes interleaved samples (-1.0 to 1.0) at a rate in hertz. A part of a frame at the end is
    /// left out; zero channels count as one.
    #[must_use]
    pub fn new(mut samples: Vec<f32>, sample_rate: u32, channels: u16) -> Self {
        let channels = channels.max(1);
        let frames = samples.len() / usize::from(channels);
        samples.truncate(frames * usize::from(channels));
        let spec = Spec {
            sample_rate,
            channels,
            frames: Some(frames as u64),
        };
        Memory {
            samples,
            spec,
            at: 0,
        }
    }
}

impl Frames for Memory {
    fn spec(&self) -> Spec {
        self.spec
    }

    fn read(&mut self, into: &mut Vec<f32>, max_frames: usize) -> Result<usize> {
        let channels = usize::from(self.spec.channels);
        let frames = ((self.samples.len() - self.at) / channels).min(max_frames);
        let end = self.at + frames * channels;
        into.extend_from_slice(&self.samples[self.at..end]);
        self.at = end;
        Ok(frames)
    }
}
