//! The two chosen channels of a running capture, as frames that end when the recording ends.
//!
//! Everything that watches the sound (levels, dead channels, a device that went quiet) sits here,
//! before resampling, so that it sees what the device gave. It refuses to end a recording for a
//! moment's trouble: it tells, waits some seconds, and only then gives up. Needs no terminal.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::absence::Absence;
use super::judge::{Judge, Spoilt};
use super::off::{Pauses, Switch, Turn};
use super::parts::Parts;
use super::watchdog::{Place, Seen, Trouble, Watchdog};
use crate::audio::capture::{CaptureStream, Complaint, Part, Silence};
use crate::audio::levels::{Level, Meter};
use crate::audio::{Frames, Spec};
use crate::{Error, Kind, Result};

/// How long a device may give nothing.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// After this it is told.
    pub tell: Duration,
    /// After this the device is taken for gone.
    pub give_up: Duration,
    /// For so long a device that is gone is waited for before the recording ends.
    pub come_back: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            tell: Duration::from_millis(1_500),
            give_up: Duration::from_secs(8),
            come_back: Duration::ZERO,
        }
    }
}

/// What is left to come after the source was told to stop comes within this.
const DRAIN: Duration = Duration::from_millis(500);
/// After going back on the record so much more is left out: sound that was on its way meanwhile
/// was said off the record.
const GUARD: Duration = Duration::from_millis(300);
/// How often the watchdog looks.
const PATROL: Duration = Duration::from_millis(100);
/// At most so many marks are kept: a device that complains all day must not fill memory.
const MARKS: usize = 1_000;

/// Why a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The person, or the set length, ended it.
    Asked,
    /// The source came to its end: a file, or a device that closed.
    Source,
    /// The device went away or gave no more sound.
    Device,
}

/// Something to tell the person at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// What the watchdog found.
    Trouble(Trouble),
    /// The system says that the device is gone.
    Gone,
    /// A device that was gone is there again, after so much time.
    Returned(Duration),
    /// The system put another device in its place.
    Changed,
    /// The device lost sound by itself.
    Overrun,
    /// A microphone, or both, are of no use as they are.
    Spoilt(Spoilt),
    /// About one of two devices: 0 the therapist's, 1 the client's.
    Part(usize, Box<Notice>),
}

/// What is known while recording; shared with whoever draws.
#[derive(Debug, Default)]
pub struct Watch {
    /// Levels of the last block, a channel each.
    pub levels: Vec<Level>,
    /// Stretches where sound was lost and silence put in its place, as start and length in seconds.
    pub gaps: Vec<(f64, f64)>,
    /// Places where the device stalled or lost an unknown length, in seconds, with the reason.
    pub marks: Vec<(f64, &'static str)>,
    /// Stretches without the device, filled with silence, as start and length in seconds.
    pub away: Vec<(f64, f64)>,
    /// Two devices that were joined, as they are now; none of one device.
    pub parts: Option<[Part; 2]>,
    /// Stretches without one of two devices: whose (0 therapist), start and length in seconds.
    pub silent: Vec<(usize, f64, f64)>,
    /// The longest that the device's thread was held up.
    pub slowest_call: Duration,
    /// Stretches off the record, start and end in seconds; no end while it lasts.
    pub off_record: Vec<(f64, Option<f64>)>,
    /// How well the two people are held apart, in dB, once both have spoken.
    pub separation_db: Option<f32>,
    /// Whether nothing comes from the device.
    pub waiting: bool,
    /// How long the disk will last: told by whoever writes.
    pub left: Option<Duration>,
    /// How much of the set length is left: told by whoever counts.
    pub to_go: Option<Duration>,
    /// Why it ended, once it did.
    pub end: Option<End>,
}

/// Begins to open the device again and again on a thread of its own; what it sends is the stream.
pub type Reopen<'a> = Box<dyn FnMut() -> Option<Receiver<CaptureStream>> + 'a>;

/// Two channels of a capture.
pub struct Live<'a> {
    stream: CaptureStream,
    picked: [usize; 2],
    stop: Arc<AtomicBool>,
    patience: Patience,
    tell: Box<dyn FnMut(Notice) + 'a>,
    meter: Meter,
    judge: Judge,
    raw: Vec<f32>,
    /// Frames handed out.
    position: u64,
    complaints: u64,
    gone: bool,
    pauses: Pauses,
    /// Opens the device again, once it is gone.
    reopen: Option<Reopen<'a>>,
    coming: Option<Receiver<CaptureStream>>,
    /// Frames before the first of the stream that runs now.
    base: u64,
    /// Frames of silence for the time without the device, still to be given.
    owed: u64,
    absence: Absence,
    /// Gaps of the stream that runs now that are known.
    gaps_seen: usize,
    dog: Watchdog,
    parts: Parts,
    begun: Clocks,
    patrolled: Instant,
    spoken: Instant,
    watch: Rc<RefCell<Watch>>,
}

