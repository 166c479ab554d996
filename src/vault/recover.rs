//! Mending a session whose writer died: what can be authenticated is sealed anew.
//!
//! For each `NAME.age.part` the genuine prefix is read in order and sealed, byte for byte, as
//! `NAME.age`; only when that is durable is the part removed. Refuses to remove a part from which
//! nothing could be read: it is set aside as `NAME.age.unreadable`.

use std::io::{self, Read, Write};

use jiff::Timestamp;
use serde::Serialize;
use zeroize::Zeroizing;

use super::audit::Event;
use super::folder::Folder;
use super::list::{self, State};
use super::lock::Lock;
use super::manifest::{Beginning, FileInfo, Manifest, Origin};
use super::opened::OpenSession;
use super::session::write_manifest;
use super::told::{and, told};
use super::unlocked::Unlocked;
use super::{SessionId, names, seal};
use crate::{Error, Kind, Result};

/// What was recovered.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// The session's manifest now. Its duration is not known to the vault: measure the audio and
    /// enter it with [`OpenSession::update`].
    pub manifest: Manifest,
    /// Each file that was found unfinished.
    pub files: Vec<RecoveredFile>,
}

/// A file that was found unfinished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecoveredFile {
    /// Its name, without `.age`.
    pub name: String,
    /// Bytes recovered, every one of them genuine.
    pub bytes: u64,
    /// Whether that is all of it: only its new name was missing.
    pub whole: bool,
}

impl Unlocked {
    /// Makes an interrupted session a whole one, of what can be authenticated.
    ///
    /// May be repeated after being cut short itself, by a full disk for instance.
    ///
    /// # Errors
    /// [`Kind::Busy`] while it is being written; [`Kind::Usage`] when it was not interrupted;
    /// [`Kind::Disk`]; [`Kind::Locked`] or [`Kind::Damaged`] when its key does not open. The
    /// parts are kept in each case.
    pub fn recover(&self, id: &SessionId, now: Timestamp) -> Result<Recovered> {
        let folder = std::sync::Arc::new(self.vault().folder(id)?);
        let lock = Lock::take(&folder)?;
        if list::state(&folder)? == State::Complete {
            return Err(Error::new(
                Kind::Usage,
                "This session is complete: there is nothing to recover.",
            )
            .hint("undertone sessions"));
        }
        let identity = self.key(&folder, id)?;
        let session = OpenSession::new(*id, std::sync::Arc::clone(&folder), identity);
        let mut manifest = session
            .manifest()
            .or_else(|_| session.manifest_in(names::BEGUN))
            .unwrap_or_else(|_| unknown(*id));

        let mut files = Vec::new();
        let entries = folder.entries()?;
        let parts: Vec<String> = entries
            .iter()
            .filter_map(|entry| entry.name.strip_suffix(names::PART))
            .map(|name| format!("{name}{}", names::TAIL))
            .collect();
        for entry in entries {
            if let Some(name) = entry.name.strip_suffix(names::PART)
                && names::check_free(name).is_ok()
            {
                files.push(session.reseal(name, entry.bytes)?);
            } else if entry.name.ends_with(names::TAIL) && !parts.contains(&entry.name) {
                // Its stream was finished: all of it is there.
                folder.remove(&entry.name)?;
            } else if entry.name.ends_with(names::NEW) {
                // Never took its place, and without a manifest nothing names it.
                folder.remove(&entry.name)?;
            }
        }
        manifest.files.clear();
        for entry in folder.entries()? {
            if let Some(name) = names::unsealed(&entry.name)
                && names::check_free(name).is_ok()
                && entry.is_file
            {
                manifest.files.insert(name.to_owned(), session.info(name)?);
            }
        }
        manifest.finished = true;
        manifest.origin = Origin::Recovered;
        write_manifest(&folder, &session.recipient(), names::MANIFEST, &manifest)?;
        folder.remove(&names::sealed(names::BEGUN))?;
        drop(lock);
        self.vault()
            .note(Event::SessionRecovered, Some(id), now)
            .map_err(|e| and(e, "The session is recovered all the same."))?;
        Ok(Recovered { manifest, files })
    }
}

