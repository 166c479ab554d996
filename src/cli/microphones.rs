//! What every command that listens to microphones shares: which ones, and what may be read before
//! they are open.

use std::path::{Path, PathBuf};

use super::Context;

/// Which device, and whose channel is which.
#[derive(Debug, clap::Args)]
pub struct Microphones {
    /// The device, by its id or a part of its name [default: what the system records from]
    #[arg(long, value_name = "ID")]
    pub device: Option<String>,
    /// The channel of the therapist's microphone
    #[arg(long, value_name = "CHANNEL", default_value_t = 1)]
    pub therapist: u16,
    /// The channel of the client's microphone
    #[arg(long, value_name = "CHANNEL", default_value_t = 2)]
    pub client: u16,
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
