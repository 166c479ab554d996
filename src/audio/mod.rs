//! Sound in and out: devices, capture, levels, files, resampling, FLAC.
//!
//! This module knows nothing about sessions or keys: it turns microphones and files into
//! [`Frames`], and frames into bytes.

pub mod capture;
pub mod devices;
pub mod flac;
pub mod import;
pub mod levels;
mod memory;
pub mod resample;
pub mod wav;

pub use memory::Memory;

use crate::Result;

/// Samples a second that speech recognition works at, and that sessions are stored at unless the
/// native rate was asked for. Unit: hertz.
pub const SPEECH_RATE: u32 = 16_000;

/// What a stream of frames is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Frames a second, in hertz (8,000 to 192,000).
    pub sample_rate: u32,
    /// Samples in a frame (1 to 32).
    pub channels: u16,
    /// Frames in the whole stream where its header says so. A header may lie: a hint, no promise.
    pub frames: Option<u64>,
}

/// A stream of sound, read once from start to end.
pub trait Frames {
    /// What the frames are like. Does not change while reading.
    fn spec(&self) -> Spec;

    /// Appends up to `max_frames` frames to `into`, interleaved, in the range -1.0 to 1.0, and
    /// returns how many frames were appended. Zero is the end of the stream and nothing else.
    ///
    /// # Errors
    /// [`crate::Kind::Damaged`] when the stream is cut or altered; every frame before that was
    /// handed out by earlier calls. After an error the reader is spent.
    fn read(&mut self, into: &mut Vec<f32>, max_frames: usize) -> Result<usize>;
}

impl<F: Frames + ?Sized> Frames for Box<F> {
    fn spec(&self) -> Spec {
        (**self).spec()
    }
    fn read(&mut self, into: &mut Vec<f32>, max_frames: usize) -> Result<usize> {
        (**self).read(into, max_frames)
    }
}

/// A sample as 16 bit, rounded and held within the range.
#[must_use]
pub fn to_i16(sample: f32) -> i16 {
    // `as` saturates, and makes silence of what is no number.
    (sample * 32_768.0).round() as i16
}
