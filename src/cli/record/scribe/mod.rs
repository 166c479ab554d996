//! Words while the session is recorded, from a process of its own.
//!
//! The recording gives it sound and looks now and then at what came back; it never waits for it.
//! Whatever becomes of it (it crashes, hangs, is killed, talks nonsense), the recording goes on and
//! the words come after the session.

pub mod child;
mod pipe;

use std::collections::VecDeque;
use std::io::{BufReader, BufWriter, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::audio::to_i16;
use crate::cli::{Context, terminal};
use crate::lockdown;
use crate::model::Installed;
use crate::speech::{ChannelSpeech, Heard, Utterance, Word, knows_language};
use pipe::Message;

/// Blocks of sound that may wait for the other process, which first has to load its model. A block holds 20 to 40 ms: half a
/// minute at least.
const WAITING: usize = 1_500;
/// One window may take this long, in seconds: with more, words would fall behind the session.
const SLOWEST: f64 = 6.0;
/// For so long nothing may be heard of the other process at the end.
const PATIENCE: Duration = Duration::from_secs(30);
/// Utterances that wait to be shown; older ones are dropped.
const MOST_SAID: usize = 100;
/// Longest utterance that is shown, in bytes.
const LONGEST_SAID: usize = 4_000;

/// What was heard and what was sealed may differ in length by this much, in seconds.
const MOST_APART: f64 = 1.0;
/// Nobody says more words than this in a second; reading aloud as fast as can be is half of it.
const MOST_WORDS: f64 = 20.0;

/// How the writing down is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The model is being loaded.
    Starting,
    /// Words come.
    Writing,
    /// It takes too long on this machine.
    Slow,
    /// It broke off.
    Broken,
}

impl State {
    /// What the person should know; none while words come.
    #[must_use]
    pub fn words(self) -> Option<&'static str> {
        match self {
            State::Starting => Some("getting ready"),
            State::Writing => None,
            State::Slow => Some("too slow here to show words now; they come after the session"),
            State::Broken => Some("words will come after the session"),
        }
    }
}

/// The process that writes down, seen from the recording.
pub struct Scribe {
    child: Child,
    sound: Option<SyncSender<Vec<i16>>>,
    shared: Arc<Mutex<Shared>>,
    installed: Installed,
}

#[derive(Debug)]
struct Shared {
    state: State,
    said: VecDeque<Utterance>,
    done: Option<f64>,
    heard: Option<Box<Heard>>,
    last_sign: Instant,
}

impl Scribe {
    /// Begins the process, before the recording is shut in. None if it cannot be: the words then
    /// come after the session. `forced`: on however slow a machine.
    pub fn begin(installed: Installed, forced: bool, cx: &Context) -> Option<Scribe> {
        let mut command = Command::new(std::env::current_exe().ok()?);
        command
            .arg("--models")
            .arg(&cx.models_dir)
            .args(["scribe", "--model", &installed.name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // Ctrl-C at the terminal is for the recording.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        // What the recording was given open, a passphrase perhaps, is not for this process.
        lockdown::hand_nothing_on();
        let mut child = command.spawn().ok()?;
        let shared = Arc::new(Mutex::new(Shared {
            state: State::Starting,
            said: VecDeque::new(),
            done: None,
            heard: None,
            last_sign: Instant::now(),
        }));
        let (sound, blocks) = sync_channel(WAITING);
        let (to, from) = (child.stdin.take()?, child.stdout.take()?);
        let writer = std::thread::Builder::new().name("scribe-sound".to_owned());
        writer.spawn(move || give(to, &blocks)).ok()?;
        let reader = std::thread::Builder::new().name("scribe-words".to_owned());
        let theirs = Arc::clone(&shared);
        reader.spawn(move || listen(from, &theirs, forced)).ok()?;
        Some(Scribe {
            child,
            sound: Some(sound),
            shared,
            installed,
        })
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives it sound: two channels at 16 kHz, interleaved. Never waits.
    pub fn hear(&mut self, block: &[f32]) {
        let Some(sound) = &self.sound else { return };
        let samples: Vec<i16> = block.iter().copied().map(to_i16).collect();
        let refused = matches!(
            sound.try_send(samples),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_))
        );
        let state = self.shared().state;
        if refused || matches!(state, State::Slow | State::Broken) {
            self.give_up();
        }
    }

    /// How it is.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared().state
    }

    /// What was said since the last look.
    #[must_use]
    pub fn said(&self) -> Vec<Utterance> {
        self.shared().said.drain(..).collect()
    }

    /// The model that it writes with.
    #[must_use]
    pub fn installed(&self) -> &Installed {
        &self.installed
    }

    /// Ends the process.
    fn give_up(&mut self) {
        self.sound = None;
        let mut shared = self.shared();
        if !matches!(shared.state, State::Slow) {
            shared.state = State::Broken;
        }
        drop(shared);
        let _ = self.child.kill();
    }

