//! How much later one channel's clock runs than the other's.
//!
//! Microphones on one device share a clock, and sound takes some milliseconds through a room: nothing.
//! Two recorders are started by hand, and their clocks part by some milliseconds a minute: what leaks
//! from one into the other then arrives a good while before or after it is said. Both voices leak, so
//! the rises and falls of the two channels agree best at the one shift between the clocks.

use super::noise::Noise;
use crate::speech::features::ChannelFeatures;

/// Frames that one shift is found for (30 s).
const BLOCK: usize = 3_000;
/// So many blocks on either side are listened to as well: people pause.
const BESIDE: usize = 1;
/// Longest shift looked for, in frames (3 s).
const REACH: i32 = 300;
/// How far a shift may be from the one beside it, in frames: clocks part slowly.
const DRIFT: i32 = 10;
/// Correlation from which a shift is taken as found. Of two microphones that hear nothing of each
/// other it stays under 0.1; with a leak of -20 dB it is over 0.5.
const FOUND: f32 = 0.2;
/// It says nothing where less than this of either channel rises or falls, in frames: two recordings of 5 s, or two that
/// each hold two short sentences, agree by 0.28 by chance.
const ACTIVE: usize = 300;
/// A rise is measured over twice this many frames: syllables come four to eight a second.
const SYLLABLE: usize = 2;
/// A rise counts for no more than this, in dB.
const CAP_DB: f32 = 12.0;

/// By how many frames the second channel's clock is late.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delay {
    /// By block; empty where the clocks agree.
    blocks: Vec<i32>,
}

impl Delay {
    /// Finds the shift between two channels, through the session.
    pub fn find(channels: [&ChannelFeatures; 2], noise: [&Noise; 2]) -> Delay {
        let rises = [0, 1].map(|at| rises(channels[at], noise[at]));
        let length = rises[0].len().min(rises[1].len());
        let count = length.div_ceil(BLOCK);
        let around = |block: usize| {
            let first = block.saturating_sub(BESIDE) * BLOCK;
            first..((block + BESIDE + 1) * BLOCK).min(length)
        };
        let best = |block: usize, from: i32, to: i32| {
            (from..=to)
                .map(|shift| (shift, agreement(&rises, around(block), shift)))
                .max_by(|a, b| a.1.total_cmp(&b.1))
                .filter(|(_, agreement)| *agreement >= FOUND)
        };
        // The whole reach is searched here and there; from where it is clearest, block by block.
        let step = count.div_ceil(12).max(1);
        let Some((start, (shift, _))) = (0..count)
            .step_by(step)
            .filter_map(|block| Some((block, best(block, -REACH, REACH)?)))
            .max_by(|a, b| a.1.1.total_cmp(&b.1.1))
        else {
            return Delay::default();
        };
        let mut blocks = vec![shift; count];
        let mut follow = |order: &mut dyn Iterator<Item = usize>| {
            let mut shift = shift;
            for block in order {
                if let Some((found, _)) = best(block, shift - DRIFT, shift + DRIFT) {
                    shift = found;
                }
                blocks[block] = shift;
            }
        };
        follow(&mut (start..count));
        follow(&mut (0..start).rev());
        // What a room does to sound is no shift of clocks.
        if blocks.iter().all(|shift| shift.abs() <= 1) {
            return Delay::default();
        }
        Delay { blocks }
    }

    /// Frames by which the second channel is late, at a frame.
    #[must_use]
    pub fn at(&self, frame: usize) -> i32 {
        let last = self.blocks.len().saturating_sub(1);
        self.blocks
            .get((frame / BLOCK).min(last))
            .copied()
            .unwrap_or(0)
    }

    /// The frame on the other channel that holds the same moment as `frame` on `channel`.
    #[must_use]
    pub fn across(&self, channel: usize, frame: usize) -> usize {
        let shift = self.at(frame) as isize;
        frame.saturating_add_signed(if channel == 0 { shift } else { -shift })
    }

    /// The largest shift, in frames, with its sign.
    #[must_use]
    pub fn largest(&self) -> i32 {
        self.blocks
            .iter()
            .copied()
            .max_by_key(|shift| shift.abs())
            .unwrap_or(0)
    }
}

/// By frame: how much the level rises there, in dB; nothing happens under the noise.
fn rises(channel: &ChannelFeatures, noise: &Noise) -> Vec<f32> {
    let levels: Vec<f32> = (0..channel.len())
        .map(|frame| channel.level_db(frame).max(noise.level(frame) + 3.0))
        .collect();
    (0..levels.len())
        .map(|frame| {
            let after = levels[(frame + SYLLABLE).min(levels.len() - 1)];
            let before = levels[frame.saturating_sub(SYLLABLE)];
            (after - before).clamp(-CAP_DB, CAP_DB)
        })
        .collect()
}

/// Correlation of the two channels' rises if the second is late by `shift` frames.
fn agreement(rises: &[Vec<f32>; 2], within: std::ops::Range<usize>, shift: i32) -> f32 {
    let (mut both, mut one, mut two) = (0.0f32, 1e-3f32, 1e-3f32);
    let mut active = [0; 2];
    let late = |frame: usize| frame.checked_add_signed(shift as isize);
    let first = within.start.max((-shift).max(0) as usize);
    let Some((begin, end)) = late(first).zip(late(within.end)) else {
        return 0.0;
    };
    let end = end.min(rises[1].len());
    if begin >= end {
        return 0.0;
    }
    for (a, b) in rises[0][first..].iter().zip(&rises[1][begin..end]) {
        both += a * b;
        one += a * a;
        two += b * b;
        active[0] += usize::from(*a != 0.0);
        active[1] += usize::from(*b != 0.0);
    }
    if active.iter().any(|frames| *frames < ACTIVE) {
        return 0.0;
    }
    both / (one * two).sqrt()
}
