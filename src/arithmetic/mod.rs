//! What networks are made of: products with weights in eight bits, norms, and what is computed in single
//! precision.
//!
//! Weights are kept in eight bits with a scale for each output, and what they are multiplied with is
//! brought to eight bits row by row just before: on a processor that takes half to a third of the time
//! of single precision. Everything between the products is single precision. The products themselves
//! are those of rten.

pub(crate) mod lanes;
mod single;

pub use single::Precise;

use std::rc::Rc;

use rten_gemm::{GemmError, GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_simd::{SimdOp, SimdUnaryOp};
use rten_tensor::NdTensorView;
use rten_vecmath::{ExtendInit, Gelu, MinMax, Normalize, NormalizeOptions, Sum, SumSquareSub};

use crate::{Error, Kind, Result};
use lanes::{Finish, Scale, ToBytes};

/// Room to multiply matrices in. One for each worker.
#[derive(Default)]
pub struct Arithmetic {
    pub(crate) bytes: Vec<u8>,
    /// By row: what a step is worth, and which byte is zero.
    pub(crate) steps: Vec<(f32, i32)>,
    /// As long as it ever had to be, as `weights` are: to shorten and lengthen them costs zeros.
    pub(crate) sums: Vec<i32>,
    /// For attention: its weights, what those of a row come to, and the scores of a row.
    pub(crate) weights: Vec<u8>,
    pub(crate) totals: Vec<f32>,
    pub(crate) part: Vec<f32>,
}

/// What becomes of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It is the result.
    Keep,
    /// It goes through the activation.
    Activate,
    /// It is added to what is there.
    Add,
}

/// A layer of weights: `outputs` sums over `inputs` numbers.
pub struct Linear {
    weights: PackedBMatrix<i8>,
    /// By output, what a step of its weights is worth,
    steps: Vec<f32>,
    /// and what they come to.
    sums: Vec<i32>,
    bias: Option<Vec<f32>>,
    inputs: usize,
}

/// Gain and shift of a normalised row.
pub struct Norm {
    /// What each number is multiplied by.
    pub gain: Vec<f32>,
    /// What is added to it.
    pub shift: Vec<f32>,
    /// What is added to a variance, as the model was trained.
    pub epsilon: f32,
}

/// The part of a block that looks at each position by itself.
pub struct Mlp {
    pub norm: Norm,
    pub up: Linear,
    pub down: Linear,
}

/// Rows of numbers in a longer run of them; rows may overlap.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// All numbers.
    pub numbers: &'a [f32],
    /// How many rows.
    pub count: usize,
    /// From the start of one row to the start of the next.
    pub step: usize,
}

