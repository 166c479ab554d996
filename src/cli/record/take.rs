//! One recording: frames in, a sealed session out. Needs no terminal.

use std::time::{Duration, Instant};

use crate::audio::flac::Encoder;
use crate::audio::{Frames, to_i16};
use crate::cli::sound::AUDIO;
use crate::vault::NewSession;
use crate::{Error, Result};

/// What is written is forced to disk this often.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// Frames taken at once: short, so that the meters move.
const BLOCK: usize = 1_600;

/// How far a recording is.
#[derive(Debug, Clone, Copy)]
pub struct Sofar {
    /// Frames stored.
    pub frames: u64,
    /// Seconds stored.
    pub seconds: f64,
    /// Sealed bytes on disk.
    pub bytes: u64,
}

/// Seals frames into the session until they end or `tell` returns false.
///
/// `tell` is asked after every block, about ten times a second; when it says stop, what the source
/// still holds is drained: it must end by itself soon after.
///
/// # Errors
/// [`crate::Kind::Disk`] when the disk refuses; what was written stays, as a part to recover.
pub fn take(
    session: &NewSession,
    frames: &mut dyn Frames,
    tell: &mut dyn FnMut(Sofar),
) -> Result<Sofar> {
    let spec = frames.spec();
    let mut encoder = Encoder::new(session.stream(AUDIO)?, spec.sample_rate, spec.channels)?;
    let mut sofar = Sofar {
        frames: 0,
        seconds: 0.0,
        bytes: 0,
    };
    let mut synced = Instant::now();
    let mut block = Vec::new();
    loop {
        block.clear();
        let read = frames.read(&mut block, BLOCK)?;
        if read == 0 {
            break;
        }
        let samples: Vec<i16> = block.iter().copied().map(to_i16).collect();
        let written = encoder.write(&samples);
        let sink = encoder.get_mut();
        // The vault's own words for a failed write say what was kept.
        sink.check().map_err(|error| interrupted(error, session))?;
        written?;
        if synced.elapsed() >= SYNC_EVERY {
            synced = Instant::now();
            sink.sync().map_err(|error| interrupted(error, session))?;
        }
        sofar.frames += read as u64;
        sofar.seconds = sofar.frames as f64 / f64::from(spec.sample_rate);
        sofar.bytes = sink.written();
        tell(sofar);
    }
    let sealed = encoder
        .finish()?
        .finish()
        .map_err(|error| interrupted(error, session))?;
    sofar.bytes = sealed.bytes;
    Ok(sofar)
}

fn interrupted(error: Error, session: &NewSession) -> Error {
    error.hint(format!("undertone recover {}", session.id()))
}
