//! The analyzer: pure functions over a transcript.
//!
//! It states [`facts`], which anybody with a stopwatch could check, and names passages where strain
//! may have been voiced, with the words, for a person to judge. It passes no judgement on what was
//! said, on the alliance, or on the therapist, and suspect words count for nothing.

mod behaviours;
mod data;
mod episodes;
pub mod facts;
mod judgement;
mod language;
mod markers;
mod readings;
mod recall;
mod replies;
mod said;
mod tell;
#[cfg(test)]
mod testing;
mod wrap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::transcript::{Role, Transcript, named};
use crate::{Error, Kind, Result};
pub use data::*;
pub use episodes::WINDOW;
use facts::Facts;
pub use judgement::*;
pub use tell::{NOTHING, tell};

/// The schema's name as written in every analysis.
pub const SCHEMA: &str = "undertone-analysis/1";

/// What the analyzer has to say about a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Analysis {
    /// Always `undertone-analysis/1`.
    pub schema: String,
    /// The ULID of the session.
    pub session: String,
    /// SHA-256 of the transcript it was made from, in hexadecimal, where it was taken from a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript_sha256: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// The program and version that made it, such as `undertone 0.1.0`.
    pub tool: String,
    /// What can be counted and timed; absent where nobody measured the transcript's times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Facts>,
    /// Whether the wording of the transcript's language is known; where it is not, nothing was
    /// looked for in the words.
    pub language_known: bool,
    /// Places where strain may have been voiced, and how each was answered, for a person to judge.
    pub episodes: Vec<Episode>,
    /// What each turn of the therapist mainly does, by rough rules and by what it resembles.
    pub behaviours: Vec<TurnBehaviour>,
}

impl Analysis {
    /// Analyzes a transcript. The same transcript gives the same analysis.
    #[must_use]
    pub fn of(
        transcript: &Transcript,
        transcript_sha256: Option<String>,
        created: Timestamp,
        tool: impl Into<String>,
    ) -> Self {
        Self::of_telling(transcript, transcript_sha256, created, tool, &mut |_| {})
    }

    /// As [`Analysis::of`]; `done` is told the share of the work that is done, 0 to 1.
    #[must_use]
    pub fn of_telling(
        transcript: &Transcript,
        transcript_sha256: Option<String>,
        created: Timestamp,
        tool: impl Into<String>,
        done: &mut dyn FnMut(f64),
    ) -> Self {
        let (episodes, behaviours) = looked_for(transcript, done);
        Analysis {
            schema: SCHEMA.into(),
            session: transcript.session.id.clone(),
            transcript_sha256,
            created,
            tool: tool.into(),
            facts: (!transcript.session.untimed).then(|| facts::facts(transcript)),
            language_known: language::Language::of(&transcript.language).is_some(),
            episodes,
            behaviours,
        }
    }
}

/// What is found in the words; nothing in a language that is not known.
fn looked_for(
    transcript: &Transcript,
    done: &mut dyn FnMut(f64),
) -> (Vec<Episode>, Vec<TurnBehaviour>) {
    let Some(language) = language::Language::of(&transcript.language) else {
        return Default::default();
    };
    let turns = said::said(transcript, language);
    let by_rules: Vec<markers::Hit> = (0..turns.len())
        .filter(|at| turns[*at].role == Role::Client)
        .flat_map(|at| markers::markers(&turns, at, language))
        .collect();
    let resemblance = recall::Resemblance::of(&turns, &by_rules, language, done);
    let behaviours = behaviours::behaviours(&turns, &resemblance, language);
    let episodes = episodes::episodes(&turns, by_rules, &resemblance, language);
    (episodes, behaviours)
}

/// Whether the built-in wording of a language can be used; a language that is not known is no
/// error, for then the analysis says so itself.
///
/// # Errors
/// [`Kind::Internal`] if a file of that language, built into the program, is not well formed: the
/// analysis would be empty, and silence would read as if nothing had been found.
pub fn ready(language: &str) -> Result<()> {
    match language::Language::fault(language) {
        None => Ok(()),
        Some(fault) => Err(Error::new(
            Kind::Internal,
            format!(
                "The wording that this undertone was built with cannot be read ({fault}), so \
                 nothing can be looked for. Nothing was changed."
            ),
        )),
    }
}

impl Analysis {
    /// All markers, in the order of their numbers.
    pub fn markers(&self) -> impl Iterator<Item = &Marker> {
        self.episodes
            .iter()
            .flat_map(|episode| std::iter::once(&episode.marker).chain(&episode.more_markers))
    }
}

/// The JSON Schema (draft 2020-12) of [`Analysis`], for other tools.
#[must_use]
pub fn schema() -> serde_json::Value {
    named(schemars::schema_for!(Analysis), SCHEMA)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::transcript::testing::sample;
    use crate::transcript::{documented, parse, undocumented};

    #[test]
    fn the_schema_names_itself_and_says_what_every_field_is() {
        let schema = schema();
        assert_eq!(schema["properties"]["schema"]["const"], SCHEMA);
        let mut found = Vec::new();
        undocumented(&schema, "", &mut found);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn the_wording_that_is_built_in_can_be_used() {
        for language in ["en", "en-GB", "de", ""] {
            assert!(ready(language).is_ok(), "{language}");
        }
    }

    #[test]
    fn an_analysis_reads_back_as_what_was_written() {
        let created = "2026-11-02T15:12:00Z".parse().unwrap();
        let made = Analysis::of(&sample(), Some("00".into()), created, "undertone 0.1.0");
        let text = serde_json::to_string(&made).unwrap();
        assert_eq!(serde_json::from_str::<Analysis>(&text).unwrap(), made);
    }

    #[test]
    fn the_documented_example_is_the_analysis_of_the_documented_transcript() {
        let page = include_str!("../../docs/analysis.md");
        let block = page
            .split("```json\n")
            .nth(1)
            .unwrap()
            .split("```")
            .next()
            .unwrap();
        let shown: Analysis = serde_json::from_str(block).unwrap();
        let transcript = parse(documented()[0].as_bytes(), 1 << 16).unwrap();
        let made = Analysis::of(
            &transcript,
            shown.transcript_sha256.clone(),
            shown.created,
            shown.tool.clone(),
        );
        assert_eq!(
            serde_json::to_value(&shown).unwrap(),
            serde_json::to_value(&made).unwrap()
        );
    }
}
