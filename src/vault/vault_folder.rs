//! A vault's folder: making one, opening one, and what needs no secret.
//!
//! Refuses to make a vault where anything already is, and never overwrites an identity: an
//! identity that is gone takes every session with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use age::secrecy::SecretString;
use age::x25519;
use jiff::Timestamp;
use rustix::fs::Mode;

use super::audit::{self, AuditReport, Event};
use super::folder::{self, Folder};
use super::keys;
use super::settings::{self, Recipient, RecipientKind, Retention, Settings};
use super::unlocked::Unlocked;
use crate::{Error, Kind, Result};

const SETTINGS: &str = "vault.toml";
const IDENTITY: &str = "identity.age";
const SESSIONS: &str = "sessions";

/// What a vault is to be made with.
#[derive(Debug)]
pub struct NewVault {
    /// Opens the vault's identity.
    pub passphrase: SecretString,
    /// Scrypt work factor, 1 to [`super::MAX_WORK_FACTOR`]; [`super::WORK_FACTOR`] outside tests.
    pub work_factor: u8,
    /// Others who can open its sessions, `age1…`.
    pub extra_recipients: Vec<String>,
    /// Whether to make a recovery identity, to be printed on paper.
    pub recovery: bool,
    /// Where the sealed identity goes, if not into the vault; must not be there yet.
    pub identity: Option<PathBuf>,
    /// Now.
    pub created: Timestamp,
}

/// A vault, public part: enough to record and to delete, not to read.
#[derive(Debug, Clone)]
pub struct Vault {
    pub(super) root: Arc<Folder>,
    pub(super) sessions: Arc<Folder>,
    settings: Arc<Settings>,
}

impl Vault {
    /// Makes a vault in `root`, which must be empty or not there yet.
    ///
    /// Returns the recovery identity as well where one was asked for: **print it, and keep
    /// nothing of it**; it is stored nowhere and opens every session.
    ///
    /// # Errors
    /// [`Kind::Vault`] when something is already there, [`Kind::Usage`] for a recipient that is
    /// none or an empty passphrase, [`Kind::Disk`]. What was made is taken away again.
    pub fn create(root: &Path, new: NewVault) -> Result<(Self, Option<SecretString>)> {
        let mut recipients = Vec::new();
        for text in &new.extra_recipients {
            let key = keys::recipient(text)?.to_string();
            recipients.push(Recipient {
                key,
                kind: RecipientKind::Other,
            });
        }
        if recipients.len() + 2 > settings::MAX_RECIPIENTS {
            return Err(Error::new(
                Kind::Usage,
                "These are too many recipients for one vault.",
            ));
        }
        let recovery = new.recovery.then(x25519::Identity::generate);
        if let Some(recovery) = &recovery {
            let key = recovery.to_public().to_string();
            recipients.insert(
                0,
                Recipient {
                    key,
                    kind: RecipientKind::Recovery,
                },
            );
        }
        let identity = x25519::Identity::generate();
        let key = identity.to_public().to_string();
        recipients.insert(
            0,
            Recipient {
                key,
                kind: RecipientKind::Vault,
            },
        );
        let settings = Settings {
            format: settings::FORMAT.to_owned(),
            created: new.created,
            identity: new.identity.clone().unwrap_or_else(|| IDENTITY.into()),
            retention: Retention::default(),
            recipients,
        };
        // What the identity knows of the recipients is under the passphrase: a recipient that
        // somebody adds to vault.toml later is noticed.
        let mut comments = vec![
            format!("undertone vault, created {}", new.created),
            format!("public key: {}", identity.to_public()),
        ];
        comments.extend(
            settings
                .recipients
                .iter()
                .map(|r| format!("recipient: {}", r.key)),
        );
        let text = keys::identity_text(&identity, &comments);
        let sealed = keys::lock_identity(&text, &new.passphrase, new.work_factor)?;

        let made = !root.exists();
        if made {
            make_private(root)?;
        }
        let folder = Folder::open(root)?;
        if let Some(there) = folder.entries()?.first() {
            return Err(occupied(root, &there.name, folder.has(SETTINGS)));
        }
        let vault = Self::write(folder, &settings, &sealed, new.created).inspect_err(|_| {
            if made {
                let _ = std::fs::remove_dir(root);
            }
        })?;
        Ok((vault, recovery.map(|r| r.to_string())))
    }

