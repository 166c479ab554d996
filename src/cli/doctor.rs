//! `undertone doctor`: what works on this machine and what is really enforced.
//!
//! Looks and tries, and changes nothing. Refuses to vouch for what it could not see: what is not
//! known is said to be not known. Needs no passphrase, so it cannot tell whether one is right.

use std::path::PathBuf;

use serde::Serialize;

use super::{Context, TOOL, terminal};
use crate::Result;
use crate::audio::devices::{self, Device, Warning};
use crate::lockdown;
use crate::model::{Store, Trust};
use crate::vault::State as SessionState;

mod disk;
mod told;

use told::{Area, Check, Summary, Word, ending, lines};

/// Arguments of `undertone doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line begins with a word: `ok`, `look` (it works, but see), or `missing` (it does not work or
does not hold). Nothing is changed and no passphrase is needed.")]
pub struct DoctorArgs {}

#[derive(Debug, Serialize)]
struct Findings {
    tool: &'static str,
    summary: Summary,
    checks: Vec<Check>,
    devices: Vec<Device>,
}

/// Runs the command.
///
/// # Errors
/// [`crate::Kind::Disk`] if the findings cannot be printed. What is found is no error.
pub fn run(_args: &DoctorArgs, cx: &Context) -> Result<()> {
    let mut area = Area::default();
    // The sound server is reached by a local socket, which the second phase takes away.
    let listed = devices::list();
    sound(area.called("Sound"), &listed);
    cx.shut_in(&[], &[]);
    models(area.called("Speech model"), &cx.models());
    vault(area.called("Vault"), cx);
    let protections = lockdown::status();
    storage(area.called("Disk"), cx, &protections);
    machine(area.called("Machine"));
    protection(area.called("Protection"), &protections);
    let checks = area.checks;
    let count = |word| checks.iter().filter(|c| c.state == word).count();
    let findings = Findings {
        tool: TOOL,
        summary: Summary {
            ok: count(Word::Ok),
            look: count(Word::Look),
            missing: count(Word::Missing),
        },
        checks,
        devices: listed.unwrap_or_default(),
    };
    if cx.json {
        return cx.print_json(&findings);
    }
    for line in lines(&findings.checks, terminal::columns()) {
        cx.print(&line)?;
    }
    cx.say(&ending(&findings.summary));
    Ok(())
}

/// What somebody who wants to record has to know about the microphones.
fn sound(area: &mut Area, listed: &Result<Vec<Device>>) {
    let all = match listed {
        Ok(all) => all,
        Err(error) => {
            area.failed("devices", error);
            server(area, None);
            return;
        }
    };
    let host = all.first().map(|device| device.host.as_str());
    let through = host.map_or_else(String::new, |host| format!(", through {host},"));
    let usable =
        |device: &&Device| device.channels >= 2 && !device.warnings.contains(&Warning::Monitor);
    let good = all.iter().filter(usable).count();
    match (all.len(), good) {
        (0, _) => area
            .say("devices", Word::Missing, "No microphone was found.")
            .next("Connect one with two channels, then: undertone devices"),
        (_, 0) => area
            .say(
                "devices",
                Word::Look,
                format!(
                    "No input{through} is a microphone with two channels: two people could not \
                     be told apart."
                ),
            )
            .next("undertone devices"),
        (n, good) => area
            .say(
                "devices",
                Word::Ok,
                format!(
                    "Inputs{through} in all: {n}. With two channels, as two people need: {good}."
                ),
            )
            .next("undertone check"),
    };
    for device in all.iter().filter(|device| device.default) {
        for warning in &device.warnings {
            let name = terminal::harmless(&device.name);
            let sentence = format!("The usual input, {name}: {}", warning.sentence());
            area.say("default-device", Word::Look, sentence)
                .next("Choose another: undertone record --device …");
        }
    }
    server(area, host);
}

