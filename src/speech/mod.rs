//! From two channels of sound to words with times, a channel each.
//!
//! Touches no disk but the model file, and no keys. Each channel is transcribed on its own, so
//! that overlap survives; a channel's words that are only the other voice leaking in are removed
//! by comparing energies, never by comparing text.

mod arrival;
mod drafts;
mod engine;
mod features;
mod languages;
mod live;
mod pitch;
mod plan;
mod said;
pub(crate) mod sentence;
mod separation;
mod silero;
pub(crate) mod spans;
mod suspect;
#[cfg(test)]
mod testing;
mod transcribe;
mod twins;
mod voice;
mod voiced;
#[cfg_attr(feature = "whispercpp", allow(dead_code))]
mod whisper;
#[cfg(feature = "whispercpp")]
mod whispercpp;
mod windows;

pub use engine::{BEAM, Decoding, ENGINE_NAME, Engine, Worker};
pub use languages::knows_language;
pub use live::{Live, Utterance};
pub use transcribe::{Heard, Opener, Progress, threads, transcribe, vocabulary};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A stretch of session time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// Start, in seconds of session time.
    pub start: f64,
    /// End, in seconds of session time; not before `start`.
    pub end: f64,
}

/// A word as it was recognised on one channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Word {
    /// The word with its punctuation, no surrounding space.
    pub text: String,
    /// Start, in seconds of session time.
    pub start: f64,
    /// End, in seconds of session time.
    pub end: f64,
    /// Whisper's own probability of the word: the mean over its tokens, 0 to 1.
    pub probability: f32,
    /// True where the word may be an invention of the model rather than something said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspect: bool,
}

/// How a word was said, from the moments in which its speaker is heard alone.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct WordVoice {
    /// Length of those moments, in seconds.
    pub seconds: f64,
    /// Mean power, in dBFS; none if there was no such moment.
    pub loudness_dbfs: Option<f32>,
    /// Median pitch, in hertz; none if none was clear.
    pub pitch_hz: Option<f32>,
}

/// What was heard on one channel.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ChannelSpeech {
    /// Words in time order; starts never go back.
    pub words: Vec<Word>,
    /// By word: the share of the time around it in which the channel held its own speaker's voice,
    /// 0 to 1. Empty where it was not measured.
    pub own: Vec<f32>,
    /// By word: how it was said. Empty where it was not measured.
    pub voices: Vec<WordVoice>,
    /// Where this channel's own speaker was heard, with a pitch, and said no word; in order.
    pub wordless: Vec<Span>,
    /// Where this channel's own speaker was talking, from the sound alone; in order, not touching.
    pub activity: Vec<Span>,
}

/// How well the two microphones hold their own speaker apart from the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Separation {
    /// One entry a channel, in channel order.
    pub channels: Vec<ChannelSeparation>,
    /// Energy margin in dB by which a channel had to exceed the other's leak to own a word.
    pub margin_db: f64,
    /// Words that were recognised on a channel and left out because the other voice caused them.
    pub leaked_words: u32,
    /// By how many milliseconds the second channel's clock is late, where the two were not recorded
    /// by one device: the most that it was in the session. Times are not corrected by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<f64>,
}

/// The figures of one channel. Levels in dBFS (0 is full scale), differences in dB.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChannelSeparation {
    /// Channel, counted from 1.
    pub channel: u8,
    /// Level of the own speaker while talking alone; none if they never did.
    pub own_dbfs: Option<f64>,
    /// The other speaker at this microphone against the same speech at their own microphone; above 0
    /// where the gain of this one is so much higher.
    pub bleed_db: Option<f64>,
    /// The same where it was worst: people move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_bleed_db: Option<f64>,
    /// Level when nobody speaks.
    pub noise_dbfs: Option<f64>,
}
