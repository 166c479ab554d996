//! `undertone analyze`: gathers the facts of a session.

use clap::ValueEnum;

use super::{Context, TOOL, terminal, written};
use crate::rupture::{Analysis, facts};
use crate::transcript::convert::{Called, Form, convert};
use crate::transcript::{Transcript, parse};
use crate::vault::Event;
use crate::{Error, Kind, Result};

/// Name of the analysis inside a session.
pub const ANALYSIS: &str = "analysis.json";

/// Largest text that is read from stdin, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Arguments of `undertone analyze`.
#[derive(Debug, clap::Args)]
pub struct AnalyzeArgs {
    /// Which session: its id, the beginning of its id, or `last`
    #[arg(default_value = "last", conflicts_with = "stdin")]
    session: String,
    /// Analyze a transcript from stdin instead; nothing is stored
    #[arg(long)]
    stdin: bool,
    /// How the transcript on stdin is written
    #[arg(long, default_value = "json", requires = "stdin")]
    from: From,
    /// What the therapist is called on stdin [default: therapist, T, counsellor, clinician]
    #[arg(long, value_name = "NAME", requires = "stdin")]
    therapist: Option<String>,
    /// What the client is called on stdin [default: client, C, patient]
    #[arg(long, value_name = "NAME", requires = "stdin")]
    client: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// JSON of schema undertone-transcript/1
    Json,
    /// WebVTT whose cues name their voice: <v Client>
    Webvtt,
    /// Lines of `Speaker: text`
    Plain,
}

/// Runs the command: seals the analysis in the session and tells it.
///
/// # Errors
/// [`Kind::NotFound`] if the session is not transcribed; [`Kind::Damaged`] if stdin holds no
/// transcript; what the vault gives.
pub fn run(args: &AnalyzeArgs, cx: &Context) -> Result<()> {
    if args.stdin {
        let analysis = Analysis::of(&from_stdin(args, cx)?, None, cx.now(), TOOL);
        return tell(&analysis, cx);
    }
    let (unlocked, session) = cx.open(&args.session)?;
    let (transcript, digest) = written::read_with_digest(&session)?;
    let analysis = Analysis::of(&transcript, Some(digest), cx.now(), TOOL);
    let bytes = zeroize::Zeroizing::new(
        serde_json::to_vec(&analysis)
            .map_err(|_| Error::new(Kind::Internal, "The analysis cannot be written."))?,
    );
    session.put(ANALYSIS, &bytes)?;
    unlocked
        .vault()
        .note(Event::AnalysisWritten, Some(&session.id()), cx.now())?;
    tell(&analysis, cx)
}

/// The transcript on stdin. No vault is needed for it and no passphrase.
fn from_stdin(args: &AnalyzeArgs, cx: &Context) -> Result<Transcript> {
    cx.shut_in(&[], &[]);
    let stdin = std::io::stdin().lock();
    let form = match args.from {
        From::Json => {
            return parse(stdin, LARGEST).map_err(|error| {
                // The hint of a sealed transcript would lead nowhere here.
                Error::new(error.kind(), error.sentence())
                    .hint("undertone schema transcript   (prints what is expected)")
            });
        }
        From::Webvtt => Form::WebVtt,
        From::Plain => Form::Plain,
    };
    let called = Called {
        therapist: args.therapist.clone(),
        client: args.client.clone(),
    };
    convert(stdin, LARGEST, form, &called, cx.now(), TOOL)
}

fn tell(analysis: &Analysis, cx: &Context) -> Result<()> {
    if cx.json {
        return cx.print_json(analysis);
    }
    if let Some(facts) = &analysis.facts {
        for line in facts::tell(facts, terminal::columns()) {
            cx.print(&line)?;
        }
    }
    Ok(())
}
