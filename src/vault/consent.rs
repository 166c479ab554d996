//! What the client agreed to, kept sealed in the session's manifest, and what that allows.
//!
//! Refuses to guess: a purpose that was not agreed is not allowed, and consent that was taken back
//! allows nothing. A session without any note of consent was simply not asked about it; whether
//! that is enough is for the therapist, so it allows everything and is told.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Error, Kind, Result};

/// How consent was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// The client signed something.
    Written,
    /// The client said so.
    Verbal,
}

/// What a client can agree to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Being recorded.
    Recording,
    /// Having what was said written down.
    Transcription,
    /// Having the transcript looked at for facts and passages of strain.
    Analysis,
    /// The session leaving the vault, for supervision or anybody else.
    Supervision,
}

impl Purpose {
    /// Every purpose, in the order in which they are asked about.
    pub const ALL: [Purpose; 4] = [
        Purpose::Recording,
        Purpose::Transcription,
        Purpose::Analysis,
        Purpose::Supervision,
    ];

    /// As typed and as written in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Recording => "recording",
            Purpose::Transcription => "transcription",
            Purpose::Analysis => "analysis",
            Purpose::Supervision => "supervision",
        }
    }

    /// As the end of "The client did not agree …".
    fn in_words(self) -> &'static str {
        match self {
            Purpose::Recording => "to being recorded",
            Purpose::Transcription => "to the session being written down",
            Purpose::Analysis => "to the session being analysed",
            Purpose::Supervision => "to the session being handed on",
        }
    }
}

/// What the client agreed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Written or verbal.
    pub basis: Basis,
    /// When it was noted first.
    pub given: Timestamp,
    /// When it was last changed, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Timestamp>,
    /// When it was taken back, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Timestamp>,
    /// What was agreed.
    pub agreed: Vec<Purpose>,
    /// Days from the recording for which the sound may be kept; no limit was agreed without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_days: Option<u32>,
}

impl Consent {
    /// Whether this purpose was agreed and not taken back.
    #[must_use]
    pub fn covers(&self, purpose: Purpose) -> bool {
        self.revoked.is_none() && self.agreed.contains(&purpose)
    }

    /// When the sound of a session begun at `recorded` may be kept no longer; none without a
    /// limit.
    #[must_use]
    pub fn audio_until(&self, recorded: Timestamp) -> Option<Timestamp> {
        let days = i64::from(self.keep_days?);
        recorded
            .checked_add(SignedDuration::from_hours(24 * days))
            .ok()
    }
}

/// Whether a session may be used for `purpose`; `session` is how the person names it in a command.
///
/// # Errors
/// [`Kind::Consent`], with the commands that follow from it.
pub fn allow(consent: Option<&Consent>, purpose: Purpose, session: &str) -> Result<()> {
    let Some(consent) = consent else {
        return Ok(());
    };
    if let Some(revoked) = consent.revoked {
        return Err(Error::new(
            Kind::Consent,
            format!(
                "The client took back their consent on {}, so nothing was done.",
                revoked.strftime("%Y-%m-%d")
            ),
        )
        .hint(format!("undertone delete {session}"))
        .hint(format!("undertone consent {session}")));
    }
    if consent.agreed.contains(&purpose) {
        return Ok(());
    }
    let list: Vec<&str> = Purpose::ALL
        .into_iter()
        .filter(|p| *p == purpose || consent.agreed.contains(p))
        .map(Purpose::name)
        .collect();
    Err(Error::new(
        Kind::Consent,
        format!(
            "The client did not agree {}, so nothing was done.",
            purpose.in_words()
        ),
    )
    .hint(format!("undertone consent {session}"))
    .hint(format!(
        "If they do now: undertone consent {session} --agreed {}",
        list.join(",")
    )))
}

/// As [`allow`], for what uses the sound itself: also not after the time agreed for keeping it.
///
/// # Errors
/// As [`allow`].
pub fn allow_audio(
    consent: Option<&Consent>,
    purpose: Purpose,
    session: &str,
    recorded: Timestamp,
    now: Timestamp,
) -> Result<()> {
    allow(consent, purpose, session)?;
    let until = consent.and_then(|consent| consent.audio_until(recorded));
    match until {
        Some(until) if now >= until => Err(Error::new(
            Kind::Consent,
            format!(
                "The client agreed that the sound is kept until {} and no longer, so nothing was \
                 done.",
                until.strftime("%Y-%m-%d")
            ),
        )
        .hint(format!("undertone delete {session}"))
        .hint(format!(
            "If they agreed to longer: undertone consent {session} --keep-days DAYS"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn consent(agreed: &[Purpose]) -> Consent {
        Consent {
            basis: Basis::Written,
            given: at("2026-03-04T09:00:00Z"),
            changed: None,
            revoked: None,
            agreed: agreed.to_vec(),
            keep_days: None,
        }
    }

    #[test]
    fn what_was_not_agreed_is_refused_with_the_command_that_would_change_it() {
        let some = consent(&[Purpose::Recording, Purpose::Transcription]);
        for purpose in Purpose::ALL {
            let asked = allow(Some(&some), purpose, "01ABC");
            assert_eq!(asked.is_ok(), some.agreed.contains(&purpose));
            assert_eq!(some.covers(purpose), some.agreed.contains(&purpose));
        }
        let error = allow(Some(&some), Purpose::Supervision, "01ABC").unwrap_err();
        assert_eq!(error.kind(), Kind::Consent);
        assert_eq!(
            error.hints()[1],
            "If they do now: undertone consent 01ABC --agreed recording,transcription,supervision"
        );
        assert!(allow(None, Purpose::Supervision, "01ABC").is_ok());
    }

    #[test]
    fn consent_that_was_taken_back_allows_nothing() {
        let mut all = consent(&Purpose::ALL);
        all.revoked = Some(at("2026-03-05T00:00:00Z"));
        for purpose in Purpose::ALL {
            let error = allow(Some(&all), purpose, "last").unwrap_err();
            assert!(error.sentence().contains("2026-03-05"));
            assert_eq!(error.hints()[0], "undertone delete last");
            assert!(!all.covers(purpose));
        }
    }

    #[test]
    fn the_sound_is_not_used_past_its_time_and_the_words_are() {
        let mut all = consent(&Purpose::ALL);
        all.keep_days = Some(30);
        let begun = at("2026-03-04T09:00:00Z");
        let ask = |now: &str| {
            let purpose = Purpose::Transcription;
            allow_audio(Some(&all), purpose, "last", begun, at(now))
        };
        assert!(ask("2026-04-03T08:59:59Z").is_ok());
        assert_eq!(
            ask("2026-04-03T09:00:00Z").unwrap_err().kind(),
            Kind::Consent
        );
        assert!(allow(Some(&all), Purpose::Analysis, "last").is_ok());
        // No limit, and one that no calendar holds, are none.
        all.keep_days = None;
        assert_eq!(all.audio_until(begun), None);
        all.keep_days = Some(u32::MAX);
        assert_eq!(all.audio_until(begun), None);
    }

    #[test]
    fn it_reads_back_from_what_is_written() {
        let some = consent(&[Purpose::Recording]);
        let json = serde_json::to_string(&some).unwrap();
        assert_eq!(serde_json::from_str::<Consent>(&json).unwrap(), some);
        assert!(json.contains("\"basis\":\"written\"") && json.contains("[\"recording\"]"));
    }
}
