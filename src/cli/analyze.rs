//! `undertone analyze`: gathers the facts of a session.

use super::Context;
use crate::Result;

/// Name of the analysis inside a session.
pub const ANALYSIS: &str = "analysis.json";

/// Arguments of `undertone analyze`.
#[derive(Debug, clap::Args)]
pub struct AnalyzeArgs {
    /// Which session: its id, the beginning of its id, or `last`
    #[arg(default_value = "last")]
    session: String,
}

/// Runs the command.
///
/// # Errors
/// As told by what it does.
pub fn run(args: &AnalyzeArgs, _cx: &Context) -> Result<()> {
    let _ = &args.session;
    Ok(())
}
