//! A folder held open, and the few things done in it. The only file that touches the file system.
//!
//! Everything goes through the folder's descriptor and follows no symbolic link, so that a link
//! planted inside a vault leads nowhere, and a folder renamed under us stays the folder it was.
//! A finished file is always a new file, mode 0600, written, fsynced, renamed into place, and the
//! folder fsynced: after a power cut there is the old file or the new one.
//!
//! Refuses to overwrite in place ([`Folder::shred`] apart) and to read what is not a plain file.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::disk::{self, Act, Sheet, Watched};
use crate::{Error, Kind, Result};

/// Entries of one folder that are looked at; a folder with more is not one of ours.
const MAX_ENTRIES: usize = 1 << 20;

/// A folder held open.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
    watched: Watched,
}

/// What is in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) name: String,
    /// A plain file's size in bytes; 0 for the rest.
    pub(super) bytes: u64,
    pub(super) is_file: bool,
    pub(super) is_folder: bool,
}

impl Folder {
    /// Opens the folder at `path`, which the user named: links on the way there are theirs.
    pub(super) fn open(path: &Path) -> Result<Self> {
        Self::open_watched(path, None)
    }

    /// As [`Folder::open`], with somebody who sees what is done in it and below.
    pub(super) fn open_watched(path: &Path, watched: Watched) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(path, flags, Mode::empty()).map_err(|e| failed("opening", path, e))?;
        Ok(Folder {
            fd,
            path: path.to_owned(),
            watched,
        })
    }

    /// Opens a folder inside this one; a link is not a folder.
    pub(super) fn sub(&self, name: &str) -> Result<Self> {
        let path = self.path.join(name);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(&self.fd, name, flags, Mode::empty())
            .map_err(|e| failed("opening", &path, e))?;
        Ok(Folder {
            fd,
            path,
            watched: self.watched.clone(),
        })
    }

    /// Makes a folder inside this one (mode 0700), which must not be there yet.
    pub(super) fn make_sub(&self, name: &str) -> Result<Self> {
        let path = self.path.join(name);
        self.ask("making", &path, &Act::MakeFolder(&path))?;
        fs::mkdirat(&self.fd, name, Mode::RWXU).map_err(|e| failed("making", &path, e))?;
        self.sync()?;
        self.sub(name)
    }

    fn ask(&self, what: &str, path: &Path, act: &Act<'_>) -> Result<()> {
        match disk::ask(&self.watched, act) {
            Ok(_) => Ok(()),
            Err(e) => Err(Error::io(what, path, &e)),
        }
    }

    /// Where it is, for messages and for other programs.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that this user can still write here.
    pub(super) fn free_bytes(&self) -> Result<u64> {
        let stat = fs::fstatvfs(&self.fd).map_err(|e| failed("looking at", &self.path, e))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// What is in it, by name. Names that are no UTF-8 are not ours and are left out.
    pub(super) fn entries(&self) -> Result<Vec<Entry>> {
        let lost = |e| failed("reading", &self.path, e);
        let mut entries = Vec::new();
        for entry in fs::Dir::read_from(&self.fd)
            .map_err(lost)?
            .take(MAX_ENTRIES)
        {
            let entry = entry.map_err(lost)?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if name == "." || name == ".." {
                continue;
            }
            match fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => {
                    let kind = FileType::from_raw_mode(stat.st_mode);
                    let is_file = kind == FileType::RegularFile;
                    entries.push(Entry {
                        name: name.to_owned(),
                        bytes: if is_file {
                            u64::try_from(stat.st_size).unwrap_or(0)
                        } else {
                            0
                        },
                        is_file,
                        is_folder: kind == FileType::Directory,
                    });
                }
                // Gone between the two looks: another process tidied up.
                Err(Errno::NOENT) => {}
                Err(e) => return Err(failed("reading", &self.path.join(name), e)),
            }
        }
        entries.sort();
        Ok(entries)
    }

    /// Whether a plain file of this name is here.
    pub(super) fn has(&self, name: &str) -> bool {
        fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
    }

    /// The inode of what this name leads to, if anything.
    pub(super) fn inode(&self, name: &str) -> Option<(u64, u64)> {
        let stat = fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)] // the widths differ by platform
        Some((stat.st_dev as u64, stat.st_ino as u64))
    }

    /// Opens a plain file for reading.
    pub(super) fn read(&self, name: &str) -> Result<File> {
        self.plain(name, OFlags::RDONLY)
    }

    /// Reads a plain file of at most `limit` bytes.
    pub(super) fn read_all(&self, name: &str, limit: u64) -> Result<Vec<u8>> {
        read_bounded(self.read(name)?, &self.path.join(name), limit)
    }

    /// Makes a file (mode 0600), which must not be there yet, for writing.
    pub(super) fn create(&self, name: &str) -> Result<Sheet> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let path = self.path.join(name);
        self.ask("writing", &path, &Act::Create(&path))?;
        let fd = fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|e| failed("writing", &path, e))?;
        Ok(Sheet::new(File::from(fd), path, &self.watched))
    }

    /// Opens a file for reading and writing, making it (mode 0600) where it is not there.
    pub(super) fn open_or_create(&self, name: &str) -> Result<Sheet> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let path = self.path.join(name);
        if self.watched.is_some() && !self.has(name) {
            self.ask("writing", &path, &Act::Create(&path))?;
        }
        let fd = fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|e| failed("writing", &path, e))?;
        let file = self.only_plain(name, File::from(fd))?;
        Ok(Sheet::new(file, path, &self.watched))
    }

    /// Writes a whole file through `fill`: a new file under a passing name, made durable, then
    /// renamed into place. On any error the file that was there stays, and no rest is left.
    pub(super) fn replace(
        &self,
        name: &str,
        passing: &str,
        fill: impl FnOnce(&Sheet) -> Result<()>,
    ) -> Result<()> {
        self.stage(passing, fill)?;
        self.rename(passing, name).inspect_err(|_| {
            let _ = self.remove(passing);
        })
    }

    /// Writes a whole new file called `name` and makes it durable; leaves none on an error.
    pub(super) fn stage(&self, name: &str, fill: impl FnOnce(&Sheet) -> Result<()>) -> Result<()> {
        // A rest of an earlier, interrupted replacement: it never took its place.
        self.remove(name)?;
        let file = self.create(name)?;
        let written = fill(&file).and_then(|()| {
            file.sync_all()
                .map_err(|e| Error::io("writing", &self.path.join(name), &e))
        });
        written.and_then(|()| self.sync()).inspect_err(|_| {
            let _ = self.remove(name);
        })
    }

    /// As [`Folder::replace`], of bytes.
    pub(super) fn replace_bytes(&self, name: &str, passing: &str, bytes: &[u8]) -> Result<()> {
        self.replace(name, passing, |mut file| {
            file.write_all(bytes)
                .map_err(|e| Error::io("writing", &self.path.join(name), &e))
        })
    }

    /// Renames a file inside the folder and makes the new name durable.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<()> {
        let path = self.path.join(to);
        self.ask("writing", &path, &Act::Rename(&self.path.join(from), &path))?;
        fs::renameat(&self.fd, from, &self.fd, to).map_err(|e| failed("writing", &path, e))?;
        self.sync()
    }

    /// Removes a file or link, not what it leads to. One that is not there is no error.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        if self.watched.is_some() && self.has(name) {
            let path = self.path.join(name);
            self.ask("removing", &path, &Act::Remove(&path))?;
        }
        match fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(failed("removing", &self.path.join(name), e)),
        }
    }

    /// Removes an empty folder inside this one.
    pub(super) fn remove_sub(&self, name: &str) -> Result<()> {
        match fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => self.sync(),
            Err(e) => Err(failed("removing", &self.path.join(name), e)),
        }
    }

    /// Overwrites a plain file with zeros, makes that durable, and removes it.
    pub(super) fn shred(&self, name: &str) -> Result<()> {
        let lost = |e: &std::io::Error| Error::io("shredding", &self.path.join(name), e);
        let mut file = self.plain(name, OFlags::RDWR)?;
        let mut left = file.metadata().map_err(|e| lost(&e))?.len();
        let zeros = [0_u8; 4096];
        while left > 0 {
            let now = usize::try_from(left).unwrap_or(usize::MAX).min(zeros.len());
            file.write_all(&zeros[..now]).map_err(|e| lost(&e))?;
            left -= now as u64;
        }
        file.sync_all().map_err(|e| lost(&e))?;
        self.remove(name)?;
        self.sync()
    }

    /// Makes names in the folder durable.
    pub(super) fn sync(&self) -> Result<()> {
        self.ask("writing", &self.path, &Act::SyncFolder(&self.path))?;
        fs::fsync(&self.fd).map_err(|e| failed("writing", &self.path, e))
    }

    fn plain(&self, name: &str, access: OFlags) -> Result<File> {
        // NONBLOCK: a pipe of that name must not hold us up.
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = fs::openat(&self.fd, name, flags, Mode::empty())
            .map_err(|e| failed("reading", &self.path.join(name), e))?;
        self.only_plain(name, File::from(fd))
    }

    fn only_plain(&self, name: &str, file: File) -> Result<File> {
        let path = self.path.join(name);
        let meta = file
            .metadata()
            .map_err(|e| Error::io("reading", &path, &e))?;
        if meta.is_file() {
            Ok(file)
        } else {
            Err(not_plain(&path))
        }
    }
}

