//! What is wrong with either of two devices that are joined, each watched for itself. Pure: what
//! both are like a moment goes in, what is new comes out.
//!
//! It refuses to tell of drift: that is resampled away, and shown, not warned of.

use std::time::Duration;

use super::live::{CHANGED, Notice, OVERRUN};
use super::watchdog::{Place, Seen, Trouble, Watchdog};
use crate::audio::capture::{Complaint, Part};

/// Watches two devices.
#[derive(Debug)]
pub struct Parts {
    dogs: [Watchdog; 2],
    /// Whose absence was told and not yet its return.
    told: [bool; 2],
    renewed: [u64; 2],
    complaints: [u64; 2],
    /// Since when a channel is silent, while the device is not there.
    away: [Option<Duration>; 2],
}

/// Something new about one of two devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Which: 0 therapist, 1 client.
    pub whose: usize,
    /// What is to be told, if anything.
    pub notice: Option<Notice>,
    /// What is to be marked in the session, if anything.
    pub mark: Option<&'static str>,
}

impl Parts {
    /// A device that gives nothing for `patience` has stalled.
    #[must_use]
    pub fn new(patience: Duration) -> Parts {
        Parts {
            dogs: [Watchdog::new(patience), Watchdog::new(patience)],
            told: [false; 2],
            renewed: [0; 2],
            complaints: [0; 2],
            away: [None; 2],
        }
    }

    /// Takes in what both are like, `awake` after the start; returns what is new.
    pub fn look(&mut self, parts: &[Part; 2], awake: Duration) -> Vec<News> {
        let mut news = Vec::new();
        for whose in [0, 1] {
            let mut tell = |notice: Option<Notice>, mark: Option<&'static str>| {
                news.push(News {
                    whose,
                    notice,
                    mark,
                });
            };
            let part = &parts[whose];
            if part.renewed != self.renewed[whose] {
                self.renewed[whose] = part.renewed;
                self.complaints[whose] = part.complaints.0;
                self.dogs[whose].renewed();
            }
            self.complained(whose, part, &mut tell);
            let seen = Seen {
                awake,
                passed: awake,
                given: part.given,
                quiet: part.quiet,
                place: match &part.moved_to {
                    None => Place::Unknown,
                    Some(None) => Place::Same,
                    Some(Some(name)) => Place::Moved(name.clone()),
                },
                ..Seen::default()
            };
            for trouble in self.dogs[whose].look(&seen) {
                match trouble {
                    Trouble::Stalled if self.told[whose] => {}
                    Trouble::Stalled => {
                        self.told[whose] = true;
                        tell(Some(Notice::Trouble(trouble)), None);
                    }
                    // Told when its sound is in its place again.
                    Trouble::Back | Trouble::Drift(_) => {}
                    Trouble::Moved(_) => {
                        tell(Some(Notice::Trouble(trouble)), Some(CHANGED));
                    }
                    trouble => tell(Some(Notice::Trouble(trouble)), None),
                }
            }
            match (self.away[whose], part.away) {
                (None, true) => self.away[whose] = Some(awake),
                (Some(since), false) => {
                    self.away[whose] = None;
                    let told = std::mem::take(&mut self.told[whose]);
                    let after = awake.saturating_sub(since);
                    tell(told.then_some(Notice::Returned(after)), None);
                }
                _ => {}
            }
        }
        news
    }

    fn complained(
        &mut self,
        whose: usize,
        part: &Part,
        tell: &mut impl FnMut(Option<Notice>, Option<&'static str>),
    ) {
        let (count, last) = part.complaints;
        let known = std::mem::replace(&mut self.complaints[whose], count);
        let gone = part.gone || (count != known && last == Some(Complaint::Gone));
        if gone && !self.told[whose] {
            self.told[whose] = true;
            tell(Some(Notice::Gone), None);
        } else if count != known {
            match last {
                Some(Complaint::Changed) => tell(Some(Notice::Changed), Some(CHANGED)),
                Some(Complaint::Overrun) => {
                    let first = known == 0;
                    tell(first.then_some(Notice::Overrun), Some(OVERRUN));
                }
                _ => {}
            }
        }
    }
}

