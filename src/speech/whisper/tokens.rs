//! Whisper's tokens: pieces of text, signals, and moments.

use std::collections::HashMap;

use crate::model::Shape;

/// Pieces that stand for something other than speech (notes, brackets, quotation marks), never written;
/// the list is that of OpenAI's tokenizer.
const NO_SPEECH: [&str; 54] = [
    "\"",
    "#",
    "(",
    ")",
    "*",
    "+",
    "/",
    ":",
    ";",
    "<",
    "=",
    ">",
    "@",
    "[",
    "\\",
    "]",
    "^",
    "_",
    "`",
    "{",
    "|",
    "}",
    "~",
    "「",
    "」",
    "『",
    "』",
    "<<",
    ">>",
    "<<<",
    ">>>",
    "--",
    "---",
    "-(",
    "-[",
    "('",
    "(\"",
    "((",
    "))",
    "(((",
    ")))",
    "[[",
    "]]",
    "{{",
    "}}",
    "♪♪",
    "♪♪♪",
    "♩",
    "♪",
    "♫",
    "♬",
    "♭",
    "♮",
    "♯",
];
/// Never at the beginning of a word.
const NOT_FIRST: [&str; 2] = [" -", " '"];

/// What each token stands for.
pub struct Tokens {
    pieces: Vec<Vec<u8>>,
    numbers: HashMap<Vec<u8>, u32>,
    /// Nothing follows.
    pub end: u32,
    /// A transcript begins.
    pub start: u32,
    /// What was said before follows.
    before: u32,
    /// Nobody speaks.
    pub nobody: u32,
    /// The first moment; the others follow in steps of 20 ms.
    pub first_moment: u32,
    write: u32,
    /// The first language, and how many there are.
    languages: (u32, u32),
    /// Never written.
    pub never: Vec<u32>,
}

impl Tokens {
    /// By the sizes of a model and its pieces of text.
    pub fn new(shape: &Shape, pieces: Vec<Vec<u8>>) -> Tokens {
        // English models have one token of text less, and one language; from large-v3 on there is one
        // language more.
        let many = u32::from(!shape.english_only());
        let end = 50_256 + many;
        let languages = 99 + shape.vocab.saturating_sub(51_865) * many;
        let start = end + 1;
        let translate = start + 1 + if many == 1 { languages } else { 99 };
        let numbers: HashMap<Vec<u8>, u32> = (0u32..end)
            .zip(&pieces)
            .map(|(number, piece)| (piece.clone(), number))
            .collect();
        let first_moment = translate + 6;
        let spaced: Vec<String> = NO_SPEECH
            .iter()
            .flat_map(|piece| [(*piece).to_owned(), format!(" {piece}")])
            .chain(NOT_FIRST.map(str::to_owned))
            .collect();
        let never = spaced
            .iter()
            .filter_map(|piece| numbers.get(piece.as_bytes()).copied())
            .chain(start..first_moment)
            .collect();
        Tokens {
            numbers,
            pieces,
            end,
            start,
            write: translate + 1,
            before: translate + 3,
            nobody: translate + 4,
            first_moment,
            languages: (start + 1, if many == 1 { languages } else { 0 }),
            never,
        }
    }

    /// The bytes of a piece of text; none for signals and moments.
    pub fn piece(&self, token: u32) -> Option<&[u8]> {
        self.pieces
            .get(token as usize)
            .filter(|_| token < self.end)
            .map(Vec::as_slice)
    }

    /// The moment that a token stands for, in steps of 20 ms; none for text and signals.
    pub fn moment(&self, token: u32) -> Option<usize> {
        token
            .checked_sub(self.first_moment)
            .map(|steps| steps as usize)
    }

    /// Tokens of the languages, by their number.
    pub fn languages(&self) -> std::ops::Range<u32> {
        self.languages.0..self.languages.0 + self.languages.1
    }

