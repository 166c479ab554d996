//! Whose voice is it? Own voice against the other's voice leaking in.
//!
//! In one room each microphone hears both people. What channel 2 picks up of speaker 1 is what
//! channel 1 picks up of them, some decibels lower, a little later and smeared by the room. So:
//!
//! 1. The difference of the two levels has two humps, one a speaker; the valley between them says
//!    who is talking (Otsu 1979 finds it). Microphones of unequal gain only shift both humps.
//! 2. Where one clearly talks alone, the other channel shows the leak, band by band.
//! 3. A channel's own voice is what stands out above the predicted leak and its own noise. Both
//!    channels can stand out at once: that is overlap, and both are kept.
//!
//! Only energies are compared, never words: "yes" after "yes" is two people agreeing.

use super::features::{BANDS, ChannelFeatures, FRAME_RATE, Features, bins, from_db, to_db};
use super::{ChannelSeparation, Separation, Span};

/// A band counts as own voice from this many dB above predicted leak and noise, where the
/// microphones hold the speakers apart well.
const MARGIN_DB: f32 = 5.0;
/// Where they do not, this share of what holds them apart: more would leave no room for a voice that
/// is only a little louder at its own microphone.
const MARGIN_SHARE: f32 = 0.6;
/// The margin is never less, in dB: single frames swing that much in a room.
const LEAST_MARGIN_DB: f32 = 2.0;
/// Mean excess over the bands, in dB, from which a frame is own voice. Chosen on the development
/// sessions; flat between 1.0 and 2.0.
const EVIDENCE_ON: f32 = 1.5;
/// Once on, own voice lasts while the evidence stays above this.
const EVIDENCE_OFF: f32 = 0.7;
/// A band cannot count for more than this, in dB.
const EXCESS_CAP: f32 = 15.0;
/// How fast a leak dies away in the room, in dB a frame of 10 ms: a reverberation time of 0.5 s.
const ROOM_DECAY_DB: f32 = 1.2;
/// Voice probability under which a frame is noise, whatever its level.
const VOICE_ON: f32 = 0.25;
/// The noise floor is followed in blocks of this many frames (one minute).
const NOISE_BLOCK: usize = 6_000;
/// Frames that the noise floor is averaged over.
const NOISE_MEAN: usize = 15;
/// No microphone is quieter than this, in dBFS a band.
const QUIETEST_DB: f32 = -95.0;
/// Shortest stretch taken as own voice, in frames. A "mm" lasts about 100 ms.
const SHORTEST: usize = 6;
/// Pauses inside own voice up to this many frames are bridged.
const BRIDGE: usize = 25;

/// Own-voice evidence for the whole session.
#[derive(Debug, Clone)]
pub struct Ownership {
    /// By channel, by frame: mean excess in dB above what leak and noise explain.
    evidence: Vec<Vec<f32>>,
    /// By channel: where the own speaker talks.
    activity: Vec<Vec<Span>>,
    /// By channel.
    noise: Vec<Noise>,
    /// See [`MARGIN_DB`].
    margin_db: f32,
    /// The figures for the transcript.
    figures: Vec<ChannelSeparation>,
}

impl Ownership {
    /// Where the speaker of a channel talks, from the sound alone.
    #[must_use]
    pub fn activity(&self, channel: usize) -> &[Span] {
        &self.activity[channel]
    }

    /// Level of a channel when nobody speaks, around a span, in dBFS.
    #[must_use]
    pub fn noise_db(&self, channel: usize, span: Span) -> f32 {
        self.noise[channel].level(frame_at(span.start))
    }

    /// Share of the frames in a span in which the channel holds its own speaker's voice, 0 to 1.
    #[must_use]
    pub fn share(&self, channel: usize, span: Span) -> f32 {
        let evidence = &self.evidence[channel];
        if evidence.is_empty() {
            return 0.0;
        }
        let first = frame_at(span.start).min(evidence.len() - 1);
        let last = frame_at(span.end).clamp(first + 1, evidence.len().max(first + 1));
        let slice = &evidence[first..last.min(evidence.len())];
        let own = slice.iter().filter(|value| **value > EVIDENCE_OFF).count();
        own as f32 / slice.len().max(1) as f32
    }

    /// The figures, with the count of words that were left out as leak.
    #[must_use]
    pub fn report(&self, leaked_words: u32) -> Separation {
        Separation {
            channels: self.figures.clone(),
            margin_db: round(f64::from(self.margin_db)),
            leaked_words,
        }
    }
}

fn frame_at(seconds: f64) -> usize {
    (seconds.max(0.0) * FRAME_RATE).round() as usize
}

