//! `undertone show`: reads a session on screen.

use std::fmt::Write;

use anstyle::{AnsiColor, Style as Paint};

use super::{Context, terminal, written};
use crate::Result;
use crate::transcript::view::{self, Style};
use crate::transcript::{Role, Transcript};
use crate::vault::{Event, Purpose, consent};

/// Arguments of `undertone show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Which session: its id, the beginning of its id, or `last`
    #[arg(default_value = "last")]
    session: String,
    /// Put the number of each turn before it, as `judge … add` takes it
    #[arg(long)]
    numbers: bool,
}

/// Runs the command.
///
/// # Errors
/// [`crate::Kind::NotFound`] if the session is not transcribed; what the vault gives.
pub fn run(args: &ShowArgs, cx: &Context) -> Result<()> {
    let (unlocked, session) = cx.open(&args.session)?;
    let agreed = session.manifest()?.consent;
    let name = session.id().to_string();
    consent::allow(agreed.as_ref(), Purpose::Transcription, &name)?;
    let transcript = written::read(&session)?;
    unlocked
        .vault()
        .note(Event::SessionShown, Some(&session.id()), cx.now())?;
    if cx.json {
        return cx.print_json(&transcript);
    }
    print(&transcript, args.numbers, cx)
}

/// Prints a transcript, painted where the terminal allows.
///
/// # Errors
/// [`crate::Kind::Disk`] if stdout cannot be written.
pub fn print(transcript: &Transcript, numbers: bool, cx: &Context) -> Result<()> {
    for line in view::lines(transcript, terminal::columns(), numbers) {
        let mut text = String::new();
        for piece in &line.pieces {
            let paint = terminal::on_stdout(paint(piece.style));
            let _ = write!(text, "{paint}{}{paint:#}", piece.text);
        }
        cx.print(&text)?;
    }
    Ok(())
}

fn paint(style: Style) -> Paint {
    match style {
        Style::Title => Paint::new().bold(),
        Style::Speaker(Role::Therapist) => AnsiColor::Cyan.on_default().bold(),
        Style::Speaker(Role::Client) => AnsiColor::Yellow.on_default().bold(),
        Style::Time | Style::Pause | Style::Note => Paint::new().dimmed(),
        Style::Suspect => AnsiColor::BrightBlack.on_default(),
        Style::Overlap => AnsiColor::Magenta.on_default(),
        Style::Word => Paint::new(),
    }
}
