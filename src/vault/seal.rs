//! Sealing: bytes in, a plain age v1 file out.
//!
//! **Call [`SealedWriter::finish`].** Dropped before that, the file stays as `NAME.age.part`, which
//! is what recovery reads. age keeps the last 64 KiB in memory until more comes or the file is
//! finished: [`SealedWriter::sync`] makes durable everything before them, and
//! [`SealedWriter::keep_tail`] these.
//!
//! Refuses to go on after a failed write: a sealed stream with a hole in it opens only up to the
//! hole, so everything written later would be lost without a word.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use age::stream::StreamWriter;
use age::{Encryptor, Recipient, x25519};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::disk::Sheet;
use super::folder::Folder;
use super::lock::Lock;
use super::manifest::FileInfo;
use super::names;
use crate::{Error, Kind, Result};

/// What a finished sealed file is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Size of the sealed file in bytes.
    pub bytes: u64,
    /// SHA-256 of the sealed file, in hexadecimal: what `sha256sum` prints.
    pub sha256: String,
}

impl From<&Digest> for FileInfo {
    fn from(digest: &Digest) -> Self {
        FileInfo {
            bytes: digest.bytes,
            sha256: digest.sha256.clone(),
        }
    }
}

/// Counts and digests what goes through it, and remembers why it failed.
struct Tally<W> {
    inner: W,
    sha: Sha256,
    seen: Arc<Seen>,
}

/// What a [`Tally`] saw, for those above age's writer.
#[derive(Default)]
struct Seen {
    bytes: AtomicU64,
    /// age wraps an error of the writer in one of its own, which has lost its kind.
    error: Mutex<Option<io::ErrorKind>>,
}

impl Seen {
    /// The writer's own error, where `error` is what age made of it.
    fn cause(&self, error: io::Error) -> io::Error {
        match *self.error.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(kind) => kind.into(),
            None => error,
        }
    }
}

