//! `undertone record`: records a session from a device with two channels.
//!
//! Needs public keys only: no passphrase is asked for, and none of what is written can be read by
//! this process again.

mod live;
mod meters;
mod take;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Context, TOOL, import, terminal};
use crate::audio::capture::{CaptureSource, CpalSource};
use crate::audio::resample::Resampler;
use crate::audio::{Frames, SPEECH_RATE};
use crate::lockdown;
use crate::vault::{Beginning, ChannelInfo, GapInfo, NewSession, Origin, Role, SessionId, Vault};
use crate::{Error, Kind, Result};
use live::{End, Live};
use meters::Meters;

/// Arguments of `undertone record`.
#[derive(Debug, clap::Args)]
pub struct RecordArgs {
    /// The device, by its id or a part of its name [default: what the system records from]
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// The channel of the therapist's microphone
    #[arg(long, value_name = "CHANNEL", default_value_t = 1)]
    therapist: u16,
    /// The channel of the client's microphone
    #[arg(long, value_name = "CHANNEL", default_value_t = 2)]
    client: u16,
    /// A title for the session; sealed with it
    #[arg(long)]
    title: Option<String>,
    /// Your code for the client; sealed with it
    #[arg(long, value_name = "CODE")]
    client_code: Option<String>,
    /// Keep the device's own sampling rate instead of 16 kHz
    #[arg(long)]
    native_rate: bool,
    /// End by itself after this long, should you forget
    #[arg(long, value_name = "MINUTES", default_value_t = 240, value_parser = clap::value_parser!(u32).range(1..=1440))]
    max_minutes: u32,
}

/// A recording is not begun with less free disk than this, in bytes: about 20 minutes of sound.
const LEAST_TO_BEGIN: u64 = 50_000_000;
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
    check_disk(&vault)?;
    let cookies = sound_server_files();
    let readable: Vec<_> = cookies.iter().map(PathBuf::as_path).collect();
    cx.shut_in_files(&readable, &[]);
    let mut source = CpalSource::find(args.device.as_deref())?;
    live::check_channels(source.spec(), args.therapist, args.client)?;
    let device = source.name().to_owned();
    let live = Live::new(
        source.start()?,
        args.therapist,
        args.client,
        std::sync::Arc::clone(cx.cancel()),
    )?;
    // The sound flows: from here on no socket, no program, nothing but writing to the vault.
    let _ = lockdown::second();
    let watch = live.watch();
    let mut frames: Box<dyn Frames> = if args.native_rate || live.spec().sample_rate == SPEECH_RATE
    {
        Box::new(live)
    } else {
        Box::new(Resampler::new(live)?)
    };
    let session = begin(&vault, args, &device, frames.spec().sample_rate, cx)?;
    let id = session.id();
    cx.say(&format!("Recording from {device}. Ctrl-C ends it."));
    let mut meters = Meters::new(cx);
    let mut looked = Instant::now();
    let mut disk_full = false;
    let longest = f64::from(args.max_minutes) * 60.0;
    let taken = take::take(&session, &mut *frames, &mut |sofar| {
        let mut watch = watch.borrow_mut();
        for finding in std::mem::take(&mut watch.findings) {
            meters.clear();
            cx.warn(&format!("\u{7}{} {}", finding.sentence, finding.advice));
        }
        if looked.elapsed() >= LOOK_EVERY {
            looked = Instant::now();
            meters.free = vault.free_bytes().ok();
            disk_full = meters.free.is_some_and(|free| free < LEAST_TO_GO_ON);
        }
        if disk_full || sofar.seconds >= longest {
            cx.cancel()
                .store(true, std::sync::atomic::Ordering::Relaxed);
        }
        meters.draw(&watch.levels, sofar);
    });
    meters.clear();
    let taken = taken?;
    drop(frames);
    let mut manifest = session.manifest();
    manifest.duration_s = Some(taken.seconds);
    manifest.gaps = watch
        .borrow()
        .gaps
        .iter()
        .map(|&(start_s, duration_s)| GapInfo {
            start_s,
            duration_s,
            reason: "lost".to_owned(),
        })
        .collect();
    let gaps = manifest.gaps.clone();
    session.finish(manifest, cx.now())?;
    let length = terminal::in_words(Duration::from_secs_f64(taken.seconds));
    cx.say(&format!("Recorded and sealed {length}."));
    if !gaps.is_empty() {
        let lost: f64 = gaps.iter().map(|gap| gap.duration_s).sum();
        cx.warn(&format!(
            "The computer was too busy {} times: {lost:.1} s of sound are missing and marked.",
            gaps.len()
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
    if watch.borrow().end == Some(End::Device) {
        return Err(Error::new(
            Kind::Audio,
            format!("\u{7}The device stopped giving sound. The {length} until then are kept."),
        )
        .hint("undertone devices")
        .hint("undertone record"));
    }
    if disk_full {
        return Err(Error::new(
            Kind::Disk,
            format!("\u{7}The disk is nearly full, so the recording was ended. {length} are kept."),
        )
        .hint("free some space, then: undertone record"));
    }
    cx.say("Next: undertone transcribe");
    Ok(())
}

fn check_disk(vault: &Vault) -> Result<()> {
    let free = vault.free_bytes()?;
    if free < LEAST_TO_BEGIN {
        return Err(Error::new(
            Kind::Disk,
            format!(
                "There is too little room to begin: {} are free, {} are needed.",
                terminal::size_in_words(free),
                terminal::size_in_words(LEAST_TO_BEGIN)
            ),
        )
        .hint("free some space, or keep the vault on another disk: undertone --vault DIR …"));
    }
    Ok(())
}

fn begin(
    vault: &Vault,
    args: &RecordArgs,
    device: &str,
    sample_rate: u32,
    cx: &Context,
) -> Result<NewSession> {
    let channels = [Role::Therapist, Role::Client]
        .into_iter()
        .zip(0..)
        .map(|(role, channel)| ChannelInfo {
            channel,
            role,
            device: Some(device.to_owned()),
        })
        .collect();
    vault.begin(
        SessionId::new(cx.now(), import::random()?),
        Beginning {
            created: cx.now(),
            origin: Origin::Recorded,
            title: args.title.clone(),
            client_code: args.client_code.clone(),
            sample_rate,
            channels,
            consent: None,
            tool: TOOL.to_owned(),
        },
    )
}

/// Files of the sound server that its client reads: the cookie that lets it in, and the socket's
/// folder.
pub(super) fn sound_server_files() -> Vec<PathBuf> {
    let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let home = path("HOME");
    [
        path("PULSE_COOKIE"),
        path("XDG_RUNTIME_DIR"),
        path("PULSE_RUNTIME_PATH"),
        path("XDG_CONFIG_HOME").map(|config| config.join("pulse")),
        home.as_ref().map(|home| home.join(".config/pulse")),
        home.as_ref().map(|home| home.join(".pulse-cookie")),
        home.as_ref().map(|home| home.join(".asoundrc")),
    ]
    .into_iter()
    .flatten()
    .filter(|path| path.is_absolute() && path.exists())
    .collect()
}
