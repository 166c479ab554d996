//! What a program that is started is left open of what this one holds.

#![allow(unsafe_code)]

use std::os::fd::{BorrowedFd, RawFd};

use rustix::io::{FdFlags, fcntl_setfd};

/// The first that is not stdin, stdout or stderr.
const FIRST: RawFd = 3;

/// Marks everything that is open, but stdin, stdout and stderr, to be closed in any program that is started. What this
/// program opens is marked so already; what it was given open (`3<FILE`) is not.
pub(super) fn hand_nothing_on() {
    let Ok(open) = std::fs::read_dir("/dev/fd") else {
        return;
    };
    let numbers = open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let numbers: Vec<RawFd> = numbers.filter(|number| *number >= FIRST).collect();
    for number in numbers {
        // SAFETY: the number is used for this one call, which reads and closes nothing. Should it have been closed meanwhile
        // (as the folder's own was), the call fails; should it be another's by then, that is to be marked too.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        let _ = fcntl_setfd(descriptor, FdFlags::CLOEXEC);
    }
}
