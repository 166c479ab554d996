//! `undertone delete`: deletes a session for good.

use super::Context;
use crate::{Error, Kind, Result};

/// Arguments of `undertone delete`.
#[derive(Debug, clap::Args)]
pub struct DeleteArgs {
    /// Which session: its id, the beginning of its id, or `last`
    session: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Runs the command.
///
/// # Errors
/// [`Kind::NotFound`]; [`Kind::Busy`] while it is being written; [`Kind::Cancelled`] if the answer
/// is no.
pub fn run(args: &DeleteArgs, cx: &Context) -> Result<()> {
    let vault = cx.vault()?;
    cx.shut_in(&[], &[]);
    let id = vault.find(&args.session)?;
    if !args.yes && !cx.confirm(&format!("Delete session {id} for good?"))? {
        return Err(Error::new(Kind::Cancelled, "Nothing was deleted."));
    }
    vault.delete(&id, cx.now())?;
    cx.say(
        "Deleted: its key first, so that copies of the other files cannot be opened. A solid \
         state disk may keep old copies of the key for a while, and so do backups.",
    );
    if cx.json {
        cx.print_json(&serde_json::json!({ "deleted": id }))?;
    }
    Ok(())
}
