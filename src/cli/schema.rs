//! `undertone schema`.

use super::Context;
use crate::Result;

/// Arguments of `undertone schema`.
#[derive(Debug, clap::Args)]
pub struct SchemaArgs {}

/// Runs the command.
///
/// # Errors
/// As told by what it does.
pub fn run(_args: &SchemaArgs, _cx: &Context) -> Result<()> {
    Ok(())
}
