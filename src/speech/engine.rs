//! The speech engine: windows of sound in, words with times out.
//!
//! Two can write. On the processor it is our own, `whisper`. Where the program was built for an
//! accelerator it is whisper.cpp, `whispercpp`. A model must have passed [`crate::model`]'s
//! checks before it comes here.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::silero::Silero;
use super::voiced::Voiced;
#[cfg(not(feature = "whispercpp"))]
use super::whisper::{NAME, Whisper, Writer};
#[cfg(feature = "whispercpp")]
use super::whispercpp::{NAME, Whisper, Writer};
use crate::audio::SPEECH_RATE;
use crate::model::Detector;
use crate::{Error, Kind, Result};

/// Longest window that is given to the engine, in seconds. The encoder has room for 30.
pub const LONGEST_WINDOW: f64 = 29.0;

/// Whether there is a voice is judged this far around a word, in seconds: consonants alone say little.
const AROUND: f64 = 0.5;

/// How the engine decodes.
#[derive(Debug, Clone)]
pub struct Decoding {
    /// ISO 639-1 code, or none to let a multilingual model find out.
    pub language: Option<String>,
    /// Words to expect: names of places, medicines, methods. Given to the model as if said before.
    pub vocabulary: Option<String>,
    /// Threads to compute with, of all workers together; what a worker is given is its own.
    pub threads: usize,
    /// Hypotheses to follow at once, at most; 1 is greedy.
    pub beam: usize,
}

/// Hypotheses that are followed at once where nothing else is asked for.
pub const BEAM: usize = 5;

/// Name and version of the engine, as written in transcripts.
pub const ENGINE_NAME: &str = NAME;

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
    /// Seconds of the sound around the word that the voice detector takes for a voice; none without a
    /// detector.
    pub voice: Option<f64>,
}

/// A window on its way into words.
#[derive(Debug, Clone, Copy)]
pub struct Sound<'a> {
    /// Mono, at 16 kHz, at most [`LONGEST_WINDOW`].
    pub samples: &'a [f32],
    /// Whose it is: what one channel holds is taken to be in one language.
    pub channel: usize,
    /// The language it is in, ISO 639-1, or none to let a multilingual model find out.
    pub language: Option<&'a str>,
    /// What the same speaker said some time before, as far as it is known: its style and its names help.
    pub before: &'a str,
}

/// What a worker made of a window.
#[derive(Debug, Clone)]
pub struct Written {
    /// The window's words, in order.
    pub words: Vec<WindowWord>,
    /// The language it was decoded in, ISO 639-1.
    pub language: Option<&'static str>,
}

/// A token of text with its time, as an engine writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Its bytes; a letter may be spread over several pieces.
    pub bytes: Vec<u8>,
    /// Start and end, in seconds from the start of the window.
    pub time: (f64, f64),
    /// How likely the model found it, 0 to 1.
    pub probability: f32,
    /// The model's doubt that anybody spoke around it, 0 to 1.
    pub no_speech: f32,
    /// Whether a passage begins with it.
    pub first: bool,
}

/// A loaded model. It is shared; each [`Worker`] computes on its own.
pub struct Engine {
    model: Whisper,
    detector: Option<Silero>,
}

/// Computes windows, beside other workers of the same model.
pub struct Worker<'a> {
    writer: Writer<'a>,
    detector: Option<&'a Silero>,
    /// Of one thread, so that its products do not spread over threads of others.
    pool: ThreadPool,
}

impl Engine {
    /// Loads a model that has been checked. `name` is its catalogue name: it picks the attention
    /// heads that align words to sound. Without the voice detector no word is judged by whether it is a
    /// voice.
    ///
    /// # Errors
    /// [`Kind::Model`] if the file is refused.
    pub fn load(path: &Path, name: &str, detector: Option<Detector>) -> Result<Engine> {
        Ok(Engine {
            model: Whisper::load(path, name)?,
            detector: detector.map(Silero::new).transpose()?,
        })
    }

    /// A worker with memory of its own.
    ///
    /// # Errors
    /// [`Kind::Model`] if there is not enough memory for it; [`Kind::Internal`] where no thread can be
    /// started.
    pub fn worker(&self) -> Result<Worker<'_>> {
        let pool = ThreadPoolBuilder::new().num_threads(1).build();
        let refused = "This system lets no more threads be started.";
        Ok(Worker {
            pool: pool.map_err(|_| Error::new(Kind::Internal, refused))?,
            writer: self.model.writer()?,
            detector: self.detector.as_ref(),
        })
    }

    /// How many workers should share so many threads, at least one.
    #[must_use]
    pub fn workers(threads: usize) -> usize {
        Whisper::writers(threads.max(1))
    }

    /// How many windows each of so many workers should be given at once.
    #[must_use]
    pub fn at_once(&self, workers: usize) -> usize {
        self.model.at_once(workers)
    }
}

