//! Ctrl-C, SIGTERM, SIGHUP: the first asks the command to end, a second ends the process at once.
//!
//! While something is to be put back first (a terminal that was taken), the second is held off:
//! [`hold`], [`release`]. It refuses to do that in the signal's handler, where next to nothing is
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
}

/// A flag that a first signal sets; a second one ends the process.
pub(super) fn stop_flag() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    // In this order: the second signal finds the flag already set.
    arm(&mut lock(), Arc::clone(&stop));
    for signal in SIGNALS {
        let _ = signal_hook::flag::register(signal, Arc::clone(&stop));
    }
    stop
}

fn lock() -> std::sync::MutexGuard<'static, Option<Deadly>> {
    DEADLY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn arm(deadly: &mut Option<Deadly>, stop: Arc<AtomicBool>) {
    let code = i32::from(Kind::Cancelled.exit_code());
    let arm = |signal| {
        signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&stop)).ok()
    };
    let actions = SIGNALS.into_iter().filter_map(arm).collect();
    *deadly = Some(Deadly { stop, actions });
}

/// From here on a second signal is as the first.
pub(super) fn hold() {
    if let Some(deadly) = lock().as_mut() {
        for action in deadly.actions.drain(..) {
            signal_hook::low_level::unregister(action);
        }
    }
}

/// From here on a signal after the first ends the process again.
pub(super) fn release() {
    let mut deadly = lock();
    if let Some(Deadly { stop, actions }) = deadly.as_ref()
        && actions.is_empty()
    {
        let stop = Arc::clone(stop);
        arm(&mut deadly, stop);
    }
}
