//! What is left of a recording when its process is killed, or its disk takes no more: every whole
//! block that was written, and nobody who still holds the session.
//!
//! The recording process is this test program, started again: see `recording_process`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use jiff::Timestamp;
use undertone::Kind;
use undertone::vault::{Beginning, ChannelInfo, Origin, Role, SessionId, State, Unlocked, Vault};

const VAULT: &str = "UNDERTONE_TEST_VAULT";
const PASSPHRASE: &str = "gravel onion trumpet";

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn id() -> SessionId {
    SessionId::new(now(), 1)
}

fn audio(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 % 247) as u8).collect()
}

fn beginning() -> Beginning {
    Beginning {
        created: now(),
        origin: Origin::Recorded,
        title: None,
        client_code: Some("WOMBAT-17".into()),
        sample_rate: 16_000,
        channels: vec![ChannelInfo {
            channel: 0,
            role: Role::Client,
            device: None,
        }],
        consent: None,
        tool: "test".into(),
    }
}

fn vault(root: &Path) -> Unlocked {
    let new = common::desk::new_vault(PASSPHRASE, now());
    Vault::create(root, new)
        .unwrap()
        .0
        .unlock(&PASSPHRASE.to_owned().into())
        .unwrap()
}

/// Not a test by itself: the process that records, run by the tests below.
#[test]
#[ignore = "run by the other tests, as a process of its own"]
fn recording_process() {
    let Some(root) = std::env::var_os(VAULT) else {
        return;
    };
    let session = match Vault::open(Path::new(&root))
        .unwrap()
        .begin(id(), beginning())
    {
        Ok(session) => session,
        Err(e) => {
            assert_eq!(e.kind(), Kind::Disk);
            return println!("refused: {e}");
        }
    };
    let mut stream = session.stream("audio.flac").unwrap();
    for chunk in audio(400_000).chunks(4_000) {
        if stream.write_all(chunk).is_err() {
            let error = stream.check().unwrap_err();
            assert_eq!(error.kind(), Kind::Disk);
            println!("refused: {error}");
            assert_eq!(stream.finish().unwrap_err(), error);
            return;
        }
    }
    stream.sync().unwrap();
    println!("written");
    std::thread::sleep(std::time::Duration::from_secs(60));
}

/// Starts the recording process under a limit of file size (in blocks of 512 bytes), and returns
/// it with what it says first, and the pipe, which must stay open while it lives.
fn record(root: &Path, limit: Option<u32>) -> (Child, String, impl Sized) {
    let limit = limit.map_or_else(String::new, |blocks| format!("ulimit -f {blocks};"));
    let mut child = Command::new("sh")
        // A write beyond the limit is an error then, not a signal.
        .args(["-c", &format!("trap '' XFSZ; {limit} exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "recording_process"])
        .env(VAULT, root)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let said = lines
        .find(|l| l.contains("written") || l.contains("refused"))
        .expect("the recording process says how it went");
    (child, said, lines)
}

#[test]
fn a_killed_recording_is_interrupted_at_once_and_recovers_every_whole_block() {
    let dir = tempfile::tempdir().unwrap();
    let unlocked = vault(&dir.path().join("vault"));
    let (mut child, _, _pipe) = record(unlocked.vault().path(), None);
    assert_eq!(unlocked.vault().entry(&id()).unwrap().state, State::Writing);
    assert_eq!(
        unlocked.recover(&id(), now()).unwrap_err().kind(),
        Kind::Busy
    );
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(
        unlocked.vault().entry(&id()).unwrap().state,
        State::Interrupted
    );
    recovers(&unlocked, 6 * 65_536);
}

#[test]
fn a_disk_that_takes_no_more_ends_the_recording_with_what_was_kept() {
    let dir = tempfile::tempdir().unwrap();
    let unlocked = vault(&dir.path().join("vault"));
    let (mut child, said, _pipe) = record(unlocked.vault().path(), Some(400));
    assert!(child.wait().unwrap().success());
    assert!(said.contains("204800 bytes, sealed"), "{said}");
    recovers(&unlocked, 3 * 65_536);
}

#[test]
fn a_disk_full_at_the_start_begins_nothing_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let unlocked = vault(&dir.path().join("vault"));
    let (mut child, said, _pipe) = record(unlocked.vault().path(), Some(0));
    assert!(child.wait().unwrap().success());
    assert!(said.contains("not begun"), "{said}");
    assert!(unlocked.vault().sessions().unwrap().is_empty());
    let report = unlocked.vault().verify_audit().unwrap();
    assert_eq!((report.lines, report.broken_at), (1, None));
}

fn recovers(unlocked: &Unlocked, bytes: usize) {
    let recovered = unlocked.recover(&id(), now()).unwrap();
    assert_eq!(recovered.files[0].bytes, bytes as u64);
    assert_eq!(recovered.manifest.client_code.as_deref(), Some("WOMBAT-17"));
    let session = unlocked.session(&id()).unwrap();
    assert_eq!(
        session.read("audio.flac", 1 << 20).unwrap()[..],
        audio(bytes)[..]
    );
    assert!(unlocked.check(&id()).unwrap().sound());
}
