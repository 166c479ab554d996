//! whisper.cpp, for accelerators.
//!
//! The only file that touches whisper-rs. whisper.cpp ends the process on files it does not
//! expect, so a model must have passed [`crate::model`]'s checks.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use whisper_rs::{
    DtwMode, DtwModelPreset, DtwParameters, FullParams, SamplingStrategy, WhisperContext,
    WhisperContextParameters, WhisperState,
};

use super::engine::{Decoding, Piece, Sound};
use super::voiced::Voiced;
use crate::audio::SPEECH_RATE;
use crate::{Error, Kind, Result};

/// Name and version, as written in transcripts.
pub const NAME: &str = "whisper.cpp 1.8.3";

/// Positions of the encoder, 20 ms each: the longest window fits. Whisper's own 1500 is no multiple of
/// 32, which sends the attention to ggml's slowest kernel: a tenth to a sixth of all processor time.
const ENCODER_LENGTH: i32 = 1472;

/// Whether it computes elsewhere than on the processor.
const ACCELERATED: bool = cfg!(any(
    feature = "cuda",
    feature = "vulkan",
    feature = "metal",
    feature = "coreml"
));

/// A loaded model.
pub struct Whisper {
    context: WhisperContext,
    name: String,
}

/// Computes one window after another.
pub struct Writer<'a> {
    model: &'a Whisper,
    state: WhisperState,
}

impl Whisper {
    /// Loads a model that has been checked; `name` as for [`super::Engine::load`].
    ///
    /// # Errors
    /// [`Kind::Model`] if whisper.cpp refuses the file.
    pub fn load(path: &Path, name: &str) -> Result<Whisper> {
        whisper_rs::install_logging_hooks();
        let refused = || {
            Error::new(
                Kind::Model,
                format!("The speech model {name} cannot be loaded."),
            )
            .hint(format!("undertone model verify {name}"))
        };
        let path = path.to_str().ok_or_else(refused)?;
        let mut parameters = WhisperContextParameters::default();
        // On a CPU flash attention takes twice the time, and it excludes alignment.
        parameters.flash_attn(false);
        if let Some(model_preset) = alignment_heads(name) {
            parameters.dtw_parameters(DtwParameters {
                mode: DtwMode::ModelPreset { model_preset },
                ..DtwParameters::default()
            });
        }
        let context = WhisperContext::new_with_params(path, parameters).map_err(|_| refused())?;
        Ok(Whisper {
            context,
            name: name.to_owned(),
        })
    }

    /// How many writers should share so many threads: an accelerator has one; on a processor each thread
    /// has one, as with our own engine.
    pub fn writers(threads: usize) -> usize {
        if ACCELERATED { 1 } else { threads }
    }

    /// One window after another is all it does.
    pub fn at_once(&self, _: usize) -> usize {
        1
    }

    /// A writer with memory of its own.
    ///
    /// # Errors
    /// [`Kind::Model`] if there is not enough memory for it.
    pub fn writer(&self) -> Result<Writer<'_>> {
        let state = self.context.create_state().map_err(|_| {
            Error::new(
                Kind::Model,
                format!("There is not enough memory for the model {}.", self.name),
            )
            .hint("undertone model list")
        })?;
        Ok(Writer { model: self, state })
    }
}

