//! A filter cannot be taken off, so each case runs in a process of its own: this test program,
//! started again with the name of one test and a mark in its environment.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Command;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use undertone::lockdown::{self, State};

const MARK: &str = "UNDERTONE_LOCKDOWN_CHILD";
const REFUSED: [Option<i32>; 2] = [Some(libc::EPERM), Some(libc::EAFNOSUPPORT)];

/// Runs `body` in a child that runs this one test only.
fn alone(test: &str, body: fn()) {
    if std::env::var_os(MARK).is_some() {
        body();
        // Past the filter the test harness has nothing left to do that it may not do.
        println!("body-ran");
        return;
    }
    let out = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    let ran = out.status.success() && said.contains("body-ran");
    assert!(ran, "{said}{}", String::from_utf8_lossy(&out.stderr));
}

macro_rules! cases {
    ($($name:ident $body:block)*) => {
        $(#[test] fn $name() { alone(stringify!($name), || $body); })*
    };
}

fn in_force(name: &str) -> State {
    lockdown::status()
        .item(name)
        .unwrap_or_else(|| panic!("no item {name}"))
        .state
}

cases! {
    without_lockdown_the_status_says_not_enforced {
        for name in ["tcp", "udp", "local-sockets", "exec", "ptrace", "process-memory", "filter", "files"] {
            assert_eq!(in_force(name), State::NotEnforced, "{name}");
        }
    }
    a_tcp_connection_to_a_listening_port_fails {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap();
        TcpStream::connect(there).expect("it works before");
        assert!(lockdown::first().holds());
        let error = TcpStream::connect(there).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EAFNOSUPPORT));
        assert_eq!(in_force("tcp"), State::Enforced);
    }
    a_udp_socket_fails {
        assert!(lockdown::first().holds());
        let error = UdpSocket::bind("127.0.0.1:0").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EAFNOSUPPORT));
        assert_eq!(in_force("udp"), State::Enforced);
    }
    a_thread_that_was_there_before_is_filtered_too {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            wait.recv().unwrap();
            UdpSocket::bind("127.0.0.1:0").map(drop)
        });
        assert!(lockdown::first().holds());
        go.send(()).unwrap();
        assert!(thread.join().unwrap().is_err());
    }
    local_sockets_work_in_phase_1_and_fail_in_phase_2 {
        assert!(lockdown::first().holds());
        UnixStream::pair().unwrap();
        assert_eq!(in_force("local-sockets"), State::NotEnforced);
        assert!(lockdown::second().holds());
        assert!(REFUSED.contains(&UnixStream::pair().unwrap_err().raw_os_error()));
        let error = UnixStream::connect("/tmp/nothing").unwrap_err();
        assert!(REFUSED.contains(&error.raw_os_error()));
        assert_eq!(in_force("local-sockets"), State::Enforced);
    }
    an_open_local_stream_goes_on_in_phase_2 {
        assert!(lockdown::first().holds());
        let (mut a, mut b) = UnixStream::pair().unwrap();
        assert!(lockdown::second().holds());
        a.write_all(b"still here").unwrap();
        let mut got = [0; 10];
        b.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"still here");
    }
    no_program_starts_in_phase_2 {
        Command::new("/bin/true").status().expect("it works before");
        assert!(lockdown::first().holds());
        assert!(lockdown::second().holds());
        let error = Command::new("/bin/true").status().unwrap_err();
        assert!(REFUSED.contains(&error.raw_os_error()), "{error}");
        assert_eq!(in_force("exec"), State::Enforced);
    }
    threads_start_and_files_are_written_in_phase_2 {
        assert!(lockdown::first().holds());
        assert!(lockdown::second().holds());
        let got = std::thread::spawn(|| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(b"x").unwrap();
            file.sync_all().unwrap();
            7
        });
        assert_eq!(got.join().unwrap(), 7);
    }
    second_alone_applies_phase_1_too {
        let report = lockdown::second();
        assert!(report.holds() && report.item("phase-1").is_some());
        assert_eq!(in_force("ptrace"), State::Enforced);
    }
    the_ways_around_the_filter_are_closed {
        assert!(lockdown::first().holds());
        for name in ["io-uring", "ptrace", "process-memory", "bpf", "filter", "no-new-privileges"] {
            assert_eq!(in_force(name), State::Enforced, "{name}");
        }
        #[cfg(target_arch = "x86_64")]
        assert_eq!(in_force("x32-calls"), State::Enforced);
    }
    no_core_is_dumped {
        assert!(lockdown::first().holds());
        assert_eq!(in_force("core-dumps"), State::Enforced);
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let core = limits.lines().find(|l| l.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().filter(|word| *word == "0").count(), 2, "{core}");
    }
    a_program_that_is_started_is_closed_to_others_too {
        assert!(lockdown::first().holds());
        let (no, yes) = (DumpableBehavior::NotDumpable, DumpableBehavior::Dumpable);
        set_dumpable_behavior(no).unwrap();
        assert!(set_dumpable_behavior(yes).is_err());
        // To start a program makes it dumpable, and it has our filter from the beginning.
        let program = env!("CARGO_BIN_EXE_undertone");
        let out = Command::new(program).args(["doctor", "--json"]).output().unwrap();
        let told: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        let checks = told["checks"].as_array().unwrap();
        let memory = checks.iter().find(|check| check["name"] == "core-dumps").unwrap();
        assert_eq!(memory["state"], "ok", "{memory}");
    }
    only_named_files_can_be_read_and_written {
        let named = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        std::fs::write(other.path().join("secret"), "x").unwrap();
        let report = lockdown::files(&[], &[named.path()]);
        let item = report.item("files").unwrap();
        if item.state == State::NotEnforced {
            // An old kernel: what must hold is that it is said.
            println!("files: {}", item.found_by);
            return;
        }
        std::fs::write(named.path().join("mine"), "x").unwrap();
        std::fs::read_to_string("/proc/self/status").unwrap();
        std::fs::OpenOptions::new().write(true).open("/dev/null").unwrap();
        assert!(std::fs::read(other.path().join("secret")).is_err());
        assert!(std::fs::write(other.path().join("new"), "x").is_err());
        assert_eq!(in_force("files"), State::Enforced);
    }
    the_command_line_is_blanked_but_was_collected {
        let before = std::fs::read("/proc/self/cmdline").unwrap();
        assert!(before.windows(7).any(|w| w == b"--exact"));
        let arguments = lockdown::take_arguments();
        assert!(arguments.iter().any(|a| a == "--exact"));
        // Another process reads it, as `ps` would.
        let path = format!("/proc/{}/cmdline", std::process::id());
        let seen = Command::new("cat").arg(path).output().unwrap().stdout;
        assert!(!seen.is_empty() && !seen.windows(7).any(|w| w == b"--exact"));
        assert!(lockdown::first().holds());
        assert_eq!(in_force("arguments"), State::Enforced);
    }
}
