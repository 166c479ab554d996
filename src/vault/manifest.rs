//! A session's manifest, schema `undertone-session/1`: what belongs to it and how it came about.
//!
//! It is sealed like everything else: titles and client codes are nowhere in the open. Refuses a
//! manifest that names another session, so that swapped folders are noticed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::consent::Consent;
use super::{SessionId, names};
use crate::{Error, Kind, Result};

/// The schema's name as written in every manifest.
pub const SCHEMA: &str = "undertone-session/1";

/// Largest manifest, in bytes.
pub(super) const LIMIT: u64 = 4 * 1024 * 1024;

/// What a session is and what belongs to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always `undertone-session/1`.
    pub schema: String,
    /// Which session this is.
    pub id: SessionId,
    /// When the recording, or the import, was begun.
    pub created: Timestamp,
    /// Whether the session was ended. What a session that is being recorded knows is sealed as
    /// the same schema, with `false` here.
    pub finished: bool,
    /// How the audio came here.
    pub origin: Origin,
    /// The therapist's title for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The therapist's code for the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_code: Option<String>,
    /// Length in seconds, where it is known: not of a recovered session until it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// Stored samples a second, in hertz.
    pub sample_rate: u32,
    /// Who is on which channel.
    pub channels: Vec<ChannelInfo>,
    /// Where nothing was recorded.
    #[serde(default)]
    pub gaps: Vec<GapInfo>,
    /// The clocks of two devices that were recorded from; empty of one device.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clocks: Vec<ClockInfo>,
    /// Every sealed file of the session but the manifest, by name without `.age`.
    #[serde(default)]
    pub files: BTreeMap<String, FileInfo>,
    /// What the client agreed to, where it was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Consent>,
    /// The program and version that made the session, such as `undertone 0.1.0`.
    pub tool: String,
    /// The speech model of its transcript.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelInfo>,
}

/// How a session's audio came into the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Recorded here.
    Recorded,
    /// From a sound file.
    Imported,
    /// What was left of a recording or import that was interrupted.
    Recovered,
}

/// The part of the person on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The one who gives therapy.
    Therapist,
    /// The one who receives it.
    Client,
}

/// One channel of the audio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelInfo {
    /// Its number, from 0.
    pub channel: u16,
    /// Who it belongs to.
    pub role: Role,
    /// The device it came from, by its plain name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// A stretch of session time where nothing was recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GapInfo {
    /// Where it starts, in seconds of session time.
    pub start_s: f64,
    /// How long it is, in seconds.
    pub duration_s: f64,
    /// Why: `overflow`, `paused`, `device-lost`, and so on.
    pub reason: String,
}

/// How the clock of one of two devices went. All of it was taken away in the recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClockInfo {
    /// The channel that the device became, from 0.
    pub channel: u16,
    /// The device, by its plain name.
    pub device: String,
    /// By how much it ran faster than the computer's clock, in parts in a million; less than zero
    /// if slower, none if it ran for less than ten seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_ppm: Option<f64>,
    /// When its sound began, in milliseconds against the computer's clock.
    pub offset_ms: f64,
    /// By how much its channel was misplaced at the end, in milliseconds, as far as was known.
    pub misplaced_ms: f64,
}

/// A sealed file as it should be on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Size of `NAME.age` in bytes.
    pub bytes: u64,
    /// SHA-256 of `NAME.age`, in hexadecimal.
    pub sha256: String,
}

/// A speech model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Its name, such as `base`.
    pub name: String,
    /// SHA-256 of the model file, in hexadecimal.
    pub sha256: String,
}

/// What is known when a session is begun. It is sealed at once, so that a session that is
/// interrupted still knows who was on which channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Beginning {
    /// Now.
    pub created: Timestamp,
    /// Recorded or imported.
    pub origin: Origin,
    /// The therapist's title for it.
    pub title: Option<String>,
    /// The therapist's code for the client.
    pub client_code: Option<String>,
    /// Stored samples a second, in hertz.
    pub sample_rate: u32,
    /// Who is on which channel.
    pub channels: Vec<ChannelInfo>,
    /// What the client agreed to, where it was noted.
    pub consent: Option<Consent>,
    /// The program and version, such as `undertone 0.1.0`.
    pub tool: String,
}

impl Beginning {
    /// The manifest of a session that has only been begun.
    #[must_use]
    pub fn manifest(&self, id: SessionId) -> Manifest {
        Manifest {
            schema: SCHEMA.to_owned(),
            id,
            created: self.created,
            finished: false,
            origin: self.origin,
            title: self.title.clone(),
            client_code: self.client_code.clone(),
            duration_s: None,
            sample_rate: self.sample_rate,
            channels: self.channels.clone(),
            gaps: Vec::new(),
            clocks: Vec::new(),
            files: BTreeMap::new(),
            consent: self.consent.clone(),
            tool: self.tool.clone(),
            model: None,
        }
    }
}

impl Manifest {
    /// When the sound may be kept no longer; none where the client set no limit.
    #[must_use]
    pub fn audio_until(&self) -> Option<Timestamp> {
        self.consent.as_ref()?.audio_until(self.created)
    }

    /// Reads and checks the manifest of session `id`.
    ///
    /// # Errors
    /// [`Kind::Damaged`] when it is none, of another schema, or of another session.
    pub(super) fn parse(json: &[u8], id: SessionId) -> Result<Self> {
        let wrong = |why: &str| {
            Error::new(
                Kind::Damaged,
                format!("The manifest of session {id} {why}."),
            )
            .hint("undertone sessions")
        };
        let manifest: Manifest =
            serde_json::from_slice(json).map_err(|_| wrong("cannot be read"))?;
        if manifest.schema != SCHEMA {
            return Err(wrong("is of a version that this undertone does not know"));
        }
        if manifest.id != id {
            return Err(wrong(
                "belongs to another session: folders were swapped or copied",
            ));
        }
        if manifest
            .files
            .keys()
            .any(|name| names::check_free(name).is_err())
        {
            return Err(wrong("names a file that a session cannot hold"));
        }
        let finite = |s: f64| s.is_finite() && s >= 0.0;
        let times = manifest
            .duration_s
            .into_iter()
            .chain(manifest.gaps.iter().flat_map(|g| [g.start_s, g.duration_s]));
        if manifest.channels.len() > 32 || !times.into_iter().all(finite) {
            return Err(wrong("holds what cannot be"));
        }
        Ok(manifest)
    }

    /// The sealed file's content.
    pub(super) fn json(&self) -> Result<zeroize::Zeroizing<Vec<u8>>> {
        serde_json::to_vec_pretty(self)
            .map(zeroize::Zeroizing::new)
            .map_err(|_| Error::new(Kind::Internal, "A session's manifest cannot be written."))
    }
}
