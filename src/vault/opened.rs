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
use super::told::{and, told};
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
        self.open_over(name, file)?.rest(limit, length)
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

/// Says of a failed replacement that nothing was lost.
fn kept(error: Error) -> Error {
    match error.kind() {
        Kind::Disk => and(error, "The session is as it was before."),
        _ => error,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::vault::{Role, State};

    #[test]
    fn a_file_put_twice_is_the_second_and_the_manifest_knows() {
        let f = Fixture::new();
        let id = f.session(1, &noise(100_000));
        let session = f.unlocked.session(&id).unwrap();
        assert_eq!(
            session.read("transcript.json", 10).unwrap_err().kind(),
            Kind::NotFound
        );
        session.put("transcript.json", b"one").unwrap();
        session
            .put_with("transcript.json", b"two", |m| {
                m.duration_s = Some(9.0);
                m.files.clear();
            })
            .unwrap();
        assert_eq!(session.read("transcript.json", 10).unwrap()[..], *b"two");
        assert_eq!(
            session.read("transcript.json", 2).unwrap_err().kind(),
            Kind::Damaged
        );
        let manifest = session.manifest().unwrap();
        assert_eq!(manifest.duration_s, Some(9.0));
        assert_eq!(manifest.files.len(), 2, "a change cannot lose a file");
        assert!(f.unlocked.check(&id).unwrap().sound());
        session.remove("transcript.json").unwrap();
        assert!(!session.has("transcript.json"));
        assert!(f.unlocked.check(&id).unwrap().sound());
    }

    #[test]
    fn a_put_cut_short_anywhere_leaves_the_old_file_or_the_new() {
        let f = Fixture::new();
        let id = f.session(1, b"audio");
        let session = f.unlocked.session(&id).unwrap();
        session.put("notes", b"old").unwrap();
        let folder = f.folder(&id);
        let old = std::fs::read(folder.join("notes.age")).unwrap();
        let old_manifest = std::fs::read(folder.join("manifest.json.age")).unwrap();
        session.put("notes", b"new").unwrap();
        let new = std::fs::read(folder.join("notes.age")).unwrap();
        let new_manifest = std::fs::read(folder.join("manifest.json.age")).unwrap();
        let half = &new[..new.len() / 2];
        let cases: [(&[u8], &[u8], &[u8]); 3] = [
            (&old_manifest, half, b"old"),
            (&old_manifest, &new, b"old"),
            (&new_manifest, &new, b"new"),
        ];
        for (manifest, staged, expected) in cases {
            std::fs::write(folder.join("notes.age"), &old).unwrap();
            std::fs::write(folder.join("notes.age.new"), staged).unwrap();
            std::fs::write(folder.join("manifest.json.age"), manifest).unwrap();
            std::fs::write(folder.join("manifest.json.age.new"), b"half").unwrap();
            let session = f.unlocked.session(&id).unwrap();
            assert_eq!(session.read("notes", 10).unwrap()[..], *expected);
            assert!(f.unlocked.check(&id).unwrap().sound());
            assert!(!folder.join("notes.age.new").exists());
        }
    }

    #[test]
    fn a_swapped_replaced_or_added_file_is_found_by_checking() {
        let f = Fixture::new();
        let id = f.session(1, &noise(100_000));
        let session = f.unlocked.session(&id).unwrap();
        session.put("notes", b"one").unwrap();
        session.put("edits", b"two").unwrap();
        let folder = f.folder(&id);
        std::fs::rename(folder.join("notes.age"), folder.join("x")).unwrap();
        std::fs::rename(folder.join("edits.age"), folder.join("notes.age")).unwrap();
        std::fs::rename(folder.join("x"), folder.join("edits.age")).unwrap();
        std::fs::write(folder.join("stray.age"), b"").unwrap();
        let check = f.unlocked.check(&id).unwrap();
        let wrong: Vec<_> = check
            .files
            .iter()
            .filter(|f| f.problem.is_some())
            .map(|f| f.name.as_str())
            .collect();
        assert_eq!(wrong, ["edits", "notes", "stray"]);
    }

    #[test]
    fn a_whole_session_under_another_ones_name_is_damaged() {
        let f = Fixture::new();
        let one = f.session(1, b"x");
        std::fs::rename(f.folder(&one), f.folder(&id(2))).unwrap();
        let error = f.unlocked.session(&id(2)).unwrap().manifest().unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged);
    }

    #[test]
    fn a_cut_or_flipped_recording_is_damaged_and_the_genuine_part_is_exact() {
        let f = Fixture::new();
        let audio = noise(200_000);
        let id = f.session(1, &audio);
        let path = f.folder(&id).join("audio.flac.age");
        let whole = std::fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[100_000] ^= 1;
        let cut = whole[..100_000].to_vec();
        for bytes in [flipped, cut, whole[..150].to_vec(), Vec::new()] {
            std::fs::write(&path, &bytes).unwrap();
            let session = f.unlocked.session(&id).unwrap();
            let mut got = Vec::new();
            let error = match session.stream("audio.flac") {
                Ok(mut reader) => {
                    reader.read_to_end(&mut got).unwrap_err();
                    reader.failure().unwrap().clone()
                }
                Err(e) => e,
            };
            assert_eq!(error.kind(), Kind::Damaged);
            assert_eq!(got, audio[..got.len()]);
            let check = f.unlocked.check(&id).unwrap();
            assert!(!check.sound());
        }
    }

    #[test]
    fn links_inside_a_session_lead_nowhere() {
        let f = Fixture::new();
        let id = f.session(1, b"x");
        let folder = f.folder(&id);
        let outside = f.root.join("outside");
        std::fs::write(&outside, b"precious").unwrap();
        std::os::unix::fs::symlink(&outside, folder.join("notes.age")).unwrap();
        std::os::unix::fs::symlink(&outside, folder.join("edits.age.new")).unwrap();
        let session = f.unlocked.session(&id).unwrap();
        assert_eq!(session.stream("notes").unwrap_err().kind(), Kind::Damaged);
        session.put("notes", b"mine").unwrap();
        session.put("edits", b"mine").unwrap();
        assert_eq!(std::fs::read(&outside).unwrap(), b"precious");
        assert_eq!(session.read("notes", 10).unwrap()[..], *b"mine");
        std::os::unix::fs::symlink(&outside, folder.join("other.age")).unwrap();
        f.vault.delete(&id, now()).unwrap();
        assert_eq!(std::fs::read(&outside).unwrap(), b"precious");
    }

    #[test]
    fn a_link_is_refused_even_where_it_leads_to_the_genuine_file() {
        let f = Fixture::new();
        let id = f.session(1, b"x");
        let folder = f.folder(&id);
        let outside = f.root.join("outside");
        let session = f.unlocked.session(&id).unwrap();
        for file in ["audio.flac.age", "key.age", "lock"] {
            std::fs::rename(folder.join(file), &outside).unwrap();
            std::os::unix::fs::symlink(&outside, folder.join(file)).unwrap();
            let before = std::fs::read(&outside).unwrap();
            match file {
                "lock" => assert!(session.put("notes", b"n").is_err()),
                "key.age" => assert!(f.unlocked.session(&id).is_err()),
                _ => assert!(session.stream("audio.flac").is_err()),
            }
            assert_eq!(std::fs::read(&outside).unwrap(), before);
            std::fs::remove_file(folder.join(file)).unwrap();
            std::fs::rename(&outside, folder.join(file)).unwrap();
        }
        // A key that leads out of the vault is taken away, not shredded.
        std::fs::rename(folder.join("key.age"), &outside).unwrap();
        std::os::unix::fs::symlink(&outside, folder.join("key.age")).unwrap();
        let before = std::fs::read(&outside).unwrap();
        f.vault.delete(&id, now()).unwrap();
        assert_eq!(std::fs::read(&outside).unwrap(), before);
    }

    #[test]
    fn a_named_pipe_in_the_place_of_a_file_holds_nobody_up() {
        let f = Fixture::new();
        let id = f.session(1, b"x");
        let folder = Folder::open(&f.folder(&id)).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            folder.path().join("notes.age"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        let session = f.unlocked.session(&id).unwrap();
        assert_eq!(session.stream("notes").unwrap_err().kind(), Kind::Damaged);
    }

    #[test]
    fn nothing_that_was_said_or_titled_is_readable_on_the_disk() {
        let f = Fixture::new();
        let id = f.session(1, b"the spoken words");
        let session = f.unlocked.session(&id).unwrap();
        session.put("notes", b"private remark").unwrap();
        assert_eq!(session.manifest().unwrap().channels[1].role, Role::Client);
        let mut files = vec![f.root.join("vault.toml"), f.root.join("audit.jsonl")];
        files.extend(
            std::fs::read_dir(f.folder(&id))
                .unwrap()
                .map(|e| e.unwrap().path()),
        );
        for path in files {
            let bytes = std::fs::read(&path).unwrap();
            for secret in [
                "spoken",
                "remark",
                "WOMBAT",
                "Ninth",
                "SECRET-KEY",
                "gravel",
                "client",
            ] {
                let found = bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
                assert!(!found, "{secret} in {}", path.display());
            }
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
        assert_eq!(f.vault.entry(&id).unwrap().state, State::Complete);
    }
}
