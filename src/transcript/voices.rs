//! From how each word was said to how each turn was said.

use super::Voice;
use super::spans::{tenths, within};
use crate::speech::{Span, Word, WordVoice};

/// A turn's own voice must be heard for this long, in seconds, to be told.
const LEAST_HEARD: f64 = 0.5;
/// For a rate of speaking a turn must be this long, in seconds,
const LEAST_SPOKEN: f64 = 1.0;
/// and hold so many words.
const LEAST_WORDS: usize = 3;

/// How a turn was said. `words` and `voices` go together; `talk` is when the speaker talks.
///
/// Loudness is the mean power over the moments in which the speaker is heard alone; pitch is the
/// median of the words' pitches, each counting for as long as it was heard; the rate leaves pauses
/// out. Words that may have been invented count for nothing.
pub(super) fn voice(words: &[Word], voices: &[WordVoice], talk: &[Span]) -> Option<Voice> {
    let said: Vec<&WordVoice> = words
        .iter()
        .zip(voices)
        .filter(|(word, voice)| !word.suspect && voice.seconds.is_finite())
        .map(|(_, voice)| voice)
        .collect();
    let (mut power, mut heard) = (0.0, 0.0);
    for voice in &said {
        if let Some(db) = voice.loudness_dbfs.filter(|db| db.is_finite()) {
            power += 10f64.powf(f64::from(db) / 10.0) * voice.seconds;
            heard += voice.seconds;
        }
    }
    if heard < LEAST_HEARD || power <= 0.0 {
        return None;
    }
    let (first, last) = (words.first()?, words.last()?);
    let talking = within(talk, first.start, last.end);
    let rated = said.len() >= LEAST_WORDS && talking >= LEAST_SPOKEN;
    Some(Voice {
        loudness_dbfs: tenths(10.0 * (power / heard).log10()),
        pitch_hz: pitch(&said).map(tenths),
        words_per_minute: rated.then(|| tenths(said.len() as f64 * 60.0 / talking)),
    })
}

/// The pitch that half of the heard time lies under.
fn pitch(voices: &[&WordVoice]) -> Option<f64> {
    let mut pitches: Vec<(f64, f64)> = voices
        .iter()
        .filter_map(|voice| Some((f64::from(voice.pitch_hz?), voice.seconds)))
        .filter(|(hertz, _)| hertz.is_finite() && *hertz > 0.0)
        .collect();
    pitches.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = pitches.iter().map(|pair| pair.1).sum::<f64>() / 2.0;
    let mut reached = 0.0;
    pitches
        .into_iter()
        .find(|(_, seconds)| {
            reached += seconds;
            reached >= half
        })
        .map(|(hertz, _)| hertz)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::transcript::testing::say;

    fn voices(figures: &[(f64, f32, f32)]) -> Vec<WordVoice> {
        figures
            .iter()
            .map(|&(seconds, loudness, pitch)| WordVoice {
                seconds,
                loudness_dbfs: Some(loudness),
                pitch_hz: Some(pitch),
            })
            .collect()
    }

    #[test]
    fn loud_and_long_words_count_for_more() {
        let words = say(0.0, "No, nobody did.");
        let talk = [Span {
            start: 0.0,
            end: 2.0,
        }];
        let figures = voices(&[
            (0.2, -40.0, 100.0),
            (0.6, -20.0, 200.0),
            (0.2, -20.0, 400.0),
        ]);
        let voice = voice(&words, &figures, &talk).unwrap();
        assert_eq!(voice.loudness_dbfs, -21.0);
        assert_eq!(voice.pitch_hz, Some(200.0));
    }

    #[test]
    fn a_turn_that_is_hardly_heard_has_no_voice() {
        let words = say(0.0, "Yes.");
        assert_eq!(voice(&words, &voices(&[(0.3, -20.0, 200.0)]), &[]), None);
        assert_eq!(voice(&words, &[], &[]), None);
    }

    #[test]
    fn words_that_may_be_invented_do_not_count() {
        let mut words = say(0.0, "Thank you for watching");
        let figures = voices(&[(0.4, -20.0, 200.0); 4]);
        assert!(voice(&words, &figures, &[]).is_some());
        for word in &mut words {
            word.suspect = true;
        }
        assert_eq!(voice(&words, &figures, &[]), None);
    }
}