/// Reads at most `limit` bytes of a plain file that the user named, links followed.
pub(super) fn read_path(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file =
        File::from(fs::open(path, flags, Mode::empty()).map_err(|e| failed("reading", path, e))?);
    let meta = file
        .metadata()
        .map_err(|e| Error::io("reading", path, &e))?;
    if !meta.is_file() {
        return Err(not_plain(path));
    }
    read_bounded(file, path, limit)
}

fn read_bounded(file: File, path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|e| Error::io("reading", path, &e))?;
    if bytes.len() as u64 > limit {
        return Err(Error::new(
            Kind::Damaged,
            format!("{} is larger than such a file can be.", path.display()),
        ));
    }
    Ok(bytes)
}

fn not_plain(path: &Path) -> Error {
    Error::new(
        Kind::Damaged,
        format!("{} is not a plain file.", path.display()),
    )
}

/// An error of the file system in our words.
fn failed(what: &str, path: &Path, errno: Errno) -> Error {
    match errno {
        // What `NOFOLLOW` says of a link.
        Errno::LOOP | Errno::MLINK => Error::new(
            Kind::Damaged,
            format!("{} is a link, which a vault never holds.", path.display()),
        ),
        Errno::NOTDIR => Error::new(
            Kind::Damaged,
            format!("{} is not a folder.", path.display()),
        ),
        _ => Error::io(what, path, &errno.into()),
    }
}
