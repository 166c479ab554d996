//! A vault can be opened without undertone: Debian's `age` does, file by file.
//!
//! Fails where `age` and `age-keygen` are not installed (`apt-get install age`): a promise that
//! is not tested on some machines is not one.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(unix)]
mod common;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use age::secrecy::ExposeSecret;
#[cfg(unix)]
use common::tmux::Tmux;
use jiff::Timestamp;
use undertone::Kind;
use undertone::vault::{Beginning, ChannelInfo, NewVault, Origin, Role, SessionId, Vault};

fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{program} is needed for this test ({e}): apt-get install age"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// Writes a secret where `age -i` finds it.
fn keep(path: &Path, secret: &[u8]) {
    std::fs::write(path, secret).unwrap();
}

struct Sample {
    _dir: tempfile::TempDir,
    dir: PathBuf,
    vault: Vault,
    id: SessionId,
    /// The recovery identity's file.
    recovery: PathBuf,
    /// The file of an identity made by `age-keygen`, whose recipient was given to the vault.
    supervisor: PathBuf,
    recovery_text: String,
    audio: Vec<u8>,
}

impl Sample {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().to_owned();
        let supervisor = dir.join("supervisor.txt");
        keep(&supervisor, &run("age-keygen", &[]));
        let public = run("age-keygen", &["-y", supervisor.to_str().unwrap()]);

        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let new = NewVault {
            passphrase: "gravel onion trumpet".to_owned().into(),
            work_factor: 2,
            extra_recipients: vec![String::from_utf8(public).unwrap()],
            recovery: true,
            identity: None,
            created: now,
        };
        let (vault, recovery_secret) = Vault::create(&dir.join("vault"), new).unwrap();
        let recovery_text = recovery_secret.unwrap().expose_secret().to_owned();
        let recovery = dir.join("recovery.txt");
        keep(&recovery, recovery_text.as_bytes());

        let audio: Vec<u8> = (0..300_000_u32).map(|i| (i * 7 % 253) as u8).collect();
        let session = vault
            .begin(
                SessionId::new(now, 1),
                Beginning {
                    created: now,
                    origin: Origin::Recorded,
                    title: Some("Ninth session".into()),
                    client_code: None,
                    sample_rate: 16_000,
                    channels: vec![ChannelInfo {
                        channel: 0,
                        role: Role::Client,
                        device: None,
                    }],
                    consent: None,
                    tool: "test".into(),
                },
            )
            .unwrap();
        let mut stream = session.stream("audio.flac").unwrap();
        stream.write_all(&audio).unwrap();
        stream.finish().unwrap();
        session.put("transcript.json", b"{\"turns\": []}").unwrap();
        let id = session.id();
        let manifest = session.manifest();
        session.finish(manifest, now).unwrap();
        Sample {
            _dir: temp,
            dir,
            vault,
            id,
            recovery,
            supervisor,
            recovery_text,
            audio,
        }
    }

    fn file(&self, name: &str) -> String {
        let session = self.vault.path().join("sessions").join(self.id.to_string());
        session.join(name).to_str().unwrap().to_owned()
    }

    /// Opens `key.age` by hand and returns the path of the session's identity.
    fn key(&self, identity: &Path) -> String {
        let key = self.dir.join("key.txt");
        keep(
            &key,
            &run(
                "age",
                &[
                    "-d",
                    "-i",
                    identity.to_str().unwrap(),
                    &self.file("key.age"),
                ],
            ),
        );
        key.to_str().unwrap().to_owned()
    }
}

#[test]
fn age_opens_key_audio_transcript_and_manifest_of_a_session() {
    let sample = Sample::new();
    for identity in [&sample.recovery, &sample.supervisor] {
        let key = sample.key(identity);
        assert_eq!(
            run("age", &["-d", "-i", &key, &sample.file("audio.flac.age")]),
            sample.audio
        );
        let transcript = run(
            "age",
            &["-d", "-i", &key, &sample.file("transcript.json.age")],
        );
        assert_eq!(transcript, b"{\"turns\": []}");
        let manifest = run(
            "age",
            &["-d", "-i", &key, &sample.file("manifest.json.age")],
        );
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(manifest["schema"], "undertone-session/1");
        assert_eq!(manifest["title"], "Ninth session");
        // The digests are those that `sha256sum` prints of the sealed files.
        let sum = run("sha256sum", &[&sample.file("audio.flac.age")]);
        let sum = String::from_utf8(sum).unwrap();
        assert_eq!(manifest["files"]["audio.flac"]["sha256"], sum[..64]);
    }
}

/// `age` asks for a passphrase at a terminal alone.
#[cfg(unix)]
#[test]
fn age_opens_the_identity_of_a_vault_with_its_passphrase() {
    let sample = Sample::new();
    let identity = sample.vault.path().join("identity.age");
    let script = format!(
        "age -d '{}' | grep -c '^AGE-SECRET-KEY-1'; echo \"that many keys\"; sleep 600",
        identity.display()
    );
    let terminal = Tmux::start(&sample.dir, &|tmux| Command::new(tmux), (80, 24), &script);
    terminal.until("Enter passphrase");
    terminal.press(&["-l", "gravel onion trumpet"]);
    terminal.press(&["Enter"]);
    let screen = terminal.until("that many keys");
    assert!(screen.lines().any(|line| line.trim() == "1"), "{screen}");
}

#[test]
fn the_key_of_a_session_is_an_identity_file_as_age_keygen_writes_it() {
    let sample = Sample::new();
    let key = sample.key(&sample.recovery);
    let text = std::fs::read_to_string(&key).unwrap();
    let public = String::from_utf8(run("age-keygen", &["-y", &key])).unwrap();
    assert!(
        text.contains(&format!("# public key: {}", public.trim())),
        "comment and key agree"
    );
}

#[test]
fn a_file_sealed_by_age_is_read_by_undertone_and_known_not_to_be_ours() {
    let sample = Sample::new();
    let key = sample.key(&sample.supervisor);
    let public = String::from_utf8(run("age-keygen", &["-y", &key])).unwrap();
    let plain = sample.dir.join("by-hand.json");
    std::fs::write(&plain, b"by hand").unwrap();
    let sealed = sample.file("transcript.json.age");
    run(
        "age",
        &["-r", public.trim(), "-o", &sealed, plain.to_str().unwrap()],
    );

    let unlocked = sample
        .vault
        .unlock_with_identity(&sample.recovery_text)
        .unwrap();
    let session = unlocked.session(&sample.id).unwrap();
    let mut read = Vec::new();
    session
        .stream("transcript.json")
        .unwrap()
        .read_to_end(&mut read)
        .unwrap();
    assert_eq!(read, b"by hand");
    assert!(!unlocked.check(&sample.id).unwrap().sound());
}

#[test]
fn age_and_undertone_refuse_the_same_cut_file() {
    let sample = Sample::new();
    let key = sample.key(&sample.recovery);
    let path = sample.file("audio.flac.age");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let status = Command::new("age")
        .args(["-d", "-i", &key, "-o", "/dev/null", &path])
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success());
    let unlocked = sample
        .vault
        .unlock_with_identity(&sample.recovery_text)
        .unwrap();
    let session = unlocked.session(&sample.id).unwrap();
    assert_eq!(
        session.read("audio.flac", 1 << 20).unwrap_err().kind(),
        Kind::Damaged
    );
}
