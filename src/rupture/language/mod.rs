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
    /// What finds strain in the client's words, and what tells how it was answered. Each is read at its
    /// first use: it takes longer than all the rest.
    strain: OnceLock<Result<Encoder, String>>,
    answers: OnceLock<Result<Encoder, String>>,
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
    strain: Trained,
    answers: Trained,
    examples: &'static str,
    example_places: &'static [u8],
}

/// An encoder as `scripts/train-encoder` wrote it.
#[derive(Debug, Clone)]
struct Trained {
    network: &'static [u8],
    pieces: &'static str,
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
    strain: Trained {
        network: include_bytes!("en/strain/encoder.bin"),
        pieces: include_str!("en/strain/encoder-words.txt"),
    },
    answers: Trained {
        network: include_bytes!("en/replies/encoder.bin"),
        pieces: include_str!("en/replies/encoder-words.txt"),
    },
    examples: include_str!("en/strain/examples.tsv"),
    example_places: include_bytes!("en/strain/examples.bin"),
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
            Ok(language) => [language.strain(), language.answers()]
                .into_iter()
                .find_map(|encoder| encoder.as_ref().err()),
            Err(fault) => Some(fault),
        }
        .map(String::as_str)
    }

    /// The encoder that finds strain in what the client says, or why it cannot be read.
    pub(crate) fn strain(&self) -> &Result<Encoder, String> {
        self.strain
            .get_or_init(|| read_encoder("strain", &self.files.strain))
    }

    /// The encoder that tells what strain says and how it was answered, or why it cannot be read.
    pub(crate) fn answers(&self) -> &Result<Encoder, String> {
        self.answers
            .get_or_init(|| read_encoder("replies", &self.files.answers))
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
        strain: OnceLock::new(),
        answers: OnceLock::new(),
        files,
    })
}

fn read_encoder(folder: &str, trained: &Trained) -> Result<Encoder, String> {
    Encoder::read(trained.network, trained.pieces).map_err(|fault| format!("{folder}/{fault}"))
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

    /// All strings in lists.
    fn listed(value: &toml::Value, found: &mut Vec<String>) {
        match value {
            toml::Value::Array(all) => {
                found.extend(
                    all.iter()
                        .filter_map(toml::Value::as_str)
                        .map(str::to_owned),
                );
                all.iter().for_each(|one| listed(one, found));
            }
            toml::Value::Table(table) => table.values().for_each(|one| listed(one, found)),
            _ => {}
        }
    }

    #[test]
    fn no_pattern_waits_for_a_word_that_is_left_out_before() {
        let english = Language::of("en").unwrap();
        let gone = |word: &str| english.normal.fillers.iter().any(|filler| filler == word);
        let waits = |element: &str| {
            let optional = element.len() > 1 && element.ends_with('?');
            !optional && !element.starts_with('!') && element.split('|').all(gone)
        };
        let files = ENGLISH.markers.iter().chain([&ENGLISH.replies]);
        let mut patterns = Vec::new();
        for file in files {
            listed(&toml::from_str(file).unwrap(), &mut patterns);
        }
        assert!(patterns.len() > 1000);
        let dead = |pattern: &&String| pattern.split(' ').any(waits);
        assert_eq!(patterns.iter().find(dead), None);
    }

    #[test]
    fn a_language_that_is_not_known_is_none() {
        assert!(Language::of("en-GB").is_some());
        assert!(Language::of("de").is_none());
        assert!(Language::of("").is_none());
        assert_eq!(Language::fault("de"), None);
    }
}
