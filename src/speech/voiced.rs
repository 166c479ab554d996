//! Where in a window the voice detector heard a voice.

use super::silero::STEP;
use crate::audio::SPEECH_RATE;

/// Voice probability from which a step is taken as voice: the detector's own recommendation.
const VOICE: f32 = 0.5;
/// Seconds of a step.
const SECONDS: f64 = STEP as f64 / SPEECH_RATE as f64;

/// Which steps of a window are voice.
#[derive(Debug, Clone, PartialEq)]
pub struct Voiced {
    /// How many steps before each are voice, and one more: how many are at all.
    before: Vec<u32>,
}

impl Voiced {
    /// From the detector's probability in each step, 0 to 1.
    #[must_use]
    pub fn of(probabilities: &[f32]) -> Voiced {
        let mut before = Vec::with_capacity(probabilities.len() + 1);
        let mut count = 0;
        before.push(count);
        for probability in probabilities {
            count += u32::from(*probability > VOICE);
            before.push(count);
        }
        Voiced { before }
    }

    /// Share of the steps from one moment to another that are voice, 0 to 1. In seconds from the start of the
    /// window; steps that lie in there in part count.
    #[must_use]
    pub fn share(&self, from: f64, to: f64) -> f32 {
        let end = (self.step(to) + 1).min(self.steps());
        let begin = self.step(from).min(end);
        self.count(begin, end) as f32 / (end - begin).max(1) as f32
    }

    /// Seconds of voice from one moment to another, in seconds from the start of the window.
    #[must_use]
    pub fn seconds(&self, from: f64, to: f64) -> f64 {
        let begin = self.step(from);
        f64::from(self.count(begin, self.step(to).max(begin))) * SECONDS
    }

    /// The middle of the longest stretch without a voice between two moments, or the middle between them
    /// where there is none. In seconds from the start of the window.
    #[must_use]
    pub fn pause(&self, from: f64, to: f64) -> f64 {
        let (begin, end) = (self.step(from), self.step(to));
        let mut longest = 0..0;
        let mut since = begin;
        for step in begin..end {
            if self.count(step, step + 1) > 0 {
                since = step + 1;
            } else if step + 1 - since > longest.len() {
                longest = since..step + 1;
            }
        }
        if longest.is_empty() {
            return f64::midpoint(from, to);
        }
        ((longest.start + longest.end) as f64 / 2.0 * SECONDS).clamp(from, to)
    }

    fn steps(&self) -> usize {
        self.before.len() - 1
    }

    /// The step that a moment lies in, or the one behind the last.
    fn step(&self, moment: f64) -> usize {
        ((moment.max(0.0) / SECONDS) as usize).min(self.steps())
    }

    fn count(&self, begin: usize, end: usize) -> u32 {
        self.before[end] - self.before[begin]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn voice_is_counted_by_the_moments_it_lies_between() {
        // A tenth of a second or so each: voice, a pause, voice.
        let voiced = Voiced::of(&[0.9, 0.9, 0.9, 0.1, 0.2, 0.1, 0.1, 0.8, 0.9, 0.7]);
        assert!((voiced.seconds(0.0, 0.32) - 6.0 * SECONDS).abs() < 1e-9);
        assert!((voiced.seconds(0.0, 9.0) - 6.0 * SECONDS).abs() < 1e-9);
        assert_eq!(voiced.seconds(0.1, 0.22), 0.0);
        assert_eq!(voiced.seconds(0.3, 0.1), 0.0);
        assert_eq!(voiced.share(0.0, 0.08), 1.0);
        assert_eq!(voiced.share(0.1, 0.2), 0.0);
        assert_eq!(voiced.share(5.0, 6.0), 0.0);
        assert!((voiced.pause(0.0, 0.32) - 5.0 * SECONDS).abs() < 1e-9);
        assert!((voiced.pause(0.0, 0.09) - 0.045).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn any_moments_are_answered(
            probabilities in prop::collection::vec(0.0f32..1.0, 0..40),
            from in -1.0f64..3.0,
            length in -1.0f64..3.0,
        ) {
            let voiced = Voiced::of(&probabilities);
            let to = from + length;
            prop_assert!((0.0..=1.0).contains(&voiced.share(from, to)));
            prop_assert!(voiced.seconds(from, to) <= length.max(0.0) + SECONDS);
            if length >= 0.0 {
                prop_assert!((from..=to).contains(&voiced.pause(from, to)));
            }
        }
    }
}