impl<W: Write> Write for Tally<W> {
    /// All of it or an error: age's header writer takes a short write for a failure.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut rest = buf;
        while !rest.is_empty() {
            let kind = match self.inner.write(rest) {
                Ok(0) => io::ErrorKind::WriteZero,
                Ok(written) => {
                    self.sha.update(&rest[..written]);
                    self.seen.bytes.fetch_add(written as u64, Ordering::Relaxed);
                    rest = &rest[written..];
                    continue;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => e.kind(),
            };
            *self
                .seen
                .error
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(kind);
            return Err(kind.into());
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// An age stream over any writer, spent after its first failure.
struct Seal<W: Write> {
    stream: Option<StreamWriter<Tally<W>>>,
    seen: Arc<Seen>,
    failure: Option<io::ErrorKind>,
}

impl<W: Write> Seal<W> {
    fn begin(recipient: &dyn Recipient, inner: W) -> io::Result<Self> {
        let seen = Arc::new(Seen::default());
        let tally = Tally {
            inner,
            sha: Sha256::new(),
            seen: Arc::clone(&seen),
        };
        let stream = Encryptor::with_recipients(std::iter::once(recipient))
            .map_err(|_| io::Error::other("no recipient"))?
            .wrap_output(tally)
            .map_err(|e| seen.cause(e))?;
        Ok(Seal {
            stream: Some(stream),
            seen,
            failure: None,
        })
    }

    fn written(&self) -> u64 {
        self.seen.bytes.load(Ordering::Relaxed)
    }

    fn spent(&self) -> io::Error {
        match self.failure {
            Some(kind) => kind.into(),
            None => io::Error::other("the sealed file is finished"),
        }
    }

    fn fail(&mut self, error: io::Error) -> io::Error {
        let error = self.seen.cause(error);
        self.stream = None;
        self.failure = Some(error.kind());
        error
    }

    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let Some(stream) = &mut self.stream else {
            return Err(self.spent());
        };
        // age's writer accepts all or fails.
        stream.write(buf).map_err(|e| self.fail(e))
    }

    fn finish(&mut self) -> io::Result<(W, Digest)> {
        let Some(stream) = self.stream.take() else {
            return Err(self.spent());
        };
        let Tally { inner, sha, seen } = stream.finish().map_err(|e| self.fail(e))?;
        let bytes = seen.bytes.load(Ordering::Relaxed);
        Ok((
            inner,
            Digest {
                bytes,
                sha256: hex::encode(sha.finalize()),
            },
        ))
    }
}

/// Seals bytes in memory.
///
/// # Errors
/// [`Kind::Internal`] if age refuses the recipient.
pub(super) fn to_vec(recipient: &dyn Recipient, bytes: &[u8]) -> Result<Vec<u8>> {
    to_many(std::iter::once(recipient), bytes)
}

/// Seals bytes in memory to several recipients, each of whom opens them alone.
///
/// # Errors
/// [`Kind::Internal`] if age refuses the recipients.
pub(super) fn to_many<'a>(
    recipients: impl Iterator<Item = &'a dyn Recipient>,
    bytes: &[u8],
) -> Result<Vec<u8>> {
    let internal = || Error::new(Kind::Internal, "age could not seal a file in memory.");
    let mut sealed = Vec::with_capacity(bytes.len() + 1024);
    let mut stream = Encryptor::with_recipients(recipients)
        .map_err(|_| internal())?
        .wrap_output(&mut sealed)
        .map_err(|_| internal())?;
    stream.write_all(bytes).map_err(|_| internal())?;
    stream.finish().map_err(|_| internal())?;
    Ok(sealed)
}

/// Seals what `fill` writes into an open file, and makes nothing durable: see [`Folder::stage`].
pub(super) fn into_file(
    recipient: &dyn Recipient,
    file: &Sheet,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<Digest> {
    let mut seal = Seal::begin(recipient, file)?;
    fill(&mut Filler(&mut seal))?;
    seal.finish().map(|(_, digest)| digest)
}

struct Filler<'a, W: Write>(&'a mut Seal<W>);

impl<W: Write> Write for Filler<'_, W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a session has finished so far, by name.
pub(super) type Ledger = Arc<Mutex<std::collections::BTreeMap<String, FileInfo>>>;

/// Enters a finished file.
pub(super) fn enter(ledger: &Ledger, name: &str, digest: &Digest) {
    ledger
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(name.to_owned(), digest.into());
}

/// What is written is made durable this often.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// What waits in memory is sealed into a file of its own this often.
const KEEP_EVERY: Duration = Duration::from_millis(1_500);
/// The disk may refuse that for so long before the stream ends. With what an encoder above still
/// holds, and the second that one device waits for another, it is less than three and a half seconds; without
/// such a refusal less than three.
const KEEP_WITHIN: Duration = Duration::from_secs(2);

/// A sealed file that is being written, `NAME.age.part` until it is finished.
///
/// It needs no secret and can be sent to another thread. The session stays locked while one lives.
pub struct SealedWriter {
    seal: Seal<Sheet>,
    file: Sheet,
    folder: Arc<Folder>,
    name: String,
    ledger: Ledger,
    lock: Arc<Lock>,
    recipient: x25519::Recipient,
    waiting: Waiting,
    /// Sealed bytes that are durable.
    durable: u64,
    /// When [`SealedWriter::tend`] last synced, and last kept the tail.
    synced_at: Duration,
    kept_at: Duration,
}

/// age's block: what is sealed and written at once.
pub(super) const BLOCK: usize = 64 * 1024;

/// What age still keeps in memory, as plain bytes.
#[derive(Default)]
struct Waiting {
    /// Plain bytes before `bytes`, all of them handed to the system.
    before: u64,
    bytes: Zeroizing<Vec<u8>>,
    /// Plain bytes that the last [`SealedWriter::keep_tail`] covered.
    kept: u64,
}

impl Waiting {
    fn take(&mut self, written: &[u8]) {
        self.bytes.extend_from_slice(written);
        // A full block is written when more comes: the last one is sealed in another way.
        let whole = self.bytes.len().saturating_sub(1) / BLOCK * BLOCK;
        self.bytes.drain(..whole);
        self.before += whole as u64;
    }

    fn end(&self) -> u64 {
        self.before + self.bytes.len() as u64
    }
}

impl std::fmt::Debug for SealedWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedWriter")
            .field("name", &self.name)
            .field("written", &self.written())
            .finish_non_exhaustive()
    }
}

