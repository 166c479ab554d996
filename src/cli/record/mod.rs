//! `undertone record`: records a session from a device with two channels, or from two devices.
//!
//! Needs public keys only: no passphrase is asked for, and none of what is written can be read by
//! this process again.

mod absence;
mod journal;
mod judge;
mod live;
mod meters;
mod off;
mod parts;
mod screen;
mod scribe;
mod teller;
mod typed;
mod view;
mod watchdog;
mod words;
mod written;

use std::io::IsTerminal;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(super) use live::{End, Live, Notice, Patience, check_channels};
pub(super) use meters::Meters;
pub(super) use scribe::child::{ScribeArgs, run as scribe};
pub(super) use watchdog::Trouble;

use super::begin::{self, Labels};
use super::microphones::{self, Microphones};
use super::{Context, consent, signals, sound, terminal};
use crate::audio::resample::Resampler;
use crate::audio::{Frames, SPEECH_RATE};
use crate::lockdown;
use crate::vault::{ClockInfo, GapInfo, Manifest, NewSession, Origin, State, Vault};
use crate::{Error, Kind, Result};
use journal::Journal;
use screen::{Flags, Screen, Wish};
use scribe::Scribe;
use sound::Sofar;
use teller::Teller;
use typed::Typed;
use view::View;

/// Arguments of `undertone record`.
#[derive(Debug, clap::Args)]
pub struct RecordArgs {
    #[command(flatten)]
    microphones: Microphones,
    #[command(flatten)]
    labels: Labels,
    #[command(flatten)]
    consent: consent::Given,
    /// Keep the device's own sampling rate instead of 16 kHz; then nothing is written down while recording
    #[arg(long)]
    native_rate: bool,
    /// End by itself after this long, should you forget
    #[arg(long, alias = "max-minutes", value_name = "MINUTES", default_value_t = 240, value_parser = clap::value_parser!(u32).range(1..=1440))]
    max_length: u32,
    /// Wait this long for a device that went away before the recording is ended
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(0..=3600))]
    patience: u64,
    /// Lines instead of a screen: for screen readers. Typed lines work: p, b WORDS, q
    #[arg(long)]
    plain: bool,
    /// Write down what is said while it is said, also on a slow machine or without a terminal
    #[arg(long, conflicts_with_all = ["no_words", "native_rate"])]
    words: bool,
    /// Write nothing down while recording
    #[arg(long)]
    no_words: bool,
    /// The speech model for the words, such as base [default: the best installed for this machine]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
}

