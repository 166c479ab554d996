//! What the client agreed to: asked or given when a session begins, shown and changed later.

use std::io::{BufRead, IsTerminal, Read, Write};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use jiff::Timestamp;

use super::{Context, terminal};
use crate::vault::{Basis, Consent, Event, Manifest, Purpose};
use crate::{Error, Kind, Result};

/// What is agreed where nothing else is said: what undertone is for, and no handing on.
const USUAL: [Purpose; 3] = [
    Purpose::Recording,
    Purpose::Transcription,
    Purpose::Analysis,
];

/// Longest answer that is read, in bytes.
const LONGEST: u64 = 4_096;

/// Consent as given on the command line.
#[derive(Debug, clap::Args)]
pub struct Given {
    /// How the client agreed: written or verbal
    #[arg(long, value_name = "HOW", value_parser = basis)]
    consent: Option<Basis>,
    /// What they agreed to: recording, transcription, analysis, supervision (handing it on), or
    /// all [default: all but supervision]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = purposes)]
    agreed: Option<Vec<Agreed>>,
    /// For how many days the sound may be kept [default: no limit was agreed]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    keep_days: Option<u32>,
}

/// One word of `--agreed`.
#[derive(Debug, Clone, Copy)]
enum Agreed {
    One(Purpose),
    All,
}

fn basis(text: &str) -> Result<Basis, String> {
    match text {
        "written" => Ok(Basis::Written),
        "verbal" => Ok(Basis::Verbal),
        _ => Err("consent is written or verbal".into()),
    }
}

fn purposes(text: &str) -> Result<Agreed, String> {
    if text == "all" {
        return Ok(Agreed::All);
    }
    Purpose::ALL
        .into_iter()
        .find(|purpose| purpose.name() == text)
        .map(Agreed::One)
        .ok_or_else(|| {
            "one can agree to recording, transcription, analysis, supervision, or all".into()
        })
}

impl Given {
    fn agreed(&self) -> Option<Vec<Purpose>> {
        let list = self.agreed.as_ref()?;
        let has = |purpose: &Purpose| {
            list.iter().any(|agreed| match agreed {
                Agreed::All => true,
                Agreed::One(one) => one == purpose,
            })
        };
        Some(Purpose::ALL.into_iter().filter(has).collect())
    }

    fn anything(&self) -> bool {
        self.consent.is_some() || self.agreed.is_some() || self.keep_days.is_some()
    }

    /// The consent that the flags say; none without `--consent`.
    ///
    /// # Errors
    /// [`Kind::Usage`] if details are given without it; [`Kind::Consent`] if recording is not
    /// among what was agreed.
    fn stated(&self, now: Timestamp) -> Result<Option<Consent>> {
        let Some(basis) = self.consent else {
            if self.anything() {
                return Err(Error::new(
                    Kind::Usage,
                    "Say also how the client agreed to it: written or verbal.",
                )
                .hint("add --consent written, or --consent verbal"));
            }
            return Ok(None);
        };
        let agreed = self.agreed().unwrap_or_else(|| USUAL.to_vec());
        if !agreed.contains(&Purpose::Recording) {
            return Err(not_agreed());
        }
        Ok(Some(Consent {
            basis,
            given: now,
            changed: None,
            revoked: None,
            agreed,
            keep_days: self.keep_days,
        }))
    }
}

fn not_agreed() -> Error {
    Error::new(
        Kind::Consent,
        "Without the client's consent to being recorded, nothing is recorded.",
    )
    .hint("Talk it over with the client, then: undertone record")
}

/// The consent a recording begins with: from the flags, else asked for at the terminal.
///
/// # Errors
/// [`Kind::Consent`] if the client did not agree, or nobody can be asked.
pub fn for_recording(given: &Given, cx: &Context) -> Result<Consent> {
    if let Some(consent) = given.stated(cx.now())? {
        return Ok(consent);
    }
    if !terminal::can_be_typed_to() || !std::io::stderr().is_terminal() {
        return Err(Error::new(
            Kind::Consent,
            "It must be noted what the client agreed to, and there is no terminal to ask at. \
             Nothing was recorded.",
        )
        .hint("undertone record --consent verbal")
        .hint("undertone record --consent written --agreed all --keep-days 90"));
    }
    let asked = interview(&mut |question| answer(question, cx), cx.now());
    if cx.cancelled() {
        return Err(Error::new(
            Kind::Cancelled,
            "Stopped. Nothing was recorded.",
        ));
    }
    asked
}

