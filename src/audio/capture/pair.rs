//! Two devices as one source of two channels: two microphones, or a microphone and what a video
//! call plays. A thread takes both streams, joins them on one clock ([`super::join`]) and feeds a
//! stream of two channels, which nobody who reads it need tell from a single device's.
//!
//! Of a device with one channel that is taken; of one with more, the mean of its first two, or the
//! channel that was asked for. A device that goes away becomes silence on its channel and is opened
//! again when it comes back; **the other goes on**. It refuses to go on only when both are gone for
//! longer than was asked.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::feed::Feed;
use super::join::{Joint, Silence};
use super::{CaptureSource, CaptureStream, Complaint, CpalSource, Reopen};
use crate::audio::Spec;
use crate::{Error, Kind, Result};

/// How often both devices are looked at.
const EVERY: Duration = Duration::from_millis(10);
/// A device that gives nothing for so long is opened anew.
const GIVE_UP: Duration = Duration::from_secs(8);
/// One that says that it is gone, and gives nothing for so long, too.
const SAYS_GONE: Duration = Duration::from_millis(1_500);
/// The first joined frames come within this.
const PATIENCE: Duration = Duration::from_secs(8);

/// One of two devices, while they run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Part {
    /// What it is called.
    pub name: String,
    /// Seconds of sound that it has given since it was opened last, by its own clock.
    pub given: f64,
    /// How long ago it called last.
    pub quiet: Duration,
    /// Whether its channel is silent because nothing comes from it.
    pub away: bool,
    /// Whether it is gone, and waited for.
    pub gone: bool,
    /// Times it was opened anew.
    pub renewed: u64,
    /// See [`CaptureStream::moved_to`].
    pub moved_to: Option<Option<String>>,
    /// See [`CaptureStream::complaints`].
    pub complaints: (u64, Option<Complaint>),
    /// Parts in a million by which its clock runs faster than the computer's, once ten seconds were
    /// heard. Resampled away.
    pub drift_ppm: Option<f64>,
    /// When it began to give sound, in seconds after the joining began; taken away.
    pub offset: f64,
    /// By how many seconds its channel is misplaced at present, as far as is known.
    pub misplaced: f64,
    /// See [`CaptureStream::slowest_call`].
    pub slowest_call: Duration,
}

#[derive(Debug, Default)]
struct State {
    /// When the first joined frame was heard.
    begin: Option<Instant>,
    parts: [Part; 2],
    silences: Vec<Silence>,
}

/// What the reader of a joined stream knows of its devices.
pub(super) struct Joined {
    state: Arc<Mutex<State>>,
}

fn hold(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Joined {
    pub(super) fn heard(&self) -> Option<Duration> {
        hold(&self.state).begin.map(|begin| begin.elapsed())
    }

    pub(super) fn parts(&self) -> [Part; 2] {
        hold(&self.state).parts.clone()
    }

    pub(super) fn silences(&self) -> Vec<Silence> {
        hold(&self.state).silences.clone()
    }
}

/// A stream that is to be joined with another.
pub struct Member {
    /// What its device is called.
    pub name: String,
    /// The stream, running.
    pub stream: CaptureStream,
    /// Opens the device again, once it is gone.
    pub reopen: Option<Reopen>,
    /// The channel to take, from 0; the mean of the first two unless given.
    pub channel: Option<u16>,
}

/// Two devices, the therapist's and the client's.
pub struct PairSource {
    sources: [Option<CpalSource>; 2],
    channels: [Option<u16>; 2],
    names: [String; 2],
    name: String,
    spec: Spec,
    come_back: Duration,
}

impl PairSource {
    /// Joins two devices, of which `channels` (counted from 0) are to be taken; when both are gone
    /// for `come_back`, the stream ends.
    ///
    /// # Errors
    /// [`Kind::Usage`] when both are the same device, [`Kind::Audio`] when one has no such channel.
    pub fn new(
        sources: [CpalSource; 2],
        channels: [Option<u16>; 2],
        come_back: Duration,
    ) -> Result<Self> {
        let [a, b] = &sources;
        if a.id() == b.id() {
            return Err(Error::new(
                Kind::Usage,
                "Therapist and client are on the same device. One device with two channels is \
                 recorded as it is.",
            )
            .hint("undertone record --device ID"));
        }
        for (source, channel) in sources.iter().zip(channels) {
            let there = source.spec().channels;
            if channel.is_some_and(|channel| channel >= there) {
                return Err(Error::new(
                    Kind::Audio,
                    format!(
                        "{} has channels 1 to {there}, and not the one asked for.",
                        source.name()
                    ),
                )
                .hint("undertone devices"));
            }
        }
        Ok(PairSource {
            channels,
            names: [a.name().to_owned(), b.name().to_owned()],
            name: format!("{} and {}", a.name(), b.name()),
            spec: spec([a.spec(), b.spec()]),
            sources: sources.map(Some),
            come_back,
        })
    }

    /// Both devices, by their plain names.
    #[must_use]
    pub fn names(&self) -> &[String; 2] {
        &self.names
    }
}

fn spec(specs: [Spec; 2]) -> Spec {
    Spec {
        sample_rate: specs[0].sample_rate.max(specs[1].sample_rate),
        channels: 2,
        frames: None,
    }
}

impl CaptureSource for PairSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn spec(&self) -> Spec {
        self.spec
    }

    fn start(&mut self) -> Result<CaptureStream> {
        let once = || Error::new(Kind::Internal, "These devices were opened before.");
        let mut members = Vec::new();
        for (place, source) in self.sources.iter_mut().enumerate() {
            let mut source = source.take().ok_or_else(once)?;
            members.push(Member {
                name: self.names[place].clone(),
                stream: source.start()?,
                reopen: Some(source.reopener()),
                channel: self.channels[place],
            });
        }
        let members = <[Member; 2]>::try_from(members).map_err(|_| once())?;
        join(members, self.come_back)
    }
}

