//! `undertone analyze`: gathers the facts of a session.

use super::{Context, TOOL, terminal, written};
use crate::rupture::{Analysis, facts};
use crate::vault::{Event, Purpose, consent};
use crate::{Error, Kind, Result};

/// Name of the analysis inside a session.
pub const ANALYSIS: &str = "analysis.json";

/// Arguments of `undertone analyze`.
#[derive(Debug, clap::Args)]
pub struct AnalyzeArgs {
    /// Which session: its id, the beginning of its id, or `last`
    #[arg(default_value = "last")]
    session: String,
}

/// Runs the command: seals the analysis in the session and tells it.
///
/// # Errors
/// [`Kind::NotFound`] if the session is not transcribed; what the vault gives.
pub fn run(args: &AnalyzeArgs, cx: &Context) -> Result<()> {
    let (unlocked, session) = cx.open(&args.session)?;
    let agreed = session.manifest()?.consent;
    consent::allow(
        agreed.as_ref(),
        Purpose::Analysis,
        &session.id().to_string(),
    )?;
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
    if cx.json {
        return cx.print_json(&analysis);
    }
    for line in facts::tell(&analysis.facts, terminal::columns()) {
        cx.print(&line)?;
    }
    Ok(())
}