/// The line typed in answer to a question; none at the end of typing, or on Ctrl-C, which a plain
/// read would not notice.
fn answer(question: &str, cx: &Context) -> Option<String> {
    let mut stderr = std::io::stderr();
    let _ = write!(stderr, "{question} ").and_then(|()| stderr.flush());
    let (tell, typed) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .spawn(move || {
            let mut answer = String::new();
            let mut stdin = std::io::stdin().lock().take(LONGEST);
            let read = stdin.read_line(&mut answer).unwrap_or(0);
            let _ = tell.send((read > 0).then_some(answer));
        })
        .ok()?;
    while !cx.cancelled() {
        match typed.recv_timeout(Duration::from_millis(50)) {
            Ok(answer) => return answer,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    None
}

/// The consent an import begins with: from the flags, else none, with a warning.
///
/// # Errors
/// As [`Given::stated`].
pub fn for_import(given: &Given, cx: &Context) -> Result<Option<Consent>> {
    let stated = given.stated(cx.now())?;
    if stated.is_none() {
        cx.warn(
            "It is not noted what the client agreed to. Note it with: undertone consent last \
             --consent verbal",
        );
    }
    Ok(stated)
}

/// Asks what the client agreed to. `ask` gives the answer to a question, none if there is none.
fn interview(ask: &mut dyn FnMut(&str) -> Option<String>, now: Timestamp) -> Result<Consent> {
    let basis = loop {
        let answer = ask("Did the client agree to be recorded? [w]ritten, [v]erbal, or [n]o:")
            .ok_or_else(not_agreed)?;
        match answer.trim().to_lowercase().as_str() {
            "w" | "written" => break Basis::Written,
            "v" | "verbal" => break Basis::Verbal,
            "n" | "no" => return Err(not_agreed()),
            _ => {}
        }
    };
    let mut agreed = vec![Purpose::Recording];
    for (purpose, question, usual) in [
        (
            Purpose::Transcription,
            "… to having it written down? [Y/n]:",
            true,
        ),
        (Purpose::Analysis, "… to having it analysed? [Y/n]:", true),
        (
            Purpose::Supervision,
            "… to having it handed on, for supervision? [y/N]:",
            false,
        ),
    ] {
        let answer = ask(question).ok_or_else(not_agreed)?;
        let yes = match answer.trim().to_lowercase().as_str() {
            "" => usual,
            "y" | "yes" => true,
            // What is not a clear yes is none.
            _ => false,
        };
        if yes {
            agreed.push(purpose);
        }
    }
    let keep_days = loop {
        let answer =
            ask("For how many days may the sound be kept? [no limit]:").ok_or_else(not_agreed)?;
        match answer.trim() {
            "" => break None,
            days => {
                if let Ok(days @ 1..=36_500) = days.parse() {
                    break Some(days);
                }
            }
        }
    };
    Ok(Consent {
        basis,
        given: now,
        changed: None,
        revoked: None,
        agreed,
        keep_days,
    })
}

/// Arguments of `undertone consent`.
#[derive(Debug, clap::Args)]
pub struct ConsentArgs {
    /// Which session: its id, the beginning of its id, or `last`
    #[arg(default_value = "last")]
    session: String,
    #[command(flatten)]
    given: Given,
    /// The client took their consent back: nothing more is done with the session
    #[arg(long, conflicts_with_all = ["consent", "agreed", "keep_days"])]
    revoke: bool,
}

/// Runs the command: shows what was agreed, after changing it where flags say so.
///
/// # Errors
/// What the vault gives; [`Kind::Usage`] for a change of a consent that is not there.
pub fn run(args: &ConsentArgs, cx: &Context) -> Result<()> {
    let (unlocked, session) = cx.open(&args.session)?;
    let mut manifest = session.manifest()?;
    if args.revoke || args.given.anything() {
        let new = changed(manifest.consent.as_ref(), args, cx.now())?;
        manifest = session.update(|manifest| manifest.consent = Some(new))?;
        unlocked
            .vault()
            .note(Event::ConsentChanged, Some(&session.id()), cx.now())?;
    }
    if cx.json {
        return cx.print_json(&serde_json::json!({
            "session": session.id(),
            "consent": manifest.consent,
            "audio_until": manifest.audio_until(),
        }));
    }
    for line in told(&manifest, cx.now()) {
        cx.print(&line)?;
    }
    Ok(())
}

/// The consent after the change.
fn changed(before: Option<&Consent>, args: &ConsentArgs, now: Timestamp) -> Result<Consent> {
    if args.revoke {
        // Not asked, and not wanted now: that is a no all the same.
        let mut consent = before.cloned().unwrap_or(Consent {
            basis: Basis::Verbal,
            given: now,
            changed: None,
            revoked: None,
            agreed: Vec::new(),
            keep_days: None,
        });
        consent.revoked.get_or_insert(now);
        return Ok(consent);
    }
    let given = &args.given;
    match before {
        // Details alone change what stands; consent that was taken back must be given anew.
        Some(before) if before.revoked.is_none() => Ok(Consent {
            basis: given.consent.unwrap_or(before.basis),
            given: before.given,
            changed: Some(now),
            revoked: None,
            agreed: given.agreed().unwrap_or_else(|| before.agreed.clone()),
            keep_days: given.keep_days.or(before.keep_days),
        }),
        _ => given.stated(now)?.ok_or_else(not_agreed),
    }
}

/// What was agreed, a line each.
fn told(manifest: &Manifest, now: Timestamp) -> Vec<String> {
    let Some(consent) = &manifest.consent else {
        return vec![
            "Consent: not asked.".to_owned(),
            "Note it with: undertone consent SESSION --consent verbal".to_owned(),
        ];
    };
    let day = |time: Timestamp| {
        let zone = jiff::tz::TimeZone::system();
        time.to_zoned(zone).strftime("%Y-%m-%d").to_string()
    };
    let basis = match consent.basis {
        Basis::Written => "written",
        Basis::Verbal => "verbal",
    };
    let mut lines = match consent.revoked {
        Some(revoked) => vec![format!("Consent: TAKEN BACK on {}.", day(revoked))],
        None => vec![format!(
            "Consent: {basis}, noted on {}.",
            day(consent.given)
        )],
    };
    if let Some(changed) = consent.changed {
        lines.push(format!("Changed on {}.", day(changed)));
    }
    for purpose in Purpose::ALL {
        let yes = if consent.covers(purpose) { "yes" } else { "no" };
        lines.push(format!("  {:14} {yes}", purpose.name()));
    }
    lines.push(match manifest.audio_until() {
        None => "  sound kept     no limit".to_owned(),
        Some(until) if until <= now => {
            format!("  sound kept     until {}, which is over", day(until))
        }
        Some(until) => format!("  sound kept     until {}", day(until)),
    });
    lines
        .into_iter()
        .map(|line| terminal::harmless(&line))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-03-04T09:00:00Z".parse().unwrap()
    }

    fn asked(answers: &[&str]) -> Result<Consent> {
        let mut left = answers.iter();
        interview(
            &mut |_| left.next().map(|answer| format!("{answer}\n")),
            now(),
        )
    }

    #[test]
    fn the_usual_answers_are_short_and_handing_on_needs_a_yes() {
        let consent = asked(&["w", "", "", "", ""]).unwrap();
        assert_eq!(consent.basis, Basis::Written);
        assert_eq!(consent.agreed, USUAL);
        assert_eq!(consent.keep_days, None);
        let consent = asked(&["Verbal", "n", "maybe", "yes", "0", "ninety", "90"]).unwrap();
        assert_eq!(consent.basis, Basis::Verbal);
        assert_eq!(consent.agreed, [Purpose::Recording, Purpose::Supervision]);
        assert_eq!(consent.keep_days, Some(90));
    }

    #[test]
    fn a_no_or_no_answer_records_nothing() {
        for answers in [&["n"][..], &[], &["perhaps"], &["w", "y"]] {
            assert_eq!(asked(answers).unwrap_err().kind(), Kind::Consent);
        }
    }

    fn given(consent: Option<Basis>, agreed: Option<Vec<Agreed>>, keep_days: Option<u32>) -> Given {
        Given {
            consent,
            agreed,
            keep_days,
        }
    }

    #[test]
    fn flags_say_the_same_and_details_need_how_it_was_given() {
        let all = given(Some(Basis::Verbal), Some(vec![Agreed::All]), Some(7));
        let consent = all.stated(now()).unwrap().unwrap();
        assert_eq!(consent.agreed, Purpose::ALL);
        let usual = given(Some(Basis::Verbal), None, None);
        assert_eq!(usual.stated(now()).unwrap().unwrap().agreed, USUAL);
        assert!(given(None, None, None).stated(now()).unwrap().is_none());
        let only = given(None, None, Some(7)).stated(now()).unwrap_err();
        assert_eq!(only.kind(), Kind::Usage);
        let not = vec![Agreed::One(Purpose::Analysis)];
        let not = given(Some(Basis::Written), Some(not), None).stated(now());
        assert_eq!(not.unwrap_err().kind(), Kind::Consent);
    }

    #[test]
    fn changing_keeps_the_rest_and_what_was_taken_back_is_given_anew() {
        let args = |given, revoke| ConsentArgs {
            session: "last".into(),
            given,
            revoke,
        };
        let first = asked(&["w", "", "", "", "90"]).unwrap();
        let later: Timestamp = "2026-03-05T09:00:00Z".parse().unwrap();
        let one = vec![
            Agreed::One(Purpose::Recording),
            Agreed::One(Purpose::Supervision),
        ];
        let changes = args(given(None, Some(one), None), false);
        let second = changed(Some(&first), &changes, later).unwrap();
        assert_eq!(second.agreed, [Purpose::Recording, Purpose::Supervision]);
        assert_eq!((second.given, second.changed), (now(), Some(later)));
        assert_eq!((second.basis, second.keep_days), (Basis::Written, Some(90)));
        let gone = changed(Some(&second), &args(given(None, None, None), true), later).unwrap();
        assert_eq!(gone.revoked, Some(later));
        let days = args(given(None, None, Some(10)), false);
        assert!(changed(Some(&gone), &days, later).is_err());
        let anew = args(given(Some(Basis::Verbal), None, None), false);
        assert_eq!(changed(Some(&gone), &anew, later).unwrap().revoked, None);
        assert!(changed(None, &args(given(None, None, None), true), later).is_ok());
    }
}
