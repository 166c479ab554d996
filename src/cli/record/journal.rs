//! Bookmarks and pauses of a running recording, sealed at every change.
//!
//! Small, whole files, each put in place of the one before: a recording that is killed has all of
//! them but the one of this very moment. A disk that refuses one never ends the recording.

use crate::Result;
use crate::cli::moments::MOMENTS;
use crate::transcript::Moments;
use crate::vault::NewSession;

/// Keeps a session's moments on the disk.
pub struct Journal<'a> {
    session: &'a NewSession,
    moments: Moments,
    /// Whether the disk refused what it holds.
    unwritten: bool,
}

impl<'a> Journal<'a> {
    /// With nothing in it yet; nothing is written before there is something.
    #[must_use]
    pub fn new(session: &'a NewSession) -> Journal<'a> {
        Journal {
            session,
            moments: Moments::default(),
            unwritten: false,
        }
    }

    /// What it holds.
    #[must_use]
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// Whether the disk has not taken yet what it holds.
    #[must_use]
    pub fn unwritten(&self) -> bool {
        self.unwritten
    }

    /// Takes in where the recording was off the record so far, and marks with their words; true if
    /// that was news, which is then durable.
    ///
    /// # Errors
    /// [`crate::Kind::Disk`]: it is kept in memory, and written as soon as the disk takes it.
    pub fn follow<'t>(
        &mut self,
        off_record: &[(f64, Option<f64>)],
        marks: impl Iterator<Item = (f64, Option<&'t str>)>,
    ) -> Result<bool> {
        let before = self.moments.clone();
        for (index, (start, end)) in off_record.iter().enumerate() {
            if index >= self.moments.off_record.len() {
                self.moments.pause(*start);
            }
            if let (true, Some(end)) = (index + 1 == self.moments.off_record.len(), end) {
                self.moments.resume(*end);
            }
        }
        for (at, text) in marks {
            self.moments.bookmark(at, text);
        }
        let news = self.moments != before;
        if news || self.unwritten {
            self.unwritten = true;
            self.session.put(MOMENTS, &self.moments.json()?)?;
            self.unwritten = false;
        }
        Ok(news)
    }
}
