//! The network of the sentence encoder: BERT (Devlin and others 2019) as all-MiniLM-L6-v2 has it, and the
//! scores on the mean of its last layer.
//!
//! Texts are laid end to end, so that nothing is computed for filling up; products with weights are in
//! eight bits, attention is in single precision.

use crate::Result;
use crate::arithmetic::{Arithmetic, Linear, Norm, Rows, Then};
use crate::rest::Rest;

/// How the file begins.
const MAGIC: &[u8; 4] = b"UTE1";
/// Added to a variance, as the model was trained.
const EPSILON: f32 = 1e-12;

/// The layers.
pub(super) struct Network {
    /// By token, in eight bits, with what a step is worth.
    words: (Vec<f32>, Vec<i8>),
    positions: Vec<f32>,
    /// What is added to a text's tokens: of the one, or of the second of a pair.
    sides: Vec<f32>,
    norm: Norm,
    blocks: Vec<Block>,
    /// By score, the weights of a place; and what is added.
    scores: (Vec<f32>, Vec<f32>),
    width: usize,
    inner: usize,
    heads: usize,
}

struct Block {
    qkv: Linear,
    out: Linear,
    norm: Norm,
    up: Linear,
    down: Linear,
    last_norm: Norm,
}

/// A text as the network reads it.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    pub(super) ids: Vec<u32>,
    /// The first token of the second of a pair; of one text, past the end.
    pub(super) second: usize,
}

fn numbers(file: &mut Rest<'_>, count: usize) -> Option<Vec<f32>> {
    let bytes = file.take(count.checked_mul(4)?)?.chunks_exact(4);
    Some(
        bytes
            .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect(),
    )
}

/// A matrix in eight bits: what a step of each row is worth, then the rows.
fn matrix(file: &mut Rest<'_>, rows: usize, columns: usize) -> Option<(Vec<f32>, Vec<i8>)> {
    let steps = numbers(file, rows)?;
    let bytes = file.take(rows.checked_mul(columns)?)?;
    Some((steps, bytes.iter().map(|byte| *byte as i8).collect()))
}

fn linear(file: &mut Rest<'_>, outputs: usize, inputs: usize) -> Option<Linear> {
    let (steps, bytes) = matrix(file, outputs, inputs)?;
    let bias = numbers(file, outputs)?;
    let rows = bytes.chunks_exact(inputs).zip(&steps);
    let weights: Vec<f32> = rows
        .flat_map(|(row, step)| row.iter().map(move |byte| f32::from(*byte) * step))
        .collect();
    Some(Arithmetic::linear(&weights, inputs, Some(bias)))
}

fn norm(file: &mut Rest<'_>, width: usize) -> Option<Norm> {
    Some(Norm {
        gain: numbers(file, width)?,
        shift: numbers(file, width)?,
        epsilon: EPSILON,
    })
}

impl Network {
    /// Reads the file; nothing where it is not one, or not whole.
    pub(super) fn read(file: &[u8]) -> Option<Network> {
        let mut file = Rest(file);
        if file.take(MAGIC.len())? != MAGIC {
            return None;
        }
        let mut number = || file.number().filter(|number| *number > 0);
        let (words, width, inner) = (number()?, number()?, number()?);
        let (positions, blocks, heads, scores) = (number()?, number()?, number()?, number()?);
        let network = Network {
            words: matrix(&mut file, words, width)?,
            positions: numbers(&mut file, positions.checked_mul(width)?)?,
            sides: numbers(&mut file, width.checked_mul(2)?)?,
            norm: norm(&mut file, width)?,
            blocks: (0..blocks)
                .map(|_| {
                    Some(Block {
                        qkv: linear(&mut file, width.checked_mul(3)?, width)?,
                        out: linear(&mut file, width, width)?,
                        norm: norm(&mut file, width)?,
                        up: linear(&mut file, inner, width)?,
                        down: linear(&mut file, width, inner)?,
                        last_norm: norm(&mut file, width)?,
                    })
                })
                .collect::<Option<_>>()?,
            scores: (
                numbers(&mut file, scores.checked_mul(width)?)?,
                numbers(&mut file, scores)?,
            ),
            width,
            inner,
            heads,
        };
        (file.0.is_empty() && width.is_multiple_of(heads)).then_some(network)
    }

