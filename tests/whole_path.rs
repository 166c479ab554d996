//! From a sound file to a transcript that says who spoke, as scripts use it.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::Command;

use common::desk::{self, Desk};

/// The bundled session, imported and transcribed with tiny.en.
fn transcribed() -> Desk {
    let desk = Desk::new();
    let file = desk::session();
    let id = desk.done(&[
        "import",
        file.to_str().unwrap(),
        "--title",
        "Quillfeather",
        "--client-code",
        "ZEBRA-7781",
    ]);
    assert_eq!(
        id.trim().len(),
        26,
        "the session's id is all that is printed"
    );
    desk.done(&["transcribe", "last", "--model", "tiny.en"]);
    desk
}

/// The transcript of the last session, which is that of the bundled one with few words wrong.
fn written_right(desk: &Desk) -> serde_json::Value {
    let text = desk.done(&["export", "last", "--format", "json"]);
    let transcript: serde_json::Value = serde_json::from_str(&text).unwrap();
    for role in ["therapist", "client"] {
        let reference = desk::reference(role);
        let errors = desk::word_errors(&reference, &desk::heard(&transcript, role));
        let share = errors as f64 / reference.len() as f64;
        println!("{role}: {errors} of {} words wrong", reference.len());
        assert!(
            share < 0.05,
            "{role}: {errors} of {} words wrong",
            reference.len()
        );
    }
    transcript
}

#[test]
fn the_session_is_written_down_with_few_words_wrong_with_one_hypothesis_too_and_says_by_what() {
    let desk = transcribed();
    let by_us = |transcript: serde_json::Value| {
        let engine = transcript["model"]["engine"].as_str().unwrap();
        let ours = engine.starts_with("undertone");
        assert!(ours != engine.starts_with("whisper.cpp"), "{engine}");
        assert_eq!(ours, cfg!(not(feature = "whispercpp")), "{engine}");
    };
    by_us(written_right(&desk));
    desk.done(&["transcribe", "last", "--model", "tiny.en", "--beam", "1"]);
    by_us(written_right(&desk));
    let expected = desk.path("expected.txt");
    std::fs::write(&expected, "breathing exercise\nDr Weiß, Łódź\n").unwrap();
    let expected = expected.to_str().unwrap();
    desk.done(&[
        "transcribe",
        "last",
        "--model",
        "tiny.en",
        "--vocabulary",
        expected,
    ]);
    by_us(written_right(&desk));
}

#[test]
fn the_bundled_session_is_written_down_with_both_speakers_right_and_nothing_readable_on_disk() {
    let desk = transcribed();
    let transcript = written_right(&desk);
    assert_eq!(transcript["schema"], "undertone-transcript/1");
    assert_eq!(transcript["session"]["client_code"], "ZEBRA-7781");

    let facts = desk.done(&["analyze", "last", "--json"]);
    let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
    assert_eq!(facts["schema"], "undertone-analysis/1");
    desk.done(&["show", "last"]);
    let turn = transcript["turns"].as_array().unwrap().iter();
    let turn = turn
        .clone()
        .find(|turn| turn["speaker"] == "client")
        .unwrap()["id"]
        .to_string();
    desk.done(&["judge", "last", &turn, "add", "deference"]);
    desk.done(&["analyze", "last", "--json"]);
    let own = desk.done(&["analyze", "--stats", "--json"]);
    let own: serde_json::Value = serde_json::from_str(&own).unwrap();
    assert_eq!(own[0]["added"], 1, "a new analysis keeps what was judged");
    desk.done(&["judge", "last", &turn, "undo", "deference"]);
    let own = desk.done(&["analyze", "--stats", "--json"]);
    assert!(!own.contains("\"added\": 1"), "{own}");

    let sound = std::fs::read(desk::session()).unwrap();
    desk.holds_none_of(&[
        b"pointless",
        b"breathing",
        b"ZEBRA-7781",
        b"Quillfeather",
        b"fLaC",
        &sound[sound.len() / 2..sound.len() / 2 + 32],
        desk::PASSPHRASE.as_bytes(),
        b"AGE-SECRET-KEY-",
    ]);
}

