//! Real devices, by cpal: **the only file that names it.**
//!
//! The host is PulseAudio (which PipeWire also serves) where a server answers, else the system's
//! own: ALSA, CoreAudio or WASAPI. ALSA is not touched while PulseAudio works, and what it prints
//! when it is asked for its devices is kept from the terminal. A device is opened at its own rate and channel
//! count, and calls every 20 ms or so. From PulseAudio cpal takes only what devices there are: recording is
//! [`super::pulse`]'s.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{BufferSize, ErrorKind, SampleFormat, StreamConfig};

use super::hush::Hush;
use super::{BLOCKS, CaptureSource, CaptureStream, Complaint, Feed, Reopen};
use crate::audio::Spec;
use crate::audio::devices::{Device, Traits};
use crate::{Error, Kind, Result};

/// How long a device may take to be opened, and again to give its first samples.
const PATIENCE: Duration = Duration::from_secs(5);

/// One input device.
pub struct CpalSource {
    host: cpal::Host,
    /// The connection to the sound server, where there is one: a new one cannot be made once shut in.
    #[cfg(target_os = "linux")]
    pulse: Option<super::pulse::Pulse>,
    device: cpal::Device,
    name: String,
    id: String,
    spec: Spec,
    format: SampleFormat,
    /// Whether it was opened before.
    opened: bool,
}

fn host() -> cpal::Host {
    #[cfg(target_os = "linux")]
    if let Ok(host) = cpal::host_from_id(cpal::HostId::PulseAudio) {
        return host;
    }
    #[cfg(target_os = "linux")]
    if let Ok(host) = cpal::host_from_id(cpal::HostId::Alsa) {
        return host;
    }
    cpal::default_host()
}

/// Keeps stderr clean while a host that prints is asked.
fn hushed(host: &cpal::Host) -> Option<Hush> {
    (host.id().name() == "ALSA").then(Hush::new)
}

impl CpalSource {
    /// Finds a device by the id that [`crate::audio::devices::list`] gives, or by a part of its
    /// name that fits only one; the system's default without one. Nothing is opened yet.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when no device fits, [`Kind::Usage`] when several do, [`Kind::Audio`]
    /// when the device cannot say what it is like.
    pub fn find(wanted: Option<&str>) -> Result<Self> {
        let host = host();
        let _hush = hushed(&host);
        let device = match wanted {
            // ALSA names a default device where there is none: it must also be able to describe itself.
            None => host
                .default_input_device()
                .filter(|device| device.default_input_config().is_ok())
                .ok_or_else(|| {
                    Error::new(
                        Kind::NotFound,
                        "This computer has no microphone that can be used.",
                    )
                    .hint("Connect one, then: undertone devices")
                })?,
            Some(wanted) => pick(&host, wanted)?,
        };
        let config = device.default_input_config().map_err(|e| trouble(&e))?;
        let format = match config.sample_format() {
            known @ (SampleFormat::F32
            | SampleFormat::I16
            | SampleFormat::I32
            | SampleFormat::U16) => known,
            // 24 bit and the rest fit into one of these, where the host converts.
            _ => [SampleFormat::F32, SampleFormat::I32, SampleFormat::I16]
                .into_iter()
                .find(|f| offers(&device, *f, config.channels(), config.sample_rate()))
                .ok_or_else(|| {
                    Error::new(
                        Kind::Audio,
                        "This device gives its sound in a form that undertone cannot read.",
                    )
                    .hint("Choose another one: undertone devices")
                })?,
        };
        let spec = Spec {
            sample_rate: config.sample_rate(),
            channels: config.channels(),
            frames: None,
        };
        if !(8_000..=192_000).contains(&spec.sample_rate) || !(1..=32).contains(&spec.channels) {
            return Err(Error::new(
                Kind::Audio,
                format!(
                    "This device has {} channels at {} Hz, which is outside what undertone records.",
                    spec.channels, spec.sample_rate
                ),
            ));
        }
        let id = id(&device);
        Ok(CpalSource {
            name: plain_name(&device),
            #[cfg(target_os = "linux")]
            pulse: match pulse_name(&id) {
                Some(_) => Some(super::pulse::Pulse::connect().ok_or_else(no_answer)?),
                None => None,
            },
            id,
            host,
            device,
            spec,
            format,
            opened: false,
        })
    }

