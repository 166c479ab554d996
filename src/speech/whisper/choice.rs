//! Which token comes next: what the model may write, and what it then finds most likely.
//!
//! The rules are those of OpenAI's decoder (whisper/decoding.py): moments come in pairs and never go back,
//! the first is within a second, and where moments together are likelier than any text, a moment comes.

use std::ops::Range;

use rten_simd::SimdOp;
use rten_vecmath::{MaxNum, Softmax};

use super::tokens::Tokens;

/// The latest first moment, in steps of 20 ms.
const LATEST_FIRST: u32 = 50;

/// A token that was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chosen {
    /// Its number.
    pub token: u32,
    /// How likely the model found it, 0 to 1.
    pub probability: f32,
}

/// Numbers that look random and are the same in every run (xorshift64*, Vigna 2016).
pub struct Dice(u64);

impl Dice {
    pub fn new() -> Dice {
        Dice(0x9e37_79b9_7f4a_7c15)
    }

    /// From 0 to 1.
    fn roll(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f32 / (1u32 << 24) as f32
    }
}

/// What may follow, and how likely each is.
pub struct Outlook<'a> {
    /// By token, 0 to 1.
    probabilities: &'a [f32],
    /// Tokens that may come.
    allowed: Range<usize>,
    first_moment: usize,
    /// How likely it is that a moment comes, whichever.
    moments: f32,
}

impl<'a> Outlook<'a> {
    /// What may follow `written`. `logits` says how much speaks for each token, and is used up.
    pub fn of(
        tokens: &Tokens,
        written: &[Chosen],
        logits: &'a mut [f32],
        temperature: f32,
    ) -> Outlook<'a> {
        let first_moment = tokens.first_moment as usize;
        let all = logits.len();
        let mut forbid = |range: Range<usize>| logits[range].fill(f32::NEG_INFINITY);
        for token in &tokens.never {
            forbid(*token as usize..*token as usize + 1);
        }
        let moment = |chosen: &&Chosen| chosen.token >= tokens.first_moment;
        match written {
            [] => {
                // A transcript begins with a moment.
                forbid(0..first_moment);
                let latest = first_moment + LATEST_FIRST as usize + 1;
                forbid(latest.min(all)..all);
            }
            [.., last] if moment(&last) => {
                let pair = written.len() < 2 || moment(&&written[written.len() - 2]);
                if pair {
                    forbid(first_moment..all);
                } else {
                    forbid(0..tokens.end as usize);
                }
            }
            _ => {}
        }
        if let Some(last) = written.iter().rfind(moment) {
            forbid(first_moment..last.token as usize);
        }
        if temperature > 0.0 {
            logits.iter_mut().for_each(|logit| *logit /= temperature);
        }
        Softmax::new_mut(logits).dispatch();
        let probabilities: &[f32] = logits;
        let moments: f32 = probabilities[first_moment..].iter().sum();
        let (_, text) = likeliest(&probabilities[..first_moment]);
        Outlook {
            allowed: match moments > text {
                true => first_moment..all,
                false => 0..all,
            },
            probabilities,
            first_moment,
            moments,
        }
    }

    /// One by chance.
    pub fn cast(&self, dice: &mut Dice) -> Chosen {
        let some = &self.probabilities[self.allowed.clone()];
        let mut left = dice.roll() * some.iter().sum::<f32>();
        let at = some.iter().position(|probability| {
            left -= probability;
            left < 0.0
        });
        self.chosen(at.map_or(self.allowed.end - 1, |at| self.allowed.start + at))
    }

    /// The likeliest, and those of text that are at most so much less likely, as natural logarithm; each
    /// with the share of what may come that it stands for. The likeliest moment stands for all moments: where
    /// exactly a passage ends is no other way to go on.
    pub fn ways(&self, behind: f32, mut each: impl FnMut(Chosen, f32)) {
        let (moment, _) = likeliest(&self.probabilities[self.first_moment..]);
        let moment = self.chosen(self.first_moment + moment);
        if self.allowed.start == self.first_moment {
            each(moment, 1.0);
            return;
        }
        let text = &self.probabilities[..self.first_moment];
        let (_, most) = likeliest(text);
        let least = most * (-behind).exp();
        for (token, probability) in text.iter().enumerate() {
            if *probability >= least {
                each(self.chosen(token), *probability);
            }
        }
        if self.moments >= least {
            each(moment, self.moments);
        }
    }

    fn chosen(&self, token: usize) -> Chosen {
        Chosen {
            token: token as u32,
            probability: self.probabilities[token],
        }
    }
}

/// Where the largest is, and how large it is.
pub fn likeliest(probabilities: &[f32]) -> (usize, f32) {
    let largest = MaxNum::new(probabilities).dispatch();
    let at = probabilities
        .iter()
        .position(|probability| *probability == largest);
    (at.unwrap_or(0), largest)
}
