//! WebVTT (W3C): a voice a speaker, overlapping cues where both talk, suspect words of a class of
//! their own. A bookmark is a note, which players do not show and other programs find.

use std::io::{self, Write};

use super::cues::{Either, cues_and_bookmarks, of_bookmark};
use crate::transcript::Transcript;
use crate::transcript::text::{Names, stamp, to_millis};

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

pub(super) fn write(transcript: &Transcript, out: &mut dyn Write) -> io::Result<()> {
    let names = Names::of(transcript);
    writeln!(out, "WEBVTT\n")?;
    writeln!(
        out,
        "NOTE Written by a speech model, not checked by a person. [?word] may not have been said."
    )?;
    for item in cues_and_bookmarks(transcript) {
        let cue = match item {
            Either::Cue(cue) => cue,
            Either::Bookmark(mark) => {
                let at = stamp(to_millis(mark.at), '.');
                writeln!(out, "\nNOTE {at} {}", escape(&of_bookmark(mark)))?;
                continue;
            }
        };
        let words: Vec<String> = cue
            .words
            .iter()
            .map(|(text, suspect)| match suspect {
                true => format!("<c.suspect>{}</c>", escape(text)),
                false => escape(text),
            })
            .collect();
        writeln!(
            out,
            "\n{}.{}\n{} --> {}\n<v{} {}>{}",
            cue.turn,
            cue.part,
            stamp(cue.start, '.'),
            stamp(cue.end, '.'),
            if cue.backchannel { ".backchannel" } else { "" },
            names.name(cue.speaker),
            words.join(" ")
        )?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::cues::cues;
    use super::super::{Format, text};
    use crate::transcript::testing::{hostile_session, sample};
    use crate::transcript::text::{Names, stamp};

    #[test]
    fn voices_times_and_suspect_words_are_in_their_places() {
        let written = text(&sample(), Format::Vtt);
        assert!(written.contains("\n1.1\n00:00:01.000 --> 00:00:03.080\n<v Therapist>How have"));
        assert!(written.contains("<v Client><c.suspect>[?Thanks.]</c>"));
        assert!(written.contains("<v.backchannel Therapist>Mm-hm."));
    }

    #[test]
    fn a_bookmark_is_a_note_in_its_place() {
        let mut transcript = sample();
        transcript.bookmarks = crate::transcript::testing::bookmarks();
        let written = text(&transcript, Format::Vtt);
        assert!(
            written.contains("\n\nNOTE 00:00:02.500 Bookmark: the &lt;mother&gt; --&gt; again\n\n")
        );
        assert!(written.contains("\n\nNOTE 00:00:00.000 Bookmark\n\n1.1\n"));
        assert!(written.find("1.1\n") < written.find("again"));
    }

    /// Blocks, and in each cue its times, voice and text, read strictly.
    fn read(file: &str) -> Vec<(String, String, String)> {
        let mut blocks = file.strip_prefix("WEBVTT\n\n").unwrap().split("\n\n");
        assert!(blocks.next().unwrap().starts_with("NOTE "));
        blocks
            // A note is one line, and no cue.
            .filter(|block| {
                let note = block.starts_with("NOTE ");
                assert!(!note || !block.contains("-->") && block.trim_end().lines().count() == 1);
                !note
            })
            .map(|block| {
                let lines: Vec<&str> = block.trim_end_matches('\n').split('\n').collect();
                assert_eq!(lines.len(), 3, "{block}");
                assert_eq!(block.matches("-->").count(), 1);
                let (voice, text) = lines[2]
                    .strip_prefix("<v")
                    .unwrap()
                    .split_once('>')
                    .unwrap();
                let text = text.replace("<c.suspect>", "").replace("</c>", "");
                assert!(!text.contains(['<', '>']));
                let text = text
                    .replace("&lt;", "<")
                    .replace("&gt;", ">")
                    .replace("&amp;", "&");
                (
                    lines[1].into(),
                    voice.replace(".backchannel", "").trim().into(),
                    text,
                )
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_strict_reader_finds_the_cues_that_were_written(transcript in hostile_session()) {
            let names = Names::of(&transcript);
            let expected: Vec<(String, String, String)> = cues(&transcript).iter().map(|cue| {
                let words: Vec<&str> = cue.words.iter().map(|(w, _)| w.as_str()).collect();
                (format!("{} --> {}", stamp(cue.start, '.'), stamp(cue.end, '.')),
                 names.name(cue.speaker).to_owned(), words.join(" "))
            }).collect();
            prop_assert_eq!(read(&text(&transcript, Format::Vtt)), expected);
        }
    }
}
