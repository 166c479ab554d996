//! A session's sound, as it comes out of the vault.

use crate::Result;
use crate::audio::flac::Decoder;
use crate::audio::resample::Resampler;
use crate::audio::{Frames, SPEECH_RATE};
use crate::vault::OpenSession;

/// Name of the sound inside a session.
pub const AUDIO: &str = "audio.flac";

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
