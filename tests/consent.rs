//! What the client agreed to is noted when a session begins, and holds for what is done with it.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::desk::{self, Desk};
use undertone::Kind;

fn refused(desk: &Desk, arguments: &[&str]) -> String {
    let output = desk.undertone(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = i32::from(Kind::Consent.exit_code());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(output.stdout.is_empty());
    said
}

fn import(desk: &Desk, flags: &[&str]) -> std::process::Output {
    let file = desk::session();
    desk.undertone(&[&["import", file.to_str().unwrap()], flags].concat())
}

fn consent(desk: &Desk, flags: &[&str]) -> serde_json::Value {
    let text = desk.done(&[&["consent", "last", "--json"], flags].concat());
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_recording_without_a_word_on_consent_is_not_begun() {
    let desk = Desk::new();
    let said = refused(&desk, &["record"]);
    assert!(said.contains("undertone record --consent verbal"), "{said}");
    let said = refused(
        &desk,
        &["record", "--consent", "verbal", "--agreed", "analysis"],
    );
    assert!(said.contains("nothing is recorded"), "{said}");
    assert_eq!(desk.done(&["sessions"]), "");
}

#[test]
fn an_import_without_one_is_noted_as_not_asked_and_warned_of() {
    let desk = Desk::new();
    let output = import(&desk, &[]);
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("--consent verbal"), "{said}");
    assert!(consent(&desk, &[])["consent"].is_null());
    assert!(desk.done(&["consent"]).contains("not asked"));
    desk.done(&[
        "export",
        "last",
        "-o",
        desk.path("out.wav").to_str().unwrap(),
    ]);
}

#[test]
fn what_was_not_agreed_is_refused_until_it_is_and_what_is_taken_back_for_good() {
    let desk = Desk::new();
    let flags = [
        "--consent",
        "written",
        "--agreed",
        "recording",
        "--keep-days",
        "90",
    ];
    let output = import(&desk, &flags);
    assert!(output.status.success());
    let noted = consent(&desk, &[]);
    assert_eq!(noted["consent"]["basis"], "written");
    assert_eq!(noted["consent"]["agreed"], serde_json::json!(["recording"]));
    assert_eq!(noted["consent"]["keep_days"], 90);

    let out = desk.path("out.wav");
    let somebody = "age19gdv6pceqq5lpcedsnw7ga5duazh34j37jp5lpepdhjgr6syjshq2cs2s0";
    let export = [
        "export",
        "last",
        "--format",
        "audio",
        "--to",
        somebody,
        "-o",
        out.to_str().unwrap(),
    ];
    for arguments in [
        &["transcribe", "last", "--model", "tiny.en"][..],
        &["analyze", "last"],
        &["show", "last"],
        &export,
    ] {
        let said = refused(&desk, arguments);
        assert!(said.contains("did not agree"), "{said}");
        assert!(said.contains("undertone consent"), "{said}");
    }
    assert!(!out.exists());

    consent(&desk, &["--agreed", "recording,supervision"]);
    desk.done(&export);
    std::fs::remove_file(&out).unwrap();

    let gone = consent(&desk, &["--revoke"]);
    assert!(gone["consent"]["revoked"].is_string());
    let said = refused(&desk, &export);
    assert!(
        said.contains("took back") && said.contains("undertone delete"),
        "{said}"
    );
    assert!(!out.exists());
    assert!(desk.done(&["consent"]).contains("TAKEN BACK"));
    let trail = std::fs::read_to_string(desk.vault().join("audit.jsonl")).unwrap();
    assert_eq!(trail.matches("consent-changed").count(), 2);
    // Only the times and the session's id are in the open.
    desk.holds_none_of(&[b"supervision", b"keep_days", b"written"]);
}

#[test]
fn what_is_kept_too_long_is_told_where_sessions_are_listed() {
    let desk = Desk::new();
    let flags = ["--consent", "written", "--keep-days", "90"];
    assert!(import(&desk, &flags).status.success());
    let listed = desk.done(&["sessions", "--titles"]);
    assert!(listed.contains("sound agreed until 20"), "{listed}");
    assert!(!desk.done(&["sessions"]).contains("TO BE DELETED"));
    let settings = desk.vault().join("vault.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let text = text.replace("[retention]", "[retention]\nkeep_days = 0");
    std::fs::write(&settings, text).unwrap();
    let output = desk.undertone(&["sessions"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("TO BE DELETED"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("Next: undertone delete"), "{said}");
    let json: serde_json::Value =
        serde_json::from_str(&desk.done(&["sessions", "--json"])).unwrap();
    assert_eq!(json[0]["due"], true);
}
