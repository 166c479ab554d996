//! Bad input gets a clear error, the right exit code, and loses nothing.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::Command;

use common::desk::{self, Desk, session};
use undertone::audio::{Memory, Spec, wav};
use undertone::vault::{Beginning, Origin, SessionId, Vault};

/// Half a second of two tones in a WAV file.
fn tones(channels: u16) -> Vec<u8> {
    let samples: Vec<f32> = (0..8_000 * usize::from(channels))
        .map(|n| 0.3 * (n as f32 * 0.07).sin())
        .collect();
    let spec = Spec {
        sample_rate: 16_000,
        channels,
        frames: Some(8_000),
    };
    let mut bytes = Vec::new();
    wav::write(
        &mut bytes,
        spec,
        &mut Memory::new(samples, 16_000, channels),
    )
    .unwrap();
    bytes
}

#[test]
fn a_file_that_is_no_session_is_refused_and_nothing_is_left_in_the_vault() {
    let desk = Desk::new();
    let flac = std::fs::read(session()).unwrap();
    let hostile = {
        let mut bytes = tones(2);
        bytes[40..44].copy_from_slice(&[0xff; 4]);
        bytes[22] = 0xff;
        bytes
    };
    // File, its bytes, the exit code, what the sentence must say.
    let cases: [(&str, Vec<u8>, i32, &str); 6] = [
        ("mono.wav", tones(1), 2, "channel"),
        ("empty.wav", Vec::new(), 7, "empty"),
        (
            "words.mp3",
            b"no sound at all, only words".to_vec(),
            4,
            "sound",
        ),
        (
            "cut.flac",
            flac[..flac.len() / 2].to_vec(),
            7,
            "Nothing was imported",
        ),
        (
            "cut.wav",
            tones(2)[..9_000].to_vec(),
            7,
            "Nothing was imported",
        ),
        ("hostile.wav", hostile, 0, ""),
    ];
    for (name, bytes, code, says) in cases {
        let file = desk.path(name);
        std::fs::write(&file, bytes).unwrap();
        let output = desk.undertone(&["import", file.to_str().unwrap()]);
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{name} was taken in");
        assert!(!words.contains("defect"), "{name}: {words}");
        if code != 0 {
            assert_eq!(output.status.code(), Some(code), "{name}: {words}");
            assert!(words.contains(says), "{name}: {words}");
        }
        assert_eq!(desk.done(&["sessions", "--json"]).trim(), "[]", "{name}");
    }
    let missing = desk.undertone(&["import", "not-there.wav"]);
    assert_eq!(missing.status.code(), Some(3));
    let file = desk.path("cut.flac");
    desk.done(&["import", "--partial", file.to_str().unwrap()]);
}

#[test]
fn a_wrong_passphrase_opens_nothing_and_says_so() {
    let desk = Desk::new();
    let file = session();
    desk.done(&["import", file.to_str().unwrap()]);
    let output = desk.undertone_with("something else", &["transcribe", "--model", "tiny.en"]);
    assert_eq!(output.status.code(), Some(6));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("passphrase"), "{words}");
    assert!(!words.contains("something else"));
}

#[test]
fn the_passphrase_changes_with_the_old_one_and_two_lines_alone() {
    let desk = Desk::new();
    desk.done(&["import", session().to_str().unwrap()]);
    let new = "an entirely different sentence";
    for lines in [desk::PASSPHRASE.to_owned(), format!("wrong\n{new}")] {
        let output = desk.undertone_with(&lines, &["passphrase"]);
        assert_eq!(output.status.code(), Some(6), "{output:?}");
        desk.done(&["verify"]);
    }
    let lines = format!("{}\n{new}\n", desk::PASSPHRASE);
    let output = desk.undertone_with(&lines, &["passphrase"]);
    assert!(output.status.success(), "{output:?}");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("backup") && !words.contains(new), "{words}");
    assert_eq!(desk.undertone(&["verify"]).status.code(), Some(6));
    assert!(desk.undertone_with(new, &["verify"]).status.success());
}

/// ALSA, and JACK below it, print a dozen lines of their own where there is no card.
#[test]
fn without_a_sound_server_devices_says_only_what_helps() {
    let desk = Desk::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_undertone"));
    desk.prepare(&mut command);
    command.env("PULSE_SERVER", "unix:/nowhere/at/all");
    let output = command.arg("devices").output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    let ours = ["No input", "Next: undertone", "Error:", "  Next:"];
    for line in words.lines() {
        assert!(ours.iter().any(|begin| line.starts_with(begin)), "{words}");
    }
    assert!(!words.is_empty() || !output.stdout.is_empty());
}

fn sealed_sound(desk: &Desk, id: &str) -> std::path::PathBuf {
    let session = desk.vault().join("sessions").join(id.trim());
    session.join("audio.flac.age")
}

