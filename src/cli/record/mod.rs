//! `undertone record`: records a session from a device with two channels.
//!
//! Needs public keys only: no passphrase is asked for, and none of what is written can be read by
//! this process again.

mod judge;
mod live;
mod meters;

use std::time::{Duration, Instant};

pub(super) use live::{End, Live, Notice, Patience, check_channels};
pub(super) use meters::Meters;

use super::begin::{self, Labels};
use super::microphones::{self, Microphones};
use super::{Context, sound, terminal};
use crate::audio::capture::{CaptureSource, CpalSource};
use crate::audio::resample::Resampler;
use crate::audio::{Frames, SPEECH_RATE};
use crate::lockdown;
use crate::vault::{GapInfo, Origin, Vault};
use crate::{Error, Kind, Result};
use judge::Spoilt;

/// Arguments of `undertone record`.
#[derive(Debug, clap::Args)]
pub struct RecordArgs {
    #[command(flatten)]
    microphones: Microphones,
    #[command(flatten)]
    labels: Labels,
    /// Keep the device's own sampling rate instead of 16 kHz
    #[arg(long)]
    native_rate: bool,
    /// End by itself after this long, should you forget
    #[arg(long, value_name = "MINUTES", default_value_t = 240, value_parser = clap::value_parser!(u32).range(1..=1440))]
    max_minutes: u32,
}

/// A recording is not begun without room for this many minutes.
const LEAST_MINUTES: u64 = 10;
/// A recording is ended with less free disk than this, in bytes, while it still can be ended well.
const LEAST_TO_GO_ON: u64 = 20_000_000;
/// The disk is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Runs the command: prints the session's id.
///
/// # Errors
/// [`Kind::Audio`] without a usable device, or when it went away while recording: what was
/// recorded until then is a whole session. [`Kind::Disk`] when the disk is or becomes full.
pub fn run(args: &RecordArgs, cx: &Context) -> Result<()> {
    let vault = cx.vault()?;
    check_disk(&vault, SPEECH_RATE)?;
    microphones::shut_in(cx);
    let Microphones {
        device,
        therapist,
        client,
    } = &args.microphones;
    let mut source = CpalSource::find(device.as_deref())?;
    check_channels(source.spec(), *therapist, *client)?;
    let device = source.name().to_owned();
    if args.native_rate {
        check_disk(&vault, source.spec().sample_rate)?;
    }
    let mut meters = Meters::new(cx, meters::TELL);
    let warn = warner(cx, [*therapist, *client]);
    let live = Live::new(
        source.start()?,
        (*therapist, *client),
        std::sync::Arc::clone(cx.cancel()),
        Patience::default(),
        Box::new(warn),
    )?;
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
    let session = begin::begin(&vault, labels, Origin::Recorded, Some(&device), rate, cx)?;
    let id = session.id();
    cx.say(&format!(
        "Recording from {}. Ctrl-C ends it.",
        terminal::harmless(&device)
    ));
    let mut free = vault.free_bytes().ok();
    let mut looked = Instant::now();
    let mut disk_full = false;
    let longest = f64::from(args.max_minutes) * 60.0;
    let taken = sound::store(&session, &mut *frames, &mut |sofar| {
        if looked.elapsed() >= LOOK_EVERY {
            looked = Instant::now();
            free = vault.free_bytes().ok();
            disk_full = free.is_some_and(|free| free < LEAST_TO_GO_ON);
        }
        if disk_full || sofar.seconds >= longest {
            cx.cancel()
                .store(true, std::sync::atomic::Ordering::Relaxed);
        }
        let left = free.map(|free| {
            let room = free.saturating_sub(LEAST_TO_GO_ON);
            meters::time_left(room, sofar, rate)
        });
        meters.recording(&watch.borrow().levels, sofar, left);
    });
    meters.clear();
    let taken = taken.map_err(|error| match error.kind() {
        Kind::Disk => error.hint(format!("undertone recover {id}")),
        _ => error,
    })?;
    drop(frames);
    let mut manifest = session.manifest();
    manifest.duration_s = Some(taken.seconds);
    let gaps = gaps(&watch.borrow());
    manifest.gaps.clone_from(&gaps);
    session.finish(manifest, cx.now())?;
    let length = terminal::in_words(Duration::from_secs_f64(taken.seconds));
    cx.say(&format!("Recorded and sealed {length}."));
    let lost: f64 = gaps.iter().map(|gap| gap.duration_s).sum();
    if lost > 0.0 {
        let count = gaps.iter().filter(|gap| gap.duration_s > 0.0).count();
        cx.warn(&format!(
            "The computer was too busy {}: {lost:.1} s of sound are missing and marked.",
            if count == 1 {
                "once".to_owned()
            } else {
                format!("{count} times")
            }
        ));
    }
    if cx.json {
        cx.print_json(&serde_json::json!({
            "session": id,
            "duration_s": taken.seconds,
            "bytes": taken.bytes,
            "device": device,
            "gaps": gaps,
        }))?;
    } else {
        cx.print(&id.to_string())?;
    }
    // A device never comes to its end by itself.
    if watch.borrow().end != Some(End::Asked) {
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
    cx.say("Next: undertone transcribe");
    Ok(())
}

/// What spoils a session that runs: in words, at once, with a bell.
fn warner(cx: &Context, channels: [u16; 2]) -> impl FnMut(Notice) + '_ {
    let line = Meters::new(cx, meters::TELL);
    move |notice| {
        line.clear();
        let mut stderr = std::io::stderr();
        if std::io::IsTerminal::is_terminal(&stderr) {
            let _ = std::io::Write::write_all(&mut stderr, b"\x07");
        }
        cx.warn(&words(notice, channels));
    }
}

