//! `undertone passphrase`: changes the vault's passphrase.

use super::{Context, passphrase};
use crate::Result;
use crate::vault::WORK_FACTOR;

/// Arguments of `undertone passphrase`.
#[derive(Debug, clap::Args)]
pub struct PassphraseArgs {}

/// Runs the command.
///
/// # Errors
/// What the vault gives; [`crate::Kind::Locked`] for a wrong passphrase. The old one holds then.
pub fn run(_: &PassphraseArgs, cx: &Context) -> Result<()> {
    let vault = cx.vault()?;
    let identity = vault.identity_path();
    let kept_in = identity.parent().unwrap_or(vault.path());
    cx.shut_in(&[], &[kept_in]);
    let (old, new) = passphrase::ask_change(&cx.passphrase)?;
    passphrase::advise(&new, cx);
    let progress = cx.progress("Sealing the identity anew");
    let changed = vault.change_passphrase(&old, &new, WORK_FACTOR, cx.now());
    progress.finish();
    changed?;
    if cx.json {
        cx.print_json(&serde_json::json!({ "changed": identity }))?;
    }
    cx.say("From now on the new passphrase opens this vault, all its sessions too.");
    cx.say(
        "A copy of the old identity file, such as in a backup, still opens with the old passphrase: replace such copies.",
    );
    Ok(())
}
