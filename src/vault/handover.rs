//! Sealing what leaves the vault to somebody else's recipient.
//!
//! The only place that seals to a key that is not the vault's or a session's own. Refuses anything
//! but an age X25519 recipient.

use std::io::{self, Write};

use age::stream::StreamWriter;
use age::x25519::Recipient;

use crate::{Error, Kind, Result};

/// Writes to `sink`, sealed to one recipient. **Call [`Handover::finish`]**: without it the file
/// cannot be opened to its end.
pub struct Handover<W: Write> {
    stream: StreamWriter<W>,
}

impl<W: Write> Handover<W> {
    /// Begins a plain age v1 file that `recipient` (`age1…`) can open.
    ///
    /// # Errors
    /// [`Kind::Usage`] if it is no recipient; [`Kind::Disk`] if `sink` fails.
    pub fn to(recipient: &str, sink: W) -> Result<Handover<W>> {
        let recipient: Recipient = recipient.parse().map_err(|_| {
            Error::new(Kind::Usage, "This is no age recipient; one begins with age1.")
                .hint("ask the other side for the public key that age-keygen printed")
        })?;
        let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as _))
            .map_err(|_| Error::new(Kind::Internal, "The recipient cannot be sealed to."))?;
        let stream = encryptor
            .wrap_output(sink)
            .map_err(|error| Error::new(Kind::Disk, format!("Writing failed: {error}.")))?;
        Ok(Handover { stream })
    }

    /// Seals the last of it and returns the sink.
    ///
    /// # Errors
    /// What the sink gives.
    pub fn finish(self) -> io::Result<W> {
        self.stream.finish()
    }
}

impl<W: Write> Write for Handover<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_one_it_is_sealed_to_opens_it_and_nobody_else() {
        let theirs = age::x25519::Identity::generate();
        let mut sealed = Handover::to(&theirs.to_public().to_string(), Vec::new()).unwrap();
        sealed.write_all(b"one two").unwrap();
        let bytes = sealed.finish().unwrap();
        assert!(!bytes.windows(3).any(|window| window == b"two"));
        let open = |identity: &age::x25519::Identity| {
            let decryptor = age::Decryptor::new(&bytes[..]).unwrap();
            let mut text = String::new();
            let mut stream = decryptor
                .decrypt(std::iter::once(identity as &dyn age::Identity))
                .ok()?;
            stream.read_to_string(&mut text).ok()?;
            Some(text)
        };
        assert_eq!(open(&theirs).as_deref(), Some("one two"));
        assert_eq!(open(&age::x25519::Identity::generate()), None);
    }

    #[test]
    fn what_is_no_recipient_is_refused() {
        assert_eq!(
            Handover::to("age1nonsense", Vec::new()).err().unwrap().kind(),
            Kind::Usage
        );
    }
}
