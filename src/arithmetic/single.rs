//! Single precision, where eight bits save nothing: attention to few keys, and small layers.

use rten_gemm::{BiasVector, GemmError, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_simd::SimdOp;
use rten_tensor::{Matrix, NdTensorView};
use rten_vecmath::Softmax;

use super::{Arithmetic, Rows, failed, precise};
use crate::Result;

/// Numbers as a matrix of rows.
fn matrix(rows: Rows<'_>, width: usize) -> Result<Matrix<'_>> {
    NdTensorView::from_data_with_strides([rows.count, width], rows.numbers, [rows.step, 1])
        .map_err(|_| failed(GemmError::OutputSizeMismatch))
}

fn times(out: &mut [f32], left: Matrix, right: Matrix, alpha: f32) -> Result<()> {
    let options = GemmOptions {
        alpha,
        ..GemmOptions::default()
    };
    let (left, right) = (GemmInputA::Unpacked(left), GemmInputB::Unpacked(right));
    precise().gemm(out, left, right, options).map_err(failed)
}

/// A layer of weights in single precision.
pub struct Precise {
    weights: PackedBMatrix<f32>,
    bias: Vec<f32>,
    inputs: usize,
}

impl Precise {
    /// Packs weights: `bias.len()` rows of `inputs` numbers.
    pub fn new(weights: &[f32], inputs: usize, bias: Vec<f32>) -> Precise {
        let matrix = NdTensorView::from_data([bias.len(), inputs], weights);
        Precise {
            weights: precise().prepack_b(matrix.transposed()),
            bias,
            inputs,
        }
    }

    /// How many numbers it gives for a row.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Multiplies each row with the layer's weights, into rows of `out` as wide as the layer has outputs.
    pub fn apply(&self, rows: Rows, out: &mut Vec<f32>) -> Result<()> {
        out.resize(rows.count * self.outputs(), 0.0);
        let options = GemmOptions {
            bias: Some(BiasVector::Row(&self.bias)),
            ..GemmOptions::default()
        };
        let left = GemmInputA::Unpacked(matrix(rows, self.inputs)?);
        precise()
            .gemm(out, left, GemmInputB::Packed(&self.weights), options)
            .map_err(failed)
    }
}

impl Arithmetic {
    /// Attention of some queries of one head, `width` wide, to all keys and values: a row of `out` each.
    pub fn look_back(
        &mut self,
        queries: Rows,
        keys: Rows,
        values: Rows,
        width: usize,
        out: &mut [f32],
    ) -> Result<()> {
        self.part.resize(queries.count * keys.count, 0.0);
        let fit = (width as f32).sqrt().recip();
        let (left, right) = (matrix(queries, width)?, matrix(keys, width)?);
        times(&mut self.part, left, right.transposed(), fit)?;
        for row in self.part.chunks_exact_mut(keys.count.max(1)) {
            Softmax::new_mut(row).dispatch();
        }
        let weights = Rows::of(&self.part, keys.count);
        times(
            out,
            matrix(weights, keys.count)?,
            matrix(values, width)?,
            1.0,
        )
    }
}
