//! SubRip. It has no escapes, and players take angle brackets and braces for formatting: those
//! become the nearest characters that only look like them.

use std::io::{self, Write};

use super::cues::cues;
use crate::transcript::Transcript;
use crate::transcript::text::{Names, stamp};

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
    for (cue, number) in cues(transcript).iter().zip(1_u64..) {
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
    if transcript.turns.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::cues::cues;
    use super::super::{Format, text};
    use super::tame;
    use crate::transcript::testing::{hostile_session, sample};
    use crate::transcript::text::{Names, stamp};

    #[test]
    fn a_cue_names_its_speaker() {
        let written = text(&sample(), Format::Srt);
        assert!(written.starts_with("1\n00:00:01,000 --> 00:00:03,080\nTherapist: How have"));
        assert!(written.contains("\nClient: [?Thanks.]\n"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_strict_reader_finds_the_cues_that_were_written(transcript in hostile_session()) {
            let names = Names::of(&transcript);
            let expected: Vec<Vec<String>> = cues(&transcript).iter().zip(1..).map(|(cue, n)| {
                let words: Vec<String> = cue.words.iter().map(|(w, _)| tame(w)).collect();
                vec![n.to_string(),
                     format!("{} --> {}", stamp(cue.start, ','), stamp(cue.end, ',')),
                     format!("{}: {}", names.name(cue.speaker), words.join(" "))]
            }).collect();
            let written = text(&transcript, Format::Srt);
            let read: Vec<Vec<String>> = written.trim_end_matches('\n').split("\n\n")
                .filter(|block| !block.is_empty())
                .map(|block| block.split('\n').map(String::from).collect()).collect();
            prop_assert_eq!(read, expected);
            prop_assert_eq!(written.matches("-->").count(), cues(&transcript).len());
        }
    }
}