    /// Opens the same device again after it went away; none while it is not there. Needs no new
    /// connection. May take seconds, and for ever with a server that hangs: call it on a thread
    /// of its own.
    #[must_use]
    pub fn again(&mut self) -> Option<CaptureStream> {
        #[cfg(target_os = "linux")]
        if self.pulse.is_some() {
            return self.start().ok();
        }
        let mut all = self.host.input_devices().ok()?;
        self.device = all.find(|device| id(device) == self.id)?;
        self.start().ok()
    }

    /// What opens the device again and again once it went away, on a thread of its own: a sound
    /// server that hangs must not hold up the end of a recording.
    #[must_use]
    pub fn reopener(self) -> Reopen {
        let source = Arc::new(Mutex::new(self));
        Box::new(move || {
            let source = Arc::clone(&source);
            let (give, coming) = std::sync::mpsc::channel();
            std::thread::Builder::new()
                .name("reopener".to_owned())
                .spawn(move || {
                    let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
                    loop {
                        if let Some(stream) = source.again() {
                            let _ = give.send(stream);
                            return;
                        }
                        std::thread::sleep(Duration::from_millis(500));
                    }
                })
                .ok()?;
            Some(coming)
        })
    }

    /// The stable id, as [`crate::audio::devices::list`] gives it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

fn pick(host: &cpal::Host, wanted: &str) -> Result<cpal::Device> {
    let mut fits = Vec::new();
    for device in host.input_devices().map_err(|e| trouble(&e))? {
        let id = id(&device);
        if id == wanted || id.split_once(':').is_some_and(|(_, own)| own == wanted) {
            return Ok(device);
        }
        let low = wanted.to_lowercase();
        if plain_name(&device).to_lowercase().contains(&low) {
            fits.push(device);
        }
    }
    match (fits.pop(), fits.is_empty()) {
        (Some(device), true) => Ok(device),
        (None, _) => Err(
            Error::new(Kind::NotFound, "There is no microphone of that name.")
                .hint("See what there is: undertone devices"),
        ),
        (Some(_), false) => Err(Error::new(
            Kind::Usage,
            "Several microphones have that in their name.",
        )
        .hint("Give the whole id: undertone devices")),
    }
}

fn offers(device: &cpal::Device, format: SampleFormat, channels: u16, rate: u32) -> bool {
    device.supported_input_configs().is_ok_and(|mut configs| {
        configs.any(|c| {
            c.sample_format() == format
                && c.channels() == channels
                && (c.min_sample_rate()..=c.max_sample_rate()).contains(&rate)
        })
    })
}

fn id(device: &cpal::Device) -> String {
    device.id().map(|id| id.to_string()).unwrap_or_default()
}

fn plain_name(device: &cpal::Device) -> String {
    match device.description() {
        Ok(description) => description.name().to_owned(),
        Err(_) => id(device),
    }
}

impl CaptureSource for CpalSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn spec(&self) -> Spec {
        self.spec
    }