impl SealedWriter {
    pub(super) fn begin(
        folder: &Arc<Folder>,
        lock: &Arc<Lock>,
        ledger: &Ledger,
        recipient: &x25519::Recipient,
        name: &str,
    ) -> Result<Self> {
        names::check_free(name)?;
        let part = format!("{name}{}", names::PART);
        let lost = |e: &io::Error| Error::io("writing", &folder.path().join(&part), e);
        if folder.has(&names::sealed(name)) {
            return Err(Error::new(
                Kind::Internal,
                format!("{name} of this session is already written."),
            ));
        }
        let file = folder.create(&part)?;
        let seal = Seal::begin(recipient, file.try_clone().map_err(|e| lost(&e))?)
            .map_err(|e| lost(&e))
            .inspect_err(|_| {
                // Not even the header fitted: there is nothing in it to keep.
                let _ = folder.remove(&part);
            })?;
        folder.sync()?;
        Ok(SealedWriter {
            seal,
            file,
            folder: Arc::clone(folder),
            name: name.to_owned(),
            ledger: Arc::clone(ledger),
            lock: Arc::clone(lock),
            recipient: recipient.clone(),
            waiting: Waiting::default(),
            durable: 0,
            synced_at: Duration::ZERO,
            kept_at: Duration::ZERO,
        })
    }

    /// Size of the sealed file so far, in bytes. Up to 64 KiB more wait in memory.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.seal.written()
    }

    /// Makes durable what was handed to the system so far (`fdatasync`). Call it every second.
    ///
    /// # Errors
    /// [`Kind::Disk`]; also an earlier failure, again.
    pub fn sync(&mut self) -> Result<()> {
        self.check()?;
        if let Err(e) = self.file.sync_data() {
            self.seal.fail(e);
        } else {
            self.durable = self.seal.written();
        }
        self.check()
    }

    /// Keeps a stream that grows slowly, such as a recording: syncs every second and keeps the tail
    /// every second and a half. Call it after every write with the time since the stream was begun.
    ///
    /// # Errors
    /// [`Kind::Disk`] when it cannot be synced, or when what waits in memory could not be kept for
    /// 2 s: **end the recording then**, since nothing more is safe.
    pub fn tend(&mut self, now: Duration) -> Result<()> {
        self.check()?;
        if now.saturating_sub(self.synced_at) >= SYNC_EVERY {
            self.sync()?;
            self.synced_at = now;
        }
        let unkept = now.saturating_sub(self.kept_at);
        if unkept >= KEEP_EVERY {
            match self.keep_tail() {
                Ok(()) => self.kept_at = now,
                Err(e) if unkept >= KEEP_WITHIN => return Err(e),
                Err(_) => self.check()?,
            }
        }
        Ok(())
    }

    /// Seals what waits in memory into a small file of its own (`NAME.age.tail`), which recovery
    /// puts behind the part: for streams that take long to fill age's block. Call it every
    /// second and a half, or [`SealedWriter::tend`].
    ///
    /// # Errors
    /// [`Kind::Disk`]; the stream itself goes on.
    pub fn keep_tail(&mut self) -> Result<()> {
        self.check()?;
        if self.waiting.end() == self.waiting.kept {
            return Ok(());
        }
        // A tail whose beginning is not durable in the part is of no use after a power cut, and the
        // one that it replaces is.
        if self.durable != self.seal.written() {
            self.sync()?;
        }
        let mut plain = Zeroizing::new(Vec::with_capacity(8 + self.waiting.bytes.len()));
        plain.extend_from_slice(&self.waiting.before.to_le_bytes());
        plain.extend_from_slice(&self.waiting.bytes);
        let sealed = to_vec(&self.recipient, &plain)?;
        let tail = format!("{}{}", self.name, names::TAIL);
        let passing = format!("{}{}", self.name, names::NEW);
        self.folder.replace_bytes(&tail, &passing, &sealed)?;
        self.waiting.kept = self.waiting.end();
        Ok(())
    }

    /// The failure that ended this file, if one did: the writer may sit under an encoder that
    /// cannot pass on what happened.
    ///
    /// # Errors
    /// [`Kind::Disk`] with what was kept, once a write has failed.
    pub fn check(&self) -> Result<()> {
        let Some(kind) = &self.seal.failure else {
            return Ok(());
        };
        let kept = self.seal.written();
        let what = match kind {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "The disk is full".into(),
            other => format!("The disk refused to take more ({other})"),
        };
        Err(Error::new(
            Kind::Disk,
            format!(
                "{what}. What was written to {} before that is kept: {kept} bytes, sealed.",
                self.name
            ),
        )
        .hint("Free some space on the disk.")
        .hint("undertone sessions"))
    }

    /// Writes the end of the file, makes it durable, and gives it its name.
    ///
    /// # Errors
    /// [`Kind::Disk`]; the part is kept then.
    pub fn finish(mut self) -> Result<Digest> {
        self.check()?;
        let part = format!("{}{}", self.name, names::PART);
        let ended = self.seal.finish().and_then(|(_, digest)| {
            self.file.sync_all()?;
            Ok(digest)
        });
        let digest = match ended {
            Ok(digest) => digest,
            Err(e) => {
                let e = self.seal.fail(e);
                self.check()?;
                return Err(Error::io("writing", &self.folder.path().join(&part), &e));
            }
        };
        self.folder.rename(&part, &names::sealed(&self.name))?;
        // Whole now: nothing waits any more. One that is left is removed by recovery.
        let _ = self.folder.remove(&format!("{}{}", self.name, names::TAIL));
        enter(&self.ledger, &self.name, &digest);
        // Held until the name is in place.
        drop(self.lock);
        Ok(digest)
    }
}

