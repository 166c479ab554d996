//! The time without a device, as silence that is given while it lasts. So whoever seals the sound is never without any: what
//! came before is sealed, and the disk, the set length and the keys are seen to, as long as the device is waited for. Pure.
//!
//! It refuses to run ahead: it stays so far behind the clock that what the device still gives finds its place.

use std::time::Duration;

/// Silence comes this late, in seconds: a new stream has heard some sound before it is there, and a server that hung may
/// still hand on what it held.
const BEHIND: f64 = 2.0;

/// A device's absence, while there is one.
#[derive(Debug, Default)]
pub struct Absence {
    /// Frames of silence for it so far.
    given: u64,
}

impl Absence {
    /// Frames of silence that are due when nothing has come for `quiet`, which are taken for given.
    pub fn due(&mut self, quiet: Duration, rate: u32) -> u64 {
        let all = (quiet.as_secs_f64() - BEHIND).max(0.0) * f64::from(rate);
        let due = (all.round() as u64).saturating_sub(self.given);
        self.given += due;
        due
    }

    /// Frames of silence so far; none while no device is away for long.
    #[must_use]
    pub fn given(&self) -> u64 {
        self.given
    }

    /// It is over, and was so many frames long: returns those that are still due.
    pub fn over(&mut self, frames: u64) -> u64 {
        frames.saturating_sub(std::mem::take(&mut self.given))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 16_000;

    #[test]
    fn silence_follows_the_clock_and_all_of_it_is_as_long_as_the_device_was_away() {
        let mut absence = Absence::default();
        let milli = Duration::from_millis;
        assert_eq!(absence.due(milli(1_999), RATE), 0);
        assert_eq!(absence.due(milli(2_050), RATE), 800);
        assert_eq!(absence.due(milli(2_050), RATE), 0);
        let more: u64 = (41..=1_200)
            .map(|turn| absence.due(milli(turn * 50), RATE))
            .sum();
        assert_eq!(more + 800, 58 * u64::from(RATE));
        assert_eq!(absence.given(), 58 * u64::from(RATE));
        assert_eq!(absence.over(61 * u64::from(RATE)), 3 * u64::from(RATE));
        assert_eq!(absence.given(), 0);
    }

    #[test]
    fn a_device_that_is_back_soon_is_due_all_its_silence_then() {
        let mut absence = Absence::default();
        assert_eq!(absence.due(Duration::from_millis(700), RATE), 0);
        assert_eq!(absence.over(9_600), 9_600);
        absence.due(Duration::from_secs(3), RATE);
        assert_eq!(absence.over(9_600), 0, "never less than was given");
    }
}
