//! Off the record, and on it again: which frames are kept.
//!
//! It refuses to keep what it cannot be sure of: sound that was on its way meanwhile is left out, and a pause that began and
//! ended while nothing could be read (a disk or a device that hung) is one all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The key by which the person goes off the record, and on it again. No press is lost, however late it is looked at.
#[derive(Debug, Clone, Default)]
pub struct Switch(Arc<AtomicU32>);

impl Switch {
    /// Off the record, or on it again.
    pub fn press(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether the session is to be off the record.
    #[must_use]
    pub fn off(&self) -> bool {
        is_off(self.presses())
    }

    fn presses(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

fn is_off(presses: u32) -> bool {
    presses % 2 == 1
}

/// A turn between on and off the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Off the record from here on.
    Off,
    /// On it again.
    On,
}

/// Where a session is off the record.
#[derive(Debug)]
pub struct Pauses {
    switch: Switch,
    /// Presses that were taken in.
    taken: u32,
    /// After going back on the record so many frames more are left out.
    guard: u64,
    /// Whether nothing is kept; then up to which frame, once that is known.
    silenced: bool,
    to: Option<u64>,
    since: Instant,
    /// When it was off the record last, as far as was seen.
    last: Option<Instant>,
    /// Whether what comes next may have been said off the record.
    doubt: bool,
}

impl Pauses {
    /// On the record.
    #[must_use]
    pub fn new(guard: u64) -> Pauses {
        Pauses {
            switch: Switch::default(),
            taken: 0,
            guard,
            silenced: false,
            to: None,
            since: Instant::now(),
            last: None,
            doubt: false,
        }
    }

    /// What the person presses.
    #[must_use]
    pub fn switch(&self) -> Switch {
        self.switch.clone()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn silenced(&self) -> bool {
        self.silenced
    }

    /// For how long nothing has been kept.
    #[must_use]
    pub fn lasts(&self) -> Option<Duration> {
        self.silenced.then(|| self.since.elapsed())
    }

    /// How many of the next `there` frames, of which `at` is the first, are of one kind, whether they are kept, and what turns
    /// here. Before `heard` lies what the device had heard by now.
    pub fn next(&mut self, at: u64, there: u64, heard: u64) -> (u64, bool, Option<Turn>) {
        let presses = self.switch.presses();
        let off = is_off(presses);
        // Twice since the last look: it was off the record in between, or on it.
        let twice = presses.wrapping_sub(std::mem::replace(&mut self.taken, presses)) > 1;
        if off || twice || (self.silenced && self.to.is_none()) {
            self.last = Some(Instant::now());
        }
        let mut turn = None;
        let doubt = std::mem::take(&mut self.doubt);
        if off || twice || doubt {
            if !self.silenced {
                self.silenced = true;
                self.since = Instant::now();
                turn = Some(Turn::Off);
            }
            self.to = None;
        }
        if !self.silenced {
            return (there, true, turn);
        }
        if off {
            return (there, false, turn);
        }
        // Everything that the device had heard by now was said off the record.
        let guard = self.guard.max(1);
        let to = *self.to.get_or_insert(heard.max(at) + guard);
        if at < to {
            return (there.min(to - at), false, turn);
        }
        self.silenced = false;
        (there, true, Some(Turn::On))
    }

    /// A device that was away gives again, and what comes first may have been heard up to `age` ago.
    pub fn back(&mut self, age: Duration) {
        let lately = self.last.is_some_and(|last| last.elapsed() < age);
        self.doubt |= self.silenced || lately;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_from_the_press_until_what_was_heard_by_the_next_has_passed() {
        let mut pauses = Pauses::new(30);
        let switch = pauses.switch();
        assert_eq!(pauses.next(0, 100, 150), (100, true, None));
        switch.press();
        assert_eq!(pauses.next(100, 100, 250), (100, false, Some(Turn::Off)));
        assert_eq!(pauses.next(200, 100, 350), (100, false, None));
        switch.press();
        assert_eq!(pauses.next(300, 100, 420), (100, false, None));
        assert_eq!(pauses.next(400, 100, 520), (50, false, None));
        assert_eq!(pauses.next(450, 100, 520), (100, true, Some(Turn::On)));
        assert_eq!(pauses.next(550, 100, 620), (100, true, None));
    }

    #[test]
    fn a_pause_while_nobody_could_look_is_one_all_the_same() {
        let mut pauses = Pauses::new(30);
        let switch = pauses.switch();
        assert_eq!(pauses.next(0, 100, 100), (100, true, None));
        switch.press();
        switch.press();
        assert!(!switch.off());
        // The disk hung meanwhile: what was said lies in the ring.
        assert_eq!(pauses.next(100, 100, 900), (100, false, Some(Turn::Off)));
        assert_eq!(pauses.next(200, 2_000, 900), (730, false, None));
        // Again, before it was over.
        switch.press();
        switch.press();
        assert_eq!(pauses.next(300, 2_000, 1_100), (830, false, None));
        assert_eq!(pauses.next(1_130, 100, 1_300), (100, true, Some(Turn::On)));
    }

    #[test]
    fn what_a_device_held_back_while_it_was_off_the_record_is_not_kept() {
        let mut pauses = Pauses::new(30);
        let switch = pauses.switch();
        let (long, none) = (Duration::from_secs(60), Duration::ZERO);
        pauses.back(long);
        assert_eq!(pauses.next(0, 100, 0), (100, true, None));
        switch.press();
        assert_eq!(pauses.next(100, 100, 100), (100, false, Some(Turn::Off)));
        switch.press();
        assert_eq!(pauses.next(200, 100, 100), (30, false, None));
        assert_eq!(pauses.next(230, 100, 100), (100, true, Some(Turn::On)));
        pauses.back(none);
        assert_eq!(pauses.next(330, 100, 730), (100, true, None));
        pauses.back(long);
        assert_eq!(pauses.next(430, 100, 730), (100, false, Some(Turn::Off)));
        assert_eq!(pauses.next(530, 900, 830), (230, false, None));
        // What is to come is known anew.
        pauses.back(none);
        assert_eq!(pauses.next(630, 900, 930), (330, false, None));
        assert_eq!(pauses.next(960, 100, 960), (100, true, Some(Turn::On)));
    }
}