impl<'a> Rows<'a> {
    /// Rows of `width`, one after another.
    pub fn of(numbers: &'a [f32], width: usize) -> Rows<'a> {
        Rows {
            numbers,
            count: numbers.len() / width.max(1),
            step: width,
        }
    }
}

thread_local! {
    // To make one the processor is asked what it can do, which costs a virtual machine more than many a
    // product; and one may not be handed to another thread.
    static EIGHT: Rc<GemmExecutor<u8, i8, i32>> = Rc::default();
    static PRECISE: Rc<GemmExecutor<f32>> = Rc::default();
}

/// What multiplies in eight bits on this processor, made once a thread.
pub(crate) fn eight() -> Rc<GemmExecutor<u8, i8, i32>> {
    EIGHT.with(Rc::clone)
}

/// What multiplies in single precision, made once a thread.
fn precise() -> Rc<GemmExecutor<f32>> {
    PRECISE.with(Rc::clone)
}

/// Room for so many numbers, with whatever is left in it.
pub(crate) fn room<T: Clone + Default>(numbers: &mut Vec<T>, count: usize) -> &mut [T] {
    if numbers.len() < count {
        numbers.resize(count, T::default());
    }
    &mut numbers[..count]
}

/// Multiplies rows of so many bytes with a matrix.
pub(crate) fn product(
    sums: &mut [i32],
    rows: &[u8],
    width: usize,
    by: GemmInputB<i8>,
) -> Result<()> {
    let left = NdTensorView::from_data([rows.len() / width, width], rows);
    eight()
        .gemm(sums, GemmInputA::Unpacked(left), by, GemmOptions::default())
        .map_err(failed)
}

/// What a step of a row of weights is worth. Without instructions for eight bits the products of two
/// neighbours are added in sixteen: then no two neighbours of one sign may come to more than 127 steps, to
/// which rounding adds one at most, and 128 times 255 fits. Two large ones are seldom neighbours, so this
/// leaves a row more steps than 63, which would always be safe.
fn step(row: &[f32], eight: &GemmExecutor<u8, i8, i32>) -> f32 {
    // Several at a time, which the compiler makes one instruction of.
    const LANES: usize = 8;
    let together = eight.may_saturate();
    let larger = |a: f32, b: f32| if a > b { a } else { b };
    let of_pair = |one: f32, other: f32| {
        let apart = larger(one.abs(), other.abs());
        let both = (one + other).abs();
        if together { larger(apart, both) } else { apart }
    };
    let mut largest = [f32::MIN_POSITIVE; LANES];
    for part in row.chunks(2 * LANES) {
        for (largest, pair) in largest.iter_mut().zip(part.chunks(2)) {
            *largest = larger(
                of_pair(pair[0], pair.get(1).copied().unwrap_or(0.0)),
                *largest,
            );
        }
    }
    largest.into_iter().fold(0.0, larger) / 127.0
}

pub(crate) fn failed(_: GemmError) -> Error {
    Error::new(Kind::Internal, "A model's layers do not fit together.")
}

impl Arithmetic {
    /// Packs weights (`bias.len()` rows of `inputs` numbers, or as many as there are without a bias).
    pub fn linear(weights: &[f32], inputs: usize, bias: Option<Vec<f32>>) -> Linear {
        let eight = eight();
        let mut steps = Vec::with_capacity(weights.len() / inputs);
        let mut sums = Vec::with_capacity(weights.len() / inputs);
        let mut room = Vec::new();
        let mut bytes: Vec<i8> = Vec::with_capacity(weights.len());
        for row in weights.chunks_exact(inputs) {
            let scale = step(row, &eight);
            let first = bytes.len();
            to_signed(row, scale.recip(), &mut room, &mut bytes);
            steps.push(scale);
            sums.push(sum(&bytes[first..]));
        }
        let matrix = NdTensorView::from_data([steps.len(), inputs], &bytes[..]);
        Linear {
            weights: eight.prepack_b(matrix.transposed()),
            steps,
            sums,
            bias,
            inputs,
        }
    }

    /// Multiplies each row with the layer's weights, into rows of `out` as wide as the layer has outputs.
    pub fn apply(
        &mut self,
        layer: &Linear,
        rows: Rows,
        then: Then,
        out: &mut Vec<f32>,
    ) -> Result<()> {
        let width = layer.steps.len();
        let weights = GemmInputB::Packed(&layer.weights);
        self.multiply(rows, layer.inputs, weights, width)?;
        out.resize(rows.count * width, 0.0);
        let rows_out = out
            .chunks_exact_mut(width)
            .zip(self.sums.chunks_exact(width));
        for ((row, sums), step) in rows_out.zip(&self.steps) {
            layer.finish(sums, *step, then, row);
        }
        Ok(())
    }

    /// Multiplies rows with weights for so many outputs, to sums of products in eight bits.
    pub(crate) fn multiply(
        &mut self,
        rows: Rows,
        inputs: usize,
        weights: GemmInputB<i8>,
        outputs: usize,
    ) -> Result<()> {
        self.quantise(rows, inputs);
        let sums = room(&mut self.sums, rows.count * outputs);
        product(sums, &self.bytes, inputs, weights)
    }

    /// Brings rows to eight bits, each with a scale and a zero of its own.
    pub(crate) fn quantise(&mut self, rows: Rows, width: usize) {
        self.bytes.resize(rows.count * width, 0);
        self.steps.clear();
        for at in 0..rows.count {
            let row = &rows.numbers[at * rows.step..][..width];
            let (low, high) = MinMax::new(row).dispatch();
            let (low, high) = (low.min(0.0), high.max(0.0));
            let scale = (high - low).max(f32::MIN_POSITIVE) / 255.0;
            let zero = (-low / scale).round_ties_even() as i32;
            let to_bytes = ToBytes {
                numbers: row,
                steps: scale.recip(),
                zero,
                out: &mut self.bytes[at * width..][..width],
            };
            to_bytes.dispatch();
            self.steps.push((scale, zero));
        }
    }

