//! The two chosen channels of a running capture, as frames that end when the recording ends.
//!
//! Everything that watches the sound (levels, the first ten seconds, a device that went quiet)
//! sits here, before resampling, so that it sees what the device gave.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::audio::capture::{CaptureStream, Complaint};
use crate::audio::levels::check::{self, Finding};
use crate::audio::levels::{Level, Meter};
use crate::audio::{Frames, Spec};
use crate::{Error, Kind, Result};

/// A device that gives nothing for this long has stopped.
const DEAD_AFTER: Duration = Duration::from_secs(2);
/// The microphones are judged once, by this much sound, in seconds.
const JUDGED_BY: usize = 10;

/// Why a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The person, or the set length, ended it.
    Asked,
    /// The source came to its end (a file).
    Source,
    /// The device went away or gave no more sound.
    Device,
}

/// What is known while recording; shared with whoever draws.
#[derive(Debug, Default)]
pub struct Watch {
    /// Levels since they were last taken, a channel each.
    pub levels: Vec<Level>,
    /// Stretches where sound was lost, as start and length in seconds.
    pub gaps: Vec<(f64, f64)>,
    /// What is wrong with the microphones, once it was judged; taken out by the reader.
    pub findings: Vec<Finding>,
    /// Why it ended, once it did.
    pub end: Option<End>,
}

/// Two channels of a capture.
pub struct Live {
    stream: CaptureStream,
    picked: [usize; 2],
    stop: Arc<AtomicBool>,
    meter: Meter,
    first: Option<Vec<f32>>,
    raw: Vec<f32>,
    watch: Rc<RefCell<Watch>>,
}

impl Live {
    /// Takes the channels `therapist` and `client` (counted from 1) of a running stream, until
    /// `stop` becomes true.
    ///
    /// # Errors
    /// [`Kind::Audio`] if the device has no such channel, or both are the same.
    pub fn new(
        stream: CaptureStream,
        therapist: u16,
        client: u16,
        stop: Arc<AtomicBool>,
    ) -> Result<Live> {
        check_channels(stream.spec(), therapist, client)?;
        Ok(Live {
            stream,
            picked: [usize::from(therapist - 1), usize::from(client - 1)],
            stop,
            meter: Meter::new(2),
            first: Some(Vec::new()),
            raw: Vec::new(),
            watch: Rc::default(),
        })
    }

    /// What is known while recording.
    #[must_use]
    pub fn watch(&self) -> Rc<RefCell<Watch>> {
        Rc::clone(&self.watch)
    }

    fn observe(&mut self, picked: &[f32]) {
        self.meter.push(picked);
        let rate = f64::from(self.stream.spec().sample_rate);
        let mut watch = self.watch.borrow_mut();
        watch.levels = self.meter.take();
        watch.gaps = self
            .stream
            .gaps()
            .iter()
            .map(|gap| (gap.at_frame as f64 / rate, gap.frames as f64 / rate))
            .collect();
        if let Some(first) = &mut self.first {
            first.extend_from_slice(picked);
            if first.len() >= self.stream.spec().sample_rate as usize * 2 * JUDGED_BY {
                watch.findings = check::examine(first, self.stream.spec().sample_rate);
                self.first = None;
            }
        }
    }

    fn end(&mut self, end: End) {
        self.watch.borrow_mut().end.get_or_insert(end);
        self.stream.stop();
    }
}

/// Refuses channels that are not there before anything is recorded.
///
/// # Errors
/// [`Kind::Audio`], or [`Kind::Usage`] if one channel is named twice.
pub fn check_channels(spec: Spec, therapist: u16, client: u16) -> Result<()> {
    if spec.channels < 2 {
        return Err(Error::new(
            Kind::Audio,
            "This device has one channel. Therapist and client are told apart by their channel, \
             so a device with two microphones is needed.",
        )
        .hint("undertone devices"));
    }
    if therapist == client {
        return Err(Error::new(
            Kind::Usage,
            "Therapist and client cannot be on the same channel.",
        )
        .hint("undertone record --therapist 1 --client 2"));
    }
    for channel in [therapist, client] {
        if channel == 0 || channel > spec.channels {
            return Err(Error::new(
                Kind::Audio,
                format!(
                    "This device has channels 1 to {}, and no channel {channel}.",
                    spec.channels
                ),
            )
            .hint("undertone devices"));
        }
    }
    Ok(())
}

impl Frames for Live {
    fn spec(&self) -> Spec {
        Spec {
            channels: 2,
            frames: None,
            ..self.stream.spec()
        }
    }

    fn read(&mut self, into: &mut Vec<f32>, max_frames: usize) -> Result<usize> {
        let width = usize::from(self.stream.spec().channels);
        loop {
            if self.raw.is_empty() {
                if self.stop.load(Ordering::Relaxed) {
                    self.end(End::Asked);
                }
                self.stream.read(&mut self.raw);
            }
            let there = (self.raw.len() / width).min(max_frames);
            if there > 0 {
                let picked: Vec<f32> = self.raw[..there * width]
                    .chunks_exact(width)
                    .flat_map(|frame| self.picked.map(|channel| frame[channel]))
                    .collect();
                self.raw.drain(..there * width);
                self.observe(&picked);
                into.extend_from_slice(&picked);
                return Ok(there);
            }
            if self.stream.ended() {
                self.end(End::Source);
                return Ok(0);
            }
            let gone = self.stream.complaints().1 == Some(Complaint::Gone);
            let dead = self.stream.quiet_for() > DEAD_AFTER;
            if self.watch.borrow().end.is_some() && self.stream.quiet_for() > DEAD_AFTER / 4 {
                return Ok(0);
            }
            if (gone || dead) && self.watch.borrow().end.is_none() {
                self.end(End::Device);
            }
            self.stream.wait(Duration::from_millis(100));
        }
    }
}
