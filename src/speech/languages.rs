//! The languages that Whisper knows, in the order of their tokens.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_has_one_number_and_one_code() {
        for (place, known) in (0..).zip(CODES) {
            assert_eq!((number(known), code(place)), (Some(place), Some(known)));
        }
        assert_eq!((number("xx"), number(""), code(100)), (None, None, None));
        assert!(!knows_language("en\0") && !knows_language("EN"));
    }
}
