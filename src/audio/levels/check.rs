//! Ten seconds before a session: do two microphones hear two people?
//!
//! Levels are taken in frames of 20 ms. The **speech level** is the 95th percentile of the frames,
//! the **noise floor** the 10th. How well the channels are apart is estimated from frames in which
//! somebody speaks, one channel being well above its own floor: the median of what the other
//! channel hears then, with its own floor taken off. Who speaks is told by which channel is louder, and
//! where one always is, since it is turned up more, by which of two humps the difference of the levels
//! belongs to ([`humps`](mod@super::humps)). Both people must speak in turn: of one who did not nothing is said.

use std::f64::consts::TAU;

use serde::Serialize;

use super::humps::{humps, steadied};
use super::{FLOOR_DBFS, Level, Meter, dbfs};

/// Below this peak a channel is silent: no open microphone is that quiet.
const SILENT_PEAK: f32 = -80.0;
/// Below this speech level words get lost in the noise of 16 bit and the microphone.
const QUIET_SPEECH: f32 = -42.0;
/// Above this noise floor a channel is noisy.
const LOUD_FLOOR: f32 = -45.0;
/// Clipped samples in ten seconds that can be let pass.
const CLIPPED_ALLOWED: u64 = 10;
/// From this residual down two channels are the same signal (at whatever gain).
const SAME_RESIDUAL: f32 = -35.0;
/// Above this bleed (dB against the speaker's own channel, the mean of both where both spoke) words that are
/// said at once get lost, and some are given to the wrong person.
const BLEED_ALLOWED: f32 = -10.0;
/// Above this difference of gains, in dB, one voice is louder at the other's microphone soon.
const GAINS_ALLOWED: f32 = 6.0;
/// Where one channel is always louder, two people speak if the differences' two humps are so many dB apart
const HUMPS_APART: f32 = 5.0;
/// and so much of all variance is between them. Composed and real sessions, stretches of 10 s: with equal gains, or
/// where one talks alone, in none of 468; with gains 10 dB apart in 14 of 101, many of which hold one voice alone.
const HUMPS_PARTED: f32 = 0.9;
/// Frames on either side over which differences are steadied: 0.6 s in all.
const STEADY: usize = 15;
/// Frames in which a channel must dominate before its bleed is estimated: half a second.
const FRAMES_NEEDED: usize = 25;

/// What is wrong with a channel or with both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Problem {
    /// Nothing is heard.
    Silent,
    /// Louder than can be written down.
    Clipped,
    /// Speech is faint.
    TooQuiet,
    /// Both channels are the same signal.
    Identical,
    /// Each microphone hears the other person nearly as well.
    BadlySeparated,
    /// One microphone is turned up much more than the other.
    UnevenGains,
    /// The room or the microphone is noisy.
    Noisy,
    /// The mains hum.
    Hum,
}

/// One thing to mend, with the figure behind it and what to do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub problem: Problem,
    /// The channel, counted from 1; none where it is about both.
    pub channel: Option<u16>,
    /// The figure behind it, in dB or dBFS as the sentence says.
    pub db: f32,
    /// What is the matter.
    pub sentence: String,
    /// What to do about it.
    pub advice: String,
}

/// One channel's figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Channel {
    /// Peak, RMS and clipped samples over everything.
    #[serde(flatten)]
    pub level: Level,
    /// The 95th percentile of 20 ms frames, in dBFS.
    pub speech_dbfs: f32,
    /// The 10th percentile of 20 ms frames, in dBFS.
    pub floor_dbfs: f32,
    /// What the other channel hears while this one's speaker speaks, in dB against this one; above 0 where
    /// the other is turned up much more. None when they spoke for less than half a second.
    pub bleed_db: Option<f32>,
    /// Mains hum (50 or 60, in hertz) that makes up most of the quietest second.
    pub hum_hz: Option<u16>,
}

/// All figures of a check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measures {
    /// The two channels.
    pub channels: [Channel; 2],
    /// What is left of one channel when the other, scaled to fit, is taken from it, in dB against
    /// itself: low when they are the same signal.
    pub difference_db: f32,
}

