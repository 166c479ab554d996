//! The recording without a terminal or a device: files in the place of microphones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use std::sync::mpsc::{Sender, channel};

use crate::audio::capture::{CaptureSource, Feed, FileSource, Pace};
use crate::audio::flac::Decoder;
use crate::audio::resample::Resampler;
use crate::audio::{Memory, to_i16};
use crate::cli::sound;
use crate::vault::{Beginning, NewVault, Origin, SessionId, State, Vault};

const RATE: u32 = 48_000;
const SHORT: Patience = Patience {
    tell: Duration::from_millis(150),
    give_up: Duration::from_millis(1_500),
    come_back: Duration::ZERO,
};

type Told = Rc<RefCell<Vec<Notice>>>;

/// Three channels: silence, a low tone, a high tone.
fn three_channels(frames: usize) -> Vec<f32> {
    let tone = |i: usize, hz: f32| 0.25 * (i as f32 * hz * std::f32::consts::TAU / 48_000.0).sin();
    (0..frames)
        .flat_map(|i| [0.0, tone(i, 300.0), tone(i, 1_200.0)])
        .collect()
}

fn live(from: impl Frames + Send + 'static, channels: (u16, u16)) -> (Live<'static>, Told) {
    let told = Told::default();
    let into = Rc::clone(&told);
    let stream = FileSource::new("file", Box::new(from), Pace::AsRead)
        .start()
        .unwrap();
    let tell = Box::new(move |notice| into.borrow_mut().push(notice));
    let live = Live::new(stream, channels, Arc::default(), SHORT, tell).unwrap();
    (live, told)
}

fn power(samples: &[f32], channel: usize, hz: f64, rate: f64) -> f64 {
    let (mut re, mut im, mut count) = (0.0, 0.0, 0.0);
    for (i, s) in samples.iter().skip(channel).step_by(2).enumerate() {
        let w = std::f64::consts::TAU * hz * i as f64 / rate;
        re += f64::from(*s) * w.cos();
        im += f64::from(*s) * w.sin();
        count += 1.0;
    }
    2.0 * (re * re + im * im) / (count * count)
}

#[test]
fn the_chosen_channels_are_sealed_in_their_order_at_16_khz_and_in_full() {
    let dir = tempfile::tempdir().unwrap();
    let passphrase = || "gravel onion trumpet".to_owned().into();
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    let new = NewVault {
        passphrase: passphrase(),
        work_factor: 2,
        extra_recipients: Vec::new(),
        recovery: false,
        identity: None,
        created: now,
    };
    let (vault, _) = Vault::create(&dir.path().join("vault"), new).unwrap();
    let beginning = Beginning {
        created: now,
        origin: Origin::Recorded,
        title: None,
        client_code: None,
        sample_rate: 16_000,
        channels: Vec::new(),
        consent: None,
        tool: "test".to_owned(),
    };
    let id = SessionId::new(now, 7);
    let session = vault.begin(id, beginning).unwrap();
    let frames = RATE as usize * 7 + 123;
    // Therapist on 3, client on 2.
    let (live, told) = live(Memory::new(three_channels(frames), RATE, 3), (3, 2));
    let watch = live.watch();
    let mut frames_16k = Resampler::new(live).unwrap();
    let mut steps = 0;
    let taken = sound::store(&session, &mut frames_16k, &mut |_, _| steps += 1).unwrap();
    let manifest = session.manifest();
    session.finish(manifest, now).unwrap();
    assert_eq!(taken.frames, (7 * 16_000) + 41);
    assert!(steps > 60, "told of progress {steps} times");
    assert_eq!(watch.borrow().end, Some(End::Source));
    assert!(watch.borrow().gaps.is_empty());
    assert_eq!(*told.borrow(), []);

    assert_eq!(vault.entry(&id).unwrap().state, State::Complete);
    let unlocked = vault.unlock(&passphrase()).unwrap();
    let opened = unlocked.session(&id).unwrap();
    let mut decoder = Decoder::new(opened.stream("audio.flac").unwrap()).unwrap();
    let mut heard = Vec::new();
    while decoder.read(&mut heard, 16_000).unwrap() > 0 {}
    assert_eq!(heard.len() as u64, taken.frames * 2);
    for (channel, own, other) in [(0, 1_200.0, 300.0), (1, 300.0, 1_200.0)] {
        assert!((power(&heard, channel, own, 16_000.0) - 0.031_25).abs() < 0.001);
        assert!(power(&heard, channel, other, 16_000.0) < 1e-5);
    }
}

