//! `undertone check`: listens to both microphones and tells what is wrong with them.

use std::sync::Arc;
use std::time::Duration;

use anstyle::Style;

use super::microphones::{self, Microphones};
use super::record::{self, End, Live, Meters, Notice, Patience, Trouble};
use super::{Context, terminal};
use crate::audio::Frames;
use crate::audio::levels::check::{self, Finding, Measures, Problem};
use crate::vault::ClockInfo;
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
    for line in told(&measures, &clocks, &findings, terminal::columns()) {
        cx.print(&line)?;
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

/// What was measured and what is wrong, in lines of at most `width` columns.
fn told(
    measures: &Measures,
    clocks: &[ClockInfo],
    findings: &[Finding],
    width: usize,
) -> Vec<String> {
    let mut lines = Vec::new();
    for (who, channel) in ["Therapist", "Client"].iter().zip(&measures.channels) {
        lines.push(format!(
            "{who}: speech {:.0} dBFS, peak {:.0} dBFS, room {:.0} dBFS",
            channel.speech_dbfs, channel.level.peak_dbfs, channel.floor_dbfs
        ));
        if let Some(bleed) = channel.bleed_db {
            lines.push(format!(
                "  {:.0} dB {} at the other's microphone",
                bleed.abs(),
                if bleed > 0.0 { "louder" } else { "softer" }
            ));
        }
    }
    for clock in record::clocks_in_words(clocks) {
        lines.extend(terminal::wrap(&clock, width));
    }
    for finding in findings {
        lines.extend(terminal::labelled(
            "!",
            Style::new(),
            &finding.sentence,
            width,
        ));
        lines.extend(terminal::labelled(
            " ",
            Style::new(),
            &finding.advice,
            width,
        ));
    }
    lines
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::levels::Level;
    use crate::audio::levels::check::Channel;

    /// A channel whose figures are long, and wrong in this way or that.
    fn channel(peak_dbfs: f32, speech_dbfs: f32, floor_dbfs: f32, hum_hz: Option<u16>) -> Channel {
        Channel {
            level: Level {
                peak_dbfs,
                rms_dbfs: speech_dbfs,
                clipped: 5_760_000,
            },
            speech_dbfs,
            floor_dbfs,
            bleed_db: Some(-1.0),
            hum_hz,
        }
    }

    #[test]
    fn the_longest_findings_fit_eighty_columns() {
        let clock = ClockInfo {
            channel: 0,
            device: String::new(),
            drift_ppm: Some(-1000.0),
            offset_ms: -10_000.0,
            misplaced_ms: 1000.0,
        };
        let clocks = [clock.clone(), clock];
        let noisy = channel(0.0, -100.0, -10.0, None);
        let uneven = Channel {
            bleed_db: Some(40.0),
            ..channel(0.0, -100.0, -100.0, Some(50))
        };
        let silent = channel(-120.0, -120.0, -120.0, None);
        // Silence and sameness hide the rest, so it takes three to find everything.
        let cases = [
            ([uneven, noisy.clone()], 0.0),
            ([noisy.clone(), noisy], -100.0),
            ([silent.clone(), silent], 0.0),
        ];
        let mut found = Vec::new();
        for (channels, difference_db) in cases {
            let measures = Measures {
                channels,
                difference_db,
            };
            let findings = check::judge(&measures);
            for line in told(&measures, &clocks, &findings, 80) {
                assert!(line.chars().count() <= 80, "{line}");
            }
            found.extend(findings.into_iter().map(|finding| finding.problem));
        }
        for problem in [
            Problem::Silent,
            Problem::Clipped,
            Problem::TooQuiet,
            Problem::Identical,
            Problem::BadlySeparated,
            Problem::UnevenGains,
            Problem::Noisy,
            Problem::Hum,
        ] {
            assert!(found.contains(&problem), "{problem:?}");
        }
    }
}