    /// Normalises rows as wide as the norm.
    pub fn norm(&self, norm: &Norm, rows: &[f32], out: &mut Vec<f32>) {
        let width = norm.gain.len();
        out.clear();
        out.reserve(rows.len());
        for row in rows.chunks_exact(width) {
            let mean = Sum::new(row).dispatch() / width as f32;
            let variance = SumSquareSub::new(row, mean).dispatch() / width as f32;
            out.extend_init(|room| {
                let options = NormalizeOptions {
                    pre_scale_bias: mean,
                    scale: (variance + norm.epsilon).sqrt().recip(),
                    element_scale: Some(&norm.gain),
                    element_bias: Some(&norm.shift),
                    ..NormalizeOptions::default()
                };
                Normalize::new(row, &mut room[..width], options).dispatch()
            });
        }
    }

    /// Adds to rows what a block makes of each by itself; `normed` and `wide` are room to work in.
    pub fn think(
        &mut self,
        mlp: &Mlp,
        rows: &mut Vec<f32>,
        normed: &mut Vec<f32>,
        wide: &mut Vec<f32>,
    ) -> Result<()> {
        self.norm(&mlp.norm, rows, normed);
        self.apply(
            &mlp.up,
            Rows::of(normed, mlp.up.inputs),
            Then::Activate,
            wide,
        )?;
        self.apply(&mlp.down, Rows::of(wide, mlp.down.inputs), Then::Add, rows)
    }
}

/// The weights of a convolution over three neighbours, kept as three taps for each input, as those of a layer:
/// for each output all inputs of the first of `taps`, then of the next.
pub fn side_by_side(stored: &[f32], inputs: usize, taps: &[usize]) -> Vec<f32> {
    let mut weights = Vec::with_capacity(stored.len());
    for output in stored.chunks_exact(3 * inputs) {
        for tap in taps {
            weights.extend(output.iter().skip(*tap).step_by(3));
        }
    }
    weights
}

/// What bytes come to.
pub(crate) fn sum(bytes: &[i8]) -> i32 {
    bytes
        .iter()
        .fold(0, |sum, byte| sum.wrapping_add(i32::from(*byte)))
}

/// Numbers to signed bytes, with so many steps to one; none may be further than 127 steps from zero.
pub(crate) fn to_signed(numbers: &[f32], steps: f32, room: &mut Vec<u8>, out: &mut Vec<i8>) {
    const MIDDLE: u8 = 128;
    room.resize(numbers.len(), 0);
    let zero = i32::from(MIDDLE);
    let to_bytes = ToBytes {
        numbers,
        steps,
        zero,
        out: room,
    };
    to_bytes.dispatch();
    out.extend(room.iter().map(|byte| (byte ^ MIDDLE) as i8));
}

impl Linear {
    /// How the sums of a row become numbers. A row's zero is taken off here: rten-gemm 0.27 takes that of
    /// the first rows for all.
    fn scale(&self, (step, zero): (f32, i32)) -> Scale<'_> {
        Scale {
            step,
            zero,
            steps: &self.steps,
            weights: &self.sums,
        }
    }

