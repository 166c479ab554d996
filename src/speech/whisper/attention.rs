//! Attention in eight bits: of every position to every one, and of one query to what was heard.

use rten_gemm::{GemmExecutor, GemmInputB};
use rten_simd::SimdOp;
use rten_tensor::{Matrix, NdTensorView};
use rten_vecmath::MinMax;

use crate::Result;
use crate::arithmetic::lanes::{COLUMNS, OneRow, Scale, Weigh};
use crate::arithmetic::{Arithmetic, Rows, eight, product, room, sum, to_signed};

/// Width of an attention head in every Whisper model.
pub const HEAD: usize = COLUMNS;
/// Rows of attention scores that are computed at once, so that they stay near the processor.
const ROWS_AT_ONCE: usize = 128;

/// The largest number of an attention head, by the same limit, where any two may be neighbours.
fn most(eight: &GemmExecutor<u8, i8, i32>) -> f32 {
    if eight.may_saturate() { 63.0 } else { 127.0 }
}

impl Arithmetic {
    /// Attention of every position to every one, all heads: `qkv` holds queries, keys and values of a
    /// position side by side; `out` gets one row a position. `shares` are those of [`Head::new`].
    pub fn attend(
        &mut self,
        qkv: &[f32],
        width: usize,
        shares: &[f32],
        out: &mut Vec<f32>,
    ) -> Result<()> {
        let count = qkv.len() / (3 * width);
        out.resize(count * width, 0.0);
        let eight = eight();
        for at in (0..width).step_by(HEAD) {
            let side = |which: usize| Rows {
                numbers: &qkv[which * width + at..],
                count,
                step: 3 * width,
            };
            let head = Head::new(side(1), side(2), shares);
            let (keys, values) = head.matrices();
            let keys = eight.prepack_b(keys.transposed());
            let values = eight.prepack_b(values);
            for first in (0..count).step_by(ROWS_AT_ONCE) {
                let rows = ROWS_AT_ONCE.min(count - first);
                let numbers = &qkv[first * 3 * width + at..];
                let queries = Rows {
                    numbers,
                    count: rows,
                    step: 3 * width,
                };
                self.weigh(queries, GemmInputB::Packed(&keys), &head)?;
                self.sum_up(GemmInputB::Packed(&values), rows, count)?;
                for row in 0..rows {
                    head.finish(
                        &self.sums[row * HEAD..][..HEAD],
                        self.totals[row],
                        &mut out[(first + row) * width + at..][..HEAD],
                    );
                }
            }
        }
        Ok(())
    }

    /// Attention of one query to a head that is kept: the values, weighted, to `out`. Returns how well
    /// each key fits, before that is made to sum to one.
    pub fn look(&mut self, query: &[f32], kept: &Kept, out: &mut [f32]) -> &[f32] {
        let head = &kept.head;
        self.quantise(Rows::of(query, HEAD), HEAD);
        let fit = OneRow {
            row: &self.bytes,
            blocks: &kept.keys,
            sums: room(&mut self.sums, kept.keys.len() / HEAD),
        };
        fit.dispatch();
        self.bring_to_weights(head);
        let sums = room(&mut self.sums, HEAD);
        let sum_up = OneRow {
            row: &self.weights[..head.steps.len()],
            blocks: &head.values,
            sums: &mut *sums,
        };
        sum_up.dispatch();
        head.finish(sums, self.totals[0], out);
        &self.part
    }

    /// Attention weights in bytes of some queries, and what they come to.
    fn weigh(&mut self, queries: Rows, keys: GemmInputB<i8>, head: &Head) -> Result<()> {
        self.multiply(queries, HEAD, keys, head.steps.len())?;
        self.bring_to_weights(head);
        Ok(())
    }

