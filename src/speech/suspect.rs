//! Marks words that the model may have invented.
//!
//! Whisper writes fluent sentences over silence and falls into loops. Nothing is deleted here:
//! a suspect word stays in the file, is shown greyed, and is left out of analysis. Real
//! repetitions ("no, no, no") take time to say and have voice under each word; loops do not.

use super::Word;
use super::engine::WindowWord;
use super::sentence::ends_sentence;

/// Share of a word's frames with own voice under which there is no sound to carry the word.
const NO_VOICE: f32 = 0.10;
/// Seconds around a word that are a voice to the detector, under which the sound is something else: three of
/// its steps of 32 ms. Measured (docs/benchmarks.md): of speech 80 % is, also 25 dB below the rest; of room
/// noises, sobs, laughter and music under 1 %. A share would not do: of a "no" between two pauses there
/// is little, and it begins before the detector is sure.
const NO_VOICE_AROUND: f64 = 0.09;
/// Under so many seconds of voice a word less probable than [`DOUBTED`] is suspect,
const LITTLE_VOICE_AROUND: f64 = 0.6;
/// and so it is with the model's own doubt above this: the threshold that Whisper's reference decoder uses
/// for "no speech".
const NO_SPEECH: f32 = 0.6;
const DOUBTED: f32 = 0.35;
/// A word said in less than so many seconds a letter was not said: the fastest talkers take about twice as
/// long (eight syllables a second, of three to four letters). Short words are left alone, for
/// their edges are no better than the engine's step of 20 ms.
pub const FASTEST_LETTER: f64 = 0.022;
const SHORTEST_JUDGED: usize = 4;
/// Such a word is suspect below this probability anywhere,
const HURRIED: f32 = 0.15;
/// and below this one where it is a sentence of its own, as in the "Thanks." that Whisper likes to end with.
const HURRIED_ALONE: f32 = 0.5;
/// Longest phrase looked at for loops, in words.
const LONGEST_PHRASE: usize = 12;
/// A phrase said this often in a row is looked at.
const REPEATS: usize = 4;
/// Nobody says a word in less, in seconds, many times in a row.
const FASTEST_WORD: f64 = 0.11;

/// What is known about a word besides the word.
#[derive(Debug, Clone, Copy)]
pub struct Evidence {
    /// Share of the word's time in which the channel held its own speaker's voice, 0 to 1.
    pub voice: f32,
    /// Seconds of the sound around the word that the voice detector takes for a voice, where there is a
    /// detector. Noise that is louder at one microphone passes for own sound.
    pub certain: Option<f64>,
    /// The model's doubt that there was speech around it, 0 to 1.
    pub no_speech: f32,
}

/// Marks the suspects among a channel's words; `evidence` is in the same order.
pub fn mark(words: &mut [Word], evidence: &[Evidence]) {
    for (word, evidence) in words.iter_mut().zip(evidence) {
        let unvoiced = evidence.voice < NO_VOICE
            || evidence
                .certain
                .is_some_and(|seconds| seconds < NO_VOICE_AROUND);
        let questioned = evidence.no_speech > NO_SPEECH
            || evidence
                .certain
                .is_some_and(|seconds| seconds < LITTLE_VOICE_AROUND);
        word.suspect = unvoiced || questioned && word.probability < DOUBTED;
    }
    mark_sentences(words);
    mark_hurried(words);
    mark_loops(words);
}

/// What may be given to the model as said before: a window's words, but for those that may be inventions; an
/// invention would breed more.
pub fn trusted(words: &[WindowWord]) -> String {
    let evidence: Vec<Evidence> = words
        .iter()
        .map(|word| Evidence {
            voice: 1.0,
            certain: word.voice,
            no_speech: word.no_speech,
        })
        .collect();
    let mut words: Vec<Word> = words
        .iter()
        .map(|word| Word {
            text: word.text.clone(),
            start: word.start,
            end: word.end,
            probability: word.probability,
            suspect: false,
        })
        .collect();
    mark(&mut words, &evidence);
    let kept = words.iter().filter(|word| !word.suspect);
    let kept: Vec<&str> = kept.map(|word| word.text.as_str()).collect();
    kept.join(" ")
}

/// Marks the rest of a sentence of which most has no voice: who invents does it by the sentence.
fn mark_sentences(words: &mut [Word]) {
    for sentence in words.chunk_by_mut(|word, _| !ends_sentence(&word.text)) {
        let suspects = sentence.iter().filter(|word| word.suspect).count();
        if 2 * suspects > sentence.len() {
            sentence.iter_mut().for_each(|word| word.suspect = true);
        }
    }
}

/// Marks improbable words for which there was no time.
fn mark_hurried(words: &mut [Word]) {
    let mut begins = true;
    for word in words {
        let letters = plain(&word.text).chars().count();
        let hurried =
            letters >= SHORTEST_JUDGED && word.end - word.start < FASTEST_LETTER * letters as f64;
        let ends = ends_sentence(&word.text);
        let enough = match begins && ends {
            true => HURRIED_ALONE,
            false => HURRIED,
        };
        word.suspect |= hurried && word.probability < enough;
        begins = ends;
    }
}

