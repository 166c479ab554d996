//! `undertone judge`: the therapist's own judgement of a finding, sealed beside the analysis.

use std::io::{IsTerminal, Read};

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::analyze::{ANALYSIS, JUDGEMENTS, judgements};
use super::{Context, written};
use crate::rupture::{Analysis, LONGEST_NOTE, MarkerKind, Verdict};
use crate::vault::{Event, OpenSession, Purpose, consent};
use crate::{Error, Kind, Result};

/// Largest analysis that is read back, in bytes.
const LARGEST: u64 = 256 * 1024 * 1024;

/// Arguments of `undertone judge`.
#[derive(Debug, clap::Args)]
pub struct JudgeArgs {
    /// Which session: its id, the beginning of its id, or `last`
    session: String,
    /// Number of the finding; with `add`, number of the client's turn, as `show --numbers` has it
    number: u32,
    /// What you say of it
    judgement: Own,
    /// What it is, with `recode` and `add`; with `undo`, what was added to that turn
    #[arg(value_parser = kinds())]
    kind: Option<MarkerKind>,
    /// Add a note: it is read from stdin, never from an argument
    #[arg(long)]
    note: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Own {
    /// It is what it says
    Agree,
    /// There is no strain here
    Disagree,
    /// There is, of another kind
    Recode,
    /// Nothing found it
    Add,
    /// Take back what you said of it, or (with a kind) what you added
    Undo,
}

/// Kinds by their names, each with what it is called on the screen.
fn kinds() -> impl TypedValueParser<Value = MarkerKind> {
    let named = MarkerKind::ALL.map(|kind| {
        PossibleValue::new(kind.id())
            .alias(kind.id().replace('_', "-"))
            .help(kind.label())
    });
    PossibleValuesParser::new(named).try_map(|name| {
        let name = name.replace('-', "_");
        let mut all = MarkerKind::ALL.into_iter();
        all.find(|kind| kind.id() == name)
            .ok_or("no kind of marker")
    })
}

/// Runs the command.
///
/// # Errors
/// [`Kind::NotFound`] if the session is not analyzed, or has no such finding or turn;
/// [`Kind::Usage`] if a kind is missing or too much; what the vault gives.
pub fn run(args: &JudgeArgs, cx: &Context) -> Result<()> {
    let (unlocked, session) = cx.open(&args.session)?;
    consent::allow(
        session.manifest()?.consent.as_ref(),
        Purpose::Analysis,
        &session.id().to_string(),
    )?;
    let mut own = judgements(&session)?;
    if args.note && args.judgement == Own::Undo {
        return Err(Error::new(Kind::Usage, "What is taken back takes no note."));
    }
    let note = if args.note { Some(note(cx)?) } else { None };
    match (args.judgement, args.kind) {
        (Own::Add, None) => {
            return Err(Error::new(Kind::Usage, "What it is has to be said.")
                .hint("undertone judge --help   (names the kinds)"));
        }
        (Own::Add, Some(kind)) => {
            own.add(&written::read(&session)?, args.number, kind, note, cx.now())?;
        }
        (Own::Undo, Some(kind)) => own.undo_added(args.number, kind)?,
        (Own::Undo, None) => own.undo(&analysis(&session)?, args.number)?,
        (said, kind) => {
            let verdict = match said {
                Own::Agree => Verdict::Agree,
                Own::Disagree => Verdict::Disagree,
                _ => Verdict::Recode,
            };
            let analysis = analysis(&session)?;
            own.judge(&analysis, args.number, verdict, kind, note, cx.now())?;
        }
    }
    let bytes = zeroize::Zeroizing::new(
        serde_json::to_vec(&own)
            .map_err(|_| Error::new(Kind::Internal, "The judgement cannot be written."))?,
    );
    session.put(JUDGEMENTS, &bytes)?;
    unlocked
        .vault()
        .note(Event::FindingJudged, Some(&session.id()), cx.now())?;
    if cx.json {
        return cx.print_json(&own);
    }
    cx.say(match args.judgement {
        Own::Undo => "It is taken back.",
        _ => "Your judgement is sealed beside the analysis. A new analysis keeps it.",
    });
    Ok(())
}

/// The analysis whose findings are judged.
fn analysis(session: &OpenSession) -> Result<Analysis> {
    let hint = format!("undertone analyze {}", session.id());
    if !session.has(ANALYSIS) {
        let sentence = format!("Session {} is not analyzed yet.", session.id());
        return Err(Error::new(Kind::NotFound, sentence).hint(hint));
    }
    serde_json::from_slice(&session.read(ANALYSIS, LARGEST)?).map_err(|_| {
        let sentence = "The analysis is from another version of undertone. Nothing is lost.";
        Error::new(Kind::Damaged, sentence).hint(hint)
    })
}

/// The note: everything on stdin, or one line typed at the terminal.
fn note(cx: &Context) -> Result<String> {
    let stdin = std::io::stdin();
    let most = LONGEST_NOTE as u64 * 4;
    let mut text = String::new();
    let read = if stdin.is_terminal() {
        cx.say("Your note (one line):");
        stdin.read_line(&mut text)
    } else {
        stdin.lock().take(most).read_to_string(&mut text)
    };
    read.map_err(|_| Error::new(Kind::Usage, "The note is not text that can be read."))?;
    Ok(text.trim().to_owned())
}
