//! Two level meters on one line of stderr, or now and then in words where a line is not redrawn.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::audio::levels::Level;
use crate::cli::sound::{Sofar, bytes_an_hour};
use crate::cli::{Context, terminal};

/// How often the line is redrawn on a terminal.
const REDRAW: Duration = Duration::from_millis(150);
/// How often a line is told where it cannot be redrawn.
pub const TELL: Duration = Duration::from_secs(30);
/// The quietest level that a meter shows, in dBFS.
const BOTTOM: f32 = -60.0;
/// Cells of a meter.
const CELLS: usize = 8;

/// How long `room` bytes last: at the pace so far once that is known.
#[must_use]
pub fn time_left(room: u64, sofar: Sofar, rate: u32) -> Duration {
    let usual = bytes_an_hour(rate) as f64 / 3_600.0;
    let pace = if sofar.seconds > 60.0 {
        // A quiet beginning must not promise too much.
        (sofar.bytes as f64 / sofar.seconds).max(usual / 4.0)
    } else {
        usual
    };
    Duration::from_secs_f64((room as f64 / pace.max(1.0)).min(360_000.0))
}

/// A length of time in at most four columns: `12 h`, `45 m`.
fn short(time: Duration) -> String {
    match time.as_secs() / 60 {
        minutes @ 0..100 => format!("{minutes} m"),
        minutes => format!("{} h", (minutes / 60).min(99)),
    }
}

/// Draws how loud both channels are.
pub struct Meters {
    redrawn: bool,
    quiet: bool,
    every: Duration,
    drawn: Instant,
    loudest: [Level; 2],
}

const NOTHING: Level = Level {
    peak_dbfs: -120.0,
    rms_dbfs: -120.0,
    clipped: 0,
};

impl Meters {
    /// Meters on stderr: one redrawn line on a terminal, elsewhere a line `plain` apart.
    #[must_use]
    pub fn new(cx: &Context, plain: Duration) -> Meters {
        let redrawn = std::io::stderr().is_terminal();
        Meters {
            redrawn,
            quiet: cx.quiet,
            every: if redrawn { REDRAW } else { plain },
            drawn: Instant::now(),
            loudest: [NOTHING; 2],
        }
    }

    /// Meters in words, now and then: what a screen reader reads.
    #[must_use]
    pub fn in_words(cx: &Context) -> Meters {
        Meters {
            redrawn: false,
            every: TELL,
            ..Meters::new(cx, TELL)
        }
    }

    /// The line of a recording, when it is time, with how long the disk will last.
    pub fn recording(
        &mut self,
        levels: &[Level],
        sofar: Sofar,
        left: Option<Duration>,
    ) -> Option<String> {
        let head = format!("REC {}", terminal::clock(sofar.seconds));
        let left = left.map_or_else(String::new, |left| format!(", {} left", short(left)));
        let tail = format!("{}{left}", terminal::size_in_words(sofar.bytes));
        self.due(levels, &head, &tail)
    }

    /// Takes in new levels and draws them between `head` and `tail`, when it is time.
    pub fn draw(&mut self, levels: &[Level], head: &str, tail: &str) {
        let Some(line) = self.due(levels, head, tail) else {
            return;
        };
        let mut stderr = std::io::stderr().lock();
        let _ = if self.redrawn {
            write!(stderr, "\r{line}\u{1b}[K")
        } else {
            writeln!(stderr, "{line}")
        };
        let _ = stderr.flush();
    }

    fn due(&mut self, levels: &[Level], head: &str, tail: &str) -> Option<String> {
        for (kept, level) in self.loudest.iter_mut().zip(levels) {
            kept.peak_dbfs = kept.peak_dbfs.max(level.peak_dbfs);
            kept.rms_dbfs = kept.rms_dbfs.max(level.rms_dbfs);
            kept.clipped += level.clipped;
        }
        let due = self.drawn.elapsed() >= self.every;
        if self.quiet || !due {
            return None;
        }
        self.drawn = Instant::now();
        let line = self.line(head, tail);
        self.loudest = [NOTHING; 2];
        Some(line)
    }

