//! `undertone import`: takes in sound files as a session.

use std::path::{Path, PathBuf};

use super::begin::{self, Labels};
use super::{Context, consent, sound};
use crate::audio::import;
use crate::audio::resample::Resampler;
use crate::audio::{Frames, SPEECH_RATE, Spec};
use crate::vault::{NewSession, Origin};
use crate::{Error, Kind, Result};

/// Arguments of `undertone import`.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// A file with two channels, or two files: the therapist's, then the client's (WAV, FLAC,
    /// MP3, M4A, OGG)
    #[arg(required = true, num_args = 1..=2, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The therapist's channel in the file
    #[arg(long, value_name = "CHANNEL", default_value_t = 1)]
    therapist: u16,
    /// The client's channel in the file
    #[arg(long, value_name = "CHANNEL", default_value_t = 2)]
    client: u16,
    #[command(flatten)]
    labels: Labels,
    #[command(flatten)]
    consent: consent::Given,
    /// Keep the file's own sampling rate instead of 16 kHz
    #[arg(long)]
    native_rate: bool,
    /// Take in a damaged file as far as it can be read
    #[arg(long)]
    partial: bool,
}

/// Runs the command: prints the new session's id.
///
/// # Errors
/// [`Kind::Audio`] for a file that is no sound or has one channel; [`Kind::Damaged`] for one that
/// is cut; what the vault gives. Nothing is left in the vault then.
pub fn run(args: &ImportArgs, cx: &Context) -> Result<()> {
    let vault = cx.vault()?;
    let consent = consent::for_import(&args.consent, cx)?;
    let read: Vec<&Path> = args.files.iter().map(PathBuf::as_path).collect();
    cx.shut_in(&read, &[]);
    let mut frames = open(args)?;
    let rate = frames.spec().sample_rate;
    let labels = &args.labels;
    let session = begin::begin(&vault, labels, Origin::Imported, None, rate, consent, cx)?;
    let id = session.id();
    let seconds = match store(&session, &mut *frames, args, cx) {
        Ok(seconds) => seconds,
        Err(error) => {
            // The file the person gave is still theirs: nothing is lost by clearing up.
            session.discard(cx.now())?;
            return Err(match error.kind() {
                // The vault says of a full disk what it kept, but that has just been cleared up.
                Kind::Disk => Error::new(
                    Kind::Disk,
                    "The vault's disk is full or cannot be written. Nothing was imported; the \
                     file itself is untouched.",
                )
                .hint(
                    "Free some space, or keep the vault on another disk: undertone --vault DIR …",
                ),
                _ => error,
            });
        }
    };
    let mut manifest = session.manifest();
    manifest.duration_s = Some(seconds);
    session.finish(manifest, cx.now())?;
    cx.say(&format!(
        "Imported and sealed {}. The file itself is still where it was, readable by anybody: \
         delete it if it is not needed.",
        super::terminal::in_words(std::time::Duration::from_secs_f64(seconds))
    ));
    cx.say(&format!("Next: undertone transcribe {id}"));
    if cx.json {
        cx.print_json(&serde_json::json!({ "session": id, "duration_s": seconds }))
    } else {
        cx.print(&id.to_string())
    }
}

fn open(args: &ImportArgs) -> Result<Box<dyn Frames + Send>> {
    let frames: Box<dyn Frames + Send> = match args.files.as_slice() {
        [one] => {
            let file = import::open(one)?;
            if file.spec().channels < 2 {
                import::two_channels(file.spec())?;
            }
            Box::new(import::select(file, args.therapist, args.client)?)
        }
        [therapist, client] => {
            if (args.therapist, args.client) != (1, 2) {
                return Err(Error::new(
                    Kind::Usage,
                    "With two files, each is one speaker: there are no channels to choose.",
                )
                .hint("undertone import THERAPIST.wav CLIENT.wav"));
            }
            Box::new(import::pair(
                import::open(therapist)?,
                import::open(client)?,
            )?)
        }
        _ => return Err(Error::new(Kind::Usage, "Give one file or two.")),
    };
    if args.native_rate || frames.spec().sample_rate == SPEECH_RATE {
        return Ok(frames);
    }
    Ok(Box::new(Resampler::new(frames)?))
}

/// A file as it is read for import: ends early where the person allowed it or asks to stop.
struct Reading<'a> {
    file: &'a mut dyn Frames,
    partial: bool,
    any: bool,
    cx: &'a Context,
}

impl Frames for Reading<'_> {
    fn spec(&self) -> Spec {
        self.file.spec()
    }

    fn read(&mut self, into: &mut Vec<f32>, max_frames: usize) -> Result<usize> {
        if self.cx.cancelled() {
            return Err(Error::new(
                Kind::Cancelled,
                "Stopped. Nothing was imported.",
            ));
        }
        match self.file.read(into, max_frames) {
            Ok(read) => {
                self.any |= read > 0;
                Ok(read)
            }
            Err(error) if self.partial && self.any => {
                self.cx
                    .warn(&format!("{} What could be read is kept.", error.sentence()));
                Ok(0)
            }
            Err(error) if error.kind() == Kind::Damaged && self.any => Err(Error::new(
                Kind::Damaged,
                format!("{} Nothing was imported.", error.sentence()),
            )
            .hint("undertone import --partial FILE   takes in what can be read")),
            Err(error) => Err(error),
        }
    }
}

/// Seals the file's sound into the session; returns its length in seconds.
fn store(
    session: &NewSession,
    file: &mut dyn Frames,
    args: &ImportArgs,
    cx: &Context,
) -> Result<f64> {
    let total = file.spec().frames;
    let mut progress = cx.progress("Importing");
    let mut reading = Reading {
        file,
        partial: args.partial,
        any: false,
        cx,
    };
    let stored = sound::store(session, &mut reading, &mut |sofar, _| {
        if let Some(total) = total {
            progress.at(sofar.frames as f64 / total.max(1) as f64);
        }
    })?;
    if stored.frames == 0 {
        return Err(Error::new(
            Kind::Audio,
            "There is no sound in this file. Nothing was imported.",
        ));
    }
    progress.finish();
    Ok(stored.seconds)
}
