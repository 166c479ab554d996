//! The half of Whisper that writes: one token after another, for several windows at once.
//!
//! Windows that are written down together share every product with the model's weights, which are far
//! more than what is computed with them for one window: several take little longer than one.

use std::rc::Rc;

use super::attention::{HEAD, Head, Kept};
use super::encoder::Heard;
use super::weights::Weights;
use crate::Result;
use crate::arithmetic::{Arithmetic, Linear, Mlp, Norm, Rows, Then};
use crate::model::Shape;

/// The layers that write.
pub struct Decoder {
    embedding: Vec<f32>,
    positions: Vec<f32>,
    blocks: Vec<Block>,
    norm: Norm,
    logits: Linear,
    width: usize,
}

struct Block {
    norm: Norm,
    qkv: Linear,
    out: Linear,
    cross_norm: Norm,
    cross_query: Linear,
    /// Keys and values of what was heard, at once.
    cross_heard: Linear,
    cross_out: Linear,
    mlp: Mlp,
}

/// What is remembered of one window while it is written down in one way.
#[derive(Clone)]
pub struct Memory {
    /// By layer, by head, what was heard.
    heard: Rc<[Vec<Kept>]>,
    said: Vec<Said>,
    length: usize,
    /// By head that is aligned with time, the scores of all positions when the last token was read.
    pub aligned: Vec<Vec<f32>>,
}

/// Keys and values of what was written, token after token.
#[derive(Clone, Default)]
struct Said {
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Decoder {
    pub fn new(weights: &mut Weights, shape: &Shape) -> Result<Decoder> {
        let width = shape.state as usize;
        let block = |weights: &mut Weights, layer: u32| -> Result<Block> {
            let name = |part: &str| format!("decoder.blocks.{layer}.{part}");
            Ok(Block {
                norm: weights.norm(&name("attn_ln"))?,
                qkv: weights.joined(&name("attn"), &["query", "key", "value"], width)?,
                out: weights.linear(&name("attn.out"), width)?,
                cross_norm: weights.norm(&name("cross_attn_ln"))?,
                cross_query: weights.linear(&name("cross_attn.query"), width)?,
                cross_heard: weights.joined(&name("cross_attn"), &["key", "value"], width)?,
                cross_out: weights.linear(&name("cross_attn.out"), width)?,
                mlp: weights.mlp(&name("mlp"), width)?,
            })
        };
        let embedding = weights.take("decoder.token_embedding.weight")?;
        Ok(Decoder {
            logits: weights.plain(&embedding, width),
            embedding,
            positions: weights.take("decoder.positional_embedding")?,
            blocks: (0..shape.decoder_layers)
                .map(|layer| block(weights, layer))
                .collect::<Result<_>>()?,
            norm: weights.norm("decoder.ln")?,
            width,
        })
    }

    /// Begins a window, of which clones can be written down in several ways: `heard` is what the encoder made of it; `heads` are those, as (layer, head), that
    /// are aligned with time.
    pub fn begin(
        &self,
        heard: &Heard,
        heads: &[(usize, usize)],
        arithmetic: &mut Arithmetic,
    ) -> Result<Memory> {
        let width = self.width;
        let mut both = Vec::new();
        let mut layers = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            arithmetic.apply(
                &block.cross_heard,
                Rows::of(&heard.rows, width),
                Then::Keep,
                &mut both,
            )?;
            let side = |at: usize| Rows {
                numbers: &both[at..],
                count: both.len() / (2 * width),
                step: 2 * width,
            };
            let heads = (0..width).step_by(HEAD);
            layers.push(
                heads
                    .map(|at| Head::new(side(at), side(width + at), &heard.shares).keep())
                    .collect(),
            );
        }
        Ok(Memory {
            heard: layers.into(),
            said: self.blocks.iter().map(|_| Said::default()).collect(),
            length: 0,
            aligned: vec![Vec::new(); heads.len()],
        })
    }