    /// Tells it that the session is at its end, and waits for what it heard, with progress. None if
    /// it broke off, or the person did not want to wait.
    pub fn finish(mut self, cx: &Context) -> Option<Heard> {
        // The end is a block without sound.
        self.hear(&[]);
        self.sound.take()?;
        self.shared().last_sign = Instant::now();
        let bar = Bar::begin(cx.quiet);
        let heard = loop {
            std::thread::sleep(Duration::from_millis(50));
            let mut shared = self.shared();
            if let Some(heard) = shared.heard.take() {
                break Some(*heard);
            }
            let lost = shared.state == State::Broken || shared.last_sign.elapsed() > PATIENCE;
            if lost || cx.cancel().load(Ordering::Relaxed) {
                break None;
            }
            if let Some(done) = shared.done {
                drop(shared);
                bar.at(done);
            }
        };
        bar.finish();
        heard
    }
}

/// Whether this can be what was heard in a session of so many seconds, as far as can be seen without
/// its sound. What the times in it are worth is seen when a transcript is made of it.
#[must_use]
pub fn believable(heard: &Heard, seconds: f64) -> bool {
    let words = |channel: &ChannelSpeech| channel.words.len() as f64;
    // whisper.cpp prints a code that it does not know.
    let code = heard.language.len() <= 3 && heard.language.bytes().all(|b| b.is_ascii_lowercase());
    heard.channels.len() == 2
        && (heard.duration - seconds).abs() < MOST_APART
        && code
        && knows_language(&heard.language)
        && heard.separation.channels.len() <= 2
        && heard.channels.iter().all(|channel| {
            let long = |word: &Word| word.text.len() > LONGEST_SAID;
            words(channel) <= 100.0 + seconds * MOST_WORDS && !channel.words.iter().any(long)
        })
}

impl Drop for Scribe {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tells how far it is from a thread of its own: a terminal that hangs must not hold up the end.
struct Bar {
    shares: SyncSender<f64>,
    thread: Option<JoinHandle<()>>,
}

impl Bar {
    fn begin(quiet: bool) -> Bar {
        let (shares, coming) = sync_channel(1);
        let thread = std::thread::Builder::new().name("progress".to_owned());
        let thread = thread.spawn(move || {
            let mut bar = terminal::Progress::start("Writing down the rest", quiet);
            for share in coming {
                bar.at(share);
            }
            bar.finish();
        });
        Bar {
            shares,
            thread: thread.ok(),
        }
    }

    fn at(&self, share: f64) {
        let _ = self.shares.try_send(share);
    }

    /// Takes the line away, if the terminal lets it.
    fn finish(self) {
        drop(self.shares);
        if let Some(thread) = self.thread {
            terminal::wait_until(Duration::from_millis(300), || thread.is_finished());
        }
    }
}

/// Sends sound until there is no more; a process that hangs holds up this thread alone.
fn give(to: ChildStdin, blocks: &Receiver<Vec<i16>>) {
    let mut to = BufWriter::new(to);
    for block in blocks {
        if pipe::send_sound(&mut to, &block).is_err() || to.flush().is_err() {
            return;
        }
    }
}

/// Takes in what it says until it is gone.
fn listen(from: ChildStdout, shared: &Mutex<Shared>, forced: bool) {
    let mut from = BufReader::new(from);
    loop {
        let message = pipe::read(&mut from);
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        match message {
            Ok(Message::Ready(seconds)) => {
                let fast = forced || (0.0..=SLOWEST).contains(&seconds);
                shared.state = if fast { State::Writing } else { State::Slow };
            }
            Ok(Message::Said(said)) => {
                if said.text.len() <= LONGEST_SAID && said.channel < 2 && said.start.is_finite() {
                    shared.said.push_back(said);
                }
                while shared.said.len() > MOST_SAID {
                    shared.said.pop_front();
                }
            }
            Ok(Message::Done(done)) => {
                let done = done.clamp(0.0, 1.0);
                // Only what comes nearer to the end is worth more patience.
                if shared.done.is_none_or(|before| done > before) {
                    shared.last_sign = Instant::now();
                    shared.done = Some(done);
                }
            }
            Ok(Message::Heard(heard)) => {
                shared.heard = Some(heard);
                return;
            }
            Err(_) => {
                if shared.state != State::Slow {
                    shared.state = State::Broken;
                }
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::Separation;

    fn heard() -> Heard {
        Heard {
            channels: vec![ChannelSpeech::default(); 2],
            separation: Separation {
                channels: Vec::new(),
                margin_db: 6.0,
                leaked_words: 0,
                delay_ms: None,
            },
            language: "en".to_owned(),
            duration: 60.0,
        }
    }

    #[test]
    fn what_was_heard_of_another_session_is_not_believed() {
        assert!(believable(&heard(), 60.4));
        assert!(!believable(&heard(), 62.0));
        let mut other = heard();
        other.channels.push(ChannelSpeech::default());
        assert!(!believable(&other, 60.0));
        let mut other = heard();
        other.language = "no such".to_owned();
        assert!(!believable(&other, 60.0));
    }

    #[test]
    fn more_words_than_can_be_said_are_not_believed() {
        let word = |text: &str| Word {
            text: text.to_owned(),
            start: 1.0,
            end: 2.0,
            probability: 0.5,
            suspect: false,
        };
        let mut other = heard();
        other.channels[1].words = vec![word("so"); 400];
        assert!(believable(&other, 60.0));
        other.channels[1].words = vec![word("so"); 1_400];
        assert!(!believable(&other, 60.0));
        other.channels[1].words = vec![word(&"so".repeat(LONGEST_SAID))];
        assert!(!believable(&other, 60.0));
    }
}
