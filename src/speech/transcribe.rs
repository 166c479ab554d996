//! The way from a session's sound to its words: measure, separate, pack, transcribe, check.
//!
//! The sound is read twice from its start and never held whole, so that memory does not grow
//! with the session beyond a few bytes a frame.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use serde::{Deserialize, Serialize};

use super::drafts::Drafts;
use super::engine::{Decoding, Engine, Sound, Written};
use super::features;
use super::languages::Spoken;
use super::plan::plan;
use super::said::Said;
use super::separation::{self, Cleaned, Ownership};
use super::windows::{Piece, Window};
use super::{ChannelSpeech, Separation, Span};
use crate::audio::{Frames, SPEECH_RATE};
use crate::{Error, Kind, Result};

/// Edges of a piece are faded over this many samples (10 ms), so that no click is transcribed.
const FADE: usize = 160;

/// How far the work has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Progress {
    /// Listening for who speaks when: seconds of the session done.
    Listening {
        /// Seconds of session time read so far.
        seconds: f64,
    },
    /// Writing down: seconds of speech done, and in all.
    Writing {
        /// Seconds of packed speech transcribed so far.
        done: f64,
        /// Seconds of packed speech in all.
        total: f64,
    },
}

/// What was heard in a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    /// One entry a channel.
    pub channels: Vec<ChannelSpeech>,
    /// How well the microphones held the speakers apart.
    pub separation: Separation,
    /// Language of the words, ISO 639-1.
    pub language: String,
    /// Length of the sound in seconds.
    pub duration: f64,
}

/// Opens the session's sound from its start, at 16 kHz.
pub type Opener<'a> = dyn Fn() -> Result<Box<dyn Frames + 'a>> + 'a;

/// Transcribes a session of two channels (or one), each channel on its own.
///
/// # Errors
/// What `open` and reading give; [`Kind::Cancelled`] when `cancel` becomes true;
/// [`Kind::Model`] when the engine gives up.
pub fn transcribe(
    open: &Opener,
    engine: &Engine,
    decoding: &Decoding,
    cancel: &Arc<AtomicBool>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Heard> {
    let features = features::measure(&mut *open()?, &mut |samples| {
        progress(Progress::Listening {
            seconds: seconds(samples),
        });
        !cancel.load(Ordering::Relaxed)
    })?;
    let ownership = separation::own_voices(&features);
    let duration = seconds(features.samples);
    let plans: Vec<Vec<Window>> = (0..features.channels.len())
        .map(|channel| {
            let (own, others) = (ownership.activity(channel), ownership.others(channel));
            plan(&features, &ownership, channel, own, &others, duration)
        })
        .collect();
    let mut drafts = Drafts::new(&ownership, plans.len());
    write_down(
        &|| Ok(cleaned(open()?, &ownership, &plans)),
        &plans,
        engine,
        decoding,
        cancel,
        progress,
        &mut |channel, window, written| drafts.add(channel, window, written),
    )?;
    Ok(drafts.finish(&features, duration))
}

/// Takes what was written of a channel's window.
type Take<'a> = dyn FnMut(usize, &Window, &Written) + 'a;

/// Writes down the windows of all channels, and hands each over as it is done.
///
/// # Errors
/// As [`transcribe`].
pub(super) fn write_down(
    open: &Opener,
    plans: &[Vec<Window>],
    engine: &Engine,
    decoding: &Decoding,
    cancel: &Arc<AtomicBool>,
    progress: &mut dyn FnMut(Progress),
    take: &mut Take,
) -> Result<()> {
    let total: f64 = plans.iter().flatten().map(|window| window.length).sum();
    let mut done = 0.0;
    progress(Progress::Writing { done, total });
    if total <= 0.0 {
        return Ok(());
    }
    // Workers that compute on their own: threads that share one window wait for each other at every
    // step, and on a busy machine that waiting took six times the work.
    let workers = Engine::workers(decoding.threads);
    let decoding = &Decoding {
        threads: decoding.threads.div_ceil(workers),
        ..decoding.clone()
    };
    let windows: usize = plans.iter().map(Vec::len).sum();
    // No worker is to stand by because another has all that there is.
    // And each is to write some windows before others, which then know what was said before.
    let at_once = engine.at_once(workers).min(windows.div_ceil(2 * workers));
    let shared = Shared {
        engine,
        decoding,
        spoken: Mutex::new(vec![Spoken::default(); plans.len()]),
        cancel,
    };
    std::thread::scope(|scope| {
        let (results, finished) = mpsc::channel();
        // Each worker has jobs of its own, in turn: what a window has before it is then the same in every run.
        let mut queues = Vec::with_capacity(workers);
        for _ in 0..workers {
            let (queue, jobs) = mpsc::sync_channel::<Job>(1);
            let (shared, results) = (&shared, results.clone());
            scope.spawn(move || shared.work(jobs, &results));
            queues.push(queue);
        }
        drop(results);
        let mut turn = queues.iter().cycle();
        let mut hand_out = |job: Job| {
            // Workers that are gone have said why among the results.
            let _ = turn.next().map(|queue| queue.send(job));
        };
        let mut take = |result: Result<Done>| -> Result<()> {
            let result = result?;
            let window = &plans[result.channel][result.window];
            take(result.channel, window, &result.written);
            done += window.length;
            progress(Progress::Writing { done, total });
            Ok(())
        };
        let mut waiting = Job::new();
        fill(&mut *open()?, plans, &mut |channel, window, sound| {
            waiting.push((channel, window, sound));
            if waiting.len() >= at_once {
                hand_out(std::mem::take(&mut waiting));
            }
            finished.try_iter().try_for_each(&mut take)
        })?;
        if !waiting.is_empty() {
            hand_out(waiting);
        }
        drop(queues);
        finished.iter().try_for_each(&mut take)
    })
}

/// The sound with the leaks taken out where both talk.
pub(super) fn cleaned<'a>(
    frames: Box<dyn Frames + 'a>,
    ownership: &Ownership,
    plans: &[Vec<Window>],
) -> Box<dyn Frames + 'a> {
    let heard: Vec<Vec<Span>> = plans.iter().map(spans).collect();
    let places = match heard.as_slice() {
        [one, two] => ownership.crosstalk([one, two]),
        _ => None,
    };
    match places {
        Some(places) => Box::new(Cleaned::new(frames, places)),
        None => frames,
    }
}

