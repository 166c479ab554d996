//! Disks that fail: one whose power is cut, one that is full.
//!
//! The first is a record of everything that was done to the disk, and of what a disk may hold after
//! its power is cut at any of these moments. By the letter of POSIX nothing is durable that was not
//! synced: bytes neither, nor names. What was not synced may be there, or not, or torn, or zeros.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use undertone::vault::disk::{Act, Watcher};

/// An act, kept.
#[derive(Debug, Clone)]
pub enum Done {
    Create(PathBuf),
    Write(PathBuf, u64, Vec<u8>),
    Cut(PathBuf, u64),
    SyncFile(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    MakeFolder(PathBuf),
    SyncFolder(PathBuf),
}

impl Done {
    pub fn name(&self) -> &'static str {
        match self {
            Done::Create(_) => "create",
            Done::Write(..) => "write",
            Done::Cut(..) => "cut",
            Done::SyncFile(_) => "sync a file",
            Done::Rename(..) => "rename",
            Done::Remove(_) => "remove",
            Done::MakeFolder(_) => "make a folder",
            Done::SyncFolder(_) => "sync a folder",
        }
    }
}

fn done(act: &Act<'_>) -> Done {
    let own = |path: &Path| path.to_owned();
    match *act {
        Act::Create(file) => Done::Create(own(file)),
        Act::Write { file, at, bytes } => Done::Write(own(file), at, bytes.to_vec()),
        Act::Cut(file, length) => Done::Cut(own(file), length),
        Act::SyncFile(file) => Done::SyncFile(own(file)),
        Act::Rename(from, to) => Done::Rename(own(from), own(to)),
        Act::Remove(file) => Done::Remove(own(file)),
        Act::MakeFolder(folder) => Done::MakeFolder(own(folder)),
        Act::SyncFolder(folder) => Done::SyncFolder(own(folder)),
        _ => panic!("an act that this disk does not know: {act:?}"),
    }
}

/// Remembers every act, and how many frames had been recorded before it.
#[derive(Debug, Default)]
pub struct Log {
    pub frames: AtomicU64,
    acts: Mutex<Vec<(u64, Done)>>,
}

impl Log {
    pub fn acts(&self) -> Vec<(u64, Done)> {
        self.acts.lock().unwrap().clone()
    }
}

impl Watcher for Log {
    fn before(&self, act: &Act<'_>) -> io::Result<usize> {
        let frames = self.frames.load(Ordering::SeqCst);
        self.acts.lock().unwrap().push((frames, done(act)));
        Ok(usize::MAX)
    }
}

/// Full from its act number `from` on (those that need room), after half of that one went through
/// if it is `torn`; for ever, or only `once`.
#[derive(Debug)]
pub struct Full {
    pub from: u64,
    pub torn: bool,
    pub once: bool,
    pub frames: AtomicU64,
    pub acts: AtomicU64,
}

impl Watcher for Full {
    fn before(&self, act: &Act<'_>) -> io::Result<usize> {
        let half = match act {
            Act::Write { bytes, .. } => bytes.len() / 2,
            Act::Create(_) | Act::MakeFolder(_) | Act::Rename(..) => 0,
            _ => return Ok(usize::MAX),
        };
        let number = self.acts.fetch_add(1, Ordering::SeqCst);
        if number < self.from {
            return Ok(usize::MAX);
        }
        if number == self.from && self.torn && half > 0 {
            // The rest of it is the next act.
            return Ok(half);
        }
        if self.once && number > self.from + u64::from(self.torn) {
            return Ok(usize::MAX);
        }
        Err(io::ErrorKind::StorageFull.into())
    }
}

/// What became of bytes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bytes {
    Dropped,
    Zeros,
    Torn,
}

/// How a power cut comes out.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    pub bytes: Bytes,
    /// Whether names that were not synced are there all the same.
    pub names: bool,
}

const fn cut(bytes: Bytes, names: bool) -> Cut {
    Cut { bytes, names }
}

pub const CUTS: [Cut; 6] = [
    cut(Bytes::Dropped, false),
    cut(Bytes::Dropped, true),
    cut(Bytes::Zeros, false),
    cut(Bytes::Zeros, true),
    cut(Bytes::Torn, false),
    cut(Bytes::Torn, true),
];