    /// Takes the line away, so that words can be said.
    pub fn clear(&self) {
        if self.redrawn && !self.quiet {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }

    /// At most 79 columns.
    fn line(&self, head: &str, tail: &str) -> String {
        let mut line = head.to_owned();
        for (name, level) in ["therapist", "client"].iter().zip(&self.loudest) {
            let _ = match self.redrawn {
                true => write!(line, " {name} {}", meter(level)),
                false => write!(line, ", {name} {}", level_in_words(level)),
            };
        }
        if !tail.is_empty() {
            let _ = write!(line, "{} {tail}", if self.redrawn { "" } else { "," });
        }
        line
    }
}

fn level_in_words(level: &Level) -> String {
    if level.clipped > 0 {
        "too loud".to_owned()
    } else if level.peak_dbfs < -90.0 {
        "no sound".to_owned()
    } else {
        format!("{:.0} dBFS", level.peak_dbfs)
    }
}

/// A bar, and in words what a bar cannot say.
fn meter(level: &Level) -> String {
    let share = (level.peak_dbfs - BOTTOM) / -BOTTOM;
    let full = (share.clamp(0.0, 1.0) * CELLS as f32).round() as usize;
    let bar: String = (0..CELLS)
        .map(|cell| if cell < full { '█' } else { '·' })
        .collect();
    if level.clipped > 0 {
        format!("{bar} CLIP")
    } else if level.peak_dbfs < -90.0 {
        format!("{bar} none")
    } else {
        format!("{bar} {:>4.0}", level.peak_dbfs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_says_in_words_what_its_bar_cannot() {
        let level = |peak_dbfs, clipped| Level {
            peak_dbfs,
            rms_dbfs: peak_dbfs,
            clipped,
        };
        assert_eq!(meter(&level(-30.0, 0)), "████····  -30");
        assert_eq!(meter(&level(0.0, 4)), "████████ CLIP");
        assert_eq!(meter(&level(-120.0, 0)), "········ none");
    }

    #[test]
    fn the_line_fits_eighty_columns_after_a_long_day() {
        let meters = Meters {
            redrawn: true,
            quiet: false,
            every: REDRAW,
            drawn: Instant::now(),
            loudest: [NOTHING; 2],
        };
        let line = meters.line("REC 23:59:59", "999.9 MB, 99 h left");
        assert!(line.chars().count() < 80, "{line}");
        let line = meters.line("Listening, 118 s more", "");
        assert!(line.chars().count() < 80, "{line}");
        let meters = Meters {
            redrawn: false,
            ..meters
        };
        assert_eq!(
            meters.line("REC 23:59:59", "999.9 MB, 99 h left"),
            "REC 23:59:59, therapist no sound, client no sound, 999.9 MB, 99 h left"
        );
    }

    #[test]
    fn the_disk_lasts_as_long_as_the_pace_so_far_says_and_no_promise_is_made_early() {
        let sofar = |seconds: f64, bytes| Sofar {
            frames: 0,
            seconds,
            bytes,
        };
        let hours = |left: Duration| (left.as_secs_f64() / 36.0).round() / 100.0;
        let at = |s, b, rate| hours(time_left(280_000_000, sofar(s, b), rate));
        assert_eq!(at(1.0, 0, 16_000), 2.0);
        assert_eq!(at(1.0, 0, 32_000), 1.0);
        assert_eq!(at(3_600.0, 70_000_000, 16_000), 4.0);
        assert_eq!(at(3_600.0, 0, 16_000), 8.0);
        assert_eq!(short(Duration::from_secs(99 * 60)), "99 m");
        assert_eq!(short(Duration::from_secs(100 * 60)), "1 h");
        assert_eq!(short(Duration::from_secs(360_000)), "99 h");
    }
}