/// Decides, frame by frame, which channel holds its own speaker's voice.
///
/// Works on one or two channels; with one there is no leak to tell apart.
#[must_use]
pub fn own_voices(features: &Features) -> Ownership {
    let noise: Vec<Noise> = features.channels.iter().map(Noise::of).collect();
    let sides = (features.channels.len() == 2).then(|| Sides::find(features, &noise));
    let margin_db = sides.as_ref().map_or(MARGIN_DB, Sides::margin_db);
    let mut evidence = Vec::new();
    let mut activity = Vec::new();
    for (index, channel) in features.channels.iter().enumerate() {
        let leak = sides.as_ref().map(|sides| Leak {
            from: &features.channels[1 - index],
            noise: &noise[1 - index],
            gain: sides.leak_into[index],
        });
        let raw = excess(channel, &noise[index], leak.as_ref(), margin_db);
        let smooth = smooth(&raw);
        activity.push(spans(&smooth, channel));
        evidence.push(smooth);
    }
    let figures = figures(features, &noise, &activity, sides.as_ref());
    Ownership {
        evidence,
        activity,
        noise,
        margin_db,
        figures,
    }
}

/// Noise floor of a channel, by minute and band, in dBFS.
#[derive(Debug, Clone)]
struct Noise {
    blocks: Vec<[f32; BANDS]>,
    /// The same over all bands.
    levels: Vec<f32>,
}

impl Noise {
    /// The quietest moments of each band: the third percentile of means over 150 ms, since two
    /// people who both leak into a channel leave hardly more of a minute free. A minute in which
    /// nobody pauses takes the floor of the quieter one beside it.
    fn of(channel: &ChannelFeatures) -> Noise {
        let blocks = channel.len().div_ceil(NOISE_BLOCK).max(1);
        let mut each = Vec::with_capacity(blocks);
        for block in 0..blocks {
            // A short last block borrows from the one before.
            let end = ((block + 1) * NOISE_BLOCK).min(channel.len());
            let start = (block * NOISE_BLOCK).min(end.saturating_sub(NOISE_BLOCK));
            let mut floor = [QUIETEST_DB; BANDS];
            for (band, floor) in floor.iter_mut().enumerate() {
                let powers: Vec<f32> = (start..end)
                    .map(|frame| from_db(channel.band_db(frame, band)))
                    .collect();
                let means = powers
                    .windows(NOISE_MEAN)
                    .map(|powers| to_db(powers.iter().sum::<f32>() / NOISE_MEAN as f32))
                    // Digital silence is no noise of the room: a pause, a gap, a gated microphone.
                    .filter(|db| *db > QUIETEST_DB)
                    .collect();
                *floor =
                    (percentile(means, 0.03).unwrap_or(QUIETEST_DB) - swing(band)).max(QUIETEST_DB);
            }
            each.push(floor);
        }
        let out: Vec<[f32; BANDS]> = (0..blocks)
            .map(|block| {
                let beside = &each[block.saturating_sub(1)..(block + 2).min(blocks)];
                let mut floor = each[block];
                for (band, floor) in floor.iter_mut().enumerate() {
                    *floor = beside
                        .iter()
                        .map(|other| other[band])
                        .fold(*floor, f32::min);
                }
                floor
            })
            .collect();
        let levels = out
            .iter()
            .map(|floor| to_db(floor.iter().map(|db| from_db(*db)).sum()))
            .collect();
        Noise {
            blocks: out,
            levels,
        }
    }

    fn at(&self, frame: usize, band: usize) -> f32 {
        self.blocks[(frame / NOISE_BLOCK).min(self.blocks.len() - 1)][band]
    }

    fn level(&self, frame: usize) -> f32 {
        self.levels[(frame / NOISE_BLOCK).min(self.levels.len() - 1)]
    }
}

/// How far under a mean over 150 ms the tenth percentile of single frames lies in steady noise, in
/// dB: the narrower a band, the more it swings. Measured on white and on room noise, within 0.3 dB.
fn swing(band: usize) -> f32 {
    5.5 / bins(band).sqrt()
}

fn percentile(mut values: Vec<f32>, share: f32) -> Option<f32> {
    if values.is_empty() {
        return None;
    }
    let at = ((values.len() - 1) as f32 * share).round() as usize;
    let (_, value, _) = values.select_nth_unstable_by(at, f32::total_cmp);
    Some(*value)
}

/// What the level differences say about the two speakers.
struct Sides {
    /// By channel that is leaked into: leak of the other's voice, by band, in dB.
    leak_into: [[f32; BANDS]; 2],
    /// The same over the whole spectrum; none where the other never talked alone.
    bleed_db: [Option<f32>; 2],
}