#[derive(Debug, Clone, Default)]
struct Inode {
    synced: Vec<u8>,
    now: Vec<u8>,
    /// Where the last write began, if it is not synced.
    last: Option<usize>,
}

/// The disk, and what of it is durable.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    inodes: Vec<Inode>,
    now: BTreeMap<PathBuf, Option<usize>>,
    durable: BTreeMap<PathBuf, Option<usize>>,
}

impl Disk {
    /// The folder as it is, all of it durable. Folders have no inode.
    pub fn of(root: &Path) -> Disk {
        let mut disk = Disk::default();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    disk.now.insert(path.clone(), None);
                    folders.push(path);
                } else {
                    let bytes = std::fs::read(&path).unwrap();
                    disk.now.insert(path, Some(disk.inodes.len()));
                    disk.inodes.push(Inode {
                        synced: bytes.clone(),
                        now: bytes,
                        last: None,
                    });
                }
            }
        }
        disk.durable = disk.now.clone();
        disk
    }

    fn inode(&mut self, path: &Path) -> &mut Inode {
        let at = self.now.get(path).copied().flatten();
        let at = at.unwrap_or_else(|| panic!("no file {}", path.display()));
        &mut self.inodes[at]
    }

    /// Does an act.
    pub fn act(&mut self, done: &Done) {
        match done {
            Done::Create(path) => {
                self.now.insert(path.clone(), Some(self.inodes.len()));
                self.inodes.push(Inode::default());
            }
            Done::Write(path, at, bytes) => {
                let at = *at as usize;
                let inode = self.inode(path);
                inode.now.resize(inode.now.len().max(at + bytes.len()), 0);
                inode.now[at..at + bytes.len()].copy_from_slice(bytes);
                inode.last = Some(at);
            }
            Done::Cut(path, length) => self.inode(path).now.truncate(*length as usize),
            Done::SyncFile(path) => {
                let inode = self.inode(path);
                inode.synced = inode.now.clone();
                inode.last = None;
            }
            Done::Rename(from, to) => {
                let inode = self.now.remove(from).unwrap();
                self.now.insert(to.clone(), inode);
            }
            Done::Remove(path) => {
                self.now.remove(path);
            }
            Done::MakeFolder(path) => {
                self.now.insert(path.clone(), None);
            }
            Done::SyncFolder(folder) => {
                self.durable.retain(|path, _| path.parent() != Some(folder));
                let own = self
                    .now
                    .iter()
                    .filter(|(path, _)| path.parent() == Some(folder));
                self.durable
                    .extend(own.map(|(path, inode)| (path.clone(), *inode)));
            }
        }
    }

    /// What is on the disk after its power is cut, while `next` was being done, put below `to` as
    /// it lay below `root`.
    pub fn cut(&self, next: Option<&Done>, cut: Cut, root: &Path, to: &Path) {
        let mut disk = self.clone();
        // A write that is under way is torn, or as if it had not been.
        if let (Some(Done::Write(path, at, bytes)), Bytes::Torn) = (next, cut.bytes) {
            let half = bytes[..bytes.len() / 2].to_vec();
            disk.act(&Done::Write(path.clone(), *at, half));
        }
        let names = if cut.names { &disk.now } else { &disk.durable };
        for (path, inode) in names {
            // A folder that was not synced is not there, nor what is in it.
            let place = to.join(path.strip_prefix(root).unwrap());
            let Some(inode) = inode else {
                let _ = std::fs::create_dir_all(&place);
                continue;
            };
            if place.parent().is_none_or(|folder| !folder.is_dir()) {
                continue;
            }
            let inode = &disk.inodes[*inode];
            let bytes = match cut.bytes {
                Bytes::Dropped => inode.synced.clone(),
                Bytes::Zeros => {
                    let mut bytes = inode.synced.clone();
                    bytes.resize(inode.now.len().max(bytes.len()), 0);
                    bytes
                }
                Bytes::Torn => match inode.last {
                    // The last write came half, those before it whole.
                    Some(last) => inode.now[..(last + inode.now.len()) / 2].to_vec(),
                    None => inode.now.clone(),
                },
            };
            std::fs::write(place, bytes).unwrap();
        }
    }
}
