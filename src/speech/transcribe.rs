//! The way from a session's sound to its words: measure, separate, pack, transcribe, check.
//!
//! The sound is read twice from its start and never held whole, so that memory does not grow
//! with the session beyond a few bytes a frame.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use super::engine::{Decoding, Engine, WindowWord};
use super::features::{self, ChannelFeatures, FRAME_RATE, Features, from_db, to_db};
use super::separation::{self, Ownership};
use super::suspect::{self, Evidence};
use super::voice;
use super::windows::{self, Window};
use super::{ChannelSpeech, Separation, Span, Word};
use crate::audio::{Frames, SPEECH_RATE};
use crate::{Error, Kind, Result};

/// A word belongs to a channel if its own voice is heard in at least this share of it.
const OWN_SHARE: f32 = 0.30;
/// Whisper's word times are this vague, in seconds: look a little around the word.
const VAGUE: f64 = 0.08;
/// Each stretch of speech is brought to this level for the engine, in dBFS: a common one for
/// speech in recordings that Whisper learned from.
const SPEECH_LEVEL_DB: f32 = -22.0;
/// But by no more than this, in dB,
const MOST_GAIN_DB: f32 = 30.0;
/// and never so far that the noise behind it exceeds this, in dBFS.
const LOUDEST_NOISE_DB: f32 = -42.0;
/// Nobody takes longer over a word, in seconds: what is longer holds a pause.
const SLOWEST_WORD: f64 = 1.2;
/// A word said in less, in seconds, was put in the wrong place by the alignment.
const HASTY: f64 = 0.06;
/// The last word before a pause is moved by at most this much, in seconds, to end with the voice.
const END_REACH: f64 = 0.5;
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
#[derive(Debug, Clone, PartialEq)]
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
            let mut windows = windows::pack(
                ownership.activity(channel),
                &ownership.others(channel),
                duration,
                &mut |within| quietest(&features, channel, within),
            );
            for piece in windows.iter_mut().flat_map(|window| &mut window.pieces) {
                let noise = ownership.noise_db(channel, piece.span);
                piece.gain = gain(&features.channels[channel], piece.span, noise);
            }
            windows
        })
        .collect();
    let total: f64 = plans.iter().flatten().map(|window| window.length).sum();
    let mut draft = Drafts {
        ownership: &ownership,
        channels: vec![Draft::default(); plans.len()],
        leaked: 0,
        language: None,
    };
    let mut done = 0.0;
    progress(Progress::Writing { done, total });
    // A worker a channel: threads that share one window wait for each other at every step, and
    // on a busy machine that waiting took six times the work.
    std::thread::scope(|scope| {
        let (results, finished) = mpsc::channel();
        let mut queues = Vec::new();
        for channel in 0..plans.len() {
            let (queue, jobs) = mpsc::sync_channel::<(usize, Vec<f32>)>(1);
            queues.push(queue);
            let (results, mut decoding) = (results.clone(), decoding.clone());
            decoding.threads = (decoding.threads / plans.len().max(1)).max(1);
            scope.spawn(move || work(engine, channel, decoding, cancel, &jobs, &results));
        }
        drop(results);
        let mut take = |result: Result<Done>| -> Result<()> {
            let result = result?;
            let window = &plans[result.channel][result.window];
            draft.add(&result, window);
            done += window.length;
            progress(Progress::Writing { done, total });
            Ok(())
        };
        fill(&mut *open()?, &plans, &mut |channel, window, sound| {
            // A worker that is gone has said why among the results.
            let _ = queues[channel].send((window, sound));
            finished.try_iter().try_for_each(&mut take)
        })?;
        drop(queues);
        finished.iter().try_for_each(&mut take)
    })?;
    let Drafts {
        channels,
        leaked,
        language,
        ..
    } = draft;
    let channels = channels
        .into_iter()
        .enumerate()
        .map(|(index, draft)| {
            let mut heard = draft.finish(ownership.activity(index));
            heard.voices = voice::of_words(&features, &ownership, index, &heard.words);
            heard.wordless = voice::wordless(&features, &ownership, index, &heard.words);
            heard
        })
        .collect();
    Ok(Heard {
        channels,
        separation: ownership.report(leaked),
        language: language.unwrap_or_else(|| "en".to_owned()),
        duration,
    })
}