    /// Reads tokens, at least one a window, each after all that its window has read. Returns for each
    /// window, row after row, how much speaks for each token of the vocabulary to come next.
    pub fn read(
        &self,
        memories: &mut [&mut Memory],
        tokens: &[Vec<u32>],
        heads: &[(usize, usize)],
        arithmetic: &mut Arithmetic,
        logits: &mut Vec<f32>,
    ) -> Result<()> {
        let width = self.width;
        // By row, whose it is.
        let mut owners = Vec::new();
        let mut at = Vec::new();
        for (owner, (memory, tokens)) in memories.iter().zip(tokens).enumerate() {
            for (place, token) in tokens.iter().enumerate() {
                owners.push(owner);
                let token = &self.embedding[*token as usize * width..][..width];
                let place = &self.positions[(memory.length + place) * width..][..width];
                at.extend(token.iter().zip(place).map(|(token, place)| token + place));
            }
        }
        let (mut normed, mut wide) = (Vec::new(), Vec::new());
        let mut seen = vec![0.0; at.len()];
        for (layer, block) in self.blocks.iter().enumerate() {
            arithmetic.norm(&block.norm, &at, &mut normed);
            arithmetic.apply(&block.qkv, Rows::of(&normed, width), Then::Keep, &mut wide)?;
            for (row, qkv) in wide.chunks_exact(3 * width).enumerate() {
                let memory = &mut memories[owners[row]];
                let said = &mut memory.said[layer];
                said.keys.extend_from_slice(&qkv[width..2 * width]);
                said.values.extend_from_slice(&qkv[2 * width..]);
                let count = said.keys.len() / width;
                for head in (0..width).step_by(HEAD) {
                    let rows = |numbers| Rows {
                        numbers,
                        count,
                        step: width,
                    };
                    let (keys, values) = (rows(&said.keys[head..]), rows(&said.values[head..]));
                    let out = &mut seen[row * width + head..][..HEAD];
                    let query = Rows::of(&qkv[head..][..HEAD], HEAD);
                    arithmetic.look_back(query, keys, values, HEAD, out)?;
                }
            }
            arithmetic.apply(&block.out, Rows::of(&seen, width), Then::Add, &mut at)?;

            arithmetic.norm(&block.cross_norm, &at, &mut normed);
            arithmetic.apply(
                &block.cross_query,
                Rows::of(&normed, width),
                Then::Keep,
                &mut wide,
            )?;
            // Head by head: hypotheses of one window, which stand side by side, look at the same keys.
            for head in 0..width / HEAD {
                let aligned = heads.iter().position(|known| *known == (layer, head));
                for (row, query) in wide.chunks_exact(width).enumerate() {
                    let memory = &mut memories[owners[row]];
                    let out = &mut seen[row * width + head * HEAD..][..HEAD];
                    let heard = &memory.heard[layer][head];
                    let scores = arithmetic.look(&query[head * HEAD..][..HEAD], heard, out);
                    if let Some(which) = aligned {
                        memory.aligned[which] = scores.to_vec();
                    }
                }
            }
            arithmetic.apply(&block.cross_out, Rows::of(&seen, width), Then::Add, &mut at)?;

            arithmetic.think(&block.mlp, &mut at, &mut normed, &mut wide)?;
        }
        // Only the last token of each window is asked what comes next.
        let mut last = Vec::with_capacity(memories.len() * width);
        let mut rows = 0;
        for (memory, tokens) in memories.iter_mut().zip(tokens) {
            memory.length += tokens.len();
            rows += tokens.len();
            last.extend_from_slice(&at[(rows - 1) * width..rows * width]);
        }
        arithmetic.norm(&self.norm, &last, &mut normed);
        arithmetic.apply(&self.logits, Rows::of(&normed, width), Then::Keep, logits)
    }

    /// Bytes that are kept for each position that was heard: a key and a value in each layer.
    pub fn kept_bytes(&self) -> usize {
        2 * self.blocks.len() * self.width
    }

    /// How many tokens there are.
    pub fn vocabulary(&self) -> usize {
        self.embedding.len() / self.width
    }
}
