//! The shape of a Whisper model, and the list of tensors that follows from it.

use std::ops::RangeInclusive;

use crate::Result;

/// What shapes are let through. whisper.cpp takes its sizes from the file and aborts, or worse,
/// where they contradict each other, so only the family of published sizes passes.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Vocabulary sizes: English only, many languages, and one more language from large-v3 on.
    pub vocab: RangeInclusive<u32>,
    /// Tokens that are text; the ones above are signals.
    pub text_tokens: u32,
    /// Widths of the layers.
    pub states: &'static [u32],
    /// Encoder depths. Decoders may be shallower (distilled and turbo models).
    pub encoder_layers: &'static [u32],
    /// Encoder positions: 30 seconds of two frames each 40 ms.
    pub audio_ctx: u32,
    /// Decoder positions.
    pub text_ctx: u32,
    /// Sizes of the mel filter bank.
    pub mels: &'static [u32],
}

/// Everything that OpenAI published, and what was distilled from it.
pub const WHISPER: Rules = Rules {
    vocab: 51_864..=51_866,
    text_tokens: 50_257,
    states: &[384, 512, 768, 1024, 1280],
    encoder_layers: &[4, 6, 12, 24, 32],
    audio_ctx: 1500,
    text_ctx: 448,
    mels: &[80, 128],
};

/// The sizes of a Whisper model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Tokens in the vocabulary (51,864 English only; 51,865 or 51,866 many languages).
    pub vocab: u32,
    /// Width of a layer (384 to 1,280).
    pub state: u32,
    /// Attention heads of a layer: 64 wide each.
    pub heads: u32,
    /// Encoder layers (4 to 32).
    pub encoder_layers: u32,
    /// Decoder layers (1 to as many as the encoder has).
    pub decoder_layers: u32,
    /// Encoder positions (1,500).
    pub audio_ctx: u32,
    /// Decoder positions (448).
    pub text_ctx: u32,
    /// Mel bands (80 or 128).
    pub mels: u32,
}

/// How a tensor's numbers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Biases, norms, positions: single precision in every file.
    Exact,
    /// Convolution weights: half precision, in single-precision files single.
    Convolution,
    /// Large matrices: whatever the file says.
    Matrix,
}

/// One tensor that a model of some shape has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// OpenAI's name for it.
    pub name: String,
    /// Sizes, innermost first, as ggml counts.
    pub sizes: Vec<u32>,
    /// How its numbers are kept.
    pub role: Role,
}

impl Slot {
    /// How many numbers it holds.
    pub fn elements(&self) -> u64 {
        self.sizes.iter().map(|size| u64::from(*size)).product()
    }
    /// How many rows: its outermost size.
    pub fn rows(&self) -> u64 {
        self.sizes.last().copied().map_or(1, u64::from)
    }
}

impl Shape {
    /// True where the model knows English only.
    #[must_use]
    pub fn english_only(&self) -> bool {
        self.vocab <= *WHISPER.vocab.start()
    }

    /// Refuses every shape that is not one of the family's.
    pub fn check(&self, rules: &Rules) -> Result<()> {
        let known = rules.vocab.contains(&self.vocab)
            && rules.states.contains(&self.state)
            && self.heads == self.state / 64
            && rules.encoder_layers.contains(&self.encoder_layers)
            && (1..=self.encoder_layers).contains(&self.decoder_layers)
            && self.audio_ctx == rules.audio_ctx
            && self.text_ctx == rules.text_ctx
            && rules.mels.contains(&self.mels);
        if known {
            Ok(())
        } else {
            Err(super::unusable(
                "This is not a Whisper speech model: its sizes are not those of any. \
                 Nothing was installed or changed.",
            )
            .hint("scripts/fetch-model base"))
        }
    }