    /// From sums, a row for each query, to weights.
    fn bring_to_weights(&mut self, head: &Head) {
        let count = head.steps.len();
        let weights = room(&mut self.weights, self.steps.len() * count);
        self.part.resize(count, 0.0);
        self.totals.clear();
        let rows = self
            .sums
            .chunks_exact(count)
            .zip(weights.chunks_exact_mut(count));
        for ((sums, out), (step, zero)) in rows.zip(&self.steps) {
            let scale = Scale {
                step: *step,
                zero: *zero,
                steps: &head.steps,
                weights: &head.sums,
            };
            let weigh = Weigh {
                sums,
                scale,
                shares: &head.shares,
                scores: &mut self.part,
                out,
            };
            self.totals.push(weigh.dispatch());
        }
    }

    /// So many values by the weights of so many rows, as sums.
    fn sum_up(&mut self, values: GemmInputB<i8>, rows: usize, count: usize) -> Result<()> {
        let sums = room(&mut self.sums, rows * HEAD);
        product(sums, &self.weights[..rows * count], count, values)
    }
}

/// Keys and values of one head in eight bits: for each position, row after row.
///
/// What all keys have in common is taken off them first: it adds the same to every score of a query, and
/// takes up the range (Zhang and others 2025, SageAttention). Their mean is taken off the values too: the
/// many weights that are too small for a byte then stand for the mean, not for nothing.
pub struct Head {
    keys: Vec<i8>,
    /// By key, what a step is worth,
    steps: Vec<f32>,
    /// what its bytes come to,
    sums: Vec<i32>,
    /// and the logarithm of how many it stands for.
    shares: Vec<f32>,
    values: Vec<i8>,
    /// By place in a value, what a step is worth, and the mean of all values.
    value_steps: [f32; HEAD],
    value_mean: [f32; HEAD],
}

impl Head {
    /// Of as many keys as values. `shares` says for each key the logarithm of how many it stands for.
    pub fn new(keys: Rows, values: Rows, shares: &[f32]) -> Head {
        let count = keys.count;
        let of = |rows: Rows<'_>, row: usize| -> [f32; HEAD] {
            let mut out = [0.0; HEAD];
            out.copy_from_slice(&rows.numbers[row * rows.step..][..HEAD]);
            out
        };
        let most = most(&eight());
        let mean = |rows: Rows<'_>| {
            let mut mean = [0.0f32; HEAD];
            for row in 0..count {
                for (mean, number) in mean.iter_mut().zip(of(rows, row)) {
                    *mean += number / count as f32;
                }
            }
            mean
        };
        let (common, value_mean) = (mean(keys), mean(values));
        let mut largest = [f32::MIN_POSITIVE; HEAD];
        for row in 0..count {
            for ((largest, value), mean) in largest.iter_mut().zip(of(values, row)).zip(&value_mean)
            {
                let off = (value - mean).abs();
                *largest = if off > *largest { off } else { *largest };
            }
        }
        let fit = (HEAD as f32).sqrt().recip();
        let value_steps = largest.map(|largest| largest / most);
        let mut head = Head {
            keys: Vec::with_capacity(count * HEAD),
            steps: Vec::with_capacity(count),
            sums: Vec::with_capacity(count),
            shares: shares.to_vec(),
            values: Vec::with_capacity(count * HEAD),
            value_steps,
            value_mean,
        };
        let mut room = Vec::new();
        for row in 0..count {
            let mut key = of(keys, row);
            key.iter_mut()
                .zip(&common)
                .for_each(|(key, common)| *key -= common);
            let (low, high) = MinMax::new(&key).dispatch();
            let step = high.max(-low).max(f32::MIN_POSITIVE) / most;
            to_signed(&key, step.recip(), &mut room, &mut head.keys);
            head.steps.push(fit * step);
            head.sums.push(sum(&head.keys[row * HEAD..]));
            let mut value = of(values, row);
            for ((value, mean), step) in value.iter_mut().zip(&value_mean).zip(&value_steps) {
                *value = (*value - mean) / step;
            }
            to_signed(&value, 1.0, &mut room, &mut head.values);
        }
        head
    }

    /// To be kept for queries that come one by one.
    pub fn keep(mut self) -> Kept {
        let rows = std::mem::take(&mut self.keys);
        let mut keys = vec![0; rows.len().next_multiple_of(HEAD * COLUMNS)];
        for (block, rows) in keys
            .chunks_exact_mut(HEAD * COLUMNS)
            .zip(rows.chunks(HEAD * COLUMNS))
        {
            for (column, key) in rows.chunks_exact(HEAD).enumerate() {
                for (place, number) in key.iter().enumerate() {
                    block[place * COLUMNS + column] = *number;
                }
            }
        }
        Kept { head: self, keys }
    }

    fn matrices(&self) -> (Matrix<'_, i8>, Matrix<'_, i8>) {
        let shape = [self.steps.len(), HEAD];
        (
            NdTensorView::from_data(shape, &self.keys[..]),
            NdTensorView::from_data(shape, &self.values[..]),
        )
    }

    /// From sums of weighted values to numbers; `total` is what the weights come to.
    fn finish(&self, sums: &[i32], total: f32, out: &mut [f32]) {
        let steps = self.value_steps.iter().zip(&self.value_mean);
        for ((out, sum), (step, mean)) in out.iter_mut().zip(sums).zip(steps) {
            *out = mean + *sum as f32 * (step / total);
        }
    }
}

