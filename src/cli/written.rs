//! A session's transcript, as it comes out of the vault.

use sha2::{Digest, Sha256};

use super::transcribe::TRANSCRIPT;
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
    Ok(read_with_digest(session)?.0)
}

/// Reads a session's transcript, and the SHA-256 of its bytes in hexadecimal digits: an analysis
/// says what it was made of.
///
/// # Errors
/// As [`read`].
pub fn read_with_digest(session: &OpenSession) -> Result<(Transcript, String)> {
    if !session.has(TRANSCRIPT) {
        return Err(Error::new(
            Kind::NotFound,
            format!("Session {} is not transcribed yet.", session.id()),
        )
        .hint(format!("undertone transcribe {}", session.id())));
    }
    let bytes = session.read(TRANSCRIPT, LARGEST)?;
    let transcript = transcript::parse(bytes.as_slice(), LARGEST)?;
    Ok((transcript, hex::encode(Sha256::digest(&bytes))))
}