#[test]
fn the_end_that_is_asked_for_keeps_every_frame_up_to_it() {
    let samples = three_channels(RATE as usize * 4);
    let (mut live, _) = live(Memory::new(samples.clone(), RATE, 3), (2, 3));
    let stop = Arc::clone(&live.stop);
    let mut heard = Vec::new();
    let mut frames = 0;
    loop {
        match live.read(&mut heard, 1_000).unwrap() {
            0 => break,
            read => frames += read,
        }
        if frames > 50_000 {
            stop.store(true, Ordering::Relaxed);
        }
    }
    assert_eq!(live.watch().borrow().end, Some(End::Asked));
    assert!(frames > 50_000);
    let wanted: Vec<i16> = samples[..frames * 3]
        .chunks_exact(3)
        .flat_map(|frame| [to_i16(frame[1]), to_i16(frame[2])])
        .collect();
    let heard: Vec<i16> = heard.into_iter().map(to_i16).collect();
    assert_eq!(heard, wanted);
}

/// Gives sound, then nothing for a while, then what is left.
struct Stalls {
    from: Memory,
    after: u64,
    pause: Duration,
    given: u64,
}

impl Frames for Stalls {
    fn spec(&self) -> Spec {
        self.from.spec()
    }
    fn read(&mut self, into: &mut Vec<f32>, most: usize) -> Result<usize> {
        if self.given >= self.after {
            std::thread::sleep(std::mem::take(&mut self.pause));
        }
        let read = self.from.read(into, most)?;
        self.given += read as u64;
        Ok(read)
    }
}

fn stalls(pause: u64) -> Stalls {
    Stalls {
        from: Memory::new(three_channels(RATE as usize), RATE, 3),
        after: u64::from(RATE) / 2,
        pause: Duration::from_millis(pause),
        given: 0,
    }
}

#[test]
fn a_device_that_stalls_is_told_marked_and_waited_for() {
    let (mut live, told) = live(stalls(400), (2, 3));
    let mut heard = Vec::new();
    while live.read(&mut heard, 4_800).unwrap() > 0 {}
    assert_eq!(
        *told.borrow(),
        [
            Notice::Trouble(Trouble::Stalled),
            Notice::Trouble(Trouble::Back)
        ]
    );
    assert_eq!(heard.len(), RATE as usize * 2, "nothing of it is missing");
    let watch = live.watch();
    assert_eq!(watch.borrow().end, Some(End::Source));
    assert_eq!(watch.borrow().marks, [(0.5, STALLED)]);
}

#[test]
fn a_device_that_stays_dead_ends_the_recording_and_keeps_what_came() {
    let (mut live, told) = live(stalls(2_000), (2, 3));
    let mut heard = Vec::new();
    while live.read(&mut heard, 4_800).unwrap() > 0 {}
    assert_eq!(*told.borrow(), [Notice::Trouble(Trouble::Stalled)]);
    assert_eq!(live.watch().borrow().end, Some(End::Device));
    assert_eq!(heard.len(), RATE as usize);
}

