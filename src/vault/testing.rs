//! A vault for tests: quick to open, in a folder that goes away.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use jiff::Timestamp;

use super::*;

/// The passphrase of every test vault.
pub(super) fn passphrase() -> age::secrecy::SecretString {
    "gravel onion trumpet".to_owned().into()
}

/// Some time.
pub(super) fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

pub(super) fn new_vault() -> NewVault {
    NewVault {
        passphrase: passphrase(),
        work_factor: 2,
        extra_recipients: Vec::new(),
        recovery: false,
        identity: None,
        created: now(),
    }
}

pub(super) struct Fixture {
    pub(super) _dir: tempfile::TempDir,
    pub(super) root: PathBuf,
    pub(super) vault: Vault,
    pub(super) unlocked: Unlocked,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("vault");
        let (vault, _) = Vault::create(&root, new_vault()).unwrap();
        let unlocked = vault.unlock(&passphrase()).unwrap();
        Fixture {
            _dir: dir,
            root,
            vault,
            unlocked,
        }
    }

    pub(super) fn folder(&self, id: &SessionId) -> PathBuf {
        self.root.join("sessions").join(id.to_string())
    }

    /// A whole session with `audio` as its audio.
    pub(super) fn session(&self, random: u128, audio: &[u8]) -> SessionId {
        use std::io::Write;
        let session = self.vault.begin(id(random), beginning()).unwrap();
        let mut stream = session.stream("audio.flac").unwrap();
        stream.write_all(audio).unwrap();
        stream.finish().unwrap();
        let mut manifest = session.manifest();
        manifest.duration_s = Some(1.5);
        let id = session.id();
        session.finish(manifest, now()).unwrap();
        id
    }
}

pub(super) fn id(random: u128) -> SessionId {
    SessionId::new(now(), random)
}

pub(super) fn beginning() -> Beginning {
    Beginning {
        created: now(),
        origin: Origin::Recorded,
        title: Some("Ninth session".into()),
        client_code: Some("WOMBAT-17".into()),
        sample_rate: 16_000,
        channels: vec![
            ChannelInfo {
                channel: 0,
                role: Role::Therapist,
                device: None,
            },
            ChannelInfo {
                channel: 1,
                role: Role::Client,
                device: None,
            },
        ],
        consent: None,
        tool: "undertone test".into(),
    }
}

/// Bytes that do not repeat.
pub(super) fn noise(length: usize) -> Vec<u8> {
    (0..length as u64)
        .map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
        .collect()
}
