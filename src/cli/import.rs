//! `undertone import`.

use super::Context;
use crate::Result;

/// Arguments of `undertone import`.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {}

/// Runs the command.
///
/// # Errors
/// As told by what it does.
pub fn run(_args: &ImportArgs, _cx: &Context) -> Result<()> {
    Ok(())
}
