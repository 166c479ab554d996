//! What the analyzer knows of a language: all of it in data files, a folder a language, built
//! into the program. A new language is a new folder and a line in [`Language::of`].
//!
//! Holds wording only; what is made of it is decided by the modules above.

pub(crate) mod encoder;
pub(crate) mod examples;
pub(crate) mod feelings;
mod network;
pub(crate) mod normal;
pub(crate) mod pattern;
mod rules;

use std::sync::{LazyLock, OnceLock};

use serde::Deserialize;

use encoder::Encoder;
use examples::Examples;
use feelings::Feelings;
use normal::Normal;
use pattern::{Classes, Pattern};
pub(crate) use rules::*;

/// Everything known of a language.
#[derive(Debug)]
pub(crate) struct Language {
    pub(crate) normal: Normal,
    #[cfg_attr(not(test), allow(dead_code))]
    pub(crate) classes: Classes,
    pub(crate) markers: Markers,
    pub(crate) replies: Replies,
    pub(crate) words: Words,
    pub(crate) feelings: Feelings,
    pub(crate) examples: Examples,
    /// Read at its first use: it takes longer than all the rest.
    encoder: OnceLock<Result<Encoder, String>>,
    files: &'static Files,
}

/// The files of a language.
#[derive(Debug, Clone)]
struct Files {
    normal: &'static str,
    classes: &'static str,
    markers: &'static [&'static str],
    replies: &'static str,
    words: &'static str,
    feelings: &'static str,
    valence: &'static str,
    encoder: &'static [u8],
    encoder_words: &'static str,
    examples: &'static str,
    example_places: &'static [u8],
}

static ENGLISH: Files = Files {
    normal: include_str!("en/normal.toml"),
    classes: include_str!("en/classes.toml"),
    markers: &[
        include_str!("en/complaints.toml"),
        include_str!("en/confrontation.toml"),
        include_str!("en/withdrawal.toml"),
        include_str!("en/masking.toml"),
        include_str!("en/guards.toml"),
    ],
    replies: include_str!("en/replies.toml"),
    words: include_str!("en/words.toml"),
    feelings: include_str!("en/feelings.toml"),
    valence: include_str!("en/valence.tsv"),
    encoder: include_bytes!("en/encoder.bin"),
    encoder_words: include_str!("en/encoder-words.txt"),
    examples: include_str!("en/examples.tsv"),
    example_places: include_bytes!("en/examples.bin"),
};

impl Language {
    /// The language of this ISO 639-1 code (`en`, `en-GB`), where it is known and its files can be
    /// read.
    pub(crate) fn of(code: &str) -> Option<&'static Language> {
        Language::built_in(code)?.as_ref().ok()
    }

    /// What is wrong with the files of this language; `None` where nothing is, or it is not known.
    pub(crate) fn fault(code: &str) -> Option<&'static str> {
        match Language::built_in(code)? {
            Ok(language) => language.encoder_or_fault().as_ref().err(),
            Err(fault) => Some(fault),
        }
        .map(String::as_str)
    }

    /// The sentence encoder, where it can be read.
    pub(crate) fn encoder(&self) -> Option<&Encoder> {
        self.encoder_or_fault().as_ref().ok()
    }

    fn encoder_or_fault(&self) -> &Result<Encoder, String> {
        self.encoder
            .get_or_init(|| Encoder::read(self.files.encoder, self.files.encoder_words))
    }

    fn built_in(code: &str) -> Option<&'static Result<Language, String>> {
        static ENGLISH_READ: LazyLock<Result<Language, String>> = LazyLock::new(|| read(&ENGLISH));
        let code = code.split(['-', '_']).next()?;
        code.eq_ignore_ascii_case("en").then(|| &*ENGLISH_READ)
    }
}

/// Reads a language's files. The error says in which file what is wrong.
fn read(files: &'static Files) -> Result<Language, String> {
    let classes = classes(files.classes)?;
    let mut markers = Markers::default();
    for file in files.markers {
        markers.add(parse("markers", file)?, &classes)?;
    }
    Ok(Language {
        normal: parse("normal", files.normal)?,
        markers,
        replies: Replies::read(parse("replies", files.replies)?, &classes)?,
        words: Words::read(parse("words", files.words)?, &classes)?,
        feelings: Feelings::read(parse("feelings", files.feelings)?, files.valence)?,
        classes,
        examples: Examples::read(files.examples, files.example_places)?,
        encoder: OnceLock::new(),
        files,
    })
}

fn parse<T: for<'a> Deserialize<'a>>(name: &str, text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| format!("{name}.toml: {error}"))
}

/// Classes with the classes in them written out.
fn classes(text: &str) -> Result<Classes, String> {
    let mut classes: Classes = parse("classes", text)?;
    // Each round writes out one level.
    for _ in 0..4 {
        let before = classes.clone();
        for entries in classes.values_mut() {
            *entries = entries
                .iter()
                .map(
                    |entry| match entry.strip_prefix('{').and_then(|e| e.strip_suffix('}')) {
                        Some(name) => before.get(name).cloned().ok_or(format!("no class {name}")),
                        None => Ok(vec![entry.clone()]),
                    },
                )
                .collect::<Result<Vec<_>, String>>()?
                .concat();
        }
    }
    if classes.values().flatten().any(|entry| entry.contains('{')) {
        return Err("classes.toml: a class holds itself".into());
    }
    Ok(classes)
}

fn patterns(sources: &[String], classes: &Classes) -> Result<Vec<Pattern>, String> {
    sources
        .iter()
        .map(|source| Pattern::read(source, classes))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_each_language_are_well_formed() {
        let english = read(&ENGLISH);
        assert!(english.is_ok(), "{:?}", english.err());
    }

    #[test]
    fn a_file_that_is_not_well_formed_is_an_error_that_names_the_file() {
        let broken = |change: fn(&mut Files)| {
            let mut files = ENGLISH.clone();
            change(&mut files);
            read(Box::leak(Box::new(files))).err().unwrap()
        };
        assert!(broken(|f| f.normal = "fillers = 3").starts_with("normal.toml"));
        assert!(broken(|f| f.markers = &["[[rule]]"]).starts_with("markers.toml"));
        assert!(broken(|f| f.replies = "not toml").starts_with("replies.toml"));
        assert!(broken(|f| f.examples = "word").starts_with("examples.tsv"));
        assert!(!broken(|f| f.classes = "a = ['{b}']").is_empty());
        assert_eq!(Language::fault("en"), None);
    }

    #[test]
    fn a_language_that_is_not_known_is_none() {
        assert!(Language::of("en-GB").is_some());
        assert!(Language::of("de").is_none());
        assert!(Language::of("").is_none());
        assert_eq!(Language::fault("de"), None);
    }
}
