//! What happens beside the sound while a session is recorded: moments that the therapist marks,
//! and stretches that are off the record. Schema `undertone-moments/1`.
//!
//! All times are session time in seconds. It is written anew at every change, so that a recording
//! that is killed still knows them; a stretch without an end was off the record to the end.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Bookmark, Gap};
use crate::{Error, Kind, Result};

/// The schema's name as written in every file.
pub const SCHEMA: &str = "undertone-moments/1";

/// Why nothing was recorded while off the record.
pub const OFF_RECORD: &str = "off the record";

/// Most moments of a kind in a session.
const MOST: usize = 10_000;

/// Longest text of a bookmark, in characters.
pub const LONGEST_TEXT: usize = 200;

/// The moments of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// Always `undertone-moments/1`.
    pub schema: String,
    /// What was marked, in order.
    #[serde(default)]
    pub bookmarks: Vec<Bookmark>,
    /// What is off the record, in order.
    #[serde(default)]
    pub off_record: Vec<OffRecord>,
}

/// A stretch that is off the record.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OffRecord {
    /// Where it begins, in seconds.
    pub start: f64,
    /// Where it ends, in seconds; none while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<f64>,
}

impl Default for Moments {
    fn default() -> Self {
        Moments {
            schema: SCHEMA.to_owned(),
            bookmarks: Vec::new(),
            off_record: Vec::new(),
        }
    }
}

impl Moments {
    /// Reads what [`Moments::json`] wrote.
    ///
    /// # Errors
    /// [`Kind::Damaged`] when it is something else, of another version, or holds what cannot be.
    pub fn parse(json: &[u8]) -> Result<Self> {
        let wrong = || {
            Error::new(
                Kind::Damaged,
                "The bookmarks and pauses of this session cannot be read. Its sound is not \
                 touched by this.",
            )
        };
        let read: Moments = serde_json::from_slice(json).map_err(|_| wrong())?;
        let times = read.bookmarks.iter().map(|bookmark| bookmark.at).chain(
            read.off_record
                .iter()
                .flat_map(|off| [off.start, off.end.unwrap_or(off.start)]),
        );
        let possible = times.into_iter().all(|at| at.is_finite() && at >= 0.0);
        let few = read.bookmarks.len() <= MOST && read.off_record.len() <= MOST;
        if read.schema != SCHEMA || !possible || !few {
            return Err(wrong());
        }
        Ok(read)
    }

    /// As it is sealed.
    ///
    /// # Errors
    /// [`Kind::Internal`] if it cannot be written.
    pub fn json(&self) -> Result<Zeroizing<Vec<u8>>> {
        serde_json::to_vec(self)
            .map(Zeroizing::new)
            .map_err(|_| Error::new(Kind::Internal, "Bookmarks and pauses cannot be written."))
    }

    /// Marks a moment; one that is marked already gets this text.
    pub fn bookmark(&mut self, at: f64, text: Option<&str>) {
        let text = text
            .map(|text| text.trim().chars().take(LONGEST_TEXT).collect::<String>())
            .filter(|text| !text.is_empty());
        if let Some(there) = self.bookmarks.iter_mut().find(|there| there.at == at) {
            if text.is_some() {
                there.text = text;
            }
        } else if self.bookmarks.len() < MOST && at.is_finite() && at >= 0.0 {
            self.bookmarks.push(Bookmark { at, text });
        }
    }

    /// Goes off the record at a moment.
    pub fn pause(&mut self, start: f64) {
        if self.paused() || self.off_record.len() >= MOST {
            return;
        }
        self.off_record.push(OffRecord { start, end: None });
    }

    /// Goes back on the record at a moment.
    pub fn resume(&mut self, end: f64) {
        if let Some(last) = self.off_record.last_mut() {
            last.end.get_or_insert(end.max(last.start));
        }
    }

    /// Whether the session is off the record now.
    #[must_use]
    pub fn paused(&self) -> bool {
        self.off_record
            .last()
            .is_some_and(|last| last.end.is_none())
    }

    /// What is off the record in a session of this length, as gaps.
    #[must_use]
    pub fn gaps(&self, duration: f64) -> Vec<Gap> {
        self.off_record
            .iter()
            .map(|off| {
                let end = off.end.unwrap_or(duration).min(duration);
                Gap {
                    start: off.start,
                    duration: (end - off.start).max(0.0),
                    reason: OFF_RECORD.to_owned(),
                }
            })
            .filter(|gap| gap.duration > 0.0)
            .collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pauses_become_gaps_and_one_without_an_end_lasts_to_the_end() {
        let mut moments = Moments::default();
        moments.pause(10.0);
        moments.pause(11.0);
        assert!(moments.paused());
        moments.resume(15.5);
        moments.resume(16.0);
        moments.pause(40.0);
        let gaps: Vec<(f64, f64)> = moments
            .gaps(60.0)
            .iter()
            .map(|gap| (gap.start, gap.duration))
            .collect();
        assert_eq!(gaps, [(10.0, 5.5), (40.0, 20.0)]);
        // A killed recording that ends before the pause that it noted.
        assert_eq!(moments.gaps(12.0).len(), 1);
        assert_eq!(moments.gaps(12.0)[0].duration, 2.0);
    }

    #[test]
    fn a_bookmark_gets_its_text_later_and_keeps_it() {
        let mut moments = Moments::default();
        moments.bookmark(3.0, None);
        moments.bookmark(3.0, Some(" the mother \n"));
        moments.bookmark(3.0, Some("  "));
        moments.bookmark(f64::NAN, None);
        assert_eq!(moments.bookmarks.len(), 1);
        assert_eq!(moments.bookmarks[0].text.as_deref(), Some("the mother"));
        let long = "x".repeat(1_000);
        moments.bookmark(4.0, Some(&long));
        let kept = moments.bookmarks[1].text.as_deref().unwrap();
        assert_eq!(kept.len(), LONGEST_TEXT);
        let back = Moments::parse(&moments.json().unwrap()).unwrap();
        assert_eq!(back, moments);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Moments::parse(&bytes);
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for json in [
            "{}",
            r#"{"schema":"undertone-moments/2"}"#,
            r#"{"schema":"undertone-moments/1","bookmarks":[{"at":-1.0}]}"#,
            r#"{"schema":"undertone-moments/1","off_record":[{"start":1.0,"end":-2.0}]}"#,
        ] {
            assert_eq!(
                Moments::parse(json.as_bytes()).unwrap_err().kind(),
                Kind::Damaged
            );
        }
    }
}
