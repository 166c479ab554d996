//! `undertone recover`.

use super::Context;
use crate::Result;

/// Arguments of `undertone recover`.
#[derive(Debug, clap::Args)]
pub struct RecoverArgs {}

/// Runs the command.
///
/// # Errors
/// As told by what it does.
pub fn run(_args: &RecoverArgs, _cx: &Context) -> Result<()> {
    Ok(())
}
