//! Whisper, through whisper.cpp: one window of sound in, words with times out.
//!
//! The only file that touches whisper-rs. A model must have passed [`crate::model`]'s checks
//! before it comes here: whisper.cpp ends the process on files it does not expect.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use whisper_rs::{
    DtwMode, DtwModelPreset, DtwParameters, FullParams, SamplingStrategy, WhisperContext,
    WhisperContextParameters, WhisperState, WhisperVadContext, WhisperVadContextParams,
};

use crate::audio::SPEECH_RATE;
use crate::{Error, Kind, Result};

/// Name and version of the engine, as written in transcripts.
pub const ENGINE: &str = "whisper.cpp 1.8.3";

/// Longest window that is given to the engine, in seconds. The encoder always works on 30.
pub const LONGEST_WINDOW: f64 = 29.0;

/// Positions of the encoder, 20 ms each: the longest window fits. Whisper's own 1500 is no multiple of
/// 32, which sends the attention to ggml's slowest kernel: a tenth to a sixth of all processor time.
/// Less for shorter windows saves a little more, but cost 0.3 to 0.4 points of word error.
const ENCODER_LENGTH: i32 = 1472;

/// The shortest encoder that is used, in positions: with less Whisper begins to repeat itself.
const SHORTEST_ENCODER: i32 = 384;

/// Samples in a step of the voice detector (32 ms, given by the detector).
const VOICE_STEP: usize = 512;
/// Voice probability from which a step is taken as voice: the detector's own recommendation.
const VOICE: f32 = 0.5;
/// Whether there is a voice is judged this far around a word, in seconds: consonants alone say little.
const AROUND: f64 = 0.5;

/// How the engine decodes.
#[derive(Debug, Clone)]
pub struct Decoding {
    /// ISO 639-1 code, or none to let a multilingual model find out.
    pub language: Option<String>,
    /// Words to expect: names of places, medicines, methods. Given to the model as if said before.
    pub vocabulary: Option<String>,
    /// Threads to compute with.
    pub threads: usize,
    /// Hypotheses to follow at once; 1 is greedy.
    pub beam: usize,
    /// For words that are shown at once and written down again later: an encoder no longer than the
    /// window, which takes less processor time and makes a few more mistakes.
    pub quick: bool,
}

/// A word within a window.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowWord {
    /// Text with punctuation, no surrounding space.
    pub text: String,
    /// Start in seconds from the start of the window.
    pub start: f64,
    /// End in seconds from the start of the window.
    pub end: f64,
    /// Mean probability of the word's tokens, 0 to 1.
    pub probability: f32,
    /// The model's own doubt that the stretch around the word holds speech, 0 to 1.
    pub no_speech: f32,
    /// Share of the sound around the word that the voice detector takes for a voice, 0 to 1; none
    /// without a detector.
    pub voice: Option<f32>,
}

/// A loaded model. It is shared; each [`Worker`] computes on its own.
pub struct Engine {
    context: WhisperContext,
    name: String,
    detector: Option<PathBuf>,
}

/// Computes one window after another, beside other workers of the same model.
pub struct Worker<'a> {
    engine: &'a Engine,
    state: WhisperState,
    detector: Option<WhisperVadContext>,
}

impl Engine {
    /// Loads a model that has been checked. `name` is its catalogue name: it picks the attention
    /// heads that align words to sound (none known: plain token times are used). `detector` is a
    /// checked Silero model in ggml form; without it no word is judged by whether it is a voice.
    ///
    /// # Errors
    /// [`Kind::Model`] if whisper.cpp refuses the file.
    pub fn load(path: &Path, name: &str, detector: Option<&Path>) -> Result<Engine> {
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
        Ok(Engine {
            context,
            name: name.to_owned(),
            detector: detector.map(Path::to_owned),
        })
    }

    /// A worker with memory of its own.
    ///
    /// # Errors
    /// [`Kind::Model`] if there is not enough memory for it.
    pub fn worker(&self) -> Result<Worker<'_>> {
        let state = self.context.create_state().map_err(|_| {
            Error::new(
                Kind::Model,
                format!("There is not enough memory for the model {}.", self.name),
            )
            .hint("undertone model list")
        })?;
        Ok(Worker {
            engine: self,
            state,
            detector: self.detector.as_deref().map(detector).transpose()?,
        })
    }

    /// Whether the model knows languages other than English.
    #[must_use]
    pub fn multilingual(&self) -> bool {
        self.context.is_multilingual()
    }
}