/// Says what keeps us from a sound server that runs. It hangs up on a client that does not show
/// the user's cookie, and then only ALSA is left.
fn server(area: &mut Area, host: Option<&str>) {
    if !cfg!(target_os = "linux") {
        return;
    }
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let running = variable("PULSE_SERVER").is_some()
        || variable("XDG_RUNTIME_DIR").is_some_and(|dir| dir.join("pulse/native").exists());
    let home = variable("HOME");
    let config = variable("XDG_CONFIG_HOME").or_else(|| Some(home.clone()?.join(".config")));
    let places = [
        variable("PULSE_COOKIE"),
        config.map(|dir| dir.join("pulse/cookie")),
        home.map(|dir| dir.join(".pulse-cookie")),
    ];
    let cookie = places
        .into_iter()
        .flatten()
        .any(|path| std::fs::metadata(path).is_ok_and(|file| file.len() >= 256));
    match (host, running, cookie) {
        (Some("pulseaudio"), _, _) => {
            area.say("sound-server", Word::Ok, "The sound server answers.");
        }
        (_, true, false) => {
            area.say(
                "sound-server",
                Word::Look,
                "A sound server (PulseAudio or PipeWire) seems to run, but its key file (cookie) \
                 is not there, so it may have turned undertone away.",
            )
            .next("pactl info (it makes the file), then: undertone devices");
        }
        (_, true, true) => {
            area.say(
                "sound-server",
                Word::Look,
                "A sound server (PulseAudio or PipeWire) seems to be meant, but gave no input.",
            )
            .next("pactl info");
        }
        (_, false, _) => {
            area.say(
                "sound-server",
                Word::Look,
                "No sound server (PulseAudio or PipeWire) runs for this user. undertone can \
                 record through ALSA alone, while no other program uses the microphone.",
            );
        }
    }
}

