//! Lines to stderr from a thread of their own: a terminal that hangs, or a pipe that nobody reads,
//! must never hold up the recording.
//!
//! Refuses to wait: what finds no room is left out. Drop it last: it gives what waits a moment.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use crate::cli::{Context, terminal};

/// Pieces of text that may wait.
const WAITING: usize = 256;
/// How long the end waits for what is still to be written.
const PATIENCE: Duration = Duration::from_millis(500);

/// Writes lines without waiting for them.
pub struct Teller {
    to: SyncSender<String>,
    given: AtomicU64,
    written: Arc<AtomicU64>,
}

impl Teller {
    /// Begins the thread; without one nothing is told.
    #[must_use]
    pub fn begin() -> Teller {
        Self::onto(std::io::stderr())
    }

    fn onto(mut out: impl Write + Send + 'static) -> Teller {
        let (to, lines) = sync_channel::<String>(WAITING);
        let written = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&written);
        let _ = std::thread::Builder::new()
            .name("teller".to_owned())
            .spawn(move || {
                for text in lines {
                    // A terminal that was closed is no reason to stop.
                    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
                    count.fetch_add(1, Ordering::Release);
                }
            });
        Teller {
            to,
            given: AtomicU64::new(0),
            written,
        }
    }

    fn put(&self, text: String) {
        if self.to.try_send(text).is_ok() {
            self.given.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes a line.
    pub fn line(&self, line: &str) {
        self.put(format!("{line}\n"));
    }

    /// Rings the bell.
    pub fn ring(&self) {
        self.put("\u{7}".to_owned());
    }

    /// As [`Context::say`].
    pub fn say(&self, cx: &Context, words: &str) {
        for line in cx.saying(words) {
            self.line(&line);
        }
    }

    /// As [`Context::warn`].
    pub fn warn(&self, cx: &Context, words: &str) {
        for line in cx.warning(words) {
            self.line(&line);
        }
    }

    /// Waits a moment for what is still to be written.
    pub fn settle(&self) {
        terminal::wait_until(PATIENCE, || {
            self.written.load(Ordering::Acquire) >= self.given.load(Ordering::Relaxed)
        });
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.settle();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::time::Instant;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_come_in_order_and_all_of_them_before_the_end() {
        let page = Page::default();
        let teller = Teller::onto(page.clone());
        for number in 0..100 {
            teller.line(&number.to_string());
        }
        drop(teller);
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        let wanted: Vec<String> = (0..100).map(|number| format!("{number}\n")).collect();
        assert_eq!(text, wanted.concat());
    }

    #[test]
    fn a_terminal_that_hangs_holds_up_nobody() {
        let page = Page::default();
        let held = page.0.lock().unwrap();
        let teller = Teller::onto(page.clone());
        let begun = Instant::now();
        for _ in 0..10_000 {
            teller.line("x");
        }
        drop(teller);
        assert!(begun.elapsed() < PATIENCE * 4);
        drop(held);
    }
}
