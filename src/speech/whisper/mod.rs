//! Whisper itself, on the processor: windows of sound in, pieces of text with times out.
//!
//! The network and its decoding are OpenAI's (Radford and others 2022). Why they are here and not in a
//! library, and what that gains: docs/benchmarks.md. Weights are kept in eight bits, several windows are
//! written down at once, and the times of words come out of the writing itself.

mod alignment;
mod attempt;
mod attention;
mod choice;
mod copied;
mod decoder;
mod encoder;
mod picture;
mod reading;
mod search;
mod tokens;
mod weights;

use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use attempt::Attempt;
use decoder::{Decoder, Memory};
use encoder::{Encoder, ROOM};
use picture::{HOP, Painter};
use reading::{Reading, rest};
use search::{Breadth, Search};
use tokens::Tokens;
use weights::Weights;

use super::engine::{Decoding, Piece, Sound};
use super::languages;
use super::voiced::Voiced;
use crate::arithmetic::Arithmetic;
use crate::{Error, Kind, Result};

/// Name and version, as written in transcripts.
pub const NAME: &str = concat!("undertone ", env!("CARGO_PKG_VERSION"));

/// Windows that all writers have in hand, at most,
const WINDOWS_AT_ONCE: usize = 8;
/// and what may be kept of them, in bytes.
const KEPT_AT_ONCE: usize = 256 << 20;

/// Tried one after another until what comes out may stand.
const TEMPERATURES: [f32; 6] = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];
/// Samples of one position of the encoder: two frames.
const POSITION: usize = 2 * HOP;
/// Tokens of what was said before that are read first, the last ones. More gains little
/// (docs/benchmarks.md).
const BEFORE: usize = 60;
/// Less of a window than this is a voice: nobody speaks, or next to nothing is said.
const LEAST_VOICE: f32 = 0.1;
/// A part shorter than this is not halved, however little was written of it: three seconds.
const LEAST_HALVED: usize = 150;

/// A model, shared by all that write with it.
pub struct Whisper {
    encoder: Encoder,
    decoder: Decoder,
    tokens: Tokens,
    filters: Vec<f32>,
    heads: &'static [(usize, usize)],
    mels: usize,
    longest: usize,
    breadth: Breadth,
}

/// What stands before what is written of a window.
struct Prompt {
    /// With what was said before,
    full: Vec<u32>,
    /// and without.
    bare: Vec<u32>,
}

impl Prompt {
    fn differs(&self) -> bool {
        self.full != self.bare
    }
}

/// A window, or a part of it, that waits to be written down. All in positions of the encoder.
struct Part {
    window: usize,
    /// The picture of the sound from `drawn` on in the window.
    picture: Rc<Vec<f32>>,
    drawn: usize,
    /// Where this part begins in its window, and how long it is.
    from: usize,
    length: usize,
}

impl Whisper {
    /// Loads a model that has been checked; `name` is its catalogue name, which says what heads are
    /// aligned with time.
    ///
    /// # Errors
    /// [`Kind::Model`] if a part is missing.
    pub fn load(path: &Path, name: &str) -> Result<Whisper> {
        let mut weights = Weights::read(path)?;
        let shape = weights.shape;
        let known = |head: &&(usize, usize)| {
            head.0 < shape.decoder_layers as usize && head.1 < shape.heads as usize
        };
        let heads = alignment::heads(name);
        Ok(Whisper {
            encoder: Encoder::new(&mut weights, &shape)?,
            decoder: Decoder::new(&mut weights, &shape)?,
            tokens: Tokens::new(&shape, std::mem::take(&mut weights.tokens)),
            filters: std::mem::take(&mut weights.filters),
            heads: if heads.iter().filter(known).count() == heads.len() {
                heads
            } else {
                &[]
            },
            mels: shape.mels as usize,
            longest: shape.text_ctx as usize,
            breadth: Breadth::of(shape.decoder_layers as usize),
        })
    }

    /// Whether the model knows languages other than English.
    pub fn multilingual(&self) -> bool {
        !self.tokens.languages().is_empty()
    }

    /// How many writers should share so many threads.
    pub fn writers(threads: usize) -> usize {
        threads
    }

    /// How many windows each of so many writers should be given at once.
    pub fn at_once(&self, writers: usize) -> usize {
        let kept_of_one = self.decoder.kept_bytes() * self.encoder.longest();
        let fit = KEPT_AT_ONCE / kept_of_one.max(1);
        (fit.min(WINDOWS_AT_ONCE) / writers).max(1)
    }

    /// A writer with room of its own.
    ///
    /// # Errors
    /// None here: only a writer of whisper.cpp may be refused its memory.
    pub fn writer(&self) -> Result<Writer<'_>> {
        Ok(Writer {
            model: self,
            painter: Painter::new(&self.filters, self.mels),
            arithmetic: Arithmetic::default(),
        })
    }

    /// Tokens that a window may have: half of what fits, as the models were trained.
    fn most_tokens(&self, prompt: usize) -> usize {
        (self.longest / 2).min(self.longest.saturating_sub(prompt))
    }
}