fn models(area: &mut Area, store: &Store) {
    let list = match store.list() {
        Ok(list) => list,
        Err(error) => return area.failed("models", &error),
    };
    if list.is_empty() {
        let sentence =
            "No speech model is installed, so nothing can be transcribed. Recording works.";
        area.say("models", Word::Missing, sentence)
            .next("scripts/fetch-model base");
        return;
    }
    for model in &list {
        match store.verify(&model.name) {
            Ok(verified) => {
                let against = match verified.against {
                    Trust::Catalog => "it is the published one",
                    Trust::Import => "it is what was imported",
                };
                let size = terminal::size_in_words(model.bytes);
                let sentence = format!("{}, {size}: read whole, {against}.", model.name);
                area.say("models", Word::Ok, sentence);
            }
            Err(error) => area.failed("models", &error),
        }
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if let (Ok(model), Some(free)) = (store.choose(None, cores), free_memory()) {
        let needed = terminal::size_in_words(model.memory);
        let there = terminal::size_in_words(free);
        let sentence = format!(
            "{}, which is taken unless you name one, needs about {needed} of memory; {there} are free.",
            model.name
        );
        if model.memory <= free {
            area.say("memory", Word::Ok, sentence);
        } else {
            area.say("memory", Word::Look, sentence)
                .next("Close other programs, or use a smaller model: scripts/fetch-model tiny.en");
        }
    }
}

fn vault(area: &mut Area, cx: &Context) {
    let vault = match cx.vault() {
        Ok(vault) => vault,
        Err(error) => return area.failed("vault", &error),
    };
    let folder = vault.path().display();
    match vault.recipients().len() {
        1 => area.say(
            "vault",
            Word::Look,
            format!("The vault in {folder} has no second key: without its passphrase all is lost."),
        ),
        n => area.say(
            "vault",
            Word::Ok,
            format!("The vault is in {folder}. {n} keys open it."),
        ),
    };
    if !vault.identity_path().exists() {
        let sentence = "The vault's identity file is not there: recording works, reading does not.";
        area.say("identity", Word::Missing, sentence).next(format!(
            "Bring it back to {}",
            vault.identity_path().display()
        ));
    }
    if open_to_others(vault.path()) {
        let sentence = "Other users of this machine can look into the vault's folder.";
        area.say("rights", Word::Look, sentence)
            .next(format!("chmod 700 '{folder}'"));
    }
    sessions(area, &vault, cx);
    match vault.verify_audit() {
        Ok(report) => match report.broken_at {
            None => area.say(
                "audit",
                Word::Ok,
                format!("The audit trail holds together ({} lines).", report.lines),
            ),
            Some(line) => area.say(
                "audit",
                Word::Look,
                format!("The audit trail was changed or damaged at line {line}."),
            ),
        },
        Err(error) => area.say("audit", Word::Look, error.sentence()),
    };
}

fn sessions(area: &mut Area, vault: &crate::vault::Vault, cx: &Context) {
    let list = match vault.sessions() {
        Ok(list) => list,
        Err(error) => return area.failed("sessions", &error),
    };
    let bytes = list.iter().map(|session| session.bytes).sum();
    let sentence = match list.len() {
        0 => "No session yet.".to_owned(),
        1 => format!("1 session, {}.", terminal::size_in_words(bytes)),
        n => format!("{n} sessions, {}.", terminal::size_in_words(bytes)),
    };
    area.say("sessions", Word::Ok, sentence);
    for session in &list {
        let id = session.id;
        match session.state {
            SessionState::Interrupted => area
                .say(
                    "sessions",
                    Word::Look,
                    format!("Session {id} was interrupted. What was recorded is kept."),
                )
                .next(format!("undertone recover {id}")),
            SessionState::Keyless => area
                .say(
                    "sessions",
                    Word::Look,
                    format!("Session {id} has no key: its deletion was cut short."),
                )
                .next(format!("undertone delete {id}")),
            SessionState::Writing => area.say(
                "sessions",
                Word::Ok,
                format!("Session {id} is being written right now."),
            ),
            _ => continue,
        };
    }
    for id in vault.due(cx.now()).unwrap_or_default() {
        let sentence = format!("Session {id} is past the time that the vault keeps sessions.");
        area.say("retention", Word::Look, sentence)
            .next(format!("undertone delete {id}"));
    }
}

fn storage(area: &mut Area, cx: &Context, protections: &lockdown::Report) {
    match disk::free_bytes(&cx.vault_dir) {
        None => area.say(
            "space",
            Word::Look,
            "How much space is free could not be found out.",
        ),
        Some(free) => {
            let (hours, size) = (disk::hours(free), terminal::size_in_words(free));
            let sentence = format!("{size} free, enough for about {hours} h of recording.");
            if hours < 5 {
                area.say("space", Word::Look, sentence)
                    .next("Free some space.")
            } else {
                area.say("space", Word::Ok, sentence)
            }
        }
    };
    use disk::Encryption;
    let advice = "Switch on disk encryption: sessions are sealed without it, but it also covers \
                  swap, exports and temporary files.";
    match disk::encryption(&cx.vault_dir) {
        Encryption::On => area.say("encryption", Word::Ok, "The vault's disk is encrypted."),
        Encryption::InMemory => area
            .say(
                "encryption",
                Word::Look,
                "The vault is in memory, not on a disk: it is gone when the machine stops.",
            )
            .next("Keep real sessions elsewhere: undertone --vault DIR init"),
        Encryption::Off => area
            .say(
                "encryption",
                Word::Look,
                "This system does not encrypt the vault's disk (a drive or a host that encrypts \
                 by itself cannot be seen from here).",
            )
            .next(advice),
        Encryption::Unknown => area
            .say(
                "encryption",
                Word::Look,
                "Whether the vault's disk is encrypted could not be found out.",
            )
            .next(advice),
    };
    if let Some(swap) = protections.item("swap") {
        let holds = swap.state == lockdown::State::Enforced;
        let check = area.say(
            "swap",
            if holds { Word::Ok } else { Word::Look },
            swap.sentence.clone(),
        );
        check.found_by = Some(swap.found_by.clone());
        if !holds {
            check.next("Encrypt the swap or the whole disk, or do without: sudo swapoff -a");
        }
    }
}

fn machine(area: &mut Area) {
    let lacking = lacking_cpu_features();
    if lacking.is_empty() {
        let sentence = "The processor has what makes transcription fast.";
        area.say("processor", Word::Ok, sentence);
    } else {
        let sentence = format!(
            "The processor lacks {}: transcription works, but takes several times as long.",
            lacking.join(", ")
        );
        area.say("processor", Word::Look, sentence)
            .next("A small model: undertone transcribe last --model tiny.en");
    }
}

/// What products of numbers are fast with on this kind of machine and this one lacks.
fn lacking_cpu_features() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    let all = [
        ("AVX2", std::is_x86_feature_detected!("avx2")),
        ("FMA", std::is_x86_feature_detected!("fma")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let all: [(&str, bool); 0] = [];
    all.iter()
        .filter(|(_, has)| !has)
        .map(|(name, _)| *name)
        .collect()
}

/// Ways around the filter that a kernel may close by itself, so that an open one is no finding.
const BACK_DOORS: [&str; 5] = ["io-uring", "ptrace", "process-memory", "bpf", "x32-calls"];

fn protection(area: &mut Area, report: &lockdown::Report) {
    for item in report.items.iter().filter(|item| item.name != "swap") {
        let state = match item.state {
            lockdown::State::Enforced => Word::Ok,
            lockdown::State::Partial => Word::Look,
            lockdown::State::NotEnforced if BACK_DOORS.contains(&item.name) => Word::Look,
            lockdown::State::NotEnforced => Word::Missing,
        };
        let sentence = if BACK_DOORS.contains(&item.name) {
            format!("{} ({})", item.sentence, item.name)
        } else {
            item.sentence.clone()
        };
        let check = area.say(item.name, state, sentence);
        check.found_by = Some(item.found_by.clone());
        match (state, item.name) {
            (Word::Ok, _) => {}
            (_, "files") => {
                check.next("A Linux kernel from 5.13 on with Landlock switched on does this.");
            }
            _ => {
                check.next("What this means, and what holds where: docs/lockdown.md");
            }
        }
    }
}

/// Memory that programs can still take, in bytes, where the system says.
fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

fn open_to_others(folder: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(folder).is_ok_and(|folder| folder.permissions().mode() & 0o077 != 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::Error;

    fn device(name: &str, channels: u16, default: bool, warnings: Vec<Warning>) -> Device {
        Device {
            id: format!("pulseaudio:{name}"),
            name: name.to_owned(),
            host: "pulseaudio".to_owned(),
            channels,
            sample_rate: 48_000,
            default,
            warnings,
        }
    }

    fn told(fill: impl FnOnce(&mut Area)) -> Vec<Check> {
        let mut area = Area::default();
        fill(area.called("Sound"));
        area.checks
    }

    #[test]
    fn a_monitor_is_not_counted_as_a_microphone() {
        let all = vec![device("room.monitor", 2, true, vec![Warning::Monitor])];
        let checks = told(|area| sound(area, &Ok(all)));
        assert_eq!(checks[0].state, Word::Look);
        assert!(
            checks[0]
                .sentence
                .contains("No input, through pulseaudio, is")
        );
        assert!(checks[1].sentence.contains("Not a microphone"));
        let good = vec![device("usb", 2, true, vec![])];
        let checks = told(|area| sound(area, &Ok(good)));
        assert_eq!(checks[0].state, Word::Ok);
        assert_eq!(checks[0].next, ["undertone check"]);
    }

    #[test]
    fn no_microphone_and_a_silent_sound_system_are_both_told_with_what_to_do() {
        let none = told(|area| sound(area, &Ok(Vec::new())));
        assert_eq!(none[0].state, Word::Missing);
        let error = Error::new(crate::Kind::Audio, "It does not answer.").hint("undertone devices");
        let silent = told(|area| sound(area, &Err(error)));
        assert_eq!(silent[0].state, Word::Missing);
        assert!([none, silent].iter().all(|all| !all[0].next.is_empty()));
    }

    #[test]
    fn a_protection_that_does_not_hold_is_missing_and_says_where_to_read() {
        let item = |name, state| lockdown::Item {
            name,
            state,
            found_by: "a trial".to_owned(),
            sentence: "It was tried.".to_owned(),
        };
        let report = lockdown::Report {
            items: vec![
                item("tcp", lockdown::State::NotEnforced),
                item("bpf", lockdown::State::NotEnforced),
                item("udp", lockdown::State::Enforced),
                item("swap", lockdown::State::NotEnforced),
            ],
        };
        let checks = told(|area| protection(area, &report));
        let words: Vec<Word> = checks.iter().map(|check| check.state).collect();
        assert_eq!(words, [Word::Missing, Word::Look, Word::Ok]);
        assert!(checks[0].next[0].contains("docs/lockdown.md"));
        assert_eq!(checks[0].found_by.as_deref(), Some("a trial"));
    }

    #[test]
    fn an_empty_folder_of_models_is_told_with_the_script_to_run() {
        let dir = tempfile::tempdir().unwrap();
        let checks = told(|area| models(area, &Store::open(dir.path())));
        assert_eq!(checks[0].state, Word::Missing);
        assert_eq!(checks[0].next, ["scripts/fetch-model base"]);
    }
}
