//! Speech models on this machine: what is installed, importing, checking digests.
//!
//! One door in: [`Store`]. A model gets in by [`Store::import`], which converts what has to be
//! converted, and comes out by [`Store::find`], which hashes it every time. What is handed to the
//! speech engine was therefore read whole a moment before, has the digest it had when it was
//! installed (the published one where the [catalogue](catalog()) knows it), and has every tensor
//! at its size. That matters beyond good manners: whisper.cpp aborts the whole process on some
//! files, and a recording may be running.
//!
//! This module never touches the network; `scripts/fetch-model` does, and calls the import.

mod catalog;
mod convert;
mod ct2;
mod detector;
pub mod ggml;
mod half;
mod mel;
mod numbers;
mod shape;
mod sidecar;
mod store;
#[cfg(test)]
mod toy;
mod vocabulary;

pub use catalog::{Digest, Entry, Languages, catalog};
pub use detector::{DETECTOR, Detector};
pub use shape::Shape;
pub use store::{Installed, Progress, Step, Store, Trust, Verified};

use crate::{Error, Kind};

/// An error about a model that is not usable, in one sentence.
fn unusable(sentence: impl Into<String>) -> Error {
    Error::new(Kind::Model, sentence)
}

/// The error for a model file that ends early or does not hold what it announces.
fn broken(what: &str) -> Error {
    unusable(format!(
        "This is not a complete speech model: {what}. Nothing was installed or changed."
    ))
    .hint("scripts/fetch-model base")
}
