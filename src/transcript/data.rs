//! The data model of schema `undertone-transcript/1`.
//!
//! All times are session time in seconds: zero is the first stored sample, gaps included.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::speech::{Separation, Span, Word};

/// The schema's name as written in every transcript.
pub const SCHEMA: &str = "undertone-transcript/1";

/// A session's transcript.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Transcript {
    /// Always `undertone-transcript/1`.
    pub schema: String,
    /// Which session this is.
    pub session: Session,
    /// Language of the words, as an ISO 639-1 code.
    pub language: String,
    /// The speech model that wrote it.
    pub model: Model,
    /// Who spoke, in channel order.
    pub speakers: Vec<Speaker>,
    /// Turns by start time. Turns of different speakers may overlap in time.
    pub turns: Vec<Turn>,
    /// Where both speakers talk at once.
    pub overlaps: Vec<Span>,
    /// Where nobody talks for a while, between turns.
    pub pauses: Vec<Pause>,
    /// Where nothing was recorded: off the record, or lost.
    pub gaps: Vec<Gap>,
    /// Moments that the therapist marked while recording, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bookmarks: Vec<Bookmark>,
    /// Where a voice is heard that says no word, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wordless: Vec<Wordless>,
    /// Where each speaker talks, from the sound alone.
    pub activity: Vec<Activity>,
    /// How well the microphones held the speakers apart.
    pub separation: Separation,
    /// When this transcript was made.
    pub created: Timestamp,
    /// The program and version that made it, such as `undertone 0.1.0`.
    pub tool: String,
}

/// The session a transcript belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Session {
    /// The session's ULID.
    pub id: String,
    /// When the recording started, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// Length in seconds.
    pub duration: f64,
    /// Stored samples a second.
    pub sample_rate: u32,
    /// The therapist's title for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The therapist's code for the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_code: Option<String>,
    /// True where nobody measured times: those given here only keep the order of the words.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untimed: bool,
}

/// The speech model that wrote a transcript.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Model {
    /// Its name, such as `base`.
    pub name: String,
    /// SHA-256 of the model file, in hexadecimal.
    pub sha256: String,
    /// The engine that ran it, such as `whisper.cpp 1.8.3`.
    pub engine: String,
}

/// The part somebody has in the session.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The one who gives therapy.
    Therapist,
    /// The one who receives it.
    Client,
}

impl Role {
    /// As written in files: `therapist` or `client`.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Role::Therapist => "therapist",
            Role::Client => "client",
        }
    }

    /// As shown to a person: `Therapist` or `Client`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Role::Therapist => "Therapist",
            Role::Client => "Client",
        }
    }
}

/// Somebody who speaks, on a channel of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Speaker {
    /// How turns refer to them; unique within the transcript.
    pub id: String,
    /// Their channel, counted from 1.
    pub channel: u8,
    /// Their part.
    pub role: Role,
}

/// A stretch of one speaker's talk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Turn {
    /// Number of the turn, from 1, in order of start.
    pub id: u32,
    /// The [`Speaker::id`] who talks.
    pub speaker: String,
    /// Start of the first word, in seconds.
    pub start: f64,
    /// End of the last word, in seconds.
    pub end: f64,
    /// A short answer inside the other's turn ("mm-hm"), which does not take the floor.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub backchannel: bool,
    /// How clearly the sound says that this speaker said it: the share of the time around the
    /// words in which their channel held their own voice, 0 to 1, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribution: Option<f32>,
    /// How it was said, where that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<Voice>,
    /// The words, in order.
    pub words: Vec<Word>,
}

/// How a turn was said, from the moments in which its speaker is heard alone. Loudness depends on the
/// microphone and its place: compare it only with other turns of the same speaker and session.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Voice {
    /// Mean power while the speaker talks, in dBFS.
    pub loudness_dbfs: f64,
    /// Median pitch in hertz; none where none was clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pitch_hz: Option<f64>,
    /// Words a minute while the speaker talks, pauses left out; none in a turn of less than three
    /// words or one second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words_per_minute: Option<f64>,
}

/// Where a speaker is heard and says no word: laughing, crying, humming, or words that were not made
/// out. The sound does not say which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Wordless {
    /// The [`Speaker::id`].
    pub speaker: String,
    /// Start, in seconds.
    pub start: f64,
    /// End, in seconds.
    pub end: f64,
}

/// A turn's attribution under which it is shown that the speaker is unsure.
pub const UNSURE: f32 = 0.5;

impl Turn {
    /// Whether the sound leaves it open that it was the other who spoke ([`UNSURE`]).
    #[must_use]
    pub fn unsure(&self) -> bool {
        self.attribution.is_some_and(|share| share < UNSURE)
    }

    /// The turn's words joined by spaces, suspect words left out.
    #[must_use]
    pub fn text(&self) -> String {
        let said: Vec<&str> = self
            .words
            .iter()
            .filter(|word| !word.suspect)
            .map(|word| word.text.as_str())
            .collect();
        said.join(" ")
    }
}

/// A silence between turns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pause {
    /// Start, in seconds.
    pub start: f64,
    /// End, in seconds.
    pub end: f64,
    /// Who spoke last before it.
    pub after: String,
    /// Who spoke first after it.
    pub before: String,
}

/// A stretch of session time with no recorded sound, or a moment at which some may be missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// Start, in seconds.
    pub start: f64,
    /// Length in seconds; 0 where nobody knows how much is missing, if anything is.
    pub duration: f64,
    /// Why, in a few words, such as `off the record` or `lost`.
    pub reason: String,
}

/// A moment that the therapist marked while recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bookmark {
    /// When, in seconds.
    pub at: f64,
    /// What the therapist noted, one line, where they noted something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Where one speaker talks, from the sound alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Activity {
    /// The [`Speaker::id`].
    pub speaker: String,
    /// In order, not touching.
    pub spans: Vec<Span>,
}