/// Writes with a model. One for each thread.
pub struct Writer<'a> {
    model: &'a Whisper,
    painter: Painter,
    arithmetic: Arithmetic,
}

impl Writer<'_> {
    /// Writes down windows at once: pieces in order, and the language (ISO 639-1). A language that is not
    /// known is found out in its channel's first window. `voiced` says where in each there is a voice, or is
    /// empty where that is not known: what leaves out something said is written again.
    ///
    /// # Errors
    /// [`Kind::Cancelled`] when `cancel` becomes true.
    pub fn write(
        &mut self,
        windows: &[Sound],
        voiced: &[Voiced],
        decoding: &Decoding,
        cancel: &AtomicBool,
    ) -> Result<Vec<(Vec<Piece>, Option<&'static str>)>> {
        let tokens = &self.model.tokens;
        let expected = tokens.of_text(decoding.vocabulary.as_deref().unwrap_or_default());
        let stopped = || cancel.load(Ordering::Relaxed);
        // By window, what was read of its parts and where each begins.
        let mut out: Vec<Vec<(usize, Vec<Piece>)>> = vec![Vec::new(); windows.len()];
        let mut spoken: Vec<Option<u32>> = windows
            .iter()
            .map(|window| window.language.and_then(languages::number))
            .collect();
        // Of what was said before, by window.
        let mut said: Vec<Vec<u32>> = windows
            .iter()
            .map(|window| tokens.of_text(window.before))
            .collect();
        let mut waiting = (0..windows.len())
            .map(|window| self.part(windows, window, 0..positions(windows[window].samples.len())))
            .collect::<Result<Vec<_>>>()?;
        while !waiting.is_empty() {
            let mut memories = Vec::with_capacity(waiting.len());
            for part in &waiting {
                if stopped() {
                    return Err(Error::new(Kind::Cancelled, "Stopped."));
                }
                memories.push(self.listen(part)?);
            }
            let mut prompts = Vec::with_capacity(waiting.len());
            for (part, memory) in waiting.iter().zip(&memories) {
                let channel = windows[part.window].channel;
                let own = windows.iter().zip(&spoken);
                let language = match own
                    .filter(|(window, _)| window.channel == channel)
                    .find_map(|(_, language)| *language)
                {
                    None if self.model.multilingual() => self.language_of(memory)?,
                    known => known.unwrap_or(0),
                };
                spoken[part.window] = Some(language);
                let room = (self.model.longest / 2).saturating_sub(1 + BEFORE);
                let prompt = |said| tokens.prompt(&expected, said, language, (room, BEFORE));
                prompts.push(Prompt {
                    full: prompt(&said[part.window]),
                    bare: prompt(&[]),
                });
            }
            let written = self.attempts(
                memories,
                &waiting,
                voiced,
                &prompts,
                decoding.beam,
                &stopped,
            )?;
            if stopped() {
                return Err(Error::new(Kind::Cancelled, "Stopped."));
            }
            let mut left = Vec::new();
            for (part, (attempt, reading)) in waiting.into_iter().zip(written) {
                let end = part.from + part.length;
                let said = &mut said[part.window];
                let voiced = voiced.get(part.window);
                if let Some(voiced) = voiced.filter(|_| reading.wrong() && part.halves()) {
                    said.clear();
                    let middle = part.pause(voiced);
                    left.push(self.part(windows, part.window, part.from..middle)?);
                    left.push(self.part(windows, part.window, middle..end)?);
                    continue;
                }
                if attempt.doubtful() {
                    said.clear();
                } else {
                    said.extend(self.text(&attempt).take(reading.pieces.len()));
                }
                out[part.window].push((part.from, reading.pieces));
                if let Some(rest) = rest(reading.read, part.length) {
                    left.push(Part {
                        from: end - rest,
                        length: rest,
                        ..part
                    });
                }
            }
            waiting = left;
        }
        let codes = spoken
            .into_iter()
            .map(|number| languages::code(number.unwrap_or_default()));
        let in_order = |mut parts: Vec<(usize, Vec<Piece>)>| {
            parts.sort_by_key(|(from, _)| *from);
            parts.into_iter().flat_map(|(_, pieces)| pieces).collect()
        };
        Ok(out.into_iter().map(in_order).zip(codes).collect())
    }

    /// A part of a window, in positions, with a picture of its own.
    fn part(&self, windows: &[Sound], window: usize, place: Range<usize>) -> Result<Part> {
        let samples = windows[window].samples;
        let end = (place.end * POSITION).min(samples.len());
        let length = place.len();
        let positions = (length + ROOM).min(self.model.encoder.longest());
        let sound = &samples[place.start * POSITION..end];
        Ok(Part {
            window,
            picture: Rc::new(self.painter.paint(sound, 2 * positions)?),
            drawn: place.start,
            from: place.start,
            length,
        })
    }

    /// Encodes a part.
    fn listen(&mut self, part: &Part) -> Result<Memory> {
        let drawn_before = (part.from - part.drawn) * 2 * self.model.mels;
        let heard = self
            .model
            .encoder
            .run(&part.picture[drawn_before..], &mut self.arithmetic)?;
        self.model
            .decoder
            .begin(&heard, self.model.heads, &mut self.arithmetic)
    }

    /// The language that a window is most likely spoken in.
    fn language_of(&mut self, memory: &Memory) -> Result<u32> {
        let mut logits = Vec::new();
        let start = [vec![self.model.tokens.start]];
        self.model.decoder.read(
            &mut [&mut memory.clone()],
            &start,
            self.model.heads,
            &mut self.arithmetic,
            &mut logits,
        )?;
        let languages = self.model.tokens.languages();
        let some = &logits[languages.start as usize..languages.end as usize];
        Ok(choice::likeliest(some).0 as u32)
    }

    /// The tokens of text of an attempt.
    fn text<'t>(&self, attempt: &'t Attempt) -> impl Iterator<Item = u32> + use<'t> {
        let end = self.model.tokens.end;
        let written = attempt.written.iter().map(|chosen| chosen.token);
        written.filter(move |token| *token < end)
    }

    /// Writes parts of windows down, those again that came out badly: first without what was said before,
    /// which may be what misled, then at higher temperatures.
    fn attempts(
        &mut self,
        memories: Vec<Memory>,
        parts: &[Part],
        voiced: &[Voiced],
        prompts: &[Prompt],
        beam: usize,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Vec<(Attempt, Reading)>> {
        let mut out: Vec<Option<(Attempt, Reading)>> = memories.iter().map(|_| None).collect();
        let mut waiting: Vec<(usize, Memory)> = memories.into_iter().enumerate().collect();
        let bare = TEMPERATURES.map(|temperature| (temperature, false));
        for (temperature, full) in std::iter::once((0.0, true)).chain(bare) {
            let prompt = |place: usize| match full {
                true => &prompts[place].full,
                false => &prompts[place].bare,
            };
            // Where nothing was said before, the second try would be the first again.
            let again = |place: usize| !full && temperature == 0.0 && !prompts[place].differs();
            let (mut left, now): (Vec<_>, Vec<_>) =
                waiting.into_iter().partition(|(place, _)| again(*place));
            let lengths: Vec<usize> = now.iter().map(|(place, _)| parts[*place].length).collect();
            let attempts = search::write(
                self.model,
                now.iter().map(|(_, memory)| memory),
                &lengths,
                now.iter()
                    .map(|(place, _)| prompt(*place).clone())
                    .collect(),
                Search {
                    beam,
                    breadth: self.model.breadth,
                    temperature,
                },
                &mut self.arithmetic,
                stopped,
            )?;
            for ((place, memory), attempt) in now.into_iter().zip(attempts) {
                let part = &parts[place];
                let reading = Reading::of(
                    &attempt,
                    &self.model.tokens,
                    (part.from, part.length),
                    voiced.get(part.window),
                    prompt(place),
                );
                let doubtful = attempt.doubtful();
                let again = match full && prompts[place].differs() {
                    true => doubtful || reading.wrong(),
                    false => doubtful && part.speaks(voiced.get(part.window)),
                };
                if again && !stopped() {
                    left.push((place, memory));
                }
                // Where nothing may stand, what was likeliest without dice is still the best guess.
                let earlier = out[place].as_ref();
                if !doubtful || !earlier.is_some_and(|(earlier, _)| earlier.sound()) {
                    out[place] = Some((attempt, reading));
                }
            }
            if left.is_empty() {
                break;
            }
            waiting = left;
        }
        Ok(out.into_iter().flatten().collect())
    }
}

impl Part {
    /// Whether enough of it is a voice for dice to be worth casting: over noise they bring up anything.
    fn speaks(&self, voiced: Option<&Voiced>) -> bool {
        let end = alignment::seconds(self.from + self.length);
        voiced.is_none_or(|voiced| voiced.share(alignment::seconds(self.from), end) > LEAST_VOICE)
    }

    /// Whether there is enough of it to be halved.
    fn halves(&self) -> bool {
        self.length >= LEAST_HALVED
    }

    /// The longest pause around its middle, in its window.
    fn pause(&self, voiced: &Voiced) -> usize {
        let quarter = self.length / 4;
        let pause = voiced.pause(
            alignment::seconds(self.from + quarter),
            alignment::seconds(self.from + self.length - quarter),
        );
        alignment::position(pause).clamp(self.from + 1, self.from + self.length - 1)
    }
}

/// Positions of the encoder that hold so many samples at 16 kHz.
pub fn positions(samples: usize) -> usize {
    samples.div_ceil(POSITION)
}
