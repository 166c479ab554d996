//! Where sentences end, by their signs.

/// What may close a quotation or a bracket behind the sign that ends a sentence.
const CLOSING: [char; 6] = ['"', '\'', '”', '’', ')', '»'];
const QUESTION: [char; 5] = ['?', '？', '؟', '⁇', '⁈'];

/// Whether a word ends a sentence, by its sign.
pub fn ends_sentence(word: &str) -> bool {
    let other = ['.', '!', '…', '。', '！'];
    asks(word) || word.trim_end_matches(CLOSING).ends_with(other)
}

/// Whether a word ends a question, by its sign.
pub fn asks(word: &str) -> bool {
    word.trim_end_matches(CLOSING).ends_with(QUESTION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_ends_by_its_sign_also_in_quotation_marks() {
        assert!(ends_sentence("no.") && ends_sentence("know…") && ends_sentence("好。"));
        assert!(ends_sentence("why?”") && asks("why?”") && asks("なぜ？"));
        assert!(!asks("no.") && !ends_sentence("well,") && !ends_sentence("3.5"));
    }
}
