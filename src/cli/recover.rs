//! `undertone recover`: saves what an interrupted recording holds.

use super::{Context, moments, sound};
use crate::vault::{GapInfo, SessionId, State, Unlocked};
use crate::{Error, Kind, Result};

/// Arguments of `undertone recover`.
#[derive(Debug, clap::Args)]
pub struct RecoverArgs {
    /// Which session [default: every interrupted one]
    session: Option<String>,
}

/// Runs the command: prints the id of each session that was recovered.
///
/// # Errors
/// What the vault gives, after all were tried; the interrupted parts stay where they are then.
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
    let (mut saved, mut failed, mut next) = (Vec::new(), Vec::new(), Vec::new());
    for id in &ids {
        let recovered = unlocked.recover(id, cx.now());
        let seconds = match recovered.and_then(|_| measure(&unlocked, id)) {
            Ok(seconds) => seconds,
            // What cannot be mended must not keep the others from it.
            Err(error) => {
                failed.push((id, error));
                continue;
            }
        };
        cx.say(&format!(
            "Session {id}: {} were recovered.",
            super::terminal::in_words(std::time::Duration::from_secs_f64(seconds))
        ));
        if !cx.json {
            cx.print(&id.to_string())?;
        }
        next.push(match seconds > 0.0 {
            true => format!("Next: undertone transcribe {id}"),
            // It broke off before any sound was sealed.
            false => format!("Next: undertone delete {id}"),
        });
        saved.push(serde_json::json!({ "session": id, "duration_s": seconds }));
    }
    for line in &next {
        cx.say(line);
    }
    if cx.json {
        cx.print_json(&saved)?;
    }
    let Some((first, error)) = failed.first() else {
        return Ok(());
    };
    for (id, error) in &failed[1..] {
        cx.warn(&format!("Session {id}: {}", error.sentence()));
    }
    let told = Error::new(
        error.kind(),
        format!("Session {first}: {}", error.sentence()),
    );
    Err(error
        .hints()
        .iter()
        .fold(told, |told, hint| told.hint(hint)))
}

/// Plays the recovered sound through to learn its length, and notes it.
fn measure(unlocked: &Unlocked, id: &SessionId) -> Result<f64> {
    let session = unlocked.session(id)?;
    if !session.has(sound::AUDIO) {
        return Ok(0.0);
    }
    // The last block may be cut in the middle: what comes before it is whole. Of a recording that ended in its first
    // two seconds there may be none.
    let seconds = match sound::genuine(&session) {
        Ok((_, seconds)) => seconds,
        Err(error) if error.kind() == Kind::Damaged => 0.0,
        Err(error) => return Err(error),
    };
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
