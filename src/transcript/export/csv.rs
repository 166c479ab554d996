//! CSV after RFC 4180: a header, then a row a turn, CRLF, text always in quotes, UTF-8 without a
//! byte order mark.
//!
//! A spreadsheet runs a cell that begins with `=`, `+`, `-` or `@` as a formula, quotes or not.
//! Such text gets an apostrophe in front, which spreadsheets take as "this is text".

use std::io::{self, Write};

use crate::transcript::Transcript;
use crate::transcript::text::{Names, clean, plain};

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
    for turn in &transcript.turns {
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
    Ok(())
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
            prop_assert_eq!(rows.len(), transcript.turns.len() + 1);
            for (row, turn) in rows[1..].iter().zip(&transcript.turns) {
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
