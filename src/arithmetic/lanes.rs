//! Arithmetic on rows that goes through many numbers at once, for what rten's own operations have not.

use rten_simd::ops::{BitOps, FloatOps, NarrowSaturate, NumOps, ToFloat};
use rten_simd::{Isa, SimdOp, SimdUnaryOp};
use rten_vecmath::Exp;

/// The largest byte.
const FULL: f32 = 255.0;

/// Columns that [`OneRow`] multiplies at once.
pub const COLUMNS: usize = 64;
/// Rows that [`OneRow`] passes over if all are multiplied with nothing.
const PASSED_OVER: usize = 8;

/// The product of one row of bytes with a matrix, which lies in blocks of [`COLUMNS`] columns, each block row after
/// row. There is no sum to take across a vector here, and no weight that is nothing is fetched from memory, which
/// is what a single row costs most.
pub struct OneRow<'a> {
    pub row: &'a [u8],
    pub blocks: &'a [i8],
    /// [`COLUMNS`] for each block.
    pub sums: &'a mut [i32],
}

impl SimdOp for OneRow<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        // Plain loops: the compiler makes vectors of them, and knows how few bits these numbers have.
        let blocks = self.blocks.chunks_exact(self.row.len() * COLUMNS);
        for (block, out) in blocks.zip(self.sums.chunks_exact_mut(COLUMNS)) {
            let mut sums = [0i32; COLUMNS];
            let parts = self.row.chunks(PASSED_OVER);
            for (numbers, rows) in parts.zip(block.chunks(PASSED_OVER * COLUMNS)) {
                if numbers.iter().all(|number| *number == 0) {
                    continue;
                }
                for (number, row) in numbers.iter().zip(rows.chunks_exact(COLUMNS)) {
                    let number = i32::from(*number);
                    for (sum, weight) in sums.iter_mut().zip(row) {
                        *sum = sum.wrapping_add(number.wrapping_mul(i32::from(*weight)));
                    }
                }
            }
            out.copy_from_slice(&sums);
        }
    }
}

/// How the sums of a product in eight bits become numbers: column by column, `(sum - zero * weights) *
/// step * steps`.
#[derive(Clone, Copy)]
pub struct Scale<'a> {
    /// What a step of the row is worth.
    pub step: f32,
    /// Which byte of the row is zero.
    pub zero: i32,
    /// By column, what a step of its weights is worth.
    pub steps: &'a [f32],
    /// By column, the sum of its weights.
    pub weights: &'a [i32],
}

impl Scale<'_> {
    fn one(&self, sum: i32, column: usize) -> f32 {
        let sum = sum.wrapping_sub(self.zero.wrapping_mul(self.weights[column]));
        sum as f32 * (self.step * self.steps[column])
    }

    /// [`Scale::one`] for as many columns as a vector holds.
    #[inline(always)]
    fn some<I: Isa>(&self, isa: I, sums: &[i32], column: usize) -> I::F32 {
        let (float, int) = (isa.f32(), isa.i32());
        let zeros = int.mul(int.splat(self.zero), int.load(&self.weights[column..]));
        let sums = int.to_float(int.sub(int.load(&sums[column..]), zeros));
        float.mul(
            sums,
            float.mul(float.splat(self.step), float.load(&self.steps[column..])),
        )
    }
}

/// Sums to numbers, added to what is there if `add`, and with a bias.
pub struct Finish<'a> {
    pub sums: &'a [i32],
    pub scale: Scale<'a>,
    pub bias: Option<&'a [f32]>,
    pub add: bool,
    pub out: &'a mut [f32],
}

impl SimdOp for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let lanes = ops.len();
        let whole = self.out.len() / lanes * lanes;
        let mut at = 0;
        while at < whole {
            let mut number = self.scale.some(isa, self.sums, at);
            if let Some(bias) = self.bias {
                number = ops.add(number, ops.load(&bias[at..]));
            }
            if self.add {
                number = ops.add(number, ops.load(&self.out[at..]));
            }
            ops.store(number, &mut self.out[at..]);
            at += lanes;
        }
        for column in whole..self.out.len() {
            let before = if self.add { self.out[column] } else { 0.0 };
            let bias = self.bias.map_or(0.0, |bias| bias[column]);
            self.out[column] = self.scale.one(self.sums[column], column) + bias + before;
        }
    }
}

/// Numbers to bytes: `number * steps + zero`, rounded.
pub struct ToBytes<'a> {
    pub numbers: &'a [f32],
    /// Steps to one.
    pub steps: f32,
    pub zero: i32,
    pub out: &'a mut [u8],
}