/// What windows hold of the session, in order.
pub(super) fn spans<'a>(windows: impl IntoIterator<Item = &'a Window>) -> Vec<Span> {
    let pieces = windows.into_iter().flat_map(|window| &window.pieces);
    let mut spans: Vec<Span> = pieces.map(|piece| piece.span).collect();
    spans.sort_by(|a, b| a.start.total_cmp(&b.start));
    spans
}

/// Windows that are written down at once: of which channel, their number among its windows, their sound.
type Job = Vec<(usize, usize, Vec<f32>)>;

/// What a worker made of one window.
struct Done {
    channel: usize,
    window: usize,
    written: Written,
}

fn seconds(samples: u64) -> f64 {
    samples as f64 / f64::from(SPEECH_RATE)
}

/// Takes a filled window: its channel, its number among the channel's windows, its sound.
type Ready<'a> = dyn FnMut(usize, usize, Vec<f32>) -> Result<()> + 'a;

/// Reads the sound once and hands each window over as soon as its last piece has gone by.
fn fill(frames: &mut dyn Frames, plans: &[Vec<Window>], ready: &mut Ready) -> Result<()> {
    let width = plans.len();
    let mut block: Vec<f32> = Vec::new();
    let mut sounds: Vec<Vec<f32>> = vec![Vec::new(); width];
    let mut next = vec![0usize; width];
    let mut at = 0usize;
    loop {
        block.clear();
        let read = frames.read(&mut block, SPEECH_RATE as usize)?;
        let end = at + read;
        for channel in 0..width {
            while let Some(window) = plans[channel].get(next[channel]) {
                let sound = &mut sounds[channel];
                if sound.is_empty() {
                    sound.resize(to_samples(window.length), 0.0);
                }
                for piece in &window.pieces {
                    copy(piece, &block, at, width, channel, sound);
                }
                let last = window.session_span().map_or(0, |span| to_samples(span.end));
                if last > end && read > 0 {
                    break;
                }
                for piece in &window.pieces {
                    fade(
                        sound,
                        to_samples(piece.at),
                        to_samples(piece.span.end - piece.span.start),
                    );
                }
                ready(channel, next[channel], std::mem::take(sound))?;
                next[channel] += 1;
            }
        }
        if read == 0 {
            return Ok(());
        }
        at = end;
    }
}

