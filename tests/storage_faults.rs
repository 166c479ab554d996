//! A session recorded onto a disk whose power is cut, or that is full, at **each** thing that is
//! done to it. What is left is recovered, compared with what was recorded, sample by sample, and
//! searched for anything readable.
//!
//! `UNDERTONE_FAULTS` says how many moments are tried of each kind (40; `all` for every one), and
//! `scripts/crash-matrix` runs all of them.

#![cfg(unix)]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use age::secrecy::SecretString;
use common::desk::contains;
use common::faulty::{CUTS, Disk, Full, Log};
use jiff::Timestamp;
use undertone::audio::flac::{Decoder, Encoder};
use undertone::audio::{Frames, to_i16};
use undertone::vault::disk::Watcher;
use undertone::vault::{Beginning, ChannelInfo, Origin, Role, SessionId, State, Unlocked, Vault};
use undertone::{Kind, Result};

const RATE: usize = 16_000;
/// Seconds of the session: loud at first, then as a quiet room is, in which age's block takes long
/// to fill, then loud again.
const SECONDS: usize = 24;
/// So many frames may be missing at the end.
const MOST_LOST: u64 = 3 * RATE as u64;
const TITLE: &str = "Quillfeather";
const CODE: &str = "ZEBRA-7781";
const MARK: &str = "the mother again";
const PASSPHRASE: &str = "gravel onion trumpet";

fn passphrase() -> SecretString {
    PASSPHRASE.to_owned().into()
}

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn id() -> SessionId {
    SessionId::new(now(), 1)
}

fn sound() -> Vec<i16> {
    let mut state = 1u32;
    (0..RATE * SECONDS * 2)
        .map(|at| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = f64::from(state >> 8) / 8_388_608.0 - 1.0;
            let second = at / 2 / RATE;
            let loud = if (8..18).contains(&second) {
                2.0
            } else {
                900.0
            };
            (noise * loud) as i16
        })
        .collect()
}

fn new_vault(root: &Path) {
    let new = common::desk::new_vault(PASSPHRASE, now());
    Vault::create(root, new).unwrap();
}

fn beginning() -> Beginning {
    let channel = |channel, role| ChannelInfo {
        channel,
        role,
        device: None,
    };
    Beginning {
        created: now(),
        origin: Origin::Recorded,
        title: Some(TITLE.into()),
        client_code: Some(CODE.into()),
        sample_rate: RATE as u32,
        channels: vec![channel(0, Role::Therapist), channel(1, Role::Client)],
        consent: None,
        tool: "test".into(),
    }
}

/// Records the sound as `undertone record` does, and says how far it is in `frames`.
fn record(root: &Path, watcher: Arc<dyn Watcher>, sound: &[i16], frames: &AtomicU64) -> Result<()> {
    let vault = Vault::open_watched(root, watcher)?;
    let session = vault.begin(id(), beginning())?;
    let mut encoder = Encoder::new(session.stream("audio.flac")?, RATE as u32, 2)?;
    for (tenth, block) in sound.chunks(RATE / 10 * 2).enumerate() {
        let written = encoder.write(block);
        let sink = encoder.get_mut();
        sink.check()?;
        written?;
        frames.fetch_add(block.len() as u64 / 2, Ordering::SeqCst);
        // Blocks do not come on the tenth.
        let late = (tenth as u64 * 37) % 90;
        sink.tend(Duration::from_millis(tenth as u64 * 100 + late))?;
        if tenth % 70 == 45 {
            // Refused, it is tried again by the next mark.
            let _ = session.put("moments.json", MARK.as_bytes());
        }
    }
    encoder.finish()?.finish()?;
    let mut manifest = session.manifest();
    manifest.duration_s = Some(SECONDS as f64);
    session.finish(manifest, now())?;
    Ok(())
}

/// Fails if anything below `root` can be read that nobody may read.
fn search(root: &Path, sound: &[i16]) {
    let pcm: Vec<u8> = sound[1_000..1_016]
        .iter()
        .flat_map(|s| s.to_le_bytes())
        .collect();
    let secrets: [&[u8]; 6] = [
        b"fLaC\0\0\0\"",
        TITLE.as_bytes(),
        CODE.as_bytes(),
        MARK.as_bytes(),
        b"AGE-SECRET-KEY-",
        &pcm,
    ];
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            for secret in secrets {
                assert!(!contains(&bytes, secret), "{} holds it", path.display());
            }
        }
    }
}

#[derive(Default, Debug, Clone, Copy)]
struct Tally {
    tried: u64,
    nothing: u64,
    interrupted: u64,
    complete: u64,
    worst: u64,
}