impl SimdOp for ToBytes<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let (lanes, steps, zero) = (ops.len(), ops.splat(self.steps), isa.i32().splat(self.zero));
        let whole = self.numbers.len() / (4 * lanes) * (4 * lanes);
        let mut at = 0;
        while at < whole {
            let part = |place: usize| ops.load(&self.numbers[at + place * lanes..]);
            let four = [part(0), part(1), part(2), part(3)];
            store(isa, four, steps, zero, &mut self.out[at..]);
            at += 4 * lanes;
        }
        for at in whole..self.numbers.len() {
            let byte = (self.numbers[at] * self.steps).round_ties_even() as i32 + self.zero;
            self.out[at] = byte.clamp(0, FULL as i32) as u8;
        }
    }
}

/// Stores four vectors as bytes.
#[inline(always)]
fn store<I: Isa>(isa: I, four: [I::F32; 4], steps: I::F32, zero: I::I32, out: &mut [u8]) {
    let (float, int) = (isa.f32(), isa.i32());
    let a = int.add(float.to_int_round(float.mul(four[0], steps)), zero);
    let b = int.add(float.to_int_round(float.mul(four[1], steps)), zero);
    let c = int.add(float.to_int_round(float.mul(four[2], steps)), zero);
    let d = int.add(float.to_int_round(float.mul(four[3], steps)), zero);
    let (low, high) = (int.narrow_saturate(a, b), int.narrow_saturate(c, d));
    isa.u8().store(isa.i16().narrow_saturate(low, high), out);
}

/// A row of sums to attention weights in bytes, 255 for the key that fits best. Returns what all weights
/// come to, for whoever divides by it.
pub struct Weigh<'a> {
    pub sums: &'a [i32],
    pub scale: Scale<'a>,
    /// Added to each score.
    pub shares: &'a [f32],
    /// Room for as many numbers.
    pub scores: &'a mut [f32],
    pub out: &'a mut [u8],
}

impl SimdOp for Weigh<'_> {
    type Output = f32;

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) -> f32 {
        let ops = isa.f32();
        let lanes = ops.len();
        let count = self.sums.len();
        let whole = count / (4 * lanes) * (4 * lanes);
        let mut most = ops.splat(f32::MIN);
        let mut at = 0;
        while at < whole {
            let score = self.scale.some(isa, self.sums, at);
            let score = ops.add(score, ops.load(&self.shares[at..]));
            most = ops.max(score, most);
            ops.store(score, &mut self.scores[at..]);
            at += lanes;
        }
        let mut best = f32::MIN;
        for lane in rten_simd::Simd::to_array(most).as_ref() {
            best = if *lane > best { *lane } else { best };
        }
        for column in whole..count {
            self.scores[column] = self.scale.one(self.sums[column], column) + self.shares[column];
            best = best.max(self.scores[column]);
        }
        let (best_of_all, full, zero) = (ops.splat(best), ops.splat(FULL), isa.i32().splat(0));
        let mut total = ops.splat(0.0);
        at = 0;
        while at < whole {
            let part = |place: usize| ops.load(&self.scores[at + place * lanes..]);
            let a = Exp::apply(isa, ops.sub(part(0), best_of_all));
            let b = Exp::apply(isa, ops.sub(part(1), best_of_all));
            let c = Exp::apply(isa, ops.sub(part(2), best_of_all));
            let d = Exp::apply(isa, ops.sub(part(3), best_of_all));
            total = ops.add(total, ops.add(ops.add(a, b), ops.add(c, d)));
            store(isa, [a, b, c, d], full, zero, &mut self.out[at..]);
            at += 4 * lanes;
        }
        let mut sum = 0.0;
        for lane in rten_simd::Simd::to_array(total).as_ref() {
            sum += lane;
        }
        for column in whole..count {
            let weight = (self.scores[column] - best).exp();
            sum += weight;
            self.out[column] = (weight * FULL).round_ties_even() as u8;
        }
        sum * FULL
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_product_of_one_row_is_exact(
            row in prop::collection::vec(prop_oneof![3 => Just(0u8), 1 => any::<u8>()], 1..40),
            blocks in 1usize..4,
            seed in any::<u32>(),
        ) {
            let weight = |at: usize| (seed.wrapping_mul(at as u32 * 2 + 1) >> 24) as u8 as i8;
            let weights: Vec<i8> = (0..row.len() * COLUMNS * blocks).map(weight).collect();
            let mut sums = vec![7; COLUMNS * blocks];
            OneRow { row: &row, blocks: &weights, sums: &mut sums }.dispatch();
            for (column, sum) in sums.into_iter().enumerate() {
                let first = column / COLUMNS * row.len() * COLUMNS + column % COLUMNS;
                let column = weights[first..].iter().step_by(COLUMNS);
                let wanted: i32 = row.iter().zip(column).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
                prop_assert_eq!(sum, wanted);
            }
        }
    }
}