#[test]
fn an_altered_or_cut_recording_is_told_and_left_as_it_is() {
    let desk = Desk::new();
    let file = session();
    let id = desk.done(&["import", file.to_str().unwrap()]);
    let sealed = sealed_sound(&desk, &id);
    let whole = std::fs::read(&sealed).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for bytes in [flipped, whole[..whole.len() / 2].to_vec()] {
        std::fs::write(&sealed, &bytes).unwrap();
        let output = desk.undertone(&["transcribe", "--model", "tiny.en"]);
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{words}");
        assert_eq!(
            std::fs::read(&sealed).unwrap(),
            bytes,
            "the file was touched"
        );
    }
    std::fs::write(&sealed, whole).unwrap();
    desk.done(&["transcribe", "--model", "tiny.en"]);
}

#[test]
fn what_comes_before_the_damage_can_be_had() {
    let desk = Desk::new();
    let id = desk.done(&["import", session().to_str().unwrap()]);
    let sealed = sealed_sound(&desk, &id);
    let mut bytes = std::fs::read(&sealed).unwrap();
    let damage = bytes.len() * 2 / 3;
    bytes[damage] ^= 1;
    std::fs::write(&sealed, bytes).unwrap();

    let file = desk.path("talk.wav");
    let name = file.to_str().unwrap();
    let refused = desk.undertone(&["export", "last", "-o", name]);
    assert_eq!(refused.status.code(), Some(7));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--partial"));
    assert!(!file.exists());
    desk.done(&["export", "last", "--partial", "-o", name]);
    desk.done(&["transcribe", "--model", "tiny.en", "--partial"]);
    let again = desk.undertone(&["transcribe", "--model", "tiny.en", "--partial"]);
    assert_eq!(
        again.status.code(),
        Some(2),
        "an earlier transcript is kept"
    );
    let sound = std::fs::read(&file).unwrap();
    // 53.6 of 81 s: two channels of 16 kHz, two bytes a sample, behind a header of 44.
    let told = u32::from_le_bytes(sound[40..44].try_into().unwrap()) as usize;
    assert_eq!(told, sound.len() - 44);
    let seconds = told as f64 / 64_000.0;
    assert!((45.0..60.0).contains(&seconds), "{seconds}");
}

#[test]
fn a_file_that_was_swapped_is_found_by_verify() {
    let desk = Desk::new();
    let file = session();
    let id = desk.done(&["import", file.to_str().unwrap()]);
    assert!(
        desk.done(&["verify", id.trim()])
            .contains("as it was sealed")
    );
    let sealed = desk.vault().join("sessions").join(id.trim());
    // Genuine, and not what the manifest names.
    std::fs::copy(
        sealed.join("manifest.json.age"),
        sealed.join("audio.flac.age"),
    )
    .unwrap();
    let output = desk.undertone(&["verify"]);
    assert_eq!(output.status.code(), Some(7));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        told.contains("NOT AS IT WAS SEALED") && told.contains("audio.flac"),
        "{told}"
    );
    // Nor is it passed over where somebody makes it look interrupted.
    std::fs::write(sealed.join("x.age.part"), b"").unwrap();
    assert_eq!(desk.undertone(&["verify"]).status.code(), Some(7));
}

#[test]
fn an_export_that_fails_leaves_the_file_that_was_there() {
    let desk = Desk::new();
    desk.done(&["import", session().to_str().unwrap()]);
    let out = desk.path("talk.docx");
    std::fs::write(&out, b"corrected by hand").unwrap();
    let path = out.to_str().unwrap();
    // It is not written down yet.
    let output = desk.undertone(&["export", "last", "--force", "-o", path]);
    assert!(!output.status.success());
    assert_eq!(std::fs::read(&out).unwrap(), b"corrected by hand");
    // Nor does a half-written file stay beside it.
    let beside = std::fs::read_dir(out.parent().unwrap()).unwrap();
    let left = beside.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with(".undertone-")
    });
    assert_eq!(left.count(), 0);
    let sound = desk.path("talk.wav");
    std::fs::write(&sound, b"old").unwrap();
    desk.done(&["export", "last", "--force", "-o", sound.to_str().unwrap()]);
    assert!(std::fs::metadata(&sound).unwrap().len() > 1_000);
}

