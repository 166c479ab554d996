//! A session that is being written. Needs no passphrase and holds no secret.
//!
//! Order on disk: the folder and its lock, `key.age`, what is known (`begun.json.age`), then
//! streams as `*.age.part`, and `manifest.json.age` last. Wherever that breaks off, what is there
//! can be recovered. Refuses to end a session while one of its streams is still open.

use std::sync::{Arc, Mutex, PoisonError};

use age::x25519;
use jiff::Timestamp;

use super::audit::Event;
use super::folder::Folder;
use super::lock::Lock;
use super::manifest::{Beginning, Manifest};
use super::seal::{self, Ledger, SealedWriter};
use super::told::and;
use super::vault_folder::Vault;
use super::{SessionId, delete, keys, names};
use crate::{Error, Kind, Result};

/// A session that is being written, and locked until it is finished or dropped.
///
/// **Call [`NewSession::finish`].** Dropped before that, it is an interrupted session.
pub struct NewSession {
    vault: Vault,
    id: SessionId,
    folder: Arc<Folder>,
    lock: Arc<Lock>,
    recipient: x25519::Recipient,
    ledger: Ledger,
    begun: Manifest,
}

impl std::fmt::Debug for NewSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSession")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// Begins a session: its folder, its key sealed to the vault's recipients, and what is known
    /// of it, all durable when this returns.
    ///
    /// # Errors
    /// [`Kind::Disk`] when there is no room even for that; nothing is left behind then.
    pub fn begin(&self, id: SessionId, beginning: Beginning) -> Result<NewSession> {
        let name = id.to_string();
        let folder = Arc::new(self.sessions.make_sub(&name)?);
        let begun = beginning.manifest(id);
        let made = (|| {
            let lock = Arc::new(Lock::take(&folder)?);
            let recipient = make_key(self, &folder, id)?;
            write_manifest(&folder, &recipient, names::BEGUN, &begun)?;
            self.note(Event::SessionBegun, Some(&id), begun.created)?;
            Ok((lock, recipient))
        })();
        match made {
            Ok((lock, recipient)) => Ok(NewSession {
                vault: self.clone(),
                id,
                folder,
                lock,
                recipient,
                ledger: Arc::new(Mutex::default()),
                begun,
            }),
            Err(e) => {
                let _ = delete::empty(&folder);
                let _ = self.sessions.remove_sub(&name);
                Err(and(
                    e,
                    "The session was not begun, and nothing was left behind.",
                ))
            }
        }
    }
}

/// Makes the session's identity, seals it, and keeps only its public half.
fn make_key(vault: &Vault, folder: &Folder, id: SessionId) -> Result<x25519::Recipient> {
    let identity = x25519::Identity::generate();
    let recipient = identity.to_public();
    let comments = [
        format!("undertone session {id}"),
        format!("public key: {recipient}"),
    ];
    let text = keys::identity_text(&identity, &comments);
    let recipients = vault.keys()?;
    let sealed = seal::to_many(recipients.iter().map(|r| r as _), text.as_bytes())?;
    folder.replace_bytes(names::KEY, "key.age.new", &sealed)?;
    Ok(recipient)
}

/// Seals a manifest and puts it in place of the one before.
pub(super) fn write_manifest(
    folder: &Folder,
    recipient: &x25519::Recipient,
    name: &str,
    manifest: &Manifest,
) -> Result<()> {
    let sealed = seal::to_vec(recipient, &manifest.json()?)?;
    folder.replace_bytes(
        &names::sealed(name),
        &format!("{name}{}", names::NEW),
        &sealed,
    )
}

