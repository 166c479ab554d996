//! A session of hours: time and memory stay in bounds, and no time drifts.
//!
//! The bundled session is repeated until it is long enough. `UNDERTONE_LONG_HOURS` (0.25 unless
//! given) and `UNDERTONE_LONG_MODEL` (tiny.en) choose what is run:
//!
//! ```sh
//! UNDERTONE_LONG_HOURS=3 cargo test --release --test long_session -- --ignored --nocapture
//! ```

#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::desk::{self, Desk};
use serde_json::Value;

/// The most memory a step may take at once, in bytes.
const MOST_MEMORY: u64 = 1_200_000_000;
/// Words of a later round are looked for this close to their place in the first, in seconds.
const NEAR: f64 = 1.0;

struct Step {
    stdout: String,
    peak_bytes: u64,
    cpu_seconds: f64,
}

/// Runs the program and watches its memory and processor time while it lasts.
fn watched(desk: &Desk, arguments: &[&str]) -> Step {
    let mut command = Command::new(env!("CARGO_BIN_EXE_undertone"));
    desk.prepare(&mut command);
    let mut child = command
        .args(["--quiet", "--passphrase-fd", "0"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child
        .stdin
        .take()
        .unwrap()
        .write_all(format!("{}\n", desk::PASSPHRASE).as_bytes());
    let mut out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).unwrap();
        text
    });
    let proc = format!("/proc/{}", child.id());
    let (mut peak_bytes, mut cpu_seconds) = (0, 0.0f64);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        peak_bytes = peak_bytes.max(high_water(&proc).unwrap_or(0));
        cpu_seconds = cpu_seconds.max(processor_time(&proc).unwrap_or(0.0));
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.success(), "{arguments:?} ended with {status}");
    assert!(peak_bytes > 0, "the memory of {arguments:?} was not seen");
    Step {
        stdout: reader.join().unwrap(),
        peak_bytes,
        cpu_seconds,
    }
}

/// The largest resident size so far, in bytes.
fn high_water(proc: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("{proc}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Seconds of processor time so far, all threads together; the kernel counts hundredths.
fn processor_time(proc: &str) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("{proc}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// Both speakers' words in the order of the file, as (speaker, text, start), each speaker's starts
/// checked never to go back.
fn words(transcript: &Value) -> Vec<(String, String, f64)> {
    let mut all = Vec::new();
    for speaker in ["therapist", "client"] {
        let mut before = 0.0;
        for turn in transcript["turns"].as_array().unwrap() {
            if turn["speaker"] != speaker {
                continue;
            }
            for word in turn["words"].as_array().unwrap() {
                let (start, end) = (
                    word["start"].as_f64().unwrap(),
                    word["end"].as_f64().unwrap(),
                );
                assert!(start >= before, "{speaker} goes back to {start}");
                assert!(end >= start, "a word ends before it starts at {start}");
                before = start;
                let text = word["text"].as_str().unwrap().to_lowercase();
                all.push((speaker.to_owned(), text, start));
            }
        }
    }
    all
}

#[test]
#[ignore = "takes minutes"]
fn slow_a_session_of_hours_keeps_its_times_and_stays_small() {
    let hours: f64 = std::env::var("UNDERTONE_LONG_HOURS")
        .map_or(0.25, |text| text.parse().expect("hours as a number"));
    let model = std::env::var("UNDERTONE_LONG_MODEL").unwrap_or_else(|_| "tiny.en".to_owned());
    let desk = Desk::new();
    let file = desk.path("long.wav");
    let round = session_seconds();
    let rounds = (hours * 3600.0 / round).ceil();
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-stream_loop", &format!("{}", rounds - 1.0)])
        .arg("-i")
        .arg(desk::session())
        .arg(&file)
        .status()
        .expect("ffmpeg cannot be started: install ffmpeg");
    assert!(made.success());

    let mut steps = Vec::new();
    for (name, arguments) in [
        ("import", vec!["import", file.to_str().unwrap()]),
        (
            "transcribe",
            vec!["transcribe", "last", "--model", &model, "--language", "en"],
        ),
        ("export", vec!["export", "last", "--format", "json"]),
    ] {
        let begun = Instant::now();
        let step = watched(&desk, &arguments);
        println!(
            "{name}: {:.0} MB at most, {:.1} s of processor time, {:.1} s",
            step.peak_bytes as f64 / 1e6,
            step.cpu_seconds,
            begun.elapsed().as_secs_f64()
        );
        steps.push(step);
    }
    let transcript: Value = serde_json::from_str(&steps[2].stdout).unwrap();
    let words = words(&transcript);
    let first: Vec<_> = words.iter().filter(|word| word.2 < round).collect();
    let mut worst_shift = 0.0f64;
    for at in 1..rounds as usize {
        let begin = at as f64 * round;
        let own: Vec<_> = words
            .iter()
            .filter(|word| (begin..begin + round).contains(&word.2))
            .collect();
        let mut shifts: Vec<f64> = first
            .iter()
            .filter_map(|(speaker, text, start)| {
                own.iter()
                    .filter(|word| word.0 == *speaker && word.1 == *text)
                    .map(|word| word.2 - begin - start)
                    .min_by(|a, b| a.abs().total_cmp(&b.abs()))
                    .filter(|shift| shift.abs() < NEAR)
            })
            .collect();
        assert!(
            shifts.len() * 10 >= first.len() * 9,
            "round {at} has {} of the first round's {} words",
            shifts.len(),
            first.len()
        );
        shifts.sort_by(f64::total_cmp);
        let median = shifts[shifts.len() / 2];
        if median.abs() > worst_shift.abs() {
            worst_shift = median;
        }
    }
    println!(
        "{:.2} h with {model}: {} words, times of a round shifted by {:.3} s at most (median of its words)",
        rounds * round / 3600.0,
        words.len(),
        worst_shift
    );
    assert!(worst_shift.abs() < 0.02, "times drift by {worst_shift} s");
    for step in &steps {
        assert!(step.peak_bytes < MOST_MEMORY, "{} bytes", step.peak_bytes);
    }
}

/// Length of the bundled session in seconds.
fn session_seconds() -> f64 {
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "format=duration"])
        .args(["-of", "default=nw=1:nk=1"])
        .arg(desk::session())
        .output()
        .expect("ffprobe cannot be started: install ffmpeg");
    String::from_utf8(probe.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}