impl Worker<'_> {
    /// Transcribes one window of mono sound at 16 kHz, at most 30 seconds.
    ///
    /// # Errors
    /// [`Kind::Cancelled`] when `cancel` becomes true, [`Kind::Model`] if the engine gives up.
    pub fn transcribe(
        &mut self,
        window: &[f32],
        decoding: &Decoding,
        cancel: &Arc<AtomicBool>,
    ) -> Result<Vec<WindowWord>> {
        // whisper.cpp refuses less than 100 ms.
        if window.len() < SPEECH_RATE as usize / 10 {
            return Ok(Vec::new());
        }
        let mut parameters = self.parameters(decoding, cancel);
        parameters.set_audio_ctx(match decoding.quick {
            true => positions(window.len()),
            false => ENCODER_LENGTH,
        });
        let outcome = self.state.full(parameters, window);
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::Cancelled, "Stopped."));
        }
        outcome.map_err(|_| Error::new(Kind::Model, "The speech model gave up on a passage."))?;
        let mut words = self.words(window.len() as f64 / f64::from(SPEECH_RATE));
        if let (Some(detector), false) = (&mut self.detector, words.is_empty()) {
            let gave_up = |_| Error::new(Kind::Model, "The voice detector gave up on a passage.");
            detector.detect_speech(window).map_err(gave_up)?;
            for word in &mut words {
                word.voice = Some(voice_around(detector.probabilities(), word.start, word.end));
            }
        }
        Ok(words)
    }

    /// The language that the last window was decoded in.
    #[must_use]
    pub fn language(&self) -> Option<&'static str> {
        whisper_rs::get_lang_str(self.state.full_lang_id_from_state())
    }

    fn parameters<'a>(
        &self,
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
        parameters.set_language(Some(if self.engine.multilingual() {
            decoding.language.as_deref().unwrap_or("auto")
        } else {
            "en"
        }));
        if let Some(vocabulary) = &decoding.vocabulary {
            parameters.set_initial_prompt(vocabulary);
        }
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

    /// Joins tokens to words. A token that begins with a space, or follows none, begins a word.
    fn words(&self, length: f64) -> Vec<WindowWord> {
        let first_special = self.engine.context.token_eot();
        let mut words: Vec<Pending> = Vec::new();
        for segment in self.state.as_iter() {
            let no_speech = segment.no_speech_probability();
            let mut open = false;
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
                if !open || bytes.first() == Some(&b' ') {
                    words.push(Pending {
                        bytes: Vec::new(),
                        tokens: Vec::new(),
                        no_speech,
                    });
                    open = true;
                }
                if let Some(word) = words.last_mut() {
                    word.bytes.extend_from_slice(bytes);
                    word.tokens.push(Token {
                        spoken: bytes
                            .iter()
                            .any(|byte| byte.is_ascii_alphanumeric() || *byte >= 0x80),
                        guess: (data.t0 as f64 / 100.0, data.t1 as f64 / 100.0),
                        aligned: (data.t_dtw >= 0).then(|| data.t_dtw as f64 / 100.0),
                        probability: data.p,
                    });
                }
            }
        }
        finish(words, length)
    }
}

/// Positions of the encoder that hold so many samples with a second to spare, in steps that ggml is
/// fast with.
fn positions(samples: usize) -> i32 {
    const STEP: i32 = 64;
    let seconds = samples as f64 / f64::from(SPEECH_RATE) + 1.0;
    let needed = (seconds * 50.0).ceil() as i32;
    (needed.div_euclid(STEP) * STEP + STEP).clamp(SHORTEST_ENCODER, ENCODER_LENGTH)
}

/// The voice detector, for one worker.
fn detector(path: &Path) -> Result<WhisperVadContext> {
    let refused = || Error::new(Kind::Model, "The voice detector cannot be loaded.");
    let path = path
        .to_str()
        .filter(|path| !path.contains('\0'))
        .ok_or_else(refused)?;
    let mut parameters = WhisperVadContextParams::new();
    parameters.set_n_threads(1);
    WhisperVadContext::new(path, parameters).map_err(|_| refused())
}

