//! `undertone sessions`: lists what is in the vault.

use anstyle::Style;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::{Context, terminal};
use crate::Result;
use crate::vault::{SessionEntry, State};

/// Arguments of `undertone sessions`.
#[derive(Debug, clap::Args)]
pub struct SessionsArgs {
    /// Show titles, client codes, lengths and until when the client lets the sound be kept as well; asks for the passphrase
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
    /// Until when the client agreed that the sound is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    audio_until: Option<Timestamp>,
    /// Whether the vault's own time for keeping sessions is over.
    due: bool,
}

/// Runs the command.
///
/// # Errors
/// What the vault gives.
pub fn run(args: &SessionsArgs, cx: &Context) -> Result<()> {
    let vault = cx.vault()?;
    cx.shut_in(&[&vault.identity_path()], &[]);
    let now = cx.now();
    let due = vault.due(now)?;
    let mut rows: Vec<Row> = vault
        .sessions()?
        .into_iter()
        .map(|entry| Row {
            started: entry.id.time(),
            due: due.contains(&entry.id),
            entry,
            duration_s: None,
            title: None,
            client_code: None,
            audio_until: None,
        })
        .collect();
    if args.titles && !rows.is_empty() {
        let unlocked = cx.unlock()?;
        for row in rows
            .iter_mut()
            .filter(|row| row.entry.state == State::Complete)
        {
            match unlocked
                .session(&row.entry.id)
                .and_then(|open| open.manifest())
            {
                Ok(manifest) => {
                    row.audio_until = manifest.audio_until();
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
        let details = details(row, now);
        if !details.is_empty() {
            for line in set_in(&details, terminal::columns()) {
                cx.print(&line)?;
            }
        }
    }
    let interrupted = rows
        .iter()
        .find(|row| row.entry.state == State::Interrupted);
    if let Some(row) = interrupted {
        cx.say(&format!("Next: undertone recover {}", row.entry.id));
    } else if let Some(row) = rows.iter().find(|row| row.to_be_deleted(now)) {
        cx.say(&format!("Next: undertone delete {}", row.entry.id));
    }
    Ok(())
}

impl Row {
    /// Whether it is kept longer than the vault's owner or the client wanted.
    fn to_be_deleted(&self, now: Timestamp) -> bool {
        self.due || self.audio_until.is_some_and(|until| until <= now)
    }
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

/// Details under their session, broken into lines: a title is as long as its writer likes.
fn set_in(details: &str, width: usize) -> Vec<String> {
    terminal::labelled("   ", Style::new(), details, width)
}

/// That it is kept too long, and what only an unlocked session tells.
fn details(row: &Row, now: Timestamp) -> String {
    let length = row.duration_s.map(|seconds| {
        terminal::in_words(std::time::Duration::from_secs_f64(seconds.clamp(0.0, 1e9)))
    });
    let kept = row.audio_until.map(|until| {
        let day = until.to_zoned(TimeZone::system()).strftime("%Y-%m-%d");
        if until <= now {
            format!("SOUND AGREED UNTIL {day} ONLY")
        } else {
            format!("sound agreed until {day}")
        }
    });
    let due = row.due.then(|| "TO BE DELETED".to_owned());
    let parts: Vec<String> = [
        due,
        length,
        row.client_code.clone(),
        row.title.clone(),
        kept,
    ]
    .into_iter()
    .flatten()
    .map(|text| terminal::harmless(&text))
    .collect();
    parts.join("  ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::vault::SessionId;

    fn row() -> Row {
        let id: SessionId = "01JDA7G7G0000000000000000A".parse().unwrap();
        Row {
            entry: SessionEntry {
                id,
                state: State::Complete,
                has_audio: true,
                has_transcript: false,
                has_analysis: false,
                bytes: 0,
                files: Vec::new(),
            },
            started: id.time(),
            duration_s: None,
            title: None,
            client_code: None,
            audio_until: None,
            due: false,
        }
    }

    #[test]
    fn the_clients_limit_is_told_before_and_after_it() {
        let until: Timestamp = "2026-03-04T12:00:00Z".parse().unwrap();
        let row = Row {
            audio_until: Some(until),
            ..row()
        };
        let before = until - jiff::SignedDuration::from_secs(1);
        assert_eq!(details(&row, before), "sound agreed until 2026-03-04");
        assert!(!row.to_be_deleted(before));
        assert_eq!(details(&row, until), "SOUND AGREED UNTIL 2026-03-04 ONLY");
        assert!(row.to_be_deleted(until));
    }

    #[test]
    fn the_longest_line_fits_eighty_columns() {
        let mut row = row();
        row.entry.state = State::Complete;
        row.entry.has_analysis = true;
        row.entry.bytes = 999_900_000;
        row.due = true;
        assert!(line(&row).chars().count() <= 80, "{}", line(&row));
        assert_eq!(details(&row, row.started), "TO BE DELETED");
        row.title = Some(["word"; 40].join(" "));
        row.client_code = Some("K-2026-014".to_owned());
        row.duration_s = Some(4320.0);
        row.audio_until = Some(row.started);
        let told = set_in(&details(&row, row.started), 80);
        assert!(
            told.iter().all(|line| line.chars().count() <= 80),
            "{told:?}"
        );
        // Nothing is lost, and all of it stands under its session.
        assert_eq!(told.concat().matches("word").count(), 40);
        assert!(told.iter().all(|line| line.starts_with("    ")), "{told:?}");
    }
}
