//! What was installed: a small TOML file beside each model.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Languages;
use super::ct2::read_small;
use crate::{Kind, Result};

/// Larger than any record. Unit: bytes.
const LIMIT: u64 = 16 << 10;

/// The record of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The model's name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256 when it was installed.
    pub sha256: String,
    /// What it can write.
    pub languages: Languages,
    /// What it was made from.
    pub source: String,
}

/// Reads the record at `path`; `None` where there is none, or none that can be read.
pub fn read(path: &Path) -> Result<Option<Record>> {
    match read_small(path, LIMIT) {
        Ok(bytes) => Ok(toml::from_slice(&bytes).ok()),
        Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Model) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The record as text, with a line for whoever opens it.
pub fn text(record: &Record) -> String {
    let body = toml::to_string(record).unwrap_or_default();
    format!("# Written by undertone when this model was installed.\n{body}")
}
