//! The names of files inside a session, and which names a caller may not use.
//!
//! A name is checked here before it goes anywhere near the file system; that is what keeps a
//! hostile manifest from reaching out of its folder.

use crate::{Error, Kind, Result};

/// The session's own identity, sealed to the vault's recipients.
pub(super) const KEY: &str = "key.age";
/// Held (`flock`) by whoever writes the session.
pub(super) const LOCK: &str = "lock";
/// The manifest's name, without the ending.
pub(super) const MANIFEST: &str = "manifest.json";
/// What was known when the session was begun; stands in for the manifest until there is one.
pub(super) const BEGUN: &str = "begun.json";
/// Ending of a stream that is still being written, or was when the machine stopped.
pub(super) const PART: &str = ".age.part";
/// Ending of the small file with what of a stream still waits in memory.
pub(super) const TAIL: &str = ".age.tail";
/// Ending of a complete sealed file that waits to take its place.
pub(super) const NEW: &str = ".age.new";
/// Ending of a part in which nothing could be recovered.
pub(super) const UNREADABLE: &str = ".age.unreadable";
/// Ending of a sealed file.
pub(super) const SEALED: &str = ".age";

/// The name on disk of the sealed file called `name`.
pub(super) fn sealed(name: &str) -> String {
    format!("{name}{SEALED}")
}

/// The name of a sealed file on disk, without the ending; `None` for parts, key and the rest.
pub(super) fn unsealed(file: &str) -> Option<&str> {
    let name = file.strip_suffix(SEALED)?;
    (file != KEY && check(name).is_ok()).then_some(name)
}

/// Whether `name` can name a sealed file: 1 to 64 characters of `a-z 0-9 . - _`, beginning with a
/// letter, and none of the endings that mean something on disk.
///
/// # Errors
/// [`Kind::Usage`] otherwise.
pub(super) fn check(name: &str) -> Result<()> {
    let fine = (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_')
        })
        && !name.contains("..")
        && !name.ends_with('.')
        && ![".age", ".part", ".tail", ".new", ".unreadable"]
            .iter()
            .any(|ending| name.ends_with(ending) || name.contains(&format!("{ending}.")))
        && !matches!(name, "key" | LOCK);
    if fine {
        Ok(())
    } else {
        Err(Error::new(
            Kind::Usage,
            "That cannot be the name of a file in a session.",
        ))
    }
}

/// As [`check`], and not a file that the vault keeps by itself.
///
/// # Errors
/// [`Kind::Usage`] otherwise.
pub(super) fn check_free(name: &str) -> Result<()> {
    check(name)?;
    if name == MANIFEST || name == BEGUN {
        return Err(Error::new(
            Kind::Usage,
            "That file of a session is written by the vault itself.",
        ));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_would_escape_or_confuse_are_refused() {
        for name in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "/etc/passwd",
            "a\\b",
            "a\0b",
            "A.json",
            ".hidden",
            "audio.age",
            "x.part",
            "x.age.part",
            "x.new",
            "key",
            "lock",
            "a..b",
            "a.",
            "ä",
        ] {
            assert!(check(name).is_err(), "{name:?}");
        }
        for name in [
            "audio.flac",
            "transcript.json",
            "notes",
            "edits-2.json",
            "m_1",
        ] {
            assert!(check(name).is_ok(), "{name}");
        }
        assert!(check_free("manifest.json").is_err());
    }

    #[test]
    fn only_sealed_files_have_a_name() {
        assert_eq!(unsealed("audio.flac.age"), Some("audio.flac"));
        for file in [
            "key.age",
            "audio.flac.age.part",
            "audio.flac",
            "lock",
            ".age",
        ] {
            assert_eq!(unsealed(file), None, "{file}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn an_accepted_name_is_one_plain_path_component(name in "[-a-z./_\\\\]{0,12}") {
            if check(&name).is_ok() {
                let path = std::path::PathBuf::from(sealed(&name));
                prop_assert_eq!(path.components().count(), 1);
                let file = sealed(&name);
                prop_assert_eq!(unsealed(&file), Some(name.as_str()));
            }
        }
    }
}
