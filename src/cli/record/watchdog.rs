//! What is wrong with a recording, from what was observed of it. Pure: a [`Seen`] a moment in, what
//! is new out; the levels of both channels are judged by [`super::judge`].
//!
//! Refuses to repeat itself: a trouble is told when it begins and again only after it was mended.

use std::time::Duration;

/// Less room than this on the disk is told.
pub const DISK_LOW: Duration = Duration::from_secs(10 * 60);
/// When nobody has spoken for this long, the recording may have been forgotten.
pub const UNSPOKEN: Duration = Duration::from_secs(15 * 60);
/// When the session was off the record for this long, going on may have been forgotten.
pub const STILL_OFF: Duration = Duration::from_secs(10 * 60);
/// This long before the set length the end is told.
const NEARLY_OVER: Duration = Duration::from_secs(5 * 60);
/// The device's clock may be off by this much, in seconds, before it is told: an hour at 270 parts
/// in a million, which a bad crystal is.
const DRIFT: f64 = 1.0;
/// It must be off for so long: a sound server that was held up catches up again.
const DRIFT_LASTS: Duration = Duration::from_millis(1_500);
/// Before this much was recorded no clock is compared: devices begin with a burst.
const SETTLED: Duration = Duration::from_secs(5);
/// A sleep of the machine shorter than this is none.
const ASLEEP: Duration = Duration::from_secs(1);

/// Where the sound comes from, as the sound server says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Place {
    /// The server cannot be asked.
    #[default]
    Unknown,
    /// From where it came at the start.
    Same,
    /// From another device, of this name.
    Moved(String),
}

/// What was observed at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Seen {
    /// Time since the start that the machine was awake (`CLOCK_MONOTONIC`).
    pub awake: Duration,
    /// Time since the start, sleep included (`CLOCK_BOOTTIME`).
    pub passed: Duration,
    /// Seconds of sound that the device has given, lost ones included.
    pub given: f64,
    /// How long ago the device last called.
    pub quiet: Duration,
    /// Where the sound comes from.
    pub place: Place,
    /// How long the disk will last.
    pub left: Option<Duration>,
    /// How long ago somebody spoke.
    pub unspoken: Duration,
    /// For how long the session has been off the record, if it is.
    pub off: Option<Duration>,
    /// How much of the set length is left.
    pub to_go: Option<Duration>,
}

/// Something to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The device has given nothing for a while.
    Stalled,
    /// Sound comes again.
    Back,
    /// The sound comes from another device now.
    Moved(String),
    /// It comes from the right device again.
    MovedBack,
    /// The device's clock and the computer's are this many thousandths of a second apart.
    Drift(i64),
    /// The machine slept for so many seconds.
    Slept(u64),
    /// The disk will be full in so many minutes.
    DiskLow(u64),
    /// Nobody has spoken for so many minutes.
    Unspoken(u64),
    /// The session has been off the record for so many minutes.
    StillOff(u64),
    /// The set length is over in so many minutes.
    NearlyOver(u64),
}

/// Watches.
#[derive(Debug)]
pub struct Watchdog {
    /// After this much quiet the device has stalled.
    patience: Duration,
    stalled: bool,
    place: Place,
    /// Seconds by which sound was behind the clock when it was last all right.
    behind: Option<f64>,
    drifted: bool,
    /// Since when the clock is off.
    adrift: Option<Duration>,
    slept: Duration,
    disk_low: bool,
    unspoken: bool,
    still_off: bool,
    nearly_over: bool,
}

impl Watchdog {
    /// A device that gives nothing for `patience` has stalled.
    #[must_use]
    pub fn new(patience: Duration) -> Watchdog {
        Watchdog {
            patience,
            stalled: false,
            place: Place::Unknown,
            behind: None,
            drifted: false,
            adrift: None,
            slept: Duration::ZERO,
            disk_low: false,
            unspoken: false,
            still_off: false,
            nearly_over: false,
        }
    }

    /// Whether nothing comes from the device.
    #[must_use]
    pub fn stalled(&self) -> bool {
        self.stalled
    }

    /// The device was opened anew: what was lost meanwhile is no drift, and is told already.
    pub fn renewed(&mut self) {
        self.stalled = false;
        self.behind = None;
    }