/// A recording is not begun without room for this many minutes.
const LEAST_MINUTES: u64 = 10;
/// A recording is ended with less free disk than this, in bytes, while it still can be ended well.
const LEAST_TO_GO_ON: u64 = 20_000_000;
/// The disk is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs the command: prints the session's id.
///
/// # Errors
/// [`Kind::Consent`] without the client's. [`Kind::Audio`] without a usable device, or when it
/// went away while recording: what was recorded until then is a whole session. [`Kind::Disk`] when
/// the disk is or becomes full.
pub fn run(args: &RecordArgs, cx: &Context) -> Result<()> {
    let vault = cx.vault()?;
    check_disk(&vault, SPEECH_RATE)?;
    let consent = consent::for_recording(&args.consent, cx)?;
    tell_interrupted(&vault, cx);
    // A process of its own: it must be begun before no other program may be.
    let scribe = written::begin(args, &consent, cx)?;
    microphones::shut_in(cx);
    let come_back = Duration::from_secs(args.patience);
    let source = args.microphones.find(come_back)?;
    let device = source.name().to_owned();
    let (names, channels) = (source.names(), source.channels());
    if args.native_rate {
        check_disk(&vault, source.spec().sample_rate)?;
    }
    let view = Arc::new(Mutex::new(View::new(&device)));
    let drawn = !args.plain && can_draw(cx);
    // Ctrl-Z would stop the recording without a word.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGTSTP, Arc::default());
    let teller = Teller::begin();
    let running = source.start()?;
    let mut live = Live::new(
        running.stream,
        running.channels,
        Arc::clone(cx.cancel()),
        Patience {
            come_back,
            ..Patience::default()
        },
        warner(cx, &teller, channels, drawn.then(|| Arc::clone(&view))),
    )?;
    if let Some(reopen) = running.reopen {
        live.reopen_by(reopen);
    }
    let flags = Flags {
        stop: Arc::clone(cx.cancel()),
        record: live.off_switch(),
    };
    let screen = match drawn {
        true => Some(Screen::open(Arc::clone(&view), flags.clone())?),
        false => None,
    };
    // The sound flows: from here on no socket, no program, nothing but writing to the vault.
    let _ = lockdown::second();
    let watch = live.watch();
    let mut frames: Box<dyn Frames + '_> =
        if args.native_rate || live.spec().sample_rate == SPEECH_RATE {
            Box::new(live)
        } else {
            Box::new(Resampler::new(live)?)
        };
    let rate = frames.spec().sample_rate;
    let labels = &args.labels;
    let origin = Origin::Recorded;
    let session = begin::begin(
        &vault,
        labels,
        origin,
        Some(&names),
        rate,
        Some(consent),
        cx,
    )?;
    let id = session.id();
    let typed = match drawn {
        true => None,
        false => {
            let from = terminal::harmless(&device);
            teller.say(cx, &format!("Recording from {from}. Ctrl-C ends it."));
            Typed::listen(&flags)
        }
    };
    let mut hand = Hand {
        cx,
        teller: &teller,
        watch: &watch,
        view: &view,
        journal: Journal::new(&session),
        screen: screen.as_ref(),
        typed,
        meters: Meters::in_words(cx),
        longest: f64::from(args.max_length) * 60.0,
        vault: &vault,
        rate,
        free: vault.free_bytes().ok(),
        looked: Instant::now(),
        disk_full: false,
        scribe,
        told: scribe::State::Writing,
    };
    let taken = sound::store(&session, &mut *frames, &mut |sofar, block| {
        hand.step(sofar, block);
    });
    if let Some(screen) = &screen {
        screen.close();
    }
    let held = hand.scribe.is_some().then(signals::hold);
    let taken = taken.map_err(|error| match error.kind() {
        Kind::Disk => error.hint(format!("undertone recover {id}")),
        _ => error,
    })?;
    hand.follow();
    let disk_full = hand.disk_full;
    let moments = hand.journal.moments().clone();
    let scribe = hand.scribe.take();
    drop(hand);
    drop(frames);
    teller.settle();
    let mut gaps = gaps(&watch.borrow());
    gaps.extend(moments.gaps(taken.seconds).into_iter().map(|gap| GapInfo {
        start_s: gap.start,
        duration_s: gap.duration,
        reason: gap.reason,
    }));
    gaps.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
    let end = watch.borrow().end;
    let mut manifest = session.manifest();
    manifest.duration_s = Some(taken.seconds);
    manifest.gaps = gaps;
    manifest.clocks = clocks(&watch.borrow());
    let written =
        scribe.and_then(|scribe| written::seal(scribe, &session, &manifest, &moments, &teller, cx));
    drop(held);
    manifest.model = written.as_ref().map(|written| written.model.clone());
    let slowest = watch.borrow().slowest_call;
    conclude(session, manifest, taken, &device, slowest, cx)?;
    if let Some(written) = &written {
        written.tell(cx);
    }
    let length = terminal::in_words(Duration::from_secs_f64(taken.seconds));
    // A device never comes to its end by itself.
    if end != Some(End::Asked) {
        return Err(Error::new(
            Kind::Audio,
            format!(
                "The device stopped giving sound, so the recording was ended. What came until \
                 then ({length}) is kept, sealed, as a whole session."
            ),
        )
        .hint("undertone devices")
        .hint("undertone record"));
    }
    if disk_full {
        return Err(Error::new(
            Kind::Disk,
            format!(
                "The disk is nearly full, so the recording was ended. What came until then \
                 ({length}) is kept, sealed, as a whole session."
            ),
        )
        .hint("Free some space, then: undertone record"));
    }
    // What was written down ends with a next step of its own.
    if written.is_none() {
        cx.say("Next: undertone transcribe");
    }
    Ok(())
}

/// Writes the manifest and tells what was recorded.
fn conclude(
    session: NewSession,
    manifest: Manifest,
    taken: Sofar,
    device: &str,
    slowest_call: Duration,
    cx: &Context,
) -> Result<()> {
    let manifest = session.finish(manifest, cx.now())?;
    let (id, gaps) = (manifest.id, &manifest.gaps);
    let length = terminal::in_words(Duration::from_secs_f64(taken.seconds));
    cx.say(&format!("Recorded and sealed {length}."));
    let lost = || gaps.iter().filter(|gap| gap.reason == LOST);
    let seconds: f64 = lost().map(|gap| gap.duration_s).sum();
    if seconds > 0.0 {
        let times = match lost().count() {
            1 => "once".to_owned(),
            count => format!("{count} times"),
        };
        cx.warn(&format!(
            "The computer was too busy {times}: {seconds:.1} s of sound are missing and marked."
        ));
    }
    if cx.json {
        cx.print_json(&serde_json::json!({
            "session": id,
            "duration_s": taken.seconds,
            "bytes": taken.bytes,
            "device": device,
            "gaps": gaps,
            "clocks": manifest.clocks,
            "transcribed": manifest.model.is_some(),
            "slowest_callback_us": slowest_call.as_micros() as u64,
        }))
    } else {
        cx.print(&id.to_string())
    }
}