#[test]
fn a_file_of_a_kind_that_is_not_written_is_refused() {
    let desk = Desk::new();
    desk.done(&["import", session().to_str().unwrap()]);
    let out = desk.path("talk.mp3");
    let output = desk.undertone(&["export", "last", "-o", out.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains(".mp3") && words.contains("docx"), "{words}");
    assert!(!out.exists());
    // Nor is one that is called sealed and is not.
    let out = desk.path("talk.docx.age");
    let output = desk.undertone(&["export", "last", "-o", out.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!out.exists());
}

#[test]
fn a_model_that_is_none_or_is_not_what_its_digest_says_is_refused() {
    let desk = Desk::new();
    let models = desk.path("models");
    let name = models.to_str().unwrap();
    let file = desk.path("ggml-base.bin");
    std::fs::write(&file, b"lmgg and then nothing that is a model").unwrap();
    let output = desk.undertone(&["--models", name, "model", "import", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(8));

    let tiny = common::desk::models().join("ggml-tiny.en.bin");
    desk.done(&["--models", name, "model", "import", tiny.to_str().unwrap()]);
    desk.done(&["--models", name, "model", "verify", "tiny.en"]);
    let installed = models.join("ggml-tiny.en.bin");
    let mut bytes = std::fs::read(&installed).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&installed, bytes).unwrap();
    let file = session();
    desk.done(&["import", file.to_str().unwrap()]);
    for arguments in [
        &["--models", name, "model", "verify", "tiny.en"][..],
        &["--models", name, "transcribe", "--model", "tiny.en"],
    ] {
        let output = desk.undertone(arguments);
        assert_eq!(output.status.code(), Some(8), "{arguments:?}");
    }
}

#[test]
fn a_session_that_is_being_written_is_left_alone() {
    let desk = Desk::new();
    let vault = Vault::open(&desk.vault()).unwrap();
    let now = "2026-02-03T10:00:00Z".parse().unwrap();
    let id = SessionId::new(now, 7);
    let writing = vault
        .begin(
            id,
            Beginning {
                created: now,
                origin: Origin::Recorded,
                title: None,
                client_code: None,
                sample_rate: 16_000,
                channels: Vec::new(),
                consent: None,
                tool: "test".to_owned(),
            },
        )
        .unwrap();
    let id = id.to_string();
    for arguments in [
        &["delete", &id, "--yes"][..],
        &["recover", &id],
        &["transcribe", &id, "--model", "tiny.en"],
    ] {
        let output = desk.undertone(arguments);
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(9), "{arguments:?}: {words}");
    }
    drop(writing);
    assert!(desk.done(&["sessions"]).contains("INTERRUPTED"));
}

#[test]
fn errors_are_told_in_json_too() {
    let desk = Desk::new();
    let output = desk.undertone(&["show", "last", "--json"]);
    assert_eq!(output.status.code(), Some(3));
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "not-found");
    assert!(error["error"]["next"].is_array());
}

/// Runs a shell script that sees `$full`, a disk of its own of 400 kB, and the program as `$undertone`.
/// None where the system lets nobody make such a disk.
#[cfg(target_os = "linux")]
fn on_a_small_disk(desk: &Desk, script: &str) -> Option<std::process::Output> {
    let full = desk.path("full");
    std::fs::create_dir_all(&full).unwrap();
    let mount = "mount -t tmpfs -o size=400k tmpfs \"$full\" || exit 99\n";
    let possible = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg("mount -t tmpfs -o size=400k tmpfs \"$full\"")
        .env("full", &full)
        .output()
        .is_ok_and(|output| output.status.success());
    if !possible {
        return None;
    }
    let mut command = Command::new("unshare");
    desk.prepare(&mut command);
    command
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg(format!("{mount}{script}"))
        .env("full", &full)
        .env("undertone", env!("CARGO_BIN_EXE_undertone"))
        .env("session", session());
    let output = desk::feed(&mut command, desk::PASSPHRASE);
    assert_ne!(output.status.code(), Some(99), "the small disk is gone");
    Some(output)
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_from_the_start_is_told_and_nothing_is_left_behind() {
    let desk = Desk::new();
    let Some(output) = on_a_small_disk(
        &desk,
        "cp -r \"$UNDERTONE_VAULT\" \"$full/vault\"; export UNDERTONE_VAULT=\"$full/vault\"
         \"$undertone\" import \"$session\"; echo \"import $?\"
         \"$undertone\" record --consent verbal; echo \"record $?\"
         find \"$full/vault/sessions\" -type f",
    ) else {
        println!("NOT RUN: user namespaces are needed to make a small disk");
        return;
    };
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "import 10\nrecord 10\n",
        "{words}"
    );
    assert!(words.contains("Nothing was imported"), "{words}");
    assert!(words.contains("too little room"), "{words}");
}

#[test]
fn recording_without_a_microphone_says_so_and_leaves_no_session() {
    let desk = Desk::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_undertone"));
    desk.prepare(&mut command);
    // No sound server, and a configuration of ALSA that knows no device.
    std::fs::write(desk.path("asound.conf"), "").unwrap();
    command
        .env("PULSE_SERVER", "unix:/nonexistent")
        .env("ALSA_CONFIG_PATH", desk.path("asound.conf"))
        .args(["record", "--consent", "verbal"]);
    let output = desk::feed(&mut command, "");
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{words}");
    assert!(words.contains("no microphone"), "{words}");
    assert!(words.contains("undertone devices"), "{words}");
    assert!(!desk.done(&["sessions"]).contains("INTERRUPTED"));
}
