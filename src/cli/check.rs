//! `undertone check`.

use super::Context;
use crate::Result;

/// Arguments of `undertone check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {}

/// Runs the command.
///
/// # Errors
/// As told by what it does.
pub fn run(_args: &CheckArgs, _cx: &Context) -> Result<()> {
    Ok(())
}
