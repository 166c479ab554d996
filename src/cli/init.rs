//! `undertone init`: makes a vault.

use std::path::PathBuf;

use age::secrecy::ExposeSecret;

use super::{Context, passphrase};
use crate::vault::{NewVault, RecipientKind, Vault, WORK_FACTOR};
use crate::{Error, Kind, Result};

/// Arguments of `undertone init`.
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// Also seal every session to this recipient (a clinic, a supervisor); may be given again
    #[arg(long, value_name = "age1…")]
    recipient: Vec<String>,
    /// Print a recovery key for paper: it opens every session if the passphrase is lost
    #[arg(long)]
    recovery: bool,
    /// Keep the vault's identity in this file instead, such as on a stick
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// [`Kind::Vault`] if there is one already; [`Kind::Locked`] without a passphrase.
pub fn run(args: &InitArgs, cx: &Context) -> Result<()> {
    if cx.vault_dir.join("vault.toml").exists() {
        return Err(Error::new(
            Kind::Vault,
            format!("There is a vault at {} already.", cx.vault_dir.display()),
        )
        .hint("undertone sessions")
        .hint("undertone --vault DIR init"));
    }
    cx.say(
        "The passphrase opens everything in this vault. Nobody can reset it: if it is lost, and \
         there is no recovery key, the sessions are lost. Recording works without it.",
    );
    // What holds is told by `undertone doctor`. The folders it makes are not there yet, so files stay in reach.
    let _ = crate::lockdown::second();
    let passphrase = passphrase::ask_new(&cx.passphrase, "undertone init")?;
    passphrase::advise(&passphrase, cx);
    let identity = match &args.identity {
        Some(path) => {
            Some(std::path::absolute(path).map_err(|error| Error::io("reading", path, &error))?)
        }
        None => None,
    };
    let progress = cx.progress("Making the vault");
    let made = Vault::create(
        &cx.vault_dir,
        NewVault {
            passphrase,
            work_factor: WORK_FACTOR,
            extra_recipients: args.recipient.clone(),
            recovery: args.recovery,
            identity,
            created: cx.now(),
        },
    );
    progress.finish();
    let (vault, recovery) = made?;
    cx.say(&format!("The vault is at {}.", vault.path().display()));
    if cx.json {
        let recipients: Vec<_> = vault.recipients().iter().map(|r| &r.key).collect();
        cx.print_json(&serde_json::json!({
            "vault": vault.path(),
            "identity": vault.identity_path(),
            "recipients": recipients,
            "recovery_key": recovery.as_ref().map(ExposeSecret::expose_secret),
        }))?;
    } else if let Some(key) = &recovery {
        cx.say(
            "The recovery key follows. Write or print it on paper, keep the paper locked away, \
             and keep no copy on a computer. It is shown this once.",
        );
        cx.print(key.expose_secret())?;
    }
    let others = vault
        .recipients()
        .iter()
        .filter(|recipient| recipient.kind == RecipientKind::Other)
        .count();
    if others > 0 {
        cx.say(&format!(
            "Sessions are sealed to {others} further recipients as well."
        ));
    }
    if recovery.is_none() && !args.recovery {
        cx.say("No recovery key was made. Keep the passphrase where you will find it.");
    }
    cx.say("Next: undertone check");
    Ok(())
}
