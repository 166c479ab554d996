//! A session's transcript, as it comes out of the vault.

use super::transcribe::TRANSCRIPT;
use sha2::{Digest, Sha256};

use crate::transcript::{self, Transcript};
use crate::vault::OpenSession;
use crate::{Error, Kind, Result};

/// Largest transcript that is read, in bytes: a day of talk takes about 40 MB.
const LARGEST: u64 = 256 * 1024 * 1024;

/// Reads a session's transcript.
///
/// # Errors
/// [`Kind::NotFound`] if it was not transcribed yet; [`Kind::Damaged`] if the file is cut or
/// altered.
pub fn read(session: &OpenSession) -> Result<Transcript> {
    if !session.has(TRANSCRIPT) {
        return Err(Error::new(
            Kind::NotFound,
            format!("Session {} is not transcribed yet.", session.id()),
        )
        .hint(format!("undertone transcribe {}", session.id())));
    }
    transcript::parse(session.stream(TRANSCRIPT)?, LARGEST)
}

/// SHA-256 of a session's transcript, as hexadecimal digits: an analysis says what it was made of.
///
/// # Errors
/// As [`read`].
pub fn digest(session: &OpenSession) -> Result<Option<String>> {
    let bytes = session.read(TRANSCRIPT, LARGEST)?;
    Ok(Some(hex::encode(Sha256::digest(&bytes))))
}
