//! Linux: seccomp for calls, Landlock for files, limits for memory, and the trial of each.
//!
//! Refuses to report what it asked for: items of [`status`] come from trying.

use super::{Item, Report, State, filters, probe};
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, path_beneath_rules,
};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

/// Folders that a dynamically linked program, ALSA, PulseAudio and a graphics driver read.
const SYSTEM: &[&str] = &[
    "/etc",
    "/usr",
    "/lib",
    "/lib64",
    "/opt",
    "/nix/store",
    "/proc",
    "/sys",
    "/run",
    "/var/lib/alsa",
];

fn applied(name: &'static str, how: &str, outcome: Result<(), String>, good: &str) -> Item {
    match outcome {
        Ok(()) => Item::new(name, State::Enforced, format!("{how} accepted it"), good),
        Err(why) => Item::new(
            name,
            State::NotEnforced,
            format!("{how} refused: {why}"),
            "This protection does not hold on this system.",
        ),
    }
}

pub(super) fn first() -> Report {
    // The order matters: the filter refuses to set dumpable again.
    let memory = probe::no_dumps().map_err(|errno| format!("error {errno}"));
    Report {
        items: vec![
            applied(
                "memory",
                "setrlimit and prctl",
                memory,
                "A crash leaves no copy of memory, and other programs of this user cannot read it.",
            ),
            applied(
                "phase-1",
                "seccomp, all threads",
                filters::apply(filters::first()),
                "Only local sockets can be made; other processes and the kernel are out of reach.",
            ),
        ],
    }
}

pub(super) fn second() -> Report {
    let mut report = Report::default();
    if refused(probe::socket(libc::AF_INET, libc::SOCK_STREAM)).is_none() {
        report = first();
    }
    report.items.push(applied(
        "phase-2",
        "seccomp, all threads",
        filters::apply(filters::second()),
        "No new socket of any kind can be made and no other program can be started.",
    ));
    report
}

pub(super) fn files(read: &[&Path], write: &[&Path]) -> Report {
    // Level 5 on purpose: later levels know rights, such as reaching a local socket by its path,
    // that the sound server needs.
    let level = ABI::V5;
    let missing = read
        .iter()
        .chain(write)
        .filter(|path| !path.exists())
        .count();
    let device = (AccessFs::from_read(level) | AccessFs::WriteFile | AccessFs::IoctlDev)
        & !AccessFs::Execute;
    let enforce = || -> Result<_, landlock::RulesetError> {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(level))?
            .handle_access(AccessNet::from_all(level))?
            .create()?
            .add_rules(path_beneath_rules(SYSTEM, AccessFs::from_read(level)))?
            .add_rules(path_beneath_rules(["/dev"], device))?
            .add_rules(path_beneath_rules(
                read,
                AccessFs::from_read(level) & !AccessFs::Execute,
            ))?
            .add_rules(path_beneath_rules(
                write,
                AccessFs::from_all(level) & !AccessFs::Execute,
            ))?
            .restrict_self()
    };
    let item = match enforce() {
        Ok(status) => {
            let found = match status.landlock {
                LandlockStatus::Available { effective_abi, .. } => {
                    format!("Landlock level {}", effective_abi as i32)
                }
                LandlockStatus::NotEnabled => "Landlock is switched off in this kernel".into(),
                _ => "this kernel has no Landlock".into(),
            };
            let (state, mut sentence) = match status.ruleset {
                RulesetStatus::FullyEnforced => (
                    State::Enforced,
                    "Files outside the named folders are out of reach.",
                ),
                RulesetStatus::PartiallyEnforced => (
                    State::Partial,
                    "Files outside the named folders are out of reach, except for what this older kernel cannot limit.",
                ),
                RulesetStatus::NotEnforced => {
                    (State::NotEnforced, "Files are not limited on this system.")
                }
            };
            let said;
            if missing > 0 {
                said = format!("{sentence} {missing} named paths do not exist and were left out.");
                sentence = &said;
            }
            Item::new("files", state, found, sentence)
        }
        Err(_) => Item::new(
            "files",
            State::NotEnforced,
            "the kernel refused the Landlock rules",
            "Files are not limited on this system.",
        ),
    };
    Report { items: vec![item] }
}

/// The error number if the filter refused, `None` if the call got past it.
fn refused(outcome: Result<(), i32>) -> Option<i32> {
    outcome
        .err()
        .filter(|errno| matches!(*errno, libc::EPERM | libc::EAFNOSUPPORT))
}

fn tried(name: &'static str, what: &str, outcome: Result<(), i32>, good: &str, bad: &str) -> Item {
    match (refused(outcome), outcome) {
        (Some(errno), _) => Item::new(
            name,
            State::Enforced,
            format!("{what}: refused, error {errno}"),
            good,
        ),
        (None, Err(errno)) => Item::new(
            name,
            State::NotEnforced,
            format!("{what}: error {errno}, not refused"),
            bad,
        ),
        (None, Ok(())) => Item::new(name, State::NotEnforced, format!("{what}: it worked"), bad),
    }
}

