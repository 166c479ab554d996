//! Who writes a session: `flock` on the file `lock` in its folder.
//!
//! The kernel drops the lock with the process, so a writer that died leaves none behind. It
//! refuses to wait long: whoever cannot have it is told that the session is in use.

use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::disk::Sheet;
use super::folder::Folder;
use super::names::LOCK;
use crate::{Error, Kind, Result};

/// A session's lock, held until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: Sheet,
}

impl Lock {
    /// Takes the lock of a session's folder.
    ///
    /// Looking whether it is held takes a shared lock for a moment, so a refusal is tried again
    /// for half a second before it is believed.
    ///
    /// # Errors
    /// [`Kind::Busy`] when somebody else holds it.
    pub(super) fn take(folder: &Folder) -> Result<Self> {
        for attempt in 0..25 {
            if attempt > 0 {
                thread::sleep(Duration::from_millis(20));
            }
            let file = folder.open_or_create(LOCK)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    // A session deleted meanwhile took its lock file with it.
                    let meta = file
                        .metadata()
                        .map_err(|e| Error::io("locking", folder.path(), &e))?;
                    if folder.inode(LOCK) == Some((meta.dev(), meta.ino())) {
                        return Ok(Lock { _file: file });
                    }
                }
                Err(Errno::WOULDBLOCK | Errno::INTR) => {}
                Err(e) => return Err(Error::io("locking", folder.path(), &e.into())),
            }
        }
        Err(Error::new(
            Kind::Busy,
            "This session is being written by another undertone. Nothing was changed.",
        )
        .hint("Wait until that recording or transcription has ended, then try again."))
    }

    /// Whether somebody holds the lock of a session's folder right now.
    pub(super) fn held(folder: &Folder) -> Result<bool> {
        let file = match folder.read(LOCK) {
            Ok(file) => file,
            Err(e) if e.kind() == Kind::NotFound => return Ok(false),
            Err(e) => return Err(e),
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(Errno::WOULDBLOCK) => Ok(true),
            Err(e) => Err(Error::io("locking", folder.path(), &e.into())),
        }
    }
}
