//! A session's sound, as it goes into the vault and comes out of it. Needs no terminal.

use std::time::{Duration, Instant};

use super::transcribe::TRANSCRIPT;
use super::{Context, terminal};
use crate::audio::flac::{Decoder, Encoder};
use crate::audio::resample::Resampler;
use crate::audio::{Frames, SPEECH_RATE, Spec, to_i16};
use crate::vault::{Manifest, NewSession, OpenSession};
use crate::{Error, Kind, Result};

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

/// Opens a session's sound from its start, as stored; if `partial`, up to where it is damaged, as if it ended there.
///
/// # Errors
/// [`Kind::Damaged`] if the sealed file is cut or altered, with how to get what comes before that; if `partial`, where
/// nothing can be read. [`Kind::NotFound`] if it broke off before there was any.
pub fn open(session: &OpenSession, partial: bool) -> Result<Box<dyn Frames + '_>> {
    let silent = |manifest: Manifest| manifest.duration_s == Some(0.0);
    if session.manifest().is_ok_and(silent) {
        let id = session.id();
        return Err(Error::new(
            Kind::NotFound,
            "This session holds no sound: it broke off before any was sealed.",
        )
        .hint(format!("undertone delete {id}")));
    }
    let frames = Decoder::new(session.stream(AUDIO)?)?;
    if partial {
        return Ok(Box::new(Genuine(frames)));
    }
    let name = session.id().to_string();
    let written = session.has(TRANSCRIPT);
    Ok(Box::new(Whole {
        frames,
        name,
        written,
    }))
}

/// Sound at 16 kHz.
///
/// # Errors
/// [`Kind::Audio`] if it cannot be brought to that rate.
pub fn for_speech<'a>(stored: Box<dyn Frames + 'a>) -> Result<Box<dyn Frames + 'a>> {
    if stored.spec().sample_rate == SPEECH_RATE {
        Ok(stored)
    } else {
        Ok(Box::new(Resampler::new(stored)?))
    }
}

/// How many frames come before any damage, and how many seconds that is; reads them all.
///
/// # Errors
/// As [`open`] with `partial`.
pub fn genuine(session: &OpenSession) -> Result<(u64, f64)> {
    let mut frames = open(session, true)?;
    let rate = f64::from(frames.spec().sample_rate.max(1));
    let mut block = Vec::new();
    let mut count = 0;
    loop {
        block.clear();
        match frames.read(&mut block, 48_000)? {
            0 => return Ok((count, count as f64 / rate)),
            read => count += read as u64,
        }
    }
}

/// Tells how much was damaged, where it is worth telling.
pub fn tell_missing(seconds: f64, cx: &Context) {
    if seconds > 1.0 {
        let missing = terminal::in_words(Duration::from_secs_f64(seconds));
        cx.warn(&format!("The last {missing} are damaged and not in it."));
    }
}

/// A session's sound, which is whole or an error.
struct Whole<F> {
    frames: F,
    name: String,
    /// Whether what was said is written down already: from damaged sound it is not written again.
    written: bool,
}

impl<F: Frames> Frames for Whole<F> {
    fn spec(&self) -> Spec {
        self.frames.spec()
    }

    fn read(&mut self, into: &mut Vec<f32>, max_frames: usize) -> Result<usize> {
        let damaged = |error: Error| {
            let name = &self.name;
            let error = error.hint("bring back the session's folder from a backup of the vault");
            let error = match self.written {
                true => error,
                false => error.hint(format!("undertone transcribe {name} --partial")),
            };
            error.hint(format!("undertone export {name} --partial -o FILE.wav"))
        };
        let read = self.frames.read(into, max_frames);
        read.map_err(|error| match error.kind() {
            Kind::Damaged => damaged(error),
            _ => error,
        })
    }
}

/// Sound that ends where it is damaged.
struct Genuine<F>(F);

impl<F: Frames> Frames for Genuine<F> {
    fn spec(&self) -> Spec {
        self.0.spec()
    }

    fn read(&mut self, into: &mut Vec<f32>, max_frames: usize) -> Result<usize> {
        match self.0.read(into, max_frames) {
            Err(error) if error.kind() == Kind::Damaged => Ok(0),
            read => read,
        }
    }
}