    /// Most tokens that a text may have.
    pub(super) fn longest(&self) -> usize {
        self.positions.len() / self.width
    }

    /// For each text its scores and its place. A token that is not known is read as the first.
    pub(super) fn run(
        &self,
        texts: &[&Tokens],
        arithmetic: &mut Arithmetic,
    ) -> Result<Vec<(Vec<f32>, Vec<f32>)>> {
        let width = self.width;
        let mut sums = Vec::new();
        for text in texts {
            for (place, id) in text.ids.iter().take(self.longest()).enumerate() {
                sums.extend(self.embed(*id as usize, place, place >= text.second));
            }
        }
        let lengths = || texts.iter().map(|text| text.ids.len().min(self.longest()));
        let (mut at, mut wide, mut seen) = (Vec::new(), Vec::new(), vec![0.0; sums.len()]);
        arithmetic.norm(&self.norm, &sums, &mut at);
        for block in &self.blocks {
            arithmetic.apply(&block.qkv, Rows::of(&at, width), Then::Keep, &mut wide)?;
            let mut first = 0;
            for length in lengths() {
                let qkv = &wide[first * 3 * width..][..length * 3 * width];
                self.attend(
                    qkv,
                    arithmetic,
                    &mut seen[first * width..][..length * width],
                )?;
                first += length;
            }
            arithmetic.apply(&block.out, Rows::of(&seen, width), Then::Add, &mut at)?;
            arithmetic.norm(&block.norm, &at, &mut sums);
            arithmetic.apply(&block.up, Rows::of(&sums, width), Then::Activate, &mut wide)?;
            arithmetic.apply(
                &block.down,
                Rows::of(&wide, self.inner),
                Then::Add,
                &mut sums,
            )?;
            arithmetic.norm(&block.last_norm, &sums, &mut at);
        }
        let mut rows = at.chunks_exact(width);
        Ok(lengths()
            .map(|length| {
                let mut place = vec![0.0; width];
                for row in rows.by_ref().take(length) {
                    place
                        .iter_mut()
                        .zip(row)
                        .for_each(|(sum, number)| *sum += number);
                }
                place
                    .iter_mut()
                    .for_each(|sum| *sum /= length.max(1) as f32);
                let (weights, bias) = &self.scores;
                let score = |(weights, bias): (&[f32], &f32)| {
                    bias + weights
                        .iter()
                        .zip(&place)
                        .map(|(weight, number)| weight * number)
                        .sum::<f32>()
                };
                (
                    weights.chunks_exact(width).zip(bias).map(score).collect(),
                    place,
                )
            })
            .collect())
    }

    fn embed(&self, id: usize, place: usize, second: bool) -> impl Iterator<Item = f32> {
        let width = self.width;
        let (steps, words) = &self.words;
        let id = if id < steps.len() { id } else { 0 };
        let step = steps[id];
        let word = words[id * width..][..width].iter();
        let position = &self.positions[place * width..][..width];
        let side = &self.sides[usize::from(second) * width..][..width];
        let rest = position.iter().zip(side);
        word.zip(rest)
            .map(move |(byte, (position, side))| f32::from(*byte) * step + position + side)
    }

    /// Attention of every token of a text to every one; `qkv` holds queries, keys and values of a token side
    /// by side.
    fn attend(&self, qkv: &[f32], arithmetic: &mut Arithmetic, out: &mut [f32]) -> Result<()> {
        let (width, head) = (self.width, self.width / self.heads);
        let count = qkv.len() / (3 * width);
        let mut part = vec![0.0; count * head];
        for at in (0..width).step_by(head) {
            let side = |which: usize| Rows {
                numbers: &qkv[which * width + at..],
                count,
                step: 3 * width,
            };
            arithmetic.look_back(side(0), side(1), side(2), head, &mut part)?;
            for (row, part) in out.chunks_exact_mut(width).zip(part.chunks_exact(head)) {
                row[at..at + head].copy_from_slice(part);
            }
        }
        Ok(())
    }
}