#[test]
fn every_export_is_what_it_says_and_overwrites_nothing() {
    let desk = transcribed();
    for (format, holds) in [
        ("json", "undertone-transcript/1"),
        ("jsonl", "\"words\""),
        ("txt", "Therapist"),
        ("md", "# Quillfeather"),
        ("vtt", "WEBVTT"),
        ("srt", " --> "),
        ("csv", "speaker"),
    ] {
        let file = desk.path(&format!("out.{format}"));
        let name = file.to_str().unwrap();
        // The ending of the name says what to write.
        desk.done(&["export", "last", "-o", name]);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(holds), "{format}: {text:.80}");
        let again = desk.undertone(&["export", "last", "-o", name]);
        assert_eq!(again.status.code(), Some(2), "{format} was overwritten");
    }
    let file = desk.path("out.docx");
    desk.done(&["export", "last", "-o", file.to_str().unwrap()]);
    assert!(std::fs::read(&file).unwrap().starts_with(b"PK"));

    let file = desk.path("out.wav");
    desk.done(&[
        "export",
        "last",
        "--format",
        "audio",
        "-o",
        file.to_str().unwrap(),
    ]);
    let wav = hound::WavReader::open(&file).unwrap();
    assert_eq!((wav.spec().channels, wav.spec().sample_rate), (2, 16_000));
    let seconds = f64::from(wav.duration()) / 16_000.0;
    assert!((81.0..82.5).contains(&seconds), "{seconds}");
}

#[test]
fn an_export_sealed_to_somebody_opens_with_their_age_and_with_nothing_else() {
    let desk = transcribed();
    let key = desk.path("key.txt");
    let made = Command::new("age-keygen")
        .arg("-o")
        .arg(&key)
        .output()
        .expect("age-keygen cannot be started: install age");
    assert!(made.status.success());
    let text = std::fs::read_to_string(&key).unwrap();
    let recipient = text
        .lines()
        .find_map(|line| line.strip_prefix("# public key: "))
        .unwrap();
    let file = desk.path("talk.md.age");
    desk.done(&[
        "export",
        "last",
        "--to",
        recipient,
        "-o",
        file.to_str().unwrap(),
    ]);
    assert!(!desk::contains(
        &std::fs::read(&file).unwrap(),
        b"pointless"
    ));
    let opened = Command::new("age")
        .arg("-d")
        .arg("-i")
        .arg(&key)
        .arg(&file)
        .output()
        .unwrap();
    assert!(opened.status.success());
    assert!(desk::contains(&opened.stdout, b"pointless"));
}

#[cfg(target_os = "linux")]
#[test]
fn reading_and_transcribing_make_no_socket_at_all() {
    let desk = transcribed();
    for arguments in [
        &["transcribe", "last", "--model", "tiny.en"][..],
        &["show", "last"],
        &["analyze", "last"],
    ] {
        let trace = desk.path("trace");
        let mut command = Command::new("strace");
        desk.prepare(&mut command);
        command
            .args(["-f", "-e", "trace=%network,io_uring_setup", "-o"])
            .arg(&trace)
            .arg(env!("CARGO_BIN_EXE_undertone"))
            .args(["--passphrase-fd", "0"])
            .args(arguments);
        let output = desk::feed(&mut command, desk::PASSPHRASE);
        assert!(output.status.success(), "{arguments:?}");
        let trace = std::fs::read_to_string(trace).expect("strace wrote nothing: install strace");
        assert!(trace.contains("exited with 0"), "{trace}");
        let names = ["socket(", "connect(", "bind(", "io_uring_setup("];
        let calls = desk::calls(&trace);
        let made = calls.iter().find(|call| desk::made(call, &names));
        assert!(made.is_none(), "{arguments:?}: {made:?}");
    }
}
