//! WAV with plain samples, by hound: 8, 16, 24 and 32 bit, float, and the extensible header.

use std::io::{BufReader, Read};

use hound::{SampleFormat, WavReader};

use super::{ends_early, within_limits};
use crate::audio::{Frames, Spec};
use crate::{Error, Kind, Result};

/// Lengths that programs write when they do not know the length (sox, ffmpeg, arecord in a pipe).
const UNKNOWN_LENGTH: u32 = 0x7fff_0000;

pub(super) struct Pcm<R: Read> {
    wav: WavReader<BufReader<R>>,
    spec: Spec,
    float: bool,
    scale: f32,
    read: u64,
    spent: bool,
}

impl<R: Read> Pcm<R> {
    /// Reads the header; `None` when the samples are not plain.
    pub(super) fn new(from: BufReader<R>) -> Result<Option<Self>> {
        let wav = match WavReader::new(from) {
            Ok(wav) => wav,
            Err(hound::Error::IoError(_)) => return Err(headless()),
            Err(_) => return Ok(None),
        };
        let header = wav.spec();
        let float = header.sample_format == SampleFormat::Float;
        if !(1..=32).contains(&header.bits_per_sample) || (float && header.bits_per_sample != 32) {
            return Ok(None);
        }
        let open_ended = wav
            .len()
            .checked_mul(u32::from(header.bits_per_sample / 8).max(1))
            .is_none_or(|bytes| bytes >= UNKNOWN_LENGTH);
        let spec = Spec {
            sample_rate: header.sample_rate,
            channels: header.channels,
            frames: (!open_ended).then(|| u64::from(wav.duration())),
        };
        within_limits(spec)?;
        Ok(Some(Pcm {
            wav,
            spec,
            float,
            scale: 1.0 / (1u64 << (header.bits_per_sample - 1)) as f32,
            read: 0,
            spent: false,
        }))
    }
}

fn headless() -> Error {
    Error::new(
        Kind::Damaged,
        "This WAV file ends inside its header: it holds no sound.",
    )
    .hint("Copy the file again from where it was recorded.")
}

impl<R: Read> Frames for Pcm<R> {
    fn spec(&self) -> Spec {
        self.spec
    }

    fn read(&mut self, into: &mut Vec<f32>, max_frames: usize) -> Result<usize> {
        if self.spent {
            return Ok(0);
        }
        let channels = usize::from(self.spec.channels);
        let samples = max_frames.min(16_384) * channels;
        let start = into.len();
        let mut failed = false;
        if self.float {
            for s in self.wav.samples::<f32>().take(samples) {
                match s {
                    // A value that is no number would poison every sum after it.
                    Ok(s) => into.push(if s.is_finite() {
                        s.clamp(-1.0, 1.0)
                    } else {
                        0.0
                    }),
                    Err(_) => {
                        failed = true;
                        break;
                    }
                }
            }
        } else {
            for s in self.wav.samples::<i32>().take(samples) {
                match s {
                    Ok(s) => into.push(s as f32 * self.scale),
                    Err(_) => {
                        failed = true;
                        break;
                    }
                }
            }
        }
        let frames = (into.len() - start) / channels;
        into.truncate(start + frames * channels);
        self.read += frames as u64;
        if frames > 0 || max_frames == 0 {
            return Ok(frames);
        }
        self.spent = true;
        let short = self.spec.frames.is_some_and(|total| self.read < total);
        if short || (failed && self.spec.frames.is_some()) {
            return Err(ends_early(self.read, self.spec));
        }
        Ok(0)
    }
}