/// An earlier recording that broke off is not forgotten.
fn tell_interrupted(vault: &Vault, cx: &Context) {
    let sessions = vault.sessions().unwrap_or_default();
    if sessions.iter().any(|s| s.state == State::Interrupted) {
        cx.warn(
            "An earlier recording was interrupted; what it holds is kept. After this session: \
             undertone recover",
        );
    }
}

/// Whether a screen can be drawn and keys can be read.
fn can_draw(cx: &Context) -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    !cx.quiet && !dumb && terminal::can_be_typed_to() && std::io::stderr().is_terminal()
}

/// What is done after every block of sound.
struct Hand<'a> {
    cx: &'a Context,
    teller: &'a Teller,
    watch: &'a std::cell::RefCell<live::Watch>,
    view: &'a Mutex<View>,
    journal: Journal<'a>,
    screen: Option<&'a Screen>,
    typed: Option<Typed>,
    meters: Meters,
    longest: f64,
    vault: &'a Vault,
    rate: u32,
    free: Option<u64>,
    looked: Instant,
    disk_full: bool,
    scribe: Option<Scribe>,
    /// The state of the writing down that was told last.
    told: scribe::State,
}

impl Hand<'_> {
    fn step(&mut self, sofar: Sofar, block: &[f32]) {
        self.write(block);
        if self.looked.elapsed() >= LOOK_EVERY {
            self.looked = Instant::now();
            self.free = self.vault.free_bytes().ok();
            self.disk_full = self.free.is_some_and(|free| free < LEAST_TO_GO_ON);
        }
        if self.disk_full || sofar.seconds >= self.longest {
            self.cx.cancel().store(true, Ordering::Relaxed);
        }
        let left = self.free.map(|free| {
            let room = free.saturating_sub(LEAST_TO_GO_ON);
            meters::time_left(room, sofar, self.rate)
        });
        {
            let mut watch = self.watch.borrow_mut();
            watch.left = left;
            let to_go = (self.longest - sofar.seconds).max(0.0);
            watch.to_go = Duration::try_from_secs_f64(to_go).ok();
        }
        if let Ok(mut view) = self.view.lock() {
            view.progress(sofar, left, &self.watch.borrow());
        }
        if self.screen.is_none() {
            let levels = &self.watch.borrow().levels;
            if let Some(line) = self.meters.recording(levels, sofar, left) {
                self.teller.line(&line);
                if let Some(parts) = &self.watch.borrow().parts {
                    self.teller
                        .line(&format!("Clocks: {}", parts::in_words(parts)));
                }
            }
        }
        self.follow();
    }

    /// Hands the sound on to be written down, and shows what was said.
    fn write(&mut self, block: &[f32]) {
        let Some(scribe) = &mut self.scribe else {
            return;
        };
        scribe.hear(block);
        let (said, state) = (scribe.said(), scribe.state());
        if let Ok(mut view) = self.view.lock() {
            view.words_state = Some(state);
            for said in &said {
                view.say(said);
            }
        }
        if self.screen.is_some() {
            return;
        }
        for said in said {
            self.teller.line(&words::said(&said));
        }
        if state != self.told
            && let Some(words) = state.words()
        {
            self.teller.say(self.cx, &format!("Words: {words}."));
        }
        self.told = state;
    }

    /// Takes in bookmarks and pauses.
    fn follow(&mut self) {
        let mut marks: Vec<(f64, Option<zeroize::Zeroizing<String>>)> = Vec::new();
        let at = |millis: u64| millis as f64 / 1000.0;
        for wish in self.screen.iter().flat_map(|screen| screen.wishes()) {
            match wish {
                Wish::Mark(when) => marks.push((at(when), None)),
                Wish::Words(when, text) => marks.push((at(when), Some(text))),
                Wish::Pause | Wish::Stop => {}
            }
        }
        let now = self.view.lock().map_or(0.0, |view| view.seconds);
        let off = self.journal.moments().paused();
        for text in self.typed.iter().flat_map(Typed::bookmarks) {
            if off {
                self.teller
                    .warn(self.cx, "Off the record nothing is marked.");
            } else {
                marks.push(((now * 1000.0).round() / 1000.0, Some(text)));
            }
        }
        let marked = marks.len();
        let marks = marks
            .iter()
            .map(|(at, text)| (*at, text.as_deref().map(String::as_str)));
        let known = self.journal.unwritten();
        match self.journal.follow(&self.watch.borrow().off_record, marks) {
            Ok(false) => return,
            Ok(true) => {}
            // It is tried again at each block, and told once.
            Err(_) if known => {}
            Err(_) => {
                let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
                view.warn("A bookmark or pause could not be written to the disk yet.".to_owned());
            }
        }
        if self.typed.is_some() || self.screen.is_none() {
            let paused = self.journal.moments().paused();
            if paused && !off {
                self.teller.say(self.cx, "Off the record: nothing is kept.");
            } else if off && !paused {
                self.teller.say(self.cx, "On the record again.");
            } else if marked > 0 {
                self.teller.say(self.cx, "Marked.");
            }
        }
        if let Ok(mut view) = self.view.lock() {
            view.moments = self.journal.moments().clone();
        }
    }
}

