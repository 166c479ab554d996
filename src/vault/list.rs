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
    if Lock::held(folder)? {
        return Ok(State::Writing);
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
