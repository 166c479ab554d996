//! `undertone export`: hands on a session.
//!
//! The one command that puts words or sound outside the vault, and only where it was told to.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::context::stdout_failed;
use super::{Context, sound, written};
use crate::audio::{Frames, Spec, wav};
use crate::transcript::export::{self, Format};
use crate::vault::{Event, Handover, OpenSession, Purpose, consent};
use crate::{Error, Kind, Result};

/// Arguments of `undertone export`.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// Which session: its id, the beginning of its id, or `last`
    #[arg(default_value = "last")]
    session: String,
    /// What to write [default: from the ending of the output file, else txt]
    #[arg(short, long)]
    format: Option<What>,
    /// The file to write; `-` is stdout
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Seal it to this recipient, who opens it with `age -d`
    #[arg(long, value_name = "age1…")]
    to: Option<String>,
    /// Overwrite the file if it exists
    #[arg(long)]
    force: bool,
    /// Of a damaged recording, write what comes before the damage
    #[arg(long)]
    partial: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Everything, schema undertone-transcript/1
    Json,
    /// The same, a line a turn
    Jsonl,
    /// Plain text to read
    Txt,
    /// Markdown to read
    Md,
    /// WebVTT subtitles
    Vtt,
    /// SubRip subtitles
    Srt,
    /// A table, a row a turn
    Csv,
    /// A Word document
    Docx,
    /// The sound, as WAV
    Audio,
}

impl What {
    fn format(self) -> Option<Format> {
        Some(match self {
            What::Json => Format::Json,
            What::Jsonl => Format::Jsonl,
            What::Txt => Format::Txt,
            What::Md => Format::Md,
            What::Vtt => Format::Vtt,
            What::Srt => Format::Srt,
            What::Csv => Format::Csv,
            What::Docx => Format::Docx,
            What::Audio => return None,
        })
    }