fn words(notice: Notice, channels: [u16; 2]) -> String {
    let whose = |index: usize| {
        let who = ["therapist", "client"][index.min(1)];
        format!(
            "the {who}'s microphone (channel {})",
            channels[index.min(1)]
        )
    };
    match notice {
        Notice::Stalled => "No sound has come from the device for some seconds. Is it plugged in? \
                            Everything until now is kept; waiting for it."
            .to_owned(),
        Notice::Gone => {
            "The device is gone. Everything until now is kept; waiting for it.".to_owned()
        }
        Notice::Back => "Sound comes again. What was said meanwhile may be missing; the place is \
                         marked."
            .to_owned(),
        Notice::Changed => "The sound system closed this device or put another in its place. Look \
                            whether both levels still move when you speak."
            .to_owned(),
        Notice::Overrun => "The device lost some sound by itself; the place is marked.".to_owned(),
        Notice::Spoilt(Spoilt::Silent(index)) => format!(
            "Nothing comes from {}. Is it switched on, plugged in and not muted?",
            whose(index)
        ),
        Notice::Spoilt(Spoilt::Clipped(index)) => format!(
            "Sound is cut off at {}: too loud. Turn its input level down by about 10 dB.",
            whose(index)
        ),
        Notice::Spoilt(Spoilt::Same) => "Both channels carry the same sound, so that it cannot be \
                                         told who speaks. Choose the device's stereo setting, not \
                                         mono, or another device."
            .to_owned(),
    }
}

/// Where something is missing: lengths that were lost and filled with silence, and places where
/// the device lost an unknown length, as gaps of no length.
fn gaps(watch: &live::Watch) -> Vec<GapInfo> {
    let lost = watch.gaps.iter().map(|&(start_s, duration_s)| GapInfo {
        start_s,
        duration_s,
        reason: "lost".to_owned(),
    });
    let marks = watch.marks.iter().map(|&(start_s, reason)| GapInfo {
        start_s,
        duration_s: 0.0,
        reason: reason.to_owned(),
    });
    let mut gaps: Vec<GapInfo> = lost.chain(marks).collect();
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