impl Write for SealedWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.seal.write(buf)?;
        self.waiting.take(&buf[..written]);
        Ok(written)
    }

    /// Does nothing: age writes whole blocks of 64 KiB. See [`SealedWriter::sync`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use age::x25519;

    /// Takes `room` bytes, then is full.
    #[derive(Clone, Default)]
    struct Full {
        room: Arc<AtomicU64>,
        bytes: Arc<Mutex<Vec<u8>>>,
    }

    impl Full {
        fn of(room: u64) -> Self {
            Full {
                room: Arc::new(room.into()),
                bytes: Arc::default(),
            }
        }
    }

    impl Write for Full {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            let room = usize::try_from(self.room.load(Ordering::Relaxed)).unwrap();
            let now = buf.len().min(room);
            if now == 0 && !buf.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room.fetch_sub(now as u64, Ordering::Relaxed);
            self.bytes.lock().unwrap().extend_from_slice(&buf[..now]);
            Ok(now)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_ends_the_stream_for_good_and_keeps_what_was_sealed() {
        let identity = x25519::Identity::generate();
        let full = Full::of(200_000);
        let plain: Vec<u8> = (0..400_000_u32).map(|i| (i % 251) as u8).collect();
        let mut seal = Seal::begin(&identity.to_public(), full.clone()).unwrap();
        let failed = plain
            .chunks(10_000)
            .find_map(|chunk| seal.write(chunk).err())
            .unwrap();
        assert_eq!(failed.kind(), io::ErrorKind::StorageFull);
        assert_eq!(seal.written(), 200_000);
        full.room.store(1 << 30, Ordering::Relaxed);
        // Room again, but a stream with a hole would lose all that follows.
        assert_eq!(
            seal.write(b"more").unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
        assert_eq!(
            seal.finish().err().unwrap().kind(),
            io::ErrorKind::StorageFull
        );
        let bytes = full.bytes.lock().unwrap().clone();
        assert_eq!(bytes.len(), 200_000);
        let mut reader = super::super::unseal::SealedReader::over(
            io::Cursor::new(bytes),
            &identity,
            "The recording",
        )
        .unwrap();
        let mut kept = Vec::new();
        let error = io::Read::read_to_end(&mut reader, &mut kept).unwrap_err();
        assert_eq!(kept, plain[..3 * 65536]);
        assert_eq!(reader.failure().unwrap().kind(), Kind::Damaged);
        drop(error);
    }

    #[test]
    fn a_disk_too_full_for_a_header_is_told_as_full() {
        let identity = x25519::Identity::generate();
        for room in [0, 1, 30, 150] {
            let full = Full::of(room);
            let error = Seal::begin(&identity.to_public(), full).err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        }
    }

    #[test]
    fn the_digest_is_that_of_the_sealed_bytes() {
        let identity = x25519::Identity::generate();
        let mut seal = Seal::begin(&identity.to_public(), Vec::new()).unwrap();
        seal.write(&[7; 100_000]).unwrap();
        let (bytes, digest) = seal.finish().unwrap();
        assert_eq!(digest.bytes, bytes.len() as u64);
        assert_eq!(digest.sha256, hex::encode(Sha256::digest(&bytes)));
    }
}