/// Both clocks and what is left of their distance, in at most 64 columns.
#[must_use]
pub fn in_words(parts: &[Part; 2]) -> String {
    let drift = |part: &Part| match part.drift_ppm {
        _ if part.away => "gone".to_owned(),
        Some(ppm) => format!("{ppm:+.0} ppm"),
        None => "not known yet".to_owned(),
    };
    let left = (parts[0].misplaced - parts[1].misplaced).abs() * 1000.0;
    let offset = (parts[1].offset - parts[0].offset) * 1000.0;
    format!(
        "{}, {}; offset {offset:.0} ms, {left:.1} ms left",
        drift(&parts[0]),
        drift(&parts[1])
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well(second: u64) -> Part {
        Part {
            given: second as f64,
            quiet: Duration::from_millis(20),
            moved_to: Some(None),
            ..Part::default()
        }
    }

    fn told(parts: &mut Parts, both: [Part; 2], second: u64) -> Vec<(usize, Notice)> {
        let news = parts.look(&both, Duration::from_secs(second));
        news.into_iter()
            .filter_map(|news| Some((news.whose, news.notice?)))
            .collect()
    }

    #[test]
    fn one_device_that_is_pulled_out_and_put_back_is_told_of_and_the_other_is_not() {
        let mut parts = Parts::new(Duration::from_millis(1_500));
        for second in 1..10 {
            assert_eq!(told(&mut parts, [well(second), well(second)], second), []);
        }
        let mut lost = well(10);
        lost.complaints = (1, Some(Complaint::Gone));
        lost.quiet = Duration::from_secs(1);
        assert_eq!(
            told(&mut parts, [well(11), lost.clone()], 11),
            [(1, Notice::Gone)]
        );
        (lost.away, lost.gone) = (true, true);
        for second in 12..20 {
            lost.quiet = Duration::from_secs(second - 10);
            assert_eq!(told(&mut parts, [well(second), lost.clone()], second), []);
        }
        let mut back = well(0);
        back.renewed = 1;
        assert_eq!(
            told(&mut parts, [well(20), back], 20),
            [(1, Notice::Returned(Duration::from_secs(8)))]
        );
        let mut stopped = well(1);
        (stopped.renewed, stopped.quiet) = (1, Duration::from_secs(2));
        assert_eq!(
            told(&mut parts, [well(22), stopped], 22),
            [(1, Notice::Trouble(Trouble::Stalled))]
        );
    }

    #[test]
    fn a_device_that_stalls_and_goes_on_is_told_both_times() {
        let mut parts = Parts::new(Duration::from_millis(1_500));
        let mut late = well(5);
        late.quiet = Duration::from_secs(2);
        late.away = true;
        assert_eq!(
            told(&mut parts, [late.clone(), well(7)], 7),
            [(0, Notice::Trouble(Trouble::Stalled))]
        );
        // It gives again, and has no place yet.
        late.quiet = Duration::from_millis(20);
        assert_eq!(told(&mut parts, [late, well(9)], 9), []);
        assert_eq!(
            told(&mut parts, [well(10), well(10)], 10),
            [(0, Notice::Returned(Duration::from_secs(3)))]
        );
    }

    #[test]
    fn a_device_that_was_moved_is_named_with_its_person() {
        let mut parts = Parts::new(Duration::from_millis(1_500));
        let mut moved = well(6);
        moved.moved_to = Some(Some("Webcam".to_owned()));
        let trouble = Trouble::Moved("Webcam".to_owned());
        assert_eq!(told(&mut parts, [well(5), well(5)], 5), []);
        assert_eq!(
            told(&mut parts, [moved, well(6)], 6),
            [(0, Notice::Trouble(trouble))]
        );
    }

    #[test]
    fn both_clocks_are_told_in_few_words() {
        let [mut a, mut b] = [well(20), well(20)];
        (a.drift_ppm, a.offset, a.misplaced) = (Some(12.4), -0.8, 0.000_2);
        (b.drift_ppm, b.offset) = (Some(-180.2), -0.3);
        assert_eq!(
            in_words(&[a.clone(), b.clone()]),
            "+12 ppm, -180 ppm; offset 500 ms, 0.2 ms left"
        );
        (a.drift_ppm, b.drift_ppm, a.offset) = (None, None, -12_345.0);
        assert!(in_words(&[a, b]).len() <= 64);
    }

    #[test]
    fn clocks_that_run_apart_are_no_trouble() {
        let mut parts = Parts::new(Duration::from_millis(1_500));
        for second in 1..3_600_u64 {
            let mut fast = well(second);
            fast.given *= 1.001;
            assert_eq!(told(&mut parts, [fast, well(second)], second), []);
        }
    }
}
