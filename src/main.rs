//! The story of a run: harden, parse, dispatch, exit code.

use std::io::Write;
use std::process::ExitCode;

use undertone::{Kind, cli, lockdown};

fn main() -> ExitCode {
    // What the arguments say is nobody else's business: `ps` shows the command alone.
    let arguments = lockdown::take_arguments();
    // No network, no core dump, no debugger, before anything else happens. What really holds on
    // this system is told by `undertone doctor`.
    let _ = lockdown::first();
    // A panic's text could quote what it worked on. The place is enough to mend it.
    std::panic::set_hook(Box::new(|panic| {
        // The FLAC decoder panics on some altered files; `audio::flac` catches that and says so.
        if panic
            .location()
            .is_some_and(|at| at.file().contains("flac-codec"))
        {
            return;
        }
        let place = panic
            .location()
            .map_or_else(String::new, |at| format!(" ({}:{})", at.file(), at.line()));
        let words =
            format!("Error: undertone has a defect{place}. What was sealed on disk is safe.");
        let _ = writeln!(std::io::stderr(), "{words}");
    }));
    std::panic::catch_unwind(|| cli::run(arguments))
        .unwrap_or_else(|_| ExitCode::from(Kind::Internal.exit_code()))
}