#[test]
fn a_source_that_breaks_is_no_good_end() {
    struct Breaks(Memory);
    impl Frames for Breaks {
        fn spec(&self) -> Spec {
            self.0.spec()
        }
        fn read(&mut self, into: &mut Vec<f32>, most: usize) -> Result<usize> {
            match self.0.read(into, most)? {
                0 => Err(Error::new(Kind::Damaged, "cut")),
                read => Ok(read),
            }
        }
    }
    let (mut live, _) = live(Breaks(Memory::new(three_channels(9_600), RATE, 3)), (2, 3));
    let mut heard = Vec::new();
    while live.read(&mut heard, 4_800).unwrap() > 0 {}
    assert_eq!(live.watch().borrow().end, Some(End::Device));
    assert_eq!(heard.len(), 19_200);
}

#[test]
fn a_dead_microphone_is_told_while_recording() {
    let (mut live, told) = live(
        Memory::new(three_channels(RATE as usize * 6), RATE, 3),
        (2, 1),
    );
    let mut heard = Vec::new();
    while live.read(&mut heard, 4_800).unwrap() > 0 {}
    assert_eq!(*told.borrow(), [Notice::Spoilt(Spoilt::Silent(1))]);
}

#[test]
fn channels_that_are_not_there_are_refused() {
    let spec = |channels| Spec {
        sample_rate: RATE,
        channels,
        frames: None,
    };
    let refused = |channels, a, b| check_channels(spec(channels), a, b).unwrap_err();
    assert_eq!(refused(1, 1, 2).kind(), Kind::Audio);
    assert!(refused(1, 1, 2).sentence().contains("two microphones"));
    assert_eq!(refused(2, 1, 1).kind(), Kind::Usage);
    assert_eq!(refused(2, 0, 1).kind(), Kind::Audio);
    assert_eq!(refused(2, 1, 3).kind(), Kind::Audio);
    assert!(check_channels(spec(8), 7, 2).is_ok());
}

#[test]
fn what_is_said_off_the_record_is_silence_from_the_key_to_after_the_key() {
    // A ramp: every sample tells when it was.
    let frames = RATE as usize * 6;
    let sound: Vec<f32> = (0..frames)
        .flat_map(|i| [0.1 + i as f32 / 1e6, 0.1 + i as f32 / 1e6])
        .collect();
    let (mut live, _) = live(Memory::new(sound, RATE, 2), (1, 2));
    let off = live.off_switch();
    let watch = live.watch();
    let mut heard = Vec::new();
    let mut block = |live: &mut Live<'_>, seconds: f64| {
        let until = heard.len() + (seconds * f64::from(RATE)) as usize * 2;
        while heard.len() < until && live.read(&mut heard, 480).unwrap() > 0 {}
        heard.len() / 2
    };
    let first = block(&mut live, 1.0);
    off.press();
    let second = block(&mut live, 1.0);
    assert_eq!(watch.borrow().off_record, [(first as f64 / 48_000.0, None)]);
    // What the device has given by now was said off the record, however late it is read.
    let said = live.stream.frames_given();
    off.press();
    block(&mut live, 30.0);
    assert_eq!(heard.len() / 2, frames, "time goes on");
    let (from, to) = {
        let watch = watch.borrow();
        assert_eq!(watch.off_record.len(), 1);
        (watch.off_record[0].0, watch.off_record[0].1.unwrap_or(6.0))
    };
    let (from, to) = (
        (from * 48_000.0).round() as usize,
        (to * 48_000.0).round() as usize,
    );
    assert_eq!(from, first);
    assert!(to >= second && to as u64 >= said.min(frames as u64));
    assert!(heard[..from * 2].iter().all(|s| *s >= 0.1));
    assert!(heard[from * 2..to * 2].iter().all(|s| *s == 0.0));
    assert!(heard[to * 2..].iter().all(|s| *s >= 0.1));
}

