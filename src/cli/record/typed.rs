//! Typed lines in place of keys, where lines are told in place of a screen: `p` goes off the record
//! and on it again, `b WORDS` marks the moment, `q` ends the recording.

use std::io::{BufRead, Read};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use zeroize::Zeroizing;

use super::screen::Flags;
use crate::cli::terminal;

/// Longest line that is read, in bytes.
const LONGEST: u64 = 4_096;

/// When is read again after there was nothing.
const AGAIN: Duration = Duration::from_millis(200);

/// What a typed line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Pause,
    Bookmark(Zeroizing<String>),
    Stop,
    Nothing,
}

fn read(line: &str) -> Line {
    let line = line.trim();
    match line.split_once(' ').unwrap_or((line, "")) {
        ("p" | "P", "") => Line::Pause,
        ("q" | "Q", "") => Line::Stop,
        ("b" | "B", words) => Line::Bookmark(words.trim().to_owned().into()),
        _ => Line::Nothing,
    }
}

/// Reads lines at the terminal until the process ends.
pub struct Typed {
    bookmarks: Receiver<Zeroizing<String>>,
}

impl Typed {
    /// Listens, if there is somebody to type.
    #[must_use]
    pub fn listen(flags: &Flags) -> Option<Typed> {
        if !terminal::can_be_typed_to() {
            return None;
        }
        let (tell, bookmarks) = channel();
        let flags = flags.clone();
        std::thread::Builder::new()
            .name("typed".to_owned())
            .spawn(move || {
                loop {
                    let mut line = Zeroizing::new(String::new());
                    let mut stdin = std::io::stdin().lock().take(LONGEST);
                    // At a terminal Ctrl-D ends no input, and what is no text is no order: the keys must not go dead for
                    // it. Where the terminal is gone there is nothing to read at once, again and again.
                    if !matches!(stdin.read_line(&mut line), Ok(1..)) {
                        std::thread::sleep(AGAIN);
                        continue;
                    }
                    match read(&line) {
                        Line::Pause => flags.record.press(),
                        Line::Stop => flags.stop.store(true, Ordering::SeqCst),
                        Line::Bookmark(words) => {
                            let _ = tell.send(words);
                        }
                        Line::Nothing => {}
                    }
                }
            })
            .ok()?;
        Some(Typed { bookmarks })
    }

    /// What was marked since the last call.
    pub fn bookmarks(&self) -> impl Iterator<Item = Zeroizing<String>> + '_ {
        self.bookmarks.try_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_ask_for_what_keys_ask_for_and_the_rest_for_nothing() {
        assert_eq!(read("p\n"), Line::Pause);
        assert_eq!(read(" Q \r\n"), Line::Stop);
        assert_eq!(read("b\n"), Line::Bookmark(String::new().into()));
        let words = Line::Bookmark("the mother again".to_owned().into());
        assert_eq!(read("b  the mother again \n"), words);
        for line in ["", "\n", "please", "bb", "p now", "quit"] {
            assert_eq!(read(line), Line::Nothing, "{line}");
        }
    }
}
