//! What a person sees: words, warnings, errors, progress. All of it on stderr.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::Error;

/// Columns to write to when the terminal does not say.
const COLUMNS: usize = 80;

/// Whether escape sequences may be written to a stream: it is a terminal that has colours, and
/// the person has not set `NO_COLOR` (see no-color.org).
fn paints(is_terminal: bool) -> bool {
    is_terminal
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
}

/// A style if stdout may be painted, else none.
#[must_use]
pub fn on_stdout(style: Style) -> Style {
    if paints(std::io::stdout().is_terminal()) {
        style
    } else {
        Style::new()
    }
}

/// A style if stderr may be painted, else none.
#[must_use]
pub fn on_stderr(style: Style) -> Style {
    if paints(std::io::stderr().is_terminal()) {
        style
    } else {
        Style::new()
    }
}

/// Whether somebody can type to this process: stdin is a terminal, and the process is in front of
/// it. One in the background that reads from its terminal, or sets it up, is stopped by the system.
#[must_use]
pub fn can_be_typed_to() -> bool {
    let stdin = std::io::stdin();
    let front = rustix::termios::tcgetpgrp(&stdin);
    stdin.is_terminal() && front.is_ok_and(|front| front == rustix::process::getpgrp())
}

/// Width of the terminal in columns, 40 to 160.
#[must_use]
pub fn columns() -> usize {
    terminal_size::terminal_size()
        .map_or(COLUMNS, |(width, _)| usize::from(width.0))
        .clamp(40, 160)
}

/// Breaks words into lines of at most `width` columns; line ends in the text are kept.
#[must_use]
pub fn wrap(words: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in words.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let length = line.chars().count() + 1 + word.chars().count();
            if !line.is_empty() && length > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// Words behind a painted label, in lines of at most `width` columns, further ones set in under the first.
#[must_use]
pub fn labelled(label: &str, paint: Style, words: &str, width: usize) -> Vec<String> {
    let hang = label.chars().count() + 1;
    let lines = wrap(words, width.saturating_sub(hang)).into_iter();
    let set = |(at, line): (usize, String)| match at {
        0 => format!("{paint}{label}{paint:#} {line}"),
        _ => format!("{:hang$}{line}", ""),
    };
    lines.enumerate().map(set).collect()
}

/// Text from a file as it may be printed: control characters, which could steer the terminal or
/// reorder what is read, become `�`.
#[must_use]
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| {
            let steers = c.is_control()
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if steers { '\u{fffd}' } else { c }
        })
        .collect()
}

/// Waits until `done`, and not longer than this: what hangs must not hold up an end. Returns whether
/// it was done.
pub fn wait_until(patience: Duration, done: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while !done() {
        if begun.elapsed() > patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Session time as `h:mm:ss`, as it stands beside a running recording.
#[must_use]
pub fn clock(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    format!(
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Writes a line to stderr. A terminal that was closed meanwhile is no reason to stop: `eprintln!`
/// would panic, in the middle of a recording.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Prints an error as a person reads it: the sentence, then what to do.
pub fn complain(error: &Error) {
    let red = on_stderr(AnsiColor::Red.on_default().bold());
    let dim = on_stderr(Style::new().dimmed());
    let mut stderr = std::io::stderr().lock();
    // A program that reads it has it on one line.
    let room = match stderr.is_terminal() {
        true => columns(),
        false => usize::MAX,
    };
    for line in labelled("Error:", red, error.sentence(), room) {
        let _ = writeln!(stderr, "{line}");
    }
    // Left on one line: a command that is broken cannot be copied.
    for hint in error.hints() {
        let _ = writeln!(stderr, "{dim}  Next:{dim:#} {hint}");
    }
}

/// A line of progress with the time left: redrawn on a terminal, a line now and then elsewhere.
pub struct Progress {
    bar: ProgressBar,
    plain: Option<Plain>,
}

struct Plain {
    what: String,
    started: Instant,
    told: Instant,
}

/// How often progress is told where it cannot be redrawn.
const PLAIN_EVERY: Duration = Duration::from_secs(15);

impl Progress {
    /// Starts telling how far `what` has come; nothing is told if `quiet`.
    #[must_use]
    pub fn start(what: &str, quiet: bool) -> Progress {
        let redrawn = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(
            Some(1000),
            if quiet || !redrawn {
                ProgressDrawTarget::hidden()
            } else {
                ProgressDrawTarget::stderr_with_hz(8)
            },
        );
        if let Ok(style) =
            ProgressStyle::with_template("{msg:24} {bar:28} {percent:>3} %  {prefix}")
        {
            bar.set_style(style.progress_chars("█▌·"));
        }
        bar.set_message(what.to_owned());
        let now = Instant::now();
        Progress {
            bar,
            plain: (!quiet && !redrawn).then(|| Plain {
                what: what.to_owned(),
                started: now,
                told: now,
            }),
        }
    }

    /// Tells that a share of the work is done, 0 to 1.
    pub fn at(&mut self, share: f64) {
        let share = if share.is_finite() {
            share.clamp(0.0, 1.0)
        } else {
            0.0
        };
        let left = time_left(self.bar.elapsed(), share);
        self.bar
            .set_prefix(left.map_or_else(String::new, |left| format!("{} left", in_words(left))));
        self.bar.set_position((share * 1000.0) as u64);
        if let Some(plain) = &mut self.plain
            && plain.told.elapsed() >= PLAIN_EVERY
        {
            plain.told = Instant::now();
            let left = time_left(plain.started.elapsed(), share)
                .map_or_else(String::new, |left| format!(", {} left", in_words(left)));
            tell(&format!("{}: {:.0} %{left}", plain.what, share * 100.0));
        }
    }

    /// Takes the line away.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// What is left at the pace so far; none before there is a pace to speak of.
fn time_left(elapsed: Duration, share: f64) -> Option<Duration> {
    if share < 0.01 || elapsed < Duration::from_millis(700) {
        return None;
    }
    let left = elapsed.as_secs_f64() * (1.0 - share) / share;
    Duration::try_from_secs_f64(left.min(360_000.0)).ok()
}

/// A length of time as one reads it: `8 s`, `2 min 05 s`, `1 h 12 min`.
#[must_use]
pub fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A size as one reads it, in units of 1000: `812 kB`, `74.2 MB`.
#[must_use]
pub fn size_in_words(bytes: u64) -> String {
    let mut size = bytes as f64;
    for unit in ["bytes", "kB", "MB", "GB"] {
        if size < 1000.0 {
            return if unit == "bytes" || unit == "kB" {
                format!("{size:.0} {unit}")
            } else {
                format!("{size:.1} {unit}")
            };
        }
        size /= 1000.0;
    }
    format!("{size:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_read_as_a_person_says_them() {
        assert_eq!(in_words(Duration::from_secs(8)), "8 s");
        assert_eq!(in_words(Duration::from_secs(125)), "2 min 05 s");
        assert_eq!(in_words(Duration::from_secs(4320)), "1 h 12 min");
        assert_eq!(size_in_words(812_345), "812 kB");
        assert_eq!(size_in_words(74_200_000), "74.2 MB");
        assert_eq!(size_in_words(0), "0 bytes");
    }

    #[test]
    fn time_left_follows_the_pace_so_far() {
        let left = time_left(Duration::from_secs(10), 0.25);
        assert_eq!(left.map(|left| left.as_secs()), Some(30));
        assert_eq!(time_left(Duration::from_secs(10), 0.0), None);
    }
}