/// Joins two running streams; returns after the first joined frames have come.
///
/// # Errors
/// [`Kind::Audio`] when they do not come.
pub(super) fn join(members: [Member; 2], come_back: Duration) -> Result<CaptureStream> {
    let specs = [members[0].stream.spec(), members[1].stream.spec()];
    let (feed, mut stream) = CaptureStream::new(spec(specs));
    let joint = Joint::new(specs.map(|spec| spec.sample_rate), stream.spec.sample_rate)?;
    let state = Arc::new(Mutex::new(State::default()));
    let stop = Arc::new(AtomicBool::new(false));
    let [a, b] = members;
    let names = [a.name.clone(), b.name.clone()];
    let devices = [Device::new(a, &names[1]), Device::new(b, &names[0])];
    let mut joiner = Joiner {
        joint,
        devices,
        epoch: Instant::now(),
        state: Arc::clone(&state),
        counters: Arc::clone(&stream.counters),
        feed,
        come_back,
        out: Vec::new(),
    };
    let stopped = Arc::clone(&stop);
    std::thread::Builder::new()
        .name("joiner".to_owned())
        .spawn(move || joiner.run(&stopped))
        .map_err(|_| Error::new(Kind::Internal, "No thread could be started."))?;
    stream.keep = Some(Box::new(Stop(stop)));
    stream.joined = Some(Joined { state });
    let begun = Instant::now();
    while stream.frames_given() == 0 {
        if begun.elapsed() > PATIENCE || stream.ended() {
            return Err(Error::new(
                Kind::Audio,
                "Both devices were opened, but one of them gives no sound.",
            )
            .hint("Unplug it and plug it in again, or choose another: undertone devices"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    stream.look();
    Ok(stream)
}

/// Ends the thread, which ends by itself: a device that hangs must not hold up the reader.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Device {
    name: String,
    stream: CaptureStream,
    reopen: Option<Reopen>,
    coming: Option<Receiver<CaptureStream>>,
    channel: Option<u16>,
    raw: Vec<f32>,
    gaps_seen: usize,
    renewed: u64,
    /// What the other one is called.
    other: String,
}

impl Device {
    fn new(member: Member, other: &str) -> Device {
        Device {
            name: member.name,
            stream: member.stream,
            reopen: member.reopen,
            coming: None,
            channel: member.channel,
            raw: Vec::new(),
            gaps_seen: 0,
            renewed: 0,
            other: other.to_owned(),
        }
    }

    /// What has come, as one channel.
    fn read(&mut self) -> Vec<f32> {
        let width = usize::from(self.stream.spec().channels.max(1));
        while self.stream.read(&mut self.raw) > 0 {}
        let channel = self.channel.map(usize::from).filter(|at| *at < width);
        let one = self
            .raw
            .chunks_exact(width)
            .map(|frame| match (channel, frame) {
                (Some(at), _) => frame[at],
                (None, [only]) => *only,
                (None, [a, b, ..]) => (a + b) / 2.0,
                (None, []) => 0.0,
            })
            .collect();
        self.raw.clear();
        one
    }

    /// Whether the sound server moved it to the other's device, as it does when its own is pulled
    /// out: what comes then is the other person.
    fn astray(&self) -> bool {
        self.stream.moved_to().flatten().as_ref() == Some(&self.other)
    }

    fn gone(&self) -> bool {
        if self.astray() {
            return true;
        }
        let quiet = self.stream.quiet_for();
        let (count, last) = self.stream.complaints();
        let ended = self.stream.ended() && count > 0;
        ended || (last == Some(Complaint::Gone) && quiet > SAYS_GONE) || quiet > GIVE_UP
    }

    /// Opens a device that is gone again; true when it was.
    fn revive(&mut self) -> bool {
        if !self.gone() {
            self.coming = None;
            return false;
        }
        if self.coming.is_none() {
            self.coming = self.reopen.as_mut().and_then(|reopen| reopen());
        }
        match self.coming.as_ref().map(Receiver::try_recv) {
            Some(Ok(mut stream)) => {
                stream.replaces(&mut self.stream);
                self.stream = stream;
                self.coming = None;
                self.gaps_seen = 0;
                self.renewed += 1;
                true
            }
            Some(Err(TryRecvError::Disconnected)) => {
                self.coming = None;
                false
            }
            _ => false,
        }
    }
}

struct Joiner {
    joint: Joint,
    devices: [Device; 2],
    epoch: Instant,
    state: Arc<Mutex<State>>,
    counters: Arc<super::Counters>,
    feed: Feed,
    come_back: Duration,
    out: Vec<f32>,
}

impl Joiner {
    fn run(&mut self, stop: &AtomicBool) {
        let mut alone = Instant::now();
        loop {
            let stopped = stop.load(Ordering::Relaxed);
            self.take();
            let now = self.epoch.elapsed().as_secs_f64();
            if self.joint.poll(now, &mut self.out).is_err() {
                self.counters.complain(Complaint::Other);
                return;
            }
            let rate = self.joint_rate();
            for block in self.out.chunks(rate / 50 * 2) {
                self.feed.put(block.iter().copied());
            }
            self.out.clear();
            self.tell();
            if stopped {
                return;
            }
            if !(self.joint.resting(0) && self.joint.resting(1)) {
                alone = Instant::now();
            }
            let gone = self.devices.iter().all(Device::gone);
            let over = self.devices.iter().all(|device| device.stream.ended());
            let in_vain = self.devices.iter().all(|device| device.reopen.is_none());
            if (gone && alone.elapsed() >= self.come_back) || (over && in_vain) {
                if gone {
                    self.counters.complain(Complaint::Gone);
                }
                return;
            }
            std::thread::sleep(EVERY);
        }
    }

    fn joint_rate(&self) -> usize {
        spec([self.devices[0].stream.spec(), self.devices[1].stream.spec()]).sample_rate as usize
    }

    fn take(&mut self) {
        for (at, device) in self.devices.iter_mut().enumerate() {
            if device.revive() {
                self.joint.renewed(at, device.stream.position);
            }
            let heard = device.read();
            if device.astray() {
                self.joint.renewed(at, device.stream.position);
                while device.stream.calls.pop().is_ok() {}
                continue;
            }
            self.joint.hear(at, &heard);
            let width = u64::from(device.stream.spec().channels.max(1));
            while let Ok(call) = device.stream.calls.pop() {
                let after = call.at.saturating_duration_since(self.epoch);
                let before = self.epoch.saturating_duration_since(call.at);
                let when = after.as_secs_f64() - before.as_secs_f64();
                self.joint.called(at, when, call.samples / width);
            }
            // What the ring had no room for is silence already.
            let gaps = device.stream.gaps();
            for gap in gaps.get(device.gaps_seen..).unwrap_or_default() {
                self.joint.note_lost(at, gap.frames);
            }
            device.gaps_seen = gaps.len();
        }
    }

    fn tell(&self) {
        let mut state = hold(&self.state);
        let begin = self
            .joint
            .begin()
            .and_then(|at| Duration::try_from_secs_f64(at).ok());
        state.begin = begin.map(|after| self.epoch + after);
        state.silences = self.joint.silences().to_vec();
        for (at, device) in self.devices.iter().enumerate() {
            let stream = &device.stream;
            let rate = f64::from(stream.spec().sample_rate.max(1));
            state.parts[at] = Part {
                name: device.name.clone(),
                given: stream.frames_given() as f64 / rate,
                quiet: stream.quiet_for(),
                away: self.joint.resting(at),
                gone: device.gone(),
                renewed: device.renewed,
                // That it is gone says it all.
                moved_to: stream.moved_to().filter(|_| !device.astray()),
                complaints: stream.complaints(),
                drift_ppm: self.joint.ppm(at),
                offset: self.joint.offset(at).unwrap_or(0.0),
                misplaced: self.joint.error(at),
                slowest_call: stream.slowest_call(),
            };
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::audio::Memory;
    use crate::audio::capture::{FileSource, Pace};

    const RATE: u32 = 16_000;

    fn tone(hz: f32, rate: u32, channels: u16, seconds: usize) -> Member {
        let samples = (0..rate as usize * seconds)
            .flat_map(|i| {
                let one = 0.25 * (i as f32 / rate as f32 * hz * std::f32::consts::TAU).sin();
                // What is not to be taken is something else.
                (0..channels).map(move |at| if at < 2 { one } else { 0.9 })
            })
            .collect();
        let sound = Box::new(Memory::new(samples, rate, channels));
        let mut source = FileSource::new("a", sound, Pace::RealTime);
        Member {
            name: "a".to_owned(),
            stream: source.start().unwrap(),
            reopen: None,
            channel: None,
        }
    }

    fn read_all(stream: &mut CaptureStream) -> Vec<f32> {
        let mut read = Vec::new();
        while !stream.ended() {
            stream.wait(Duration::from_millis(50));
            stream.read(&mut read);
        }
        read
    }

    fn power(samples: &[f32], channel: usize, hz: f64) -> f64 {
        let (mut re, mut im, mut count) = (0.0, 0.0, 0.0);
        for (i, s) in samples.iter().skip(channel).step_by(2).enumerate() {
            let w = std::f64::consts::TAU * hz * i as f64 / f64::from(RATE);
            re += f64::from(*s) * w.cos();
            im += f64::from(*s) * w.sin();
            count += 1.0;
        }
        2.0 * (re * re + im * im) / (count * count)
    }

    #[test]
    fn each_device_is_one_channel_whatever_its_rate_and_channels() {
        let members = [tone(300.0, RATE, 4, 3), tone(1_200.0, 8_000, 1, 3)];
        let mut stream = join(members, Duration::ZERO).unwrap();
        assert_eq!(
            (stream.spec().sample_rate, stream.spec().channels),
            (RATE, 2)
        );
        let heard = read_all(&mut stream);
        let middle = &heard[RATE as usize / 2 * 2..RATE as usize * 3 / 2 * 2];
        for (channel, own, other) in [(0, 300.0, 1_200.0), (1, 1_200.0, 300.0)] {
            let found = power(middle, channel, own);
            assert!((found - 0.031_25).abs() < 0.001, "{found} on {channel}");
            assert!(power(middle, channel, other) < 1e-6);
        }
        assert_eq!(stream.complaints(), (0, None));
        assert!(
            stream.parts().unwrap()[0].drift_ppm.is_none(),
            "not so soon"
        );
        let passed = stream.frames_heard() as f64 / f64::from(RATE);
        let given = stream.frames_given() as f64 / f64::from(RATE);
        assert!(passed >= given, "{passed} s heard, {given} s given");
    }

    #[test]
    fn one_that_ends_leaves_the_other_and_its_own_channel_silent() {
        let members = [tone(300.0, RATE, 1, 5), tone(1_200.0, RATE, 1, 2)];
        let mut stream = join(members, Duration::from_secs(60)).unwrap();
        let heard = read_all(&mut stream);
        let silences = stream.silences();
        assert_eq!(silences.len(), 1, "{silences:?}");
        assert_eq!(silences[0].device, 1);
        let from = silences[0].at_frame as usize * 2;
        let behind = &heard[from..];
        assert!(behind.len() > RATE as usize, "{} samples", behind.len());
        assert!(behind.iter().skip(1).step_by(2).all(|s| *s == 0.0));
        let within = &behind[..RATE as usize];
        assert!(power(within, 0, 300.0) > 0.03);
    }
}
