//! `undertone transcribe`.

use super::Context;
use crate::Result;

/// Arguments of `undertone transcribe`.
#[derive(Debug, clap::Args)]
pub struct TranscribeArgs {}

/// Runs the command.
///
/// # Errors
/// As told by what it does.
pub fn run(_args: &TranscribeArgs, _cx: &Context) -> Result<()> {
    Ok(())
}
