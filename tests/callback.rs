//! What a device's thread does when it is called allocates nothing, waits for nobody, and calls the
//! system for nothing: whatever the ring is like. How long it takes at most is printed.
//!
//! Allocations are counted by this program's own allocator. System calls are seen by `strace`,
//! between two calls that mark the place. That there is no lock: `src/audio/capture/feed.rs` has
//! atomics and two rings of `rtrb`, which is wait-free; a lock that somebody else holds would call
//! the system, and here the reader is at work meanwhile.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(unsafe_code)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use undertone::audio::Spec;
use undertone::audio::capture::{CaptureStream, Feed};

thread_local! {
    static COUNTED: Cell<Option<u64>> = const { Cell::new(None) };
}

struct Counting;

fn count() {
    // A thread that is ending has no counter.
    let _ = COUNTED.try_with(|counted| {
        if let Some(number) = counted.get() {
            counted.set(Some(number + 1));
        }
    });
}

// SAFETY: every call is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count();
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SPEC: Spec = Spec {
    sample_rate: 48_000,
    channels: 2,
    frames: None,
};

/// Calls as a device does, 20 ms of sound each, 2,000 times: into a ring that is read, that is
/// full, that has room again.
fn call(feed: &mut Feed, block: &[i16], wait: Duration) {
    for _ in 0..2_000 {
        feed.call(block.iter().map(|sample| f32::from(*sample) / 32_768.0));
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
    }
}

/// Runs `calls` while another thread reads now and then.
fn beside_a_reader(calls: impl FnOnce(&mut Feed)) -> CaptureStream {
    let (mut feed, mut stream) = CaptureStream::new(SPEC);
    let over = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&over);
    let reader = std::thread::spawn(move || {
        let mut read = Vec::new();
        while !ended.load(Ordering::Relaxed) {
            stream.read(&mut read);
            read.clear();
            std::thread::sleep(Duration::from_millis(1));
        }
        stream
    });
    calls(&mut feed);
    over.store(true, Ordering::Relaxed);
    reader.join().unwrap()
}

#[test]
fn a_call_allocates_nothing() {
    let block = vec![1_000_i16; 1_920];
    for wait in [Duration::ZERO, Duration::from_micros(50)] {
        let mut counted = None;
        let stream = beside_a_reader(|feed| {
            COUNTED.set(Some(0));
            call(feed, &block, wait);
            counted = COUNTED.replace(None);
        });
        assert_eq!(counted, Some(0));
        assert_eq!(stream.callbacks(), 2_000);
        println!(
            "slowest of 2000 calls, {wait:?} apart: {:?}; {} frames lost",
            stream.slowest_call(),
            stream.frames_lost()
        );
        // Both ways through the call: room, and none.
        assert_eq!(stream.frames_lost() > 0, wait.is_zero());
    }
    COUNTED.set(Some(0));
    drop(Box::new([0_u8; 64]));
    assert_eq!(COUNTED.replace(None), Some(2), "what counts, counts");
}

#[cfg(target_os = "linux")]
#[test]
fn a_call_calls_the_system_for_nothing() {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let status = std::process::Command::new("strace")
        .args(["-f", "-o"])
        .arg(trace.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "inside_call_between_marks", "--ignored"])
        .stdout(std::process::Stdio::null())
        .status()
        .expect("strace cannot be started: install strace");
    assert!(status.success());
    let trace = std::fs::read_to_string(trace.path()).unwrap();
    let calls = common::desk::calls(&trace);
    let marks: Vec<usize> = (0..calls.len())
        .filter(|at| calls[*at].contains("getppid("))
        .collect();
    assert_eq!(marks.len(), 2, "both marks are seen");
    let thread = calls[marks[0]].split_whitespace().next().unwrap();
    let between: Vec<&String> = calls[marks[0] + 1..marks[1]]
        .iter()
        .filter(|call| call.split_whitespace().next() == Some(thread))
        .filter(|call| !call.contains("--- SIG") && !call.contains("restart_syscall"))
        .collect();
    assert!(between.is_empty(), "{between:?}");
    // The reader's are there: this looks at the right place.
    let others = &calls[marks[0] + 1..marks[1]];
    assert!(others.iter().any(|call| call.contains("nanosleep")));
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by the test above, watched by strace"]
fn inside_call_between_marks() {
    let block = vec![1_000_i16; 1_920];
    beside_a_reader(|feed| {
        // A first call, so that what is bound at first use is bound.
        call(feed, &block, Duration::ZERO);
        let begun = Instant::now();
        let _ = rustix::process::getppid();
        while begun.elapsed() < Duration::from_millis(200) {
            call(feed, &block, Duration::ZERO);
        }
        let _ = rustix::process::getppid();
    });
}
