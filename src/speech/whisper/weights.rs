//! A model's tensors on their way from the file into layers.

use std::collections::HashMap;
use std::path::Path;

use crate::arithmetic::{Arithmetic, Linear, Mlp, Norm, side_by_side};
use crate::model::Shape;
use crate::model::ggml::{self, Part};
use crate::{Error, Kind, Result};

/// Added to a variance, as the models were trained.
const EPSILON: f32 = 1e-5;

/// What was read of a model, until its layers have taken it.
pub struct Weights {
    /// The model's sizes.
    pub shape: Shape,
    /// The mel filter bank.
    pub filters: Vec<f32>,
    /// The bytes of each token of text.
    pub tokens: Vec<Vec<u8>>,
    tensors: HashMap<String, Vec<f32>>,
}

impl Weights {
    /// Reads a model file.
    ///
    /// # Errors
    /// As [`ggml::read`].
    pub fn read(path: &Path) -> Result<Weights> {
        let (mut filters, mut tokens, mut tensors) = (Vec::new(), Vec::new(), HashMap::new());
        let header = ggml::read(path, &mut |part| {
            match part {
                Part::Filters(bank) => filters = bank,
                Part::Tokens(list) => tokens = list,
                Part::Tensor(name, numbers) => {
                    tensors.insert(name.to_owned(), numbers);
                }
            }
            Ok(())
        })?;
        Ok(Weights {
            shape: header.shape,
            filters,
            tokens,
            tensors,
        })
    }

    /// Takes a tensor out.
    pub fn take(&mut self, name: &str) -> Result<Vec<f32>> {
        self.tensors
            .remove(name)
            .ok_or_else(|| Error::new(Kind::Model, "The speech model lacks a part."))
    }

    /// The norm of this name.
    pub fn norm(&mut self, name: &str) -> Result<Norm> {
        Ok(Norm {
            gain: self.take(&format!("{name}.weight"))?,
            shift: self.take(&format!("{name}.bias"))?,
            epsilon: EPSILON,
        })
    }

    /// What a block has of this name for each position by itself.
    pub fn mlp(&mut self, name: &str, width: usize) -> Result<Mlp> {
        Ok(Mlp {
            norm: self.norm(&format!("{name}_ln"))?,
            up: self.linear(&format!("{name}.0"), width)?,
            down: self.linear(&format!("{name}.2"), 4 * width)?,
        })
    }

    /// The layer of this name, over so many inputs.
    pub fn linear(&mut self, name: &str, inputs: usize) -> Result<Linear> {
        let weights = self.take(&format!("{name}.weight"))?;
        let bias = self.take(&format!("{name}.bias"))?;
        Ok(Arithmetic::linear(&weights, inputs, Some(bias)))
    }

    /// Layers over the same inputs as one, their outputs side by side. Keys have no bias.
    pub fn joined(&mut self, name: &str, parts: &[&str], inputs: usize) -> Result<Linear> {
        let (mut weights, mut bias) = (Vec::new(), Vec::new());
        for part in parts {
            let more = self.take(&format!("{name}.{part}.weight"))?;
            match *part {
                "key" => bias.resize(bias.len() + more.len() / inputs, 0.0),
                _ => bias.extend(self.take(&format!("{name}.{part}.bias"))?),
            }
            weights.extend(more);
        }
        Ok(Arithmetic::linear(&weights, inputs, Some(bias)))
    }

    /// A convolution over three neighbours as a layer over their numbers side by side.
    pub fn convolution(&mut self, name: &str, inputs: usize) -> Result<Linear> {
        let stored = self.take(&format!("{name}.weight"))?;
        let bias = self.take(&format!("{name}.bias"))?;
        let weights = side_by_side(&stored, inputs, &[0, 1, 2]);
        Ok(Arithmetic::linear(&weights, 3 * inputs, Some(bias)))
    }

    /// A matrix without a bias as a layer, by its numbers.
    pub fn plain(&self, numbers: &[f32], inputs: usize) -> Linear {
        Arithmetic::linear(numbers, inputs, None)
    }
}
