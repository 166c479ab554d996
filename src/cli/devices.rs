//! `undertone devices`: lists what can be recorded from.

use super::{Context, microphones, terminal};
use crate::Result;
use crate::audio::devices;

/// Arguments of `undertone devices`.
#[derive(Debug, clap::Args)]
pub struct DevicesArgs {}

/// Runs the command.
///
/// # Errors
/// [`crate::Kind::Audio`] if no sound system answers.
pub fn run(_args: &DevicesArgs, cx: &Context) -> Result<()> {
    microphones::shut_in(cx);
    let found = devices::list()?;
    let _ = crate::lockdown::second();
    if cx.json {
        return cx.print_json(&found);
    }
    if found.is_empty() {
        cx.say("No input was found. Is a microphone plugged in, and a sound server running?");
        cx.say("Next: undertone doctor");
    }
    for device in &found {
        let default = if device.default { "  (default)" } else { "" };
        let channels = match device.channels {
            1 => "1 channel".to_owned(),
            count => format!("{count} channels"),
        };
        cx.print(&format!("{}{default}", terminal::harmless(&device.id)))?;
        cx.print(&format!(
            "    {}, {channels}, {} Hz",
            terminal::harmless(&device.name),
            device.sample_rate
        ))?;
        for warning in &device.warnings {
            cx.print(&format!("    ! {}", warning.sentence()))?;
        }
    }
    Ok(())
}