pub(super) fn to_samples(seconds: f64) -> usize {
    (seconds * f64::from(SPEECH_RATE)).round() as usize
}

/// Copies what the block (starting at session sample `at`) holds of a piece.
pub(super) fn copy(
    piece: &Piece,
    block: &[f32],
    at: usize,
    width: usize,
    channel: usize,
    sound: &mut [f32],
) {
    let start = to_samples(piece.span.start);
    let from = start.max(at);
    let to = to_samples(piece.span.end).min(at + block.len() / width);
    for sample in from..to.max(from) {
        let place = to_samples(piece.at) + sample - start;
        if let Some(out) = sound.get_mut(place) {
            *out = (block[(sample - at) * width + channel] * piece.gain).clamp(-1.0, 1.0);
        }
    }
}

pub(super) fn fade(sound: &mut [f32], start: usize, length: usize) {
    let end = (start + length).min(sound.len());
    let reach = FADE.min(length / 2);
    for step in 0..reach {
        let gain = step as f32 / reach as f32;
        if let Some(sample) = sound.get_mut(start + step) {
            *sample *= gain;
        }
        if let Some(sample) = end.checked_sub(step + 1).and_then(|at| sound.get_mut(at)) {
            *sample *= gain;
        }
    }
}

/// What all workers see.
struct Shared<'a> {
    engine: &'a Engine,
    decoding: &'a Decoding,
    /// By channel.
    spoken: Mutex<Vec<Spoken>>,
    cancel: &'a Arc<AtomicBool>,
}

impl Shared<'_> {
    /// Transcribes windows until there are no more, or some fail.
    fn work(&self, jobs: mpsc::Receiver<Job>, results: &mpsc::Sender<Result<Done>>) {
        if let Err(error) = self.run(jobs, results) {
            // Nobody listens only if something else failed before.
            let _ = results.send(Err(error));
        }
    }

    fn run(&self, jobs: mpsc::Receiver<Job>, results: &mpsc::Sender<Result<Done>>) -> Result<()> {
        let mut worker = None;
        // By channel, what was said last.
        let mut said: HashMap<usize, Said> = HashMap::new();
        for job in jobs {
            let worker = match &mut worker {
                Some(worker) => worker,
                none => none.insert(self.engine.worker()?),
            };
            let spoken = self.spoken.lock().map(|spoken| spoken.clone());
            let spoken = spoken.unwrap_or_default();
            let asked = self.decoding.language.as_deref();
            let sounds: Vec<Sound> = job
                .iter()
                .map(|(channel, _, samples)| Sound {
                    samples,
                    channel: *channel,
                    language: asked.or(spoken.get(*channel).and_then(Spoken::language)),
                    before: said.get(channel).map_or("", Said::text),
                })
                .collect();
            let written = worker.transcribe(&sounds, self.decoding, self.cancel)?;
            for ((channel, window, _), written) in job.iter().zip(written) {
                if let Ok(mut spoken) = self.spoken.lock() {
                    spoken[*channel].hear(&written);
                }
                said.entry(*channel).or_default().remember(&written.words);
                let done = Done {
                    channel: *channel,
                    window: *window,
                    written,
                };
                if results.send(Ok(done)).is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// How many threads to compute with: the machine's, at most eight (more do not help Whisper).
#[must_use]
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get().min(8))
}

/// A vocabulary file's text as it is given to the model: words joined by commas, at most 600
/// characters, since the model has room for about 220 tokens.
///
/// # Errors
/// [`Kind::Usage`] if it is longer than 64 KiB or not text.
pub fn vocabulary(bytes: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(bytes)
        .ok()
        .filter(|text| text.len() <= 65_536 && !text.contains('\0'))
        .ok_or_else(|| {
            Error::new(
                Kind::Usage,
                "The vocabulary must be a text file with a word or name on each line.",
            )
        })?;
    let mut out = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if out.len() + line.len() > 600 {
            break;
        }
        if !out.is_empty() {
            out.push_str(", ");
        }
        out.push_str(line);
    }
    Ok(out)
}