#[test]
fn going_off_the_record_again_before_it_was_over_is_one_stretch() {
    let (mut live, told) = live(
        Memory::new(three_channels(RATE as usize * 4), RATE, 3),
        (2, 3),
    );
    let off = live.off_switch();
    let mut heard = Vec::new();
    for at in [10, 20, 21] {
        while heard.len() < at * 9_600 {
            live.read(&mut heard, 4_800).unwrap();
        }
        off.press();
    }
    while live.read(&mut heard, 4_800).unwrap() > 0 {}
    assert_eq!(live.watch().borrow().off_record, [(1.0, None)]);
    assert!(heard[96_000..].iter().all(|s| *s == 0.0));
    assert_eq!(
        *told.borrow(),
        [],
        "silence that is asked for is no dead microphone"
    );
}

/// Gives its sound, then breaks as a device does that is unplugged.
struct Unplugged(Memory);

impl Frames for Unplugged {
    fn spec(&self) -> Spec {
        self.0.spec()
    }
    fn read(&mut self, into: &mut Vec<f32>, most: usize) -> Result<usize> {
        match self.0.read(into, most)? {
            0 => Err(Error::new(Kind::Audio, "gone")),
            read => Ok(read),
        }
    }
}

fn opened(from: impl Frames + Send + 'static) -> CaptureStream {
    FileSource::new("file", Box::new(from), Pace::AsRead)
        .start()
        .unwrap()
}

#[test]
fn a_device_that_comes_back_goes_on_after_silence_as_long_as_it_was_away() {
    let half = RATE as usize / 2;
    let told = Told::default();
    let into = Rc::clone(&told);
    let first = opened(Unplugged(Memory::new(three_channels(half), RATE, 3)));
    let patience = Patience {
        come_back: Duration::from_secs(20),
        ..SHORT
    };
    let tell = Box::new(move |notice| into.borrow_mut().push(notice));
    let mut live = Live::new(first, (2, 3), Arc::default(), patience, tell).unwrap();
    live.reopen_by(Box::new(|| {
        let (give, coming) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(700));
            let sound = Memory::new(three_channels(RATE as usize), RATE, 3);
            let _ = give.send(opened(sound));
        });
        Some(coming)
    }));
    let mut heard = Vec::new();
    while live.read(&mut heard, 4_800).unwrap() > 0 {}
    let watch = live.watch();
    assert_eq!(watch.borrow().end, Some(End::Source));
    assert_eq!(watch.borrow().away.len(), 1);
    let (start, length) = watch.borrow().away[0];
    assert_eq!(start, 0.5);
    // The new stream's first sound was heard while it was still being opened.
    assert!(length < 5.0, "{length}");
    let silent = (length * f64::from(RATE)).round() as usize;
    assert_eq!(heard.len() / 2, half + silent + RATE as usize);
    assert!(
        heard[half * 2..(half + silent) * 2]
            .iter()
            .all(|s| *s == 0.0)
    );
    assert!(!watch.borrow().waiting);
    let told = told.borrow();
    assert!(told.contains(&Notice::Gone), "{told:?}");
    assert!(matches!(told.last(), Some(Notice::Returned(_))), "{told:?}");
}

#[test]
fn a_device_that_does_not_come_back_ends_the_recording_when_patience_is_over() {
    let first = opened(Unplugged(Memory::new(three_channels(9_600), RATE, 3)));
    let patience = Patience {
        come_back: Duration::from_millis(600),
        ..SHORT
    };
    let mut live = Live::new(first, (2, 3), Arc::default(), patience, Box::new(|_| {})).unwrap();
    live.reopen_by(Box::new(|| {
        let (give, coming) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(30));
            drop(give);
        });
        Some(coming)
    }));
    let mut heard = Vec::new();
    let begun = Instant::now();
    while live.read(&mut heard, 4_800).unwrap() > 0 {}
    assert_eq!(live.watch().borrow().end, Some(End::Device));
    assert_eq!(heard.len(), 19_200);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