impl OpenSession {
    /// Seals the genuine prefix of a part as the finished file, then removes the part.
    fn reseal(&self, name: &str, part_bytes: u64) -> Result<RecoveredFile> {
        let folder = self.folder();
        let part = format!("{name}{}", names::PART);
        let sealed = names::sealed(name);
        let new = format!("{name}{}", names::NEW);
        let input = folder.read(&part)?;
        let mut reader = match self.open_over(name, input) {
            Ok(reader) => reader,
            Err(e) if e.kind() == Kind::Damaged => {
                folder.rename(&part, &format!("{name}{}", names::UNREADABLE))?;
                return Ok(RecoveredFile {
                    name: name.to_owned(),
                    bytes: 0,
                    whole: false,
                });
            }
            Err(e) => return Err(e),
        };
        if folder.has(&sealed) {
            // An earlier recovery got as far as putting the file in place.
            let (in_place, found) = self.examine(name);
            let broken =
                copy_genuine(&mut reader, &mut io::sink()).map_err(|e| kept(&e, &told(name)))?;
            if found.is_ok() && in_place >= reader.authenticated() {
                folder.remove(&part)?;
                folder.sync()?;
                self.tail(name)?.drop_or_set_aside(folder, name, in_place)?;
                return Ok(RecoveredFile {
                    name: name.to_owned(),
                    bytes: in_place,
                    whole: !broken,
                });
            }
            reader = self.open_over(name, folder.read(&part)?)?;
        }
        let recipient = self.recipient();
        let tail = self.tail(name)?;
        let mut broken = false;
        let mut more = 0;
        folder.stage(&new, |file| {
            let copied = seal::into_file(&recipient, file, |w| {
                broken = copy_genuine(&mut reader, w)?;
                let rest = tail.after(reader.authenticated());
                if broken && !rest.is_empty() {
                    w.write_all(rest)?;
                    more = rest.len() as u64;
                }
                Ok(())
            });
            copied.map_err(|e| kept(&e, &told(name))).map(|_| ())
        })?;
        let bytes = reader.authenticated() + more;
        if broken && bytes == 0 && part_bytes > 2 * 65_536 {
            // A part of that size with nothing genuine in it was altered, not cut.
            folder.remove(&new)?;
            folder.rename(&part, &format!("{name}{}", names::UNREADABLE))?;
        } else {
            folder.rename(&new, &sealed)?;
            folder.remove(&part)?;
            folder.sync()?;
        }
        tail.drop_or_set_aside(folder, name, bytes)?;
        Ok(RecoveredFile {
            name: name.to_owned(),
            bytes,
            whole: !broken,
        })
    }

    /// What waited in memory when the writer of a stream died, as far as it was kept.
    fn tail(&self, name: &str) -> Result<Tail> {
        let file = format!("{name}{}", names::TAIL);
        let limit = 2 * seal::BLOCK as u64;
        let sealed = match self.folder().read_all(&file, limit) {
            Ok(sealed) => sealed,
            Err(e) if e.kind() == Kind::NotFound => return Ok(Tail::default()),
            // Too large to be one: set aside.
            Err(e) if e.kind() == Kind::Damaged => Vec::new(),
            Err(e) => return Err(e),
        };
        let length = sealed.len() as u64;
        let opened = self
            .open_over(name, io::Cursor::new(sealed))
            .and_then(|mut reader| reader.rest(limit, length));
        let Ok(plain) = opened else {
            return Ok(Tail {
                there: true,
                ..Tail::default()
            });
        };
        let Some((before, bytes)) = plain.split_first_chunk::<8>() else {
            return Ok(Tail {
                there: true,
                ..Tail::default()
            });
        };
        Ok(Tail {
            there: true,
            before: u64::from_le_bytes(*before),
            bytes: Zeroizing::new(bytes.to_vec()),
        })
    }

    /// Size and digest of a sealed file as it is.
    fn info(&self, name: &str) -> Result<FileInfo> {
        use sha2::Digest as _;
        let mut file = self.sealed_file(name)?;
        let lost = |e: &io::Error| {
            Error::io(
                "reading",
                &self.folder().path().join(names::sealed(name)),
                e,
            )
        };
        let mut sha = sha2::Sha256::new();
        let mut block = vec![0_u8; 64 * 1024];
        let mut bytes = 0;
        loop {
            match file.read(&mut block).map_err(|e| lost(&e))? {
                0 => {
                    return Ok(FileInfo {
                        bytes,
                        sha256: hex::encode(sha.finalize()),
                    });
                }
                n => {
                    sha.update(&block[..n]);
                    bytes += n as u64;
                }
            }
        }
    }
}