    /// Takes in what is seen now; returns what is newly to be told.
    pub fn look(&mut self, seen: &Seen) -> Vec<Trouble> {
        let mut news = Vec::new();
        self.sleep(seen, &mut news);
        self.calls(seen, &mut news);
        self.source(seen, &mut news);
        self.clocks(seen, &mut news);
        let once = |told: &mut bool, is: bool, trouble: Trouble, news: &mut Vec<Trouble>| {
            if is && !*told {
                news.push(trouble);
            }
            *told = is;
        };
        let minutes = |time: Duration| time.as_secs() / 60;
        let left = seen.left.unwrap_or(Duration::MAX);
        // Mended only with some room to spare: at the edge it would be told again and again.
        let low = left < DISK_LOW || (self.disk_low && left < DISK_LOW + DISK_LOW / 2);
        once(
            &mut self.disk_low,
            low,
            Trouble::DiskLow(minutes(left)),
            &mut news,
        );
        let alone = seen.unspoken >= UNSPOKEN && seen.off.is_none();
        let trouble = Trouble::Unspoken(minutes(seen.unspoken));
        once(&mut self.unspoken, alone, trouble, &mut news);
        let off = seen.off.unwrap_or_default();
        let trouble = Trouble::StillOff(minutes(off));
        once(&mut self.still_off, off >= STILL_OFF, trouble, &mut news);
        let to_go = seen.to_go.unwrap_or(Duration::MAX);
        let over = to_go <= NEARLY_OVER;
        let trouble = Trouble::NearlyOver(to_go.as_secs().div_ceil(60));
        once(&mut self.nearly_over, over, trouble, &mut news);
        news
    }

    fn sleep(&mut self, seen: &Seen, news: &mut Vec<Trouble>) {
        let slept = seen.passed.saturating_sub(seen.awake);
        if let Some(more) = slept.checked_sub(self.slept).filter(|more| *more >= ASLEEP) {
            self.slept = slept;
            self.behind = None;
            news.push(Trouble::Slept(more.as_secs()));
        }
    }

    fn calls(&mut self, seen: &Seen, news: &mut Vec<Trouble>) {
        let stalled = seen.quiet >= self.patience;
        match (self.stalled, stalled) {
            (false, true) => news.push(Trouble::Stalled),
            (true, false) => {
                // What was lost meanwhile is no drift of the clock.
                self.behind = None;
                news.push(Trouble::Back);
            }
            _ => {}
        }
        self.stalled = stalled;
    }

    fn source(&mut self, seen: &Seen, news: &mut Vec<Trouble>) {
        match (&self.place, &seen.place) {
            // A server that does not answer for a moment has moved nothing.
            (_, Place::Unknown) => return,
            (before, now) if before == now => return,
            (_, Place::Moved(name)) => news.push(Trouble::Moved(name.clone())),
            (Place::Moved(_), Place::Same) => news.push(Trouble::MovedBack),
            _ => {}
        }
        self.place = seen.place.clone();
    }

