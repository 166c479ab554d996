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
//! 4. Where the microphones hear both nearly as loud, little stands out from a leak: while it is the own
//!    speaker who talks on the whole ([`talker`]), none is predicted. There it counts too which microphone hears a
//!    voice first ([`seats`]), and where levels show one hump alone, that alone says who talks.
//! 5. Where both talk, the leak is taken out of the sound before it is written down ([`crosstalk`]).
//!
//! Only energies and times of arrival are compared here: "yes" after "yes" is two people agreeing. A sentence that came out
//! on both channels all the same is looked for later (`twins`).

mod crosstalk;
mod delay;
mod filter;
mod leak;
mod noise;
mod seats;
mod talker;

use super::features::{BANDS, ChannelFeatures, FRAME_RATE, Features, from_db, to_db};
use super::spans::inside;
use super::{ChannelSeparation, Separation, Span};
pub(super) use crosstalk::{Cleaned, Crosstalk, Places};
use delay::Delay;
use leak::{MARGIN_DB, Sides};
pub(super) use noise::percentile;
use noise::{Noise, QUIETEST_DB};
use talker::Talker;

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
/// Shortest stretch taken as own voice, in frames. A "mm" lasts about 100 ms.
const SHORTEST: usize = 6;
/// One of two clearly talks alone where the levels are so many dB off those at which each is heard at their own microphone.
const CLEARLY_DB: f64 = 3.0;
/// Pauses inside own voice up to this many frames are bridged.
const BRIDGE: usize = 25;
/// Who is never heard louder than this at the other's microphone, in dB, sits in another room. In one room lapel
/// microphones leak at -7 to -20 dB, and people move.
const OTHER_ROOM_DB: f64 = -30.0;

/// Own-voice evidence for the whole session.
#[derive(Debug, Clone)]
pub struct Ownership {
    /// By channel, by frame: mean excess in dB above what leak and noise explain.
    evidence: Vec<Vec<f32>>,
    /// By channel: where the own speaker talks.
    activity: Vec<Vec<Span>>,
    /// By channel.
    noise: Vec<Noise>,
    /// Between the channels' clocks.
    delay: Delay,
    /// See [`MARGIN_DB`].
    margin_db: f32,
    told: bool,
    /// The figures for the transcript.
    figures: Vec<ChannelSeparation>,
}

impl Ownership {
    /// Where the speaker of a channel talks, from the sound alone.
    #[must_use]
    pub fn activity(&self, channel: usize) -> &[Span] {
        &self.activity[channel]
    }

    /// Where the other speaker talks, on this channel's clock; nobody where there is one channel.
    #[must_use]
    pub fn others(&self, channel: usize) -> Vec<Span> {
        let Some(theirs) = self.activity.get(1 - channel.min(1)) else {
            return Vec::new();
        };
        let shift = |seconds: f64| self.shifted(1 - channel, seconds).max(0.0);
        let shifted = |span: &Span| Span {
            start: shift(span.start),
            end: shift(span.end),
        };
        theirs.iter().map(shifted).collect()
    }

    /// Share of a span, on this channel's clock, in which the other speaker is heard on theirs.
    #[must_use]
    pub fn others_share(&self, channel: usize, span: Span) -> f32 {
        if self.activity.len() < 2 {
            return 0.0;
        }
        let start = self.shifted(channel, span.start);
        let end = start + span.end - span.start;
        self.share(1 - channel, Span { start, end })
    }

    /// By how many seconds the second channel is late at a moment.
    #[must_use]
    pub fn late(&self, seconds: f64) -> f64 {
        f64::from(self.delay.at(frame_at(seconds))) / FRAME_RATE
    }

    /// Whose voice both channels hold in a span of the first channel's clock: of the one that is louder, against how loud
    /// each is at their own microphone in this session. None where that is not clear, as where both talk, or where
    /// the other microphone is in another room.
    #[must_use]
    pub fn speaker(&self, features: &Features, span: Span) -> Option<usize> {
        let [one, two] = features.channels.as_slice() else {
            return None;
        };
        let usual = self.figures[0].own_dbfs? - self.figures[1].own_dbfs?;
        let (mut first, mut second) = (0.0, 0.0);
        for frame in frame_at(span.start)..frame_at(span.end).min(one.len()) {
            let there = self.delay.across(0, frame);
            if there < two.len() {
                first += f64::from(from_db(one.level_db(frame)));
                second += f64::from(from_db(two.level_db(there)));
            }
        }
        let beyond = 10.0 * (first / second).log10() - usual;
        let speaker = usize::from(beyond < 0.0);
        let leak = self.figures[1 - speaker].worst_bleed_db;
        let one_room = leak.is_none_or(|db| db > OTHER_ROOM_DB);
        (one_room && beyond.abs() > CLEARLY_DB).then_some(speaker)
    }

    /// A moment on a channel's clock, on the other's.
    fn shifted(&self, channel: usize, seconds: f64) -> f64 {
        let late = self.late(seconds);
        if channel == 0 {
            seconds + late
        } else {
            seconds - late
        }
    }