impl Sides {
    /// The margin that this pair of microphones leaves room for.
    fn margin_db(&self) -> f32 {
        let apart: Vec<f32> = self.bleed_db.iter().flatten().map(|db| -db).collect();
        if apart.is_empty() {
            return MARGIN_DB;
        }
        let apart = apart.iter().sum::<f32>() / apart.len() as f32;
        (MARGIN_SHARE * apart).clamp(LEAST_MARGIN_DB, MARGIN_DB)
    }

    fn find(features: &Features, noise: &[Noise]) -> Sides {
        let [one, two] = [&features.channels[0], &features.channels[1]];
        let mut differences = Vec::new();
        for frame in 0..one.len().min(two.len()) {
            let levels = [one.level_db(frame), two.level_db(frame)];
            let clear = levels[0] - noise[0].level(frame) > 10.0
                || levels[1] - noise[1].level(frame) > 10.0;
            if clear && one.voice(frame).max(two.voice(frame)) > 0.5 {
                differences.push((frame, levels[0] - levels[1]));
            }
        }
        let valley = valley(&differences);
        let mut sides = Sides {
            leak_into: [[-6.0; BANDS]; 2],
            bleed_db: [None; 2],
        };
        for into in 0..2 {
            let (from, heard) = (&features.channels[1 - into], &features.channels[into]);
            // Frames where the other talks clearly alone: beyond their own hump's median.
            let sign = if into == 1 { 1.0 } else { -1.0 };
            let theirs: Vec<(usize, f32)> = differences
                .iter()
                .map(|&(frame, difference)| (frame, (difference - valley) * sign))
                .filter(|&(_, difference)| difference > 0.0)
                .collect();
            let Some(middle) = percentile(theirs.iter().map(|pair| pair.1).collect(), 0.4) else {
                continue;
            };
            let alone: Vec<usize> = theirs
                .iter()
                .filter(|pair| pair.1 >= middle)
                .map(|pair| pair.0)
                .collect();
            if alone.len() < 50 {
                continue;
            }
            for band in 0..BANDS {
                let leak = alone
                    .iter()
                    .filter(|&&frame| {
                        from.band_db(frame, band) - noise[1 - into].at(frame, band) > 10.0
                    })
                    .map(|&frame| heard.band_db(frame, band) - from.band_db(frame, band))
                    .collect();
                if let Some(leak) = percentile(leak, 0.6) {
                    sides.leak_into[into][band] = leak.min(0.0);
                }
            }
            sides.bleed_db[into] = percentile(
                alone
                    .iter()
                    .map(|&frame| heard.level_db(frame) - from.level_db(frame))
                    .collect(),
                0.5,
            );
        }
        sides
    }
}

/// The level difference between the two humps, in dB (Otsu's threshold).
///
/// With one hump only (one person talks, or the humps are closer than 3 dB) there is no valley:
/// zero, equal levels.
fn valley(differences: &[(usize, f32)]) -> f32 {
    const STEP: f32 = 0.5;
    const REACH: f32 = 60.0;
    const CELLS: usize = (2.0 * REACH / STEP) as usize + 1;
    let mut cells = [0f64; CELLS];
    for (_, difference) in differences {
        let cell = ((difference.clamp(-REACH, REACH) + REACH) / STEP).round() as usize;
        cells[cell.min(CELLS - 1)] += 1.0;
    }
    let total: f64 = cells.iter().sum();
    let value = |cell: usize| f64::from(cell as f32 * STEP - REACH);
    let sum: f64 = cells
        .iter()
        .enumerate()
        .map(|(cell, n)| value(cell) * n)
        .sum();
    let (mut below, mut below_sum) = (0.0, 0.0);
    let (mut best, mut at, mut apart) = (0.0, 0.0, 0.0);
    for (cell, n) in cells.iter().enumerate() {
        below += n;
        below_sum += value(cell) * n;
        let above = total - below;
        // A hump holds at least a hundredth of the talk.
        if below < total * 0.01 || above < total * 0.01 {
            continue;
        }
        let gap = (sum - below_sum) / above - below_sum / below;
        let between = below * above * gap * gap;
        if between > best {
            (best, at, apart) = (between, value(cell) + f64::from(STEP) / 2.0, gap);
        }
    }
    if apart < 3.0 { 0.0 } else { at as f32 }
}

/// The other channel, as a source of leak.
struct Leak<'a> {
    from: &'a ChannelFeatures,
    noise: &'a Noise,
    gain: [f32; BANDS],
}

