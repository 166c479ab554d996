//! The vocabulary of a CTranslate2 folder, turned into the raw bytes that ggml files hold.
//!
//! GPT-2 style vocabularies write every byte as a printable character: bytes that are printable
//! in Latin-1 stand for themselves, the other 68 are moved to U+0100 and up, in order.

use std::path::Path;

use super::shape::Rules;
use super::{broken, unusable};
use crate::{Error, Kind, Result};

/// No published vocabulary file is larger than a tenth of this. Unit: bytes.
const LIMIT: u64 = 16 << 20;

/// The longest token that is let through. Unit: bytes.
pub const TOKEN_LIMIT: usize = 1024;

/// Reads `vocabulary.txt` or `vocabulary.json` in `folder`: the text tokens as bytes.
pub fn read(folder: &Path, rules: &Rules) -> Result<Vec<Vec<u8>>> {
    let words = match super::ct2::read_small(&folder.join("vocabulary.json"), LIMIT) {
        Ok(bytes) => serde_json::from_slice::<Vec<String>>(&bytes)
            .map_err(|_| broken("its vocabulary is not a list of words"))?,
        Err(missing) if missing.kind() == Kind::NotFound => {
            let bytes = super::ct2::read_small(&folder.join("vocabulary.txt"), LIMIT)
                .map_err(no_vocabulary)?;
            let text = String::from_utf8(bytes)
                .map_err(|_| broken("its vocabulary is not readable text"))?;
            text.split('\n').map(str::to_owned).collect()
        }
        Err(other) => return Err(other),
    };
    let count = rules.text_tokens as usize;
    if words.len() < count {
        return Err(broken("its vocabulary ends early"));
    }
    words
        .iter()
        .take(count)
        .map(|word| bytes_of(word).ok_or_else(|| broken("its vocabulary is not Whisper's")))
        .collect()
}

fn no_vocabulary(error: Error) -> Error {
    if error.kind() == Kind::NotFound {
        unusable(
            "The folder holds model.bin but no vocabulary.txt or vocabulary.json beside it. \
             Nothing was installed or changed.",
        )
        .hint("Copy the whole model folder, then import it again.")
    } else {
        error
    }
}

/// The bytes that a word of the vocabulary stands for.
fn bytes_of(word: &str) -> Option<Vec<u8>> {
    if word.len() > 2 * TOKEN_LIMIT {
        return None;
    }
    let bytes: Vec<u8> = word.chars().map(byte_of).collect::<Option<_>>()?;
    (bytes.len() <= TOKEN_LIMIT).then_some(bytes)
}

/// The byte that one character stands for.
fn byte_of(character: char) -> Option<u8> {
    let code = u32::from(character);
    let byte = match code {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => code,
        // The moved ones, in order: 0 to 0x20, 0x7f to 0xa0, 0xad.
        0x100..=0x120 => code - 0x100,
        0x121..=0x142 => code - 0x121 + 0x7f,
        0x143 => 0xad,
        _ => return None,
    };
    u8::try_from(byte).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_has_one_character_and_each_character_one_byte() {
        let mut seen = [0; 256];
        for code in 0..0x400 {
            if let Some(byte) = char::from_u32(code).and_then(byte_of) {
                seen[usize::from(byte)] += 1;
            }
        }
        assert!(seen.iter().all(|count| *count == 1));
    }

    #[test]
    fn spaces_and_accents_come_back_as_bytes() {
        assert_eq!(bytes_of("Ġtherapy").unwrap(), b" therapy");
        assert_eq!(bytes_of("Ã©").unwrap(), "é".as_bytes());
        assert_eq!(bytes_of("").unwrap(), b"");
        assert_eq!(bytes_of("愛"), None);
        assert_eq!(bytes_of("a b"), None);
    }

    #[test]
    fn a_missing_short_or_foreign_vocabulary_is_told_apart() {
        let rules = Rules {
            text_tokens: 3,
            ..super::super::shape::WHISPER
        };
        let folder = tempfile::tempdir().unwrap();
        let said = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let result = read(folder.path(), &rules).map_err(|error| error.sentence().to_owned());
            std::fs::remove_file(path).unwrap();
            result
        };
        let missing = read(folder.path(), &rules).unwrap_err();
        assert_eq!(missing.kind(), Kind::Model);
        assert!(missing.sentence().contains("vocabulary.txt"));
        assert!(
            said("vocabulary.txt", "a\nb")
                .unwrap_err()
                .contains("ends early")
        );
        assert!(
            said("vocabulary.txt", "a\nb\n愛\n")
                .unwrap_err()
                .contains("not Whisper's")
        );
        assert!(
            said("vocabulary.json", "{}")
                .unwrap_err()
                .contains("list of words")
        );
        let words = said("vocabulary.json", r#"["a","Ġb","c","d"]"#).unwrap();
        assert_eq!(words, [b"a".to_vec(), b" b".to_vec(), b"c".to_vec()]);
    }
}
