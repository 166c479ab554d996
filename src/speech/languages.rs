//! The languages that Whisper knows, in the order of their tokens, and which one a channel is in.

use std::collections::BTreeMap;

use super::engine::Written;

/// So many words must be in a language,
const ENOUGH_WORDS: usize = 24;

/// and so many of a hundred of all, for the rest of a channel to be taken to be in it.
const MOST: usize = 75;

/// ISO 639-1 codes by Whisper's number, as OpenAI's tokenizer has them; the last came with large-v3.
const CODES: [&str; 100] = [
    "en", "zh", "de", "es", "ru", "ko", "fr", "ja", "pt", "tr", "pl", "ca", "nl", "ar", "sv", "it",
    "id", "hi", "fi", "vi", "he", "uk", "el", "ms", "cs", "ro", "da", "hu", "ta", "no", "th", "ur",
    "hr", "bg", "lt", "la", "mi", "ml", "cy", "sk", "te", "fa", "lv", "bn", "sr", "az", "sl", "kn",
    "et", "mk", "br", "eu", "is", "hy", "ne", "mn", "bs", "kk", "sq", "sw", "gl", "mr", "pa", "si",
    "km", "sn", "yo", "so", "af", "oc", "ka", "be", "tg", "sd", "gu", "am", "yi", "lo", "uz", "fo",
    "ht", "ps", "tk", "nn", "mt", "sa", "lb", "my", "bo", "tl", "mg", "as", "tt", "haw", "ln",
    "ha", "ba", "jw", "su", "yue",
];

/// Whether Whisper knows a language by this code, such as `en`.
#[must_use]
pub fn knows_language(code: &str) -> bool {
    number(code).is_some()
}

/// Whisper's number of a language.
pub(super) fn number(code: &str) -> Option<u32> {
    let place = CODES.iter().position(|known| *known == code)?;
    u32::try_from(place).ok()
}

/// The code of a language by Whisper's number.
pub(super) fn code(number: u32) -> Option<&'static str> {
    CODES.get(number as usize).copied()
}

/// What a channel is spoken in, by what was written down of it: a short window alone is often taken for another language.
#[derive(Debug, Clone, Default)]
pub(super) struct Spoken {
    /// Words by the language of their window.
    words: BTreeMap<&'static str, usize>,
}

impl Spoken {
    /// Takes in a window.
    pub(super) fn hear(&mut self, written: &Written) {
        if let Some(language) = written.language {
            *self.words.entry(language).or_default() += written.words.len();
        }
    }

    /// The language, once there are words enough.
    pub(super) fn language(&self) -> Option<&'static str> {
        let all: usize = self.words.values().sum();
        let (language, words) = self.words.iter().max_by_key(|(_, words)| **words)?;
        (*words >= ENOUGH_WORDS && 100 * words >= MOST * all).then_some(language)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::testing::window_words;

    fn written(language: &'static str, words: usize) -> Written {
        Written {
            words: window_words(&["so"].repeat(words).join(" ")),
            language: Some(language),
        }
    }

    #[test]
    fn a_short_window_does_not_settle_the_language_of_a_channel() {
        let mut spoken = Spoken::default();
        spoken.hear(&written("cy", 9));
        assert_eq!(spoken.language(), None);
        spoken.hear(&written("en", 26));
        assert_eq!(spoken.language(), None, "one in four is in another");
        spoken.hear(&written("en", 12));
        assert_eq!(spoken.language(), Some("en"));
    }

    #[test]
    fn each_language_has_one_number_and_one_code() {
        for (place, known) in (0..).zip(CODES) {
            assert_eq!((number(known), code(place)), (Some(place), Some(known)));
        }
        assert_eq!((number("xx"), number(""), code(100)), (None, None, None));
        assert!(!knows_language("en\0") && !knows_language("EN"));
    }
}
