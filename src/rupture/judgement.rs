//! The therapist's judgement of findings: what stands beside an analysis and outlives it.
//!
//! A judgement is of words at a place: it is found again, after a new analysis, by where the
//! quote begins and by the kind that was judged.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Analysis;
use super::data::{Marker, MarkerKind};
use crate::transcript::{Role, Transcript, named};
use crate::{Error, Kind, Result};

/// The schema's name as written in every file of judgements.
pub const JUDGEMENTS_SCHEMA: &str = "undertone-judgements/1";

/// How far (in seconds) the beginning of a quote may move between two analyses.
const SAME_PLACE: f64 = 1.0;

/// Longest note, in characters.
pub const LONGEST_NOTE: usize = 4000;

/// Most judgements of one session.
const MOST: usize = 10_000;

/// Where turns have numbers.
const NUMBERED: &str = "undertone show SESSION --numbers   (numbers the turns)";

/// What the therapist says of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is what it says.
    Agree,
    /// There is no strain here.
    Disagree,
    /// There is, of another kind.
    Recode,
    /// Nothing found it; the therapist adds it.
    Add,
}

/// One judgement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// When it was made.
    pub at: Timestamp,
    /// What the therapist says.
    pub verdict: Verdict,
    /// The kind the analysis named; none for one added by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<MarkerKind>,
    /// The kind that holds by this judgement.
    pub kind: MarkerKind,
    /// Id of the client's turn, when it was judged.
    pub turn: u32,
    /// Start of the quote, in seconds of session time.
    pub start: f64,
    /// The words that were judged.
    pub quote: String,
    /// The therapist's note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Judgement {
    /// Whether it is of this finding, or of the same words in another analysis.
    fn is_on(&self, marker: &Marker) -> bool {
        self.was == Some(marker.kind) && near(self.start, marker.start)
    }
}

/// All judgements of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judgements {
    /// Always `undertone-judgements/1`.
    pub schema: String,
    /// In the order made; a later one of the same words stands in place of an earlier one.
    pub judgements: Vec<Judgement>,
}

impl Default for Judgements {
    fn default() -> Self {
        Judgements {
            schema: JUDGEMENTS_SCHEMA.into(),
            judgements: Vec::new(),
        }
    }
}

/// How often the therapist agreed. Counts of judgements, of whatever was judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Agreement {
    /// Findings agreed with.
    pub agreed: u64,
    /// Findings disagreed with.
    pub disagreed: u64,
    /// Findings given another kind.
    pub recoded: u64,
    /// Added by hand.
    pub added: u64,
}

impl std::ops::AddAssign for Agreement {
    fn add_assign(&mut self, other: Agreement) {
        self.agreed += other.agreed;
        self.disagreed += other.disagreed;
        self.recoded += other.recoded;
        self.added += other.added;
    }
}

impl Judgements {
    /// Reads what was written.
    ///
    /// # Errors
    /// [`Kind::Damaged`] if it is of another schema, or nothing of the sort.
    pub fn parse(bytes: &[u8]) -> Result<Judgements> {
        let read: Option<Judgements> = serde_json::from_slice(bytes).ok();
        read.filter(|read| read.schema == JUDGEMENTS_SCHEMA && read.judgements.len() <= MOST)
            .ok_or_else(|| {
                Error::new(
                    Kind::Damaged,
                    "The judgements of this session cannot be read. They were left as they are.",
                )
            })
    }

    /// Judges a finding of the analysis; `kind` is what it is called now, where it is recoded.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no finding of this number; [`Kind::Usage`] if a kind is
    /// missing or too much, or the note is too long.
    pub fn judge(
        &mut self,
        analysis: &Analysis,
        number: u32,
        verdict: Verdict,
        kind: Option<MarkerKind>,
        note: Option<String>,
        now: Timestamp,
    ) -> Result<()> {
        let marker = finding(analysis, number)?;
        let kind = match (verdict, kind) {
            (Verdict::Recode, Some(kind)) if kind == marker.kind => {
                return Err(usage("It is of this kind already."));
            }
            (Verdict::Recode, Some(kind)) => kind,
            (Verdict::Agree | Verdict::Disagree, None) => marker.kind,
            (Verdict::Recode, None) => return Err(usage("Another kind is needed.")),
            _ => return Err(usage("This judgement takes no kind.")),
        };
        self.enter(Judgement {
            at: now,
            verdict,
            was: Some(marker.kind),
            kind,
            turn: marker.turn,
            start: marker.start,
            quote: marker.quote.clone(),
            note,
        })
    }