/// Recovers what is left below `root`, of which `recorded` frames were recorded before.
fn look(what: &str, root: &Path, sound: &[i16], recorded: u64, tally: &mut Tally) {
    tally.tried += 1;
    search(root, sound);
    let vault = Vault::open(root).unwrap_or_else(|e| panic!("{what}: {e}"));
    let unlocked: Unlocked = vault.unlock(&passphrase()).unwrap();
    let sessions = vault.sessions().unwrap();
    let kept = match sessions.first().map(|session| session.state) {
        None | Some(State::Keyless) => {
            tally.nothing += 1;
            0
        }
        Some(State::Writing) => panic!("{what}: nobody writes it"),
        Some(state) => {
            if state == State::Interrupted {
                tally.interrupted += 1;
                match unlocked.recover(&id(), now()) {
                    Ok(_) => {}
                    // Begun, and nothing recorded yet.
                    Err(e) if recorded == 0 => {
                        assert_ne!(e.kind(), Kind::Internal, "{what}: {e}");
                        tally.nothing += 1;
                        tally.interrupted -= 1;
                        return;
                    }
                    Err(e) => panic!("{what}: {e}"),
                }
            } else {
                tally.complete += 1;
            }
            let found = unlocked.check(&id()).unwrap();
            assert!(found.sound(), "{what}: {found:?}");
            let session = unlocked.session(&id()).unwrap();
            let manifest = session.manifest().unwrap();
            if recorded > 0 {
                assert_eq!(manifest.title.as_deref(), Some(TITLE), "{what}");
            }
            same(what, &session, sound)
        }
    };
    let lost = recorded.saturating_sub(kept);
    tally.worst = tally.worst.max(lost);
    assert!(
        lost <= MOST_LOST,
        "{what}: {:.2} s are lost of {:.2} s",
        lost as f64 / RATE as f64,
        recorded as f64 / RATE as f64
    );
    search(root, sound);
}

/// Frames of the session's sound, each of them as it was recorded.
fn same(what: &str, session: &undertone::vault::OpenSession, sound: &[i16]) -> u64 {
    let Ok(stream) = session.stream("audio.flac") else {
        return 0;
    };
    let Ok(mut decoder) = Decoder::new(stream) else {
        return 0;
    };
    let mut samples = Vec::new();
    while decoder.read(&mut samples, RATE).is_ok_and(|read| read > 0) {}
    let heard: Vec<i16> = samples.into_iter().map(to_i16).collect();
    assert!(heard.len() <= sound.len(), "{what}");
    let differs = heard.iter().zip(sound).position(|(a, b)| a != b);
    assert_eq!(differs, None, "{what}: another sample than was recorded");
    heard.len() as u64 / 2
}

/// A folder with a new vault in it, what lies there on a disk, and a log of what is done to it next.
fn logged() -> (tempfile::TempDir, Disk, Arc<Log>) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("vault");
    new_vault(&root);
    let disk = Disk::of(&root);
    (dir, disk, Arc::new(Log::default()))
}

/// The moments to be tried, of so many.
fn chosen(all: usize) -> Vec<usize> {
    let wanted = match std::env::var("UNDERTONE_FAULTS").as_deref() {
        Ok("all") => all,
        Ok(number) => number.parse().expect("a number, or all"),
        Err(_) => 40,
    };
    let step = (all / wanted.clamp(1, all.max(1))).max(1);
    (0..all).step_by(step).collect()
}

fn told(table: &BTreeMap<String, Tally>) {
    println!(
        "{:42} {:>6} {:>8} {:>12} {:>9} {:>11}",
        "at", "tried", "nothing", "interrupted", "complete", "most lost"
    );
    for (name, tally) in table {
        println!(
            "{name:42} {:>6} {:>8} {:>12} {:>9} {:>9.2} s",
            tally.tried,
            tally.nothing,
            tally.interrupted,
            tally.complete,
            tally.worst as f64 / RATE as f64
        );
    }
}

#[test]
fn a_power_cut_at_any_moment_loses_no_more_than_the_last_seconds() {
    let (dir, mut disk, log) = logged();
    let root = dir.path().join("vault");
    let sound = sound();
    record(&root, log.clone(), &sound, &log.frames).unwrap();
    let acts = log.acts();
    let moments = chosen(acts.len() + 1);
    println!(
        "power cut at {} of {} moments",
        moments.len(),
        acts.len() + 1
    );
    let mut table: BTreeMap<String, Tally> = BTreeMap::new();
    for at in 0..=acts.len() {
        let next = acts.get(at).map(|(_, done)| done);
        let recorded = acts
            .get(at)
            .map_or(log.frames.load(Ordering::SeqCst), |act| act.0);
        if moments.contains(&at) {
            for cut in CUTS {
                let left = tempfile::tempdir().unwrap();
                disk.cut(next, cut, &root, left.path());
                let what = format!("power cut at {at} ({next:.60?}), {cut:?}");
                let row = format!(
                    "power cut: {:?}, names {}",
                    cut.bytes,
                    if cut.names { "kept" } else { "dropped" }
                );
                let tally = table.entry(row).or_default();
                look(&what, left.path(), &sound, recorded, tally);
            }
        }
        if let Some(next) = next {
            disk.act(next);
        }
    }
    told(&table);
}

