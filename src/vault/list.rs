//! Which sessions there are, told without opening any of them.
//!
//! Refuses to guess: an ambiguous prefix lists what it could mean.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::folder::Folder;
use super::lock::Lock;
use super::vault_folder::Vault;
use super::{SessionId, names};
use crate::{Error, Kind, Result};

/// How far a session got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum State {
    /// Ended, with its manifest.
    Complete,
    /// Its writer is gone and it was not ended: recover it.
    Interrupted,
    /// Being written right now.
    Writing,
    /// Its key is gone, so nothing in it can be opened: a deletion that was cut short. Delete it
    /// again.
    Keyless,
}

/// A session as it looks from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionEntry {
    /// Which session.
    pub id: SessionId,
    /// How far it got.
    pub state: State,
    /// Whether it has audio, finished or in part.
    pub has_audio: bool,
    /// Whether it has a transcript.
    pub has_transcript: bool,
    /// Whether it has an analysis.
    pub has_analysis: bool,
    /// Size of everything in it on disk, in bytes.
    pub bytes: u64,
    /// Its files as they are on disk, by name.
    pub files: Vec<SessionFile>,
}

/// A file of a session on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionFile {
    /// Its name on disk, such as `audio.flac.age`.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// How far the session in a folder got.
pub(super) fn state(folder: &Folder) -> Result<State> {
    let parts = folder
        .entries()?
        .iter()
        .any(|e| e.name.ends_with(names::PART));
    if folder.has(&names::sealed(names::MANIFEST)) && !parts && folder.has(names::KEY) {
        return Ok(State::Complete);
    }
    match Lock::held(folder) {
        Ok(true) => return Ok(State::Writing),
        Ok(false) => {}
        // What is no lock file is held by nobody; one odd folder must not hide the others.
        Err(e) if e.kind() == Kind::Damaged => {}
        Err(e) => return Err(e),
    }
    Ok(if folder.has(names::KEY) {
        State::Interrupted
    } else {
        State::Keyless
    })
}

impl Vault {
    /// Every session, oldest first. What is no session's folder is passed over.
    ///
    /// # Errors
    /// [`Kind::Disk`].
    pub fn sessions(&self) -> Result<Vec<SessionEntry>> {
        let mut sessions = Vec::new();
        for entry in self.sessions.entries()? {
            if let (true, Some(id)) = (entry.is_folder, SessionId::from_folder(&entry.name)) {
                match self.entry(&id) {
                    Ok(session) => sessions.push(session),
                    // Deleted between the two looks.
                    Err(e) if e.kind() == Kind::NotFound => {}
                    Err(e) => return Err(e),
                }
            }
        }
        sessions.sort_by_key(|s| s.id);
        Ok(sessions)
    }

