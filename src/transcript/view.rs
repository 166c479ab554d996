//! A transcript as lines for a screen: text with styles, wrapped. Paints nothing itself.
//!
//! Nothing is told by style alone: what is coloured is also marked by a word or a sign, so that
//! the lines read the same without colour, through a pipe, and aloud.

use super::text::{Names, clean, clock, shown};
use super::timeline::{Beside, Item, Place, heading, items, remark};
use super::{Role, Transcript, Turn};

/// Narrowest that lines are wrapped to, in columns; a narrower width is taken as this.
pub const LEAST_WIDTH: usize = 40;

/// Columns that a backchannel is set in by.
const INDENT: usize = 4;

/// Columns that a number of a turn has at least.
const NUMBER: usize = 4;

/// What a piece of text is, for whoever paints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Style {
    /// The session's title.
    Title,
    /// Who speaks.
    Speaker(Role),
    /// When, as `[mm:ss]` or `[h:mm:ss]`, and the number of a turn.
    Time,
    /// What was said.
    Word,
    /// A word that the model may have made up, shown as `⟨word⟩`.
    Suspect,
    /// A silence.
    Pause,
    /// A remark that both talk at once.
    Overlap,
    /// Anything else that was not said: dates, warnings, gaps.
    Note,
}

/// Text of one style. Holds no control characters and no line breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The text, spaces between pieces included.
    pub text: String,
    /// What it is.
    pub style: Style,
}

/// One line of the screen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    /// From left to right; none for an empty line.
    pub pieces: Vec<Piece>,
}

impl Line {
    /// The line without styles.
    #[must_use]
    pub fn text(&self) -> String {
        self.pieces
            .iter()
            .map(|piece| piece.text.as_str())
            .collect()
    }
}

/// The whole transcript: heading, an empty line, and what was said, in lines of at most `width`
/// columns (at least [`LEAST_WIDTH`]); before each turn its number, where these are asked for.
#[must_use]
pub fn lines(transcript: &Transcript, width: usize, numbers: bool) -> Vec<Line> {
    let mut lines = head(transcript, width);
    lines.push(Line::default());
    lines.extend(body(transcript, width, numbers));
    lines
}

/// What stands above a transcript: title, date, length, speakers, model, warnings.
#[must_use]
pub fn head(transcript: &Transcript, width: usize) -> Vec<Line> {
    let names = Names::of(transcript);
    let heading = heading(transcript, &names, "⟨word⟩");
    let mut page = Page::of(width);
    page.paragraph(0, &[], tokens(&heading.title, Style::Title));
    for (name, value) in &heading.facts {
        let first = [Piece {
            text: format!("{name}: "),
            style: Style::Note,
        }];
        page.paragraph(0, &first, tokens(value, Style::Note));
    }
    for note in &heading.notes {
        page.paragraph(0, &[], tokens(note, Style::Note));
    }
    page.lines
}

/// What was said, with silences and gaps, as [`lines`].
#[must_use]
pub fn body(transcript: &Transcript, width: usize, numbers: bool) -> Vec<Line> {
    let names = Names::of(transcript);
    let mut page = Page::of(width);
    page.numbers = numbers;
    for item in items(transcript) {
        match item {
            Item::Turn(turn, place) => page.turn(turn, place, &names),
            Item::Beside(beside) => {
                let style = match beside {
                    Beside::Pause(_) => Style::Pause,
                    _ => Style::Note,
                };
                page.paragraph(2 * INDENT, &[], tokens(&beside.in_words(&names), style));
            }
        }
    }
    page.lines
}

/// The words of a text, all of one style.
fn tokens(text: &str, style: Style) -> Vec<Piece> {
    text.split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| Piece {
            text: word.into(),
            style,
        })
        .collect()
}

struct Page {
    width: usize,
    numbers: bool,
    lines: Vec<Line>,
}

impl Page {
    fn of(width: usize) -> Self {
        Page {
            width: width.max(LEAST_WIDTH),
            numbers: false,
            lines: Vec::new(),
        }
    }

    fn turn(&mut self, turn: &Turn, place: Place, names: &Names<'_>) {
        let name = names.name(&turn.speaker);
        // A speaker that is not listed cannot come from `parse` or `assemble`.
        let role = names.role(&turn.speaker).unwrap_or(Role::Client);
        let number = match self.numbers {
            true => format!("{:>NUMBER$} ", turn.id),
            false => String::new(),
        };
        let first = [
            Piece {
                text: format!("{number}[{}] ", clock(turn.start)),
                style: Style::Time,
            },
            Piece {
                text: format!("{name:<width$}  ", width = names.longest()),
                style: Style::Speaker(role),
            },
        ];
        let mut words = remark(turn, place, names)
            .map_or_else(Vec::new, |remark| tokens(&remark, Style::Overlap));
        for (text, suspect) in shown(turn) {
            let (text, style) = match suspect {
                true => (format!("⟨{text}⟩"), Style::Suspect),
                false => (text, Style::Word),
            };
            words.extend(tokens(&text, style));
        }
        let indent = if place == Place::Backchannel {
            INDENT
        } else {
            0
        };
        self.paragraph(indent, &first, words);
    }