    fn write(root: Folder, settings: &Settings, sealed: &[u8], now: Timestamp) -> Result<Self> {
        private(root.path())?;
        let path = root.path().join(&settings.identity);
        let elsewhere = settings.identity != Path::new(IDENTITY);
        let written: Result<Folder> = (|| {
            if elsewhere {
                write_elsewhere(&path, sealed)?;
            } else {
                root.replace_bytes(IDENTITY, "identity.age.new", sealed)?;
            }
            let sessions = root.make_sub(SESSIONS)?;
            audit::append(&root, Event::VaultCreated, None, now)?;
            // Last: a folder with settings is a whole vault.
            root.replace_bytes(SETTINGS, "vault.toml.new", settings.text()?.as_bytes())?;
            Ok(sessions)
        })();
        match written {
            Ok(sessions) => Ok(Vault {
                root: Arc::new(root),
                sessions: Arc::new(sessions),
                settings: Arc::new(settings.clone()),
            }),
            Err(e) => {
                // Nothing is sealed to this identity yet, so nothing is lost with it. One that
                // was already elsewhere is not ours to remove.
                if !elsewhere {
                    let _ = root.remove(IDENTITY);
                } else if e.kind() != Kind::Vault {
                    let _ = std::fs::remove_file(&path);
                }
                let _ = root.remove(audit::FILE);
                let _ = root.remove_sub(SESSIONS);
                Err(e)
            }
        }
    }

    /// Opens the public part of the vault in `root`.
    ///
    /// # Errors
    /// [`Kind::Vault`] when there is none, or its settings are not understood.
    pub fn open(root: &Path) -> Result<Self> {
        let none = || {
            Error::new(
                Kind::Vault,
                format!("There is no vault in {}.", root.display()),
            )
            .hint("undertone init")
            .hint("If your vault is elsewhere: undertone --vault FOLDER")
        };
        let missing = |e: Error| {
            if e.kind() == Kind::NotFound {
                none()
            } else {
                e
            }
        };
        let folder = Folder::open(root).map_err(missing)?;
        let text = folder
            .read_all(SETTINGS, settings::LIMIT)
            .map_err(|e| match e.kind() {
                Kind::Damaged => Error::new(Kind::Vault, e.sentence()),
                _ => missing(e),
            })?;
        let settings = Settings::parse(&text)?;
        let sessions = match folder.sub(SESSIONS) {
            Ok(sessions) => sessions,
            // A backup program that leaves out empty folders.
            Err(e) if e.kind() == Kind::NotFound => folder.make_sub(SESSIONS)?,
            Err(e) => return Err(Error::new(Kind::Vault, e.sentence())),
        };
        Ok(Vault {
            root: Arc::new(folder),
            sessions: Arc::new(sessions),
            settings: Arc::new(settings),
        })
    }

    /// The vault's folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Where the sealed identity is.
    #[must_use]
    pub fn identity_path(&self) -> PathBuf {
        self.root.path().join(&self.settings.identity)
    }

