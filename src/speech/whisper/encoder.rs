//! The half of Whisper that listens: from a picture of the sound to what the decoder reads.

use super::weights::Weights;
use crate::Result;
use crate::arithmetic::{Arithmetic, Linear, Mlp, Norm, Rows, Then};
use crate::model::Shape;

/// Positions of silence behind the sound that are computed each by itself, at most.
pub const ROOM: usize = 32;
/// Of the silence behind that, one position of so many is computed and stands for all of them.
const ALIKE: usize = 16;
/// Positions at the end that see past it.
const AT_THE_END: usize = 2;

/// What was heard.
pub struct Heard {
    /// Row after row.
    pub rows: Vec<f32>,
    /// By row, the logarithm of how many positions it stands for.
    pub shares: Vec<f32>,
}

/// The layers that listen.
pub struct Encoder {
    /// Two convolutions over three neighbours each; the second takes every other one.
    first: Linear,
    second: Linear,
    positions: Vec<f32>,
    blocks: Vec<Block>,
    norm: Norm,
    mels: usize,
    width: usize,
}

struct Block {
    attention_norm: Norm,
    /// Queries, keys and values at once.
    qkv: Linear,
    out: Linear,
    mlp: Mlp,
}

impl Encoder {
    pub fn new(weights: &mut Weights, shape: &Shape) -> Result<Encoder> {
        let (width, mels) = (shape.state as usize, shape.mels as usize);
        let block = |weights: &mut Weights, layer: u32| -> Result<Block> {
            let name = |part: &str| format!("encoder.blocks.{layer}.{part}");
            Ok(Block {
                attention_norm: weights.norm(&name("attn_ln"))?,
                qkv: weights.joined(&name("attn"), &["query", "key", "value"], width)?,
                out: weights.linear(&name("attn.out"), width)?,
                mlp: weights.mlp(&name("mlp"), width)?,
            })
        };
        Ok(Encoder {
            first: weights.convolution("encoder.conv1", mels)?,
            second: weights.convolution("encoder.conv2", width)?,
            positions: weights.take("encoder.positional_embedding")?,
            blocks: (0..shape.encoder_layers)
                .map(|layer| block(weights, layer))
                .collect::<Result<_>>()?,
            norm: weights.norm("encoder.ln_post")?,
            mels,
            width,
        })
    }

    /// Encodes frames of mel bands, frame after frame, an even number of them: two frames are a position.
    ///
    /// Whisper learned from 30 seconds, silent where there was no sound, and makes more mistakes with less.
    /// So where there are fewer frames the rest is silence; but what the layers make of it differs by little
    /// from one position to the next, and few of them stand for all.
    pub fn run(&self, frames: &[f32], arithmetic: &mut Arithmetic) -> Result<Heard> {
        let (mels, width) = (self.mels, self.width);
        let count = frames.len() / mels / 2;
        // A row of silence either side, for the neighbours of the first and the last.
        let mut padded = vec![0.0; mels];
        padded.extend_from_slice(&frames[..2 * count * mels]);
        padded.resize(padded.len() + mels, 0.0);
        let mut half = Vec::new();
        let rows = Rows {
            numbers: &padded,
            count: 2 * count,
            step: mels,
        };
        arithmetic.apply(&self.first, rows, Then::Activate, &mut half)?;
        half.splice(0..0, std::iter::repeat_n(0.0, width));
        let mut at = Vec::new();
        let rows = Rows {
            numbers: &half,
            count,
            step: 2 * width,
        };
        arithmetic.apply(&self.second, rows, Then::Activate, &mut at)?;
        drop((padded, half));
        let shares = place(&mut at, &self.positions, width);

        let (mut normed, mut wide, mut seen) = (Vec::new(), Vec::new(), Vec::new());
        for block in &self.blocks {
            arithmetic.norm(&block.attention_norm, &at, &mut normed);
            arithmetic.apply(&block.qkv, Rows::of(&normed, width), Then::Keep, &mut wide)?;
            arithmetic.attend(&wide, width, &shares, &mut seen)?;
            arithmetic.apply(&block.out, Rows::of(&seen, width), Then::Add, &mut at)?;
            arithmetic.think(&block.mlp, &mut at, &mut normed, &mut wide)?;
        }
        arithmetic.norm(&self.norm, &at, &mut normed);
        Ok(Heard {
            rows: normed,
            shares,
        })
    }

    /// Positions that there are, 20 ms each: 1,500 in every model.
    pub fn longest(&self) -> usize {
        self.positions.len() / self.width
    }
}

/// Fills up rows with silence, and tells each where it is. Returns their shares.
fn place(rows: &mut Vec<f32>, positions: &[f32], width: usize) -> Vec<f32> {
    let (sounding, all) = (rows.len() / width, positions.len() / width);
    let mut places: Vec<usize> = (0..sounding).collect();
    let mut shares = vec![0.0; sounding];
    let silent = sounding.checked_sub(AT_THE_END + 1);
    if let Some(silent) = silent.filter(|_| sounding < all) {
        for first in (sounding..all).step_by(ALIKE) {
            let count = ALIKE.min(all - first);
            places.push(first + count / 2);
            shares.push((count as f32).ln());
        }
        rows.truncate((silent + 1) * width);
        let silent = rows[silent * width..].to_vec();
        while rows.len() < places.len() * width {
            rows.extend_from_slice(&silent);
        }
    }
    for (row, place) in rows.chunks_exact_mut(width).zip(places) {
        let place = &positions[place * width..][..width];
        row.iter_mut()
            .zip(place)
            .for_each(|(number, place)| *number += place);
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_behind_the_sound_stands_for_all_positions_that_are_left() {
        let (width, all) = (2, 150);
        let positions: Vec<f32> = (0..all * width).map(|at| (at / width) as f32).collect();
        for sounding in [3, 60, 149, 150] {
            // The last that sees only silence, and two behind it that see the edge.
            let mut rows = vec![1000.0; sounding * width];
            rows[(sounding - 3) * width..].fill(5000.0);
            rows[(sounding - 2) * width..].fill(9000.0);
            let shares = place(&mut rows, &positions, width);
            let stands_for: f32 = shares.iter().map(|share| share.exp()).sum();
            assert!((stands_for - all as f32).abs() < 1e-2, "{sounding}");
            assert_eq!(rows.len(), shares.len() * width);
            let places: Vec<f32> = rows.iter().step_by(width).map(|row| row % 1000.0).collect();
            assert!(
                places.windows(2).all(|pair| pair[0] < pair[1]),
                "{sounding}"
            );
            let edge = rows.iter().any(|row| *row >= 9000.0);
            assert_eq!(edge, sounding == all, "{sounding}");
        }
    }
}