/// Tells what spoils a session that runs: in words, at once, with a bell; on the screen where there
/// is one.
fn warner<'a>(
    cx: &'a Context,
    teller: &'a Teller,
    channels: Option<[u16; 2]>,
    view: Option<Arc<Mutex<View>>>,
) -> Box<dyn FnMut(Notice) + 'a> {
    let bell = std::io::stderr().is_terminal();
    Box::new(move |notice| {
        let words = words::of(&notice, channels);
        if let Some(view) = &view {
            let mut view = view.lock().unwrap_or_else(PoisonError::into_inner);
            // Until it is back no sound comes that would bring the screen up to date.
            match notice {
                Notice::Gone => view.waiting = true,
                Notice::Returned(_) => view.waiting = false,
                _ => {}
            }
            view.warn(words);
            return;
        }
        if bell {
            teller.ring();
        }
        teller.warn(cx, &words);
    })
}

/// Why sound is missing while there was no device.
const AWAY: &str = "the device was gone";

/// The same of one of two devices: the other goes on.
const AWAY_OF: [&str; 2] = [
    "the therapist's device was gone",
    "the client's device was gone",
];

/// Why sound is missing that the computer was too busy to take.
const LOST: &str = "lost";

/// What the clocks of two devices were like; nothing of one device.
pub(super) fn clocks(watch: &live::Watch) -> Vec<ClockInfo> {
    let tenth = |value: f64| (value * 10.0).round() / 10.0;
    let both = watch.parts.iter().flatten().zip(0..);
    both.map(|(part, channel)| ClockInfo {
        channel,
        device: part.name.clone(),
        drift_ppm: part.drift_ppm.map(tenth),
        offset_ms: tenth(part.offset * 1000.0),
        misplaced_ms: (part.misplaced * 1e5).round() / 100.0,
    })
    .collect()
}

/// What is told of two devices' clocks: a line each.
pub(super) fn clocks_in_words(clocks: &[ClockInfo]) -> Vec<String> {
    let one = |(who, clock): (&str, &ClockInfo)| {
        let drift = clock.drift_ppm.map_or_else(
            || "not known yet".to_owned(),
            |ppm| format!("{ppm:+.0} parts in a million"),
        );
        let off = clock.misplaced_ms.abs();
        format!(
            "{who}'s clock: {drift}, begun at {:.0} ms, {off:.1} ms off now",
            clock.offset_ms
        )
    };
    ["Therapist", "Client"]
        .into_iter()
        .zip(clocks)
        .map(one)
        .collect()
}

/// Where something is missing: lengths that were lost and filled with silence, and places where
/// the device lost an unknown length, as gaps of no length.
fn gaps(watch: &live::Watch) -> Vec<GapInfo> {
    let lost = watch.gaps.iter().map(|&(start_s, duration_s)| GapInfo {
        start_s,
        duration_s,
        reason: LOST.to_owned(),
    });
    let away = watch.away.iter().map(|&(start_s, duration_s)| GapInfo {
        start_s,
        duration_s,
        reason: AWAY.to_owned(),
    });
    let silent = watch
        .silent
        .iter()
        .map(|&(whose, start_s, duration_s)| GapInfo {
            start_s,
            duration_s,
            reason: AWAY_OF[whose.min(1)].to_owned(),
        });
    let marks = watch.marks.iter().map(|&(start_s, reason)| GapInfo {
        start_s,
        duration_s: 0.0,
        reason: reason.to_owned(),
    });
    let mut gaps: Vec<GapInfo> = lost.chain(away).chain(silent).chain(marks).collect();
    gaps.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
    gaps
}

fn check_disk(vault: &Vault, rate: u32) -> Result<()> {
    let free = vault.free_bytes()?;
    let needed = LEAST_TO_GO_ON + sound::bytes_an_hour(rate) * LEAST_MINUTES / 60;
    if free < needed {
        return Err(Error::new(
            Kind::Disk,
            format!(
                "There is too little room to begin: {} are free, {} are needed.",
                terminal::size_in_words(free),
                terminal::size_in_words(needed)
            ),
        )
        .hint("Free some space, or keep the vault on another disk: undertone --vault DIR …"));
    }
    Ok(())
}