/// Marks every repetition after the first where a phrase repeats faster than a mouth can.
fn mark_loops(words: &mut [Word]) {
    let plain: Vec<String> = words.iter().map(|word| plain(&word.text)).collect();
    let mut at = 0;
    while at < words.len() {
        let longest = LONGEST_PHRASE.min((words.len() - at) / REPEATS);
        let found = (1..=longest).find_map(|length| {
            let phrase = &plain[at..at + length];
            let repeats = plain[at..]
                .chunks_exact(length)
                .take_while(|chunk| *chunk == phrase)
                .count();
            let end = at + repeats * length;
            (repeats >= REPEATS && too_fast(&words[at..end])).then_some((length, end))
        });
        if let Some((length, end)) = found {
            for word in &mut words[at + length..end] {
                word.suspect = true;
            }
            at = end;
        } else {
            at += 1;
        }
    }
}

fn too_fast(words: &[Word]) -> bool {
    let (Some(first), Some(last)) = (words.first(), words.last()) else {
        return false;
    };
    (last.end - first.start) / (words.len() as f64) < FASTEST_WORD
}

/// The letters and digits of a word, in lower case.
pub fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, each: f64) -> Vec<Word> {
        text.split(' ')
            .enumerate()
            .map(|(index, text)| Word {
                text: text.to_owned(),
                start: index as f64 * each,
                end: (index + 1) as f64 * each,
                probability: 0.9,
                suspect: false,
            })
            .collect()
    }

    fn suspects(mut words: Vec<Word>, voice: f32) -> Vec<bool> {
        let evidence = vec![
            Evidence {
                voice,
                certain: None,
                no_speech: 0.1
            };
            words.len()
        ];
        mark(&mut words, &evidence);
        words.iter().map(|word| word.suspect).collect()
    }

    #[test]
    fn a_real_repetition_is_kept() {
        assert_eq!(suspects(said("no no no no no", 0.25), 0.9), [false; 5]);
    }

    #[test]
    fn a_loop_is_caught_after_its_first_round() {
        let words = said("and then and then and then and then and then", 0.05);
        let marked = suspects(words, 0.9);
        assert_eq!(marked[..2], [false, false]);
        assert!(marked[2..].iter().all(|suspect| *suspect));
    }

    #[test]
    fn an_improbable_word_for_which_there_was_no_time_is_suspect() {
        let mut words = said("the workhouse. Thanks. I was happy", 0.08);
        words.iter_mut().for_each(|word| word.probability = 0.4);
        let evidence = Evidence {
            voice: 0.9,
            certain: Some(0.9),
            no_speech: 0.1,
        };
        mark(&mut words, &[evidence; 6]);
        let marked = |words: &[Word]| -> Vec<bool> { words.iter().map(|w| w.suspect).collect() };
        assert_eq!(marked(&words), [false, false, true, false, false, false]);
        words[2].end = words[2].start + 0.2;
        words[1].probability = 0.1;
        mark(&mut words, &[evidence; 6]);
        assert_eq!(marked(&words), [false, true, false, false, false, false]);
    }

    #[test]
    fn nothing_that_may_be_invented_is_given_to_the_model_as_said_before() {
        let word = |text: &str, at: f64, voice| WindowWord {
            text: text.into(),
            start: at,
            end: at + 0.3,
            probability: 0.9,
            no_speech: 0.1,
            voice: Some(voice),
        };
        let words = [
            word("Hello.", 0.0, 0.9),
            word("Thanks", 5.0, 0.0),
            word("Anna", 6.0, 1.0),
        ];
        assert_eq!(trusted(&words), "Hello. Anna");
        assert_eq!(trusted(&[]), "");
    }

    #[test]
    fn a_word_with_no_voice_under_it_is_suspect() {
        assert_eq!(suspects(said("thank you", 0.3), 0.0), [true, true]);
    }

    #[test]
    fn a_word_on_sound_that_is_certainly_no_voice_is_suspect() {
        let mut words = said("thank you", 0.3);
        let on = |seconds| Evidence {
            voice: 0.9,
            certain: Some(seconds),
            no_speech: 0.1,
        };
        mark(&mut words, &[on(0.05), on(0.4)]);
        assert!(words[0].suspect && !words[1].suspect);
    }

    #[test]
    fn a_sentence_of_which_most_is_suspect_is_suspect_as_a_whole() {
        let on = |seconds| Evidence {
            voice: 0.9,
            certain: Some(seconds),
            no_speech: 0.1,
        };
        let mut words = said("I don't know. Yes I do.", 0.3);
        mark(&mut words, &[0.0, 0.3, 0.0, 0.0, 0.9, 0.9].map(on));
        let marked: Vec<bool> = words.iter().map(|word| word.suspect).collect();
        assert_eq!(marked, [true, true, true, true, false, false]);
    }

    #[test]
    fn an_improbable_word_is_suspect_only_where_the_model_doubts_the_speech() {
        let mut words = said("thank you", 0.3);
        words[0].probability = 0.2;
        words[1].probability = 0.2;
        let evidence = [
            Evidence {
                voice: 0.9,
                certain: None,
                no_speech: 0.8,
            },
            Evidence {
                voice: 0.9,
                certain: None,
                no_speech: 0.2,
            },
        ];
        mark(&mut words, &evidence);
        assert!(words[0].suspect && !words[1].suspect);
    }
}
