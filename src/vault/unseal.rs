//! Opening: a sealed file in, authenticated bytes out, in order, once.
//!
//! age hands out every authenticated block of 64 KiB before it finds a cut or an alteration, so
//! what was read before an error is genuine, and what follows is not there. **Nothing that was
//! read is complete until a read returned zero.** After an error the age reader is dropped and
//! every further read gives the same error: age's own reader can look like a clean end then.
//! It never seeks, for the same reason.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use age::stream::StreamReader;
use age::{Decryptor, Identity};
use zeroize::Zeroizing;

use super::keys;
use crate::{Error, Kind, Result};

/// Longest age header that is read, in bytes: some 200 recipients.
const HEADER_LIMIT: u64 = 32 * 1024;

type Source = Box<dyn BufRead + Send>;

/// Reads a sealed file from start to end.
///
/// As [`Read`] it gives [`io::Error`]s whose source is a [`crate::Error`]; [`SealedReader::failure`]
/// has it as well, for where a decoder in between does not pass it on.
pub struct SealedReader {
    stream: Option<StreamReader<Source>>,
    what: String,
    read: u64,
    failure: Option<(io::ErrorKind, Error)>,
}

impl std::fmt::Debug for SealedReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedReader")
            .field("what", &self.what)
            .field("read", &self.read)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

impl SealedReader {
    /// Opens a sealed file; `what` begins a sentence, such as "The recording".
    ///
    /// # Errors
    /// [`Kind::Locked`] if it is not sealed to this identity, [`Kind::Damaged`] if its header is
    /// cut or altered.
    pub(super) fn over(
        mut input: impl Read + Send + 'static,
        identity: &dyn Identity,
        what: &str,
    ) -> Result<Self> {
        // age's parser reads a header of any length; ours is bounded, so look at it first.
        let mut head = Vec::new();
        (&mut input)
            .take(HEADER_LIMIT)
            .read_to_end(&mut head)
            .map_err(|e| keys::decrypt_error(&e.into(), what))?;
        if !has_header(&head) {
            return Err(keys::damaged(what));
        }
        let source: Source =
            Box::new(Cursor::new(head).chain(BufReader::with_capacity(128 * 1024, input)));
        let stream = Decryptor::new_buffered(source)
            .and_then(|d| d.decrypt(std::iter::once(identity)))
            .map_err(|e| keys::decrypt_error(&e, what))?;
        Ok(SealedReader {
            stream: Some(stream),
            what: what.to_owned(),
            read: 0,
            failure: None,
        })
    }

    /// Bytes handed out so far, every one of them authenticated.
    #[must_use]
    pub fn authenticated(&self) -> u64 {
        self.read
    }

    /// The failure that ended the reading, if one did.
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        self.failure.as_ref().map(|(_, e)| e)
    }

    /// Reads the rest, at most `limit` bytes, into memory that is wiped.
    ///
    /// # Errors
    /// As reading; [`Kind::Damaged`] when there is more than `limit`.
    pub(super) fn rest(&mut self, limit: u64, expected: u64) -> Result<Zeroizing<Vec<u8>>> {
        // All the room at once: growing would leave copies behind.
        let room = usize::try_from(expected.min(limit))
            .unwrap_or(0)
            .saturating_add(1);
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        let mut block = Zeroizing::new(vec![0_u8; 64 * 1024]);
        loop {
            let read = match self.read(&mut block) {
                Ok(read) => read,
                Err(e) => return Err(self.error(&e)),
            };
            if read == 0 {
                return Ok(bytes);
            }
            if bytes.len() as u64 + read as u64 > limit {
                return Err(Error::new(
                    Kind::Damaged,
                    format!("{} is larger than such a file can be.", self.what),
                ));
            }
            bytes.extend_from_slice(&block[..read]);
        }
    }

    /// Our error for a failed read.
    pub(super) fn error(&self, error: &io::Error) -> Error {
        self.failure().cloned().unwrap_or_else(|| {
            keys::decrypt_error(&io::Error::from(error.kind()).into(), &self.what)
        })
    }

    fn give_up(&mut self, error: &io::Error) -> io::Error {
        self.stream = None;
        let kind = error.kind();
        let ours = match kind {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => Error::new(
                Kind::Damaged,
                format!(
                    "{} is cut short or altered: the first {} bytes are genuine, the rest cannot \
                     be trusted and was not used.",
                    self.what, self.read
                ),
            )
            .hint("Restore the file from a backup, if there is one. Do not delete it."),
            other => Error::new(
                Kind::Disk,
                format!("{} cannot be read from the disk ({other}).", self.what),
            ),
        };
        self.failure = Some((kind, ours.clone()));
        io::Error::new(kind, ours)
    }
}

impl Read for SealedReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let Some(stream) = &mut self.stream else {
            return Err(match &self.failure {
                Some((kind, error)) => io::Error::new(*kind, error.clone()),
                None => io::Error::other("spent"),
            });
        };
        match stream.read(buf) {
            Ok(read) => {
                self.read += read as u64;
                Ok(read)
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Err(e),
            Err(e) => Err(self.give_up(&e)),
        }
    }
}

