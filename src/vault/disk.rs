//! What the vault does to the disk, told to a [`Watcher`] before it is done, who may refuse it or
//! let only a part of it through. In use nobody watches; tests put a disk in its place that is
//! full, or whose power is cut (`tests/storage_faults.rs`).
//!
//! It refuses to be a file system of its own: what is let through is done to the real one.

use std::fs::{File, Metadata};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One thing that is about to be done to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act<'a> {
    /// A new, empty file.
    Create(&'a Path),
    /// Bytes into a file, from the place `at` on.
    Write {
        /// Which file.
        file: &'a Path,
        /// Where in it, in bytes.
        at: u64,
        /// What.
        bytes: &'a [u8],
    },
    /// A file cut to a length in bytes.
    Cut(&'a Path, u64),
    /// A file's bytes made durable.
    SyncFile(&'a Path),
    /// A file given another name, in place of what was there.
    Rename(&'a Path, &'a Path),
    /// A file's name removed.
    Remove(&'a Path),
    /// A new folder.
    MakeFolder(&'a Path),
    /// The names in a folder made durable.
    SyncFolder(&'a Path),
}

/// Sees every act before it is done.
pub trait Watcher: Send + Sync + std::fmt::Debug {
    /// How many bytes of a write go through at once (at least one); of the rest nothing is asked.
    ///
    /// # Errors
    /// What the disk is to answer instead of doing it.
    fn before(&self, act: &Act<'_>) -> io::Result<usize>;
}

/// Who watches, if anybody.
pub(super) type Watched = Option<Arc<dyn Watcher>>;

/// Asks whoever watches.
pub(super) fn ask(watched: &Watched, act: &Act<'_>) -> io::Result<usize> {
    match watched {
        Some(watcher) => watcher.before(act),
        None => Ok(usize::MAX),
    }
}

/// A file that is written.
#[derive(Debug)]
pub(super) struct Sheet {
    file: File,
    path: PathBuf,
    watched: Watched,
}

impl Sheet {
    pub(super) fn new(file: File, path: PathBuf, watched: &Watched) -> Sheet {
        Sheet {
            file,
            path,
            watched: watched.clone(),
        }
    }

    pub(super) fn try_clone(&self) -> io::Result<Sheet> {
        Ok(Sheet {
            file: self.file.try_clone()?,
            path: self.path.clone(),
            watched: self.watched.clone(),
        })
    }

    /// The file, for reading.
    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    pub(super) fn sync_all(&self) -> io::Result<()> {
        ask(&self.watched, &Act::SyncFile(&self.path))?;
        self.file.sync_all()
    }

    pub(super) fn sync_data(&self) -> io::Result<()> {
        ask(&self.watched, &Act::SyncFile(&self.path))?;
        self.file.sync_data()
    }

    pub(super) fn set_len(&self, length: u64) -> io::Result<()> {
        ask(&self.watched, &Act::Cut(&self.path, length))?;
        self.file.set_len(length)
    }
}

impl Write for &Sheet {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut most = buf.len();
        if self.watched.is_some() && !buf.is_empty() {
            let act = Act::Write {
                file: &self.path,
                at: (&self.file).stream_position()?,
                bytes: buf,
            };
            most = ask(&self.watched, &act)?.clamp(1, most);
        }
        (&self.file).write(&buf[..most])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Sheet {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Sheet {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl AsFd for Sheet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
