//! The facts as they are stored and handed on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::transcript::Role;

/// What can be counted and timed in a session. Times are session time in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Facts {
    /// Length of the session, in seconds.
    pub session_seconds: f64,
    /// Length of the session without what was not recorded, in seconds.
    pub recorded_seconds: f64,
    /// Seconds of recorded time in which nobody talks.
    pub nobody_seconds: f64,
    /// One entry a speaker, in channel order.
    pub speakers: Vec<SpeakerFacts>,
    /// How soon each speaker answers, one entry a direction.
    pub responses: Vec<Responses>,
    /// Silences between talk.
    pub silences: Silences,
    /// Where both talk at once.
    pub overlaps: Overlaps,
    /// The session in stretches of five minutes (longer ones in very long sessions); the last one
    /// may be shorter.
    pub over_time: Vec<Stretch>,
    /// How loud, high and fast each speaker talks, one entry a speaker whose turns were measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub voices: Vec<VoiceFacts>,
    /// What these facts say nothing about, in words.
    pub not_listened_for: Vec<String>,
}

/// One speaker's facts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpeakerFacts {
    /// The speaker's id in the transcript.
    pub speaker: String,
    /// Their channel, counted from 1.
    pub channel: u8,
    /// Their part.
    pub role: Role,
    /// Seconds of talk, from the sound.
    pub talk_seconds: f64,
    /// Their part of all talk, 0 to 1; none where nobody talks.
    pub talk_share: Option<f64>,
    /// Turns that take the floor; backchannels are counted apart.
    pub turns: u64,
    /// Mean length of those turns, in seconds.
    pub turn_mean_seconds: Option<f64>,
    /// Median length of those turns, in seconds.
    pub turn_median_seconds: Option<f64>,
    /// Length of the longest of those turns, in seconds.
    pub turn_longest_seconds: Option<f64>,
    /// Words, those of backchannels included, suspect ones not.
    pub words: u64,
    /// Words that may not have been said, and count nowhere else.
    pub suspect_words: u64,
    /// Words a minute of talk; none where there is hardly any talk.
    pub words_per_minute: Option<f64>,
    /// Questions, by question mark and (in English) invitations such as "tell me more".
    pub questions: u64,
    /// Questions worded so as to invite more than a fact; none where the language is not English.
    pub open_questions: Option<u64>,
    /// All other questions; none where the language is not English.
    pub closed_questions: Option<u64>,
    /// Short answers inside the other's turn ("mm-hm").
    pub backchannels: u64,
    /// Feeling words; none where their language is not known. Counted words, not emotions.
    #[serde(default)]
    pub feelings: Option<FeelingWords>,
}

/// Feeling words of a speaker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FeelingWords {
    /// By family, each family listed.
    pub families: Vec<FeelingFamily>,
    /// Feeling words of all families for 100 words; none where no word was said.
    pub per_100_words: Option<f64>,
    /// Words with a valence of 1 or more in VADER's lexicon, negated ones left out.
    pub positive_words: u64,
    /// Words with a valence of -1 or less in VADER's lexicon, negated ones left out.
    pub negative_words: u64,
    /// Words of either sort behind a negation ("not happy").
    pub negated_words: u64,
}

/// Feeling words of one family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FeelingFamily {
    /// Its name: anger, fear, hope, hurt, relief, sadness or shame.
    pub family: String,
    /// How many words, negated ones left out.
    pub words: u64,
    /// How many behind a negation ("not angry").
    pub negated: u64,
}

/// How soon one speaker answers another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Responses {
    /// Id of the speaker who is answered.
    pub after: String,
    /// Id of the speaker who answers.
    pub by: String,
    /// Answers that begin after the other has stopped.
    pub count: u64,
    /// Their median latency, in seconds.
    pub median_seconds: Option<f64>,
    /// Answers that begin while the other still talks.
    pub overlapping_count: u64,
    /// Their median latency, in seconds: negative.
    pub overlapping_median_seconds: Option<f64>,
}