impl NewSession {
    /// Which session.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The manifest as far as it is known: fill in the rest and give it to
    /// [`NewSession::finish`].
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        self.begun.clone()
    }

    /// Begins a sealed file, such as `audio.flac`, as `NAME.age.part`.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a name that cannot be, [`Kind::Disk`].
    pub fn stream(&self, name: &str) -> Result<SealedWriter> {
        SealedWriter::begin(
            &self.folder,
            &self.lock,
            &self.ledger,
            &self.recipient,
            name,
        )
    }

    /// Seals a whole file.
    ///
    /// # Errors
    /// As [`NewSession::stream`].
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        names::check_free(name)?;
        let new = format!("{name}{}", names::NEW);
        let mut digest = None;
        self.folder.replace(&names::sealed(name), &new, |file| {
            let written = seal::into_file(&self.recipient, file, |w| w.write_all(bytes));
            digest = Some(
                written.map_err(|e| Error::io("writing", &self.folder.path().join(&new), &e))?,
            );
            Ok(())
        })?;
        if let Some(digest) = digest {
            seal::enter(&self.ledger, name, &digest);
        }
        Ok(())
    }

    /// Writes a line about this session into the audit trail.
    ///
    /// # Errors
    /// [`Kind::Disk`].
    pub fn note(&self, event: Event, now: Timestamp) -> Result<()> {
        self.vault.note(event, Some(&self.id), now)
    }

    /// Ends the session: writes its manifest, with the files that were finished, and lets go.
    ///
    /// The id, the schema, the files and `finished` are filled in. Returns what was written.
    ///
    /// # Errors
    /// [`Kind::Disk`]: the session is then an interrupted one, with everything finished so far.
    /// [`Kind::Internal`] while a [`SealedWriter`] of it lives or a part is left.
    pub fn finish(self, mut manifest: Manifest, now: Timestamp) -> Result<Manifest> {
        let open = Arc::strong_count(&self.lock) > 1;
        let parts = self
            .folder
            .entries()?
            .iter()
            .any(|e| e.name.ends_with(names::PART));
        if open || parts {
            return Err(Error::new(
                Kind::Internal,
                "The session was to be ended while its audio was still being written. \
                 It is kept as an interrupted session.",
            )
            .hint(format!("undertone recover {}", self.id)));
        }
        super::manifest::SCHEMA.clone_into(&mut manifest.schema);
        manifest.id = self.id;
        manifest.finished = true;
        manifest
            .files
            .clone_from(&self.ledger.lock().unwrap_or_else(PoisonError::into_inner));
        write_manifest(&self.folder, &self.recipient, names::MANIFEST, &manifest).map_err(|e| {
            and(e, "Everything recorded is kept, as an interrupted session.")
                .hint(format!("undertone recover {}", self.id))
        })?;
        self.folder.remove(&names::sealed(names::BEGUN))?;
        self.vault
            .note(Event::SessionFinished, Some(&self.id), now)
            .map_err(|e| and(e, "The session is complete all the same."))?;
        Ok(manifest)
    }

    /// Gives up a session in which nothing was recorded, and removes its folder.
    ///
    /// # Errors
    /// [`Kind::Disk`].
    pub fn discard(self, now: Timestamp) -> Result<()> {
        delete::empty(&self.folder)?;
        self.vault.sessions.remove_sub(&self.id.to_string())?;
        self.vault
            .note(Event::SessionDiscarded, Some(&self.id), now)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::vault::State;
    use std::io::Write;

    #[test]
    fn what_is_recorded_is_what_is_read() {
        let f = Fixture::new();
        for (n, length) in [
            (1, 0),
            (2, 1),
            (3, 65_536),
            (4, 65_537),
            (5, 131_072),
            (6, 300_000),
        ] {
            let audio = noise(length);
            let id = f.session(n, &audio);
            let session = f.unlocked.session(&id).unwrap();
            assert_eq!(session.read("audio.flac", 1 << 20).unwrap()[..], audio[..]);
            let manifest = session.manifest().unwrap();
            assert!(manifest.finished);
            assert_eq!(manifest.title.as_deref(), Some("Ninth session"));
            assert_eq!(f.unlocked.check(&id).unwrap().files.len(), 2);
            assert!(f.unlocked.check(&id).unwrap().sound());
        }
    }

    #[test]
    fn a_writer_can_go_to_another_thread_and_tells_what_it_wrote() {
        let f = Fixture::new();
        let session = f.vault.begin(id(1), beginning()).unwrap();
        let mut stream = session.stream("audio.flac").unwrap();
        let digest = std::thread::spawn(move || {
            let header = stream.written();
            stream.write_all(&noise(200_000)).unwrap();
            stream.sync().unwrap();
            assert_eq!(stream.written(), header + 3 * (65_536 + 16));
            stream.finish().unwrap()
        })
        .join()
        .unwrap();
        session.put("notes", b"n").unwrap();
        let manifest = session.finish(session_manifest(), now()).unwrap();
        assert_eq!(manifest.files["audio.flac"].sha256, digest.sha256);
        let on_disk = std::fs::metadata(f.folder(&id(1)).join("audio.flac.age"))
            .unwrap()
            .len();
        assert_eq!(on_disk, digest.bytes);
        let left: Vec<String> = f
            .vault
            .entry(&id(1))
            .unwrap()
            .files
            .into_iter()
            .map(|f| f.name)
            .collect();
        assert_eq!(
            left,
            [
                "audio.flac.age",
                "key.age",
                "manifest.json.age",
                "notes.age"
            ]
        );
    }

    fn session_manifest() -> Manifest {
        beginning().manifest(id(1))
    }

    #[test]
    fn a_session_is_not_ended_over_an_open_stream() {
        let f = Fixture::new();
        let session = f.vault.begin(id(1), beginning()).unwrap();
        let _stream = session.stream("audio.flac").unwrap();
        assert_eq!(
            session
                .finish(session_manifest(), now())
                .unwrap_err()
                .kind(),
            Kind::Internal
        );
        let session = f.vault.begin(id(2), beginning()).unwrap();
        drop(session.stream("audio.flac").unwrap());
        assert_eq!(
            session
                .finish(session_manifest(), now())
                .unwrap_err()
                .kind(),
            Kind::Internal
        );
        assert_eq!(f.vault.entry(&id(2)).unwrap().state, State::Interrupted);
    }

    #[test]
    fn a_session_that_never_started_leaves_nothing_behind() {
        let f = Fixture::new();
        let session = f.vault.begin(id(1), beginning()).unwrap();
        let stream = session.stream("audio.flac").unwrap();
        drop(stream);
        session.discard(now()).unwrap();
        assert!(f.vault.sessions().unwrap().is_empty());
    }

    #[test]
    fn a_file_is_not_begun_twice_and_not_under_a_name_of_ours() {
        let f = Fixture::new();
        let session = f.vault.begin(id(1), beginning()).unwrap();
        let stream = session.stream("audio.flac").unwrap();
        assert!(session.stream("audio.flac").is_err());
        stream.finish().unwrap();
        assert!(session.stream("audio.flac").is_err());
        for name in ["manifest.json", "begun.json", "key", "../x", "a.age"] {
            assert_eq!(
                session.stream(name).unwrap_err().kind(),
                Kind::Usage,
                "{name}"
            );
            assert_eq!(
                session.put(name, b"").unwrap_err().kind(),
                Kind::Usage,
                "{name}"
            );
        }
        assert!(
            f.vault.begin(id(1), beginning()).is_err(),
            "an id is used once"
        );
        assert_eq!(f.vault.entry(&id(1)).unwrap().state, State::Writing);
    }
}
