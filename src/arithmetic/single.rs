//! Attention in single precision, for few keys.

use rten_gemm::{GemmError, GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
use rten_simd::SimdOp;
use rten_tensor::{Matrix, NdTensorView};
use rten_vecmath::Softmax;

use super::{Arithmetic, Rows, failed};
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
    GemmExecutor::<f32>::new()
        .gemm(out, left, right, options)
        .map_err(failed)
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