impl<'a> Live<'a> {
    /// Takes the channels `therapist` and `client` (counted from 1) of a running stream, until
    /// `stop` becomes true; `tell` is called at once when something is the matter.
    ///
    /// # Errors
    /// [`Kind::Audio`] if the device has no such channel, [`Kind::Usage`] if both are the same.
    pub fn new(
        stream: CaptureStream,
        (therapist, client): (u16, u16),
        stop: Arc<AtomicBool>,
        patience: Patience,
        tell: Box<dyn FnMut(Notice) + 'a>,
    ) -> Result<Live<'a>> {
        check_channels(stream.spec(), therapist, client)?;
        let rate = stream.spec().sample_rate;
        Ok(Live {
            judge: Judge::new(rate),
            stream,
            picked: [usize::from(therapist - 1), usize::from(client - 1)],
            stop,
            patience,
            tell,
            meter: Meter::new(2),
            raw: Vec::new(),
            position: 0,
            complaints: 0,
            gone: false,
            pauses: Pauses::new((GUARD.as_secs_f64() * f64::from(rate)) as u64),
            reopen: None,
            coming: None,
            base: 0,
            owed: 0,
            absence: Absence::default(),
            gaps_seen: 0,
            dog: Watchdog::new(patience.tell),
            parts: Parts::new(patience.tell),
            begun: Clocks::now(),
            patrolled: Instant::now(),
            spoken: Instant::now(),
            watch: Rc::default(),
        })
    }

    /// What opens the device again after it went away.
    pub fn reopen_by(&mut self, reopen: Reopen<'a>) {
        self.reopen = Some(reopen);
    }

    /// By which the person goes off the record, and on it again.
    #[must_use]
    pub fn off_switch(&self) -> Switch {
        self.pauses.switch()
    }

    /// What is known while recording.
    #[must_use]
    pub fn watch(&self) -> Rc<RefCell<Watch>> {
        Rc::clone(&self.watch)
    }

    fn seconds(&self) -> f64 {
        self.position as f64 / f64::from(self.stream.spec().sample_rate)
    }

    fn mark(&self, reason: &'static str) {
        let mut watch = self.watch.borrow_mut();
        if watch.marks.len() < MARKS {
            watch.marks.push((self.seconds(), reason));
        }
    }

    fn observe(&mut self, picked: &[f32]) {
        self.meter.push(picked);
        self.watch.borrow_mut().levels = self.meter.take();
        if self.pauses.silenced() {
            return;
        }
        if let Some(parts) = &self.watch.borrow().parts {
            self.judge.excuse([parts[0].away, parts[1].away]);
        }
        for spoilt in self.judge.push(picked) {
            (self.tell)(Notice::Spoilt(spoilt));
        }
        if self.judge.spoken() {
            self.spoken = Instant::now();
        }
        self.watch.borrow_mut().separation_db = self.judge.separation_db();
    }

    /// Takes in what the stream has lost, where that lies in the session now.
    fn note_gaps(&mut self) {
        let rate = f64::from(self.stream.spec().sample_rate);
        let gaps = self.stream.gaps();
        let new = gaps.get(self.gaps_seen..).unwrap_or_default();
        self.watch.borrow_mut().gaps.extend(new.iter().map(|gap| {
            let at = (self.base + gap.at_frame) as f64;
            (at / rate, gap.frames as f64 / rate)
        }));
        self.gaps_seen = gaps.len();
    }

    /// Frames that the device has given, on the session's timeline.
    fn given(&self) -> u64 {
        self.base + self.stream.frames_given()
    }

    /// Frames that were heard by now, on the session's timeline.
    fn heard(&self) -> u64 {
        self.base + self.stream.frames_heard()
    }

    /// Waits for a device that is gone; false once it is no use to wait any longer.
    fn wait_for_device(&mut self) -> bool {
        let away = self.stream.quiet_for();
        if self.patience.come_back.is_zero() || away > self.patience.come_back {
            return false;
        }
        if self.coming.is_none() {
            let Some(reopen) = &mut self.reopen else {
                return false;
            };
            self.coming = reopen();
            self.watch.borrow_mut().waiting = true;
            if !self.gone && !self.dog.stalled() {
                (self.tell)(Notice::Gone);
            }
            self.gone = true;
        }
        let Some(coming) = &self.coming else {
            return false;
        };
        match coming.recv_timeout(Duration::from_millis(50)) {
            Ok(stream) => self.resume(stream),
            Err(RecvTimeoutError::Timeout) => self.owe(),
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        true
    }

    /// Owes silence for the time without the device so far.
    fn owe(&mut self) {
        let rate = self.stream.spec().sample_rate;
        let start = self.position - self.absence.given();
        self.owed = self.absence.due(self.stream.quiet_for(), rate);
        if self.owed > 0 {
            self.note_away(start, self.absence.given());
        }
    }

    /// Tells of an absence of so many frames until now.
    fn note_away(&self, start: u64, frames: u64) {
        let rate = f64::from(self.stream.spec().sample_rate);
        let (start, length) = (start as f64 / rate, frames as f64 / rate);
        let mut watch = self.watch.borrow_mut();
        let new = watch.away.last().is_none_or(|last| last.0 != start);
        if new && watch.away.len() < MARKS {
            watch.away.push((start, length));
        } else if let Some(last) = watch.away.last_mut().filter(|_| !new) {
            last.1 = length;
        }
    }

    /// A device that silence was given for gives again by itself, after `quiet`: its sound lies behind the silence.
    fn go_on(&mut self, quiet: Duration) {
        self.base += self.absence.given();
        self.absence.over(0);
        self.pauses.back(quiet);
    }

    /// Goes on with a new stream of the same device; the time without it becomes silence.
    fn resume(&mut self, mut stream: CaptureStream) {
        self.coming = None;
        let rate = f64::from(self.stream.spec().sample_rate);
        let heard = stream.frames_given() as f64 / rate;
        let away = (self.stream.quiet_for().as_secs_f64() - heard).max(0.0);
        stream.replaces(&mut self.stream);
        self.stream = stream;
        self.complaints = self.stream.complaints().0;
        self.gaps_seen = 0;
        let given = self.absence.given();
        self.owed = self.absence.over((away * rate).round() as u64);
        self.base = self.position + self.owed;
        self.gone = false;
        self.watch.borrow_mut().waiting = false;
        self.note_away(self.position - given, given + self.owed);
        self.pauses.back(Duration::from_secs_f64(heard) + GUARD);
        self.dog.renewed();
        (self.tell)(Notice::Returned(Duration::from_secs_f64(away)));
    }

    /// How many of the next `there` frames are of one kind, and whether they are to be kept.
    fn on_record(&mut self, there: u64) -> (u64, bool) {
        let (there, kept, turn) = self.pauses.next(self.position, there, self.heard());
        let now = self.seconds();
        let mut watch = self.watch.borrow_mut();
        match turn {
            Some(Turn::Off) if watch.off_record.len() < MARKS => {
                watch.off_record.push((now, None));
            }
            Some(Turn::On) => {
                self.spoken = Instant::now();
                if let Some(last) = watch.off_record.last_mut() {
                    last.1.get_or_insert(now);
                }
            }
            _ => {}
        }
        (there, kept)
    }

    /// Gives silence that is owed.
    fn silence(&mut self, into: &mut Vec<f32>, max_frames: usize) -> usize {
        let (there, _) = self.on_record(self.owed.min(max_frames as u64));
        let from = into.len();
        into.resize(from + there as usize * 2, 0.0);
        self.meter.push(&into[from..]);
        self.watch.borrow_mut().levels = self.meter.take();
        self.owed -= there;
        self.position += there;
        there as usize
    }

    /// Lets the watchdog look, when it is time.
    fn patrol(&mut self) {
        // Sound that comes again is told before it is handed on.
        let back = self.dog.stalled() && !self.raw.is_empty();
        let due = back || self.patrolled.elapsed() >= PATROL;
        if !due || self.watch.borrow().end.is_some() {
            return;
        }
        self.patrolled = Instant::now();
        let clocks = Clocks::now();
        self.look_at_parts(clocks.awake.saturating_sub(self.begun.awake));
        let seen = {
            let watch = self.watch.borrow();
            Seen {
                awake: clocks.awake.saturating_sub(self.begun.awake),
                passed: clocks.passed.saturating_sub(self.begun.passed),
                given: self.given() as f64 / f64::from(self.stream.spec().sample_rate),
                // While there is sound to be read, it is this side that was held up.
                quiet: if self.raw.is_empty() {
                    self.stream.quiet_for()
                } else {
                    Duration::ZERO
                },
                place: match self.stream.moved_to() {
                    None => Place::Unknown,
                    Some(None) => Place::Same,
                    Some(Some(name)) => Place::Moved(name),
                },
                left: watch.left,
                unspoken: self.spoken.elapsed(),
                off: self.pauses.lasts(),
                to_go: watch.to_go,
            }
        };
        for trouble in self.dog.look(&seen) {
            match &trouble {
                Trouble::Stalled => {
                    self.watch.borrow_mut().waiting = true;
                    if self.gone {
                        continue;
                    }
                }
                Trouble::Back => {
                    self.watch.borrow_mut().waiting = false;
                    self.gone = false;
                    self.mark(STALLED);
                }
                Trouble::Moved(_) => self.mark(CHANGED),
                Trouble::Slept(_) => self.mark(SLEPT),
                _ => {}
            }
            (self.tell)(Notice::Trouble(trouble));
        }
    }

    /// Looks at each of two devices.
    fn look_at_parts(&mut self, awake: Duration) {
        self.watch.borrow_mut().slowest_call = self.stream.slowest_call();
        let Some(parts) = self.stream.parts() else {
            return;
        };
        let rate = f64::from(self.stream.spec().sample_rate);
        for news in self.parts.look(&parts, awake) {
            if let Some(reason) = news.mark {
                self.mark(reason);
            }
            if let Some(notice) = news.notice {
                (self.tell)(Notice::Part(news.whose, Box::new(notice)));
            }
        }
        let mut watch = self.watch.borrow_mut();
        watch.waiting = parts.iter().all(|part| part.away);
        watch.parts = Some(parts);
        let now = self.stream.frames_given();
        let stretch = |silence: Silence| {
            let frames = silence
                .frames
                .unwrap_or(now.saturating_sub(silence.at_frame));
            (
                silence.device,
                silence.at_frame as f64 / rate,
                frames as f64 / rate,
            )
        };
        watch.silent = self.stream.silences().into_iter().map(stretch).collect();
    }

    /// Looks at what the system says about the device.
    fn listen_to_complaints(&mut self) {
        let (count, last) = self.stream.complaints();
        if count == self.complaints {
            return;
        }
        self.complaints = count;
        match last {
            Some(Complaint::Gone) if !self.gone && !self.dog.stalled() => {
                self.gone = true;
                (self.tell)(Notice::Gone);
            }
            Some(Complaint::Changed) => {
                self.mark(CHANGED);
                (self.tell)(Notice::Changed);
            }
            Some(Complaint::Overrun) => {
                let first = !self.watch.borrow().marks.iter().any(|m| m.1 == OVERRUN);
                self.mark(OVERRUN);
                if first {
                    (self.tell)(Notice::Overrun);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, end: End) {
        if self.watch.borrow().end.is_none() {
            let awake = Clocks::now().awake.saturating_sub(self.begun.awake);
            self.look_at_parts(awake);
        }
        self.watch.borrow_mut().end.get_or_insert(end);
        self.stream.stop();
    }
}

/// Both of the machine's clocks since it started.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    awake: Duration,
    passed: Duration,
}

impl Clocks {
    fn now() -> Clocks {
        let awake = clock(rustix::time::ClockId::Monotonic);
        // Where there is no clock that counts sleep, none is seen.
        #[cfg(target_os = "linux")]
        let passed = clock(rustix::time::ClockId::Boottime);
        #[cfg(not(target_os = "linux"))]
        let passed = awake;
        Clocks { awake, passed }
    }
}

fn clock(id: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(id);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

// Why sound may be missing at a moment, as the manifest and the transcript say it.
const STALLED: &str = "the device stalled";
const SLEPT: &str = "the computer slept";
pub(super) const CHANGED: &str = "the device changed";
pub(super) const OVERRUN: &str = "the device lost sound";

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
        .hint("Choose one with two channels: undertone devices")
        .hint("Or a device each: undertone record --therapist-device ID --client-device ID"));
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

impl Frames for Live<'_> {
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
            if self.owed > 0 && self.raw.is_empty() {
                return Ok(self.silence(into, max_frames));
            }
            if self.raw.is_empty() {
                if self.stop.load(Ordering::Relaxed) {
                    self.end(End::Asked);
                }
                self.listen_to_complaints();
                let quiet = self.stream.quiet_for();
                if self.absence.given() > 0 && self.stream.wait(Duration::ZERO) {
                    self.go_on(quiet);
                }
                self.stream.read(&mut self.raw);
                self.note_gaps();
            }
            self.patrol();
            let there = (self.raw.len() / width).min(max_frames);
            if there > 0 {
                if self.coming.take().is_some() {
                    // It came back by itself: the new stream, should there be one, is let go.
                    self.gone = false;
                    self.watch.borrow_mut().waiting = false;
                }
                let (there, kept) = self.on_record(there as u64);
                let there = there as usize;
                let mut picked: Vec<f32> = self.raw[..there * width]
                    .chunks_exact(width)
                    .flat_map(|frame| self.picked.map(|channel| frame[channel]))
                    .collect();
                self.raw.drain(..there * width);
                self.observe(&picked);
                self.position += there as u64;
                if !kept {
                    picked.fill(0.0);
                }
                into.extend_from_slice(&picked);
                return Ok(there);
            }
            let ended = self.watch.borrow().end;
            let gone = self.stream.ended() && self.stream.complaints().0 > 0;
            let quiet = self.stream.quiet_for();
            let told = self.gone && quiet > self.patience.tell;
            let lost = gone || told || quiet > self.patience.give_up;
            if lost && ended.is_none() && self.wait_for_device() {
                continue;
            }
            if self.stream.ended() {
                let sound = self.stream.complaints().0 == 0;
                self.end(if sound { End::Source } else { End::Device });
                return Ok(0);
            }
            let quiet = self.stream.quiet_for();
            if ended.is_some() {
                if quiet > DRAIN {
                    return Ok(0);
                }
            } else if quiet > self.patience.give_up {
                self.end(End::Device);
            }
            self.stream.wait(Duration::from_millis(100));
        }
    }
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