fn fact(name: &'static str, holds: bool, found: &str, good: &str, bad: &str) -> Item {
    let (state, sentence) = if holds {
        (State::Enforced, good)
    } else {
        (State::NotEnforced, bad)
    };
    Item::new(name, state, found, sentence)
}

fn errno(error: std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(0)
}

pub(super) fn status() -> Report {
    let port = SocketAddr::from(([127, 0, 0, 1], 9));
    let tcp = TcpStream::connect_timeout(&port, Duration::from_millis(200)).map(drop);
    let udp = UdpSocket::bind("127.0.0.1:0").map(drop);
    let mut items = vec![
        tried(
            "tcp",
            "connecting to this machine itself",
            tcp.map_err(errno),
            "No TCP connection can be made.",
            "TCP connections can be made.",
        ),
        tried(
            "udp",
            "making a UDP socket",
            udp.map_err(errno),
            "No UDP packet can be sent.",
            "UDP packets can be sent.",
        ),
        tried(
            "local-sockets",
            "making a local socket",
            probe::socket(libc::AF_UNIX, libc::SOCK_STREAM),
            "No new local socket can be made.",
            "Local sockets can be made, which the sound server needs until recording runs.",
        ),
        tried(
            "exec",
            "starting a program without a name",
            probe::call(libc::SYS_execve, 0, 0),
            "No other program can be started.",
            "Other programs can be started.",
        ),
    ];
    let kernel = [
        ("io-uring", libc::SYS_io_uring_setup, 0),
        // PTRACE_PEEKDATA of process 0, which is nobody.
        ("ptrace", libc::SYS_ptrace, 2),
        ("process-memory", libc::SYS_process_vm_readv, 0),
        ("bpf", libc::SYS_bpf, -1),
        #[cfg(target_arch = "x86_64")]
        ("x32-calls", 0x4000_0000 | libc::SYS_getpid, 0),
    ];
    items.extend(kernel.into_iter().map(|(name, number, first)| {
        tried(
            name,
            "calling it with nothing",
            probe::call(number, first, 0),
            "This way around the filter is closed.",
            "This way around the filter is open, or this kernel closes it by itself.",
        )
    }));
    items.extend(kernel_says());
    items.push(fact(
        "core-dumps",
        probe::core_limit_is_zero() && probe::undumpable(),
        "getrlimit and PR_GET_DUMPABLE",
        "A crash leaves no copy of memory, and other programs of this user cannot read it.",
        "A crash may leave a copy of memory on disk.",
    ));
    let root = std::fs::read_dir("/").map(drop).map_err(errno);
    items.push(fact(
        "files",
        root == Err(libc::EACCES),
        "listing the top folder",
        "Files outside the named folders are out of reach.",
        "Files are limited only by the rights of the user.",
    ));
    items.push(arguments());
    items.push(swap());
    Report { items }
}

fn kernel_says() -> [Item; 2] {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let says = |key: &str, value: &str| {
        text.lines().any(|line| {
            line.strip_prefix(key)
                .and_then(|r| r.strip_prefix(':'))
                .map(str::trim)
                == Some(value)
        })
    };
    let found = "/proc/self/status";
    [
        fact(
            "filter",
            says("Seccomp", "2"),
            found,
            "The kernel says that a filter is on.",
            "The kernel does not say that a filter is on.",
        ),
        fact(
            "no-new-privileges",
            says("NoNewPrivs", "1"),
            found,
            "The program can gain no rights.",
            "The program could gain rights.",
        ),
    ]
}

fn arguments() -> Item {
    // Readable by every user, so this is what `ps` sees.
    let hidden = std::fs::read("/proc/self/cmdline").is_ok_and(|line| {
        let kept = super::arguments::kept(&line);
        line.iter().skip(kept).all(|byte| *byte == 0)
    });
    fact(
        "arguments",
        hidden,
        "/proc/self/cmdline",
        "Other users of this machine see no argument of the command.",
        "Other users of this machine can see the arguments of the command.",
    )
}

fn swap() -> Item {
    let found = "/proc/swaps";
    let Ok(text) = std::fs::read_to_string(found) else {
        let said = "Whether memory may be written to a swap disk could not be found out.";
        return Item::new(
            "swap",
            State::NotEnforced,
            "/proc/swaps cannot be read",
            said,
        );
    };
    let areas: Vec<&str> = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    if areas.is_empty() {
        return Item::new("swap", State::Enforced, found, "This machine has no swap.");
    }
    if areas.iter().all(|area| area.starts_with("/dev/zram")) {
        let said = "Swap is compressed memory, which is gone when the machine is switched off, unless it writes back to a disk.";
        return Item::new("swap", State::Partial, found, said);
    }
    let said = "This machine has swap: parts of memory may be written to disk, and undertone cannot tell whether that disk is encrypted.";
    Item::new("swap", State::NotEnforced, found, said)
}