/// A head to which queries come one by one.
pub struct Kept {
    /// Without its keys,
    head: Head,
    /// which lie here in blocks of [`COLUMNS`]: of all of them the first number, then the second. The last block
    /// is filled up with zeros.
    keys: Vec<i8>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::arithmetic::testing::{furthest, numbers};

    #[test]
    fn attention_of_all_and_of_one_are_the_plain_formula() {
        let (width, count) = (2 * HEAD, 150);
        let qkv = numbers(3 * width * count, 6);
        let of = |which: usize, head: usize, row: usize| {
            &qkv[row * 3 * width + which * width + head * HEAD..][..HEAD]
        };
        let plain = |head: usize, row: usize, shares: &[f32]| -> Vec<f32> {
            let weight = |(key, share): (usize, &f32)| {
                let pairs = of(0, head, row).iter().zip(of(1, head, key));
                (pairs.map(|(a, b)| a * b).sum::<f32>() / 8.0).exp() * share.exp()
            };
            let mut weights: Vec<f32> = shares.iter().enumerate().map(weight).collect();
            let sum: f32 = weights.iter().sum();
            weights.iter_mut().for_each(|weight| *weight /= sum);
            let value = |at: usize| {
                (0..count)
                    .map(|key| weights[key] * of(2, head, key)[at])
                    .sum()
            };
            (0..HEAD).map(value).collect()
        };
        let each_for_itself = vec![0.0; count];
        let mut one_for_three = each_for_itself.clone();
        one_for_three[40] = 3f32.ln();
        let mut arithmetic = Arithmetic::default();
        let (mut out, mut one) = (Vec::new(), [0.0; HEAD]);
        for shares in [&each_for_itself, &one_for_three] {
            arithmetic.attend(&qkv, width, shares, &mut out).unwrap();
            for (head, row) in [(0, 0), (1, 7), (0, 149), (1, 130)] {
                let side = |which: usize| Rows {
                    numbers: &qkv[which * width + head * HEAD..],
                    count,
                    step: 3 * width,
                };
                let wanted = plain(head, row, shares);
                assert!(furthest(&out[row * width + head * HEAD..][..HEAD], &wanted) < 0.02);
                let kept = Head::new(side(1), side(2), shares).keep();
                arithmetic.look(of(0, head, row), &kept, &mut one);
                assert!(furthest(&one, &wanted) < 0.02);
                arithmetic
                    .look_back(
                        Rows::of(of(0, head, row), HEAD),
                        side(1),
                        side(2),
                        HEAD,
                        &mut one,
                    )
                    .unwrap();
                assert!(furthest(&one, &plain(head, row, &each_for_itself)) < 1e-4);
            }
        }
    }
}