/// By frame: how far the channel stands out above leak and noise, mean over the bands, in dB.
fn excess(
    channel: &ChannelFeatures,
    noise: &Noise,
    leak: Option<&Leak>,
    margin_db: f32,
) -> Vec<f32> {
    // The other's recent level, dying away as the room lets it.
    let mut room = [QUIETEST_DB; BANDS];
    (0..channel.len())
        .map(|frame| {
            let mut sum = 0.0;
            for (band, room) in room.iter_mut().enumerate() {
                let floor = noise.at(frame, band);
                let mut predicted = from_db(floor);
                if let Some(leak) = leak {
                    // A frame ahead: the two paths differ by a few milliseconds.
                    let ahead = (frame + 1).min(leak.from.len() - 1);
                    let now = leak
                        .from
                        .band_db(frame, band)
                        .max(leak.from.band_db(ahead, band));
                    *room = (*room - ROOM_DECAY_DB).max(now);
                    if *room > leak.noise.at(frame, band) + 3.0 {
                        predicted += from_db(*room + leak.gain[band]);
                    }
                }
                let over = channel.band_db(frame, band) - to_db(predicted) - margin_db;
                sum += over.clamp(0.0, EXCESS_CAP);
            }
            sum / BANDS as f32
        })
        .collect()
}

/// Mean over 70 ms: single frames swing too much to judge by.
fn smooth(raw: &[f32]) -> Vec<f32> {
    const REACH: usize = 3;
    (0..raw.len())
        .map(|at| {
            let slice = &raw[at.saturating_sub(REACH)..(at + REACH + 1).min(raw.len())];
            slice.iter().sum::<f32>() / slice.len() as f32
        })
        .collect()
}

/// Stretches of own voice, in seconds.
fn spans(evidence: &[f32], channel: &ChannelFeatures) -> Vec<Span> {
    let voiced = |frame: usize| {
        let near = frame.saturating_sub(8)..(frame + 9).min(channel.len());
        near.into_iter().any(|at| channel.voice(at) > VOICE_ON)
    };
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut open: Option<usize> = None;
    for (frame, value) in evidence.iter().enumerate() {
        let threshold = if open.is_some() {
            EVIDENCE_OFF
        } else {
            EVIDENCE_ON
        };
        let own = *value > threshold && voiced(frame);
        match (open, own) {
            (None, true) => {
                // Speech begins softly: walk back to where the evidence began.
                let mut start = frame;
                let limit = found.last().map_or(0, |last| last.1);
                while start > limit
                    && evidence[start - 1] > EVIDENCE_OFF * 0.5
                    && frame - start < 20
                {
                    start -= 1;
                }
                open = Some(start);
            }
            (Some(start), false) => {
                found.push((start, frame));
                open = None;
            }
            _ => {}
        }
    }
    if let Some(start) = open {
        found.push((start, evidence.len()));
    }
    let mut merged: Vec<(usize, usize)> = Vec::new();
    for (start, end) in found {
        match merged.last_mut() {
            Some(last) if start <= last.1 + BRIDGE => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
        .into_iter()
        .filter(|(start, end)| end - start >= SHORTEST)
        .map(|(start, end)| Span {
            start: start as f64 / FRAME_RATE,
            end: end as f64 / FRAME_RATE,
        })
        .collect()
}

fn figures(
    features: &Features,
    noise: &[Noise],
    activity: &[Vec<Span>],
    sides: Option<&Sides>,
) -> Vec<ChannelSeparation> {
    let inside = |spans: &[Span], frame: usize| {
        let time = frame as f64 / FRAME_RATE;
        let at = spans.partition_point(|span| span.end <= time);
        spans.get(at).is_some_and(|span| span.start <= time)
    };
    features
        .channels
        .iter()
        .enumerate()
        .map(|(index, channel)| {
            let (mut own, mut count) = (0.0, 0u32);
            let mut quiet = Vec::new();
            for frame in 0..channel.len() {
                let talking = inside(&activity[index], frame);
                let other = activity
                    .iter()
                    .enumerate()
                    .any(|(at, spans)| at != index && inside(spans, frame));
                if talking && !other {
                    own += f64::from(from_db(channel.level_db(frame)));
                    count += 1;
                } else if !talking && !other {
                    quiet.push(channel.level_db(frame));
                }
            }
            let own = (count > 0).then(|| f64::from(to_db((own / f64::from(count)) as f32)));
            let floor = percentile(quiet, 0.5).unwrap_or_else(|| noise[index].level(0));
            ChannelSeparation {
                channel: u8::try_from(index + 1).unwrap_or(u8::MAX),
                own_dbfs: own.map(round),
                bleed_db: sides
                    .and_then(|sides| sides.bleed_db[index])
                    .map(|db| round(f64::from(db))),
                noise_dbfs: (!channel.is_empty()).then(|| round(f64::from(floor))),
            }
        })
        .collect()
}

/// To a tenth of a decibel.
fn round(db: f64) -> f64 {
    (db * 10.0).round() / 10.0
}
