//! Asks the kernel, by trying, what it still allows.
//!
//! Refuses to change anything: each call here is one that, where it is allowed, fails for its
//! senseless arguments or does nothing. With `descriptors` the only
//! file of the program with `unsafe` of its own.

#![allow(unsafe_code)]

use std::io::Error;

fn outcome(returned: i64) -> Result<(), i32> {
    if returned >= 0 {
        Ok(())
    } else {
        Err(Error::last_os_error().raw_os_error().unwrap_or(0))
    }
}

/// Makes a call with up to two plain arguments and four zeros.
pub(super) fn call(number: i64, first: i64, second: i64) -> Result<(), i32> {
    let zero = 0_i64;
    // SAFETY: the callers below and in `system` pass numbers, null pointers and zero lengths only;
    // no memory of ours is read or written by any of these calls.
    outcome(unsafe { libc::syscall(number, first, second, zero, zero, zero, zero) })
}

/// Makes a socket of that domain and type, and closes it.
pub(super) fn socket(domain: i32, kind: i32) -> Result<(), i32> {
    // SAFETY: plain integers; the descriptor, if there is one, is closed once and never shared.
    unsafe {
        let descriptor = libc::socket(domain, kind | libc::SOCK_CLOEXEC, 0);
        outcome(descriptor.into())?;
        libc::close(descriptor);
    }
    Ok(())
}

/// Sets both core limits to 0 and makes the process undumpable.
pub(super) fn no_dumps() -> Result<(), i32> {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `none` lives through the call, which only reads it; prctl takes integers.
    unsafe {
        outcome(libc::setrlimit(libc::RLIMIT_CORE, &raw const none).into())?;
        outcome(libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0).into())
    }
}

/// True where the process may not be dumped or read by others of the same user.
pub(super) fn undumpable() -> bool {
    // SAFETY: integers only.
    unsafe { libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 }
}

/// True where no core file may be written, now or after raising the limit.
pub(super) fn core_limit_is_zero() -> bool {
    let mut limit = libc::rlimit {
        rlim_cur: 1,
        rlim_max: 1,
    };
    // SAFETY: `limit` is ours and outlives the call.
    let returned = unsafe { libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit) };
    returned == 0 && limit.rlim_cur == 0 && limit.rlim_max == 0
}
