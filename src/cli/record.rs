//! `undertone record`.

use super::Context;
use crate::Result;

/// Arguments of `undertone record`.
#[derive(Debug, clap::Args)]
pub struct RecordArgs {}

/// Runs the command.
///
/// # Errors
/// As told by what it does.
pub fn run(_args: &RecordArgs, _cx: &Context) -> Result<()> {
    Ok(())
}