/// A device of which the test is the crystal, and what opens it again.
fn by_hand(come_back: u64) -> (Feed, Live<'static>, Sender<CaptureStream>) {
    let spec = Spec {
        sample_rate: 8_000,
        channels: 2,
        frames: None,
    };
    let (feed, stream) = CaptureStream::new(spec);
    let patience = Patience {
        come_back: Duration::from_secs(come_back),
        ..SHORT
    };
    let mut live = Live::new(stream, (1, 2), Arc::default(), patience, Box::new(|_| {})).unwrap();
    let (give, coming) = channel();
    let mut coming = Some(coming);
    live.reopen_by(Box::new(move || coming.take()));
    (feed, live, give)
}

/// Reads until so many frames came in all.
fn read_to(live: &mut Live<'_>, heard: &mut Vec<f32>, frames: usize) {
    while heard.len() / 2 < frames {
        let more = frames - heard.len() / 2;
        assert!(live.read(heard, more).unwrap() > 0);
    }
}

#[test]
fn silence_comes_while_a_device_is_away_and_the_keys_are_seen_to() {
    let (mut feed, mut live, give) = by_hand(60);
    let (watch, off) = (live.watch(), live.off_switch());
    feed.put([0.5; 8_000].into_iter());
    let gone = Instant::now();
    let mut heard = Vec::new();
    read_to(&mut live, &mut heard, 4_000);
    assert!(gone.elapsed() < Duration::from_secs(1));
    // Nothing comes any more; two seconds later silence does.
    read_to(&mut live, &mut heard, 8_000);
    let passed = gone.elapsed().as_secs_f64();
    assert!((2.4..5.0).contains(&passed), "{passed} s");
    assert!(watch.borrow().waiting);
    assert_eq!(watch.borrow().levels[0].peak_dbfs, -120.0);
    off.press();
    read_to(&mut live, &mut heard, 8_800);
    assert_eq!(watch.borrow().off_record, [(1.0, None)]);
    off.press();
    read_to(&mut live, &mut heard, 17_000);
    let back_on = watch.borrow().off_record[0].1.unwrap();
    assert!((1.3..1.5).contains(&back_on), "at once: {back_on} s");
    let (start, length) = watch.borrow().away[0];
    assert_eq!(start, 0.5);
    assert!(length >= 1.0, "it is told while it lasts: {length} s");
    // It is back.
    let (mut anew, stream) = CaptureStream::new(live.stream.spec());
    anew.put([0.25; 3_200].into_iter());
    give.send(stream).unwrap();
    while watch.borrow().waiting || live.position < live.base + 1_600 {
        live.read(&mut heard, 800).unwrap();
    }
    anew.put([0.25; 16_000].into_iter());
    drop(anew);
    while live.read(&mut heard, 800).unwrap() > 0 {}
    let (start, length) = watch.borrow().away[0];
    assert_eq!((start, watch.borrow().away.len()), (0.5, 1));
    let silent = (length * 8_000.0).round() as usize;
    assert_eq!(heard.len() / 2, 4_000 + silent + 9_600);
    assert!(heard[..8_000].iter().all(|s| *s == 0.5));
    assert!(heard[8_000..][..silent * 2].iter().all(|s| *s == 0.0));
    assert!(heard[8_000 + silent * 2..].iter().all(|s| *s == 0.25));
    assert_eq!(watch.borrow().off_record.len(), 1);
    assert_eq!(watch.borrow().end, Some(End::Source));
}

