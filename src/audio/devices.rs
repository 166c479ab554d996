//! What sound can be recorded from, and what speaks against a device.
//!
//! The names are the system's; the warnings are about two people in one room. It refuses to hide a
//! device: a bad one is listed with what is bad about it.

use serde::Serialize;

use crate::Result;

/// Something to know before recording from a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Warning {
    /// Bluetooth: narrow sound, drop-outs, and a radio link out of the room.
    Bluetooth,
    /// The sound comes from, or passes through, another computer.
    Network,
    /// One channel: the speakers could not be told apart.
    SingleChannel,
    /// Not a microphone but what the computer plays.
    Monitor,
}

impl Warning {
    /// The warning in a sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Warning::Bluetooth => {
                "Bluetooth: the sound is narrow, may drop out, and travels by radio."
            }
            Warning::Network => "Network: this sound passes through another computer.",
            Warning::SingleChannel => "One channel: two speakers cannot be told apart.",
            Warning::Monitor => "Not a microphone: it records what this computer plays.",
        }
    }
}

/// One input device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Stays the same over restarts: the host and the system's own name, `host:name`.
    pub id: String,
    /// In plain words, as the system describes it.
    pub name: String,
    /// The sound system: `pulseaudio`, `alsa`, `coreaudio`, `wasapi`.
    pub host: String,
    /// Channels that it gives.
    pub channels: u16,
    /// The rate that it runs at, in hertz; the only one it is opened at.
    pub sample_rate: u32,
    /// Whether it is what the system records from when nothing is chosen.
    pub default: bool,
    /// What speaks against it.
    pub warnings: Vec<Warning>,
}

/// What the host says about a device.
pub(super) struct Traits {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) channels: u16,
    pub(super) sample_rate: u32,
    pub(super) default: bool,
    pub(super) bluetooth: bool,
}

impl Device {
    pub(super) fn describe(traits: Traits) -> Self {
        let (host, own) = traits.id.split_once(':').unwrap_or(("", &traits.id));
        let own = own.to_lowercase();
        let mut warnings = Vec::new();
        // The prefixes are those of PulseAudio's and PipeWire's modules.
        if traits.bluetooth || own.starts_with("bluez") || own.contains("bluealsa") {
            warnings.push(Warning::Bluetooth);
        }
        if own.contains("tunnel") || own.starts_with("rtp") || own.contains("roc-source") {
            warnings.push(Warning::Network);
        }
        if own.ends_with(".monitor") {
            warnings.push(Warning::Monitor);
        }
        if traits.channels < 2 {
            warnings.push(Warning::SingleChannel);
        }
        Device {
            host: host.to_owned(),
            id: traits.id,
            name: traits.name,
            channels: traits.channels,
            sample_rate: traits.sample_rate,
            default: traits.default,
            warnings,
        }
    }
}

/// Every input device, microphones first, the default before all.
///
/// # Errors
/// [`crate::Kind::Audio`] when the sound system does not answer. No device is an empty list.
pub fn list() -> Result<Vec<Device>> {
    let mut devices = super::capture::devices()?;
    devices.sort_by_key(|d| {
        (
            !d.default,
            d.warnings.contains(&Warning::Monitor),
            d.id.clone(),
        )
    });
    Ok(devices)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &str, channels: u16) -> Device {
        Device::describe(Traits {
            id: id.to_owned(),
            name: "a".to_owned(),
            channels,
            sample_rate: 48_000,
            default: false,
            bluetooth: false,
        })
    }

    #[test]
    fn what_speaks_against_a_device_is_seen_in_its_name() {
        let of = |id: &str| device(id, 2).warnings;
        assert_eq!(of("pulseaudio:alsa_input.usb-Rode-00.analog-stereo"), []);
        assert_eq!(of("pulseaudio:bluez_source.00_11"), [Warning::Bluetooth]);
        assert_eq!(of("pulseaudio:tunnel.other.local.mic"), [Warning::Network]);
        assert_eq!(of("pulseaudio:out.monitor"), [Warning::Monitor]);
        assert_eq!(device("alsa:hw:0", 1).warnings, [Warning::SingleChannel]);
        assert_eq!(device("alsa:hw:CARD=0,DEV=0", 2).host, "alsa");
    }
}
