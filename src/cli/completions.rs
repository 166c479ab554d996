//! `undertone completions`.

use super::Context;
use crate::Result;

/// Arguments of `undertone completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {}

/// Runs the command.
///
/// # Errors
/// As told by what it does.
pub fn run(_args: &CompletionsArgs, _cx: &Context) -> Result<()> {
    Ok(())
}

/// Arguments of `undertone man`.
#[derive(Debug, clap::Args)]
pub struct ManArgs {}

/// Prints the manual.
///
/// # Errors
/// As told by what it does.
pub fn man(_args: &ManArgs, _cx: &Context) -> Result<()> {
    Ok(())
}