/// Measures two interleaved channels at `rate` (hertz).
#[must_use]
pub fn measure(frames: &[f32], rate: u32) -> Measures {
    let mut meter = Meter::new(2);
    meter.push(frames);
    let levels = meter.take();
    let step = (rate / 50).max(1) as usize;
    let powers = [0, 1].map(|c| frame_powers(frames, c, step));
    let floors = [0, 1].map(|c| percentile(&powers[c], 0.10));
    let bleeds = bleeds(&powers, floors);
    let channel = |c: usize| Channel {
        level: levels[c],
        speech_dbfs: dbfs(percentile(&powers[c], 0.95)),
        floor_dbfs: dbfs(floors[c]),
        bleed_db: bleeds[c],
        hum_hz: hum(frames, c, rate),
    };
    Measures {
        channels: [channel(0), channel(1)],
        difference_db: difference(frames),
    }
}

/// Examines two interleaved channels at `rate` (hertz), best about ten seconds in which both
/// people speak in turn. No finding means that the microphones are fit for a session.
#[must_use]
pub fn examine(frames: &[f32], rate: u32) -> Vec<Finding> {
    judge(&measure(frames, rate))
}

/// What the figures mean.
#[must_use]
pub fn judge(measures: &Measures) -> Vec<Finding> {
    let mut found = Vec::new();
    let silent = measures
        .channels
        .each_ref()
        .map(|c| c.level.peak_dbfs < SILENT_PEAK);
    for (i, channel) in measures.channels.iter().enumerate() {
        judge_channel(channel, i as u16 + 1, silent[i], &mut found);
    }
    if silent != [false, false] {
        return found;
    }
    if measures.difference_db < SAME_RESIDUAL {
        found.push(Finding {
            problem: Problem::Identical,
            channel: None,
            db: measures.difference_db,
            sentence: format!(
                "Both channels carry the same sound (they differ by {:.0} dB), so the speakers \
                 cannot be told apart.",
                measures.difference_db
            ),
            advice: "Use a device with two microphones, and choose its stereo setting, not mono."
                .to_owned(),
        });
        return found;
    }
    judge_apart(measures, &mut found);
    found
}

/// How well both microphones hold the two people apart. Gains move one bleed up and the other down, and tell
/// nothing of that.
fn judge_apart(measures: &Measures, found: &mut Vec<Finding>) {
    let bleeds = measures.channels.each_ref().map(|c| c.bleed_db);
    let known: Vec<f32> = bleeds.iter().flatten().copied().collect();
    if known.is_empty() {
        return;
    }
    let mean = known.iter().sum::<f32>() / known.len() as f32;
    if mean > BLEED_ALLOWED {
        found.push(Finding {
            problem: Problem::BadlySeparated,
            channel: None,
            db: mean,
            sentence: format!(
                "Each microphone hears the other person nearly as well ({mean:.0} dB; \
                 {BLEED_ALLOWED:.0} dB or less is good)."
            ),
            advice: "Move each microphone nearer to its speaker and farther from the other \
                     person, or clip them on."
                .to_owned(),
        });
    }
    let [Some(one), Some(two)] = bleeds else {
        return;
    };
    // Above 0: the second channel is turned up more.
    let gains = (one - two) / 2.0;
    if gains.abs() > GAINS_ALLOWED && one.max(two) > BLEED_ALLOWED {
        let (up, down) = if gains > 0.0 { (2, 1) } else { (1, 2) };
        let db = gains.abs();
        found.push(Finding {
            problem: Problem::UnevenGains,
            channel: Some(up),
            db,
            sentence: format!(
                "Channel {up} hears everything about {db:.0} dB louder than channel {down}."
            ),
            advice: format!(
                "Turn channel {up} down, or channel {down} up, until both of you are about as loud."
            ),
        });
    }
}