    /// Adds what nothing found: a turn of the client, by its number.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such turn; [`Kind::Usage`] if the client does not speak in it, or the note is too long.
    pub fn add(
        &mut self,
        transcript: &Transcript,
        turn: u32,
        kind: MarkerKind,
        note: Option<String>,
        now: Timestamp,
    ) -> Result<()> {
        let turn = transcript
            .turns
            .iter()
            .find(|known| known.id == turn)
            .ok_or_else(|| {
                Error::new(
                    Kind::NotFound,
                    format!("There is no turn of number {turn}."),
                )
                .hint(NUMBERED)
            })?;
        let mut speakers = transcript.speakers.iter();
        let speaker = speakers.find(|speaker| speaker.id == turn.speaker);
        if speaker.is_none_or(|speaker| speaker.role != Role::Client) {
            return Err(Error::new(
                Kind::Usage,
                format!("Turn {} is not the client's.", turn.id),
            )
            .hint(NUMBERED));
        }
        self.enter(Judgement {
            at: now,
            verdict: Verdict::Add,
            was: None,
            kind,
            turn: turn.id,
            start: turn.start,
            quote: turn.text(),
            note,
        })
    }

    /// Takes back the judgement of a finding of the analysis, with its note.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no finding of this number, or none was judged.
    pub fn undo(&mut self, analysis: &Analysis, number: u32) -> Result<()> {
        let marker = finding(analysis, number)?;
        self.take_back(|own| own.is_on(marker))
    }

    /// Takes back what was added by hand to a turn.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if nothing of this kind was.
    pub fn undo_added(&mut self, turn: u32, kind: MarkerKind) -> Result<()> {
        self.take_back(|own| own.verdict == Verdict::Add && (own.turn, own.kind) == (turn, kind))
    }

    fn take_back(&mut self, these: impl Fn(&Judgement) -> bool) -> Result<()> {
        let before = self.judgements.len();
        self.judgements.retain(|own| !these(own));
        if self.judgements.len() == before {
            let error = Error::new(Kind::NotFound, "There is no such judgement to take back.");
            return Err(error.hint("undertone analyze SESSION   (shows them)"));
        }
        Ok(())
    }

    fn enter(&mut self, mut new: Judgement) -> Result<()> {
        let long = |note: &String| note.chars().count() > LONGEST_NOTE;
        if new.note.as_ref().is_some_and(long) {
            return Err(usage("The note is too long."));
        }
        let same = |old: &Judgement| {
            old.was == new.was
                && near(old.start, new.start)
                && (old.was.is_some() || old.kind == new.kind)
        };
        let all = std::mem::take(&mut self.judgements).into_iter();
        let (earlier, others): (Vec<Judgement>, Vec<Judgement>) = all.partition(same);
        self.judgements = others;
        // Another word on it does not throw the note away.
        let note = || earlier.into_iter().rev().find_map(|old| old.note);
        new.note = new.note.or_else(note);
        if self.judgements.len() >= MOST {
            return Err(usage("This session has too many judgements already."));
        }
        self.judgements.push(new);
        Ok(())
    }

    /// The judgement of a finding, of this analysis or of an earlier one.
    #[must_use]
    pub fn on(&self, marker: &Marker) -> Option<&Judgement> {
        self.judgements.iter().rev().find(|one| one.is_on(marker))
    }

    /// What was added by hand, in the order made.
    pub fn added(&self) -> impl Iterator<Item = &Judgement> {
        self.judgements
            .iter()
            .filter(|one| one.verdict == Verdict::Add)
    }

    /// How often the therapist agreed in this session.
    #[must_use]
    pub fn agreement(&self) -> Agreement {
        let count = |verdict| {
            self.judgements
                .iter()
                .filter(|one| one.verdict == verdict)
                .count() as u64
        };
        Agreement {
            agreed: count(Verdict::Agree),
            disagreed: count(Verdict::Disagree),
            recoded: count(Verdict::Recode),
            added: count(Verdict::Add),
        }
    }
}

