//! A vault's folder: making one, opening one, and what needs no secret.
//!
//! Refuses to make a vault where anything already is, and never overwrites an identity: an
//! identity that is gone takes every session with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use age::secrecy::{ExposeSecret, SecretString};
use age::x25519;
use jiff::Timestamp;
use rustix::fs::Mode;

use super::audit::{self, AuditReport, Event};
use super::disk::{Watched, Watcher};
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
        Self::open_by(root, None)
    }

    /// As [`Vault::open`], with somebody who sees, and may refuse, whatever is done to the disk.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn open_watched(root: &Path, watcher: Arc<dyn Watcher>) -> Result<Self> {
        Self::open_by(root, Some(watcher))
    }

    fn open_by(root: &Path, watched: Watched) -> Result<Self> {
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
        let folder = Folder::open_watched(root, watched).map_err(missing)?;
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

    /// Opens the vault with its passphrase, or with its recovery key typed in the passphrase's place. The passphrase
    /// takes about a second and 256 MiB at the usual work factor.
    ///
    /// # Errors
    /// [`Kind::Locked`] for a wrong passphrase or an identity that is not there,
    /// [`Kind::Damaged`] for an identity that is cut or altered.
    pub fn unlock(&self, passphrase: &SecretString) -> Result<Unlocked> {
        if keys::is_identity(passphrase.expose_secret()) {
            return self.unlock_with_identity(passphrase.expose_secret());
        }
        self.unlock_with_file(&self.identity_path(), passphrase)
    }

    /// As [`Vault::unlock`], with the sealed identity at `path`, wherever that is.
    ///
    /// # Errors
    /// As [`Vault::unlock`].
    pub fn unlock_with_file(&self, path: &Path, passphrase: &SecretString) -> Result<Unlocked> {
        let text = keys::unlock_identity(&sealed_identity(path)?, passphrase)?;
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

    /// Seals the identity under a new passphrase, and what it was sealed under opens it no longer. Sessions stay as they
    /// are: they are sealed to the identity. A copy of the old file, in a backup, still opens with the old passphrase.
    ///
    /// # Errors
    /// As [`Vault::unlock`], [`Kind::Locked`] for a recovery key too: the identity is not sealed to it;
    /// [`Kind::Usage`] for an empty passphrase; [`Kind::Disk`]. The old passphrase holds then, unless only the audit trail
    /// could not be written: that comes last.
    pub fn change_passphrase(
        &self,
        old: &SecretString,
        new: &SecretString,
        work_factor: u8,
        now: Timestamp,
    ) -> Result<()> {
        if keys::is_identity(old.expose_secret()) {
            return Err(Error::new(
                Kind::Locked,
                "A recovery key opens sessions, but not the identity: to change the passphrase the old one is needed.",
            )
            .hint("If it is lost, make a new vault: undertone --vault FOLDER init --recovery")
            .hint("The sessions of this one still open with the recovery key."));
        }
        let path = self.identity_path();
        let text = keys::unlock_identity(&sealed_identity(&path)?, old)?;
        let public = keys::identity(&text)?.to_public().to_string();
        let sealed = keys::lock_identity(&text, new, work_factor)?;
        // Nothing takes the place of what opens the sessions that was not seen to open.
        let again = keys::identity(&keys::unlock_identity(&sealed, new)?)?;
        if again.to_public().to_string() != public {
            return Err(Error::new(
                Kind::Internal,
                "What was sealed anew does not open. The old passphrase holds.",
            ));
        }
        if self.settings.identity == Path::new(IDENTITY) {
            self.root
                .replace_bytes(IDENTITY, "identity.age.new", &sealed)?;
        } else {
            let (folder, name) = place(&path)?;
            folder.replace_bytes(name, &format!("{name}.new"), &sealed)?;
        }
        self.note(Event::PassphraseChanged, None, now)
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

/// The sealed identity.
fn sealed_identity(path: &Path) -> Result<Vec<u8>> {
    folder::read_path(path, keys::IDENTITY_LIMIT).map_err(|e| {
        if e.kind() != Kind::NotFound {
            return e;
        }
        Error::new(
            Kind::Locked,
            format!("The vault's identity is not there ({}).", path.display()),
        )
        .hint("If it is on a stick or a card, plug it in.")
        .hint("Or type the recovery key from paper in place of the passphrase.")
    })
}

/// The folder that a file lies in, and its name there.
fn place(path: &Path) -> Result<(Folder, &str)> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
    else {
        return Err(Error::new(
            Kind::Vault,
            "The identity needs the path of a file.",
        ));
    };
    Ok((Folder::open(parent)?, name))
}

/// Writes the identity where the user wants it, in a folder that is there, over nothing.
fn write_elsewhere(path: &Path, sealed: &[u8]) -> Result<()> {
    let (folder, name) = place(path)?;
    if folder.inode(name).is_some() {
        return Err(Error::new(
            Kind::Vault,
            format!("{} is already there. Nothing was changed.", path.display()),
        )
        .hint("Choose another path for the identity."));
    }
    folder.replace_bytes(name, &format!("{name}.new"), sealed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use age::secrecy::ExposeSecret;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_new_vault_is_private_and_opens_with_its_passphrase_only() {
        let f = Fixture::new();
        let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&f.root), 0o700);
        assert_eq!(mode(&f.root.join("sessions")), 0o700);
        for file in ["vault.toml", "identity.age", "audit.jsonl"] {
            assert_eq!(mode(&f.root.join(file)), 0o600, "{file}");
        }
        let vault = Vault::open(&f.root).unwrap();
        assert!(vault.unlock(&passphrase()).unwrap().strangers().is_empty());
        let error = vault.unlock(&"gravel onion".to_owned().into()).unwrap_err();
        assert_eq!(error.kind(), Kind::Locked);
        assert!(!error.hints().is_empty());
        assert!(vault.free_bytes().unwrap() > 0);
    }

    #[test]
    fn the_recovery_identity_and_another_recipient_open_what_the_vault_does() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("v");
        let other = x25519::Identity::generate();
        let new = NewVault {
            recovery: true,
            extra_recipients: vec![format!(" {}\n", other.to_public())],
            ..new_vault()
        };
        let (vault, recovery) = Vault::create(&root, new).unwrap();
        let kinds: Vec<_> = vault.recipients().iter().map(|r| r.kind).collect();
        assert_eq!(
            kinds,
            [
                RecipientKind::Vault,
                RecipientKind::Recovery,
                RecipientKind::Other
            ]
        );
        let session = vault.begin(id(1), beginning()).unwrap();
        session.put("notes", b"n").unwrap();
        let manifest = session.manifest();
        session.finish(manifest, now()).unwrap();
        for secret in [recovery.unwrap(), other.to_string()] {
            let unlocked = vault.unlock(&secret).unwrap();
            let open = unlocked.session(&id(1)).unwrap();
            assert_eq!(open.read("notes", 9).unwrap()[..], *b"n");
        }
        let stranger = x25519::Identity::generate().to_string();
        let error = vault
            .unlock_with_identity(stranger.expose_secret())
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Locked);
    }

    #[test]
    fn a_recipient_slipped_into_the_settings_is_told() {
        let f = Fixture::new();
        let path = f.root.join("vault.toml");
        let mallory = x25519::Identity::generate().to_public().to_string();
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str(&format!(
            "\n[[recipients]]\nkey = \"{mallory}\"\nkind = \"other\"\n"
        ));
        std::fs::write(&path, text).unwrap();
        let unlocked = Vault::open(&f.root).unwrap().unlock(&passphrase()).unwrap();
        assert_eq!(unlocked.strangers(), [mallory]);
    }

    #[test]
    fn no_vault_is_made_over_anything() {
        let f = Fixture::new();
        let before = std::fs::read(f.root.join("identity.age")).unwrap();
        let error = Vault::create(&f.root, new_vault()).unwrap_err();
        assert_eq!(error.kind(), Kind::Vault);
        assert_eq!(std::fs::read(f.root.join("identity.age")).unwrap(), before);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("letter.txt"), b"").unwrap();
        assert_eq!(
            Vault::create(dir.path(), new_vault()).unwrap_err().kind(),
            Kind::Vault
        );
        let empty = NewVault {
            passphrase: String::new().into(),
            ..new_vault()
        };
        let root = dir.path().join("v");
        assert_eq!(Vault::create(&root, empty).unwrap_err().kind(), Kind::Usage);
        let wrong = NewVault {
            extra_recipients: vec!["age1x".into()],
            ..new_vault()
        };
        assert_eq!(Vault::create(&root, wrong).unwrap_err().kind(), Kind::Usage);
        assert!(!root.exists());
    }

    #[test]
    fn the_identity_may_live_elsewhere_and_is_asked_for_when_it_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let (root, stick) = (dir.path().join("v"), dir.path().join("stick.age"));
        let new = || NewVault {
            identity: Some(stick.clone()),
            ..new_vault()
        };
        Vault::create(&root, new()).unwrap();
        assert!(!root.join("identity.age").exists());
        let vault = Vault::open(&root).unwrap();
        vault.unlock(&passphrase()).unwrap();
        let moved = dir.path().join("moved.age");
        std::fs::rename(&stick, &moved).unwrap();
        let error = vault.unlock(&passphrase()).unwrap_err();
        assert_eq!(error.kind(), Kind::Locked);
        assert!(error.sentence().contains("stick.age"));
        vault.unlock_with_file(&moved, &passphrase()).unwrap();
        std::fs::write(&stick, b"another one").unwrap();
        let second = dir.path().join("w");
        assert_eq!(
            Vault::create(&second, new()).unwrap_err().kind(),
            Kind::Vault
        );
        assert_eq!(std::fs::read(&stick).unwrap(), b"another one");
        assert!(!second.exists());
    }

    #[test]
    fn the_passphrase_changes_for_all_sessions_and_only_with_the_old_one() {
        let f = Fixture::new();
        let session = f.session(1, b"x");
        let path = f.root.join("identity.age");
        let before = std::fs::read(&path).unwrap();
        let new = SecretString::from("an entirely different sentence");
        let change =
            |old: &SecretString, new: &SecretString| f.vault.change_passphrase(old, new, 1, now());
        let recovery = x25519::Identity::generate().to_string();
        for old in [&new, &recovery] {
            assert_eq!(change(old, &new).unwrap_err().kind(), Kind::Locked);
        }
        let empty = SecretString::from("");
        assert_eq!(
            change(&passphrase(), &empty).unwrap_err().kind(),
            Kind::Usage
        );
        assert_eq!(std::fs::read(&path).unwrap(), before);
        change(&passphrase(), &new).unwrap();
        assert_eq!(
            f.vault.unlock(&passphrase()).unwrap_err().kind(),
            Kind::Locked
        );
        let unlocked = f.vault.unlock(&new).unwrap();
        assert!(unlocked.check(&session).unwrap().sound());
        assert!(unlocked.strangers().is_empty());
        assert_eq!(f.vault.verify_audit().unwrap().broken_at, None);
    }

    #[test]
    fn where_there_is_no_vault_the_next_command_is_told() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().to_owned(), dir.path().join("none")] {
            let error = Vault::open(&path).unwrap_err();
            assert_eq!(error.kind(), Kind::Vault);
            assert_eq!(error.hints()[0], "undertone init");
        }
    }

    #[test]
    fn an_identity_cut_or_flipped_anywhere_opens_nothing_and_never_panics() {
        let f = Fixture::new();
        let path = f.root.join("identity.age");
        let whole = std::fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            for bytes in [flipped, whole[..at].to_vec()] {
                std::fs::write(&path, bytes).unwrap();
                let error = f.vault.unlock(&passphrase()).unwrap_err();
                assert!(matches!(
                    error.kind(),
                    Kind::Locked | Kind::Damaged | Kind::Vault
                ));
            }
        }
    }
}
