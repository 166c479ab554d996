//! SubRip. It has no escapes, and players take angle brackets and braces for formatting: those
//! become the nearest characters that only look like them. It has no comments either: a bookmark is a
//! cue of its own in square brackets, as sounds are written.

use std::io::{self, Write};

use super::cues::{Either, cues_and_bookmarks, of_bookmark};
use crate::transcript::Transcript;
use crate::transcript::text::{Names, stamp, to_millis};

/// How long a bookmark stands, in milliseconds.
const BOOKMARK_MILLIS: u64 = 2_000;

fn tame(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '<' => '‹',
            '>' => '›',
            '{' => '(',
            '}' => ')',
            c => c,
        })
        .collect()
}

pub(super) fn write(transcript: &Transcript, out: &mut dyn Write) -> io::Result<()> {
    let names = Names::of(transcript);
    for (item, number) in cues_and_bookmarks(transcript).zip(1_u64..) {
        let cue = match item {
            Either::Cue(cue) => cue,
            Either::Bookmark(mark) => {
                let at = to_millis(mark.at);
                if number > 1 {
                    writeln!(out)?;
                }
                writeln!(
                    out,
                    "{number}\n{} --> {}\n[{}]",
                    stamp(at, ','),
                    stamp(at + BOOKMARK_MILLIS, ','),
                    tame(&of_bookmark(mark))
                )?;
                continue;
            }
        };
        let words: Vec<String> = cue.words.iter().map(|(text, _)| tame(text)).collect();
        if number > 1 {
            writeln!(out)?;
        }
        writeln!(
            out,
            "{number}\n{} --> {}\n{}: {}",
            stamp(cue.start, ','),
            stamp(cue.end, ','),
            names.name(cue.speaker),
            words.join(" ")
        )?;
    }
    // A session in which nobody speaks is still a file of this form: one empty line.
    if transcript.turns.is_empty() && transcript.bookmarks.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::cues::{Either, cues_and_bookmarks, of_bookmark};
    use super::super::{Format, text};
    use super::{BOOKMARK_MILLIS, tame};
    use crate::transcript::testing::{hostile_session, sample};
    use crate::transcript::text::{Names, stamp, to_millis};

    #[test]
    fn a_cue_names_its_speaker() {
        let written = text(&sample(), Format::Srt);
        assert!(written.starts_with("1\n00:00:01,000 --> 00:00:03,080\nTherapist: How have"));
        assert!(written.contains("\nClient: [?Thanks.]\n"));
    }

    #[test]
    fn a_bookmark_is_a_cue_in_brackets() {
        let mut transcript = sample();
        transcript.bookmarks = crate::transcript::testing::bookmarks();
        let written = text(&transcript, Format::Srt);
        assert!(written.starts_with("1\n00:00:00,000 --> 00:00:02,000\n[Bookmark]\n\n2\n"));
        assert!(
            written
                .contains("\n00:00:02,500 --> 00:00:04,500\n[Bookmark: the ‹mother› --› again]\n")
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_strict_reader_finds_the_cues_that_were_written(transcript in hostile_session()) {
            let names = Names::of(&transcript);
            let expected: Vec<Vec<String>> = cues_and_bookmarks(&transcript).zip(1..).map(|(item, n)| {
                let (start, end, words) = match item {
                    Either::Cue(cue) => {
                        let words: Vec<String> = cue.words.iter().map(|(w, _)| tame(w)).collect();
                        (cue.start, cue.end, format!("{}: {}", names.name(cue.speaker), words.join(" ")))
                    }
                    Either::Bookmark(mark) => {
                        let at = to_millis(mark.at);
                        (at, at + BOOKMARK_MILLIS, format!("[{}]", tame(&of_bookmark(mark))))
                    }
                };
                vec![n.to_string(), format!("{} --> {}", stamp(start, ','), stamp(end, ',')), words]
            }).collect();
            let written = text(&transcript, Format::Srt);
            let read: Vec<Vec<String>> = written.trim_end_matches('\n').split("\n\n")
                .filter(|block| !block.is_empty())
                .map(|block| block.split('\n').map(String::from).collect()).collect();
            prop_assert_eq!(read, expected);
            prop_assert_eq!(written.matches("-->").count(), cues_and_bookmarks(&transcript).count());
        }
    }
}
