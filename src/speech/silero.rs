//! Whether there is a voice: Silero's network, computed by ourselves.
//!
//! Silero 6.2 (MIT) looks at 32 ms of sound at a time, with 4 ms of what came before, and remembers. Its
//! spectrum is taken by a product; four convolutions, a cell with long and short memory, and one sum follow.
//! All steps of a passage go through everything but the memory at once.

use crate::arithmetic::{Precise, Rows, side_by_side};
use crate::model::Detector;
use crate::{Error, Kind, Result};

/// Samples in a step, at 16 kHz.
pub const STEP: usize = 512;
/// Samples before a step that it looks at too, and as many behind it, mirrored.
const EDGE: usize = 64;
/// Samples in a frame of the spectrum, and from one to the next.
const FRAME: usize = 256;
const HOP: usize = 128;
/// Frames in a step.
const FRAMES: usize = (EDGE + STEP + EDGE - FRAME) / HOP + 1;
/// Bands of the spectrum.
const BANDS: usize = FRAME / 2 + 1;
/// Numbers that the convolutions give, and that the memory holds.
const WIDTH: usize = 128;
/// Numbers between the second and the fourth convolution.
const NARROW: usize = 64;

/// The detector, loaded.
pub struct Silero {
    spectrum: Precise,
    convolutions: [Precise; 3],
    last: Precise,
    input: Precise,
    memory: Precise,
    voice: Vec<f32>,
    bias: f32,
}

impl Silero {
    /// Puts the detector's numbers into layers.
    ///
    /// # Errors
    /// [`Kind::Model`] if a part is missing or has another size.
    pub fn new(mut parts: Detector) -> Result<Silero> {
        let mut take = |name: &str, numbers: usize| {
            let part = parts.remove(name);
            part.filter(|part| part.len() == numbers)
                .ok_or_else(|| Error::new(Kind::Model, "The voice detector lacks a part."))
        };
        let mut convolution = |at: usize, inputs: usize, outputs: usize, taps: &[usize]| {
            let name = format!("_model.encoder.{at}.reparam_conv");
            let stored = take(&format!("{name}.weight"), 3 * inputs * outputs)?;
            let bias = take(&format!("{name}.bias"), outputs)?;
            let weights = side_by_side(&stored, inputs, taps);
            Ok(Precise::new(&weights, taps.len() * inputs, bias))
        };
        let all = [0, 1, 2];
        let convolutions = [
            convolution(0, BANDS, WIDTH, &all)?,
            convolution(1, WIDTH, NARROW, &all)?,
            convolution(2, NARROW, NARROW, &all)?,
        ];
        // It has one position to look at, with nothing either side.
        let last = convolution(3, NARROW, WIDTH, &[1])?;
        let spectrum = take("_model.stft.forward_basis_buffer", FRAME * 2 * BANDS)?;
        let mut gates = |which: &str| {
            let weights = take(
                &format!("_model.decoder.rnn.weight_{which}"),
                WIDTH * 4 * WIDTH,
            )?;
            let bias = take(&format!("_model.decoder.rnn.bias_{which}"), 4 * WIDTH)?;
            Ok(Precise::new(&weights, WIDTH, bias))
        };
        let (input, memory) = (gates("ih")?, gates("hh")?);
        Ok(Silero {
            spectrum: Precise::new(&spectrum, FRAME, vec![0.0; 2 * BANDS]),
            convolutions,
            last,
            input,
            memory,
            voice: take("_model.decoder.decoder.2.weight", WIDTH)?,
            bias: take("_model.decoder.decoder.2.bias", 1)?[0],
        })
    }

    /// The probability of a voice, 0 to 1, in each step of a passage at 16 kHz that begins in silence; the
    /// last step is filled up with silence.
    ///
    /// # Errors
    /// [`Kind::Internal`] if layers do not fit together.
    pub fn voices(&self, samples: &[f32]) -> Result<Vec<f32>> {
        if samples.is_empty() {
            return Ok(Vec::new());
        }
        let seen = self.see(samples)?;
        let mut gates = Vec::new();
        self.input.apply(Rows::of(&seen, WIDTH), &mut gates)?;
        let (mut held, mut said) = ([0.0f32; WIDTH], vec![0.0f32; WIDTH]);
        let mut more = Vec::new();
        let mut voices = Vec::with_capacity(seen.len() / WIDTH);
        for gates in gates.chunks_exact(4 * WIDTH) {
            self.memory.apply(Rows::of(&said, WIDTH), &mut more)?;
            let mut sum = self.bias;
            for at in 0..WIDTH {
                let gate = |which: usize| gates[which * WIDTH + at] + more[which * WIDTH + at];
                held[at] = sigmoid(gate(1)) * held[at] + sigmoid(gate(0)) * gate(2).tanh();
                said[at] = sigmoid(gate(3)) * held[at].tanh();
                sum += self.voice[at] * said[at].max(0.0);
            }
            voices.push(sigmoid(sum));
        }
        Ok(voices)
    }

