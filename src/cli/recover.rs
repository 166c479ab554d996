//! `undertone recover`: saves what an interrupted recording holds.

use super::{Context, moments, sound};
use crate::vault::{GapInfo, SessionId, State, Unlocked};
use crate::{Error, Result};

/// Arguments of `undertone recover`.
#[derive(Debug, clap::Args)]
pub struct RecoverArgs {
    /// Which session [default: every interrupted one]
    session: Option<String>,
}

/// Runs the command: prints the id of each session that was recovered.
///
/// # Errors
/// What the vault gives; the interrupted parts stay where they are then.
pub fn run(args: &RecoverArgs, cx: &Context) -> Result<()> {
    let vault = cx.vault()?;
    cx.shut_in(&[&vault.identity_path()], &[]);
    let ids: Vec<SessionId> = match &args.session {
        Some(name) => vec![vault.find(name)?],
        None => vault
            .sessions()?
            .into_iter()
            .filter(|entry| entry.state == State::Interrupted)
            .map(|entry| entry.id)
            .collect(),
    };
    if ids.is_empty() {
        cx.say("No session is interrupted.");
        return if cx.json { cx.print_json(&ids) } else { Ok(()) };
    }
    let unlocked = cx.unlock()?;
    let mut saved = Vec::new();
    for id in &ids {
        unlocked.recover(id, cx.now())?;
        let seconds = measure(&unlocked, id)?;
        cx.say(&format!(
            "Session {id}: {} were recovered.",
            super::terminal::in_words(std::time::Duration::from_secs_f64(seconds))
        ));
        if !cx.json {
            cx.print(&id.to_string())?;
        }
        saved.push(serde_json::json!({ "session": id, "duration_s": seconds }));
    }
    for id in &ids {
        cx.say(&format!("Next: undertone transcribe {id}"));
    }
    if cx.json {
        cx.print_json(&saved)
    } else {
        Ok(())
    }
}

/// Plays the recovered sound through to learn its length, and notes it.
fn measure(unlocked: &Unlocked, id: &SessionId) -> Result<f64> {
    let session = unlocked.session(id)?;
    if !session.has(sound::AUDIO) {
        return Ok(0.0);
    }
    // The last block may be cut in the middle: what comes before it is whole.
    let (_, seconds) = sound::genuine(&session)?;
    // A pause that was never ended lasted to the end of what there is.
    let off_record = moments::read(&session).unwrap_or_default().gaps(seconds);
    session
        .update(|manifest| {
            manifest.duration_s = Some(seconds);
            let gaps = off_record.into_iter().map(|gap| GapInfo {
                start_s: gap.start,
                duration_s: gap.duration,
                reason: gap.reason,
            });
            manifest.gaps = gaps.collect();
        })
        .map_err(|error| {
            Error::new(
                error.kind(),
                format!("{} The session itself is recovered.", error.sentence()),
            )
        })?;
    Ok(seconds)
}
