//! How loud each voice is at the other's microphone, band by band, through the session.
//!
//! People lean forward, turn away and change seats: of voices that leak at -20 dB and later at -6 dB, one
//! figure for the whole session gave two in five words to the wrong speaker. So the leak is measured
//! again every few seconds, from where the other last and next talked alone.

use super::delay::Delay;
use super::noise::{Noise, percentile, somebody_talks};
use super::seats::Seats;
use crate::audio::levels::humps::humps;
use crate::speech::features::{BANDS, Features, from_db};

/// A band counts as own voice from this many dB above predicted leak and noise, where the
/// microphones hold the speakers apart well.
pub const MARGIN_DB: f32 = 5.0;
/// Where they do not, this share of what holds them apart: more would leave no room for a voice that
/// is only a little louder at its own microphone.
const MARGIN_SHARE: f32 = 0.6;
/// The margin is never less, in dB: single frames swing that much in a room.
const LEAST_MARGIN_DB: f32 = 2.0;
/// Frames between two measurements of the leak (5 s).
const STATION: usize = 500;
/// A measurement listens to the other's talk nearest to it, in frames (10 s of talk).
const NEAR: usize = 1_000;
/// Parts of a session whose leak is this near to that of the whole, in dB, are taken as alike: the
/// whole is known from more talk.
const ALIKE_DB: f32 = 3.0;
/// The leak cannot be measured with fewer frames than this.
const FEW: usize = 50;
/// Differences are averaged over so many frames on either side (0.6 s in all).
const STEADY: usize = 30;
/// Humps whose means are less apart than this, in dB, are one that was cut in two,
const TWO_HUMPS_DB: f32 = 3.0;
/// and those are that hold less of the differences' variance between them. Measured on composed sessions: 1.2 to 4.4 dB and
/// 0.52 to 0.68 where one talks, 7.7 dB and 0.80 or more where two do, at one desk too.
const PARTED: f32 = 0.73;
/// One who talks alone is louder at their own microphone by at least so much, in dB, or it is not known whose it is.
const LOUDER_DB: f32 = 3.0;
/// No two microphones differ by so much, in dB.
const FAR_DB: f32 = 1_000.0;
/// Leak where it could not be measured, in dB.
const UNKNOWN_DB: f32 = -6.0;

/// What one channel picks up of the other's voice.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Leak {
    /// By band, in dB against the other's own microphone. Above 0 where this microphone's gain is so much
    /// higher; never so in both directions.
    gain: [f32; BANDS],
    /// The same over the whole spectrum; none where it could not be measured.
    bleed_db: Option<f32>,
}

impl Leak {
    const UNKNOWN: Leak = Leak {
        gain: [UNKNOWN_DB; BANDS],
        bleed_db: None,
    };

    /// A microphone hears its own speaker best: unequal gains shift one leak up and the other down, so
    /// together they are a loss in every band.
    fn balance([one, two]: [&mut Leak; 2]) {
        for (one, two) in one.gain.iter_mut().zip(&mut two.gain) {
            let over = (*one + *two).max(0.0) / 2.0;
            *one -= over;
            *two -= over;
        }
    }

    fn differs(&self, whole: &Leak) -> bool {
        let both = self.bleed_db.zip(whole.bleed_db);
        both.is_some_and(|(here, whole)| (here - whole).abs() > ALIKE_DB)
    }
}

/// The leak in both directions, through the session.
#[derive(Debug, Clone)]
pub struct Sides {
    /// By channel that is leaked into, by station.
    stations: [Vec<Leak>; 2],
    /// By channel that is leaked into: over the whole session.
    whole: [Leak; 2],
    /// By station.
    margin_db: Vec<f32>,
    seats: Option<Seats>,
    told: bool,
}

