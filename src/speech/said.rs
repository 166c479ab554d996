//! What a speaker said last: given to the model before their next window, it keeps names and style.

use super::engine::WindowWord;
use super::suspect;

/// How much is kept, in bytes: more than the model looks at.
const KEPT: usize = 600;

/// The last that a speaker said, but for what may be invented: an invention would breed more.
#[derive(Debug, Clone, Default)]
pub struct Said(String);

impl Said {
    /// Takes in what was written of the speaker's next window.
    pub fn remember(&mut self, words: &[WindowWord]) {
        let words = suspect::trusted(words);
        if !words.is_empty() {
            self.0.push(' ');
            self.0.push_str(&words);
        }
        let surplus = self.0.len().saturating_sub(KEPT);
        self.0.drain(..self.0.ceil_char_boundary(surplus));
    }

    /// The words, joined by spaces.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::testing::window_words as words;

    #[test]
    fn the_last_that_was_said_is_kept() {
        let mut said = Said::default();
        assert_eq!(said.text(), "");
        said.remember(&words("Grüezi mitenand."));
        said.remember(&[]);
        said.remember(&words("Ja."));
        assert_eq!(said.text(), " Grüezi mitenand. Ja.");
        for _ in 0..100 {
            said.remember(&words("Ünderögrüßt"));
        }
        assert!((KEPT - 1..=KEPT).contains(&said.text().len()));
        assert!(said.text().ends_with(" Ünderögrüßt"));
    }
}