/// The end of a stream, from the small file beside its part.
#[derive(Default)]
struct Tail {
    there: bool,
    /// Bytes of the stream before it.
    before: u64,
    bytes: Zeroizing<Vec<u8>>,
}

impl Tail {
    /// What follows the first `have` bytes of the stream; none where there is a hole between.
    fn after(&self, have: u64) -> &[u8] {
        have.checked_sub(self.before)
            .and_then(|skip| usize::try_from(skip).ok())
            .and_then(|skip| self.bytes.get(skip..))
            .unwrap_or_default()
    }

    /// Removes it once all of it is in the recovered file of `have` bytes; else sets it aside.
    fn drop_or_set_aside(&self, folder: &Folder, name: &str, have: u64) -> Result<()> {
        let file = format!("{name}{}", names::TAIL);
        let end = self.before.saturating_add(self.bytes.len() as u64);
        if !self.there {
            Ok(())
        } else if !self.bytes.is_empty() && end <= have {
            folder.remove(&file)?;
            folder.sync()
        } else {
            folder.rename(&file, &format!("{name}-tail{}", names::UNREADABLE))
        }
    }
}

/// Copies what is genuine and says whether it broke off. Errors are the writer's alone, or the
/// disk's while reading.
fn copy_genuine(reader: &mut impl Read, writer: &mut dyn Write) -> io::Result<bool> {
    let mut block = Zeroizing::new(vec![0_u8; 64 * 1024]);
    loop {
        match reader.read(&mut block) {
            Ok(0) => return Ok(false),
            Ok(n) => writer.write_all(&block[..n])?,
            Err(e) => match e.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => return Ok(true),
                _ => return Err(e),
            },
        }
    }
}

fn kept(error: &io::Error, what: &str) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::new(
            Kind::Disk,
            format!(
                "{what} cannot be recovered yet: the disk is full, and recovering needs room for \
                 a second copy. What was recorded is kept."
            ),
        )
        .hint("Free some space, then try again."),
        other => Error::new(
            Kind::Disk,
            format!("{what} cannot be recovered yet ({other}). What was recorded is kept."),
        ),
    }
}