/// Silences between talk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Silences {
    /// Shortest silence that counts, in seconds.
    pub at_least_seconds: f64,
    /// How many there are.
    pub count: u64,
    /// Seconds in all of them together.
    pub seconds: f64,
    /// Length of the longest, in seconds.
    pub longest_seconds: Option<f64>,
    /// By who spoke before and who spoke after; every pair of speakers is listed.
    pub by: Vec<SilencesBy>,
    /// Each silence, in order.
    pub list: Vec<Silence>,
}

/// Silences after one speaker that were broken by one speaker, who may be the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SilencesBy {
    /// Id of who spoke last before them.
    pub after: String,
    /// Id of who spoke first after them.
    pub broken_by: String,
    /// How many there are.
    pub count: u64,
    /// Seconds in all of them together.
    pub seconds: f64,
}

/// One silence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Silence {
    /// Start, in seconds of session time.
    pub start_seconds: f64,
    /// End, in seconds of session time.
    pub end_seconds: f64,
    /// Id of who spoke last before it.
    pub after: String,
    /// Id of who spoke first after it.
    pub broken_by: String,
}

/// How one speaker talks. Loudness depends on the microphone: compare it within a session only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VoiceFacts {
    /// The speaker's id in the transcript.
    pub speaker: String,
    /// Turns that were measured.
    pub turns: u64,
    /// Median loudness of their turns, in dBFS.
    pub loudness_dbfs: f64,
    /// Median pitch of their turns, in hertz.
    pub pitch_hz: Option<f64>,
    /// Median rate of speaking within their turns, pauses left out, in words a minute.
    pub words_per_minute: Option<f64>,
    /// Turns that are apart from these medians, in order; none is told with under eight turns.
    pub apart: Vec<VoiceApart>,
}

/// A turn that is apart from its speaker's median. What is not apart is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VoiceApart {
    /// The turn's number in the transcript.
    pub turn: u32,
    /// Its start, in seconds of session time.
    pub start_seconds: f64,
    /// Louder (above 0) or quieter by 6 dB or more.
    pub loudness_db: Option<f64>,
    /// Higher (above 0) or lower by 3 semitones or more.
    pub pitch_semitones: Option<f64>,
    /// Their rate in this turn against their median: 1.5 or more, or two thirds or less.
    pub pace_ratio: Option<f64>,
}

/// Where speakers talk at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Overlaps {
    /// How many stretches there are.
    pub count: u64,
    /// Seconds in all of them together.
    pub seconds: f64,
    /// By who came in while the other talked, one entry a speaker. Where both began at the same
    /// moment nobody came in.
    pub came_in: Vec<CameIn>,
}

/// Overlaps in which one speaker came in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CameIn {
    /// Id of the speaker who came in.
    pub speaker: String,
    /// How often.
    pub count: u64,
    /// How often of these the other fell silent first: an interruption, whatever it was for.
    #[serde(default)]
    pub took_floor: u64,
    /// Seconds of talking at once in all of them together.
    pub seconds: f64,
}

/// A stretch of the session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stretch {
    /// Start, in seconds of session time.
    pub start_seconds: f64,
    /// End, in seconds of session time.
    pub end_seconds: f64,
    /// Seconds of recorded time in which nobody talks.
    pub nobody_seconds: f64,
    /// Seconds in which speakers talk at once.
    pub overlap_seconds: f64,
    /// One entry a speaker, in channel order.
    pub speakers: Vec<SpeakerStretch>,
}

/// One speaker in a stretch of the session. Turns and questions belong to the stretch in which
/// their turn begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpeakerStretch {
    /// The speaker's id in the transcript.
    pub speaker: String,
    /// Seconds of talk, from the sound.
    pub talk_seconds: f64,
    /// Turns that take the floor and begin here.
    pub turns: u64,
    /// Words that begin here, suspect ones left out.
    pub words: u64,
    /// Questions in turns that begin here.
    pub questions: u64,
    /// Median loudness of the turns that begin here, in dBFS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loudness_dbfs: Option<f64>,
    /// Median pitch of the turns that begin here, in hertz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pitch_hz: Option<f64>,
    /// Feeling words in turns that begin here, negated ones too; none where their language is not
    /// known.
    #[serde(default)]
    pub feeling_words: Option<u64>,
}
