//! The models that undertone knows by name: `models/catalog.toml`, built in.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

static TEXT: &str = include_str!("../../models/catalog.toml");

static CATALOG: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    // A test holds the built-in text to its form; an empty list still lets everything else work.
    toml::from_str::<Catalog>(TEXT).map_or_else(|_| Vec::new(), |catalog| catalog.model)
});

#[derive(Debug, Deserialize)]
struct Catalog {
    model: Vec<Entry>,
}

/// Which languages a model knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Languages {
    /// English only.
    #[serde(rename = "en")]
    English,
    /// About a hundred.
    #[serde(rename = "many")]
    Many,
}

impl Languages {
    /// True where a model that knows these can write `code` (ISO 639-1, such as `de`).
    #[must_use]
    pub fn hold(self, code: &str) -> bool {
        self == Languages::Many || code == "en"
    }
}

/// A digest under which a model is accepted, and who vouches for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// SHA-256, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Where it comes from; the head of `models/catalog.toml` explains the words.
    pub source: String,
}

/// One known model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name, such as `base.en`.
    pub name: String,
    /// The published file's name.
    pub file: String,
    /// The published file's size in bytes.
    pub bytes: u64,
    /// What it can write.
    pub languages: Languages,
    /// Roughly what the program takes at most while it transcribes. Unit: megabytes.
    pub memory_mb: u64,
    /// What it is good for, in a few words.
    pub about: String,
    /// Digests it is accepted under.
    pub digests: Vec<Digest>,
}

impl Entry {
    /// True where `sha256` is one of its digests.
    #[must_use]
    pub fn accepts(&self, sha256: &str) -> bool {
        self.digests.iter().any(|digest| digest.sha256 == sha256)
    }
}

/// The models known by name, smallest kind first.
#[must_use]
pub fn catalog() -> &'static [Entry] {
    &CATALOG
}

/// The known model of this name.
pub(super) fn by_name(name: &str) -> Option<&'static Entry> {
    catalog().iter().find(|entry| entry.name == name)
}

/// The known model with this digest.
pub(super) fn by_digest(sha256: &str) -> Option<&'static Entry> {
    catalog().iter().find(|entry| entry.accepts(sha256))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_complete_and_no_digest_stands_twice() {
        let names = [
            "tiny.en",
            "tiny",
            "base.en",
            "base",
            "small.en",
            "small",
            "medium.en",
            "large-v3-turbo-q5_0",
        ];
        assert_eq!(
            catalog()
                .iter()
                .map(|e| e.name.as_str())
                .collect::<Vec<_>>(),
            names
        );
        let mut seen = std::collections::BTreeSet::new();
        for entry in catalog() {
            assert_eq!(entry.file, format!("ggml-{}.bin", entry.name));
            assert_eq!(
                entry.languages == Languages::English,
                entry.name.ends_with(".en")
            );
            assert!(entry.bytes > 50_000_000 && entry.memory_mb * 1_000_000 > entry.bytes);
            assert!(!entry.digests.is_empty());
            for digest in &entry.digests {
                assert_eq!(hex::decode(&digest.sha256).map(|bytes| bytes.len()), Ok(32));
                assert_eq!(digest.sha256, digest.sha256.to_lowercase());
                assert!(seen.insert(&digest.sha256));
            }
        }
    }
}