impl Writer<'_> {
    /// Writes down one window after another: pieces in order, and the language (ISO 639-1).
    ///
    /// # Errors
    /// [`Kind::Cancelled`] when `cancel` becomes true, [`Kind::Model`] if whisper.cpp gives up.
    pub fn write(
        &mut self,
        windows: &[Sound],
        _: &[Voiced],
        decoding: &Decoding,
        cancel: &Arc<AtomicBool>,
    ) -> Result<Vec<(Vec<Piece>, Option<&'static str>)>> {
        let mut out = Vec::with_capacity(windows.len());
        for window in windows {
            let pieces = self.one(window, decoding, cancel)?;
            let language = whisper_rs::get_lang_str(self.state.full_lang_id_from_state());
            out.push((pieces, language));
        }
        Ok(out)
    }

    fn one(
        &mut self,
        window: &Sound,
        decoding: &Decoding,
        cancel: &Arc<AtomicBool>,
    ) -> Result<Vec<Piece>> {
        // whisper.cpp refuses less than 100 ms.
        if window.samples.len() < SPEECH_RATE as usize / 10 {
            return Ok(Vec::new());
        }
        let mut parameters = self.parameters(window, decoding, cancel);
        parameters.set_audio_ctx(ENCODER_LENGTH);
        let outcome = self.state.full(parameters, window.samples);
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::Cancelled, "Stopped."));
        }
        outcome.map_err(|_| Error::new(Kind::Model, "The speech model gave up on a passage."))?;
        Ok(self.pieces())
    }

    fn parameters<'a>(
        &self,
        window: &Sound<'a>,
        decoding: &'a Decoding,
        cancel: &Arc<AtomicBool>,
    ) -> FullParams<'a, 'a> {
        let strategy = if decoding.beam > 1 {
            SamplingStrategy::BeamSearch {
                beam_size: decoding.beam as i32,
                patience: -1.0,
            }
        } else {
            SamplingStrategy::Greedy { best_of: 1 }
        };
        let mut parameters = FullParams::new(strategy);
        parameters.set_n_threads(decoding.threads.max(1) as i32);
        parameters.set_language(Some(if self.model.context.is_multilingual() {
            window.language.unwrap_or("auto")
        } else {
            "en"
        }));
        let vocabulary = decoding.vocabulary.as_deref().unwrap_or_default();
        let before = format!("{vocabulary} {}", window.before.replace('\0', ""));
        parameters.set_initial_prompt(before.trim());
        // A window's text must not steer the next: that is how loops start.
        parameters.set_no_context(true);
        parameters.set_token_timestamps(true);
        parameters.set_suppress_blank(true);
        parameters.set_suppress_nst(true);
        parameters.set_print_progress(false);
        parameters.set_print_realtime(false);
        parameters.set_print_special(false);
        parameters.set_print_timestamps(false);
        // The boxed closure is of the very type that the callback casts back to; an unboxed one
        // is cast to the wrong type by whisper-rs 0.16.
        let cancel = Arc::clone(cancel);
        let stop: Box<dyn FnMut() -> bool> = Box::new(move || cancel.load(Ordering::Relaxed));
        parameters.set_abort_callback_safe(stop);
        parameters
    }

    /// The tokens of text, in order.
    ///
    /// An aligned token's time is its end, and it begins where the token before ended; measured against
    /// the bundled session, that is within 0.1 s, where Whisper's own guess is up to 0.9 s early after a
    /// pause.
    fn pieces(&self) -> Vec<Piece> {
        let first_special = self.model.context.token_eot();
        let mut out: Vec<Piece> = Vec::new();
        for segment in self.state.as_iter() {
            let no_speech = segment.no_speech_probability();
            let mut first = true;
            for index in 0..segment.n_tokens() {
                let Some(token) = segment.get_token(index) else {
                    continue;
                };
                if token.token_id() >= first_special {
                    continue;
                }
                let Ok(bytes) = token.to_bytes() else {
                    continue;
                };
                let data = token.token_data();
                let time = if data.t_dtw >= 0 {
                    (
                        out.last().map_or(0.0, |before| before.time.1),
                        data.t_dtw as f64 / 100.0,
                    )
                } else {
                    (data.t0 as f64 / 100.0, data.t1 as f64 / 100.0)
                };
                out.push(Piece {
                    bytes: bytes.to_vec(),
                    time,
                    probability: data.p,
                    no_speech,
                    first,
                });
                first = false;
            }
        }
        out
    }
}

/// The attention heads that OpenAI published as aligned with time, by model.
fn alignment_heads(name: &str) -> Option<DtwModelPreset> {
    // Quantised files keep the heads of the model they were made from.
    let base = name.split("-q").next().unwrap_or(name);
    Some(match base {
        "tiny.en" => DtwModelPreset::TinyEn,
        "tiny" => DtwModelPreset::Tiny,
        "base.en" => DtwModelPreset::BaseEn,
        "base" => DtwModelPreset::Base,
        "small.en" => DtwModelPreset::SmallEn,
        "small" => DtwModelPreset::Small,
        "medium.en" => DtwModelPreset::MediumEn,
        "medium" => DtwModelPreset::Medium,
        "large-v3" => DtwModelPreset::LargeV3,
        "large-v3-turbo" => DtwModelPreset::LargeV3Turbo,
        _ => return None,
    })
}