    /// What stands before a transcript: words to expect, what was said before, the language by its number,
    /// what to do. `longest`: how many tokens of words to expect, and of what was said, the last ones.
    pub fn prompt(
        &self,
        expected: &[u32],
        said: &[u32],
        language: u32,
        longest: (usize, usize),
    ) -> Vec<u32> {
        let expected = &expected[..expected.len().min(longest.0)];
        let said = &said[said.len().saturating_sub(longest.1)..];
        let mut out = Vec::new();
        if !(expected.is_empty() && said.is_empty()) {
            out.push(self.before);
            out.extend_from_slice(expected);
            out.extend_from_slice(said);
        }
        out.push(self.start);
        if self.languages.1 > 0 {
            let language = language.min(self.languages.1 - 1);
            out.extend([self.languages.0 + language, self.write]);
        }
        out
    }

    /// A text in pieces, the longest that fit first, never over a space.
    pub fn of_text(&self, text: &str) -> Vec<u32> {
        let mut out = Vec::new();
        let text = match text.trim() {
            "" => return out,
            text => format!(" {text}"),
        };
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let word = 1 + rest[1..]
                .iter()
                .position(|byte| *byte == b' ')
                .unwrap_or(rest.len() - 1);
            let found = (1..=word)
                .rev()
                .find_map(|length| Some((length, *self.numbers.get(&rest[..length])?)));
            if let Some((_, number)) = found {
                out.push(number);
            }
            rest = &rest[found.map_or(1, |(length, _)| length)..];
        }
        out
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn shape(vocab: u32) -> Shape {
        Shape {
            vocab,
            state: 384,
            heads: 6,
            encoder_layers: 4,
            decoder_layers: 4,
            audio_ctx: 1500,
            text_ctx: 448,
            mels: 80,
        }
    }

    /// Some tokens, of a model with a vocabulary of one of the published sizes.
    pub fn tokens(vocab: u32) -> Tokens {
        let pieces = [" ", "a", " a", " ab", "b", ",", "♪", " -"];
        Tokens::new(
            &shape(vocab),
            pieces.map(|piece| piece.as_bytes().to_vec()).to_vec(),
        )
    }

    #[test]
    fn signals_have_their_published_numbers() {
        // English only, many languages, and large-v3.
        for (vocab, end, start, nobody, moment) in [
            (51_864, 50_256, 50_257, 50_361, 50_363),
            (51_865, 50_257, 50_258, 50_362, 50_364),
            (51_866, 50_257, 50_258, 50_363, 50_365),
        ] {
            let tokens = tokens(vocab);
            let found = (tokens.end, tokens.start, tokens.nobody, tokens.first_moment);
            assert_eq!(found, (end, start, nobody, moment));
            assert_eq!(tokens.first_moment + 1501, vocab);
        }
        assert!(tokens(51_864).languages().is_empty());
        let prompt = tokens(51_865).prompt(&[], &[], 2, (9, 9));
        assert_eq!(prompt, [50_258, 50_261, 50_359]);
        assert_eq!(tokens(51_866).languages().len(), 100);
    }

    #[test]
    fn expected_words_come_first_then_what_was_said_last_in_the_longest_pieces() {
        let tokens = tokens(51_864);
        assert_eq!(tokens.of_text(" ab, a€b"), [3, 5, 2, 4]);
        assert!(tokens.of_text(" ").is_empty());
        let prompt =
            |expected: &[u32], said: &[u32], longest| tokens.prompt(expected, said, 0, longest);
        assert_eq!(prompt(&[3, 5, 2], &[], (2, 9)), [50_360, 3, 5, 50_257]);
        assert_eq!(prompt(&[3], &[4, 5, 2], (9, 2)), [50_360, 3, 5, 2, 50_257]);
        assert_eq!(prompt(&[], &[], (9, 9)), [50_257]);
    }

    #[test]
    fn notes_and_signals_are_never_written_and_text_and_moments_may_be() {
        let tokens = tokens(51_864);
        for token in [6, 7, tokens.start, tokens.nobody, tokens.first_moment - 1] {
            assert!(tokens.never.contains(&token), "{token}");
        }
        for token in [1, 5, tokens.end, tokens.first_moment] {
            assert!(!tokens.never.contains(&token), "{token}");
        }
        assert_eq!(tokens.piece(2), Some(&b" a"[..]));
        assert_eq!(tokens.piece(tokens.end), None);
    }
}
