//! `undertone delete`.

use super::Context;
use crate::Result;

/// Arguments of `undertone delete`.
#[derive(Debug, clap::Args)]
pub struct DeleteArgs {}

/// Runs the command.
///
/// # Errors
/// As told by what it does.
pub fn run(_args: &DeleteArgs, _cx: &Context) -> Result<()> {
    Ok(())
}
