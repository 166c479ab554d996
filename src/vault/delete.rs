//! Deleting a session: its key first, so that whatever is left of it cannot be opened.
//!
//! `key.age` is overwritten, then removed; then the rest. Overwriting reaches the file, not what
//! the disk keeps besides: see docs/vault.md. Refuses a session that is being written.

use jiff::Timestamp;

use super::audit::Event;
use super::folder::{Entry, Folder};
use super::lock::Lock;
use super::told::and;
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
            .map_err(|e| and(e, "The session is deleted all the same."))
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::vault::State;

    #[test]
    fn a_deleted_session_is_gone_and_noted() {
        let f = Fixture::new();
        let (gone, stays) = (f.session(1, b"x"), f.session(2, b"y"));
        f.vault.delete(&gone, now()).unwrap();
        assert!(!f.folder(&gone).exists());
        assert_eq!(f.vault.sessions().unwrap().len(), 1);
        assert!(f.unlocked.check(&stays).unwrap().sound());
        assert_eq!(
            f.vault.delete(&gone, now()).unwrap_err().kind(),
            Kind::NotFound
        );
        let trail = std::fs::read_to_string(f.root.join("audit.jsonl")).unwrap();
        assert!(trail.lines().last().unwrap().contains("session-deleted"));
        assert_eq!(f.vault.verify_audit().unwrap().broken_at, None);
    }

    #[test]
    fn shredding_overwrites_the_key_itself() {
        let f = Fixture::new();
        let id = f.session(1, b"x");
        // A second name for the same blocks shows what became of them.
        let key = f.folder(&id).join("key.age");
        let witness = f.root.join("witness");
        std::fs::hard_link(&key, &witness).unwrap();
        let length = std::fs::metadata(&witness).unwrap().len();
        f.vault.delete(&id, now()).unwrap();
        let left = std::fs::read(&witness).unwrap();
        assert_eq!(left.len() as u64, length);
        assert!(left.iter().all(|&b| b == 0));
    }

    #[test]
    fn a_deletion_cut_short_after_the_key_is_seen_and_repeated() {
        let f = Fixture::new();
        let id = f.session(1, b"x");
        Folder::open(&f.folder(&id))
            .unwrap()
            .shred("key.age")
            .unwrap();
        assert_eq!(f.vault.entry(&id).unwrap().state, State::Keyless);
        assert_eq!(f.unlocked.session(&id).unwrap_err().kind(), Kind::Damaged);
        assert_eq!(
            f.unlocked.recover(&id, now()).unwrap_err().kind(),
            Kind::Damaged
        );
        f.vault.delete(&id, now()).unwrap();
        assert!(f.vault.sessions().unwrap().is_empty());
    }
}
