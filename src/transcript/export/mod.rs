//! The forms a transcript is handed on in, one file a form.
//!
//! Writes to the sink it is given and opens nothing. What was said stays inside its place: text
//! cannot end a cue, a cell, a turn or a line, and cannot become markup or a formula. Suspect words
//! are marked in every form, never dropped.

mod csv;
mod cues;
mod docx;
mod json;
mod md;
mod srt;
mod txt;
mod vtt;

use std::io::{self, BufWriter, Write};
use std::str::FromStr;

use super::Transcript;
use crate::{Error, Kind, Result};

/// A form to hand a transcript on in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Schema `undertone-transcript/1`, everything, on one line.
    Json,
    /// A line of JSON for the session, then one for each turn.
    Jsonl,
    /// Plain text to read.
    Txt,
    /// Markdown to read.
    Md,
    /// WebVTT subtitles with voices.
    Vtt,
    /// SubRip subtitles.
    Srt,
    /// A table, one row a turn.
    Csv,
    /// A Word document.
    Docx,
}

impl Format {
    /// Every form, in the order in which they are listed to a person.
    pub const ALL: [Format; 8] = [
        Format::Json,
        Format::Jsonl,
        Format::Txt,
        Format::Md,
        Format::Vtt,
        Format::Srt,
        Format::Csv,
        Format::Docx,
    ];

    /// Its name, which is the ending of its files too, such as `json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Jsonl => "jsonl",
            Format::Txt => "txt",
            Format::Md => "md",
            Format::Vtt => "vtt",
            Format::Srt => "srt",
            Format::Csv => "csv",
            Format::Docx => "docx",
        }
    }

    /// Whether it is text, which may be written to a terminal; a Word document may not.
    #[must_use]
    pub fn is_text(self) -> bool {
        self != Format::Docx
    }
}

impl FromStr for Format {
    type Err = Error;

    /// # Errors
    /// [`Kind::Usage`] when no form has this name.
    fn from_str(name: &str) -> Result<Self> {
        Format::ALL
            .into_iter()
            .find(|format| format.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| {
                let names = Format::ALL.map(Format::name).join(", ");
                Error::new(
                    Kind::Usage,
                    format!("There is no transcript format of that name. There are: {names}."),
                )
            })
    }
}

/// Writes the transcript in this form. The same transcript gives the same bytes.
///
/// # Errors
/// [`Kind::Disk`] when the sink cannot be written to; part of the transcript may be in it then.
pub fn write(transcript: &Transcript, format: Format, sink: &mut dyn Write) -> Result<()> {
    let mut sink = BufWriter::new(sink);
    let out: &mut dyn Write = &mut sink;
    match format {
        Format::Json => json::whole(transcript, out),
        Format::Jsonl => json::lines(transcript, out),
        Format::Txt => txt::write(transcript, out),
        Format::Md => md::write(transcript, out),
        Format::Vtt => vtt::write(transcript, out),
        Format::Srt => srt::write(transcript, out),
        Format::Csv => csv::write(transcript, out),
        Format::Docx => docx::write(transcript, out),
    }
    .and_then(|()| sink.flush())
    .map_err(|error| failed(&error))
}

fn failed(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::new(
            Kind::Disk,
            "The disk is full: the transcript was not written to its end. It is safe in the vault.",
        )
        .hint("Free some space, then export again."),
        kind => Error::new(
            Kind::Disk,
            format!("The transcript could not be written ({kind}). It is safe in the vault."),
        ),
    }
}

/// The transcript in this form, for tests.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
fn text(transcript: &Transcript, format: Format) -> String {
    let mut bytes = Vec::new();
    write(transcript, format, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::transcript::testing::{sample, session};

    #[test]
    fn every_form_writes_a_session_and_an_empty_one_the_same_way_each_time() {
        for transcript in [sample(), session(0.0, Vec::new(), Vec::new())] {
            for format in Format::ALL {
                let (mut once, mut again) = (Vec::new(), Vec::new());
                write(&transcript, format, &mut once).unwrap();
                write(&transcript, format, &mut again).unwrap();
                assert!(!once.is_empty());
                assert!(once == again, "{}", format.name());
                assert_eq!(format.name().parse::<Format>().unwrap(), format);
            }
        }
    }

    #[test]
    fn only_the_full_record_carries_the_clients_code() {
        for format in Format::ALL {
            let mut bytes = Vec::new();
            write(&sample(), format, &mut bytes).unwrap();
            let found = bytes.windows(4).any(|window| window == b"K-17");
            assert_eq!(found, matches!(format, Format::Json | Format::Jsonl));
        }
    }

    #[test]
    fn a_full_disk_is_told_as_that() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for format in Format::ALL {
            let error = write(&sample(), format, &mut Full).unwrap_err();
            assert_eq!(error.kind(), Kind::Disk);
            assert!(error.sentence().contains("full"), "{}", format.name());
        }
    }
}