    /// Every tensor, in the order of the published files.
    pub fn slots(&self) -> Vec<Slot> {
        let n = self.state;
        let mut list = List(Vec::new());
        list.add(
            "decoder.positional_embedding",
            &[n, self.text_ctx],
            Role::Exact,
        );
        list.add(
            "encoder.positional_embedding",
            &[n, self.audio_ctx],
            Role::Exact,
        );
        list.add(
            "decoder.token_embedding.weight",
            &[n, self.vocab],
            Role::Matrix,
        );
        for layer in 0..self.decoder_layers {
            list.block(&format!("decoder.blocks.{layer}."), n, true);
        }
        list.norm("decoder.ln", n);
        for (conv, inner) in [("encoder.conv1", self.mels), ("encoder.conv2", n)] {
            list.add(&format!("{conv}.weight"), &[3, inner, n], Role::Convolution);
            list.add(&format!("{conv}.bias"), &[1, n], Role::Exact);
        }
        for layer in 0..self.encoder_layers {
            list.block(&format!("encoder.blocks.{layer}."), n, false);
        }
        list.norm("encoder.ln_post", n);
        list.0
    }
}

/// A list of tensors being written down.
struct List(Vec<Slot>);

impl List {
    fn add(&mut self, name: &str, sizes: &[u32], role: Role) {
        self.0.push(Slot {
            name: name.to_owned(),
            sizes: sizes.to_vec(),
            role,
        });
    }

    fn norm(&mut self, name: &str, n: u32) {
        self.add(&format!("{name}.weight"), &[n], Role::Exact);
        self.add(&format!("{name}.bias"), &[n], Role::Exact);
    }

    fn linear(&mut self, name: &str, from: u32, to: u32) {
        self.add(&format!("{name}.weight"), &[from, to], Role::Matrix);
        self.add(&format!("{name}.bias"), &[to], Role::Exact);
    }

    fn attention(&mut self, name: &str, n: u32) {
        self.norm(&format!("{name}_ln"), n);
        self.linear(&format!("{name}.query"), n, n);
        // The key has no bias: it would add the same to every score.
        self.add(&format!("{name}.key.weight"), &[n, n], Role::Matrix);
        self.linear(&format!("{name}.value"), n, n);
        self.linear(&format!("{name}.out"), n, n);
    }

    fn block(&mut self, prefix: &str, n: u32, cross: bool) {
        self.norm(&format!("{prefix}mlp_ln"), n);
        self.linear(&format!("{prefix}mlp.0"), n, 4 * n);
        self.linear(&format!("{prefix}mlp.2"), 4 * n, n);
        self.attention(&format!("{prefix}attn"), n);
        if cross {
            self.attention(&format!("{prefix}cross_attn"), n);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY_EN: Shape = Shape {
        vocab: 51_864,
        state: 384,
        heads: 6,
        encoder_layers: 4,
        decoder_layers: 4,
        audio_ctx: 1500,
        text_ctx: 448,
        mels: 80,
    };

    #[test]
    fn tiny_en_has_167_tensors_and_the_published_number_of_weights() {
        let slots = TINY_EN.slots();
        assert_eq!(slots.len(), 167);
        assert!(TINY_EN.check(&WHISPER).is_ok());
        assert!(TINY_EN.english_only());
        let weights: u64 = slots.iter().map(Slot::elements).sum();
        // 37,184,256 trained, and the 1500 × 384 positions of the encoder, which are not.
        assert_eq!(weights, 37_184_256 + 1500 * 384);
    }

    #[test]
    fn a_shape_that_contradicts_itself_is_refused() {
        for wrong in [
            Shape {
                heads: 5,
                ..TINY_EN
            },
            Shape {
                state: 385,
                ..TINY_EN
            },
            Shape {
                vocab: 51_867,
                ..TINY_EN
            },
            Shape {
                decoder_layers: 0,
                ..TINY_EN
            },
            Shape {
                decoder_layers: 5,
                ..TINY_EN
            },
            Shape {
                encoder_layers: u32::MAX,
                ..TINY_EN
            },
            Shape {
                audio_ctx: 1499,
                ..TINY_EN
            },
            Shape { mels: 0, ..TINY_EN },
        ] {
            assert!(wrong.check(&WHISPER).is_err(), "{wrong:?}");
        }
    }
}