    /// One session as it looks from outside.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub fn entry(&self, id: &SessionId) -> Result<SessionEntry> {
        let folder = self.folder(id)?;
        let files: Vec<SessionFile> = folder
            .entries()?
            .into_iter()
            .filter(|e| e.is_file && e.name != names::LOCK)
            .map(|e| SessionFile {
                name: e.name,
                bytes: e.bytes,
            })
            .collect();
        let has = |name: &str| files.iter().any(|f| f.name == names::sealed(name));
        Ok(SessionEntry {
            id: *id,
            state: state(&folder)?,
            has_audio: files.iter().any(|f| f.name.starts_with("audio.")),
            has_transcript: has("transcript.json"),
            has_analysis: has("analysis.json"),
            bytes: files.iter().map(|f| f.bytes).sum(),
            files,
        })
    }

    /// The session that `text` means: its id, the beginning of it (in either case) that no other
    /// session shares, or `last`, the newest.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for none, [`Kind::Usage`] for several, which are listed.
    pub fn find(&self, text: &str) -> Result<SessionId> {
        let ids: Vec<SessionId> = self
            .sessions
            .entries()?
            .iter()
            .filter(|e| e.is_folder)
            .filter_map(|e| SessionId::from_folder(&e.name))
            .collect();
        let Some(newest) = ids.iter().max() else {
            return Err(
                Error::new(Kind::NotFound, "There are no sessions in this vault yet.")
                    .hint("undertone record"),
            );
        };
        if text == "last" {
            return Ok(*newest);
        }
        let prefix = text.to_ascii_uppercase();
        let plain = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_alphanumeric());
        let mut matches: Vec<SessionId> = ids
            .into_iter()
            .filter(|id| plain && id.to_string().starts_with(&prefix))
            .collect();
        matches.sort();
        match matches.as_slice() {
            [one] => Ok(*one),
            [] => Err(Error::new(
                Kind::NotFound,
                "There is no session of that id in this vault.",
            )
            .hint("undertone sessions")),
            several => {
                let mut error = Error::new(
                    Kind::Usage,
                    format!(
                        "{} sessions begin like that: type more of the id.",
                        several.len()
                    ),
                );
                for id in several.iter().rev().take(10) {
                    error = error.hint(format!(
                        "{id} ({})",
                        id.time().strftime("%Y-%m-%d %H:%M UTC")
                    ));
                }
                Err(error)
            }
        }
    }

    /// Sessions that the vault's retention rule says are to be deleted by `now`.
    ///
    /// # Errors
    /// [`Kind::Disk`].
    pub fn due(&self, now: Timestamp) -> Result<Vec<SessionId>> {
        let Some(days) = self.retention().keep_days else {
            return Ok(Vec::new());
        };
        let keep = SignedDuration::from_hours(24 * i64::from(days));
        let sessions = self.sessions()?.into_iter().map(|s| s.id);
        Ok(sessions
            .filter(|id| now.duration_since(id.time()) >= keep)
            .collect())
    }

    /// A session's folder, held open.
    pub(super) fn folder(&self, id: &SessionId) -> Result<Folder> {
        self.sessions.sub(&id.to_string()).map_err(|e| {
            if e.kind() != Kind::NotFound {
                return e;
            }
            Error::new(
                Kind::NotFound,
                format!("There is no session {id} in this vault."),
            )
            .hint("undertone sessions")
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use std::io::Write;

    #[test]
    fn states_are_told_without_a_passphrase() {
        let f = Fixture::new();
        let complete = f.session(1, b"x");
        let writing = f.vault.begin(id(2), beginning()).unwrap();
        let mut dropped = {
            let session = f.vault.begin(id(3), beginning()).unwrap();
            session.stream("audio.flac").unwrap()
        };
        dropped.write_all(b"x").unwrap();
        let state = |n: usize| f.vault.sessions().unwrap()[n].state;
        assert_eq!((state(0), state(1)), (State::Complete, State::Writing));
        assert_eq!(state(2), State::Writing, "the stream outlives its session");
        drop(dropped);
        assert_eq!(state(2), State::Interrupted);
        drop(writing);
        assert_eq!(state(1), State::Interrupted, "begun, and nothing more");
        let entry = f.vault.entry(&complete).unwrap();
        assert!(entry.has_audio && !entry.has_transcript && !entry.has_analysis);
        assert_eq!(
            entry.bytes,
            entry.files.iter().map(|f| f.bytes).sum::<u64>()
        );
        std::fs::remove_file(f.folder(&complete).join("key.age")).unwrap();
        assert_eq!(state(0), State::Keyless);
    }

    #[test]
    fn a_session_is_found_by_id_by_prefix_and_as_the_last() {
        let f = Fixture::new();
        assert_eq!(f.vault.find("last").unwrap_err().kind(), Kind::NotFound);
        let one = f.session(1, b"x");
        let two = f.session(u128::MAX, b"x");
        let text = two.to_string();
        assert_eq!(f.vault.find("last").unwrap(), two);
        assert_eq!(f.vault.find(&text.to_lowercase()).unwrap(), two);
        assert_eq!(f.vault.find(&text[..12].to_lowercase()).unwrap(), two);
        let several = f.vault.find(&text[..5]).unwrap_err();
        assert_eq!(several.kind(), Kind::Usage);
        assert!(several.hints().iter().any(|h| h.contains(&one.to_string())));
        for none in ["", "*", "../..", "7ZZ", "LAST"] {
            assert_eq!(
                f.vault.find(none).unwrap_err().kind(),
                Kind::NotFound,
                "{none}"
            );
        }
    }

    #[test]
    fn links_and_strange_names_among_the_sessions_are_passed_over() {
        let f = Fixture::new();
        let real = f.session(1, b"x");
        let sessions = f.root.join("sessions");
        let other = id(2).to_string();
        std::os::unix::fs::symlink(f.folder(&real), sessions.join(&other)).unwrap();
        std::fs::create_dir(sessions.join("notes")).unwrap();
        std::fs::create_dir(sessions.join(id(3).to_string().to_lowercase())).unwrap();
        std::fs::write(sessions.join(id(4).to_string()), b"").unwrap();
        let odd = id(5).to_string();
        std::fs::create_dir_all(sessions.join(&odd).join("lock")).unwrap();
        let found: Vec<_> = f.vault.sessions().unwrap().iter().map(|s| s.id).collect();
        assert_eq!(found, [real, id(5)]);
        assert_eq!(f.vault.entry(&id(2)).unwrap_err().kind(), Kind::Damaged);
        assert!(f.vault.delete(&id(2), now()).is_err());
        assert!(
            f.unlocked.check(&real).unwrap().sound(),
            "the link's target is untouched"
        );
    }

    #[test]
    fn sessions_are_due_when_the_rule_says_and_never_without_one() {
        let f = Fixture::new();
        let session = f.session(1, b"x");
        let later = now() + SignedDuration::from_hours(24 * 30);
        assert!(f.vault.due(later).unwrap().is_empty());
        let path = f.root.join("vault.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(
            &path,
            text.replace("[retention]", "[retention]\nkeep_days = 30"),
        )
        .unwrap();
        let vault = Vault::open(&f.root).unwrap();
        assert_eq!(vault.due(later).unwrap(), [session]);
        assert!(
            vault
                .due(later - SignedDuration::from_secs(1))
                .unwrap()
                .is_empty()
        );
    }
}
