//! `undertone show`.

use super::Context;
use crate::Result;

/// Arguments of `undertone show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {}

/// Runs the command.
///
/// # Errors
/// As told by what it does.
pub fn run(_args: &ShowArgs, _cx: &Context) -> Result<()> {
    Ok(())
}
