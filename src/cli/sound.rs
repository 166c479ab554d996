//! A session's sound, as it goes into the vault and comes out of it. Needs no terminal.

use std::time::Instant;

use crate::Result;
use crate::audio::flac::{Decoder, Encoder};
use crate::audio::resample::Resampler;
use crate::audio::{Frames, SPEECH_RATE, to_i16};
use crate::vault::{NewSession, OpenSession};

/// Name of the sound inside a session.
pub const AUDIO: &str = "audio.flac";

/// Blocks a second that frames are taken in: short ones, so that a recording's meters move.
const BLOCKS: u32 = 10;
/// Bytes that an hour of two channels at 16 kHz takes as FLAC. Measured on our test sessions: 80 to
/// 136 MB an hour, the most for a noisy room, which is taken here.
const BYTES_AN_HOUR: u64 = 140_000_000;

/// About what an hour of two channels takes at `rate` hertz, in bytes.
#[must_use]
pub fn bytes_an_hour(rate: u32) -> u64 {
    BYTES_AN_HOUR * u64::from(rate) / u64::from(SPEECH_RATE)
}

/// How far the storing is.
#[derive(Debug, Clone, Copy)]
pub struct Sofar {
    /// Frames stored.
    pub frames: u64,
    /// Seconds stored.
    pub seconds: f64,
    /// Sealed bytes on disk.
    pub bytes: u64,
}

/// Seals frames into the session until they end, and tells how far it is after every block, with
/// the block's interleaved samples.
///
/// # Errors
/// [`crate::Kind::Disk`] when the disk refuses, and what reading gives; what was written stays, as
/// a part to recover.
pub fn store(
    session: &NewSession,
    frames: &mut dyn Frames,
    tell: &mut dyn FnMut(Sofar, &[f32]),
) -> Result<Sofar> {
    let spec = frames.spec();
    let size = (spec.sample_rate / BLOCKS).max(1) as usize;
    let mut encoder = Encoder::new(session.stream(AUDIO)?, spec.sample_rate, spec.channels)?;
    let mut sofar = Sofar {
        frames: 0,
        seconds: 0.0,
        bytes: 0,
    };
    let begun = Instant::now();
    let mut block = Vec::new();
    loop {
        block.clear();
        let read = frames.read(&mut block, size)?;
        if read == 0 {
            break;
        }
        let samples: Vec<i16> = block.iter().copied().map(to_i16).collect();
        let written = encoder.write(&samples);
        let sink = encoder.get_mut();
        // The vault's own words for a failed write say what was kept.
        sink.check()?;
        written?;
        sink.tend(begun.elapsed())?;
        sofar.frames += read as u64;
        sofar.seconds = sofar.frames as f64 / f64::from(spec.sample_rate);
        sofar.bytes = sink.written();
        tell(sofar, &block);
    }
    sofar.bytes = encoder.finish()?.finish()?.bytes;
    Ok(sofar)
}

/// Opens a session's sound from its start, as stored.
///
/// # Errors
/// [`crate::Kind::Damaged`] if the sealed file is cut or altered.
pub fn open(session: &OpenSession) -> Result<Box<dyn Frames + '_>> {
    Ok(Box::new(Decoder::new(session.stream(AUDIO)?)?))
}

/// Opens a session's sound from its start, at 16 kHz.
///
/// # Errors
/// As [`open`].
pub fn open_for_speech(session: &OpenSession) -> Result<Box<dyn Frames + '_>> {
    let stored = open(session)?;
    if stored.spec().sample_rate == SPEECH_RATE {
        Ok(stored)
    } else {
        Ok(Box::new(Resampler::new(stored)?))
    }
}
