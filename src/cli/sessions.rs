//! `undertone sessions`: lists what is in the vault.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::{Context, terminal};
use crate::Result;
use crate::vault::{SessionEntry, State};

/// Arguments of `undertone sessions`.
#[derive(Debug, clap::Args)]
pub struct SessionsArgs {
    /// Show titles, client codes and lengths as well; asks for the passphrase
    #[arg(long)]
    titles: bool,
}

/// A session as listed.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    entry: SessionEntry,
    started: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_code: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// What the vault gives.
pub fn run(args: &SessionsArgs, cx: &Context) -> Result<()> {
    let vault = cx.vault()?;
    cx.shut_in(&[&vault.identity_path()], &[]);
    let mut rows: Vec<Row> = vault
        .sessions()?
        .into_iter()
        .map(|entry| Row {
            started: entry.id.time(),
            entry,
            duration_s: None,
            title: None,
            client_code: None,
        })
        .collect();
    if args.titles && !rows.is_empty() {
        let unlocked = cx.unlock()?;
        for row in rows.iter_mut().filter(|row| row.entry.state == State::Complete) {
            match unlocked.session(&row.entry.id).and_then(|open| open.manifest()) {
                Ok(manifest) => {
                    row.duration_s = manifest.duration_s;
                    row.title = manifest.title;
                    row.client_code = manifest.client_code;
                }
                Err(error) => cx.warn(&format!("{}: {}", row.entry.id, error.sentence())),
            }
        }
    }
    if cx.json {
        return cx.print_json(&rows);
    }
    if rows.is_empty() {
        cx.say("There is no session in this vault yet.");
        cx.say("Next: undertone record, or undertone import FILE");
        return Ok(());
    }
    for row in &rows {
        cx.print(&line(row))?;
        if row.title.is_some() || row.client_code.is_some() || row.duration_s.is_some() {
            cx.print(&details(row))?;
        }
    }
    if let Some(row) = rows.iter().find(|row| row.entry.state == State::Interrupted) {
        cx.say(&format!("Next: undertone recover {}", row.entry.id));
    }
    Ok(())
}

fn line(row: &Row) -> String {
    let when = row
        .started
        .to_zoned(TimeZone::system())
        .strftime("%Y-%m-%d %H:%M")
        .to_string();
    let state = match row.entry.state {
        State::Complete if row.entry.has_analysis => "transcribed, analysed",
        State::Complete if row.entry.has_transcript => "transcribed",
        State::Complete => "recorded",
        State::Interrupted => "INTERRUPTED",
        State::Writing => "being written",
        _ => "no key",
    };
    let size = terminal::size_in_words(row.entry.bytes);
    format!("{}  {when}  {size:>9}  {state}", row.entry.id)
}

fn details(row: &Row) -> String {
    let length = row.duration_s.map(|seconds| {
        terminal::in_words(std::time::Duration::from_secs_f64(seconds.clamp(0.0, 1e9)))
    });
    let parts: Vec<String> = [length, row.client_code.clone(), row.title.clone()]
        .into_iter()
        .flatten()
        .map(|text| terminal::harmless(&text))
        .collect();
    format!("    {}", parts.join("  "))
}