impl Sides {
    /// Measures the leak where one person clearly talks alone.
    pub fn find(features: &Features, noise: &[Noise], delay: &Delay) -> Sides {
        let seats = Seats::find(features, noise);
        let (talks, told) = talks(features, noise, delay, seats.as_ref());
        let count = features.channels[0].len().div_ceil(STATION).max(1);
        let mut stations = [Vec::new(), Vec::new()];
        let mut whole = [Leak::UNKNOWN; 2];
        for into in 0..2 {
            let sign = if into == 1 { 1.0 } else { -1.0 };
            let theirs: Vec<(usize, f32)> = talks
                .iter()
                .map(|&(frame, first)| (frame, first * sign))
                .filter(|&(_, beyond)| beyond > 0.0)
                .collect();
            let listen = |theirs: &[(usize, f32)]| measure(features, noise, delay, into, theirs);
            whole[into] = listen(&theirs).unwrap_or(Leak::UNKNOWN);
            let mut first = 0;
            stations[into] = (0..count)
                .map(|station| {
                    let at = station * STATION + STATION / 2;
                    let far = |index: usize| theirs[index].0.abs_diff(at);
                    while first + NEAR < theirs.len() && far(first + NEAR) < far(first) {
                        first += 1;
                    }
                    let near = theirs.get(first..first + NEAR)?;
                    listen(near).filter(|leak| leak.differs(&whole[into]))
                })
                .map(|here| here.unwrap_or(whole[into]))
                .collect();
        }
        let [into_first, into_second] = &mut stations;
        for (one, two) in into_first.iter_mut().zip(into_second) {
            Leak::balance([one, two]);
        }
        let margin_db = (0..count)
            .map(|at| margin([stations[0][at].bleed_db, stations[1][at].bleed_db]))
            .collect();
        let little_apart = margin(whole.map(|leak| leak.bleed_db)) < MARGIN_DB;
        Sides {
            stations,
            whole,
            margin_db,
            seats: seats.filter(|_| little_apart),
            told,
        }
    }

    /// Whether two were told apart, or one talked who is clearly louder at one of the microphones.
    pub fn told(&self) -> bool {
        self.told
    }

    /// Where the two sit, if that is heard, and where levels hold them little apart.
    pub fn seats(&self) -> Option<&Seats> {
        self.seats.as_ref()
    }

    /// Leak of the other's voice into a channel at a frame, in dB.
    #[must_use]
    pub fn gain(&self, into: usize, frame: usize, band: usize) -> f32 {
        let stations = &self.stations[into];
        stations[(frame / STATION).min(stations.len() - 1)].gain[band]
    }

    /// The margin that the pair of microphones leaves room for at a frame, in dB.
    #[must_use]
    pub fn margin_db(&self, frame: usize) -> f32 {
        self.margin_db[(frame / STATION).min(self.margin_db.len() - 1)]
    }

    /// The same for the session as a whole.
    #[must_use]
    pub fn whole_margin_db(&self) -> f32 {
        margin(self.whole.map(|leak| leak.bleed_db))
    }

    /// The other speaker at this microphone against the same speech at their own, in dB, over the
    /// whole session; none where the other never talked alone.
    #[must_use]
    pub fn bleed_db(&self, into: usize) -> Option<f32> {
        self.whole[into].bleed_db
    }

    /// The largest that [`Sides::bleed_db`] was in any part of the session.
    #[must_use]
    pub fn worst_bleed_db(&self, into: usize) -> Option<f32> {
        let parts = self.stations[into].iter().filter_map(|leak| leak.bleed_db);
        parts.reduce(f32::max)
    }
}

fn margin(bleed_db: [Option<f32>; 2]) -> f32 {
    let apart: Vec<f32> = bleed_db.iter().flatten().map(|db| -db).collect();
    if apart.is_empty() {
        return MARGIN_DB;
    }
    let apart = apart.iter().sum::<f32>() / apart.len() as f32;
    (MARGIN_SHARE * apart).clamp(LEAST_MARGIN_DB, MARGIN_DB)
}

