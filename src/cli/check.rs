//! `undertone check`: listens to both microphones and tells what is wrong with them.

use std::time::{Duration, Instant};

use super::{Context, record};
use crate::audio::capture::{CaptureSource, CpalSource};
use crate::audio::import;
use crate::audio::levels::check;
use crate::audio::{Frames, Memory};
use crate::{Error, Kind, Result, lockdown};

/// Arguments of `undertone check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The device, by its id or a part of its name [default: what the system records from]
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// The channel of the therapist's microphone
    #[arg(long, value_name = "CHANNEL", default_value_t = 1)]
    therapist: u16,
    /// The channel of the client's microphone
    #[arg(long, value_name = "CHANNEL", default_value_t = 2)]
    client: u16,
    /// How long to listen, in seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=120))]
    seconds: u32,
}

/// Runs the command. Nothing is kept.
///
/// # Errors
/// [`Kind::Audio`] without a usable device. What it finds wrong is a result, no error.
pub fn run(args: &CheckArgs, cx: &Context) -> Result<()> {
    let cookies = record::sound_server_files();
    let readable: Vec<_> = cookies.iter().map(std::path::PathBuf::as_path).collect();
    cx.shut_in_files(&readable, &[]);
    let mut source = CpalSource::find(args.device.as_deref())?;
    import::two_channels(source.spec()).or_else(|error| {
        if source.spec().channels > 2 {
            Ok(())
        } else {
            Err(error)
        }
    })?;
    let name = source.name().to_owned();
    let mut stream = source.start()?;
    let _ = lockdown::second();
    cx.say(&format!(
        "Listening to {name} for {} s. Speak one after the other, as you would sit.",
        args.seconds
    ));
    let spec = stream.spec();
    let mut samples = Vec::new();
    let mut progress = cx.progress("Listening");
    let (begun, length) = (Instant::now(), Duration::from_secs(u64::from(args.seconds)));
    while begun.elapsed() < length && !cx.cancelled() {
        stream.wait(Duration::from_millis(100));
        stream.read(&mut samples);
        progress.at(begun.elapsed().as_secs_f64() / length.as_secs_f64());
    }
    progress.finish();
    if cx.cancelled() {
        return Err(Error::new(Kind::Cancelled, "Stopped."));
    }
    let heard = Memory::new(samples, spec.sample_rate, spec.channels);
    let mut picked = import::select(heard, args.therapist, args.client)?;
    let mut both = Vec::new();
    while picked.read(&mut both, 48_000)? > 0 {}
    let measures = check::measure(&both, spec.sample_rate);
    let findings = check::judge(&measures);
    if cx.json {
        return cx.print_json(&serde_json::json!({
            "device": name,
            "measures": measures,
            "findings": findings,
        }));
    }
    for (who, channel) in ["Therapist", "Client"].iter().zip(&measures.channels) {
        let bleed = channel.bleed_db.map_or_else(String::new, |bleed| {
            format!(
                ", the other voice {:.0} dB below their own microphone",
                -bleed
            )
        });
        cx.print(&format!(
            "{who}: speech {:.0} dBFS, peak {:.0} dBFS, room {:.0} dBFS{bleed}",
            channel.speech_dbfs, channel.level.peak_dbfs, channel.floor_dbfs
        ))?;
    }
    for finding in &findings {
        cx.print(&format!("! {}", finding.sentence))?;
        cx.print(&format!("  {}", finding.advice))?;
    }
    if findings.is_empty() {
        cx.say("Both microphones are fine. Next: undertone record");
    }
    Ok(())
}