fn seconds(samples: u64) -> f64 {
    samples as f64 / f64::from(SPEECH_RATE)
}

/// The quietest moment of a channel within a span: where a long monologue is best cut.
fn quietest(features: &Features, channel: usize, within: Span) -> f64 {
    const REACH: usize = 10;
    let channel = &features.channels[channel];
    let first = (within.start * FRAME_RATE) as usize;
    let last = ((within.end * FRAME_RATE) as usize).min(channel.len().saturating_sub(1));
    let loudness = |frame: usize| -> f32 {
        (frame.saturating_sub(REACH)..=(frame + REACH).min(channel.len() - 1))
            .map(|at| channel.level_db(at))
            .sum()
    };
    (first..=last)
        .min_by(|a, b| loudness(*a).total_cmp(&loudness(*b)))
        .map_or(within.end, |frame| frame as f64 / FRAME_RATE)
}

/// What brings a stretch of speech to [`SPEECH_LEVEL_DB`].
///
/// Within one window Whisper writes down who is loud and passes over who is not: of speech 25 dB
/// below the rest it kept half the words. Only what it hears is levelled, never what is stored.
fn gain(channel: &ChannelFeatures, span: Span, noise_db: f32) -> f32 {
    let first = (span.start * FRAME_RATE) as usize;
    let last = ((span.end * FRAME_RATE) as usize).min(channel.len());
    let levels: Vec<f32> = (first..last).map(|frame| channel.level_db(frame)).collect();
    let loudest = levels.iter().copied().fold(f32::MIN, f32::max);
    let talk: Vec<f32> = levels
        .into_iter()
        .filter(|level| *level > loudest - 20.0)
        .map(from_db)
        .collect();
    if talk.is_empty() {
        return 1.0;
    }
    let level = to_db(talk.iter().sum::<f32>() / talk.len() as f32);
    let most = MOST_GAIN_DB.min(LOUDEST_NOISE_DB - noise_db).max(0.0);
    from_db((SPEECH_LEVEL_DB - level).clamp(-MOST_GAIN_DB, most)).sqrt()
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

fn to_samples(seconds: f64) -> usize {
    (seconds * f64::from(SPEECH_RATE)).round() as usize
}

/// Copies what the block (starting at session sample `at`) holds of a piece.
fn copy(
    piece: &windows::Piece,
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

fn fade(sound: &mut [f32], start: usize, length: usize) {
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

/// The words of a channel while they come in.
#[derive(Debug, Clone, Default)]
struct Draft {
    words: Vec<Word>,
    evidence: Vec<Evidence>,
}

impl Draft {
    fn finish(mut self, activity: &[Span]) -> ChannelSpeech {
        suspect::mark(&mut self.words, &self.evidence);
        ChannelSpeech {
            words: self.words,
            own: self.evidence.iter().map(|word| word.voice).collect(),
            voices: Vec::new(),
            wordless: Vec::new(),
            activity: activity.to_vec(),
        }
    }
}

/// What a worker made of a window.
struct Done {
    channel: usize,
    window: usize,
    words: Vec<WindowWord>,
    language: Option<&'static str>,
}

/// Transcribes a channel's windows in order until there are no more, or one fails.
fn work(
    engine: &Engine,
    channel: usize,
    mut decoding: Decoding,
    cancel: &Arc<AtomicBool>,
    jobs: &mpsc::Receiver<(usize, Vec<f32>)>,
    results: &mpsc::Sender<Result<Done>>,
) {
    let mut run = || -> Result<()> {
        let mut worker = None;
        for (window, sound) in jobs {
            let worker = match &mut worker {
                Some(worker) => worker,
                none => none.insert(engine.worker()?),
            };
            let words = worker.transcribe(&sound, &decoding, cancel)?;
            let language = worker.language();
            if decoding.language.is_none() && !words.is_empty() {
                // The first window with words decides for the whole channel.
                decoding.language = language.map(str::to_owned);
            }
            let done = Done {
                channel,
                window,
                words,
                language,
            };
            if results.send(Ok(done)).is_err() {
                break;
            }
        }
        Ok(())
    };
    if let Err(error) = run() {
        // Nobody listens only if something else failed before.
        let _ = results.send(Err(error));
    }
}

/// The words of all channels while they come in.
struct Drafts<'a> {
    ownership: &'a Ownership,
    channels: Vec<Draft>,
    leaked: u32,
    language: Option<String>,
}

impl Drafts<'_> {
    /// Takes in a window's words: those that are the channel's own.
    fn add(&mut self, done: &Done, window: &Window) {
        let (channel, words) = (done.channel, &done.words);
        if self.language.is_none() && !words.is_empty() {
            self.language = done.language.map(str::to_owned);
        }
        let places = place(words, window, self.ownership.activity(channel));
        for (word, span) in words.iter().zip(places) {
            let before = self.channels[channel]
                .words
                .last()
                .map_or(0.0, |word| word.start);
            let start = span.start.max(before);
            let span = Span {
                start,
                end: span.end.max(start),
            };
            let around = Span {
                start: span.start - VAGUE,
                end: span.end + VAGUE,
            };
            let voice = self.ownership.share(channel, around);
            let leaked =
                voice < OWN_SHARE && self.ownership.others_share(channel, around) > OWN_SHARE;
            if leaked {
                self.leaked += 1;
                continue;
            }
            let draft = &mut self.channels[channel];
            draft.words.push(Word {
                text: word.text.clone(),
                start: span.start,
                end: span.end,
                probability: word.probability,
                suspect: false,
            });
            draft.evidence.push(Evidence {
                voice,
                certain: word.voice,
                no_speech: word.no_speech,
            });
        }
    }
}

/// Session times of a window's words.
///
/// A word lies in the piece that its end lies in, begins where own voice begins there, and not
/// before the word before it ended. A window that is transcribed has at least one piece.
fn place(words: &[WindowWord], window: &Window, activity: &[Span]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::with_capacity(words.len());
    let mut pieces: Vec<usize> = Vec::with_capacity(words.len());
    for word in words {
        // A hair before the end: an end on a seam belongs to what was said before it.
        let inside = word.end - ((word.end - word.start) / 2.0).min(0.05);
        let index = window.piece_at(inside);
        let piece = window.pieces[index];
        let shift = piece.span.start - piece.at;
        let end = (word.end + shift).clamp(piece.span.start, piece.span.end);
        let earliest = (word.start + shift).max(end - SLOWEST_WORD);
        spans.push(Span {
            start: onset(activity, end)
                .max(earliest)
                .clamp(piece.span.start, end),
            end,
        });
        pieces.push(index);
    }
    carry_over(words, window, &mut spans, &mut pieces);
    last_ends(&mut spans, activity);
    spans
}

/// Ends the last word of each stretch of own voice where the voice ends: the alignment is vague
/// about where sound gives way to silence.
fn last_ends(spans: &mut [Span], activity: &[Span]) {
    for at in 0..spans.len() {
        let word = spans[at];
        let begun = activity.partition_point(|voice| voice.start <= word.start);
        let Some(voice) = activity[..begun].last() else {
            continue;
        };
        let last = spans.get(at + 1).is_none_or(|next| next.start >= voice.end);
        if last && (word.end - voice.end).abs() < END_REACH {
            spans[at] = Span {
                start: word.start.min(voice.end),
                end: voice.end,
            };
        }
    }
}

/// Where the stretch of own voice that holds (or last held) a moment began.
fn onset(activity: &[Span], moment: f64) -> f64 {
    let at = activity.partition_point(|span| span.start < moment);
    activity[..at].last().map_or(0.0, |span| span.start)
}

/// Moves a word over the seam where its time says it was said in no time at all, right before a
/// pause, while the next piece has room for it: the alignment holds on to the last sound before a
/// pause for too long.
fn carry_over(words: &[WindowWord], window: &Window, spans: &mut [Span], pieces: &mut [usize]) {
    for at in (0..spans.len().saturating_sub(1)).rev() {
        let next = spans[at + 1];
        if pieces[at] >= pieces[at + 1] || spans[at].end - spans[at].start > HASTY {
            continue;
        }
        // Ends a sentence: it stands where it stands.
        if words[at].text.ends_with(['.', '?', '!']) {
            continue;
        }
        let begin = window.pieces[pieces[at + 1]].span.start;
        if next.end - begin.max(next.start - SLOWEST_WORD) > 3.0 * HASTY {
            let end = next.start.max(begin);
            spans[at] = Span { start: end, end };
            pieces[at] = pieces[at + 1];
        }
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
