//! How loud, how high and how fast each speaker talks, and which of their turns are apart from
//! their own median. Facts of sound, never of mood.

use std::cmp::Ordering;

use super::data::{VoiceApart, VoiceFacts};
use crate::transcript::spans::{millis, tenths};
use crate::transcript::{Turn, Voice};

/// A baseline takes this many measured turns.
const LEAST_TURNS: usize = 8;
/// A turn is apart from this many dB above or below its speaker's median: a quarter of the power.
const APART_DB: f64 = 6.0;
/// Or from this many semitones: more than a voice moves within a sentence said flatly.
const APART_SEMITONES: f64 = 3.0;
/// Or if it is this many times as fast, or as slow. All three are our choice: nothing published
/// says from where a change of voice matters.
const APART_PACE: f64 = 1.5;

/// What a speaker's turns were like; none if none was measured.
pub(super) fn voices(speaker: &str, turns: &[&Turn]) -> Option<VoiceFacts> {
    let measured: Vec<(&Turn, Voice)> = turns
        .iter()
        .filter_map(|turn| Some((*turn, sane(turn.voice?)?)))
        .collect();
    let of = |pick: &dyn Fn(&Voice) -> Option<f64>| {
        middle(measured.iter().filter_map(|(_, voice)| pick(voice)))
    };
    let loudness = of(&|voice| Some(voice.loudness_dbfs))?;
    let pitch = of(&|voice| voice.pitch_hz);
    let pace = of(&|voice| voice.words_per_minute);
    let apart = match measured.len() >= LEAST_TURNS {
        true => measured
            .iter()
            .filter_map(|(turn, voice)| apart(turn, voice, loudness, pitch, pace))
            .collect(),
        false => Vec::new(),
    };
    Some(VoiceFacts {
        speaker: speaker.to_owned(),
        turns: measured.len() as u64,
        loudness_dbfs: tenths(loudness),
        pitch_hz: pitch.map(tenths),
        words_per_minute: pace.map(tenths),
        apart,
    })
}

/// Median loudness in dBFS and pitch in hertz of turns.
pub(super) fn medians<'a>(turns: impl Iterator<Item = &'a Turn>) -> (Option<f64>, Option<f64>) {
    let voices: Vec<Voice> = turns.filter_map(|turn| sane(turn.voice?)).collect();
    (
        middle(voices.iter().map(|voice| voice.loudness_dbfs)).map(tenths),
        middle(voices.iter().filter_map(|voice| voice.pitch_hz)).map(tenths),
    )
}

/// A voice that can be calculated with.
fn sane(voice: Voice) -> Option<Voice> {
    let usable = |value: Option<f64>| value.filter(|value| value.is_finite() && *value > 0.0);
    voice.loudness_dbfs.is_finite().then(|| Voice {
        loudness_dbfs: voice.loudness_dbfs.clamp(-200.0, 20.0),
        pitch_hz: usable(voice.pitch_hz).map(|hertz| hertz.clamp(1.0, 20_000.0)),
        words_per_minute: usable(voice.words_per_minute).map(|rate| rate.clamp(0.1, 10_000.0)),
    })
}

fn apart(
    turn: &Turn,
    voice: &Voice,
    loudness: f64,
    pitch: Option<f64>,
    pace: Option<f64>,
) -> Option<VoiceApart> {
    let louder = voice.loudness_dbfs - loudness;
    let higher = voice.pitch_hz.zip(pitch);
    let higher = higher.map(|(own, usual)| 12.0 * (own / usual).log2());
    let faster = voice.words_per_minute.zip(pace);
    let faster = faster.map(|(own, usual)| own / usual);
    let apart = VoiceApart {
        turn: turn.id,
        start_seconds: millis(turn.start),
        loudness_db: (louder.abs() >= APART_DB).then(|| tenths(louder)),
        pitch_semitones: higher
            .filter(|steps| steps.abs() >= APART_SEMITONES)
            .map(tenths),
        pace_ratio: faster
            .filter(|ratio| *ratio >= APART_PACE || *ratio <= 1.0 / APART_PACE)
            .map(|ratio| (ratio * 100.0).round() / 100.0),
    };
    let told = apart.loudness_db.is_some()
        || apart.pitch_semitones.is_some()
        || apart.pace_ratio.is_some();
    told.then_some(apart)
}

/// `8 dB quieter, 4 semitones lower, slower (0.6 times)`
pub(super) fn in_words(apart: &VoiceApart) -> String {
    let mut told = Vec::new();
    if let Some(db) = apart.loudness_db {
        let how = sign(db, "quieter", "louder");
        told.push(format!("{:.0} dB {how}", db.abs()));
    }
    if let Some(steps) = apart.pitch_semitones {
        let how = sign(steps, "lower", "higher");
        told.push(format!("{:.0} semitones {how}", steps.abs()));
    }
    if let Some(ratio) = apart.pace_ratio {
        let how = sign(ratio - 1.0, "slower", "faster");
        told.push(format!("{how} ({ratio:.1} times)"));
    }
    told.join(", ")
}

fn sign<'a>(value: f64, under: &'a str, over: &'a str) -> &'a str {
    match value.total_cmp(&0.0) {
        Ordering::Less => under,
        _ => over,
    }
}

fn middle(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    super::median(&mut values)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::transcript::testing::{say, session};

    fn turns(voices: &[(f64, f64, f64)]) -> Vec<Turn> {
        let mut turn = session(9.0, say(0.0, "So it goes."), Vec::new()).turns;
        let turn = turn.remove(0);
        voices
            .iter()
            .zip(1..)
            .map(|(&(loudness_dbfs, pitch, rate), id)| Turn {
                id,
                voice: Some(Voice {
                    loudness_dbfs,
                    pitch_hz: Some(pitch),
                    words_per_minute: Some(rate),
                }),
                ..turn.clone()
            })
            .collect()
    }

    fn facts(voices_of: &[(f64, f64, f64)]) -> VoiceFacts {
        let turns = turns(voices_of);
        voices("client", &turns.iter().collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_turn_is_held_against_its_speakers_own_median() {
        let mut given = vec![(-24.0, 200.0, 150.0); 9];
        given.push((-33.0, 150.0, 75.0));
        let facts = facts(&given);
        assert_eq!(facts.loudness_dbfs, -24.0);
        let [apart] = facts.apart.as_slice() else {
            panic!("{:?}", facts.apart)
        };
        assert_eq!(apart.turn, 10);
        assert_eq!(
            in_words(apart),
            "9 dB quieter, 5 semitones lower, slower (0.5 times)"
        );
    }

    #[test]
    fn few_turns_make_no_baseline() {
        let facts = facts(&[(-24.0, 200.0, 150.0), (-50.0, 90.0, 10.0)]);
        assert_eq!((facts.turns, facts.apart.len()), (2, 0));
    }

    #[test]
    fn turns_that_were_not_measured_give_no_facts() {
        let mut turns = turns(&[(f64::NAN, 200.0, 150.0), (-20.0, 1.0, 1.0)]);
        turns[1].voice = None;
        assert_eq!(voices("client", &turns.iter().collect::<Vec<_>>()), None);
    }
}
