//! Talk made up for tests.
#![allow(clippy::unwrap_used)]

use crate::transcript::Transcript;
use crate::transcript::convert::{Called, Form, convert};

/// The transcript of a plain text: lines of `T: …` and `C: …`.
pub(super) fn talk(text: &str) -> Transcript {
    let created = "2026-11-02T15:10:00Z".parse().unwrap();
    let called = Called::default();
    convert(
        text.as_bytes(),
        1 << 20,
        Form::Plain,
        &called,
        created,
        "test",
    )
    .unwrap()
}
