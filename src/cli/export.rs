//! `undertone export`.

use super::Context;
use crate::Result;

/// Arguments of `undertone export`.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {}

/// Runs the command.
///
/// # Errors
/// As told by what it does.
pub fn run(_args: &ExportArgs, _cx: &Context) -> Result<()> {
    Ok(())
}
