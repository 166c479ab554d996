//! `vault.toml`: the format's version, who can open new sessions, how long sessions are to be
//! kept, and where the identity is. No secrets.
//!
//! Refuses what it does not know: a misspelt key would otherwise be a rule silently not followed.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys;
use crate::{Error, Kind, Result};

/// The only format there is.
pub(super) const FORMAT: &str = "undertone-vault/1";
/// Largest `vault.toml`, in bytes.
pub(super) const LIMIT: u64 = 64 * 1024;
/// Most recipients of a vault: what fits an age header that we read.
pub(super) const MAX_RECIPIENTS: usize = 64;

/// What `vault.toml` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) format: String,
    pub(super) created: Timestamp,
    /// Where the sealed identity is: relative to the vault, or absolute.
    #[serde(default = "identity_here")]
    pub(super) identity: PathBuf,
    #[serde(default)]
    pub(super) retention: Retention,
    pub(super) recipients: Vec<Recipient>,
}

/// How long sessions are to be kept. Nothing is deleted by itself: see [`super::Vault::due`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Days after its beginning that a session is due for deletion; none: kept until deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_days: Option<u32>,
}

/// Somebody who can open the sessions of a vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// The public key, `age1…`.
    pub key: String,
    /// What it is for.
    pub kind: RecipientKind,
}

/// What a recipient is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipientKind {
    /// The vault's own identity, under the passphrase.
    Vault,
    /// The printed recovery identity.
    Recovery,
    /// Somebody else who was named.
    Other,
}

fn identity_here() -> PathBuf {
    PathBuf::from("identity.age")
}

impl Settings {
    /// Reads and checks the text of a `vault.toml`.
    ///
    /// # Errors
    /// [`Kind::Vault`] for another version, an unknown key, or a recipient that is none.
    pub(super) fn parse(text: &[u8]) -> Result<Self> {
        let unusable = |why: &str| {
            Error::new(
                Kind::Vault,
                format!("The vault's settings (vault.toml) {why}."),
            )
            .hint("Restore vault.toml from a backup. Sessions are not affected.")
        };
        let text = std::str::from_utf8(text).map_err(|_| unusable("are not text"))?;
        let any: toml::Table = toml::from_str(text)
            .map_err(|e| unusable(&format!("cannot be read{}", line(text, &e))))?;
        match any.get("format").and_then(toml::Value::as_str) {
            Some(FORMAT) => {}
            Some(other) if other.starts_with("undertone-vault/") => {
                return Err(
                    unusable("are of a version that this undertone does not know")
                        .hint("Use the undertone that made this vault, or a newer one."),
                );
            }
            _ => return Err(unusable("do not say that this is a vault")),
        }
        let settings: Settings = toml::from_str(text).map_err(|e| {
            unusable(&format!(
                "hold something unknown or miss something{}",
                line(text, &e)
            ))
        })?;
        if settings.recipients.is_empty() {
            return Err(unusable("name nobody who could open a session"));
        }
        if settings.recipients.len() > MAX_RECIPIENTS {
            return Err(unusable("name too many recipients"));
        }
        for (i, one) in settings.recipients.iter().enumerate() {
            if keys::recipient(&one.key).is_err() {
                return Err(unusable(&format!(
                    "have a wrong key as recipient {}",
                    i + 1
                )));
            }
        }
        Ok(settings)
    }

    /// The text of the file.
    pub(super) fn text(&self) -> Result<String> {
        let body = toml::to_string(self)
            .map_err(|_| Error::new(Kind::Internal, "The vault's settings cannot be written."))?;
        Ok(format!(
            "# An undertone vault. Nothing in this file is secret. New sessions can be opened by\n\
             # the recipients below, each alone; older ones by those of their time.\n{body}"
        ))
    }
}

/// Where a toml error is, without toml's excerpt of the file.
fn line(text: &str, error: &toml::de::Error) -> String {
    error
        .span()
        .and_then(|span| text.get(..span.start))
        .map(|before| format!(" (line {})", before.matches('\n').count() + 1))
        .unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settings() -> Settings {
        let key = age::x25519::Identity::generate().to_public().to_string();
        Settings {
            format: FORMAT.into(),
            created: "2026-01-02T03:04:05Z".parse().unwrap(),
            identity: identity_here(),
            retention: Retention {
                keep_days: Some(30),
            },
            recipients: vec![Recipient {
                key,
                kind: RecipientKind::Vault,
            }],
        }
    }

    #[test]
    fn settings_read_back_as_written() {
        let text = settings().text().unwrap();
        let mut read = Settings::parse(text.as_bytes()).unwrap();
        read.recipients[0].key = settings().recipients[0].key.clone();
        let mut written = settings();
        written.recipients[0]
            .key
            .clone_from(&read.recipients[0].key);
        assert_eq!(read, written);
    }

    #[test]
    fn settings_that_are_not_understood_are_refused_with_the_line() {
        let good = settings().text().unwrap();
        let cases = [
            (String::new(), "vault"),
            (
                good.replace("undertone-vault/1", "undertone-vault/2"),
                "version",
            ),
            (good.replace("keep_days", "keep_dais"), "line"),
            (good.replace("age1", "age2"), "recipient 1"),
            (good.replace("[[recipients]]", "[[recipient"), "line"),
        ];
        for (text, word) in cases {
            let error = Settings::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), Kind::Vault);
            assert!(error.sentence().contains(word), "{error}");
            assert!(!error.hints().is_empty());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]a-z=\"\n0-9.]{0,200}") {
            let _ = Settings::parse(text.as_bytes());
        }
    }
}
