//! Keeps what C libraries print to themselves away from the terminal.
//!
//! ALSA, and JACK below it, tell a dozen lines to stderr of each device that is named in a configuration and not there. They
//! say nothing that helps whoever asked for the microphones.

use std::fs::File;
use std::os::fd::OwnedFd;

/// While it lives what this process writes to stderr is lost: only for the moment in which a library is asked.
pub(super) struct Hush {
    stderr: Option<OwnedFd>,
}

impl Hush {
    /// From now on. Where it cannot be done, nothing is lost.
    pub(super) fn new() -> Hush {
        Hush { stderr: turned() }
    }
}

/// Turns stderr away, and gives back what it was.
fn turned() -> Option<OwnedFd> {
    let nowhere = File::options().write(true).open("/dev/null").ok()?;
    let kept = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3).ok()?;
    rustix::stdio::dup2_stderr(&nowhere).ok()?;
    Some(kept)
}

impl Drop for Hush {
    fn drop(&mut self) {
        if let Some(stderr) = &self.stderr {
            let _ = rustix::stdio::dup2_stderr(stderr);
        }
    }
}
