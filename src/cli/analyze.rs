//! `undertone analyze`.

use super::Context;
use crate::Result;

/// Arguments of `undertone analyze`.
#[derive(Debug, clap::Args)]
pub struct AnalyzeArgs {}

/// Runs the command.
///
/// # Errors
/// As told by what it does.
pub fn run(_args: &AnalyzeArgs, _cx: &Context) -> Result<()> {
    Ok(())
}
