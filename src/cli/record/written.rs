//! What is written down while it is recorded: whether it is, and how it is sealed with the session.

use std::io::IsTerminal;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::RecordArgs;
use super::scribe::{self, Scribe};
use super::teller::Teller;
use crate::cli::{Context, transcribe};
use crate::transcript::{Moments, Transcript};
use crate::vault::{Consent, Event, Manifest, ModelInfo, NewSession, Purpose};
use crate::{Error, Kind, Result};

/// Begins to write down while recording, where that is wanted, agreed to and possible.
///
/// # Errors
/// [`Kind::Consent`] or [`Kind::Model`] where the person asked for it and it cannot be.
pub fn begin(args: &RecordArgs, consent: &Consent, cx: &Context) -> Result<Option<Scribe>> {
    // Words go to whoever sits at the terminal, never into a log unless asked for.
    let somebody = std::io::stderr().is_terminal() && !cx.quiet;
    if args.no_words || args.native_rate || !(args.words || somebody) {
        return Ok(None);
    }
    if !consent.covers(Purpose::Transcription) {
        return match args.words {
            false => Ok(None),
            true => Err(Error::new(
                Kind::Consent,
                "The client did not agree that what is said is written down.",
            )
            .hint("undertone record --no-words")),
        };
    }
    match transcribe::find_model(args.model.as_deref(), None, cx) {
        Ok(installed) => Ok(Scribe::begin(installed, args.words, cx)),
        Err(error) if args.words || args.model.is_some() => Err(error),
        Err(_) => Ok(None),
    }
}

/// What was written down and sealed, to be told of once the session is whole.
pub struct Written {
    /// The model that wrote it.
    pub model: ModelInfo,
    transcript: Transcript,
    took: Duration,
}

impl Written {
    /// Tells what came of it.
    pub fn tell(&self, cx: &Context) {
        transcribe::tell(&self.transcript, self.took, cx);
    }
}

/// Waits for what was written down while recording, and seals it. None where there is nothing: the
/// session is whole without it.
pub fn seal(
    scribe: Scribe,
    session: &NewSession,
    manifest: &Manifest,
    moments: &Moments,
    teller: &Teller,
    cx: &Context,
) -> Option<Written> {
    let begun = Instant::now();
    let seconds = manifest.duration_s.unwrap_or(0.0);
    let installed = scribe.installed().clone();
    // What ended the recording has been done; a further signal ends the waiting.
    cx.cancel().store(false, Ordering::Relaxed);
    if scribe.state() == scribe::State::Writing {
        teller.say(cx, "Writing down what is left. Ctrl-C leaves it for later.");
    }
    let heard = scribe.finish(cx);
    cx.cancel().store(true, Ordering::Relaxed);
    // The other process is believed no further than a file from elsewhere.
    let Some(heard) = heard.filter(|heard| scribe::believable(heard, seconds)) else {
        teller.say(
            cx,
            "The words will come after the session: the sound is whole.",
        );
        return None;
    };
    let id = session.id();
    let transcript = transcribe::assemble(id, manifest, moments, &installed, heard, cx);
    let sealed = transcribe::bytes(&transcript)
        .and_then(|bytes| {
            crate::transcript::parse(bytes.as_slice(), bytes.len() as u64)?;
            session.put(transcribe::TRANSCRIPT, &bytes)
        })
        .and_then(|()| session.note(Event::TranscriptWritten, cx.now()));
    match sealed {
        Ok(()) => Some(Written {
            model: transcribe::named(&installed),
            transcript,
            took: begun.elapsed(),
        }),
        Err(_) => {
            teller.warn(
                cx,
                "The words could not be sealed; the sound is whole. They can be written again.",
            );
            None
        }
    }
}
