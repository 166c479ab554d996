//! Takes away from the process what it does not need: the network first.
//!
//! Refuses to fail silently: every call says what is really in force, and [`status`] finds it out
//! by trying. Nothing given away here can be had back before the process ends.
//!
//! The order in `main`: [`take_arguments`], [`first`], parse, [`files`] (before any thread), open
//! the microphones, [`second`]. Commands without audio call [`second`] at once.
//!
//! | | Linux (x86-64, aarch64) | elsewhere |
//! | --- | --- | --- |
//! | network, exec | seccomp, all threads | not enforced, and said so |
//! | files | Landlock, where the kernel has it | not enforced, and said so |
//! | memory | no core dump, not dumpable | not enforced, and said so |

mod arguments;
#[cfg(unix)]
mod descriptors;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod filters;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod probe;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[path = "linux.rs"]
mod system;
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
#[path = "elsewhere.rs"]
mod system;

use serde::Serialize;
use std::path::Path;

pub use arguments::take_arguments;

/// How far a protection holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was tried, and it holds.
    Enforced,
    /// A part of it holds; the sentence says which.
    Partial,
    /// It does not hold.
    NotEnforced,
}

/// One protection.
#[derive(Debug, Clone, Serialize)]
pub struct Item {
    /// Short and stable, for scripts.
    pub name: &'static str,
    /// How far it holds.
    pub state: State,
    /// How that was found out.
    pub found_by: String,
    /// What it means, in one sentence.
    pub sentence: String,
}

impl Item {
    fn new(
        name: &'static str,
        state: State,
        found_by: impl Into<String>,
        sentence: impl Into<String>,
    ) -> Self {
        Item {
            name,
            state,
            found_by: found_by.into(),
            sentence: sentence.into(),
        }
    }
}

/// What is in force.
#[derive(Debug, Clone, Default, Serialize)]
#[must_use = "a protection that failed must be told to the person"]
pub struct Report {
    /// In the order in which they were applied or tried.
    pub items: Vec<Item>,
}

impl Report {
    /// True where every item is enforced.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.items.is_empty() && self.items.iter().all(|item| item.state == State::Enforced)
    }

    /// The item of that name.
    #[must_use]
    pub fn item(&self, name: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.name == name)
    }
}

/// Phase 1: local sockets only, no way into other processes or the kernel, no core dump.
///
/// **Call it right after [`take_arguments`]**: a process that is not dumpable may no longer write
/// its own argument memory. Holds for all threads, present and future.
pub fn first() -> Report {
    system::first()
}

/// Phase 2: no new socket at all, no other program started, no namespaces. Open streams go on.
///
/// **Call it once the capture stream runs, or at once in a command without audio.** A sound server
/// that is lost afterwards cannot be reached again by this process. Applies phase 1 too if that
/// was not done.
pub fn second() -> Report {
    system::second()
}

/// Limits files to `read`, `write` (and what is below them), the system's own folders and devices.
///
/// Best effort: the report gives the kernel's Landlock level. **Call it before threads start**; it
/// holds for this thread and those it starts later. Every path must exist: one that does not is
/// left out, and the report says how many were. Name the folder of the sound server's cookie in
/// `read`. New files can be made only below `write`, so temporary files belong there.
pub fn files(read: &[&Path], write: &[&Path]) -> Report {
    system::files(read, write)
}

/// Sees to it that a program started from now on is given nothing that is open here but its stdin, stdout and stderr.
///
/// Best effort: where the system does not list what is open, nothing is done.
pub fn hand_nothing_on() {
    #[cfg(unix)]
    descriptors::hand_nothing_on();
}

/// Tries every protection for real and says which hold now. Sends nothing anywhere: where the
/// network is not denied, the one connection tried goes to this machine's own port 9.
pub fn status() -> Report {
    system::status()
}