/// What is known of a session that lost even what it began with.
fn unknown(id: SessionId) -> Manifest {
    Beginning {
        created: id.time(),
        origin: Origin::Recovered,
        title: None,
        client_code: None,
        sample_rate: 0,
        channels: Vec::new(),
        consent: None,
        tool: String::new(),
    }
    .manifest(id)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use std::path::PathBuf;

    /// A session whose writer died after `audio` was written.
    fn died(f: &Fixture, random: u128, audio: &[u8]) -> (SessionId, PathBuf) {
        let session = f.vault.begin(id(random), beginning()).unwrap();
        let mut stream = session.stream("audio.flac").unwrap();
        for chunk in audio.chunks(5000) {
            stream.write_all(chunk).unwrap();
        }
        stream.sync().unwrap();
        (
            session.id(),
            f.folder(&session.id()).join("audio.flac.age.part"),
        )
    }

    #[test]
    fn an_interrupted_session_keeps_its_roles_and_all_whole_blocks() {
        let f = Fixture::new();
        let audio = noise(200_000);
        let (id, part) = died(&f, 1, &audio);
        assert_eq!(f.unlocked.session(&id).unwrap_err().kind(), Kind::Damaged);
        let recovered = f.unlocked.recover(&id, now()).unwrap();
        assert_eq!(recovered.files[0].bytes, 3 * 65_536);
        assert!(!recovered.files[0].whole);
        let session = f.unlocked.session(&id).unwrap();
        let read = session.read("audio.flac", 1 << 20).unwrap();
        assert_eq!(read[..], audio[..3 * 65_536]);
        let manifest = session.manifest().unwrap();
        assert_eq!(manifest, recovered.manifest);
        assert_eq!(manifest.origin, Origin::Recovered);
        assert_eq!(manifest.client_code.as_deref(), Some("WOMBAT-17"));
        assert_eq!(manifest.channels.len(), 2);
        assert!(!part.exists());
        assert!(f.unlocked.check(&id).unwrap().sound());
        assert_eq!(
            f.unlocked.recover(&id, now()).unwrap_err().kind(),
            Kind::Usage
        );
    }

    #[test]
    fn a_part_cut_anywhere_recovers_its_exact_prefix() {
        let f = Fixture::new();
        let audio = noise(140_000);
        for (n, keep) in [
            (1, 131_900_u64),
            (2, 70_000),
            (3, 66_000),
            (4, 10_000),
            (5, 100),
            (6, 0),
        ] {
            let (id, part) = died(&f, n, &audio);
            let file = std::fs::OpenOptions::new().write(true).open(&part).unwrap();
            file.set_len(keep).unwrap();
            let recovered = f.unlocked.recover(&id, now()).unwrap();
            let bytes = recovered.files[0].bytes;
            assert_eq!(
                bytes,
                keep.saturating_sub(200) / (65_536 + 16) * 65_536,
                "{keep}"
            );
            let session = f.unlocked.session(&id).unwrap();
            if keep > 1000 {
                let read = session.read("audio.flac", 1 << 20).unwrap();
                assert_eq!(read[..], audio[..usize::try_from(bytes).unwrap()]);
            } else {
                assert!(!session.has("audio.flac"));
                assert!(part.with_extension("unreadable").exists());
            }
            assert!(f.unlocked.check(&id).unwrap().sound());
        }
    }

    #[test]
    fn a_recovery_that_was_cut_short_is_repeated_without_loss() {
        let f = Fixture::new();
        let audio = noise(200_000);
        let (id, part) = died(&f, 1, &audio);
        let before = std::fs::read(&part).unwrap();
        let begun = f.folder(&id).join("begun.json.age");
        let seed = std::fs::read(&begun).unwrap();
        f.unlocked.recover(&id, now()).unwrap();
        // As if it had stopped after the new file took its place.
        std::fs::write(&part, &before).unwrap();
        std::fs::write(&begun, &seed).unwrap();
        std::fs::remove_file(f.folder(&id).join("manifest.json.age")).unwrap();
        std::fs::write(f.folder(&id).join("audio.flac.age.new"), b"half").unwrap();
        let recovered = f.unlocked.recover(&id, now()).unwrap();
        assert_eq!(recovered.files[0].bytes, 3 * 65_536);
        assert!(f.unlocked.check(&id).unwrap().sound());
        // As if a shorter file stood where the part has more.
        std::fs::write(&part, &before).unwrap();
        f.unlocked.session(&id).unwrap_err();
        let (other, _) = died(&f, 2, b"");
        f.unlocked.recover(&other, now()).unwrap();
        let recovered = f.unlocked.recover(&id, now()).unwrap();
        assert_eq!(recovered.files[0].bytes, 3 * 65_536);
    }

    /// A session whose writer died after `audio`, with its tail kept at `kept` bytes.
    fn died_with_tail(f: &Fixture, random: u128, audio: &[u8], kept: usize) -> SessionId {
        let session = f.vault.begin(id(random), beginning()).unwrap();
        let mut stream = session.stream("audio.flac").unwrap();
        stream.write_all(&audio[..kept]).unwrap();
        stream.keep_tail().unwrap();
        for chunk in audio[kept..].chunks(777) {
            stream.write_all(chunk).unwrap();
        }
        session.id()
    }

    #[test]
    fn what_waited_in_memory_is_recovered_from_its_tail() {
        let f = Fixture::new();
        let audio = noise(300_000);
        for (random, kept, length) in [
            (1, 1, 1),
            (2, 1_000, 2_000),
            (3, 65_536, 65_536),
            (4, 65_537, 65_537),
            (5, 100_000, 100_500),
            (6, 131_072, 131_073),
            // The part has outgrown the tail.
            (7, 100_000, 250_000),
            (8, 0, 70_000),
        ] {
            let id = died_with_tail(&f, random, &audio[..length], kept);
            let on_disk = length.saturating_sub(1) / 65_536 * 65_536;
            let recovered = f.unlocked.recover(&id, now()).unwrap();
            assert_eq!(
                recovered.files[0].bytes,
                kept.max(on_disk) as u64,
                "{kept} {length}"
            );
            let session = f.unlocked.session(&id).unwrap();
            let read = session.read("audio.flac", 1 << 20).unwrap();
            assert_eq!(read[..], audio[..kept.max(on_disk)]);
            assert!(f.unlocked.check(&id).unwrap().sound());
            let folder = f.folder(&id);
            assert!(!folder.join("audio.flac.age.tail").exists());
            assert!(!folder.join("audio.flac-tail.age.unreadable").exists());
        }
    }

    #[test]
    fn a_tail_behind_a_hole_or_of_another_key_is_set_aside_and_not_joined() {
        let f = Fixture::new();
        let audio = noise(200_000);
        let holed = died_with_tail(&f, 1, &audio, 190_000);
        let part = f.folder(&holed).join("audio.flac.age.part");
        let file = std::fs::OpenOptions::new().write(true).open(part).unwrap();
        file.set_len(70_000).unwrap();
        let other = died_with_tail(&f, 2, &audio, 190_000);
        let foreign = died_with_tail(&f, 3, &audio, 190_000);
        let tail = "audio.flac.age.tail";
        std::fs::copy(f.folder(&foreign).join(tail), f.folder(&other).join(tail)).unwrap();
        let huge = died_with_tail(&f, 4, &audio, 190_000);
        std::fs::write(f.folder(&huge).join(tail), vec![7; 1 << 20]).unwrap();
        for (id, bytes) in [(holed, 65_536), (other, 196_608), (huge, 196_608)] {
            let recovered = f.unlocked.recover(&id, now()).unwrap();
            assert_eq!(recovered.files[0].bytes, bytes);
            let folder = f.folder(&id);
            assert!(folder.join("audio.flac-tail.age.unreadable").exists());
            assert!(f.unlocked.check(&id).unwrap().sound());
        }
    }

    #[test]
    fn a_finished_stream_leaves_no_tail() {
        let f = Fixture::new();
        let session = f.vault.begin(id(1), beginning()).unwrap();
        let mut stream = session.stream("audio.flac").unwrap();
        stream.write_all(&noise(1_000)).unwrap();
        stream.keep_tail().unwrap();
        let tail = f.folder(&id(1)).join("audio.flac.age.tail");
        let first = std::fs::read(&tail).unwrap();
        stream.keep_tail().unwrap();
        assert_eq!(
            std::fs::read(&tail).unwrap(),
            first,
            "nothing new, nothing written"
        );
        stream.finish().unwrap();
        assert!(!tail.exists());
    }

    #[test]
    fn a_part_altered_at_its_start_is_set_aside_not_dropped() {
        let f = Fixture::new();
        let (id, part) = died(&f, 1, &noise(300_000));
        let mut bytes = std::fs::read(&part).unwrap();
        bytes[5000] ^= 1;
        std::fs::write(&part, &bytes).unwrap();
        let recovered = f.unlocked.recover(&id, now()).unwrap();
        assert_eq!(recovered.files[0].bytes, 0);
        assert_eq!(
            std::fs::read(part.with_extension("unreadable")).unwrap(),
            bytes
        );
    }

    #[test]
    fn a_session_being_written_is_not_recovered() {
        let f = Fixture::new();
        let session = f.vault.begin(id(1), beginning()).unwrap();
        let stream = session.stream("audio.flac").unwrap();
        assert_eq!(
            f.unlocked.recover(&id(1), now()).unwrap_err().kind(),
            Kind::Busy
        );
        assert_eq!(f.unlocked.session(&id(1)).unwrap_err().kind(), Kind::Busy);
        assert_eq!(
            f.vault.delete(&id(1), now()).unwrap_err().kind(),
            Kind::Busy
        );
        drop(session);
        assert_eq!(
            f.vault.delete(&id(1), now()).unwrap_err().kind(),
            Kind::Busy
        );
        stream.finish().unwrap();
        let recovered = f.unlocked.recover(&id(1), now()).unwrap();
        assert!(recovered.files.is_empty() && recovered.manifest.files.contains_key("audio.flac"));
    }
}
