//! `undertone sessions`.

use super::Context;
use crate::Result;

/// Arguments of `undertone sessions`.
#[derive(Debug, clap::Args)]
pub struct SessionsArgs {}

/// Runs the command.
///
/// # Errors
/// As told by what it does.
pub fn run(_args: &SessionsArgs, _cx: &Context) -> Result<()> {
    Ok(())
}
