//! Live sound: from a device or a file into a ring, from the ring to whoever records.
//!
//! The device's thread copies samples into a wait-free ring of ten seconds, counts, and returns: it
//! never allocates, locks or calls the system. The consumer reads when it likes. When it is too
//! late, whole buffers are left out, counted, and **filled with silence where they are missing**, so
//! that session time stays right, and [`CaptureStream::gaps`] says where: a gap is never hidden.
//!
//! It refuses to pretend that a device works: [`CaptureSource::start`] returns only after the first
//! samples have come.

mod cpal;
mod drift;
mod feed;
mod file;
mod hush;
mod join;
mod pair;
#[cfg(target_os = "linux")]
mod pulse;
#[cfg(target_os = "linux")]
mod witness;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

pub use self::cpal::CpalSource;
pub(super) use self::cpal::devices;
pub use feed::Feed;
pub use file::{FileSource, Pace};
pub use join::Silence;
pub use pair::{Member, PairSource, Part};

use super::Spec;
use crate::Result;
use feed::{Call, Counters, Lost};

/// How often a second a device is asked to call.
const BLOCKS: u32 = 50;

/// Seconds of sound that the ring holds.
pub const RING_SECONDS: u32 = 10;

/// Something that sound can be captured from.
pub trait CaptureSource {
    /// What the source is called, in the system's words.
    fn name(&self) -> &str;

    /// What its frames are like. Does not change.
    fn spec(&self) -> Spec;

    /// Starts capturing and returns after the first samples have come. The stream stops when it is
    /// dropped.
    ///
    /// # Errors
    /// [`crate::Kind::Audio`] when the device cannot be opened or gives nothing in time.
    fn start(&mut self) -> Result<CaptureStream>;
}

/// Sound that is missing, on the stream's own timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Frame at which the silence begins.
    pub at_frame: u64,
    /// Frames of silence.
    pub frames: u64,
}

/// What the device last complained about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Complaint {
    /// The device went away, was unplugged or is in use elsewhere.
    Gone,
    /// The system moved the stream to another device, or the stream must be opened anew.
    Changed,
    /// The device lost sound by itself; how much is not known.
    Overrun,
    /// Anything else.
    Other,
}

/// Begins to open a device again and again on a thread of its own; what it sends is the stream.
pub type Reopen = Box<dyn FnMut() -> Option<Receiver<CaptureStream>> + Send>;

/// A running capture: the consumer's end.
pub struct CaptureStream {
    ring: rtrb::Consumer<f32>,
    lost: rtrb::Consumer<Lost>,
    calls: rtrb::Consumer<Call>,
    waiting: VecDeque<Lost>,
    counters: Arc<Counters>,
    spec: Spec,
    /// Samples taken out of the ring.
    taken: u64,
    /// Frames handed out, silence included.
    position: u64,
    /// Samples of silence still to be handed out.
    silence: u64,
    gaps: Vec<Gap>,
    callbacks_seen: u64,
    last_callback: Instant,
    keep: Option<Box<dyn Send>>,
    joined: Option<pair::Joined>,
    #[cfg(target_os = "linux")]
    witness: Option<witness::Witness>,
}

impl CaptureStream {
    /// A stream, and what a source puts its samples in by; the stream has ended when that is
    /// dropped.
    #[must_use]
    pub fn new(spec: Spec) -> (Feed, Self) {
        let channels = usize::from(spec.channels.max(1));
        let seconds = RING_SECONDS as usize;
        let (to, ring) = rtrb::RingBuffer::new(spec.sample_rate as usize * channels * seconds);
        let (to_lost, lost) = rtrb::RingBuffer::new(256);
        let (to_calls, calls) = rtrb::RingBuffer::new(1_024);
        let counters = Arc::new(Counters::default());
        let stream = CaptureStream {
            ring,
            lost,
            calls,
            waiting: VecDeque::new(),
            counters: counters.clone(),
            spec,
            taken: 0,
            position: 0,
            silence: 0,
            gaps: Vec::new(),
            callbacks_seen: 0,
            last_callback: Instant::now(),
            keep: None,
            joined: None,
            #[cfg(target_os = "linux")]
            witness: None,
        };
        (Feed::new(to, to_lost, to_calls, counters), stream)
    }

    /// What the frames are like.
    #[must_use]
    pub fn spec(&self) -> Spec {
        self.spec
    }

