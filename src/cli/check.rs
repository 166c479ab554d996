//! `undertone check`: listens to both microphones and tells what is wrong with them.

use std::sync::Arc;
use std::time::Duration;

use super::microphones::{self, Microphones};
use super::record::{self, End, Live, Meters, Notice, Patience, Trouble};
use super::{Context, terminal};
use crate::audio::Frames;
use crate::audio::levels::check::{self, Problem};
use crate::{Error, Kind, Result, lockdown};

/// How often levels are told where they cannot be redrawn.
const PLAIN: Duration = Duration::from_secs(2);

/// Arguments of `undertone check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    #[command(flatten)]
    microphones: Microphones,
    /// How long to listen, in seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=120))]
    seconds: u32,
}

/// Runs the command. Nothing is kept.
///
/// # Errors
/// [`Kind::Audio`] without a usable device. What it finds wrong is a result, no error.
pub fn run(args: &CheckArgs, cx: &Context) -> Result<()> {
    microphones::shut_in(cx);
    let source = args.microphones.find(Duration::ZERO)?;
    let name = source.name().to_owned();
    let running = source.start()?;
    let mut live = Live::new(
        running.stream,
        running.channels,
        Arc::clone(cx.cancel()),
        Patience::default(),
        Box::new(|notice| {
            let what = match &notice {
                Notice::Part(_, what) => what,
                what => what,
            };
            if matches!(what, Notice::Gone | Notice::Trouble(Trouble::Stalled)) {
                cx.warn("No sound comes from the device. Is it plugged in?");
            }
        }),
    )?;
    let _ = lockdown::second();
    cx.say(&format!(
        "Listening to {} for {} s. Speak one after the other, as you would sit.",
        terminal::harmless(&name),
        args.seconds
    ));
    let both = listen(&mut live, args.seconds, &mut Meters::new(cx, PLAIN))?;
    if cx.cancelled() {
        return Err(Error::new(Kind::Cancelled, "Stopped."));
    }
    let spec = live.spec();
    let clocks = record::clocks(&live.watch().borrow());
    drop(live);
    let measures = check::measure(&both, spec.sample_rate);
    let findings = check::judge(&measures);
    if cx.json {
        return cx.print_json(&serde_json::json!({
            "device": name,
            "measures": measures,
            "clocks": clocks,
            "findings": findings,
        }));
    }
    for (who, channel) in ["Therapist", "Client"].iter().zip(&measures.channels) {
        let bleed = channel.bleed_db.map_or_else(String::new, |bleed| {
            format!(
                ", {:.0} dB {} at the other's microphone",
                bleed.abs(),
                if bleed > 0.0 { "louder" } else { "softer" }
            )
        });
        cx.print(&format!(
            "{who}: speech {:.0} dBFS, peak {:.0} dBFS, room {:.0} dBFS{bleed}",
            channel.speech_dbfs, channel.level.peak_dbfs, channel.floor_dbfs
        ))?;
    }
    for line in record::clocks_in_words(&clocks) {
        cx.print(&line)?;
    }
    for finding in &findings {
        cx.print(&format!("! {}", finding.sentence))?;
        cx.print(&format!("  {}", finding.advice))?;
    }
    let spoke = measures.channels.each_ref().map(|c| c.bleed_db.is_some());
    let two_sounds = !findings
        .iter()
        .any(|f| matches!(f.problem, Problem::Silent | Problem::Identical));
    if two_sounds && spoke != [true, true] {
        cx.say(
            "How well you are held apart is known only once both of you have spoken, in turn, for some \
             seconds each. If both did, one microphone is turned up much more. Again: undertone check",
        );
    } else if findings.is_empty() {
        cx.say("Both microphones are fine. Next: undertone record");
    }
    Ok(())
}

/// Listens for some seconds of sound, showing the levels.
fn listen(live: &mut Live<'_>, seconds: u32, meters: &mut Meters) -> Result<Vec<f32>> {
    let rate = live.spec().sample_rate;
    let wanted = rate as usize * seconds as usize;
    let watch = live.watch();
    let (mut both, mut heard) = (Vec::new(), 0);
    while heard < wanted {
        let most = (rate as usize / 10).min(wanted - heard);
        let read = live.read(&mut both, most)?;
        if read == 0 {
            break;
        }
        heard += read;
        let more = (wanted - heard).div_ceil(rate.max(1) as usize);
        let head = format!("Listening, {more} s more");
        meters.draw(&watch.borrow().levels, &head, "");
    }
    meters.clear();
    if heard < wanted && watch.borrow().end != Some(End::Asked) {
        return Err(
            Error::new(Kind::Audio, "The device stopped giving sound.").hint("undertone devices")
        );
    }
    Ok(both)
}
