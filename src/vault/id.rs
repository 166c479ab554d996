//! A session's name: a ULID, which sorts by time and says nothing about the client.
//!
//! Refuses everything but 26 characters of Crockford's base 32 that fit 128 bits.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;

use crate::{Error, Kind, Result};

/// Which session. Orders by the time it was begun. Shown in upper case, read in either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Ulid);

impl SessionId {
    /// An id for a session begun `now`, from the low 80 bits of `random`.
    ///
    /// Times before 1970 count as 1970.
    #[must_use]
    pub fn new(now: Timestamp, random: u128) -> Self {
        let milliseconds = u64::try_from(now.as_millisecond()).unwrap_or(0);
        SessionId(Ulid::from_parts(milliseconds, random))
    }

    /// When the session was begun, to the millisecond.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        i64::try_from(self.0.timestamp_ms())
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
            .unwrap_or(Timestamp::MAX)
    }

    /// Reads a folder's name: only the canonical, upper-case form counts.
    pub(super) fn from_folder(name: &str) -> Option<Self> {
        let id: SessionId = name.parse().ok()?;
        (id.to_string() == name).then_some(id)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&Ulid::to_string(&self.0))
    }
}

impl FromStr for SessionId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ulid::from_string(text)
            .ok()
            // A first character above 7 does not fit 128 bits; the crate lets it wrap around.
            .filter(|id| Ulid::to_string(id).eq_ignore_ascii_case(text))
            .map(SessionId)
            .ok_or_else(|| {
                Error::new(Kind::Usage, "That is not the id of a session.")
                    .hint("undertone sessions")
            })
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_keeps_its_time_and_sorts_by_it() {
        let early = SessionId::new("2026-01-02T03:04:05.678Z".parse().unwrap(), u128::MAX);
        let late = SessionId::new("2026-01-02T03:04:05.679Z".parse().unwrap(), 0);
        assert!(early < late);
        assert!(early.to_string() < late.to_string());
        assert_eq!(early.time().to_string(), "2026-01-02T03:04:05.678Z");
    }

    #[test]
    fn an_id_that_does_not_fit_128_bits_is_refused() {
        assert!("7ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<SessionId>().is_ok());
        assert!("8ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<SessionId>().is_err());
        assert!("".parse::<SessionId>().is_err());
        assert!("../../../../../../etc/pass".parse::<SessionId>().is_err());
        assert!("0123456789ABCDEFGHJKMNPQRL".parse::<SessionId>().is_err());
    }

    #[test]
    fn only_the_canonical_form_is_a_folder() {
        assert!(SessionId::from_folder("01D39ZY06FGSCTVN4T2V9PKHFZ").is_some());
        assert!(SessionId::from_folder("01d39zy06fgsctvn4t2v9pkhfz").is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_shown_reads_back(bits in any::<u128>()) {
            let id = SessionId(Ulid(bits));
            prop_assert_eq!(id.to_string().parse::<SessionId>().unwrap(), id);
            prop_assert_eq!(id.to_string().to_lowercase().parse::<SessionId>().unwrap(), id);
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<SessionId>(&json).unwrap(), id);
            let _ = id.time();
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let _ = text.parse::<SessionId>();
        }
    }
}
