//! `undertone doctor`.

use super::Context;
use crate::Result;

/// Arguments of `undertone doctor`.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {}

/// Runs the command.
///
/// # Errors
/// As told by what it does.
pub fn run(_args: &DoctorArgs, _cx: &Context) -> Result<()> {
    Ok(())
}