    /// What the ending of a file's name asks for, and text where it has none; `.age` at the end is looked through.
    fn of(path: &Path) -> Result<What> {
        let Some(ending) = path.extension().and_then(|ending| ending.to_str()) else {
            return Ok(What::Txt);
        };
        match ending.to_ascii_lowercase().as_str() {
            "age" => What::of(path.file_stem().map_or(path, Path::new)),
            "wav" => Ok(What::Audio),
            other => What::from_str(other, true).map_err(|_| {
                Error::new(Kind::Usage, format!("A file of the kind .{other} cannot be written."))
                    .hint("undertone export … -o FILE.docx   (or json, jsonl, txt, md, vtt, srt, csv; the sound: wav)")
                    .hint("or say what it is to hold: --format docx")
            }),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// [`Kind::Usage`] if the file exists, binary data would go to a terminal, or an open file is to be called `.age`;
/// [`Kind::NotFound`] if the session is not transcribed; [`Kind::Disk`] if writing fails and
/// [`Kind::Cancelled`] on Ctrl-C: then a file that was there before is as it was, and no other is.
pub fn run(args: &ExportArgs, cx: &Context) -> Result<()> {
    let vault = cx.vault()?;
    let id = vault.find(&args.session)?;
    let to_stdout = args.output == Path::new("-");
    let what = args.format.map_or_else(|| What::of(&args.output), Ok)?;
    if args.to.is_none()
        && args
            .output
            .extension()
            .is_some_and(|ending| ending == "age")
    {
        return Err(Error::new(
            Kind::Usage,
            "A file of the kind .age is taken for sealed, and this one would be open to all.",
        )
        .hint("say who may open it: --to age1…")
        .hint("or leave .age off its name"));
    }
    // Through a link to the file itself, which is what is to be written.
    let output = args
        .output
        .canonicalize()
        .or_else(|_| std::path::absolute(&args.output));
    let output = output.map_err(|error| Error::io("writing", &args.output, &error))?;
    if to_stdout {
        let text = what.format().is_some_and(Format::is_text) && args.to.is_none();
        if !text && std::io::stdout().is_terminal() {
            return Err(
                Error::new(Kind::Usage, "This is no text to be shown on a terminal.")
                    .hint("undertone export … -o FILE"),
            );
        }
        cx.shut_in(&[&vault.identity_path()], &[]);
    } else {
        let folder = output.parent().unwrap_or(&output);
        cx.shut_in(&[&vault.identity_path()], &[folder]);
    }
    if !to_stdout && output.exists() && !args.force {
        return Err(
            Error::new(Kind::Usage, format!("{} exists already.", output.display()))
                .hint("add --force to overwrite it"),
        );
    }
    let (unlocked, session) = cx.open_id(&id)?;
    check_consent(&session, what, args.to.is_some(), cx)?;
    let genuine = match args.partial && what == What::Audio {
        true => Some(genuine(&session, cx)?),
        false => None,
    };
    let to = args.to.as_deref();
    if to_stdout {
        let stdout = std::io::stdout().lock();
        write(&session, what, to, genuine, stdout)?
            .flush()
            .map_err(|error| stdout_failed(&error))?;
    } else {
        let written = to_file(&output, args.force, |file| {
            let sink = Stoppable { file, cx };
            write(&session, what, to, genuine, sink).map(|_| ())
        });
        written.map_err(|error| match cx.cancelled() {
            true => Error::new(Kind::Cancelled, "Stopped. Nothing was written."),
            false => error,
        })?;
    }
    unlocked
        .vault()
        .note(Event::SessionExported, Some(&id), cx.now())?;
    if !to_stdout {
        cx.say(&format!("Written to {}.", output.display()));
        if args.to.is_none() {
            cx.say("Anybody who can read that file can read the session.");
        }
    }
    Ok(())
}

/// Handing on, which is sealing to somebody, needs the client's consent to that; a file of the
/// therapist's own needs what made it; the sound also that it may still be kept.
fn check_consent(session: &OpenSession, what: What, handed_on: bool, cx: &Context) -> Result<()> {
    let manifest = session.manifest()?;
    let agreed = manifest.consent.as_ref();
    let name = session.id().to_string();
    if what == What::Audio {
        let purpose = Purpose::Recording;
        consent::allow_audio(agreed, purpose, &name, manifest.created, cx.now())?;
    } else {
        consent::allow(agreed, Purpose::Transcription, &name)?;
    }
    if handed_on {
        consent::allow(agreed, Purpose::Supervision, &name)?;
    }
    Ok(())
}

/// Writes a file for this user only, which takes its name when it is whole. Until then one of that name stays as it is, and
/// half an export, readable text that nobody asked for, goes when this ends.
fn to_file(
    path: &Path,
    overwrite: bool,
    write: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let failed = |error: &io::Error| Error::io("writing", path, error);
    if path.exists() && !path.is_file() {
        // A device or a pipe has no other to take its place.
        let mut file = OpenOptions::new()
            .write(true)
            .open(path)
            .map_err(|error| failed(&error))?;
        return write(&mut file);
    }
    let folder = path.parent().unwrap_or(path);
    let begun = tempfile::Builder::new()
        .prefix(".undertone-")
        .tempfile_in(folder);
    let mut file = begun.map_err(|error| failed(&error))?;
    write(&mut file)?;
    file.as_file().sync_all().map_err(|error| failed(&error))?;
    let named = if overwrite {
        file.persist(path)
    } else {
        file.persist_noclobber(path)
    };
    named.map(|_| ()).map_err(|error| failed(&error.error))
}

/// A file that takes nothing more once the person wants to stop.
struct Stoppable<'a> {
    file: &'a mut dyn Write,
    cx: &'a Context,
}

impl Write for Stoppable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.cx.cancelled() {
            return Err(io::Error::other("stopped"));
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// How many frames come before the damage of a session's sound. Tells what is missing.
fn genuine(session: &OpenSession, cx: &Context) -> Result<u64> {
    let (frames, seconds) = sound::genuine(session)?;
    let whole = session.manifest()?.duration_s.unwrap_or(0.0);
    sound::tell_missing(whole - seconds, cx);
    Ok(frames)
}

fn write<W: Write>(
    session: &OpenSession,
    what: What,
    to: Option<&str>,
    genuine: Option<u64>,
    mut sink: W,
) -> Result<W> {
    let open = |sink: &mut dyn Write| match what.format() {
        Some(format) => export::write(&written::read(session)?, format, sink),
        None => write_sound(session, genuine, sink),
    };
    match to {
        None => {
            open(&mut sink)?;
            Ok(sink)
        }
        Some(recipient) => {
            let mut sealed = Handover::to(recipient, sink)?;
            open(&mut sealed)?;
            sealed.finish().map_err(|error| stdout_failed(&error))
        }
    }
}

/// Writes the sound, or of a damaged one so many frames.
fn write_sound(session: &OpenSession, genuine: Option<u64>, sink: &mut dyn Write) -> Result<()> {
    let manifest = session.manifest()?;
    let mut frames = sound::open(session, genuine.is_some())?;
    let spec = frames.spec();
    let noted = manifest
        .duration_s
        .map(|seconds| (seconds * f64::from(spec.sample_rate)).round().max(0.0) as u64);
    let spec = Spec {
        frames: genuine.or(noted).or(spec.frames),
        ..spec
    };
    wav::write(sink, spec, &mut *frames).map(|_| ())
}