    /// What the convolutions make of each step, before it is remembered.
    fn see(&self, samples: &[f32]) -> Result<Vec<f32>> {
        let steps = samples.len().div_ceil(STEP);
        let sound = edged(samples, steps);
        // A row of nothing either side, for the neighbours of the first frame and the last.
        let wide = (FRAMES + 2) * BANDS;
        let mut at = vec![0.0; steps * wide];
        let mut parts = Vec::new();
        for frame in 0..FRAMES {
            let rows = Rows {
                numbers: &sound[frame * HOP..],
                count: steps,
                step: EDGE + STEP + EDGE,
            };
            self.spectrum.apply(rows, &mut parts)?;
            for (parts, step) in parts.chunks_exact(2 * BANDS).zip(at.chunks_exact_mut(wide)) {
                let (real, imaginary) = parts.split_at(BANDS);
                let bands = step[(frame + 1) * BANDS..].iter_mut();
                for ((band, a), b) in bands.zip(real).zip(imaginary) {
                    *band = a.hypot(*b);
                }
            }
        }
        let (mut width, mut positions) = (BANDS, FRAMES);
        for (layer, stride) in self.convolutions.iter().zip([1, 2, 2]) {
            let outputs = layer.outputs();
            let into = positions.div_ceil(stride);
            let (step, step_into) = ((positions + 2) * width, (into + 2) * outputs);
            let mut next = vec![0.0; steps * step_into];
            for position in 0..into {
                let rows = Rows {
                    numbers: &at[position * stride * width..],
                    count: steps,
                    step,
                };
                layer.apply(rows, &mut parts)?;
                let rows = parts.chunks_exact(outputs);
                for (row, step) in rows.zip(next.chunks_exact_mut(step_into)) {
                    let room = step[(position + 1) * outputs..].iter_mut();
                    room.zip(row).for_each(|(to, from)| *to = from.max(0.0));
                }
            }
            (at, width, positions) = (next, outputs, into);
        }
        let rows = Rows {
            numbers: &at[width..],
            count: steps,
            step: (positions + 2) * width,
        };
        self.last.apply(rows, &mut parts)?;
        parts
            .iter_mut()
            .for_each(|number| *number = number.max(0.0));
        Ok(parts)
    }
}

/// Each step with what came before it and its own end mirrored.
fn edged(samples: &[f32], steps: usize) -> Vec<f32> {
    let mut sound = Vec::with_capacity(steps * (EDGE + STEP + EDGE));
    let sample = |at: Option<usize>| at.and_then(|at| samples.get(at)).copied().unwrap_or(0.0);
    for step in 0..steps {
        let first = step * STEP;
        sound.extend((0..EDGE).map(|at| sample((first + at).checked_sub(EDGE))));
        sound.extend((first..first + STEP).map(|at| sample(Some(at))));
        sound.extend((0..EDGE).map(|at| sample(Some(first + STEP - 2 - at))));
    }
    sound
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::fs::File;
    use std::path::Path;

    use super::*;
    use crate::audio::Frames;
    use crate::audio::flac::Decoder;
    use crate::model::Store;

    /// What Silero's own network (PyPI `silero-vad` 6.2, run by onnxruntime) says of every fourth step of
    /// the first six seconds of the bundled session's first channel.
    const ITS_OWN: [f32; 47] = [
        0.026, 0.006, 0.004, 0.004, 0.004, 0.003, 0.002, 0.002, 0.112, 0.997, 0.999, 0.994, 1.0,
        1.0, 1.0, 1.0, 0.035, 0.31, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.024, 0.007, 0.992, 1.0,
        1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.941, 0.014, 0.011, 0.018, 0.025, 0.029, 0.024, 0.945,
        0.999, 0.999, 0.999, 0.998,
    ];
    /// The file that is installed keeps some weights in half precision.
    const NEAR: f32 = 0.005;

    fn installed() -> Silero {
        let folder = std::env::var_os("UNDERTONE_MODELS")
            .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/.models").into());
        let parts = Store::open(folder).detector();
        Silero::new(parts.expect("the voice detector: run scripts/test")).unwrap()
    }

    #[test]
    fn it_hears_what_the_original_network_hears() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/session.flac");
        let mut both = Vec::new();
        let mut sound = Decoder::new(File::open(path).unwrap()).unwrap();
        while both.len() < 2 * 96_000 && sound.read(&mut both, 16_000).unwrap() > 0 {}
        let one: Vec<f32> = both.iter().copied().step_by(2).take(96_000).collect();
        let voices = installed().voices(&one).unwrap();
        assert_eq!(voices.len(), 188);
        for (step, (ours, its)) in voices.iter().step_by(4).zip(ITS_OWN).enumerate() {
            assert!((ours - its).abs() < NEAR, "{step}: {ours}, {its}");
        }
    }

    #[test]
    fn a_passage_of_any_length_has_a_probability_for_each_step() {
        let silero = installed();
        for length in [0, 1, 511, 512, 513, 5000] {
            let voices = silero.voices(&vec![0.1; length]).unwrap();
            assert_eq!(voices.len(), length.div_ceil(STEP));
            assert!(voices.iter().all(|voice| (0.0..=1.0).contains(voice)));
        }
    }

    #[test]
    fn what_lacks_a_part_is_refused() {
        assert_eq!(
            Silero::new(Detector::new()).err().unwrap().kind(),
            Kind::Model
        );
    }
}
