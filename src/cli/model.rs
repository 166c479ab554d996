//! `undertone model`.

use super::Context;
use crate::Result;

/// Arguments of `undertone model`.
#[derive(Debug, clap::Args)]
pub struct ModelArgs {}

/// Runs the command.
///
/// # Errors
/// As told by what it does.
pub fn run(_args: &ModelArgs, _cx: &Context) -> Result<()> {
    Ok(())
}