fn judge_channel(channel: &Channel, number: u16, silent: bool, found: &mut Vec<Finding>) {
    let mut add = |problem, db, sentence: String, advice: &str| {
        found.push(Finding {
            problem,
            channel: Some(number),
            db,
            sentence,
            advice: advice.to_owned(),
        });
    };
    if silent {
        let peak = channel.level.peak_dbfs;
        add(
            Problem::Silent,
            peak,
            format!("Channel {number} is silent (peak {peak:.0} dBFS)."),
            "Check that the microphone is switched on, plugged in and not muted in the system's \
             sound settings.",
        );
        return;
    }
    if channel.level.clipped > CLIPPED_ALLOWED {
        add(
            Problem::Clipped,
            channel.level.peak_dbfs,
            format!(
                "Channel {number} is too loud: {} samples are cut off at full scale.",
                channel.level.clipped
            ),
            "Turn the input level down by about 10 dB, or move the microphone away a little.",
        );
    }
    if channel.speech_dbfs < QUIET_SPEECH {
        let speech = channel.speech_dbfs;
        add(
            Problem::TooQuiet,
            speech,
            format!(
                "Channel {number} is quiet: speech is at {speech:.0} dBFS, -30 to -15 is good."
            ),
            "Turn the input level up, or bring the microphone nearer.",
        );
    }
    if let Some(hz) = channel.hum_hz {
        let floor = channel.floor_dbfs;
        add(
            Problem::Hum,
            floor,
            format!("Channel {number} hums at {hz} Hz ({floor:.0} dBFS)."),
            "Move cables away from power supplies, or run the laptop from its battery.",
        );
    } else if channel.floor_dbfs > LOUD_FLOOR {
        let floor = channel.floor_dbfs;
        add(
            Problem::Noisy,
            floor,
            format!(
                "Channel {number} is noisy: {floor:.0} dBFS in the pauses, -55 or less is good."
            ),
            "Pause for a moment during the check; if it stays, look for a fan, a window or too \
             high an input level.",
        );
    }
}

fn frame_powers(frames: &[f32], channel: usize, step: usize) -> Vec<f64> {
    frames
        .chunks_exact(step * 2)
        .map(|part| {
            let sum: f64 = part
                .iter()
                .skip(channel)
                .step_by(2)
                .map(|s| f64::from(*s) * f64::from(*s))
                .sum();
            sum / step as f64
        })
        .collect()
}

fn percentile(values: &[f64], at: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (sorted.len().saturating_sub(1)) as f64 * at;
    sorted.get(index.round() as usize).copied().unwrap_or(0.0)
}

/// What the other channel hears while a channel's speaker speaks, by channel.
fn bleeds(powers: &[Vec<f64>; 2], floors: [f64; 2]) -> [Option<f32>; 2] {
    // 12 dB above the floor, and above -60 dBFS: speech, not a chair.
    let active = floors.map(|floor| (floor * 16.0).max(1e-6));
    let differences: Vec<(usize, f32)> = powers[0]
        .iter()
        .zip(&powers[1])
        .enumerate()
        .filter(|(_, (one, two))| **one > active[0] || **two > active[1])
        .map(|(frame, (one, two))| (frame, dbfs(*one) - dbfs(*two)))
        .collect();
    let steady = steadied(&differences, STEADY);
    let beyond = |own: usize, between: f32| {
        let sign = if own == 0 { 1.0 } else { -1.0 };
        let side = steady
            .iter()
            .filter(move |(_, db)| (db - between) * sign > 0.0);
        side.map(|(frame, _)| *frame)
    };
    let both = |between: f32| {
        [0, 1]
            .map(|own| beyond(own, between).count())
            .iter()
            .all(|n| *n >= FRAMES_NEEDED)
    };
    let two = humps(&steady)
        .filter(|humps| humps.apart_db >= HUMPS_APART && humps.parted >= HUMPS_PARTED)
        .filter(|humps| !both(0.0) && both(humps.valley_db));
    let between = two.map_or(0.0, |humps| humps.valley_db);
    [0, 1].map(|own| {
        let (own_powers, other_powers) = (&powers[own], &powers[1 - own]);
        let ratios: Vec<f64> = beyond(own, between)
            .filter(|frame| own_powers[*frame] > active[own])
            .map(|frame| (other_powers[frame] - floors[1 - own]).max(0.0) / own_powers[frame])
            .collect();
        let enough = ratios.len() >= FRAMES_NEEDED;
        enough.then(|| dbfs(percentile(&ratios, 0.5)).max(FLOOR_DBFS))
    })
}

