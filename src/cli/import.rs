//! `undertone import`: takes in sound files as a session.

use std::path::{Path, PathBuf};

use super::{Context, TOOL, sound};
use crate::audio::flac::Encoder;
use crate::audio::import;
use crate::audio::resample::Resampler;
use crate::audio::{Frames, SPEECH_RATE, to_i16};
use crate::vault::{Beginning, ChannelInfo, NewSession, Origin, Role, SessionId};
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
    /// A title for the session; sealed with it
    #[arg(long)]
    title: Option<String>,
    /// Your code for the client; sealed with it
    #[arg(long, value_name = "CODE")]
    client_code: Option<String>,
    /// Keep the file's own sampling rate instead of 16 kHz
    #[arg(long)]
    native_rate: bool,
    /// Take in a damaged file as far as it can be read
    #[arg(long)]
    partial: bool,
}

/// Frames read at once: a quarter of a second to three, whatever the rate.
const BLOCK: usize = 48_000;

/// Runs the command: prints the new session's id.
///
/// # Errors
/// [`Kind::Audio`] for a file that is no sound or has one channel; [`Kind::Damaged`] for one that
/// is cut; what the vault gives. Nothing is left in the vault then.
pub fn run(args: &ImportArgs, cx: &Context) -> Result<()> {
    let vault = cx.vault()?;
    let read: Vec<&Path> = args.files.iter().map(PathBuf::as_path).collect();
    cx.shut_in(&read, &[]);
    let mut frames = open(args)?;
    let spec = frames.spec();
    let id = SessionId::new(cx.now(), random()?);
    let session = vault.begin(
        id,
        Beginning {
            created: cx.now(),
            origin: Origin::Imported,
            title: args.title.clone(),
            client_code: args.client_code.clone(),
            sample_rate: spec.sample_rate,
            channels: channels(),
            consent: None,
            tool: TOOL.to_owned(),
        },
    )?;
    let stored = match store(&session, &mut *frames, args, cx) {
        Ok(stored) => stored,
        Err(error) => {
            // The file the person gave is still theirs: nothing is lost by clearing up.
            session.discard(cx.now())?;
            return Err(error);
        }
    };
    let mut manifest = session.manifest();
    let seconds = stored as f64 / f64::from(spec.sample_rate);
    manifest.duration_s = Some(seconds);
    session.finish(manifest, cx.now())?;
    cx.say(&format!(
        "Imported and sealed {}. The file itself is still where it was, readable by anybody: \
         delete it if it is not needed.",
        super::terminal::in_words(std::time::Duration::from_secs_f64(seconds))
    ));
    cx.say("Next: undertone transcribe");
    if cx.json {
        cx.print_json(&serde_json::json!({ "session": id, "duration_s": seconds }))
    } else {
        cx.print(&id.to_string())
    }
}

/// Therapist first, as every session is stored.
fn channels() -> Vec<ChannelInfo> {
    [Role::Therapist, Role::Client]
        .into_iter()
        .zip(0..)
        .map(|(role, channel)| ChannelInfo {
            channel,
            role,
            device: None,
        })
        .collect()
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

/// Seals the sound into the session; returns the frames stored.
fn store(
    session: &NewSession,
    frames: &mut dyn Frames,
    args: &ImportArgs,
    cx: &Context,
) -> Result<u64> {
    let spec = frames.spec();
    let sealed = session.stream(sound::AUDIO)?;
    let mut encoder = Encoder::new(sealed, spec.sample_rate, spec.channels)?;
    let mut progress = cx.progress("Importing");
    let mut block = Vec::new();
    let mut done = 0u64;
    loop {
        block.clear();
        match frames.read(&mut block, BLOCK) {
            Ok(0) => break,
            Ok(read) => done += read as u64,
            Err(error) if args.partial && done > 0 => {
                cx.warn(&format!("{} What could be read is kept.", error.sentence()));
                break;
            }
            Err(error) if error.kind() == Kind::Damaged && done > 0 => {
                return Err(Error::new(
                    Kind::Damaged,
                    format!("{} Nothing was imported.", error.sentence()),
                )
                .hint("undertone import --partial FILE   takes in what can be read"));
            }
            Err(error) => return Err(error),
        }
        if cx.cancelled() {
            return Err(Error::new(Kind::Cancelled, "Stopped. Nothing was imported."));
        }
        let samples: Vec<i16> = block.iter().copied().map(to_i16).collect();
        if let Err(error) = encoder.write(&samples) {
            encoder.get_mut().check()?;
            return Err(error);
        }
        if let Some(total) = spec.frames {
            progress.at(done as f64 / total.max(1) as f64);
        }
    }
    if done == 0 {
        return Err(Error::new(
            Kind::Audio,
            "There is no sound in this file. Nothing was imported.",
        ));
    }
    encoder.finish()?.finish()?;
    progress.finish();
    Ok(done)
}

/// Randomness for a session's id, from the operating system.
pub(super) fn random() -> Result<u128> {
    let mut bytes = [0u8; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|_| Error::new(Kind::Internal, "The system gives no random numbers."))?;
    Ok(u128::from_le_bytes(bytes))
}