impl Worker<'_> {
    /// Transcribes windows. What `decoding` says of the language is left to them.
    ///
    /// # Errors
    /// [`Kind::Cancelled`] when `cancel` becomes true, [`Kind::Model`] if the engine gives up.
    pub fn transcribe(
        &mut self,
        windows: &[Sound],
        decoding: &Decoding,
        cancel: &Arc<AtomicBool>,
    ) -> Result<Vec<Written>> {
        let Worker {
            writer,
            detector,
            pool,
        } = self;
        pool.install(|| {
            let voiced = match detector {
                None => Vec::new(),
                Some(detector) => windows
                    .iter()
                    .map(|window| Ok(Voiced::of(&detector.voices(window.samples)?)))
                    .collect::<Result<_>>()?,
            };
            let written = writer.write(windows, &voiced, decoding, cancel)?;
            let mut out = Vec::with_capacity(windows.len());
            for (at, (pieces, language)) in written.into_iter().enumerate() {
                let seconds = windows[at].samples.len() as f64 / f64::from(SPEECH_RATE);
                let mut words = words(&pieces, seconds);
                if let Some(voiced) = voiced.get(at) {
                    for word in &mut words {
                        word.voice = Some(voiced.seconds(word.start - AROUND, word.end + AROUND));
                    }
                }
                out.push(Written { words, language });
            }
            Ok(out)
        })
    }

    /// Transcribes one window in a language, or in the one it seems to be in.
    ///
    /// # Errors
    /// As [`Worker::transcribe`].
    pub fn write(
        &mut self,
        samples: &[f32],
        language: Option<&str>,
        decoding: &Decoding,
        cancel: &Arc<AtomicBool>,
    ) -> Result<Written> {
        let window = Sound {
            samples,
            channel: 0,
            language,
            before: "",
        };
        let written = self.transcribe(&[window], decoding, cancel)?.pop();
        Ok(written.unwrap_or(Written {
            words: Vec::new(),
            language: None,
        }))
    }
}

/// Joins pieces to words. A piece that begins with a space, or begins a passage, begins a word.
///
/// Punctuation soaks up the pause before the next word: a word ends where its last letter does.
fn words(pieces: &[Piece], length: f64) -> Vec<WindowWord> {
    let mut out: Vec<WindowWord> = Vec::new();
    let begins = |piece: &Piece| piece.first || piece.bytes.first() == Some(&b' ');
    for word in pieces.chunk_by(|_, next| !begins(next)) {
        let bytes: Vec<u8> = word
            .iter()
            .flat_map(|piece| &piece.bytes)
            .copied()
            .collect();
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        let text = if hummed(&text) { HUM.to_owned() } else { text };
        if text.is_empty() {
            continue;
        }
        let spoken = |piece: &&Piece| {
            let said = |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80;
            piece.bytes.iter().any(said)
        };
        let (Some(first), Some(last)) = (word.first(), word.iter().rfind(spoken)) else {
            // Punctuation that came as a token of its own belongs to the word before.
            if let Some(before) = out.last_mut() {
                before.text.push_str(&text);
            }
            continue;
        };
        let start = first.time.0.clamp(0.0, length);
        let sum: f32 = word.iter().map(|piece| piece.probability).sum();
        out.push(WindowWord {
            text,
            start,
            end: last.time.1.clamp(start, length),
            probability: (sum / word.len() as f32).clamp(0.0, 1.0),
            no_speech: first.no_speech,
            voice: None,
        });
    }
    out
}

/// How a hummed answer is written.
const HUM: &str = "Mm-hmm.";

/// Whether a word is a hum that was spelled letter by letter, such as "M.M.H.M." or "M-M-Hum": the smaller
/// models do that, and no word of a language looks so.
fn hummed(text: &str) -> bool {
    let parts: Vec<String> = text
        .split(['.', '-', ','])
        .filter(|part| !part.is_empty())
        .map(str::to_lowercase)
        .collect();
    let letters = parts.iter().all(|part| matches!(&**part, "m" | "h"));
    let hums = parts
        .iter()
        .all(|part| matches!(&**part, "m" | "hm" | "hmm" | "hum"));
    let enough = if letters { 4 } else { 3 };
    parts.len() >= enough && (letters || hums) && parts.iter().any(|part| part == "m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hum_that_was_spelled_is_a_hum_and_initials_are_not() {
        for hum in ["M.M.H.M.H.M.H.", "M-M-H-M", "m-h-m-h,", "M-M-Hum."] {
            assert!(hummed(hum), "{hum}");
        }
        for other in [
            "M.",
            "M.H.",
            "M-hum",
            "ho-hum",
            "hum-hum-hum",
            "H-H-H-H",
            "M.D.H.M.",
            "Mm-hmm.",
            "hmm",
            "",
            "....",
        ] {
            assert!(!hummed(other), "{other}");
        }
    }
}
