//! A session's bookmarks and pauses, as they come out of the vault.

use crate::Result;
use crate::transcript::Moments;
use crate::vault::OpenSession;

/// Name of the moments inside a session.
pub const MOMENTS: &str = "moments.json";

/// Largest file of moments that is read, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Reads a session's moments; none where it has none.
///
/// # Errors
/// [`crate::Kind::Damaged`] if the file is cut or altered.
pub fn read(session: &OpenSession) -> Result<Moments> {
    if !session.has(MOMENTS) {
        return Ok(Moments::default());
    }
    Moments::parse(&session.read(MOMENTS, LARGEST)?)
}