/// Residual of the best fit of one channel by the other: 1 - r², in dB.
fn difference(frames: &[f32]) -> f32 {
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for f in frames.chunks_exact(2) {
        let (a, b) = (f64::from(f[0]), f64::from(f[1]));
        aa += a * a;
        bb += b * b;
        ab += a * b;
    }
    if aa <= 0.0 || bb <= 0.0 {
        return 0.0;
    }
    dbfs((1.0 - ab * ab / (aa * bb)).max(0.0))
}

/// The mains frequency whose first four harmonics hold most of the power in the quietest second.
fn hum(frames: &[f32], channel: usize, rate: u32) -> Option<u16> {
    let second = rate as usize * 2;
    let power = |part: &[f32]| -> f64 {
        let sum: f64 = part
            .iter()
            .skip(channel)
            .step_by(2)
            .map(|s| f64::from(*s) * f64::from(*s))
            .sum();
        sum / f64::from(rate.max(1))
    };
    let quietest = frames
        .chunks_exact(second.max(2))
        .min_by(|a, b| power(a).total_cmp(&power(b)))?;
    let total = power(quietest);
    // -65 dBFS: nobody hears it below.
    if total < 3.2e-7 {
        return None;
    }
    [50u16, 60].into_iter().find(|hz| {
        let harmonics: f64 = (1..=4)
            .map(|k| tone_power(quietest, channel, f64::from(*hz) * f64::from(k), rate))
            .sum();
        harmonics > total / 2.0
    })
}

