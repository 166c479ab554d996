//! Turns cut into pieces that can be read as subtitles.

use crate::speech::Word;
use crate::speech::sentence::ends_sentence;
use crate::transcript::text::{clean, marked, to_millis};
use crate::transcript::{Bookmark, Transcript};

/// Longest that a cue stands, in milliseconds.
pub(super) const MOST_MILLIS: u64 = 7_000;

/// Shortest that a cue stands, in milliseconds: a word of no length must be seen too.
pub(super) const LEAST_MILLIS: u64 = 300;

/// Most characters of a cue, the speaker's name not counted: two lines of 42.
pub(super) const MOST_CHARS: usize = 84;

/// From this many characters on, the end of a sentence ends the cue too.
const SENTENCE_CHARS: usize = 42;

/// A silence between two words, in milliseconds, over which no cue stands.
const SILENCE_MILLIS: u64 = 1_000;

/// A piece of a turn.
pub(super) struct Cue<'a> {
    pub(super) turn: u32,
    /// Number of the piece within its turn, from 1.
    pub(super) part: u32,
    pub(super) speaker: &'a str,
    pub(super) backchannel: bool,
    /// Session time, in milliseconds; `end` is after `start`.
    pub(super) start: u64,
    pub(super) end: u64,
    /// Words as shown, suspect ones as `[?word]`, and whether they are suspect.
    pub(super) words: Vec<(String, bool)>,
}

/// All cues in order of start.
pub(super) fn cues(transcript: &Transcript) -> Vec<Cue<'_>> {
    let mut cues: Vec<Cue<'_>> = Vec::new();
    for turn in &transcript.turns {
        let mut part = 0;
        let mut chars = 0;
        let mut full = true;
        for piece in turn.words.iter().flat_map(pieces) {
            let length = piece.text.chars().count();
            if let Some(cue) = cues.last()
                && !full
            {
                full = chars + 1 + length > MOST_CHARS
                    || piece.end > cue.start + MOST_MILLIS
                    || piece.start > cue.end + SILENCE_MILLIS;
            }
            match cues.last_mut() {
                Some(cue) if !full => {
                    cue.end = cue.end.max(piece.end);
                    chars += 1 + length;
                    cue.words.push((piece.text, piece.suspect));
                }
                _ => {
                    part += 1;
                    chars = length;
                    cues.push(Cue {
                        turn: turn.id,
                        part,
                        speaker: &turn.speaker,
                        backchannel: turn.backchannel,
                        start: piece.start,
                        end: piece.end,
                        words: vec![(piece.text, piece.suspect)],
                    });
                }
            }
            full = chars >= SENTENCE_CHARS && piece.ends_sentence;
        }
    }
    for cue in &mut cues {
        cue.end = cue
            .end
            .clamp(cue.start + LEAST_MILLIS, cue.start + MOST_MILLIS);
    }
    cues.sort_by_key(|cue| (cue.start, cue.turn, cue.part));
    cues
}

/// Longest text of a bookmark that a subtitle shows, in characters.
const MOST_MARK: usize = 200;

/// What subtitles say of a bookmark, on one line.
pub(super) fn of_bookmark(bookmark: &Bookmark) -> String {
    let text = clean(bookmark.text.as_deref().unwrap_or_default());
    if text.is_empty() {
        return "Bookmark".to_owned();
    }
    let short: String = text.chars().take(MOST_MARK).collect();
    format!("Bookmark: {}", short.trim_end())
}

/// Cues and bookmarks in the order of their times; a bookmark comes before a cue of its moment.
pub(super) fn cues_and_bookmarks(transcript: &Transcript) -> impl Iterator<Item = Either<'_>> {
    let mut all: Vec<(u64, u8, Either<'_>)> = Vec::new();
    for bookmark in &transcript.bookmarks {
        all.push((to_millis(bookmark.at), 0, Either::Bookmark(bookmark)));
    }
    for cue in cues(transcript) {
        all.push((cue.start, 1, Either::Cue(cue)));
    }
    all.sort_by_key(|(at, kind, _)| (*at, *kind));
    all.into_iter().map(|(_, _, item)| item)
}

/// What stands in a file of subtitles.
pub(super) enum Either<'a> {
    Cue(Cue<'a>),
    Bookmark(&'a Bookmark),
}

/// A word, or a part of one that is too long for a cue.
struct Piece {
    text: String,
    suspect: bool,
    start: u64,
    end: u64,
    ends_sentence: bool,
}

fn pieces(word: &Word) -> Vec<Piece> {
    let (start, end) = (to_millis(word.start), to_millis(word.end));
    // Room for the mark of a suspect word, also where cleaning one lengthens it.
    const MOST: usize = MOST_CHARS / 2;
    let chars: Vec<char> = clean(&word.text).chars().collect();
    let count = chars.len().div_ceil(MOST) as u64;
    (0..count)
        .zip(chars.chunks(MOST))
        .map(|(n, chunk)| {
            let text: String = chunk.iter().collect();
            Piece {
                ends_sentence: n + 1 == count && ends_sentence(&text),
                text: marked(text.trim(), word.suspect),
                suspect: word.suspect,
                start: start + (end - start) * n / count,
                end: start + (end - start) * (n + 1) / count,
            }
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transcript::testing::{hostile_session, say, session};

    #[test]
    fn a_long_turn_becomes_cues_that_can_be_read() {
        let long = "and then ".repeat(40);
        let transcript = session(60.0, say(0.0, &long), Vec::new());
        let cues = cues(&transcript);
        assert!(cues.len() >= 4);
        assert_eq!(cues.iter().map(|c| c.words.len()).sum::<usize>(), 80);
        assert_eq!(
            cues[1].start,
            to_millis(transcript.turns[0].words[cues[0].words.len()].start)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn cues_keep_their_limits_and_every_character(transcript in hostile_session()) {
            let cues = cues(&transcript);
            for cue in &cues {
                let text: Vec<&str> = cue.words.iter().map(|(text, _)| text.as_str()).collect();
                prop_assert!(text.join(" ").chars().count() <= MOST_CHARS);
                prop_assert!(!text.join(" ").trim().is_empty());
                prop_assert!((LEAST_MILLIS..=MOST_MILLIS).contains(&(cue.end - cue.start)));
            }
            prop_assert!(cues.windows(2).all(|pair| pair[0].start <= pair[1].start));
            let bare = |text: &str| text.replace(['[', ']', '?', ' '], "");
            for turn in &transcript.turns {
                let told: String = cues.iter().filter(|cue| cue.turn == turn.id)
                    .flat_map(|cue| cue.words.iter().map(|(text, _)| bare(text))).collect();
                let said: String = turn.words.iter().map(|word| bare(&clean(&word.text))).collect();
                prop_assert_eq!(told, said);
            }
        }
    }
}
