//! Writing windows down, several at once, at one temperature; and whether what came out may stand.

use std::collections::BTreeMap;

use super::Whisper;
use super::arithmetic::Arithmetic;
use super::choice::{Chosen, Dice, choose};
use super::decoder::Memory;
use crate::Result;

/// Mean logarithm of probability below which what was written is tried again.
const UNLIKELY: f32 = -1.0;
/// With the model's doubt that anybody speaks above this, it is not tried again but left out.
const NOBODY: f32 = 0.6;
/// The last tokens must not repeat each other so much that their entropy is below this, in nats.
const REPETITIVE: f32 = 2.4;
/// As many tokens are looked at for that.
const LOOKED_AT: usize = 32;
/// A moment this close to the end of the sound is its end, in steps of 20 ms.
const AT_THE_END: usize = 5;

/// What came out.
pub struct Attempt {
    /// Tokens of text and moments, in order; the last may be that of the end.
    pub written: Vec<Chosen>,
    /// For each token, for each head that is aligned with time, the scores of all positions.
    pub scores: Vec<Vec<Vec<f32>>>,
    /// The model's doubt that anybody speaks, 0 to 1.
    pub nobody: f32,
    /// Whether the model came to an end.
    ended: bool,
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
        !self.ended || unlikely || self.repetitive()
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

/// Writes windows down. `lengths` says how long their sound is, in steps of 20 ms; `prompts`, of one
/// length, what stands before each text. Stops early, with
/// what there is, where `stopped` says so.
pub fn write(
    model: &Whisper,
    memories: &mut [Memory],
    lengths: &[usize],
    prompts: Vec<Vec<u32>>,
    temperature: f32,
    arithmetic: &mut Arithmetic,
    stopped: &dyn Fn() -> bool,
) -> Result<Vec<Attempt>> {
    let mut dice = Dice::new();
    let mut attempts: Vec<Attempt> = memories
        .iter()
        .map(|_| Attempt {
            written: Vec::new(),
            scores: Vec::new(),
            nobody: 0.0,
            ended: false,
        })
        .collect();
    memories.iter_mut().for_each(Memory::clear);
    let mut at_work: Vec<usize> = (0..memories.len()).collect();
    let most = model.most_tokens(prompts.first().map_or(0, Vec::len));
    let mut next = prompts;
    let mut logits = Vec::new();
    for _ in 0..most {
        if at_work.is_empty() || stopped() {
            break;
        }
        let mut working: Vec<&mut Memory> = memories
            .iter_mut()
            .enumerate()
            .filter(|(which, _)| at_work.contains(which))
            .map(|(_, memory)| memory)
            .collect();
        model
            .decoder
            .read(&mut working, &next, model.heads, arithmetic, &mut logits)?;
        let rows = logits.chunks_exact_mut(model.decoder.vocabulary());
        for ((which, memory), logits) in at_work.iter().zip(working).zip(rows) {
            let attempt = &mut attempts[*which];
            if attempt.written.is_empty() {
                attempt.nobody = share(logits, model.tokens.nobody as usize);
            }
            let chosen = choose(
                &model.tokens,
                &attempt.written,
                logits,
                temperature,
                &mut dice,
            );
            attempt
                .scores
                .push(memory.aligned.iter_mut().map(std::mem::take).collect());
            attempt.written.push(chosen);
            let closes = chosen
                .token
                .checked_sub(model.tokens.first_moment)
                .is_some_and(|moment| {
                    attempt.written.len() > 1 && moment as usize + AT_THE_END >= lengths[*which]
                });
            attempt.ended = closes || chosen.token == model.tokens.end;
        }
        at_work.retain(|which| !attempts[*which].ended);
        next = at_work
            .iter()
            .filter_map(|which| attempts[*which].written.last())
            .map(|chosen| vec![chosen.token])
            .collect();
    }
    Ok(attempts)
}

/// The share of one token among all, 0 to 1.
fn share(logits: &[f32], token: usize) -> f32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|logit| (logit - most).exp()).sum();
    (logits[token] - most).exp() / sum
}
