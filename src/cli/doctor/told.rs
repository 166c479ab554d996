//! What doctor found, and how it is told: a word, a sentence, what to do.
//!
//! Looks at nothing itself.

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::Error;
use crate::cli::terminal;

/// How it stands with one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    Ok,
    Look,
    Missing,
}

impl Word {
    pub fn text(self) -> &'static str {
        match self {
            Word::Ok => "ok",
            Word::Look => "look",
            Word::Missing => "missing",
        }
    }

    fn colour(self) -> Style {
        match self {
            Word::Ok => AnsiColor::Green,
            Word::Look => AnsiColor::Yellow,
            Word::Missing => AnsiColor::Red,
        }
        .on_default()
        .bold()
    }
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Check {
    pub area: &'static str,
    pub name: String,
    pub state: Word,
    pub sentence: String,
    pub next: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found_by: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Summary {
    pub ok: usize,
    pub look: usize,
    pub missing: usize,
}

/// Collects the checks, area by area.
#[derive(Default)]
pub struct Area {
    pub name: &'static str,
    pub checks: Vec<Check>,
}

impl Area {
    /// Goes on to the next area.
    pub fn called(&mut self, name: &'static str) -> &mut Area {
        self.name = name;
        self
    }

    pub fn say(&mut self, name: &str, state: Word, sentence: impl Into<String>) -> &mut Check {
        self.checks.push(Check {
            area: self.name,
            name: name.to_owned(),
            state,
            sentence: sentence.into(),
            next: Vec::new(),
            found_by: None,
        });
        let last = self.checks.len() - 1;
        &mut self.checks[last]
    }

    pub fn failed(&mut self, name: &str, error: &Error) {
        self.say(name, Word::Missing, error.sentence()).next = error.hints().to_vec();
    }
}

impl Check {
    pub fn next(&mut self, hint: impl Into<String>) -> &mut Check {
        self.next.push(hint.into());
        self
    }
}

/// Column where the sentences begin.
const INDENT: usize = 11;

/// The findings as lines of at most `width` columns (single long words apart).
pub fn lines(checks: &[Check], width: usize) -> Vec<String> {
    let bold = terminal::on_stdout(Style::new().bold());
    let dim = terminal::on_stdout(Style::new().dimmed());
    let mut lines = Vec::new();
    let mut area = "";
    for check in checks {
        if check.area != area {
            if !area.is_empty() {
                lines.push(String::new());
            }
            area = check.area;
            lines.push(format!("{bold}{area}{bold:#}"));
        }
        let paint = terminal::on_stdout(check.state.colour());
        let room = width.saturating_sub(INDENT);
        for (index, text) in terminal::wrap(&check.sentence, room).iter().enumerate() {
            let word = if index == 0 { check.state.text() } else { "" };
            lines.push(format!("  {paint}{word:9}{paint:#}{text}"));
        }
        for hint in &check.next {
            let parts = terminal::wrap(hint, room.saturating_sub(6));
            for (index, text) in parts.iter().enumerate() {
                let word = if index == 0 { "Next:" } else { "" };
                lines.push(format!("{:INDENT$}{dim}{word:6}{dim:#}{text}", ""));
            }
        }
    }
    lines
}

pub fn ending(summary: &Summary) -> String {
    let look = match summary.look {
        0 => None,
        1 => Some("1 thing to look at".to_owned()),
        n => Some(format!("{n} things to look at")),
    };
    let missing = (summary.missing > 0).then(|| format!("{} missing", summary.missing));
    match (look, missing) {
        (None, None) => "\nAll is well, as far as can be seen from here.".to_owned(),
        (look, missing) => {
            let told: Vec<String> = look.into_iter().chain(missing).collect();
            format!("\n{}. Each has its next step above.", told.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_to_eighty_columns_and_say_the_state_in_a_word() {
        let mut area = Area::default();
        area.called("Sound");
        area.say("a", Word::Look, "word ".repeat(60).trim())
            .next("next ".repeat(40).trim());
        area.say("b", Word::Missing, "Nothing.");
        let lines = lines(&area.checks, 80);
        assert!(
            lines.iter().all(|line| line.chars().count() <= 80),
            "{lines:#?}"
        );
        assert_eq!(lines[0], "Sound");
        assert!(lines[1].starts_with("  look     word"));
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("           Next: next"))
        );
        assert_eq!(
            lines.last().map(String::as_str),
            Some("  missing  Nothing.")
        );
    }

    #[test]
    fn the_ending_counts_what_is_not_well() {
        let summary = |look, missing| Summary {
            ok: 1,
            look,
            missing,
        };
        assert!(ending(&summary(0, 0)).contains("All is well"));
        assert!(ending(&summary(1, 0)).contains("1 thing to look at."));
        assert!(ending(&summary(2, 1)).contains("2 things to look at, 1 missing."));
    }
}
