//! `undertone verify`: whether sessions are as they were sealed.

use serde::Serialize;

use super::Context;
use super::terminal::harmless;
use crate::vault::{Check, SessionId, State, Unlocked};
use crate::{Error, Kind, Result};

/// Arguments of `undertone verify`.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// Which session: its id, the beginning of its id, or `last` [default: all]
    session: Option<String>,
}

/// What was found of a session.
#[derive(Serialize)]
struct Found {
    session: SessionId,
    genuine: bool,
    #[serde(flatten)]
    check: Option<Check>,
    /// Why it could not be looked into.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// [`Kind::Damaged`] if a file is altered, swapped, missing or unknown, after all were looked at; what the vault gives.
pub fn run(args: &VerifyArgs, cx: &Context) -> Result<()> {
    let vault = cx.vault()?;
    let ids: Vec<SessionId> = match &args.session {
        Some(session) => vec![vault.find(session)?],
        // Also what looks unfinished: who swaps a file can make a session look so.
        None => {
            let sessions = vault.sessions()?.into_iter();
            let sealed = sessions.filter(|entry| entry.state != State::Writing);
            sealed.map(|entry| entry.id).collect()
        }
    };
    cx.shut_in(&[&vault.identity_path()], &[]);
    if ids.is_empty() {
        cx.say("There is no recorded session in this vault.");
        return if cx.json {
            cx.print_json(&[(); 0])
        } else {
            Ok(())
        };
    }
    let unlocked = cx.unlock()?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        if cx.cancelled() {
            return Err(Error::new(Kind::Cancelled, "Stopped. Nothing was changed."));
        }
        let one = look_into(&unlocked, id);
        if !cx.json {
            tell(&one, cx)?;
        }
        found.push(one);
    }
    if cx.json {
        cx.print_json(&found)?;
    }
    let wrong = found.iter().filter(|one| !one.genuine).count();
    if wrong == 0 {
        return Ok(());
    }
    Err(Error::new(
        Kind::Damaged,
        format!(
            "Of {} sessions {wrong} are not as they were sealed. Nothing was changed.",
            found.len()
        ),
    )
    .hint("bring back the session's folder from a backup of the vault, then: undertone verify"))
}

fn look_into(unlocked: &Unlocked, id: SessionId) -> Found {
    let (check, problem) = match unlocked.check(&id) {
        Ok(check) => (Some(check), None),
        Err(error) => (None, Some(error.sentence().to_owned())),
    };
    Found {
        session: id,
        genuine: check.as_ref().is_some_and(Check::sound),
        check,
        problem,
    }
}

fn tell(found: &Found, cx: &Context) -> Result<()> {
    let files = found.check.iter().flat_map(|check| &check.files);
    if found.genuine {
        let files = files.count();
        return cx.print(&format!(
            "{}  as it was sealed ({files} files)",
            found.session
        ));
    }
    cx.print(&format!("{}  NOT AS IT WAS SEALED", found.session))?;
    if let Some(problem) = &found.problem {
        cx.print(&format!("  {problem}"))?;
    }
    for file in files {
        if let Some(problem) = &file.problem {
            cx.print(&format!("  {}: {problem}", harmless(&file.name)))?;
        }
    }
    Ok(())
}