#[test]
fn a_device_that_hung_goes_on_behind_the_silence_and_what_it_lost_before_stays_in_its_place() {
    let (mut feed, mut live, _give) = by_hand(60);
    let watch = live.watch();
    // The ring holds ten seconds; one is lost.
    for _ in 0..11 {
        feed.put([0.5; 16_000].into_iter());
    }
    let mut heard = Vec::new();
    read_to(&mut live, &mut heard, 80_000);
    feed.put([0.5; 1_600].into_iter());
    let hung = Instant::now();
    read_to(&mut live, &mut heard, 88_800);
    assert_eq!(watch.borrow().gaps, [(10.0, 1.0)]);
    read_to(&mut live, &mut heard, 96_800);
    assert!(hung.elapsed() > Duration::from_millis(2_900));
    feed.put([0.25; 8_000].into_iter());
    drop(feed);
    while live.read(&mut heard, 800).unwrap() > 0 {}
    let watch = watch.borrow();
    let [(start, length)] = watch.away[..] else {
        panic!("{:?}", watch.away)
    };
    assert_eq!(start, 11.1);
    let silent = (length * 8_000.0).round() as usize;
    assert!((8_000..12_000).contains(&silent), "{length} s");
    assert_eq!(heard.len() / 2, 88_800 + silent + 4_000);
    assert!(heard[2 * (88_800 + silent)..].iter().all(|s| *s == 0.25));
    assert_eq!(watch.gaps, [(10.0, 1.0)], "it lies where it lay");
    assert!(!watch.waiting);
}

#[test]
fn a_recording_can_be_ended_while_its_device_is_away_and_tells_how_long_that_was() {
    let (mut feed, mut live, _give) = by_hand(60);
    feed.put([0.5; 8_000].into_iter());
    let mut heard = Vec::new();
    read_to(&mut live, &mut heard, 8_000);
    live.stop.store(true, Ordering::Relaxed);
    while live.read(&mut heard, 800).unwrap() > 0 {}
    let watch = live.watch();
    assert_eq!(watch.borrow().end, Some(End::Asked));
    let silent = heard.len() / 2 - 4_000;
    let length = silent as f64 / 8_000.0;
    assert_eq!(watch.borrow().away, [(0.5, length)]);
}

#[test]
fn what_a_device_that_hung_held_back_is_not_kept_if_it_was_off_the_record() {
    let (mut feed, mut live, _give) = by_hand(60);
    let (watch, off) = (live.watch(), live.off_switch());
    feed.put([0.5; 8_000].into_iter());
    let mut heard = Vec::new();
    read_to(&mut live, &mut heard, 4_000);
    read_to(&mut live, &mut heard, 4_800);
    off.press();
    read_to(&mut live, &mut heard, 5_600);
    off.press();
    read_to(&mut live, &mut heard, 9_600);
    let since = |at: usize| watch.borrow().off_record[at].1;
    assert!(since(0).is_some(), "on the record again");
    // What was said meanwhile.
    feed.put([0.25; 8_000].into_iter());
    while live.base == 0 || live.position < live.base + 8_000 {
        live.read(&mut heard, 800).unwrap();
    }
    assert!(heard[8_000..].iter().all(|s| *s == 0.0));
    assert!(since(1).is_none());
    feed.put([0.125; 8_000].into_iter());
    drop(feed);
    while live.read(&mut heard, 800).unwrap() > 0 {}
    let kept = heard.len() - 2 * (4_000 - 2_400);
    assert!(heard[8_000..kept].iter().all(|s| *s == 0.0));
    assert!(heard[kept..].iter().all(|s| *s == 0.125));
}

#[test]
fn a_pause_that_began_and_ended_while_the_disk_hung_is_not_kept() {
    let (mut feed, mut live, _give) = by_hand(0);
    let (watch, off) = (live.watch(), live.off_switch());
    let mut heard = Vec::new();
    feed.put([0.5; 16_000].into_iter());
    read_to(&mut live, &mut heard, 8_000);
    off.press();
    feed.put([0.25; 16_000].into_iter());
    off.press();
    read_to(&mut live, &mut heard, 16_000);
    feed.put([0.125; 16_000].into_iter());
    drop(feed);
    while live.read(&mut heard, 800).unwrap() > 0 {}
    assert_eq!(watch.borrow().off_record, [(1.0, Some(2.3))]);
    assert!(heard[..16_000].iter().all(|s| *s == 0.5));
    assert!(heard[16_000..36_800].iter().all(|s| *s == 0.0));
    assert!(heard[36_800..].iter().all(|s| *s == 0.125));
}