/// Frames in which somebody clearly talks, with how far they speak for the first talker; below 0 for the second. Also
/// whether that is known.
fn talks(
    features: &Features,
    noise: &[Noise],
    delay: &Delay,
    seats: Option<&Seats>,
) -> (Vec<(usize, f32)>, bool) {
    let mut talks = differences(features, noise, delay);
    let two = humps(&talks).filter(|two| two.apart_db >= TWO_HUMPS_DB && two.parted >= PARTED);
    if let Some(two) = two {
        talks
            .iter_mut()
            .for_each(|(_, first)| *first -= two.valley_db);
        return (talks, true);
    }
    if let Some(seats) = seats {
        for (frame, first) in &mut talks {
            *first = seats.whose(features, *frame);
        }
        return (talks, true);
    }
    // One person talked: the one whose microphone is louder, as far as can be known.
    let sum: f32 = talks.iter().map(|(_, difference)| difference).sum();
    let mean = sum / talks.len().max(1) as f32;
    let far = if sum > 0.0 { FAR_DB } else { -FAR_DB };
    talks.iter_mut().for_each(|(_, first)| *first += far);
    (talks, mean.abs() >= LOUDER_DB)
}

/// How much louder the first channel is than the second where somebody clearly talks: frames of the first channel's clock
/// with the difference in dB, of the power of both over [`STEADY`] frames on either side. What is loud counts most:
/// between syllables the room is heard, which is as loud at both.
fn differences(features: &Features, noise: &[Noise], delay: &Delay) -> Vec<(usize, f32)> {
    let [one, two] = [&features.channels[0], &features.channels[1]];
    let clear: Vec<(usize, [f64; 2])> = (0..one.len())
        .filter_map(|frame| {
            let there = delay.across(0, frame);
            if there >= two.len() {
                return None;
            }
            somebody_talks(features, noise, [frame, there]).then(|| {
                let levels = [one.level_db(frame), two.level_db(there)];
                (frame, levels.map(|db| f64::from(from_db(db))))
            })
        })
        .collect();
    let (mut first, mut end) = (0, 0);
    clear
        .iter()
        .map(|(frame, _)| {
            while clear.get(end).is_some_and(|(at, _)| *at <= frame + STEADY) {
                end += 1;
            }
            while clear[first].0 + STEADY < *frame {
                first += 1;
            }
            let power = |of: usize| {
                clear[first..end]
                    .iter()
                    .map(|(_, powers)| powers[of])
                    .sum::<f64>()
            };
            (*frame, (10.0 * (power(0) / power(1)).log10()) as f32)
        })
        .collect()
}

/// The leak into a channel, from frames on the other's side of the valley.
fn measure(
    features: &Features,
    noise: &[Noise],
    delay: &Delay,
    into: usize,
    theirs: &[(usize, f32)],
) -> Option<Leak> {
    // Where the other talks clearly alone: the far part of their own hump.
    let beyond = percentile(theirs.iter().map(|pair| pair.1).collect(), 0.4)?;
    let (from, heard) = (&features.channels[1 - into], &features.channels[into]);
    // By frame on the other's channel and on this one.
    let alone: Vec<(usize, usize)> = theirs
        .iter()
        .filter(|pair| pair.1 >= beyond)
        .map(|&(frame, _)| match into {
            1 => (frame, delay.across(0, frame)),
            _ => (delay.across(0, frame), frame),
        })
        .collect();
    if alone.len() < FEW {
        return None;
    }
    let mut leak = Leak::UNKNOWN;
    for (band, gain) in leak.gain.iter_mut().enumerate() {
        let louder = alone
            .iter()
            .filter(|(theirs, _)| {
                from.band_db(*theirs, band) - noise[1 - into].at(*theirs, band) > 10.0
            })
            .map(|&(theirs, here)| heard.band_db(here, band) - from.band_db(theirs, band))
            .collect();
        if let Some(db) = percentile(louder, 0.6) {
            *gain = db;
        }
    }
    let levels = alone
        .iter()
        .map(|&(theirs, here)| heard.level_db(here) - from.level_db(theirs));
    leak.bleed_db = percentile(levels.collect(), 0.5);
    Some(leak)
}