    /// When the vault was made.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.settings.created
    }

    /// Who can open sessions begun from now on.
    #[must_use]
    pub fn recipients(&self) -> &[Recipient] {
        &self.settings.recipients
    }

    /// How long sessions are to be kept.
    #[must_use]
    pub fn retention(&self) -> Retention {
        self.settings.retention
    }

    /// Bytes that can still be written to the vault's disk.
    ///
    /// # Errors
    /// [`Kind::Disk`].
    pub fn free_bytes(&self) -> Result<u64> {
        self.root.free_bytes()
    }

    /// Opens the vault with its passphrase. Takes about a second and 256 MiB at the usual work
    /// factor.
    ///
    /// # Errors
    /// [`Kind::Locked`] for a wrong passphrase or an identity that is not there,
    /// [`Kind::Damaged`] for an identity that is cut or altered.
    pub fn unlock(&self, passphrase: &SecretString) -> Result<Unlocked> {
        self.unlock_with_file(&self.identity_path(), passphrase)
    }

    /// As [`Vault::unlock`], with the sealed identity at `path`, wherever that is.
    ///
    /// # Errors
    /// As [`Vault::unlock`].
    pub fn unlock_with_file(&self, path: &Path, passphrase: &SecretString) -> Result<Unlocked> {
        let sealed = folder::read_path(path, keys::IDENTITY_LIMIT).map_err(|e| {
            if e.kind() != Kind::NotFound {
                return e;
            }
            Error::new(
                Kind::Locked,
                format!("The vault's identity is not there ({}).", path.display()),
            )
            .hint("If it is on a stick or a card, plug it in.")
            .hint("The printed recovery identity opens the vault as well.")
        })?;
        let text = keys::unlock_identity(&sealed, passphrase)?;
        let identity = keys::identity(&text)?;
        let known: Vec<&str> = text
            .lines()
            .filter_map(|l| l.strip_prefix("# recipient: "))
            .collect();
        let strangers = if known.is_empty() {
            Vec::new()
        } else {
            let keys = self.settings.recipients.iter().map(|r| r.key.as_str());
            keys.filter(|k| !known.contains(k))
                .map(str::to_owned)
                .collect()
        };
        self.unlocked(identity, strangers)
    }

    /// Opens the vault with an identity, `AGE-SECRET-KEY-1…`: the recovery identity, or that of
    /// another recipient.
    ///
    /// # Errors
    /// [`Kind::Locked`] when it is none, or not that of a recipient of this vault.
    pub fn unlock_with_identity(&self, identity: &str) -> Result<Unlocked> {
        self.unlocked(keys::identity(identity)?, Vec::new())
    }

    fn unlocked(&self, identity: x25519::Identity, strangers: Vec<String>) -> Result<Unlocked> {
        let public = identity.to_public().to_string();
        if !self.settings.recipients.iter().any(|r| r.key == public) {
            return Err(Error::new(
                Kind::Locked,
                "This identity is not that of a recipient of this vault.",
            )
            .hint("Check with undertone doctor which vault is in use."));
        }
        Ok(Unlocked::new(self.clone(), identity, strangers))
    }

    /// Notes an event in the audit trail.
    ///
    /// # Errors
    /// [`Kind::Disk`].
    pub fn note(
        &self,
        event: Event,
        session: Option<&super::SessionId>,
        now: Timestamp,
    ) -> Result<()> {
        audit::append(&self.root, event, session, now)
    }

    /// Follows the audit trail's chain from its first line.
    ///
    /// # Errors
    /// [`Kind::Disk`]; a broken chain is no error but in the report.
    pub fn verify_audit(&self) -> Result<AuditReport> {
        audit::verify(&self.root)
    }

    /// The recipients, ready to seal to. They were checked when the settings were read.
    pub(super) fn keys(&self) -> Result<Vec<x25519::Recipient>> {
        self.settings
            .recipients
            .iter()
            .map(|r| keys::recipient(&r.key))
            .collect()
    }
}

fn occupied(root: &Path, name: &str, vault: bool) -> Error {
    let root = root.display();
    if vault {
        Error::new(
            Kind::Vault,
            format!("There is already a vault in {root}. Nothing was changed."),
        )
        .hint("undertone sessions")
        .hint("For another vault: undertone --vault FOLDER init")
    } else {
        Error::new(
            Kind::Vault,
            format!("{root} is not empty (it holds {name}). Nothing was changed."),
        )
        .hint("Choose a new or empty folder: undertone --vault FOLDER init")
    }
}

fn make_private(root: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if let Some(parent) = root.parent() {
        std::fs::create_dir_all(parent).map_err(|e| Error::io("making", parent, &e))?;
    }
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(root)
        .map_err(|e| Error::io("making", root, &e))
}

fn private(root: &Path) -> Result<()> {
    rustix::fs::chmod(root, Mode::RWXU).map_err(|e| Error::io("making", root, &e.into()))
}

/// Writes the identity where the user wants it, in a folder that is there, over nothing.
fn write_elsewhere(path: &Path, sealed: &[u8]) -> Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
    else {
        return Err(Error::new(
            Kind::Vault,
            "The identity needs the path of a file.",
        ));
    };
    let folder = Folder::open(parent)?;
    if folder.inode(name).is_some() {
        return Err(Error::new(
            Kind::Vault,
            format!("{} is already there. Nothing was changed.", path.display()),
        )
        .hint("Choose another path for the identity."));
    }
    folder.replace_bytes(name, &format!("{name}.new"), sealed)
}
