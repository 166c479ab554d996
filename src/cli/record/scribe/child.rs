//! The process that writes down a session while it is recorded: sound in, words out.
//!
//! It has no key, opens no file but the speech model, makes no socket, and keeps what it hears in
//! memory. It may crash, hang or be killed: the recording is another process. When that ends, so
//! does this one.

use std::io::BufWriter;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Instant;

use super::pipe::{self, Message};
use crate::audio::SPEECH_RATE;
use crate::cli::Context;
use crate::lockdown;
use crate::speech::{self, Decoding, Engine, Live, Progress};
use crate::{Error, Kind, Result};

/// Arguments of the hidden command `undertone scribe`.
#[derive(Debug, clap::Args)]
pub struct ScribeArgs {
    /// The speech model
    #[arg(long, value_name = "NAME")]
    model: String,
}

/// While more sound than this waits, in seconds, nothing is written down to be shown.
const BEHIND: f64 = 12.0;

/// Writes down what comes over stdin until it ends, and tells over stdout.
///
/// # Errors
/// [`Kind::Model`] if the model cannot be used; [`Kind::Cancelled`] if the recording is gone.
pub fn run(args: &ScribeArgs, cx: &Context) -> Result<()> {
    let store = cx.models();
    let _ = lockdown::files(&[&cx.models_dir], &[]);
    let _ = lockdown::second();
    let installed = store.find(Some(&args.model))?;
    let detector = store.detector();
    let decoding = Decoding {
        language: None,
        vocabulary: None,
        threads: 1,
        beam: speech::BEAM,
    };
    let engine = Engine::load(&installed.path, &installed.name, detector)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let begun = Instant::now();
    engine
        .worker()?
        .write(&[0.0; SPEECH_RATE as usize], None, &decoding, cx.cancel())?;
    tell(&mut out, &Message::Ready(begun.elapsed().as_secs_f64()))?;
    let sound = listen();
    let mut live = Live::new(&engine, decoding, 2)?;
    loop {
        let (ended, waited) = take_in(&sound, &mut live)?;
        if ended {
            break;
        }
        for said in live.step(waited < BEHIND, cx.cancel())? {
            tell(&mut out, &Message::Said(said))?;
        }
    }
    let mut told = Ok(());
    let heard = live.finish(speech::threads(), cx.cancel(), &mut |progress| {
        if let Progress::Writing { done, total } = progress
            && told.is_ok()
        {
            told = tell(&mut out, &Message::Done(done / total.max(0.001)));
        }
    })?;
    told?;
    tell(&mut out, &Message::Heard(Box::new(heard)))
}

/// Takes in everything that waits, and waits for something where nothing does. Returns whether the
/// session is at its end, and how much sound waited, in seconds.
fn take_in(sound: &Receiver<Vec<i16>>, live: &mut Live) -> Result<(bool, f64)> {
    let before = live.seconds();
    let mut next = sound.recv().map_err(|_| gone())?;
    loop {
        if next.is_empty() {
            return Ok((true, live.seconds() - before));
        }
        live.push(&next)?;
        next = match sound.try_recv() {
            Ok(next) => next,
            Err(TryRecvError::Empty) => return Ok((false, live.seconds() - before)),
            Err(TryRecvError::Disconnected) => return Err(gone()),
        };
    }
}

/// Reads sound on a thread, so that the recording's pipe is empty whatever is being computed.
fn listen() -> Receiver<Vec<i16>> {
    let (give, sound) = channel();
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        while let Ok(samples) = pipe::read_sound(&mut stdin) {
            let ended = samples.is_empty();
            if give.send(samples).is_err() || ended {
                return;
            }
        }
    });
    sound
}

fn tell(out: &mut impl std::io::Write, message: &Message) -> Result<()> {
    pipe::send(out, message).map_err(|_| gone())
}

fn gone() -> Error {
    Error::new(Kind::Cancelled, "The recording is gone.")
}