    /// Appends the interleaved samples that are there, at most a second's, and returns how many
    /// frames. Never waits; zero means that nothing is there **now** (see [`Self::ended`]).
    pub fn read(&mut self, into: &mut Vec<f32>) -> usize {
        self.look();
        let channels = usize::from(self.spec.channels);
        let most = self.spec.sample_rate as usize * channels;
        let before = into.len();
        // What is in the ring now lies before every loss that is reported after this line.
        let mut there = self.ring.slots().min(most);
        while let Ok(lost) = self.lost.pop() {
            self.waiting.push_back(lost);
        }
        while into.len() - before < most {
            if self.silence > 0 {
                let room = (most - (into.len() - before)) as u64;
                let n = self.silence.min(room) as usize;
                into.resize(into.len() + n, 0.0);
                self.silence -= n as u64;
                continue;
            }
            let until = match self.waiting.front() {
                Some(lost) if lost.at <= self.taken => {
                    let at = self.position + ((into.len() - before) / channels) as u64;
                    self.gaps.push(Gap {
                        at_frame: at,
                        frames: lost.samples / channels as u64,
                    });
                    self.silence = lost.samples;
                    self.waiting.pop_front();
                    continue;
                }
                Some(lost) => usize::try_from(lost.at - self.taken).unwrap_or(usize::MAX),
                None => usize::MAX,
            };
            let room = most - (into.len() - before);
            let n = there.min(until).min(room);
            let Ok(chunk) = self.ring.read_chunk(n) else {
                break;
            };
            if n == 0 {
                break;
            }
            let (a, b) = chunk.as_slices();
            into.extend_from_slice(a);
            into.extend_from_slice(b);
            chunk.commit_all();
            self.taken += n as u64;
            there -= n;
        }
        let frames = (into.len() - before) / channels;
        self.position += frames as u64;
        frames
    }

    /// Waits until something can be read, the source has ended, or `timeout` is over; true when
    /// something can be read.
    pub fn wait(&mut self, timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        loop {
            self.look();
            let ended = self.ended();
            if !self.ring.is_empty() || self.silence > 0 || (self.ring.is_abandoned() && !ended) {
                return true;
            }
            let now = Instant::now();
            if ended || now >= until {
                return false;
            }
            std::thread::sleep((until - now).min(Duration::from_millis(5)));
        }
    }

    /// Whether the source has stopped for good and everything was read.
    #[must_use]
    pub fn ended(&self) -> bool {
        // In this order: what came before the stop is seen after it.
        self.ring.is_abandoned()
            && self.ring.is_empty()
            && self.silence == 0
            && self.waiting.is_empty()
            && self.lost.is_empty()
    }

    /// How long ago the device last called, as seen by [`Self::read`] and [`Self::wait`]. More
    /// than a second means that the device has stopped.
    #[must_use]
    pub fn quiet_for(&self) -> Duration {
        self.last_callback.elapsed()
    }

    /// Times the device has called.
    #[must_use]
    pub fn callbacks(&self) -> u64 {
        self.counters.callbacks.load(Ordering::Relaxed)
    }

    /// Frames that the device has given, lost ones included.
    #[must_use]
    pub fn frames_given(&self) -> u64 {
        self.counters.samples.load(Ordering::Relaxed) / u64::from(self.spec.channels.max(1))
    }

    /// Frames that the device has heard by now, those included that are still on their way.
    #[must_use]
    pub fn frames_heard(&self) -> u64 {
        let joined = self.joined.as_ref().and_then(pair::Joined::heard);
        joined.map_or_else(
            || self.frames_given(),
            |time| (time.as_secs_f64() * f64::from(self.spec.sample_rate)) as u64,
        )
    }

    /// The devices that the stream was joined from, as they are now; none of a single device.
    #[must_use]
    pub fn parts(&self) -> Option<[Part; 2]> {
        self.joined.as_ref().map(pair::Joined::parts)
    }

    /// Where a channel is silent because its device gave nothing. Only of joined devices.
    #[must_use]
    pub fn silences(&self) -> Vec<Silence> {
        let joined = self.joined.as_ref();
        joined.map_or_else(Vec::new, pair::Joined::silences)
    }

    /// The longest that the device's thread was held up by taking its samples; zero where that is
    /// not measured.
    #[must_use]
    pub fn slowest_call(&self) -> Duration {
        let own = Duration::from_nanos(self.counters.slowest.load(Ordering::Relaxed));
        let parts = self.parts();
        let parts = parts.iter().flatten().map(|part| part.slowest_call);
        parts.fold(own, Duration::max)
    }

    /// Frames lost because the ring was full.
    #[must_use]
    pub fn frames_lost(&self) -> u64 {
        self.counters.lost.load(Ordering::Relaxed) / u64::from(self.spec.channels.max(1))
    }

    /// Every gap so far that [`Self::read`] has come to, in order.
    #[must_use]
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// How often the device complained, and about what last.
    #[must_use]
    pub fn complaints(&self) -> (u64, Option<Complaint>) {
        self.counters.complaints()
    }

    /// Where the sound comes from now, as the sound server says: none when it cannot be asked, then
    /// the name of another device if the server moved the stream there.
    #[must_use]
    pub fn moved_to(&self) -> Option<Option<String>> {
        #[cfg(target_os = "linux")]
        return self.witness.as_ref()?.moved_to();
        #[cfg(not(target_os = "linux"))]
        None
    }

    /// Takes the place of a stream of the same device that broke off: what watches over the device
    /// goes on. What was left in the old one is gone.
    pub fn replaces(&mut self, old: &mut CaptureStream) {
        #[cfg(target_os = "linux")]
        {
            self.witness = old.witness.take();
        }
        old.stop();
    }

    /// Stops capturing. What is in the ring can still be read.
    pub fn stop(&mut self) {
        self.keep = None;
    }

    fn look(&mut self) {
        let callbacks = self.callbacks();
        if callbacks != self.callbacks_seen {
            self.callbacks_seen = callbacks;
            self.last_callback = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests;
