//! What to give to the engine: a channel's own speech, packed into windows and levelled.

use super::Span;
use super::features::{ChannelFeatures, FRAME_RATE, Features, from_db, to_db};
use super::separation::Ownership;
use super::windows::{self, Window};

/// Each stretch of speech is brought to this level for the engine, in dBFS: a common one for
/// speech in recordings that Whisper learned from.
const SPEECH_LEVEL_DB: f32 = -22.0;
/// But by no more than this, in dB,
const MOST_GAIN_DB: f32 = 30.0;
/// and never so far that the noise behind it exceeds this, in dBFS.
const LOUDEST_NOISE_DB: f32 = -42.0;

/// Packs stretches of a channel's own speech into windows. `others` is where somebody else talks, or
/// what else is to be left out; `duration` is where the sound ends, in seconds.
#[must_use]
pub fn plan(
    features: &Features,
    ownership: &Ownership,
    channel: usize,
    speech: &[Span],
    others: &[Span],
    duration: f64,
) -> Vec<Window> {
    let mut windows = windows::pack(speech, others, duration, &mut |within| {
        quietest(features, channel, within)
    });
    for piece in windows.iter_mut().flat_map(|window| &mut window.pieces) {
        let noise = ownership.noise_db(channel, piece.span);
        piece.gain = gain(&features.channels[channel], piece.span, noise);
    }
    windows
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
