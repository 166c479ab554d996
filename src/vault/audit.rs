//! The audit trail: one JSON line an event, each holding the SHA-256 of the line before it.
//!
//! It says what was done to which session and when; never who, what was said, titles or codes.
//! The chain shows a line that was changed or taken out of the middle. It cannot show that the
//! end was cut off, or that everything was written anew by somebody with this user's rights:
//! for that, keep the last line's digest elsewhere.
//!
//! Refuses to rewrite a line. A torn last line (the power went) is taken off, and that is noted.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::SessionId;
use super::folder::Folder;
use crate::{Error, Kind, Result};

/// The file's name.
pub(super) const FILE: &str = "audit.jsonl";
/// Longest line, in bytes.
const LINE_LIMIT: u64 = 4096;
/// What stands before the first line.
const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// The vault was made.
    VaultCreated,
    /// The vault was opened with its passphrase or an identity.
    VaultUnlocked,
    /// The identity was sealed under another passphrase.
    PassphraseChanged,
    /// A session was begun.
    SessionBegun,
    /// A session was ended and is complete.
    SessionFinished,
    /// A session that held nothing was given up.
    SessionDiscarded,
    /// An interrupted session was recovered.
    SessionRecovered,
    /// A session was deleted, its key first.
    SessionDeleted,
    /// A transcript was written.
    TranscriptWritten,
    /// An analysis was written.
    AnalysisWritten,
    /// A finding was judged by the therapist.
    FindingJudged,
    /// A session was read on screen.
    SessionShown,
    /// Something of a session left the vault.
    SessionExported,
    /// What the client agreed to was noted, changed or taken back.
    ConsentChanged,
    /// A torn last line of this trail was taken off.
    AuditMended,
}

#[derive(Serialize, Deserialize)]
struct Line {
    seq: u64,
    time: Timestamp,
    event: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<SessionId>,
    prev: String,
}

/// What [`super::Vault::verify_audit`] found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// Lines that follow one from another, from the first.
    pub lines: u64,
    /// The number (from 1) of the first line that does not follow from the one before.
    pub broken_at: Option<u64>,
    /// SHA-256 of the last good line: note it elsewhere to notice a trail that was cut.
    pub head: String,
}

