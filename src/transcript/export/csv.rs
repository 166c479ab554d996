//! CSV after RFC 4180: a header, then a row a turn or bookmark, in the order of their times, CRLF,
//! text always in quotes, UTF-8 without a byte order mark.
//!
//! A spreadsheet runs a cell that begins with `=`, `+`, `-` or `@` as a formula, quotes or not.
//! Such text gets an apostrophe in front, which spreadsheets take as "this is text".

use std::io::{self, Write};

use crate::transcript::text::{Names, clean, plain};
use crate::transcript::{Bookmark, Transcript};

const HEADER: &str =
    "turn,speaker,role,start_seconds,end_seconds,backchannel,attribution,suspect_words,text\r\n";

fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '|', '%']);
    let guard = if formula { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

pub(super) fn write(transcript: &Transcript, out: &mut dyn Write) -> io::Result<()> {
    let names = Names::of(transcript);
    out.write_all(HEADER.as_bytes())?;
    let mut marks = transcript.bookmarks.iter().peekable();
    for turn in &transcript.turns {
        while let Some(mark) = marks.next_if(|mark| mark.at <= turn.start) {
            bookmark(mark, out)?;
        }
        let suspect = turn.words.iter().filter(|word| word.suspect).count();
        write!(
            out,
            "{},{},{},{:.3},{:.3},{},{},{suspect},{}\r\n",
            turn.id,
            cell(&clean(&turn.speaker)),
            names.role(&turn.speaker).map_or("", |role| role.id()),
            turn.start,
            turn.end,
            turn.backchannel,
            turn.attribution
                .map_or_else(String::new, |share| format!("{share:.2}")),
            cell(&plain(turn)),
        )?;
    }
    for mark in marks {
        bookmark(mark, out)?;
    }
    Ok(())
}

/// A row without a turn's number: nobody said it.
fn bookmark(mark: &Bookmark, out: &mut dyn Write) -> io::Result<()> {
    let text = cell(&clean(mark.text.as_deref().unwrap_or_default()));
    write!(
        out,
        ",\"bookmark\",,{:.3},{:.3},,,,{text}\r\n",
        mark.at, mark.at
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Format, text};
    use super::{HEADER, cell};
    use crate::transcript::testing::{hostile_session, sample};
    use crate::transcript::text::plain;

    /// Rows of fields, read by the letter of RFC 4180.
    fn read(file: &str) -> Vec<Vec<String>> {
        let mut rows = vec![vec![String::new()]];
        let mut chars = file.chars().peekable();
        let mut quoted = false;
        while let Some(c) = chars.next() {
            let row = rows.last_mut().unwrap();
            match c {
                '"' if quoted && chars.peek() == Some(&'"') => {
                    chars.next();
                    row.last_mut().unwrap().push('"');
                }
                '"' => quoted = !quoted,
                ',' if !quoted => row.push(String::new()),
                '\r' if !quoted && chars.next_if_eq(&'\n').is_some() => {
                    rows.push(vec![String::new()]);
                }
                c => row.last_mut().unwrap().push(c),
            }
        }
        assert!(!quoted);
        assert_eq!(rows.pop().unwrap(), vec![String::new()]);
        rows
    }

    #[test]
    fn a_turn_is_a_row() {
        let written = text(&sample(), Format::Csv);
        assert!(written.starts_with(HEADER));
        assert!(written.contains(
            "\r\n1,\"therapist\",therapist,1.000,3.080,false,,0,\"How have you been since last week?\"\r\n"
        ));
        assert!(written.contains(",false,,1,\"[?Thanks.]\"\r\n"));
    }

    #[test]
    fn a_bookmark_is_a_row_without_a_turn() {
        let mut transcript = sample();
        transcript.bookmarks = crate::transcript::testing::bookmarks();
        let written = text(&transcript, Format::Csv);
        let first = format!("{HEADER},\"bookmark\",,0.000,0.000,,,,\"\"\r\n1,");
        assert!(written.starts_with(&first), "{written}");
        assert!(
            written.contains("\r\n,\"bookmark\",,2.500,2.500,,,,\"the <mother> --> again\"\r\n2,"),
            "{written}"
        );
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_text() {
        assert_eq!(cell("=1+1"), "\"'=1+1\"");
        assert_eq!(cell("-no"), "\"'-no\"");
        assert_eq!(cell("no-one"), "\"no-one\"");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_strict_reader_finds_the_rows_that_were_written(transcript in hostile_session()) {
            let rows = read(&text(&transcript, Format::Csv));
            prop_assert_eq!(rows.len(), transcript.turns.len() + transcript.bookmarks.len() + 1);
            let (marks, turns): (Vec<_>, Vec<_>) = rows[1..].iter().partition(|row| row[0].is_empty());
            prop_assert!(marks.iter().all(|row| row.len() == 9 && row[1] == "bookmark"));
            for (row, turn) in turns.into_iter().zip(&transcript.turns) {
                prop_assert_eq!(row.len(), 9);
                prop_assert_eq!(&row[0], &turn.id.to_string());
                let said = plain(turn);
                let runs = said.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '|', '%']);
                let guarded = if runs { format!("'{said}") } else { said };
                prop_assert_eq!(&row[8], &guarded);
                prop_assert!(!row[8].starts_with(['=', '+', '-', '@', '\t', '\r']));
            }
        }
    }
}
