//! What every command that listens to microphones shares: which ones, and what may be read before
//! they are open.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Context;
use super::record::check_channels;
use crate::Result;
use crate::audio::Spec;
use crate::audio::capture::{CaptureSource, CaptureStream, CpalSource, PairSource, Reopen};

/// Which device or devices, and whose channel is which.
#[derive(Debug, clap::Args)]
pub struct Microphones {
    /// The device, by its id or a part of its name [default: what the system records from]
    #[arg(long, value_name = "ID", conflicts_with_all = ["therapist_device", "client_device"])]
    pub device: Option<String>,
    /// The therapist's device, where each person has one
    #[arg(long, value_name = "ID", requires = "client_device")]
    pub therapist_device: Option<String>,
    /// The client's device, such as what a video call plays (a "Monitor of")
    #[arg(long, value_name = "ID", requires = "therapist_device")]
    pub client_device: Option<String>,
    /// The channel of the therapist's microphone [default: 1; with two devices the mean of its
    /// first two]
    #[arg(long, value_name = "CHANNEL")]
    pub therapist: Option<u16>,
    /// The channel of the client's microphone [default: 2; with two devices the mean of its first
    /// two]
    #[arg(long, value_name = "CHANNEL")]
    pub client: Option<u16>,
}

/// What was chosen, found and not opened yet.
pub enum Chosen {
    /// One device, and the channels of therapist and client, from 1.
    One(Box<CpalSource>, [u16; 2]),
    /// A device each.
    Two(Box<PairSource>),
}

/// What was chosen, running.
pub struct Running {
    /// Its sound.
    pub stream: CaptureStream,
    /// The channels of therapist and client in it, from 1.
    pub channels: (u16, u16),
    /// Opens it again once it is gone; two devices see to that themselves.
    pub reopen: Option<Reopen>,
}

impl Microphones {
    /// Finds what was chosen. Of two devices that are both gone one is waited for so long.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] when a device is not there, [`crate::Kind::Audio`] when it has no
    /// such channel, [`crate::Kind::Usage`] when both people have the same.
    pub fn find(&self, come_back: Duration) -> Result<Chosen> {
        let (Some(therapist), Some(client)) = (&self.therapist_device, &self.client_device) else {
            let source = CpalSource::find(self.device.as_deref())?;
            let channels = [self.therapist.unwrap_or(1), self.client.unwrap_or(2)];
            check_channels(source.spec(), channels[0], channels[1])?;
            return Ok(Chosen::One(Box::new(source), channels));
        };
        let sources = [
            CpalSource::find(Some(therapist))?,
            CpalSource::find(Some(client))?,
        ];
        // Channel 0 there is none; it is refused as the one that no device has.
        let own = |channel: Option<u16>| channel.map(|number| number.wrapping_sub(1));
        let channels = [own(self.therapist), own(self.client)];
        let pair = PairSource::new(sources, channels, come_back)?;
        Ok(Chosen::Two(Box::new(pair)))
    }
}

impl Chosen {
    /// Both devices, or the one, by their plain names.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Chosen::One(source, _) => source.name(),
            Chosen::Two(pair) => pair.name(),
        }
    }

    /// The therapist's device and the client's, by their plain names.
    #[must_use]
    pub fn names(&self) -> [String; 2] {
        match self {
            Chosen::One(source, _) => [source.name().to_owned(), source.name().to_owned()],
            Chosen::Two(pair) => pair.names().clone(),
        }
    }

    /// The channels of one device, from 1; none where each person has a device.
    #[must_use]
    pub fn channels(&self) -> Option<[u16; 2]> {
        match self {
            Chosen::One(_, channels) => Some(*channels),
            Chosen::Two(_) => None,
        }
    }

    /// What its frames are like.
    #[must_use]
    pub fn spec(&self) -> Spec {
        match self {
            Chosen::One(source, _) => source.spec(),
            Chosen::Two(pair) => pair.spec(),
        }
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`crate::Kind::Audio`] when it cannot be opened or gives no sound.
    pub fn start(self) -> Result<Running> {
        match self {
            Chosen::One(mut source, [therapist, client]) => Ok(Running {
                stream: source.start()?,
                channels: (therapist, client),
                reopen: Some(source.reopener()),
            }),
            Chosen::Two(mut pair) => Ok(Running {
                stream: pair.start()?,
                channels: (1, 2),
                reopen: None,
            }),
        }
    }
}

/// Shuts the process in but for what opening a sound device needs. **Call `lockdown::second` once
/// the sound flows.**
pub fn shut_in(cx: &Context) {
    let files = server_files();
    let readable: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    cx.shut_in_files(&readable, &[]);
}

/// Files of the sound server that its client reads: the cookie that lets it in, and the socket's
/// folder.
fn server_files() -> Vec<PathBuf> {
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