    /// From the sums of a row to numbers.
    fn finish(&self, sums: &[i32], step: (f32, i32), then: Then, out: &mut [f32]) {
        let finish = Finish {
            sums,
            scale: self.scale(step),
            bias: self.bias.as_deref(),
            add: then == Then::Add,
            out: &mut *out,
        };
        finish.dispatch();
        if then == Then::Activate {
            Gelu {}.map_mut(out);
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    /// Numbers from -1 to 1 without a pattern.
    pub fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    pub fn furthest(found: &[f32], wanted: &[f32]) -> f32 {
        assert_eq!(found.len(), wanted.len());
        found
            .iter()
            .zip(wanted)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::testing::{furthest, numbers};
    use super::*;

    #[test]
    fn a_product_in_eight_bits_is_near_the_exact_one() {
        let (inputs, outputs, rows) = (192, 96, 33);
        let (weights, left, bias) = (
            numbers(inputs * outputs, 1),
            numbers(inputs * rows, 2),
            numbers(outputs, 3),
        );
        let exact: Vec<f32> = left
            .chunks(inputs)
            .flat_map(|row| {
                let exact = |(weights, bias): (&[f32], &f32)| {
                    bias + weights.iter().zip(row).map(|(a, b)| a * b).sum::<f32>()
                };
                weights
                    .chunks(inputs)
                    .zip(&bias)
                    .map(exact)
                    .collect::<Vec<f32>>()
            })
            .collect();
        let layer = Arithmetic::linear(&weights, inputs, Some(bias));
        let mut arithmetic = Arithmetic::default();
        let mut out = Vec::new();
        arithmetic
            .apply(&layer, Rows::of(&left, inputs), Then::Keep, &mut out)
            .unwrap();
        assert!(furthest(&out, &exact) < 0.2, "{}", furthest(&out, &exact));
        let twice: Vec<f32> = exact.iter().map(|number| 2.0 * number).collect();
        arithmetic
            .apply(&layer, Rows::of(&left, inputs), Then::Add, &mut out)
            .unwrap();
        assert!(furthest(&out, &twice) < 0.4);
    }

    #[test]
    fn the_largest_weights_beside_each_other_do_not_overflow() {
        let inputs = 64;
        // All alike; alike in pairs; of unlike sign; a large one alone; a large pair.
        let rows: [fn(usize) -> f32; 5] = [
            |_| -1.0,
            |at| if at / 2 % 2 == 0 { 1.0 } else { -1.0 },
            |at| if at % 2 == 0 { 1.0 } else { -1.0 },
            |at| if at == 9 { 1.0 } else { 0.008 },
            |at| if at < 2 { 1.0 } else { 0.25 },
        ];
        let weights: Vec<f32> = rows
            .iter()
            .flat_map(|weight| (0..inputs).map(weight))
            .collect();
        // From nothing to a full byte, and full bytes alone.
        let ramp: Vec<f32> = (0..inputs).map(|at| at as f32).collect();
        let left = [ramp, vec![3.0; inputs]].concat();
        let layer = Arithmetic::linear(&weights, inputs, None);
        let mut out = Vec::new();
        Arithmetic::default()
            .apply(&layer, Rows::of(&left, inputs), Then::Keep, &mut out)
            .unwrap();
        let exact: Vec<f32> = left
            .chunks(inputs)
            .flat_map(|row| {
                let sum = |weights: &[f32]| weights.iter().zip(row).map(|(a, b)| a * b).sum();
                weights.chunks(inputs).map(sum).collect::<Vec<f32>>()
            })
            .collect();
        for (found, exact) in out.iter().zip(&exact) {
            assert!(
                (found - exact).abs() < 2.0 + 0.01 * exact.abs(),
                "{found} {exact}"
            );
        }
    }

    #[test]
    fn rows_may_overlap() {
        let weights = numbers(3 * 64, 4);
        let layer = Arithmetic::linear(&weights, 64, None);
        let left = numbers(64 + 32, 5);
        let mut arithmetic = Arithmetic::default();
        let (mut overlapping, mut second) = (Vec::new(), Vec::new());
        let rows = Rows {
            numbers: &left,
            count: 2,
            step: 32,
        };
        arithmetic
            .apply(&layer, rows, Then::Keep, &mut overlapping)
            .unwrap();
        arithmetic
            .apply(&layer, Rows::of(&left[32..], 64), Then::Keep, &mut second)
            .unwrap();
        assert_eq!(overlapping[3..], second[..]);
    }

    #[test]
    fn a_norm_has_the_gain_and_the_shift_that_were_asked_for() {
        let norm = Norm {
            gain: vec![2.0; 64],
            shift: vec![3.0; 64],
            epsilon: 1e-5,
        };
        let mut out = Vec::new();
        Arithmetic::default().norm(&norm, &numbers(128, 7), &mut out);
        for row in out.chunks(64) {
            let mean: f32 = row.iter().sum::<f32>() / 64.0;
            let deviation = (row.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 64.0).sqrt();
            assert!((mean - 3.0).abs() < 1e-4 && (deviation - 2.0).abs() < 1e-3);
        }
    }
}
