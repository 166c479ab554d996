//! A Word document: a paragraph a turn, suspect words grey and in brackets.

use std::io::{self, Cursor, Write};

use docx_rs::{Docx, LineSpacing, Paragraph, Run, RunFonts};
use zeroize::Zeroizing;

use crate::transcript::text::{Names, clock, marked, shown};
use crate::transcript::timeline::{Item, heading, items, remark};
use crate::transcript::{Transcript, Turn};

/// The grey of what is not speech, as red, green and blue.
const GREY: &str = "7F7F7F";

/// Sizes in half points, as Word counts.
const TITLE: usize = 32;
const TEXT: usize = 22;
const SMALL: usize = 18;

/// On every machine with Word; others put a font of the same widths in its place.
const FONT: &str = "Calibri";

/// Space below a turn, in twentieths of a point.
const BELOW: u32 = 120;

pub(super) fn write(transcript: &Transcript, out: &mut dyn Write) -> io::Result<()> {
    let names = Names::of(transcript);
    let heading = heading(transcript, &names, "[?word]");
    let made = transcript
        .created
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    let mut document = Docx::new()
        .default_size(TEXT)
        .default_fonts(RunFonts::new().ascii(FONT).hi_ansi(FONT).cs(FONT))
        .created_at(&made)
        .updated_at(&made);
    let title = Run::new().add_text(heading.title).bold().size(TITLE);
    document = document.add_paragraph(Paragraph::new().add_run(title));
    for (name, value) in heading.facts {
        document = document.add_paragraph(small(&format!("{name}: {value}")));
    }
    for note in heading.notes {
        document = document.add_paragraph(small(&note));
    }
    document = document.add_paragraph(Paragraph::new());
    for item in items(transcript) {
        document = document.add_paragraph(match item {
            Item::Turn(turn, place) => {
                let mut paragraph = spaced()
                    .add_run(Run::new().add_text(names.name(&turn.speaker)).bold())
                    .add_run(grey(&format!("  [{}]  ", clock(turn.start))));
                if let Some(remark) = remark(turn, place, &names) {
                    paragraph = paragraph.add_run(grey(&(remark + " ")).italic());
                }
                words(paragraph, turn)
            }
            Item::Beside(beside) => small(&beside.in_words(&names)),
        });
    }
    // The archive's directory comes last and points back, so it is made in memory first.
    let mut archive = Zeroizing::new(Vec::new());
    document
        .pack(Cursor::new(&mut *archive))
        .map_err(io::Error::other)?;
    out.write_all(&archive)
}

/// Runs of words alike.
fn words(mut paragraph: Paragraph, turn: &Turn) -> Paragraph {
    let mut open: Option<(String, bool)> = None;
    for (text, suspect) in shown(turn) {
        let text = marked(&text, suspect);
        open = Some(match open {
            Some((run, same)) if same == suspect => (run + " " + &text, suspect),
            Some((run, other)) => {
                paragraph = paragraph.add_run(speech(run + " ", other));
                (text, suspect)
            }
            None => (text, suspect),
        });
    }
    match open {
        Some((run, suspect)) => paragraph.add_run(speech(run, suspect)),
        None => paragraph,
    }
}

fn speech(text: String, suspect: bool) -> Run {
    if suspect {
        grey(&text)
    } else {
        Run::new().add_text(text)
    }
}

fn grey(text: &str) -> Run {
    Run::new().add_text(text).color(GREY)
}

fn spaced() -> Paragraph {
    Paragraph::new().line_spacing(LineSpacing::new().after(BELOW))
}

fn small(text: &str) -> Paragraph {
    spaced().add_run(grey(text).size(SMALL))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use docx_rs::read_docx;
    use proptest::prelude::*;

    use super::super::{Format, write};
    use super::GREY;
    use crate::transcript::Transcript;
    use crate::transcript::testing::{hostile_session, sample};
    use crate::transcript::text::plain;
    use crate::transcript::timeline::{Item, items};

    /// The text of each paragraph of the body, and of the grey runs in it, as the XML has it (the
    /// library's own reader resolves entities twice). The archive is not compressed.
    fn read(transcript: &Transcript) -> Vec<(String, String)> {
        let mut bytes = Vec::new();
        write(transcript, Format::Docx, &mut bytes).unwrap();
        read_docx(&bytes).unwrap();
        let archive = String::from_utf8_lossy(&bytes);
        let (_, body) = archive.split_once("<w:body>").unwrap();
        let (body, _) = body.split_once("</w:body>").unwrap();
        assert!(!body.chars().any(|c| c.is_control() || c == '\u{ffff}'));
        let texts = |xml: &str| {
            let runs = xml.split("<w:t xml:space=\"preserve\">").skip(1);
            let text: String = runs
                .map(|run| run.split_once("</w:t>").unwrap().0)
                .collect();
            assert!(!text.contains(['<', '>', '"']));
            text.replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&quot;", "\"")
                .replace("&apos;", "'")
                .replace("&amp;", "&")
        };
        body.split("</w:p>")
            .filter(|paragraph| paragraph.contains("<w:p ") || paragraph.contains("<w:p>"))
            .map(|paragraph| {
                let grey = paragraph.split("</w:r>").filter(|run| run.contains(GREY));
                (texts(paragraph), grey.map(texts).collect())
            })
            .collect()
    }

    #[test]
    fn suspect_words_are_grey_and_in_brackets_and_the_rest_is_not() {
        let paragraphs = read(&sample());
        assert_eq!(paragraphs[0].0, "Fifth session");
        let (_, grey) = paragraphs
            .iter()
            .find(|(text, _)| text.contains("Thanks"))
            .unwrap();
        assert!(grey.contains("[?Thanks.]"), "{grey}");
        let (text, grey) = paragraphs
            .iter()
            .find(|(text, _)| text.contains("nothing"))
            .unwrap();
        assert!(text.starts_with("Client  [00:14]  I keep coming"), "{text}");
        assert!(!grey.contains("nothing"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn a_reader_finds_each_turn_in_a_paragraph_of_its_own(transcript in hostile_session()) {
            let texts: Vec<String> = read(&transcript).into_iter().map(|(text, _)| text).collect();
            let items = items(&transcript);
            let body = &texts[texts.len() - items.len()..];
            for (text, item) in body.iter().zip(items) {
                if let Item::Turn(turn, _) = item {
                    prop_assert!(text.ends_with(&plain(turn)), "{:?} {:?}", text, plain(turn));
                }
            }
        }
    }
}