    fn clocks(&mut self, seen: &Seen, news: &mut Vec<Trouble>) {
        if seen.awake < SETTLED || self.stalled {
            return;
        }
        // Sound that is still on its way is not missing.
        let behind = (seen.awake.saturating_sub(seen.quiet)).as_secs_f64() - seen.given;
        let drift = behind - *self.behind.get_or_insert(behind);
        if drift.abs() < DRIFT {
            self.drifted = false;
            self.adrift = None;
            return;
        }
        let since = *self.adrift.get_or_insert(seen.awake);
        if !self.drifted && seen.awake.saturating_sub(since) >= DRIFT_LASTS {
            self.drifted = true;
            news.push(Trouble::Drift((drift * 1000.0).round() as i64));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: f64) -> Seen {
        let time = Duration::from_secs_f64(seconds);
        Seen {
            awake: time,
            passed: time,
            given: seconds,
            left: Some(Duration::from_secs(7_200)),
            ..Seen::default()
        }
    }

    fn watchdog() -> Watchdog {
        Watchdog::new(Duration::from_millis(1_500))
    }

    /// An hour in which nothing is wrong, every half second.
    #[test]
    fn an_hour_in_which_nothing_is_wrong_is_told_nothing_of() {
        let mut dog = watchdog();
        for half in 0..7_200_u32 {
            let mut seen = at(f64::from(half) / 2.0);
            seen.quiet = Duration::from_millis(u64::from(20 * (half % 3)));
            // 150 parts in a million: half a second an hour.
            seen.given *= 1.000_15;
            seen.place = Place::Same;
            assert_eq!(dog.look(&seen), [], "at {half}");
        }
    }

    #[test]
    fn a_device_that_stops_calling_is_told_within_two_seconds_and_once() {
        let mut dog = watchdog();
        dog.look(&at(10.0));
        let mut told = Vec::new();
        for half in 1..20_u32 {
            let mut seen = at(10.0 + f64::from(half) / 2.0);
            seen.quiet = Duration::from_millis(500) * half;
            seen.given = 10.0;
            for trouble in dog.look(&seen) {
                told.push((half, trouble));
            }
        }
        assert_eq!(told, [(3, Trouble::Stalled)]);
        let mut seen = at(20.0);
        seen.given = 10.0;
        assert_eq!(dog.look(&seen), [Trouble::Back], "and not as a drift");
        seen = at(30.0);
        seen.given = 20.0;
        assert_eq!(dog.look(&seen), []);
    }

    #[test]
    fn a_move_to_another_source_is_told_with_its_name_and_so_is_the_way_back() {
        let mut dog = watchdog();
        let mut look = |second: f64, place: Place| {
            let mut seen = at(second);
            seen.place = place;
            dog.look(&seen)
        };
        let other = || Place::Moved("Webcam".to_owned());
        assert_eq!(look(1.0, Place::Same), []);
        assert_eq!(look(2.0, other()), [Trouble::Moved("Webcam".to_owned())]);
        assert_eq!(look(3.0, Place::Unknown), []);
        assert_eq!(look(4.0, other()), []);
        assert_eq!(look(5.0, Place::Same), [Trouble::MovedBack]);
    }

    #[test]
    fn a_server_that_is_late_for_a_moment_is_no_drift() {
        let mut dog = watchdog();
        for tenth in 0..600_u32 {
            let mut seen = at(f64::from(tenth) / 10.0);
            // It hands on nothing for 1.2 s and then all at once.
            if (300..312).contains(&tenth) {
                seen.given = 30.0;
            }
            assert_eq!(dog.look(&seen), [], "at {tenth}");
        }
    }

    #[test]
    fn a_clock_that_runs_away_is_told_by_how_much() {
        let mut dog = watchdog();
        let mut told = Vec::new();
        for second in 0..4_000 {
            let mut seen = at(f64::from(second));
            seen.given = f64::from(second) * 0.999_7;
            told.extend(dog.look(&seen));
        }
        assert!(
            matches!(told[..], [Trouble::Drift(1_000..=1_001)]),
            "{told:?}"
        );
    }

    #[test]
    fn a_sleep_is_told_by_its_length_and_is_no_drift() {
        let mut dog = watchdog();
        for second in 0..10 {
            dog.look(&at(f64::from(second)));
        }
        let mut seen = at(10.0);
        seen.passed = Duration::from_secs(70);
        seen.given = 8.0;
        assert_eq!(dog.look(&seen), [Trouble::Slept(60)]);
        assert_eq!(dog.look(&seen), []);
    }

    #[test]
    fn a_full_disk_a_silent_room_and_the_set_length_are_told_in_minutes_and_once() {
        let mut dog = watchdog();
        let mut seen = at(3_600.0);
        seen.left = Some(Duration::from_secs(599));
        assert_eq!(dog.look(&seen), [Trouble::DiskLow(9)]);
        seen.left = Some(Duration::from_secs(610));
        assert_eq!(dog.look(&seen), []);
        seen.left = Some(Duration::from_secs(599));
        assert_eq!(dog.look(&seen), [], "it was never mended");
        seen.unspoken = UNSPOKEN;
        assert_eq!(dog.look(&seen), [Trouble::Unspoken(15)]);
        seen.unspoken = UNSPOKEN * 2;
        assert_eq!(dog.look(&seen), []);
        seen.to_go = Some(Duration::from_secs(290));
        assert_eq!(dog.look(&seen), [Trouble::NearlyOver(5)]);
        let mut dog = watchdog();
        seen.off = Some(Duration::from_secs(599));
        seen.left = None;
        seen.to_go = None;
        assert_eq!(
            dog.look(&seen),
            [],
            "off the record nobody is expected to speak"
        );
        seen.off = Some(STILL_OFF);
        assert_eq!(dog.look(&seen), [Trouble::StillOff(10)]);
        assert_eq!(dog.look(&seen), []);
    }

    proptest! {
        #[test]
        fn whatever_is_seen_nothing_breaks(
            looks in prop::collection::vec((0u64..1 << 40, 0u64..1 << 40, any::<f64>(), 0u64..1 << 40), 0..50),
        ) {
            let mut dog = watchdog();
            for (awake, passed, given, quiet) in looks {
                let milli = Duration::from_millis;
                dog.look(&Seen {
                    awake: milli(awake),
                    passed: milli(passed),
                    given,
                    quiet: milli(quiet),
                    unspoken: milli(quiet),
                    left: Some(milli(awake)),
                    ..Seen::default()
                });
            }
        }
    }
}