    fn start(&mut self) -> Result<CaptureStream> {
        let (feed, mut stream) = CaptureStream::new(self.spec);
        stream.keep = Some(self.record(feed, &stream)?);
        let begun = Instant::now();
        while stream.frames_given() == 0 {
            if begun.elapsed() > PATIENCE {
                return Err(Error::new(
                    Kind::Audio,
                    "The microphone was opened but gives no sound.",
                )
                .hint("Unplug it and plug it in again, or choose another: undertone devices"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        #[cfg(target_os = "linux")]
        if let Some(name) = pulse_name(&self.id).filter(|_| !self.opened) {
            stream.witness = super::witness::Witness::begin(name);
        }
        self.opened = true;
        stream.look();
        Ok(stream)
    }
}

impl CpalSource {
    /// Has the device put its samples into the stream until what is given is dropped.
    fn record(&self, mut feed: Feed, stream: &CaptureStream) -> Result<Box<dyn Send>> {
        let counters = Arc::clone(&stream.counters);
        #[cfg(target_os = "linux")]
        if let (Some(pulse), Some(name)) = (&self.pulse, pulse_name(&self.id)) {
            let recording = pulse.record(name, self.spec, feed, counters);
            return Ok(Box::new(recording.map_err(|_| not_opened())?));
        }
        let config = StreamConfig {
            channels: self.spec.channels,
            sample_rate: self.spec.sample_rate,
            buffer_size: BufferSize::Fixed(self.spec.sample_rate / BLOCKS),
        };
        let complain = move |error: cpal::Error| {
            // A refused priority is a delay, no loss.
            if error.kind() != ErrorKind::RealtimeDenied {
                counters.complain(complaint(error.kind()));
            }
        };
        let device = &self.device;
        let wait = Some(PATIENCE);
        let built = match self.format {
            SampleFormat::F32 => device.build_input_stream::<f32, _, _>(
                config,
                move |data, _| feed.call(data.iter().copied()),
                complain,
                wait,
            ),
            SampleFormat::I16 => device.build_input_stream::<i16, _, _>(
                config,
                move |data, _| feed.call(data.iter().map(|s| f32::from(*s) / 32_768.0)),
                complain,
                wait,
            ),
            SampleFormat::U16 => device.build_input_stream::<u16, _, _>(
                config,
                move |data, _| feed.call(data.iter().map(|s| f32::from(*s) / 32_768.0 - 1.0)),
                complain,
                wait,
            ),
            _ => device.build_input_stream::<i32, _, _>(
                config,
                move |data, _| feed.call(data.iter().map(|s| *s as f32 / 2_147_483_648.0)),
                complain,
                wait,
            ),
        };
        let running = built.map_err(|e| trouble(&e))?;
        running.play().map_err(|e| trouble(&e))?;
        Ok(Box::new(running))
    }
}

/// What the sound server calls the device of an id, where it is the server's.
#[cfg(target_os = "linux")]
fn pulse_name(id: &str) -> Option<&str> {
    id.strip_prefix("pulseaudio:")
}

fn complaint(kind: ErrorKind) -> Complaint {
    match kind {
        ErrorKind::DeviceNotAvailable | ErrorKind::DeviceBusy | ErrorKind::HostUnavailable => {
            Complaint::Gone
        }
        ErrorKind::DeviceChanged | ErrorKind::StreamInvalidated => Complaint::Changed,
        ErrorKind::Xrun => Complaint::Overrun,
        _ => Complaint::Other,
    }
}

fn trouble(error: &cpal::Error) -> Error {
    let (sentence, hint) = match error.kind() {
        ErrorKind::DeviceBusy => (
            "Another program is using the microphone.",
            "Close it (a video call?), then try again.",
        ),
        ErrorKind::PermissionDenied => (
            "This user may not use the microphone.",
            "Allow microphone access in the system's settings: undertone doctor",
        ),
        ErrorKind::HostUnavailable => return no_answer(),
        ErrorKind::DeviceNotAvailable => (
            "The microphone is not there any more.",
            "Connect it, then: undertone devices",
        ),
        _ => return not_opened(),
    };
    Error::new(Kind::Audio, sentence).hint(hint)
}

fn no_answer() -> Error {
    Error::new(Kind::Audio, "The computer's sound system does not answer.")
        .hint("Sign out and in again, or: undertone doctor")
}

fn not_opened() -> Error {
    Error::new(Kind::Audio, "The microphone cannot be opened.")
        .hint("Choose another one: undertone devices")
}

/// All input devices of the host that is in use, as the system describes them.
pub(in crate::audio) fn devices() -> Result<Vec<Device>> {
    let host = host();
    let _hush = hushed(&host);
    let default = host.default_input_device().map(|d| id(&d));
    let mut found = Vec::new();
    for device in host.input_devices().map_err(|e| trouble(&e))? {
        let id = id(&device);
        // ALSA's own nothing: no sound ever comes from it.
        if id == "alsa:null" {
            continue;
        }
        let Ok(config) = device.default_input_config() else {
            continue;
        };
        let bluetooth = device
            .description()
            .is_ok_and(|d| d.interface_type() == cpal::InterfaceType::Bluetooth);
        found.push(Device::describe(Traits {
            default: default.as_deref() == Some(&id),
            name: plain_name(&device),
            id,
            channels: config.channels(),
            sample_rate: config.sample_rate(),
            bluetooth,
        }));
    }
    Ok(found)
}
