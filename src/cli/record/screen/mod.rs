//! The calm screen: two meters, the time, the state in words, and a handful of keys.
//!
//! It runs on a thread of its own, so that a terminal that hangs never holds up the recording, and
//! it is closed as soon as the recording is asked to end. The terminal is put back as it was on
//! every way out: closing, dropping, a panic, a signal.

mod draw;
mod keys;

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryIter, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossterm::event::{Event, KeyEventKind};
use crossterm::{cursor, event, execute, terminal};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

pub use keys::Wish;

use super::off::Switch;
use super::view::View;
use crate::cli::signals;
use crate::{Error, Kind, Result};
use keys::Keys;

/// How often the screen is drawn and the keyboard looked at.
const EVERY: Duration = Duration::from_millis(100);

/// Whether the terminal is ours and must be given back.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The flags by which screen and recorder speak without waiting for one another.
#[derive(Debug, Clone)]
pub struct Flags {
    /// The recording is to end.
    pub stop: Arc<AtomicBool>,
    /// Off the record, and on it again.
    pub record: Switch,
}

/// An open screen.
pub struct Screen {
    wishes: Receiver<Wish>,
    over: Arc<AtomicBool>,
    done: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal and shows `view` until it is closed. **Call it before the second phase
    /// of the lockdown**: the keyboard's reader needs a socket pair of its own.
    ///
    /// # Errors
    /// [`Kind::Usage`] if this is no terminal that can be drawn on.
    pub fn open(view: Arc<Mutex<View>>, flags: Flags) -> Result<Screen> {
        let unfit = |_| {
            Error::new(Kind::Usage, "This terminal cannot be drawn on.")
                .hint("undertone record --plain")
        };
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
        // A second signal would end the process with the terminal still ours.
        let held = signals::hold();
        TAKEN.store(true, Ordering::SeqCst);
        let opened = terminal::enable_raw_mode()
            .and_then(|()| {
                execute!(
                    std::io::stderr(),
                    terminal::EnterAlternateScreen,
                    cursor::Hide
                )
            })
            .and_then(|()| event::poll(Duration::ZERO))
            .and_then(|_| Terminal::new(CrosstermBackend::new(std::io::stderr())));
        let terminal = opened.inspect_err(|_| give_back()).map_err(unfit)?;
        let (ask, wishes) = channel();
        let over = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicBool::new(false));
        let mut running = Running {
            terminal,
            view,
            flags,
            ask,
            over: Arc::clone(&over),
            keys: Keys::default(),
            rung: 0,
        };
        let ended = Arc::clone(&done);
        let (stop, closed) = (Arc::clone(&running.flags.stop), Arc::clone(&done));
        // Held off no longer than a terminal that hangs is waited for.
        std::thread::Builder::new()
            .name("second-signal".to_owned())
            .spawn(move || {
                while !stop.load(Ordering::SeqCst) && !closed.load(Ordering::SeqCst) {
                    std::thread::sleep(EVERY);
                }
                settle(&closed);
                drop(held);
            })
            .map_err(unfit)
            .inspect_err(|_| give_back())?;
        std::thread::Builder::new()
            .name("screen".to_owned())
            .spawn(move || {
                running.run();
                give_back();
                ended.store(true, Ordering::SeqCst);
            })
            .map_err(unfit)
            .inspect_err(|_| give_back())?;
        Ok(Screen { wishes, over, done })
    }

    /// What the person asked for since the last call.
    pub fn wishes(&self) -> TryIter<'_, Wish> {
        self.wishes.try_iter()
    }

    /// Gives the terminal back. Waits a moment for the thread, and not longer: a terminal that
    /// hangs must not hold up the end of the recording.
    pub fn close(&self) {
        self.over.store(true, Ordering::SeqCst);
        if !settle(&self.done) {
            // It hangs, and so would we.
            let _ = std::thread::Builder::new().spawn(give_back);
        }
    }
}

/// Waits until the terminal was given back; false when that takes too long.
fn settle(done: &AtomicBool) -> bool {
    crate::cli::terminal::wait_until(Duration::from_millis(500), || done.load(Ordering::SeqCst))
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.close();
    }
}

/// Puts the terminal back as it was; once.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(
            std::io::stderr(),
            terminal::LeaveAlternateScreen,
            cursor::Show
        );
        let _ = terminal::disable_raw_mode();
    }
}

struct Running {
    terminal: Terminal<CrosstermBackend<std::io::Stderr>>,
    view: Arc<Mutex<View>>,
    flags: Flags,
    ask: Sender<Wish>,
    over: Arc<AtomicBool>,
    keys: Keys,
    /// Warnings for which the bell was rung.
    rung: u64,
}

impl Running {
    /// Until it is closed or the recording is asked to end. A terminal that cannot be drawn on or read from now may be there
    /// again in a moment; without its keys nobody could go off the record.
    fn run(&mut self) {
        while !self.over.load(Ordering::SeqCst) && !self.flags.stop.load(Ordering::SeqCst) {
            if self.show().is_err() || self.listen().is_err() {
                std::thread::sleep(EVERY);
            }
        }
    }

    fn show(&mut self) -> std::io::Result<()> {
        let mut shown = self
            .view
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // The recorder takes the wish in with the next sound, and while a device or the disk hangs there is none.
        if self.flags.record.off() {
            let now = shown.seconds;
            shown.moments.pause(now);
        }
        if shown.noticed > self.rung {
            self.rung = shown.noticed;
            let mut stderr = std::io::stderr();
            stderr.write_all(b"\x07")?;
        }
        let keys = &self.keys;
        self.terminal
            .draw(|frame| draw::draw(frame, &shown, keys))
            .map(|_| ())
    }

    fn listen(&mut self) -> std::io::Result<()> {
        let mut patience = EVERY;
        while event::poll(patience)? {
            patience = Duration::ZERO;
            if let Event::Key(key) = event::read()?
                && key.kind != KeyEventKind::Release
            {
                self.press(key);
            }
        }
        Ok(())
    }

    fn press(&mut self, key: event::KeyEvent) {
        let now = {
            let view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
            (view.seconds * 1000.0).round().max(0.0) as u64
        };
        let off = self.flags.record.off();
        match self.keys.press(key, now, off) {
            // At once, also while the recorder waits for a device.
            Some(Wish::Stop) => self.flags.stop.store(true, Ordering::SeqCst),
            Some(Wish::Pause) => self.flags.record.press(),
            Some(wish) => {
                let _ = self.ask.send(wish);
            }
            None => {}
        }
    }
}