/// Share of the detector's steps around a word that are voice.
fn voice_around(steps: &[f32], start: f64, end: f64) -> f32 {
    let step = |seconds: f64| (seconds.max(0.0) * f64::from(SPEECH_RATE)) as usize / VOICE_STEP;
    let last = (step(end + AROUND) + 1).min(steps.len());
    let near = &steps[step(start - AROUND).min(last)..last];
    let voices = near
        .iter()
        .filter(|probability| **probability > VOICE)
        .count();
    voices as f32 / near.len().max(1) as f32
}

struct Token {
    /// Whether it holds a letter or digit: punctuation takes no time to say.
    spoken: bool,
    /// Whisper's own guess at start and end, in seconds.
    guess: (f64, f64),
    /// Where the attention says the token ends, in seconds; where the model's heads are known.
    aligned: Option<f64>,
    probability: f32,
}

struct Pending {
    bytes: Vec<u8>,
    tokens: Vec<Token>,
    no_speech: f32,
}

/// Gives words their times.
///
/// An aligned token's time is its end, and it begins where the token before ended; measured
/// against the bundled session, that is within 0.1 s, where Whisper's own guess is up to 0.9 s
/// early after a pause. Punctuation soaks up the pause before the next word.
fn finish(words: Vec<Pending>, length: f64) -> Vec<WindowWord> {
    let mut out: Vec<WindowWord> = Vec::with_capacity(words.len());
    let mut before = 0.0f64;
    for word in words {
        let text = String::from_utf8_lossy(&word.bytes).trim().to_owned();
        let text = if hummed(&text) { HUM.to_owned() } else { text };
        let (Some(first), Some(last)) = (word.tokens.first(), word.tokens.last()) else {
            continue;
        };
        let spoken = word.tokens.iter().rfind(|token| token.spoken);
        let aligned = spoken.and_then(|token| token.aligned);
        let (start, end) = match aligned {
            Some(end) => (before, end),
            None => (first.guess.0, spoken.unwrap_or(last).guess.1),
        };
        before = before.max(last.aligned.unwrap_or(end));
        if text.is_empty() {
            continue;
        }
        // Punctuation that came as a token of its own belongs to the word before.
        if spoken.is_none() {
            if let Some(before) = out.last_mut() {
                before.text.push_str(&text);
            }
            continue;
        }
        let start = start.clamp(0.0, length);
        let sum: f32 = word.tokens.iter().map(|token| token.probability).sum();
        out.push(WindowWord {
            text,
            start,
            end: end.clamp(start, length),
            probability: (sum / word.tokens.len() as f32).clamp(0.0, 1.0),
            no_speech: word.no_speech,
            voice: None,
        });
    }
    out
}

/// How a hummed answer is written.
const HUM: &str = "Mm-hmm.";

/// Whether a word is a hum that was spelled letter by letter, such as "M.M.H.M." or "M-M-H-M-H-M": tiny
/// models do that, and no word of a language looks so.
fn hummed(text: &str) -> bool {
    let letters: Vec<&str> = text
        .split(['.', '-', ','])
        .filter(|letter| !letter.is_empty())
        .collect();
    letters.len() >= 4
        && letters.iter().any(|letter| matches!(*letter, "M" | "m"))
        && letters
            .iter()
            .all(|letter| matches!(*letter, "M" | "m" | "H" | "h"))
}

/// Whether Whisper knows a language by this code, such as `en`.
#[must_use]
pub fn knows_language(code: &str) -> bool {
    // The binding panics on a NUL inside.
    !code.contains('\0') && whisper_rs::get_lang_id(code).is_some_and(|id| id >= 0)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hum_that_was_spelled_is_a_hum_and_initials_are_not() {
        for hum in ["M.M.H.M.H.M.H.", "M-M-H-M", "m-h-m-h,"] {
            assert!(hummed(hum), "{hum}");
        }
        for other in [
            "M.", "M.H.", "H-H-H-H", "M.D.H.M.", "Mm-hmm.", "hmm", "", "....",
        ] {
            assert!(!hummed(other), "{other}");
        }
    }
}