    /// Where the leak into each channel can be learnt and is to be taken out, if these stretches of the
    /// channels are written down; none where there is nothing to take out. Of recorders that were begun
    /// apart a leak is not taken out: their clocks part.
    #[must_use]
    pub fn crosstalk(&self, heard: [&[Span]; 2]) -> Option<[Places; 2]> {
        if self.activity.len() != 2 || self.delay.largest() != 0 {
            return None;
        }
        let places = [0, 1].map(|channel| {
            Places::of(
                heard[channel],
                self.activity(channel),
                &self.others(channel),
            )
        });
        (!places.iter().all(Places::is_empty)).then_some(places)
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

    /// Whether it is known at all whose voices these are: not where one voice, or two that nothing tells apart, came as
    /// loud to both microphones.
    #[must_use]
    pub fn told(&self) -> bool {
        self.told
    }

    /// The figures, with the count of words that were left out as leak.
    #[must_use]
    pub fn report(&self, leaked_words: u32) -> Separation {
        Separation {
            channels: self.figures.clone(),
            margin_db: round(f64::from(self.margin_db)),
            leaked_words,
            delay_ms: match self.delay.largest() {
                0 => None,
                frames => Some(round(f64::from(frames) * 1000.0 / FRAME_RATE)),
            },
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
    let channels = &features.channels;
    let (mut delay, mut between) = (Delay::default(), None);
    if let ([one, two], [first, second]) = (channels.as_slice(), noise.as_slice()) {
        delay = Delay::find([one, two], [first, second]);
        let sides = Sides::find(features, &noise, &delay);
        let talker = Talker::find(features, &noise, &sides, &delay);
        between = Some((sides, talker));
    }
    let mut evidence = Vec::new();
    let mut activity = Vec::new();
    for (index, channel) in channels.iter().enumerate() {
        let leak = between.as_ref().map(|(sides, talker)| Leak {
            from: &channels[1 - index],
            noise: &noise[1 - index],
            into: index,
            sides,
            talker,
            delay: &delay,
        });
        let evident = smooth(&excess(channel, &noise[index], leak.as_ref()));
        activity.push(spans(&evident, channel));
        evidence.push(evident);
    }
    let sides = between.as_ref().map(|(sides, _)| sides);
    let mut ownership = Ownership {
        evidence,
        activity,
        noise,
        margin_db: sides.map_or(MARGIN_DB, Sides::whole_margin_db),
        told: sides.is_none_or(Sides::told),
        delay,
        figures: Vec::new(),
    };
    ownership.figures = figures(features, &ownership, sides);
    ownership
}

/// The other channel, as a source of leak.
struct Leak<'a> {
    from: &'a ChannelFeatures,
    noise: &'a Noise,
    into: usize,
    sides: &'a Sides,
    talker: &'a Talker,
    delay: &'a Delay,
}

/// By frame: how far the channel stands out above leak and noise, mean over the bands, in dB.
fn excess(channel: &ChannelFeatures, noise: &Noise, leak: Option<&Leak>) -> Vec<f32> {
    // The other's recent level, dying away as the room lets it.
    let mut room = [QUIETEST_DB; BANDS];
    (0..channel.len())
        .map(|frame| {
            let margin_db = leak.map_or(MARGIN_DB, |leak| leak.sides.margin_db(frame));
            let there = leak.map(|leak| {
                let last = leak.from.len().saturating_sub(1);
                let there = leak.delay.across(leak.into, frame);
                // A frame ahead: the two paths differ by a few milliseconds.
                (leak, there.min(last), (there + 1).min(last))
            });
            // While the own speaker talks there is no leak to stand out from.
            let own = there.is_some_and(|(leak, there, _)| {
                let first = if leak.into == 0 { frame } else { there };
                leak.talker.is(leak.into, first)
            });
            let mut sum = 0.0;
            for (band, room) in room.iter_mut().enumerate() {
                let mut predicted = from_db(noise.at(frame, band));
                if let Some((leak, there, ahead)) = there {
                    let now = leak
                        .from
                        .band_db(there, band)
                        .max(leak.from.band_db(ahead, band));
                    *room = (*room - ROOM_DECAY_DB).max(now);
                    if !own && *room > leak.noise.at(there, band) + 3.0 {
                        predicted += from_db(*room + leak.sides.gain(leak.into, frame, band));
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
    ownership: &Ownership,
    sides: Option<&Sides>,
) -> Vec<ChannelSeparation> {
    features
        .channels
        .iter()
        .enumerate()
        .map(|(index, channel)| {
            let (mut own, mut count) = (0.0, 0u32);
            let mut quiet = Vec::new();
            let others = ownership.others(index);
            for frame in 0..channel.len() {
                let time = frame as f64 / FRAME_RATE;
                let talking = inside(ownership.activity(index), time);
                let other = inside(&others, time);
                if talking && !other {
                    own += f64::from(from_db(channel.level_db(frame)));
                    count += 1;
                } else if !talking && !other {
                    quiet.push(channel.level_db(frame));
                }
            }
            let own = (count > 0).then(|| f64::from(to_db((own / f64::from(count)) as f32)));
            let floor = percentile(quiet, 0.5).unwrap_or_else(|| ownership.noise[index].level(0));
            ChannelSeparation {
                channel: u8::try_from(index + 1).unwrap_or(u8::MAX),
                own_dbfs: own.map(round),
                bleed_db: sides
                    .and_then(|sides| sides.bleed_db(index))
                    .map(|db| round(f64::from(db))),
                worst_bleed_db: sides
                    .and_then(|sides| sides.worst_bleed_db(index))
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

#[cfg(test)]
mod tests;
