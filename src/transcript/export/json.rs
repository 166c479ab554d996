//! JSON, whole or in lines. The one form that loses nothing.

use std::io::{self, Write};

use serde::Serialize;

use crate::speech::{Separation, Span};
use crate::transcript::{
    Activity, Bookmark, Gap, Model, Pause, Session, Speaker, Transcript, Wordless,
};

pub(super) fn whole(transcript: &Transcript, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, transcript)?;
    writeln!(out)
}

/// The first line of the JSON Lines form: the transcript without its turns.
#[derive(Serialize)]
struct Head<'a> {
    schema: &'a str,
    turn_count: usize,
    session: &'a Session,
    language: &'a str,
    model: &'a Model,
    speakers: &'a [Speaker],
    overlaps: &'a [Span],
    pauses: &'a [Pause],
    gaps: &'a [Gap],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    bookmarks: &'a [Bookmark],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    wordless: &'a [Wordless],
    activity: &'a [Activity],
    separation: &'a Separation,
    created: jiff::Timestamp,
    tool: &'a str,
}

pub(super) fn lines(transcript: &Transcript, out: &mut dyn Write) -> io::Result<()> {
    let head = Head {
        schema: &transcript.schema,
        turn_count: transcript.turns.len(),
        session: &transcript.session,
        language: &transcript.language,
        model: &transcript.model,
        speakers: &transcript.speakers,
        overlaps: &transcript.overlaps,
        pauses: &transcript.pauses,
        gaps: &transcript.gaps,
        bookmarks: &transcript.bookmarks,
        wordless: &transcript.wordless,
        activity: &transcript.activity,
        separation: &transcript.separation,
        created: transcript.created,
        tool: &transcript.tool,
    };
    serde_json::to_writer(&mut *out, &head)?;
    writeln!(out)?;
    for turn in &transcript.turns {
        serde_json::to_writer(&mut *out, turn)?;
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::{Format, text};
    use crate::transcript::testing::hostile_session;
    use crate::transcript::{Transcript, parse};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn json_reads_back_as_what_was_written(transcript in hostile_session()) {
            let written = text(&transcript, Format::Json);
            prop_assert_eq!(written.lines().count(), 1);
            prop_assert_eq!(parse(written.as_bytes(), 1 << 24).unwrap(), transcript);
        }

        #[test]
        fn json_lines_hold_the_whole_transcript_a_turn_a_line(transcript in hostile_session()) {
            let written = text(&transcript, Format::Jsonl);
            let mut lines = written.split_terminator('\n').map(|line| serde_json::from_str::<Value>(line).unwrap());
            let mut head = lines.next().unwrap();
            let turns: Vec<Value> = lines.collect();
            let fields = head.as_object_mut().unwrap();
            prop_assert_eq!(fields.remove("turn_count").unwrap(), turns.len());
            fields.insert("turns".into(), turns.into());
            prop_assert_eq!(serde_json::from_value::<Transcript>(head).unwrap(), transcript);
        }
    }
}
