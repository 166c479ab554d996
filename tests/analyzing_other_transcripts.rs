//! `undertone analyze --stdin`: transcripts from elsewhere, with no vault and no passphrase.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs `undertone analyze --stdin` where there is no vault, with this on its stdin.
fn analyze(arguments: &[&str], input: &[u8]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_undertone"))
        .args(["--vault", "nowhere", "analyze", "--stdin"])
        .args(arguments)
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refuses early closes its stdin: that is its right.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    output
}

fn json(output: &Output) -> serde_json::Value {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    serde_json::from_slice(&output.stdout).unwrap()
}

const TALK: &str = "\
Therapist: How have these weeks been for you, with our sessions?
Client: Honestly, I don't think therapy is helping me.
Therapist: Thank you for telling me. I may have missed what you came for. What would help more?
Client: Something practical.
";

#[test]
fn plain_lines_give_passages_and_no_times() {
    let found = json(&analyze(&["--from", "plain", "--json"], TALK.as_bytes()));
    assert_eq!(found["schema"], "undertone-analysis/1");
    assert!(found.get("facts").is_none());
    let episode = &found["episodes"][0];
    assert_eq!(episode["marker"]["kind"], "complaint_progress");
    assert_eq!(episode["marker"]["tier"], "explicit");
    assert_eq!(episode["marker"]["turn"], 2);
    assert_eq!(episode["outcome"], "received_first");
    assert_eq!(episode["replies"][0]["kinds"][0], "thank");
    assert!(!episode["repair"][0]["heard"].is_null());
    assert!(episode["repair"][2]["heard"].is_null());
}

#[test]
fn webvtt_with_voices_gives_passages_and_times() {
    let talk = "WEBVTT\n\n00:01.000 --> 00:03.000\n<v Ann>How are our sessions for you?\n\n\
        00:04.000 --> 00:07.000\n<v Ben>I don't think therapy is helping me.\n";
    let names = [
        "--from",
        "webvtt",
        "--therapist",
        "Ann",
        "--client",
        "ben",
        "--json",
    ];
    let found = json(&analyze(&names, talk.as_bytes()));
    assert_eq!(found["episodes"][0]["marker"]["start"], 4.0);
    assert_eq!(found["facts"]["session_seconds"], 7.0);
}

#[test]
fn on_screen_the_words_come_first_and_every_line_fits() {
    let output = analyze(&["--from", "plain"], TALK.as_bytes());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("Passages where strain may have been voiced"));
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    assert!(!text.contains('%'));
    let quiet = analyze(
        &["--from", "plain"],
        b"T: How was the sea?\nC: Cold, we swam.\n",
    );
    let text = String::from_utf8(quiet.stdout).unwrap();
    assert!(text.starts_with("Nothing explicit found; trained observers find ruptures"));
}

#[test]
fn what_is_no_transcript_is_refused_without_a_word_of_it() {
    for (arguments, input, exit) in [
        (vec!["--json"], "{\"secret\": 1}", 7),
        (vec![], "secret", 7),
        (vec!["--from", "webvtt"], "secret", 7),
        (vec!["--from", "plain"], "Secret: who am I?", 7),
        (vec!["--from", "plain"], "", 7),
        (vec!["--from", "pdf"], "secret", 2),
    ] {
        let output = analyze(&arguments, input.as_bytes());
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}");
        let told = String::from_utf8_lossy(&output.stderr).to_lowercase();
        assert!(!told.contains("secret"), "{told}");
        assert!(output.stdout.is_empty());
    }
    let output = analyze(&["--from", "plain"], &[b'T', b':', 0xff, 0xfe]);
    assert_eq!(output.status.code(), Some(7));
}