fn finding(analysis: &Analysis, number: u32) -> Result<&Marker> {
    let mut markers = analysis.markers();
    markers
        .find(|marker| marker.finding == number)
        .ok_or_else(|| {
            Error::new(
                Kind::NotFound,
                format!("The analysis has no finding of number {number}."),
            )
            .hint("undertone analyze SESSION   (numbers them)")
        })
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= SAME_PLACE
}

fn usage(sentence: &str) -> Error {
    Error::new(Kind::Usage, sentence).hint("undertone judge --help")
}

/// The JSON Schema (draft 2020-12) of [`Judgements`], for other tools.
#[must_use]
pub fn judgements_schema() -> serde_json::Value {
    named(schemars::schema_for!(Judgements), JUDGEMENTS_SCHEMA)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::transcript::testing::sample;

    fn now() -> Timestamp {
        "2026-11-02T15:12:00Z".parse().unwrap()
    }

    fn analysis() -> Analysis {
        Analysis::of(&sample(), None, now(), "test")
    }

    #[test]
    fn a_judgement_is_found_again_after_a_new_analysis() {
        let mut own = Judgements::default();
        own.judge(
            &analysis(),
            1,
            Verdict::Agree,
            None,
            Some("yes".into()),
            now(),
        )
        .unwrap();
        let read = Judgements::parse(&serde_json::to_vec(&own).unwrap()).unwrap();
        let mut again = analysis();
        let marker = &mut again.episodes[0].marker;
        marker.start += 0.4;
        marker.finding = 7;
        assert_eq!(read.on(marker).unwrap().note.as_deref(), Some("yes"));
        marker.kind = MarkerKind::TopicShift;
        assert!(read.on(marker).is_none());
    }

    #[test]
    fn a_later_judgement_stands_in_place_of_an_earlier_one() {
        let mut own = Judgements::default();
        let analysis = analysis();
        own.judge(&analysis, 1, Verdict::Agree, None, None, now())
            .unwrap();
        own.judge(
            &analysis,
            1,
            Verdict::Recode,
            Some(MarkerKind::Pressure),
            None,
            now(),
        )
        .unwrap();
        own.add(&sample(), 2, MarkerKind::Deference, None, now())
            .unwrap();
        let expected = Agreement {
            recoded: 1,
            added: 1,
            ..Agreement::default()
        };
        assert_eq!(own.agreement(), expected);
        assert_eq!(own.added().count(), 1);
    }

    #[test]
    fn what_was_said_of_a_finding_or_added_can_be_taken_back() {
        let (mut own, analysis) = (Judgements::default(), analysis());
        let agree = |own: &mut Judgements, note: Option<&str>| {
            let note = note.map(str::to_owned);
            own.judge(&analysis, 1, Verdict::Agree, None, note, now())
        };
        agree(&mut own, Some("yes")).unwrap();
        agree(&mut own, None).unwrap();
        let kept = own.judgements[0].note.as_deref();
        assert_eq!((own.judgements.len(), kept), (1, Some("yes")));
        own.add(&sample(), 2, MarkerKind::Deference, None, now())
            .unwrap();
        own.undo(&analysis, 1).unwrap();
        assert_eq!(own.agreement().added, 1);
        assert!(own.undo(&analysis, 1).is_err());
        assert!(own.undo_added(2, MarkerKind::Pressure).is_err());
        own.undo_added(2, MarkerKind::Deference).unwrap();
        assert!(own.judgements.is_empty());
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let mut own = Judgements::default();
        let analysis = analysis();
        assert!(
            own.judge(&analysis, 99, Verdict::Agree, None, None, now())
                .is_err()
        );
        assert!(
            own.judge(&analysis, 1, Verdict::Recode, None, None, now())
                .is_err()
        );
        assert!(
            own.add(&sample(), 99, MarkerKind::Deference, None, now())
                .is_err()
        );
        let long = Some("x".repeat(LONGEST_NOTE + 1));
        assert!(
            own.judge(&analysis, 1, Verdict::Agree, None, long, now())
                .is_err()
        );
        assert!(Judgements::parse(b"{}").is_err());
        assert!(own.judgements.is_empty());
    }
}
