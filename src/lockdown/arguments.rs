//! Takes the command line out of what other users of the machine can read.
//!
//! Refuses to guess: it writes only between the addresses that the kernel names as arguments. There
//! is a moment between the start of the process and this call in which `ps` shows everything, and
//! the shell's history is out of reach.

use std::ffi::OsString;

/// Collects the arguments and blanks them in the memory that `ps` reads, except the program's name
/// and, if the first argument is a plain word such as `record`, that word.
///
/// **Call it first, before [`super::first`], and parse what it returns**: `std::env::args` gives
/// empty arguments afterwards. If blanking fails, [`super::status`] says so (item `arguments`).
#[must_use]
pub fn take_arguments() -> Vec<OsString> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // The outcome is not kept: `status` reads the command line back as `ps` would.
    #[cfg(target_os = "linux")]
    let _ = blank();
    arguments
}

#[cfg(target_os = "linux")]
fn blank() -> Option<()> {
    use std::os::unix::fs::FileExt;
    let (start, end) = bounds(&std::fs::read_to_string("/proc/self/stat").ok()?)?;
    // The kernel's own limit for all arguments is a quarter of the stack, 6 MiB at most.
    let length = usize::try_from(end.checked_sub(start)?)
        .ok()
        .filter(|l| *l <= 6 << 20)?;
    let memory = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/proc/self/mem")
        .ok()?;
    let mut bytes = vec![0; length];
    memory.read_exact_at(&mut bytes, start).ok()?;
    let kept = kept(&bytes);
    let zeros = vec![0; length.checked_sub(kept)?];
    memory.write_all_at(&zeros, start + kept as u64).ok()
}

/// Where the arguments lie, from `/proc/self/stat` (proc_pid_stat(5), fields 48 and 49).
#[cfg(target_os = "linux")]
fn bounds(stat: &str) -> Option<(u64, u64)> {
    // The name in brackets may itself hold blanks and brackets; field 3 follows the last one.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(45);
    let start = fields.next()?.parse().ok()?;
    let end = fields.next()?.parse().ok()?;
    (start != 0 && start < end).then_some((start, end))
}

/// How many bytes of a command line, in the kernel's layout, may stay.
#[cfg(target_os = "linux")]
pub(super) fn kept(bytes: &[u8]) -> usize {
    let Some(name) = bytes.iter().position(|b| *b == 0).map(|i| i + 1) else {
        return bytes.len();
    };
    let rest = &bytes[name..];
    let word = rest.iter().position(|b| *b == 0).unwrap_or(rest.len());
    let plain = word > 0
        && rest[0] != b'-'
        && rest[..word]
            .iter()
            .all(|b| b.is_ascii_lowercase() || *b == b'-');
    if plain {
        (name + word + 1).min(bytes.len())
    } else {
        name
    }
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_program_and_a_plain_command_are_kept() {
        assert_eq!(kept(b"undertone\0record\0--title\0Ada\0"), 17);
        assert_eq!(kept(b"undertone\0"), 10);
    }

    #[test]
    fn a_first_argument_that_may_carry_a_name_is_not_kept() {
        assert_eq!(kept(b"undertone\0--vault=/home/ada\0record\0"), 10);
        assert_eq!(kept(b"undertone\0/home/ada/Session.wav\0"), 10);
    }

    #[test]
    fn a_process_name_with_brackets_does_not_shift_the_fields() {
        let fields: Vec<String> = (3..=52).map(|n| n.to_string()).collect();
        let stat = format!("7 (a) b) {}", fields.join(" "));
        assert_eq!(bounds(&stat), Some((48, 49)));
        assert_eq!(bounds("7 (a) S 1 2"), None);
        assert_eq!(bounds(""), None);
    }
}
