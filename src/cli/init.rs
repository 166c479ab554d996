//! `undertone init`.

use super::Context;
use crate::Result;

/// Arguments of `undertone init`.
#[derive(Debug, clap::Args)]
pub struct InitArgs {}

/// Runs the command.
///
/// # Errors
/// As told by what it does.
pub fn run(_args: &InitArgs, _cx: &Context) -> Result<()> {
    Ok(())
}
