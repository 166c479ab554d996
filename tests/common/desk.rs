//! A therapist's desk: a throw-away vault, the fetched models, and the real program.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use age::secrecy::SecretString;
use undertone::vault::{NewVault, Vault};

pub const PASSPHRASE: &str = "winter apples keep in straw";

pub struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    /// An empty vault, made with a low work factor so that tests are quick.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temp folder");
        Vault::create(
            &dir.path().join("vault"),
            NewVault {
                passphrase: SecretString::from(PASSPHRASE.to_owned()),
                work_factor: 4,
                extra_recipients: Vec::new(),
                recovery: false,
                identity: None,
                created: "2026-01-05T09:00:00Z".parse().expect("a time"),
            },
        )
        .expect("a vault");
        Desk { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn vault(&self) -> PathBuf {
        self.path("vault")
    }

    /// Adds what every call needs: the vault, the models, a home and a temp folder of its own.
    pub fn prepare(&self, command: &mut Command) {
        std::fs::create_dir_all(self.path("tmp")).expect("a folder");
        command
            .env("UNDERTONE_VAULT", self.vault())
            .env("UNDERTONE_MODELS", models())
            .env("TMPDIR", self.path("tmp"))
            .env("NO_COLOR", "1");
    }

    /// The program with the passphrase on its standard input.
    pub fn undertone(&self, arguments: &[&str]) -> Output {
        self.undertone_with(PASSPHRASE, arguments)
    }

    pub fn undertone_with(&self, passphrase: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_undertone"));
        self.prepare(&mut command);
        feed(
            command.args(["--passphrase-fd", "0"]).args(arguments),
            passphrase,
        )
    }

    /// As [`Self::undertone`], but it must succeed; returns stdout.
    pub fn done(&self, arguments: &[&str]) -> String {
        let output = self.undertone(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Every file under the desk.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.dir.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path);
                }
            }
        }
        found
    }

    /// Fails if any file under the desk, or its name, holds one of these byte strings.
    pub fn holds_none_of(&self, secrets: &[&[u8]]) {
        for path in self.files() {
            let bytes = std::fs::read(&path).expect("a file");
            let name = path.to_string_lossy().into_owned().into_bytes();
            for secret in secrets {
                assert!(!contains(&bytes, secret), "{} holds it", path.display());
                assert!(!contains(&name, secret), "{} is named so", path.display());
            }
        }
    }
}

/// Runs a command with a line on its standard input.
pub fn feed(command: &mut Command, line: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // Commands that need no passphrase do not read it.
    let _ = stdin.write_all(format!("{line}\n").as_bytes());
    drop(stdin);
    child.wait_with_output().expect("the command ends")
}

pub fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The calls in what `strace -f` wrote, in the order they began, each on one line with its result:
/// strace breaks a call in two where another thread's comes in between.
pub fn calls(trace: &str) -> Vec<String> {
    let mut calls: Vec<String> = Vec::new();
    let mut begun: HashMap<&str, usize> = HashMap::new();
    for line in trace.lines() {
        let thread = line.split_whitespace().next().unwrap_or_default();
        if let Some((_, rest)) = line.split_once(" resumed>") {
            if let Some(at) = begun.remove(thread) {
                calls[at].push_str(rest);
            }
        } else if let Some(first) = line.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, calls.len());
            calls.push(first.to_owned());
        } else {
            calls.push(line.to_owned());
        }
    }
    calls
}

/// Whether a traced call is one of these and was not refused. The lockdown proves itself by asking
/// for a socket that must be refused; a call with no result counts as made.
pub fn made(call: &str, names: &[&str]) -> bool {
    !call.contains(" = -1 ") && names.iter().any(|name| call.contains(name))
}

#[test]
fn a_call_that_strace_broke_in_two_is_one_call_with_its_result() {
    let trace = "7 socket(AF_INET, 0 <unfinished ...>\n8 write(1) = 1\n\
                 7 <... socket resumed>) = -1 EAFNOSUPPORT\n8 socket(AF_UNIX <unfinished ...>";
    let calls = calls(trace);
    assert_eq!(calls.len(), 3);
    assert_eq!(calls[0], "7 socket(AF_INET, 0) = -1 EAFNOSUPPORT");
    assert!(!made(&calls[0], &["socket("]));
    assert!(made(&calls[2], &["socket("]));
}

