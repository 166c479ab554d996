//! Markdown (CommonMark, and what GitHub adds to it): a paragraph a turn.

use std::io::{self, Write};

use crate::transcript::Transcript;
use crate::transcript::text::{Names, clock, plain};
use crate::transcript::timeline::{Item, heading, items, remark};

/// The text so that no Markdown reader takes any of it for markup, a link or HTML.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let first_on_line = at == 0 && matches!(c, '+' | '-' | '=');
        let markup = matches!(
            c,
            '\\' | '`'
                | '*'
                | '_'
                | '['
                | ']'
                | '<'
                | '>'
                | '#'
                | '|'
                | '~'
                | '&'
                | '$'
                | '@'
                | ':'
        );
        let linked = c == '.' && text[..at].to_ascii_lowercase().ends_with("www");
        if markup || linked || first_on_line {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}

pub(super) fn write(transcript: &Transcript, out: &mut dyn Write) -> io::Result<()> {
    let names = Names::of(transcript);
    let heading = heading(transcript, &names, "[?word]");
    writeln!(out, "# {}\n", escape(&heading.title))?;
    for (name, value) in &heading.facts {
        writeln!(out, "- {name}: {}", escape(value))?;
    }
    for note in &heading.notes {
        writeln!(out, "\n*{}*", escape(note))?;
    }
    for item in items(transcript) {
        match item {
            Item::Turn(turn, place) => {
                let remark = remark(turn, place, &names);
                let remark = remark.map(|r| format!("*{}* ", escape(&r)));
                writeln!(
                    out,
                    "\n**{}** \\[{}\\] {}{}",
                    names.name(&turn.speaker),
                    clock(turn.start),
                    remark.unwrap_or_default(),
                    escape(&plain(turn))
                )?;
            }
            Item::Beside(beside) => writeln!(out, "\n*{}*", escape(&beside.in_words(&names)))?,
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Format, text};
    use super::escape;
    use crate::transcript::testing::{hostile_session, sample};
    use crate::transcript::timeline::items;

    #[test]
    fn a_turn_is_a_paragraph_and_its_suspect_words_are_marked() {
        let written = text(&sample(), Format::Md);
        assert!(written.starts_with("# Fifth session\n"));
        assert!(written.contains("\n\n**Therapist** \\[00:01\\] How have you been"));
        assert!(written.contains("\\[?Thanks.\\]"));
        assert!(written.contains("\n\n*· 7 s of silence ·*\n"));
        assert!(written.contains("*(while Client speaks)* Mm-hm."));
    }

    #[test]
    fn markup_html_and_links_are_only_text() {
        assert_eq!(
            escape("**a** [b](c) <i>"),
            "\\*\\*a\\*\\* \\[b\\](c) \\<i\\>"
        );
        assert_eq!(escape("http://a.b www.c.d"), "http\\://a.b www\\.c.d");
        assert_eq!(escape("- no"), "\\- no");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn nothing_said_can_make_a_paragraph_of_its_own(transcript in hostile_session()) {
            let written = text(&transcript, Format::Md);
            let (_, rest) = written.split_once("\n\n").unwrap();
            let notes = rest.lines().filter(|l| l.starts_with("*") && l.contains("speech model")).count()
                + rest.lines().filter(|l| l.contains("may have been made up by the model")).count();
            prop_assert_eq!(rest.matches("\n\n").count(), items(&transcript).len() + notes);
        }
    }
}
