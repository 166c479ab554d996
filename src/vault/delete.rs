//! Deleting a session: its key first, so that whatever is left of it cannot be opened.
//!
//! `key.age` is overwritten, then removed; then the rest. Overwriting reaches the file, not what
//! the disk keeps besides: see docs/vault.md. Refuses a session that is being written.

use jiff::Timestamp;

use super::audit::Event;
use super::folder::{Entry, Folder};
use super::lock::Lock;
use super::vault_folder::Vault;
use super::{SessionId, names};
use crate::{Error, Kind, Result};

impl Vault {
    /// Deletes a session. Needs no passphrase. May be repeated after being cut short.
    ///
    /// # Errors
    /// [`Kind::Busy`] while it is being written, [`Kind::NotFound`], [`Kind::Disk`].
    pub fn delete(&self, id: &SessionId, now: Timestamp) -> Result<()> {
        let folder = self.folder(id)?;
        let lock = Lock::take(&folder)?;
        empty(&folder)?;
        self.sessions.remove_sub(&id.to_string())?;
        drop(lock);
        self.note(Event::SessionDeleted, Some(id), now)
    }
}

/// Removes everything in a session's folder: the key first, shredded; the lock last. Links are
/// removed, not followed.
pub(super) fn empty(folder: &Folder) -> Result<()> {
    for key in [names::KEY, "key.age.new"] {
        if folder.has(key) {
            folder.shred(key)?;
        }
    }
    let mut rest = folder.entries()?;
    rest.sort_by_key(|e| e.name == names::LOCK);
    for Entry {
        name, is_folder, ..
    } in rest
    {
        if is_folder {
            return Err(Error::new(
                Kind::Disk,
                format!(
                    "The session's key is destroyed, but {} holds a folder that is not \
                     undertone's, and is left there.",
                    folder.path().display()
                ),
            )
            .hint("Look at that folder and remove it by hand."));
        }
        folder.remove(&name)?;
    }
    folder.sync()
}