/// A vault whose passphrase is cheap to try.
pub fn new_vault(passphrase: &str, created: jiff::Timestamp) -> undertone::vault::NewVault {
    undertone::vault::NewVault {
        passphrase: passphrase.to_owned().into(),
        work_factor: 2,
        extra_recipients: Vec::new(),
        recovery: false,
        identity: None,
        created,
    }
}

/// The folder with the fetched tiny.en.
pub fn models() -> PathBuf {
    let folder = std::env::var_os("UNDERTONE_MODELS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join(".models"),
        PathBuf::from,
    );
    assert!(
        folder.join("ggml-tiny.en.bin").exists(),
        "the model tiny.en is not in {}: run scripts/test, or \
         UNDERTONE_MODELS=.models scripts/fetch-model tiny.en",
        folder.display()
    );
    folder
}

/// The bundled session.
pub fn session() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/session.flac")
}

/// What a speaker says in the bundled session, as plain lower-case words.
pub fn reference(role: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/session.json");
    let text = std::fs::read_to_string(path).expect("the reference");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let mut segments: Vec<_> = json["segments"]
        .as_array()
        .expect("segments")
        .iter()
        .filter(|segment| segment["role"] == role)
        .collect();
    segments.sort_by(|a, b| {
        a["start"]
            .as_f64()
            .partial_cmp(&b["start"].as_f64())
            .expect("times")
    });
    segments
        .iter()
        .flat_map(|segment| plain(segment["text"].as_str().expect("text")))
        .collect()
}

/// What a transcript has a speaker say, suspect words left out.
pub fn heard(transcript: &serde_json::Value, speaker: &str) -> Vec<String> {
    transcript["turns"]
        .as_array()
        .expect("turns")
        .iter()
        .filter(|turn| turn["speaker"] == speaker)
        .flat_map(|turn| turn["words"].as_array().expect("words"))
        .filter(|word| word["suspect"] != true)
        .flat_map(|word| plain(word["text"].as_str().expect("text")))
        .collect()
}

fn plain(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric() && c != '\'')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Fails if a transcript holds a word that is said in the bundled session between 17.5 and 31.5 s and
/// nowhere else, which was played off the record, or lacks one that was said before (0.5 to 14.5 s)
/// and after it (48.2 to 66.5 s). Returns where the pause was, in seconds: no word lies in it.
pub fn pause_left_no_word(transcript: &serde_json::Value) -> (f64, f64) {
    let all: Vec<String> = ["therapist", "client"]
        .iter()
        .flat_map(|who| heard(transcript, who))
        .collect();
    println!("{}", all.join(" "));
    for word in [
        "helping",
        "months",
        "wake",
        "night",
        "breathing",
        "pointless",
        "silly",
    ] {
        let leaked = all.iter().any(|heard| heard == word);
        assert!(!leaked, "{word:?} was off the record");
    }
    for word in ["okay", "listening", "scary", "risk"] {
        assert!(all.iter().any(|heard| heard == word), "{word:?} was said");
    }
    let at = |value: &serde_json::Value| value.as_f64().expect("a time");
    let gap = &transcript["gaps"][0];
    assert_eq!(gap["reason"], "off the record");
    let (from, to) = (at(&gap["start"]), at(&gap["start"]) + at(&gap["duration"]));
    for turn in transcript["turns"].as_array().expect("turns") {
        for word in turn["words"].as_array().expect("words") {
            let start = at(&word["start"]);
            assert!(start < from + 0.3 || start > to - 0.3, "a word at {start}");
        }
    }
    (from, to)
}

/// Wrong, missing and added words against the reference (edit distance).
pub fn word_errors(reference: &[String], heard: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (i, wanted) in reference.iter().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, word) in heard.iter().enumerate() {
            let change = corner + usize::from(wanted != word);
            corner = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(corner + 1);
        }
    }
    row[heard.len()]
}
