//! WAV to a writer that cannot seek: the form in which sound leaves the vault.
//!
//! The length is known before the first byte, so the header is written once and is true. It
//! refuses what a WAV header cannot say: more than 4 GiB of samples.

use std::io::Write;

use super::{Frames, Spec};
use crate::{Error, Kind, Result};

/// Writes `spec.frames` frames as 16 bit PCM and returns how many frames were written from
/// `frames`.
///
/// The header needs the length: `spec.frames` must be set. Should the stream end early, silence
/// fills the rest, so that the file is sound; should it be longer, the rest is left out.
///
/// # Errors
/// [`Kind::Usage`] when the length is unknown or over 4 GiB, [`Kind::Disk`] when writing fails, and
/// what `frames` reports, after the file was completed with silence.
pub fn write(mut to: impl Write, spec: Spec, frames: &mut dyn Frames) -> Result<u64> {
    let too_long = || {
        Error::new(
            Kind::Usage,
            "A WAV file cannot hold a recording of unknown length, or of more than 4 GiB.",
        )
    };
    let total = spec.frames.ok_or_else(too_long)?;
    let frame = u64::from(spec.channels) * 2;
    let data = total
        .checked_mul(frame)
        .and_then(|n| u32::try_from(n).ok())
        .filter(|n| *n <= u32::MAX - 36)
        .ok_or_else(too_long)?;
    if frames.spec().channels != spec.channels {
        return Err(Error::new(Kind::Internal, "Channel counts do not agree."));
    }
    to.write_all(&header(spec, data)).map_err(|e| failed(&e))?;
    let mut done = 0u64;
    let mut samples = Vec::new();
    let mut bytes = Vec::new();
    let mut trouble = None;
    while done < total {
        samples.clear();
        let most = (total - done).min(16_384) as usize;
        match frames.read(&mut samples, most) {
            Ok(0) => break,
            Ok(n) => done += n as u64,
            Err(e) => {
                trouble = Some(e);
                break;
            }
        }
        bytes.clear();
        for s in &samples {
            bytes.extend_from_slice(&super::to_i16(*s).to_le_bytes());
        }
        to.write_all(&bytes).map_err(|e| failed(&e))?;
    }
    let silence = [0u8; 4_096];
    let mut missing = (total - done) * frame;
    while missing > 0 {
        let n = missing.min(silence.len() as u64);
        to.write_all(&silence[..n as usize])
            .map_err(|e| failed(&e))?;
        missing -= n;
    }
    to.flush().map_err(|e| failed(&e))?;
    trouble.map_or(Ok(done), Err)
}

fn failed(error: &std::io::Error) -> Error {
    Error::new(
        Kind::Disk,
        format!("The WAV file could not be written: {}.", error.kind()),
    )
}

fn header(spec: Spec, data: u32) -> Vec<u8> {
    let frame = spec.channels * 2;
    let mut h = Vec::with_capacity(44);
    h.extend_from_slice(b"RIFF");
    h.extend_from_slice(&(data + 36).to_le_bytes());
    h.extend_from_slice(b"WAVEfmt ");
    h.extend_from_slice(&16u32.to_le_bytes());
    h.extend_from_slice(&1u16.to_le_bytes());
    h.extend_from_slice(&spec.channels.to_le_bytes());
    h.extend_from_slice(&spec.sample_rate.to_le_bytes());
    h.extend_from_slice(&(spec.sample_rate * u32::from(frame)).to_le_bytes());
    h.extend_from_slice(&frame.to_le_bytes());
    h.extend_from_slice(&16u16.to_le_bytes());
    h.extend_from_slice(b"data");
    h.extend_from_slice(&data.to_le_bytes());
    h
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::audio::Memory;

    #[test]
    fn hound_reads_what_was_written_and_the_length_is_true() {
        let spec = Spec {
            sample_rate: 16_000,
            channels: 2,
            frames: Some(5),
        };
        let mut out = Vec::new();
        let given = vec![0.5, -0.5, 1.0, -1.0, 0.0, 0.25];
        let n = write(&mut out, spec, &mut Memory::new(given, 16_000, 2)).unwrap();
        assert_eq!(n, 3);
        let mut wav = hound::WavReader::new(&out[..]).unwrap();
        let read: Vec<i16> = wav.samples().map(|s| s.unwrap()).collect();
        assert_eq!(
            read,
            [16_384, -16_384, 32_767, -32_768, 0, 8_192, 0, 0, 0, 0]
        );
    }

    #[test]
    fn a_length_that_wav_cannot_say_is_refused() {
        for frames in [None, Some(u64::MAX), Some(1 << 31)] {
            let spec = Spec {
                sample_rate: 16_000,
                channels: 2,
                frames,
            };
            let mut sound = Memory::new(Vec::new(), 16_000, 2);
            assert!(write(Vec::new(), spec, &mut sound).is_err());
        }
    }
}