/// Adds a line and makes it durable.
///
/// # Errors
/// [`Kind::Disk`].
pub(super) fn append(
    root: &Folder,
    event: Event,
    session: Option<&SessionId>,
    now: Timestamp,
) -> Result<()> {
    let path = root.path().join(FILE);
    let lost = |e: &std::io::Error| Error::io("writing", &path, e);
    let mut file = root.open_or_create(FILE)?;
    // Two undertones may note something at once; each line takes microseconds.
    let mut tries = 0;
    while let Err(e) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        tries += 1;
        if e != Errno::WOULDBLOCK || tries > 100 {
            return Err(lost(&e.into()));
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let (mut seq, mut prev, torn) = last(file.file(), &path)?;
    let mut lines = Vec::new();
    if let Some(whole) = torn {
        file.set_len(whole).map_err(|e| lost(&e))?;
    }
    let mended = torn.map(|_| (Event::AuditMended, None));
    for (event, session) in mended.into_iter().chain([(event, session)]) {
        seq += 1;
        let event = serde_json::to_value(event)
            .ok()
            .and_then(|v| v.as_str().map(str::to_owned))
            .unwrap_or_default();
        let line = Line {
            seq,
            time: now,
            event,
            session: session.copied(),
            prev,
        };
        let json = serde_json::to_vec(&line).map_err(|_| {
            Error::new(
                Kind::Internal,
                "A line of the audit trail cannot be written.",
            )
        })?;
        prev = hex::encode(Sha256::digest(&json));
        lines.extend_from_slice(&json);
        lines.push(b'\n');
    }
    let end = file.seek(SeekFrom::End(0)).map_err(|e| lost(&e))?;
    let written = file.write_all(&lines).and_then(|()| file.sync_data());
    written.map_err(|e| {
        let _ = file.set_len(end);
        lost(&e)
    })
}

/// Sequence number and digest of the last whole line, and the length of the whole lines if a
/// torn one follows.
fn last(file: &mut File, path: &std::path::Path) -> Result<(u64, String, Option<u64>)> {
    let lost = |e: &std::io::Error| Error::io("reading", path, e);
    let length = file.metadata().map_err(|e| lost(&e))?.len();
    let from = length.saturating_sub(2 * LINE_LIMIT);
    file.seek(SeekFrom::Start(from)).map_err(|e| lost(&e))?;
    let mut tail = Vec::new();
    file.take(2 * LINE_LIMIT)
        .read_to_end(&mut tail)
        .map_err(|e| lost(&e))?;
    let whole = tail
        .iter()
        .rposition(|&b| b == b'\n')
        .map_or(0, |at| at + 1);
    let torn = (whole < tail.len()).then_some(from + whole as u64);
    if whole == 0 {
        return if from == 0 {
            Ok((0, START.to_owned(), torn))
        } else {
            Err(Error::new(
                Kind::Vault,
                "The audit trail (audit.jsonl) is not one. Nothing was changed.",
            )
            .hint("Move audit.jsonl out of the vault and keep it; a new one is begun."))
        };
    }
    let before = tail[..whole - 1]
        .iter()
        .rposition(|&b| b == b'\n')
        .map_or(0, |at| at + 1);
    let line = &tail[before..whole - 1];
    // A last line that is no event is kept and chained to; verifying tells.
    let seq = serde_json::from_slice::<Line>(line).map_or(0, |l| l.seq);
    Ok((seq, hex::encode(Sha256::digest(line)), torn))
}

/// Reads the trail from the start and follows the chain.
///
/// # Errors
/// [`Kind::Disk`]; a vault without a trail has one of no lines.
pub(super) fn verify(root: &Folder) -> Result<AuditReport> {
    let path = root.path().join(FILE);
    let mut report = AuditReport {
        lines: 0,
        broken_at: None,
        head: START.to_owned(),
    };
    let file = match root.read(FILE) {
        Ok(file) => file,
        Err(e) if e.kind() == Kind::NotFound => return Ok(report),
        Err(e) => return Err(e),
    };
    let mut reader = BufReader::new(file);
    loop {
        let mut line = Vec::new();
        (&mut reader)
            .take(LINE_LIMIT)
            .read_until(b'\n', &mut line)
            .map_err(|e| Error::io("reading", &path, &e))?;
        if line.is_empty() {
            return Ok(report);
        }
        let whole = line.pop() == Some(b'\n');
        let follows = whole
            && serde_json::from_slice::<Line>(&line)
                .is_ok_and(|l| l.prev == report.head && l.seq == report.lines + 1);
        if !follows {
            report.broken_at = Some(report.lines + 1);
            return Ok(report);
        }
        report.lines += 1;
        report.head = hex::encode(Sha256::digest(&line));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn trail(lines: usize) -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let root = Folder::open(dir.path()).unwrap();
        let id = SessionId::new(Timestamp::UNIX_EPOCH, 5);
        for _ in 0..lines {
            append(&root, Event::SessionBegun, Some(&id), Timestamp::UNIX_EPOCH).unwrap();
        }
        (dir, root)
    }

    #[test]
    fn an_untouched_trail_verifies_to_its_end() {
        let (_dir, root) = trail(5);
        let report = verify(&root).unwrap();
        assert_eq!((report.lines, report.broken_at), (5, None));
        let (_dir, empty) = trail(0);
        assert_eq!(verify(&empty).unwrap().lines, 0);
    }

    #[test]
    fn a_changed_or_missing_line_is_found() {
        let (dir, root) = trail(5);
        let path = dir.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let changed = text.replacen("session-begun", "session-shown", 1);
        std::fs::write(&path, changed).unwrap();
        assert_eq!(verify(&root).unwrap().broken_at, Some(2));
        let without = [lines[0], lines[1], lines[3], lines[4], ""].join("\n");
        std::fs::write(&path, without).unwrap();
        assert_eq!(verify(&root).unwrap().broken_at, Some(3));
    }

    #[test]
    fn lines_written_at_the_same_time_still_follow_one_another() {
        let (dir, _root) = trail(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let root = Folder::open(dir.path()).unwrap();
                    for _ in 0..10 {
                        append(&root, Event::SessionShown, None, Timestamp::UNIX_EPOCH).unwrap();
                    }
                });
            }
        });
        let report = verify(&Folder::open(dir.path()).unwrap()).unwrap();
        assert_eq!((report.lines, report.broken_at), (40, None));
    }

    #[test]
    fn a_torn_last_line_is_taken_off_and_noted() {
        let (dir, root) = trail(3);
        let path = dir.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 20]).unwrap();
        append(&root, Event::SessionShown, None, Timestamp::UNIX_EPOCH).unwrap();
        let report = verify(&root).unwrap();
        assert_eq!((report.lines, report.broken_at), (4, None));
        assert!(
            std::fs::read_to_string(&path)
                .unwrap()
                .contains("audit-mended")
        );
    }

    #[test]
    fn a_trail_of_one_endless_line_is_refused_and_left_alone() {
        let (dir, root) = trail(0);
        let path = dir.path().join(FILE);
        std::fs::write(&path, vec![b'x'; 100_000]).unwrap();
        let error = append(&root, Event::SessionShown, None, Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(error.kind(), Kind::Vault);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 100_000);
        assert_eq!(verify(&root).unwrap().broken_at, Some(1));
    }
}
