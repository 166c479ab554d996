//! Written examples of strain and their places among all texts, so that a finding that rests on
//! resemblance can say what it resembles. Invented lines of our own; nobody's words.

use super::encoder::{Encoded, KINDS};
use crate::rupture::data::MarkerKind;

/// The examples of a language.
#[derive(Debug)]
pub(crate) struct Examples {
    lines: Vec<(MarkerKind, &'static str)>,
    /// One after the other, each as long as the encoder's places, in steps of 1/127.
    places: &'static [u8],
}

impl Examples {
    /// Reads `kind TAB text` lines and their places. The error says what is wrong.
    pub(super) fn read(lines: &'static str, places: &'static [u8]) -> Result<Examples, String> {
        let lines = lines
            .lines()
            .map(|line| {
                let (kind, text) = line.split_once('\t')?;
                let kind = KINDS.into_iter().find(|known| known.id() == kind)?;
                Some((kind, text))
            })
            .collect::<Option<Vec<_>>>()
            .ok_or("examples.tsv: a line is not `kind TAB text`")?;
        if lines.is_empty() || places.is_empty() || !places.len().is_multiple_of(lines.len()) {
            return Err("examples.bin: not one place for each example".into());
        }
        Ok(Examples { lines, places })
    }

    /// The example of this kind that is nearest in meaning.
    pub(crate) fn nearest(&self, encoded: &Encoded, kind: MarkerKind) -> Option<&'static str> {
        let length = self.places.len() / self.lines.len();
        let near = |place: &[u8]| -> f32 {
            place
                .iter()
                .zip(&encoded.place)
                .map(|(a, b)| f32::from(a.cast_signed()) * b)
                .sum()
        };
        self.lines
            .iter()
            .zip(self.places.chunks_exact(length))
            .filter(|((known, _), _)| *known == kind)
            .max_by(|a, b| near(a.1).total_cmp(&near(b.1)))
            .map(|((_, text), _)| *text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_are_no_examples_is_told() {
        for (lines, places) in [
            ("", &[][..]),
            ("pressure", &[1]),
            ("nothing\ttext", &[1]),
            ("pressure\ta\npressure\tb", &[1, 2, 3]),
        ] {
            assert!(Examples::read(lines, places).is_err(), "{lines}");
        }
    }
}
