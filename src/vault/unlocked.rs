//! A vault that was opened: sessions can be read and checked.
//!
//! Refuses a session that is being written or was interrupted: what is read is whole, or it is
//! said not to be.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use age::x25519;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::folder::Folder;
use super::list::{self, State};
use super::lock::Lock;
use super::opened::OpenSession;
use super::unseal::{self, SealedReader};
use super::vault_folder::Vault;
use super::{SessionId, keys, names};
use crate::{Error, Kind, Result};

/// A vault together with an identity that opens its sessions. Wiped when dropped.
pub struct Unlocked {
    vault: Vault,
    identity: x25519::Identity,
    strangers: Vec<String>,
}

impl std::fmt::Debug for Unlocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unlocked")
            .field("vault", &self.vault.path())
            .finish_non_exhaustive()
    }
}

/// What checking a session found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Every file of the session, by name.
    pub files: Vec<FileCheck>,
}

impl Check {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn sound(&self) -> bool {
        self.files.iter().all(|f| f.problem.is_none())
    }
}

/// What checking one file found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileCheck {
    /// Its name, without `.age`.
    pub name: String,
    /// Bytes that were opened and are genuine.
    pub genuine_bytes: u64,
    /// What is wrong with it, in a sentence.
    pub problem: Option<String>,
}

impl Unlocked {
    pub(super) fn new(vault: Vault, identity: x25519::Identity, strangers: Vec<String>) -> Self {
        Unlocked {
            vault,
            identity,
            strangers,
        }
    }

    /// The vault.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Recipients in `vault.toml` that were not there when the vault was made with this
    /// identity. **Tell the user**: whoever wrote them there can open every session begun since.
    /// Empty as well when the vault was opened with a bare identity, which knows none.
    #[must_use]
    pub fn strangers(&self) -> &[String] {
        &self.strangers
    }

    /// Opens a session.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Busy`] while it is being recorded; [`Kind::Damaged`] when it
    /// was interrupted, with how to recover it, or its key is cut or altered; [`Kind::Locked`]
    /// when its key is not sealed to this identity.
    pub fn session(&self, id: &SessionId) -> Result<OpenSession> {
        let folder = Arc::new(self.vault.folder(id)?);
        match list::state(&folder)? {
            State::Complete => {}
            State::Writing => {
                return Err(Error::new(
                    Kind::Busy,
                    "This session is still being recorded. Nothing was changed.",
                )
                .hint("Wait until the recording has ended, then try again."));
            }
            State::Interrupted => {
                return Err(Error::new(
                    Kind::Damaged,
                    "This session was interrupted. What was recorded up to then is kept.",
                )
                .hint(format!("undertone recover {id}")));
            }
            State::Keyless => return Err(keyless(id)),
        }
        let identity = self.key(&folder, id)?;
        let session = OpenSession::new(*id, Arc::clone(&folder), identity);
        if folder
            .entries()?
            .iter()
            .any(|e| e.name.ends_with(names::NEW))
        {
            // A replacement was cut short; whoever is busy with it settles it.
            if let Ok(_lock) = Lock::take(&folder) {
                // A disk that takes no writing, a damaged manifest: reading goes on all the same,
                // and whoever asks for the manifest is told.
                let _ = session.settle();
            }
        }
        Ok(session)
    }

    /// Opens a session's own identity.
    pub(super) fn key(&self, folder: &Folder, id: &SessionId) -> Result<x25519::Identity> {
        let sealed = folder
            .read_all(names::KEY, keys::IDENTITY_LIMIT)
            .map_err(|e| {
                if e.kind() == Kind::NotFound {
                    keyless(id)
                } else {
                    e
                }
            })?;
        let what = format!("The key of session {id}");
        let text = unseal::from_slice(&sealed, &self.identity, &what, keys::IDENTITY_LIMIT)?;
        let text = keys::into_text(text, &what)?;
        keys::identity(&text).map_err(|_| keys::damaged(&what))
    }

    /// Reads every sealed file of a session to its end and compares its digest with the manifest.
    ///
    /// # Errors
    /// As [`Unlocked::session`]; what is wrong with a file is no error but in the answer.
    pub fn check(&self, id: &SessionId) -> Result<Check> {
        let session = self.session(id)?;
        let manifest = session.manifest()?;
        let mut files = vec![FileCheck {
            name: names::MANIFEST.to_owned(),
            genuine_bytes: manifest.json()?.len() as u64,
            problem: None,
        }];
        for (name, info) in &manifest.files {
            let (genuine_bytes, found) = session.examine(name);
            let problem = match found {
                Ok(digest) if digest == info.sha256 => None,
                Ok(_) => Some(
                    "It opens, but is not the file that the manifest names: it was replaced."
                        .to_owned(),
                ),
                Err(e) => Some(e.sentence().to_owned()),
            };
            files.push(FileCheck {
                name: name.clone(),
                genuine_bytes,
                problem,
            });
        }
        for entry in session.folder().entries()? {
            let name = names::unsealed(&entry.name).unwrap_or(&entry.name);
            let ours = matches!(entry.name.as_str(), names::KEY | names::LOCK)
                || name == names::MANIFEST
                || name == names::BEGUN
                || entry.name.ends_with(names::UNREADABLE)
                || entry.name.ends_with(names::TAIL);
            let listed = entry.is_file && manifest.files.contains_key(name);
            if !ours && !listed {
                files.push(FileCheck {
                    name: name.to_owned(),
                    genuine_bytes: 0,
                    problem: Some("The manifest does not know this file.".to_owned()),
                });
            }
        }
        Ok(Check { files })
    }
}

impl OpenSession {
    /// Reads a sealed file to its end: genuine bytes, and the digest of the sealed file.
    pub(super) fn examine(&self, name: &str) -> (u64, Result<String>) {
        let sha = Arc::new(Mutex::new(Sha256::new()));
        let reader = self.sealed_file(name).and_then(|file| {
            self.open_over(
                name,
                Digesting {
                    inner: file,
                    sha: Arc::clone(&sha),
                },
            )
        });
        let mut reader: SealedReader = match reader {
            Ok(reader) => reader,
            Err(e) => return (0, Err(e)),
        };
        let mut block = Zeroizing::new(vec![0_u8; 64 * 1024]);
        loop {
            match reader.read(&mut block) {
                Ok(0) => break,
                Ok(_) => {}
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return (reader.authenticated(), Err(reader.error(&e))),
            }
        }
        let digest = sha
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .finalize();
        (reader.authenticated(), Ok(hex::encode(digest)))
    }
}

/// Digests what is read through it.
struct Digesting<R> {
    inner: R,
    sha: Arc<Mutex<Sha256>>,
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.sha
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .update(&buf[..read]);
        Ok(read)
    }
}

fn keyless(id: &SessionId) -> Error {
    Error::new(
        Kind::Damaged,
        "The key of this session is gone: it was being deleted, and nothing in it can be opened.",
    )
    .hint(format!("undertone delete {id}"))
}
