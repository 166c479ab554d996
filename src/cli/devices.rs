//! `undertone devices`.

use super::Context;
use crate::Result;

/// Arguments of `undertone devices`.
#[derive(Debug, clap::Args)]
pub struct DevicesArgs {}

/// Runs the command.
///
/// # Errors
/// As told by what it does.
pub fn run(_args: &DevicesArgs, _cx: &Context) -> Result<()> {
    Ok(())
}