#[test]
fn a_disk_full_at_any_write_loses_no_more_than_the_last_seconds() {
    let sound = sound();
    let full = |from: u64, torn: bool, once: bool| Full {
        from,
        torn,
        once,
        frames: AtomicU64::new(0),
        acts: AtomicU64::new(0),
    };
    let whole = Arc::new(full(u64::MAX, false, false));
    let dir = tempfile::tempdir().unwrap();
    new_vault(&dir.path().join("vault"));
    record(
        &dir.path().join("vault"),
        whole.clone(),
        &sound,
        &whole.frames,
    )
    .unwrap();
    let acts = whole.acts.load(Ordering::SeqCst) as usize;
    let moments = chosen(acts);
    println!(
        "disk full at {} of {acts} acts that need room",
        moments.len()
    );
    let mut table: BTreeMap<String, Tally> = BTreeMap::new();
    for from in moments {
        for (torn, once) in [(false, false), (true, false), (false, true), (true, true)] {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path().join("vault");
            new_vault(&root);
            let disk = Arc::new(full(from as u64, torn, once));
            let ended = record(&root, disk.clone(), &sound, &disk.frames);
            let recorded = disk.frames.load(Ordering::SeqCst);
            let what = format!("full at {from}, torn {torn}, once {once}: {ended:?}");
            if let Err(e) = &ended {
                assert_eq!(e.kind(), Kind::Disk, "{what}");
            }
            let row = format!(
                "disk full {}{}",
                if once { "once" } else { "for good" },
                if torn { ", a write torn" } else { "" }
            );
            let tally = table.entry(row).or_default();
            look(&what, &root, &sound, recorded, tally);
        }
    }
    told(&table);
}

#[test]
fn a_power_cut_while_the_passphrase_changes_leaves_the_old_or_the_new_one() {
    let (dir, mut disk, log) = logged();
    let root = dir.path().join("vault");
    let vault = Vault::open_watched(&root, log.clone()).unwrap();
    let new: SecretString = "an entirely different sentence".to_owned().into();
    vault
        .change_passphrase(&passphrase(), &new, 1, now())
        .unwrap();
    let acts = log.acts();
    let (mut old_opens, mut new_opens) = (0, 0);
    for at in 0..=acts.len() {
        let next = acts.get(at).map(|(_, done)| done);
        for cut in CUTS {
            let left = tempfile::tempdir().unwrap();
            disk.cut(next, cut, &root, left.path());
            let vault = Vault::open(left.path()).unwrap();
            let opens = |passphrase| vault.unlock(passphrase).is_ok();
            let (old, new) = (opens(&passphrase()), opens(&new));
            assert!(old != new, "cut at {at} ({next:?}), {cut:?}");
            old_opens += u32::from(old);
            new_opens += u32::from(new);
        }
        if let Some(next) = next {
            disk.act(next);
        }
    }
    assert!(old_opens > 0 && new_opens > 0, "{old_opens}, {new_opens}");
}

#[test]
fn what_waits_is_not_kept_without_what_lies_before_it() {
    let (dir, mut disk, log) = logged();
    let root = dir.path().join("vault");
    let vault = Vault::open_watched(&root, log.clone()).unwrap();
    let session = vault.begin(id(), beginning()).unwrap();
    let mut stream = session.stream("audio.flac").unwrap();
    let bytes: Vec<u8> = (0..150_000_u32).map(|i| (i % 251) as u8).collect();
    // Two whole blocks and a part of one, none of it synced.
    stream.write_all(&bytes).unwrap();
    stream.keep_tail().unwrap();
    for (_, done) in log.acts() {
        disk.act(&done);
    }
    let left = tempfile::tempdir().unwrap();
    disk.cut(None, CUTS[0], &root, left.path());
    let unlocked = Vault::open(left.path())
        .unwrap()
        .unlock(&passphrase())
        .unwrap();
    unlocked.recover(&id(), now()).unwrap();
    let kept = unlocked.session(&id()).unwrap();
    let kept = kept.read("audio.flac", 1 << 20).unwrap();
    assert!(kept[..] == bytes[..], "{} bytes are left", kept.len());
}

#[test]
fn the_faulty_disk_does_what_a_disk_may_do() {
    // Were nothing ever lost on it, the tests above would hold for any program.
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let file = root.join("a");
    let mut disk = Disk::of(&root);
    let left = |disk: &Disk, cut| {
        let left = tempfile::tempdir().unwrap();
        disk.cut(None, cut, &root, left.path());
        std::fs::read(left.path().join("a")).ok()
    };
    use common::faulty::Done;
    disk.act(&Done::Create(file.clone()));
    disk.act(&Done::Write(file.clone(), 0, b"abcd".to_vec()));
    assert_eq!(left(&disk, CUTS[0]), None, "the name was not synced");
    assert_eq!(left(&disk, CUTS[1]), Some(Vec::new()));
    disk.act(&Done::SyncFolder(root.clone()));
    assert_eq!(left(&disk, CUTS[2]), Some(vec![0; 4]));
    assert_eq!(left(&disk, CUTS[4]), Some(b"ab".to_vec()));
    disk.act(&Done::SyncFile(file.clone()));
    assert_eq!(left(&disk, CUTS[0]), Some(b"abcd".to_vec()));
}
