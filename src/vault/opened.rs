//! A session that was opened: its files can be read, replaced, and added to.
//!
//! Adding keeps the manifest true at every moment. A new file is sealed beside the old one, the
//! manifest is replaced by one that has the new digest, and then the file takes its place. Cut
//! short before the manifest, the new file is dropped; after it, it is put in place by whoever
//! opens the session next.
//!
//! Refuses to write without the session's lock, and never changes a file in place.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use age::x25519;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::folder::Folder;
use super::lock::Lock;
use super::manifest::{self, FileInfo, Manifest};
use super::session::write_manifest;
use super::unseal::SealedReader;
use super::{SessionId, keys, names, seal};
use crate::{Error, Kind, Result};

/// A session that was opened. Its key is wiped when this is dropped.
pub struct OpenSession {
    id: SessionId,
    folder: Arc<Folder>,
    identity: x25519::Identity,
}

impl std::fmt::Debug for OpenSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenSession")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl OpenSession {
    pub(super) fn new(id: SessionId, folder: Arc<Folder>, identity: x25519::Identity) -> Self {
        OpenSession {
            id,
            folder,
            identity,
        }
    }

    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }

    pub(super) fn recipient(&self) -> x25519::Recipient {
        self.identity.to_public()
    }

    /// Which session.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// What belongs to it.
    ///
    /// # Errors
    /// [`Kind::Damaged`] when it is cut, altered or of another session.
    pub fn manifest(&self) -> Result<Manifest> {
        self.manifest_in(names::MANIFEST)
    }

    pub(super) fn manifest_in(&self, name: &str) -> Result<Manifest> {
        let json = self.whole(name, manifest::LIMIT)?;
        Manifest::parse(&json, self.id)
    }

    /// Whether it holds a file of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        names::check(name).is_ok() && self.folder.has(&names::sealed(name))
    }

    /// Opens a file, to be read once from start to end.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Damaged`] when it is cut or altered in its header. What comes
    /// later shows while reading: see [`SealedReader`].
    pub fn stream(&self, name: &str) -> Result<SealedReader> {
        let file = self.sealed_file(name)?;
        self.open_over(name, file)
    }

    /// Reads a whole file of at most `limit_bytes` into memory that is wiped.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Damaged`] when it is cut, altered or larger.
    pub fn read(&self, name: &str, limit_bytes: u64) -> Result<Zeroizing<Vec<u8>>> {
        self.whole(name, limit_bytes)
    }

    /// Seals a file in place of the one of that name, if there is one, and enters it in the
    /// manifest. All or nothing, wherever it is cut short.
    ///
    /// # Errors
    /// [`Kind::Disk`]: what was there before is still there. [`Kind::Busy`] while somebody else
    /// writes the session.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.put_with(name, bytes, |_| ())
    }

    /// As [`OpenSession::put`], and changes the manifest in the same step: the speech model that
    /// wrote a transcript, say.
    ///
    /// # Errors
    /// As [`OpenSession::put`].
    pub fn put_with(
        &self,
        name: &str,
        bytes: &[u8],
        change: impl FnOnce(&mut Manifest),
    ) -> Result<()> {
        names::check_free(name)?;
        let _lock = Lock::take(&self.folder)?;
        self.settle()?;
        let mut manifest = self.manifest()?;
        let new = format!("{name}{}", names::NEW);
        let recipient = self.recipient();
        let mut digest = None;
        self.folder
            .stage(&new, |file| {
                let written = seal::into_file(&recipient, file, |w| w.write_all(bytes));
                let path = self.folder.path().join(&new);
                digest = Some(written.map_err(|e| Error::io("writing", &path, &e))?);
                Ok(())
            })
            .map_err(kept)?;
        let files = manifest.files.clone();
        change(&mut manifest);
        manifest.files = files;
        if let Some(digest) = &digest {
            manifest.files.insert(name.to_owned(), digest.into());
        }
        let recorded = self.write_manifest(manifest).inspect_err(|_| {
            let _ = self.folder.remove(&new);
        });
        recorded.map_err(kept)?;
        self.folder.rename(&new, &names::sealed(name))
    }

    /// Changes the manifest: a measured duration, a new title, consent. The list of files and the
    /// id stay what they are.
    ///
    /// # Errors
    /// As [`OpenSession::put`].
    pub fn update(&self, change: impl FnOnce(&mut Manifest)) -> Result<Manifest> {
        let _lock = Lock::take(&self.folder)?;
        self.settle()?;
        let mut manifest = self.manifest()?;
        let files = manifest.files.clone();
        change(&mut manifest);
        manifest.files = files;
        self.write_manifest(manifest).map_err(kept)
    }

    /// Replaces the manifest, its list of files apart.
    ///
    /// # Errors
    /// As [`OpenSession::put`].
    pub fn set_manifest(&self, manifest: Manifest) -> Result<()> {
        self.update(|m| *m = manifest).map(|_| ())
    }

    /// Takes a file out of the session and its manifest. The other files stay readable; a copy of
    /// `key.age` would still open a copy of the file.
    ///
    /// # Errors
    /// [`Kind::NotFound`], and as [`OpenSession::put`].
    pub fn remove(&self, name: &str) -> Result<()> {
        names::check_free(name)?;
        let _lock = Lock::take(&self.folder)?;
        self.settle()?;
        if !self.has(name) {
            return Err(self.missing(name));
        }
        let mut manifest = self.manifest()?;
        manifest.files.remove(name);
        self.write_manifest(manifest)?;
        self.folder.remove(&names::sealed(name))?;
        self.folder.sync()
    }

    fn write_manifest(&self, mut manifest: Manifest) -> Result<Manifest> {
        manifest::SCHEMA.clone_into(&mut manifest.schema);
        manifest.id = self.id;
        write_manifest(&self.folder, &self.recipient(), names::MANIFEST, &manifest)?;
        Ok(manifest)
    }

    /// Ends replacements that were cut short: a new file that the manifest names takes its
    /// place, any other is dropped. The caller holds the lock.
    pub(super) fn settle(&self) -> Result<()> {
        let entries = self.folder.entries()?;
        let news = || entries.iter().filter(|e| e.name.ends_with(names::NEW));
        if news().next().is_none() {
            return Ok(());
        }
        let manifest = self.manifest()?;
        for entry in news() {
            let name = entry.name.strip_suffix(names::NEW).unwrap_or_default();
            let named = entry.is_file
                && manifest
                    .files
                    .get(name)
                    .is_some_and(|info| self.is(&entry.name, info));
            if named {
                self.folder.rename(&entry.name, &names::sealed(name))?;
            } else {
                self.folder.remove(&entry.name)?;
            }
        }
        Ok(())
    }

    /// Whether a file on disk is what the manifest says.
    fn is(&self, file: &str, info: &FileInfo) -> bool {
        let digest = || -> std::io::Result<String> {
            let mut file = self.folder.read(file).map_err(std::io::Error::other)?;
            let mut sha = Sha256::new();
            let mut block = vec![0_u8; 64 * 1024];
            loop {
                match file.read(&mut block)? {
                    0 => return Ok(hex::encode(sha.finalize())),
                    n => sha.update(&block[..n]),
                }
            }
        };
        digest().is_ok_and(|d| d == info.sha256)
    }

    fn whole(&self, name: &str, limit: u64) -> Result<Zeroizing<Vec<u8>>> {
        let file = self.sealed_file(name)?;
        let length = file.metadata().map_or(0, |m| m.len());
        self.open_over(name, file)?.to_end(limit, length)
    }

    pub(super) fn sealed_file(&self, name: &str) -> Result<File> {
        names::check(name)?;
        self.folder.read(&names::sealed(name)).map_err(|e| {
            if e.kind() == Kind::NotFound {
                self.missing(name)
            } else {
                e
            }
        })
    }

    pub(super) fn open_over(
        &self,
        name: &str,
        input: impl Read + Send + 'static,
    ) -> Result<SealedReader> {
        let what = told(name);
        SealedReader::over(input, &self.identity, &what).map_err(|e| {
            // The key is the right one, so the header is not.
            if e.kind() == Kind::Locked {
                keys::damaged(&what)
            } else {
                e
            }
        })
    }

    fn missing(&self, name: &str) -> Error {
        let error = Error::new(
            Kind::NotFound,
            format!("Session {} has no {name}.", self.id),
        );
        match name {
            "transcript.json" => error.hint(format!("undertone transcribe {}", self.id)),
            "analysis.json" => error.hint(format!("undertone analyze {}", self.id)),
            _ => error,
        }
    }
}

/// A file's name at the start of a sentence.
pub(super) fn told(name: &str) -> String {
    match name {
        "transcript.json" => "The transcript".to_owned(),
        "analysis.json" => "The analysis".to_owned(),
        names::MANIFEST => "The session's manifest".to_owned(),
        name if name.starts_with("audio.") => "The recording".to_owned(),
        name => format!("The file {name}"),
    }
}

/// Says of a failed replacement that nothing was lost.
fn kept(error: Error) -> Error {
    if error.kind() != Kind::Disk {
        return error;
    }
    let mut told = Error::new(
        Kind::Disk,
        format!("{} The session is as it was before.", error.sentence()),
    );
    for hint in error.hints() {
        told = told.hint(hint.clone());
    }
    told
}
