//! A file in the place of a microphone: for trials, and for most tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::feed::Feed;
use super::{CaptureSource, CaptureStream, Complaint};
use crate::audio::{Frames, Spec};
use crate::{Error, Kind, Result};

/// How fast a [`FileSource`] plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As a microphone would: 20 ms every 20 ms, and what is not read in time is lost.
    RealTime,
    /// As fast as it is read; nothing is lost.
    AsRead,
}

/// [`Frames`] played as if they were captured.
pub struct FileSource {
    name: String,
    spec: Spec,
    pace: Pace,
    from: Option<Box<dyn Frames + Send>>,
}

impl FileSource {
    /// A source that plays `from` once.
    #[must_use]
    pub fn new(name: &str, from: Box<dyn Frames + Send>, pace: Pace) -> Self {
        FileSource {
            name: name.to_owned(),
            spec: from.spec(),
            pace,
            from: Some(from),
        }
    }
}

impl CaptureSource for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn spec(&self) -> Spec {
        self.spec
    }

    fn start(&mut self) -> Result<CaptureStream> {
        let Some(mut from) = self.from.take() else {
            return Err(Error::new(
                Kind::Audio,
                "This file was already played to its end.",
            ));
        };
        let (mut feed, mut stream) = CaptureStream::new(self.spec);
        let counters = stream.counters.clone();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let (pace, spec) = (self.pace, self.spec);
        let thread = std::thread::Builder::new()
            .name("play-file".to_owned())
            .spawn(move || {
                if play(from.as_mut(), &mut feed, spec, pace, &stopped).is_err() {
                    counters.complain(Complaint::Other);
                }
            })
            .map_err(|_| Error::new(Kind::Internal, "No thread could be started."))?;
        stream.keep = Some(Box::new(Player {
            stop,
            thread: Some(thread),
        }));
        Ok(stream)
    }
}

fn play(
    from: &mut dyn Frames,
    feed: &mut Feed,
    spec: Spec,
    pace: Pace,
    stop: &AtomicBool,
) -> Result<()> {
    let step = (spec.sample_rate / 50).max(1) as usize;
    let begun = Instant::now();
    let mut played = 0u64;
    let mut samples = Vec::new();
    loop {
        samples.clear();
        // A whole 20 ms a turn, as devices do, however small the pieces that the file comes in.
        let mut frames = 0;
        while frames < step {
            match from.read(&mut samples, step - frames)? {
                0 => break,
                n => frames += n,
            }
        }
        if frames == 0 {
            return Ok(());
        }
        played += frames as u64;
        match pace {
            Pace::RealTime => {
                let due =
                    Duration::from_secs_f64(played as f64 / f64::from(spec.sample_rate.max(1)));
                while let Some(left) = due.checked_sub(begun.elapsed()).filter(|d| !d.is_zero()) {
                    if stop.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                    std::thread::sleep(left.min(Duration::from_millis(50)));
                }
            }
            Pace::AsRead => {
                while feed.room() < samples.len() {
                    if stop.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        feed.call(samples.iter().copied());
    }
}

struct Player {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Player {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in there was reported where it happened.
            let _ = thread.join();
        }
    }
}
