//! The half of Whisper that listens: from a picture of the sound to what the decoder reads.

use super::arithmetic::{Arithmetic, Linear, Mlp, Norm, Rows, Then};
use super::weights::Weights;
use crate::Result;
use crate::model::Shape;

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

    /// Encodes frames of mel bands, frame after frame, an even number of them: one row for two frames.
    pub fn run(&self, frames: &[f32], arithmetic: &mut Arithmetic) -> Result<Vec<f32>> {
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
        at.iter_mut()
            .zip(&self.positions)
            .for_each(|(number, place)| *number += place);
        drop((padded, half));

        let (mut normed, mut wide, mut seen) = (Vec::new(), Vec::new(), Vec::new());
        for block in &self.blocks {
            arithmetic.norm(&block.attention_norm, &at, &mut normed);
            arithmetic.apply(&block.qkv, Rows::of(&normed, width), Then::Keep, &mut wide)?;
            arithmetic.attend(&wide, width, &mut seen)?;
            arithmetic.apply(&block.out, Rows::of(&seen, width), Then::Add, &mut at)?;
            arithmetic.think(&block.mlp, &mut at, &mut normed, &mut wide)?;
        }
        arithmetic.norm(&self.norm, &at, &mut normed);
        Ok(normed)
    }
}