/// Power of a sine of `hz` in a second of sound (Goertzel's recursion).
fn tone_power(part: &[f32], channel: usize, hz: f64, rate: u32) -> f64 {
    let w = TAU * hz / f64::from(rate.max(1));
    let k = 2.0 * w.cos();
    let (mut s1, mut s2) = (0.0, 0.0);
    let mut n = 0.0;
    for s in part.iter().skip(channel).step_by(2) {
        let s0 = f64::from(*s) + k * s1 - s2;
        s2 = s1;
        s1 = s0;
        n += 1.0;
    }
    if n == 0.0 {
        return 0.0;
    }
    2.0 * (s1 * s1 + s2 * s2 - k * s1 * s2) / (n * n)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    const RATE: u32 = 16_000;

    fn db(db: f32) -> f32 {
        10f32.powf(db / 20.0)
    }

    /// Ten seconds: the two speak in turn, a second each, with pauses, over noise.
    fn room(speech_db: [f32; 2], bleed_db: f32, noise_db: f32) -> Vec<f32> {
        let mut seed = 7u32;
        let mut noise = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / 8_388_608.0 - 1.0
        };
        (0..RATE as usize * 10)
            .flat_map(|i| {
                let turn = i / RATE as usize % 2;
                let speaking = i % RATE as usize > RATE as usize / 4;
                let own = if speaking {
                    noise() * 1.7 * db(speech_db[turn])
                } else {
                    0.0
                };
                let mut frame = [0.0; 2];
                frame[turn] = own;
                frame[1 - turn] = own * db(bleed_db);
                [
                    frame[0] + noise() * 1.7 * db(noise_db),
                    frame[1] + noise() * 1.7 * db(noise_db),
                ]
            })
            .map(|s| s.clamp(-1.0, 1.0))
            .collect()
    }

    fn problems(frames: &[f32]) -> Vec<(Problem, Option<u16>)> {
        examine(frames, RATE)
            .iter()
            .map(|f| (f.problem, f.channel))
            .collect()
    }

    #[test]
    fn two_good_microphones_have_no_finding() {
        let frames = room([-20.0, -25.0], -25.0, -65.0);
        assert_eq!(problems(&frames), []);
        let measures = measure(&frames, RATE);
        for (channel, want) in measures.channels.iter().zip([-20.0, -25.0]) {
            assert!((channel.speech_dbfs - want).abs() < 1.0);
            assert!((channel.floor_dbfs + 65.0).abs() < 1.0);
            assert!((channel.bleed_db.unwrap() + 25.0).abs() < 1.0);
        }
    }

    #[test]
    fn each_fault_is_found_on_its_channel() {
        let mut silent = room([-20.0, -20.0], -25.0, -65.0);
        silent.iter_mut().skip(1).step_by(2).for_each(|s| *s = 0.0);
        assert_eq!(problems(&silent), [(Problem::Silent, Some(2))]);
        let clipped: Vec<f32> = room([-20.0, -20.0], -25.0, -65.0)
            .chunks(2)
            .flat_map(|f| [(f[0] * 20.0).clamp(-1.0, 1.0), f[1]])
            .collect();
        assert!(problems(&clipped).contains(&(Problem::Clipped, Some(1))));
        assert_eq!(
            problems(&room([-20.0, -50.0], -40.0, -75.0)),
            [(Problem::TooQuiet, Some(2))]
        );
        let noisy = problems(&room([-10.0, -10.0], -30.0, -40.0));
        assert_eq!(
            noisy,
            [(Problem::Noisy, Some(1)), (Problem::Noisy, Some(2))]
        );
    }

    #[test]
    fn the_same_signal_twice_is_found_even_at_another_gain() {
        let same: Vec<f32> = room([-20.0, -20.0], -25.0, -65.0)
            .chunks(2)
            .flat_map(|f| [f[0], f[0] * 0.5])
            .collect();
        assert_eq!(problems(&same), [(Problem::Identical, None)]);
    }

    #[test]
    fn microphones_that_hear_both_people_are_found_with_the_figure() {
        let found = examine(&room([-20.0, -20.0], -4.0, -65.0), RATE);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].problem, Problem::BadlySeparated);
        assert!((found[0].db + 4.0).abs() < 1.0, "{}", found[0].db);
        assert!(!found[0].advice.is_empty());
    }

    #[test]
    fn gains_that_are_far_apart_are_found_and_hide_nothing() {
        let turned_up = |bleed_db: f32| -> Vec<f32> {
            let mut frames = room([-30.0, -30.0], bleed_db, -75.0);
            for frame in frames.chunks_mut(2) {
                frame[1] *= db(10.0);
            }
            frames
        };
        let found = examine(&turned_up(-4.0), RATE);
        let told: Vec<_> = found.iter().map(|f| (f.problem, f.channel)).collect();
        assert_eq!(
            told,
            [
                (Problem::BadlySeparated, None),
                (Problem::UnevenGains, Some(2))
            ]
        );
        assert!((found[0].db + 4.0).abs() < 1.0, "{}", found[0].db);
        assert!((found[1].db - 10.0).abs() < 1.0, "{}", found[1].db);
        assert_eq!(
            problems(&turned_up(-15.0)),
            [(Problem::UnevenGains, Some(2))]
        );
        assert_eq!(problems(&turned_up(-25.0)), []);
    }

    #[test]
    fn mains_hum_is_told_from_other_noise() {
        for hz in [50u16, 60] {
            let mut frames = room([-20.0, -20.0], -25.0, -70.0);
            for (i, f) in frames.chunks_mut(2).enumerate() {
                f[0] += 0.02
                    * (i as f32 * f32::from(hz) * 2.0 * std::f32::consts::PI / RATE as f32).sin();
            }
            // The quietest second of that channel is one in which the other speaks.
            let measures = measure(&frames, RATE);
            assert_eq!(measures.channels[0].hum_hz, Some(hz));
            assert_eq!(measures.channels[1].hum_hz, None);
        }
    }

    #[test]
    fn nothing_at_all_is_no_crash() {
        assert_eq!(problems(&[]).len(), 2);
        assert_eq!(problems(&[0.1]).len(), 2);
    }
}
