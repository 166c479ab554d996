//! What can go wrong, told to a person.
//!
//! Policy. An error is a **kind** (it picks the exit code), a **sentence** in the user's words,
//! and **hints**, each the next thing to do, a command to type where there is one. What was kept
//! and where is part of the sentence. An error never carries content: no word that was spoken, no
//! client name or code, no key, no passphrase, no text from a library whose messages we have not
//! read. Library errors are mapped to our own words where they enter.

use std::fmt;
use std::path::Path;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it is. Scripts read it as the exit code and as `kind` in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The command line does not mean anything (exit code 2).
    Usage,
    /// A session, model, device or file that was named is not there (3).
    NotFound,
    /// Sound cannot be captured, or a sound file cannot be read (4).
    Audio,
    /// The vault's folder or settings are not usable (5).
    Vault,
    /// The passphrase or identity does not open it (6).
    Locked,
    /// A sealed or imported file is cut, altered or not what it says it is (7).
    Damaged,
    /// A speech model is missing, unsuitable or not what its digest says (8).
    Model,
    /// Another undertone is using it (9).
    Busy,
    /// The disk is full or a file cannot be written (10).
    Disk,
    /// What was asked would go beyond what the client agreed to (11).
    Consent,
    /// The person stopped it (130).
    Cancelled,
    /// A defect of undertone itself (70).
    Internal,
}

impl Kind {
    /// The process exit code of this kind.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Usage => 2,
            Kind::NotFound => 3,
            Kind::Audio => 4,
            Kind::Vault => 5,
            Kind::Locked => 6,
            Kind::Damaged => 7,
            Kind::Model => 8,
            Kind::Busy => 9,
            Kind::Disk => 10,
            Kind::Consent => 11,
            Kind::Cancelled => 130,
            Kind::Internal => 70,
        }
    }

    /// The kind's name in JSON output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Usage => "usage",
            Kind::NotFound => "not-found",
            Kind::Audio => "audio",
            Kind::Vault => "vault",
            Kind::Locked => "locked",
            Kind::Damaged => "damaged",
            Kind::Model => "model",
            Kind::Busy => "busy",
            Kind::Disk => "disk",
            Kind::Consent => "consent",
            Kind::Cancelled => "cancelled",
            Kind::Internal => "internal",
        }
    }
}

/// A failure: a kind, a sentence, hints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    sentence: String,
    hints: Vec<String>,
}

impl Error {
    /// An error of a kind, told in one sentence (more where what was kept must be said).
    pub fn new(kind: Kind, sentence: impl Into<String>) -> Self {
        Error {
            kind,
            sentence: sentence.into(),
            hints: Vec::new(),
        }
    }

    /// Adds what to do next, best first; a command to type where there is one.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// A failure of the file system while doing `what` ("reading", "writing") to `path`.
    ///
    /// A missing file is [`Kind::NotFound`], everything else [`Kind::Disk`]. The operating
    /// system's text is kept: it holds no content.
    pub fn io(what: &str, path: &Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let path = path.display();
        match error.kind() {
            Io::NotFound => Error::new(Kind::NotFound, format!("{path} is not there.")),
            Io::StorageFull | Io::QuotaExceeded => {
                Error::new(Kind::Disk, format!("The disk is full ({what} {path})."))
                    .hint("Free some space, then try again.")
            }
            Io::PermissionDenied => Error::new(
                Kind::Disk,
                format!("{what} {path} is not permitted for this user."),
            ),
            _ => Error::new(Kind::Disk, format!("{what} {path} failed: {error}.")),
        }
    }

    /// What sort of failure it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The sentence, without hints.
    #[must_use]
    pub fn sentence(&self) -> &str {
        &self.sentence
    }

    /// What to do next, best first.
    #[must_use]
    pub fn hints(&self) -> &[String] {
        &self.hints
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_in_words_and_with_what_to_do() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = Error::io("writing", Path::new("a"), &full);
        assert_eq!(error.kind(), Kind::Disk);
        assert!(error.sentence().contains("full"));
        assert!(!error.hints().is_empty());
    }

    #[test]
    fn every_kind_has_its_own_exit_code() {
        let kinds = [
            Kind::Usage,
            Kind::NotFound,
            Kind::Audio,
            Kind::Vault,
            Kind::Locked,
            Kind::Damaged,
            Kind::Model,
            Kind::Busy,
            Kind::Disk,
            Kind::Consent,
            Kind::Cancelled,
            Kind::Internal,
        ];
        let codes: std::collections::BTreeSet<u8> = kinds.iter().map(|k| k.exit_code()).collect();
        assert_eq!(codes.len(), kinds.len());
        assert!(!codes.contains(&0));
    }
}
