//! Wording shared by the vault's errors.

use super::names;
use crate::Error;

/// A file's name at the start of a sentence.
pub(super) fn told(name: &str) -> String {
    match name {
        "transcript.json" => "The transcript".to_owned(),
        "analysis.json" => "The analysis".to_owned(),
        names::MANIFEST => "The session's manifest".to_owned(),
        name if name.starts_with("audio.") => "The recording".to_owned(),
        name => format!("The file {name}"),
    }
}

/// The same error with one more sentence: what was kept, or what is already done.
pub(super) fn and(error: Error, more: &str) -> Error {
    let longer = Error::new(error.kind(), format!("{} {more}", error.sentence()));
    error.hints().iter().cloned().fold(longer, Error::hint)
}