/// Opens a sealed file in memory.
///
/// # Errors
/// As [`SealedReader::over`] and reading.
pub(super) fn from_slice(
    sealed: &[u8],
    identity: &dyn Identity,
    what: &str,
    limit: u64,
) -> Result<Zeroizing<Vec<u8>>> {
    let length = sealed.len() as u64;
    SealedReader::over(Cursor::new(sealed.to_vec()), identity, what)?.rest(limit, length)
}

/// Whether the bytes begin with a whole age v1 header.
fn has_header(head: &[u8]) -> bool {
    const END: &[u8] = b"\n--- ";
    head.starts_with(b"age-encryption.org/v1\n")
        && head
            .windows(END.len())
            .position(|w| w == END)
            // 43 characters of MAC and the end of the line.
            .is_some_and(|at| head.get(at + END.len() + 43) == Some(&b'\n'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::vault::seal;
    use age::x25519;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    static IDENTITY: LazyLock<x25519::Identity> = LazyLock::new(x25519::Identity::generate);
    static PLAIN: LazyLock<Vec<u8>> = LazyLock::new(|| {
        (0..150_000_u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect()
    });
    static SEALED: LazyLock<Vec<u8>> =
        LazyLock::new(|| seal::to_vec(&IDENTITY.to_public(), &PLAIN).unwrap());

    /// Reads until the first error, and on: everything that was ever handed out.
    fn everything(sealed: Vec<u8>) -> (Vec<u8>, Option<Error>) {
        let mut reader = match SealedReader::over(Cursor::new(sealed), &*IDENTITY, "It") {
            Ok(reader) => reader,
            Err(e) => return (Vec::new(), Some(e)),
        };
        let mut got = Vec::new();
        let mut block = [0_u8; 10_000];
        let mut errors = 0;
        loop {
            match reader.read(&mut block) {
                Ok(0) => return (got, reader.failure().cloned()),
                Ok(n) => got.extend_from_slice(&block[..n]),
                Err(_) if errors == 3 => return (got, reader.failure().cloned()),
                Err(_) => errors += 1,
            }
        }
    }

    #[test]
    fn what_was_sealed_is_what_is_read() {
        assert_eq!(everything(SEALED.clone()), (PLAIN.clone(), None));
    }

    #[test]
    fn a_file_cut_at_a_block_is_no_clean_end() {
        let header = SEALED.len() - (PLAIN.len() + 3 * 16);
        for blocks in 0..3 {
            let (got, error) = everything(SEALED[..header + blocks * (65536 + 16)].to_vec());
            assert_eq!(got, PLAIN[..blocks * 65536]);
            assert_eq!(error.unwrap().kind(), Kind::Damaged);
        }
    }

    #[test]
    fn a_header_without_end_is_refused_in_bounded_memory() {
        let endless = io::Cursor::new(b"age-encryption.org/v1\n".to_vec())
            .chain(io::repeat(b'-').take(u64::MAX));
        let error = SealedReader::over(endless, &*IDENTITY, "It").unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged);
    }

    #[test]
    fn somebody_elses_file_is_locked_not_damaged() {
        let other = x25519::Identity::generate();
        let sealed = seal::to_vec(&other.to_public(), b"x").unwrap();
        assert_eq!(everything(sealed).1.unwrap().kind(), Kind::Locked);
    }

    #[test]
    fn more_than_the_limit_is_refused() {
        let error = from_slice(&SEALED, &*IDENTITY, "It", 149_999).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged);
        assert!(from_slice(&SEALED, &*IDENTITY, "It", 150_000).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn a_cut_anywhere_gives_an_exact_prefix_and_an_error(at in 0..SEALED.len()) {
            let (got, error) = everything(SEALED[..at].to_vec());
            prop_assert!(error.is_some());
            prop_assert_eq!(error.unwrap().kind(), Kind::Damaged);
            prop_assert_eq!(&got[..], &PLAIN[..got.len()]);
            prop_assert_eq!(got.len() % 65536, 0);
        }

        #[test]
        fn a_flipped_bit_anywhere_never_gives_wrong_bytes(
            // Half of the cases in the header, where the format is.
            at in prop_oneof![0..220_usize, 0..SEALED.len()],
            bit in 0..8_u8,
        ) {
            let mut sealed = SEALED.clone();
            sealed[at] ^= 1 << bit;
            let (got, error) = everything(sealed);
            prop_assert!(error.is_some(), "byte {} bit {}", at, bit);
            prop_assert_eq!(&got[..], &PLAIN[..got.len()]);
        }

        #[test]
        fn bytes_added_at_the_end_are_an_error(more in prop::collection::vec(any::<u8>(), 1..100)) {
            let mut sealed = SEALED.clone();
            sealed.extend_from_slice(&more);
            let (got, error) = everything(sealed);
            prop_assert_eq!(error.unwrap().kind(), Kind::Damaged);
            prop_assert_eq!(&got[..], &PLAIN[..got.len()]);
        }

        #[test]
        fn no_bytes_at_all_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut hostile = b"age-encryption.org/v1\n".to_vec();
            hostile.extend_from_slice(&bytes);
            prop_assert!(everything(hostile).1.is_some());
            prop_assert!(everything(bytes).1.is_some());
        }
    }
}
