//! Systems without an enforcement of ours. Refuses to claim one.

use super::{Item, Report, State};
use std::path::Path;

fn none() -> Report {
    let item = |name, what| {
        Item::new(
            name,
            State::NotEnforced,
            "undertone has no enforcement for this system",
            format!("{what} is not enforced on this system."),
        )
    };
    Report {
        items: vec![
            item("network", "Denial of the network"),
            item("exec", "Denial of starting other programs"),
            item("memory", "Protection of memory from dumps and debuggers"),
            item("files", "The limit to named files"),
            item("arguments", "Hiding the command line from other users"),
        ],
    }
}

pub(super) fn first() -> Report {
    none()
}

pub(super) fn second() -> Report {
    none()
}

pub(super) fn files(_read: &[&Path], _write: &[&Path]) -> Report {
    none()
}

pub(super) fn status() -> Report {
    none()
}
