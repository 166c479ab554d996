//! What was written of a window, and whether it may stand.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::choice::Chosen;

/// Mean logarithm of probability below which what was written is tried again.
const UNLIKELY: f32 = -1.0;
/// With the model's doubt that anybody speaks above this, it is not tried again but left out.
const NOBODY: f32 = 0.6;
/// The last tokens must not repeat each other so much that their entropy is below this, in nats.
const REPETITIVE: f32 = 2.4;
/// As many tokens are looked at for that.
const LOOKED_AT: usize = 32;

/// What came out.
#[derive(Clone, Default)]
pub struct Attempt {
    /// Tokens of text and moments, in order; the last may be that of the end.
    pub written: Vec<Chosen>,
    /// For each token, for each head that is aligned with time, the scores of all positions.
    pub scores: Vec<Rc<[Vec<f32>]>>,
    /// The model's doubt that anybody speaks, 0 to 1.
    pub nobody: f32,
    /// Whether the model came to an end.
    pub ended: bool,
}

impl Attempt {
    /// Mean logarithm of the tokens' probability.
    fn likelihood(&self) -> f32 {
        let sum: f32 = self
            .written
            .iter()
            .map(|chosen| chosen.probability.ln())
            .sum();
        sum / self.written.len().max(1) as f32
    }

    /// Whether another try may be better: it goes round in circles, does not end, or is unlikely.
    pub fn doubtful(&self) -> bool {
        let unlikely = self.likelihood() < UNLIKELY && self.nobody < NOBODY;
        !self.sound() || unlikely
    }

    /// Whether it came to an end and did not go round in circles, however unlikely it is.
    pub fn sound(&self) -> bool {
        self.ended && !self.repetitive()
    }

    /// Whether the model says that this is no speech at all.
    pub fn nobody_spoke(&self) -> bool {
        self.likelihood() < UNLIKELY && self.nobody > NOBODY
    }

    fn repetitive(&self) -> bool {
        let last = &self.written[self.written.len().saturating_sub(LOOKED_AT)..];
        let mut counts: BTreeMap<u32, f32> = BTreeMap::new();
        for chosen in last {
            *counts.entry(chosen.token).or_default() += 1.0;
        }
        let entropy: f32 = counts
            .values()
            .map(|count| count / last.len() as f32)
            .map(|share| -share * share.ln())
            .sum();
        self.written.len() > LOOKED_AT && entropy < REPETITIVE
    }
}
