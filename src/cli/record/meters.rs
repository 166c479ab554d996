//! Two level meters on one line of stderr.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use super::take::Sofar;
use crate::audio::levels::Level;
use crate::cli::{Context, terminal};

/// How often the line is redrawn on a terminal.
const REDRAW: Duration = Duration::from_millis(150);
/// How often a line is told where it cannot be redrawn.
const TELL: Duration = Duration::from_secs(30);
/// The quietest level that a meter shows, in dBFS.
const BOTTOM: f32 = -60.0;
/// Cells of a meter.
const CELLS: usize = 8;
/// Sealed bytes an hour of 16 kHz stereo FLAC takes at most in the development sessions.
const BYTES_AN_HOUR: u64 = 140_000_000;

/// Draws how loud both channels are.
pub struct Meters {
    redrawn: bool,
    quiet: bool,
    drawn: Instant,
    told: Instant,
    loudest: [Level; 2],
    /// Free bytes on the vault's disk, when last looked.
    pub free: Option<u64>,
}

const NOTHING: Level = Level {
    peak_dbfs: -120.0,
    rms_dbfs: -120.0,
    clipped: 0,
};

impl Meters {
    /// Meters on stderr: one redrawn line on a terminal, a line now and then elsewhere.
    #[must_use]
    pub fn new(cx: &Context) -> Meters {
        Meters {
            redrawn: std::io::stderr().is_terminal(),
            quiet: cx.quiet,
            drawn: Instant::now(),
            told: Instant::now(),
            loudest: [NOTHING; 2],
            free: None,
        }
    }

    /// Takes in new levels and draws when it is time.
    pub fn draw(&mut self, levels: &[Level], sofar: Sofar) {
        for (kept, level) in self.loudest.iter_mut().zip(levels) {
            kept.peak_dbfs = kept.peak_dbfs.max(level.peak_dbfs);
            kept.rms_dbfs = kept.rms_dbfs.max(level.rms_dbfs);
            kept.clipped += level.clipped;
        }
        let due = if self.redrawn {
            self.drawn.elapsed() >= REDRAW
        } else {
            self.told.elapsed() >= TELL
        };
        if self.quiet || !due {
            return;
        }
        self.drawn = Instant::now();
        self.told = Instant::now();
        let line = self.line(sofar);
        let mut stderr = std::io::stderr().lock();
        let _ = if self.redrawn {
            write!(stderr, "\r{line}\u{1b}[K")
        } else {
            writeln!(stderr, "{line}")
        };
        let _ = stderr.flush();
        self.loudest = [NOTHING; 2];
    }

    /// Takes the line away, so that words can be said.
    pub fn clear(&self) {
        if self.redrawn && !self.quiet {
            eprint!("\r\u{1b}[K");
        }
    }

    /// At most 79 columns.
    fn line(&self, sofar: Sofar) -> String {
        let seconds = sofar.seconds as u64;
        let mut line = format!(
            "REC {}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        );
        for (name, level) in ["therapist", "client"].iter().zip(&self.loudest) {
            let _ = write!(line, " {name} {}", meter(level));
        }
        let _ = write!(line, " {}", terminal::size_in_words(sofar.bytes));
        if let Some(free) = self.free {
            // Beyond a month of recording nobody counts.
            let hours = (free / BYTES_AN_HOUR).min(999);
            let _ = write!(line, ", {hours} h left");
        }
        line
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
            drawn: Instant::now(),
            told: Instant::now(),
            loudest: [NOTHING; 2],
            free: Some(999_000_000_000),
        };
        let line = meters.line(Sofar {
            frames: 0,
            seconds: 86_399.0,
            bytes: 999_900_000,
        });
        assert!(line.chars().count() < 80, "{line}");
    }
}
