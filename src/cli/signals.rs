//! Ctrl-C, SIGTERM, SIGHUP: the first asks the command to end, a second ends the process at once.
//!
//! While something is to be put back or finished first (a terminal that was taken, words that are being
//! sealed), the second is held off: [`hold`]. It refuses to do that in the signal's handler, where next to nothing is
//! allowed.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::Kind;

const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// What ends the process at a second signal; none while that is held off.
static DEADLY: Mutex<Option<Deadly>> = Mutex::new(None);

struct Deadly {
    stop: Arc<AtomicBool>,
    actions: Vec<SigId>,
    /// How many hold it off.
    holds: usize,
}

/// While one of these lives a second signal is as the first.
#[must_use]
pub(super) struct Held(());

/// A flag that a first signal sets; a second one ends the process.
pub(super) fn stop_flag() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    // In this order: the second signal finds the flag already set.
    *lock() = Some(Deadly {
        actions: arm(&stop),
        stop: Arc::clone(&stop),
        holds: 0,
    });
    for signal in SIGNALS {
        let _ = signal_hook::flag::register(signal, Arc::clone(&stop));
    }
    stop
}

fn lock() -> std::sync::MutexGuard<'static, Option<Deadly>> {
    DEADLY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn arm(stop: &Arc<AtomicBool>) -> Vec<SigId> {
    let code = i32::from(Kind::Cancelled.exit_code());
    let arm = |signal| {
        signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(stop)).ok()
    };
    SIGNALS.into_iter().filter_map(arm).collect()
}

/// Holds a second signal off until everybody who does so has let go.
pub(super) fn hold() -> Held {
    if let Some(deadly) = lock().as_mut() {
        deadly.holds += 1;
        for action in deadly.actions.drain(..) {
            signal_hook::low_level::unregister(action);
        }
    }
    Held(())
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(deadly) = lock().as_mut() {
            deadly.holds = deadly.holds.saturating_sub(1);
            if deadly.holds == 0 {
                deadly.actions = arm(&deadly.stop);
            }
        }
    }
}