    /// Words after `first`, wrapped so that further lines stand under the first word.
    fn paragraph(&mut self, indent: usize, first: &[Piece], words: Vec<Piece>) {
        let hang = indent
            + first
                .iter()
                .map(|piece| columns(&piece.text))
                .sum::<usize>();
        // Half the line at least is for words, however long a name is.
        let hang = if hang <= self.width / 2 { hang } else { indent };
        let mut line = Line::default();
        push(&mut line, " ".repeat(indent), Style::Note);
        line.pieces.extend(first.iter().cloned());
        let mut used: usize = line.pieces.iter().map(|piece| columns(&piece.text)).sum();
        let mut fresh = true;
        for word in words {
            for part in broken(&word.text, self.width - hang) {
                let length = columns(part);
                let space = usize::from(!fresh);
                if used + space + length > self.width {
                    self.lines.push(std::mem::take(&mut line));
                    push(&mut line, " ".repeat(hang), Style::Note);
                    used = hang;
                } else if space > 0 {
                    push(&mut line, " ".into(), word.style);
                    used += 1;
                }
                push(&mut line, part.into(), word.style);
                used += length;
                fresh = false;
            }
        }
        self.lines.push(line);
    }
}

/// Adds text to a line, to its last piece where the style is the same.
fn push(line: &mut Line, text: String, style: Style) {
    if text.is_empty() {
        return;
    }
    match line.pieces.last_mut() {
        Some(last) if last.style == style => last.text += &text,
        _ => line.pieces.push(Piece { text, style }),
    }
}

/// A word in parts of at most `most` columns.
fn broken(word: &str, most: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut from, mut used) = (0, 0);
    for (at, c) in word.char_indices() {
        if used + column(c) > most && at > from {
            parts.push(&word[from..at]);
            (from, used) = (at, 0);
        }
        used += column(c);
    }
    parts.push(&word[from..]);
    parts
}

/// Columns that a text takes on a terminal.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(column).sum()
}

/// Columns of a character: none for marks that combine, two for East Asian wide characters and
/// emoji, one for all others. The ranges are those of Unicode's East Asian Width property,
/// coarsely.
fn column(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}'
        | '\u{483}'..='\u{489}'
        | '\u{591}'..='\u{5bd}'
        | '\u{610}'..='\u{61a}'
        | '\u{64b}'..='\u{65f}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}'
        | '\u{200c}'
        | '\u{200d}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{fe20}'..='\u{fe2f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{a960}'..='\u{a97f}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f680}'..='\u{1f6ff}'
        | '\u{1f900}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// The session's title as it can be shown, where it has one.
#[must_use]
pub fn title(transcript: &Transcript) -> Option<String> {
    let title = clean(transcript.session.title.as_deref()?);
    (!title.is_empty()).then_some(title)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transcript::testing::{hostile_session, sample, say, session};

    fn printed(lines: &[Line]) -> String {
        let lines: Vec<String> = lines.iter().map(Line::text).collect();
        lines.join("\n")
    }

    #[test]
    fn a_session_reads_at_eighty_columns() {
        insta::assert_snapshot!(printed(&lines(&sample(), 80, false)), @r"
        Fifth session
        Date: 2026-11-02 14:00 UTC
        Length: 30 s
        Speakers: Therapist (channel 1), Client (channel 2)
        Written by: model base (whisper.cpp 1.8.3), undertone 0.1.0, 2026-11-02
        Confidential. Written by a speech model, not checked by a person: words may be
        wrong or missing.
        1 word marked like ⟨word⟩ may have been made up by the model and not said.

        [00:01] Therapist  How have you been since last week?
        [00:04] Client     Honestly, I don't think this is working for me any more.
                · 7 s of silence ·
        [00:09] Client     ⟨Thanks.⟩
        [00:14] Client     I keep coming and nothing has changed since the spring.
            [00:15] Therapist  (while Client speaks) Mm-hm.
        [00:16] Therapist  (overlapping) I'm glad you say so. Is it the exercises, or
                           something between us?
        ");
    }

    #[test]
    fn times_past_an_hour_carry_the_hour() {
        let t = session(4000.0, say(3700.0, "Hello there."), Vec::new());
        assert!(printed(&body(&t, 80, false)).starts_with("[1:01:40] Therapist  Hello"));
    }

    #[test]
    fn turns_have_their_numbers_where_these_are_asked_for() {
        let lines = printed(&body(&sample(), 80, true));
        let second = lines.lines().nth(1).unwrap();
        assert!(
            second.starts_with("   2 [00:04] Client     Honestly"),
            "{second}"
        );
        assert!(lines.lines().all(|line| columns(line) <= 80));
    }

    #[test]
    fn suspect_words_are_marked_by_signs_and_by_style() {
        let lines = body(&sample(), 80, false);
        let piece = lines
            .iter()
            .flat_map(|l| &l.pieces)
            .find(|p| p.style == Style::Suspect)
            .unwrap();
        assert_eq!(piece.text.trim(), "⟨Thanks.⟩");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn no_line_is_wider_than_asked_and_every_word_is_there(
            transcript in hostile_session(), width in 0_usize..120, numbers: bool,
        ) {
            let lines = lines(&transcript, width, numbers);
            for line in &lines {
                prop_assert!(columns(&line.text()) <= width.max(LEAST_WIDTH), "{}", line.text());
                prop_assert!(!line.text().chars().any(char::is_control));
            }
            let of = |style| lines.iter().flat_map(|l| &l.pieces)
                .filter(|p| p.style == style).map(|p| p.text.replace(' ', "")).collect::<String>();
            let said: String = super::items(&transcript).iter().filter_map(|item| match item {
                Item::Turn(turn, _) => Some(*turn),
                _ => None,
            }).flat_map(shown).filter(|(_, suspect)| !suspect)
                .map(|(text, _)| text.replace(' ', "")).collect();
            prop_assert_eq!(of(Style::Word), said);
        }
    }
}
