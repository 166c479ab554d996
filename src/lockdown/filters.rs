//! Which system calls each phase refuses, as seccomp programs.
//!
//! Refuses to kill: a refused call returns an error that the caller can tell. The one exception is
//! seccompiler's own: a 32-bit (`int 0x80`) call on x86-64 ends the process. It refuses calls by
//! number and plain values; memory behind a pointer (an address in `sendmsg`) it cannot see.

#[cfg(target_arch = "x86_64")]
use seccompiler::sock_filter;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpArgLen::Qword, SeccompCmpOp,
    SeccompCondition, SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads,
};
use std::collections::BTreeMap;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;
type Built<T> = Result<T, seccompiler::BackendError>;

#[cfg(target_arch = "x86_64")]
const ARCH: TargetArch = TargetArch::x86_64;
#[cfg(target_arch = "aarch64")]
const ARCH: TargetArch = TargetArch::aarch64;

/// Ways into the kernel or other processes that a recorder never needs.
const NEVER: &[i64] = &[
    // io_uring makes sockets and connects without the system calls that are filtered here.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    // Takes an open descriptor, a socket perhaps, out of another process.
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_open_by_handle_at,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
];

/// What phase 2 refuses whatever the arguments.
const ONCE_RUNNING: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_unshare,
    libc::SYS_setns,
];

const NAMESPACES: &[i32] = &[
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

fn when(
    argument: u8,
    len: seccompiler::SeccompCmpArgLen,
    op: SeccompCmpOp,
    value: u64,
) -> Built<SeccompRule> {
    SeccompRule::new(vec![SeccompCondition::new(argument, len, op, value)?])
}

fn refuse(rules: Rules, errno: i32) -> Built<BpfProgram> {
    let errno = SeccompAction::Errno(errno.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, errno, ARCH)?.try_into()
}

fn always(calls: &[i64]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

/// Every call with the x32 bit. seccompiler matches exact numbers, and x32 gives the same calls
/// (and some of its own, from 512 on) other numbers, so the whole range goes.
#[cfg(target_arch = "x86_64")]
fn x32() -> BpfProgram {
    let step = |code: u32, jt, jf, k| sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    vec![
        // Offset 0 of seccomp_data is the call's number.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(
            libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K,
            0,
            1,
            0x4000_0000,
        ),
        step(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::EPERM as u32,
        ),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

pub(super) fn first() -> Built<Vec<BpfProgram>> {
    // The kernel takes the domain as an int: the upper half of the register must not count.
    let local = when(0, Dword, SeccompCmpOp::Ne, libc::AF_UNIX as u64)?;
    let mut sockets = Rules::new();
    sockets.insert(libc::SYS_socket, vec![local.clone()]);
    sockets.insert(libc::SYS_socketpair, vec![local]);

    let mut others = always(NEVER);
    // Both put text into the terminal as if it had been typed: a way to run a program later.
    let typing = [0x5412, 0x541C] // TIOCSTI, TIOCLINUX
        .into_iter()
        .map(|request| when(1, Dword, SeccompCmpOp::Eq, request))
        .collect::<Built<Vec<_>>>()?;
    others.insert(libc::SYS_ioctl, typing);
    // Dumpable is set to 0 before; nothing sets it back. To 0 it may be set again: a program that is started under this
    // filter begins dumpable.
    let dumpable = SeccompRule::new(vec![
        SeccompCondition::new(0, Dword, SeccompCmpOp::Eq, libc::PR_SET_DUMPABLE as u64)?,
        SeccompCondition::new(1, Qword, SeccompCmpOp::Ne, 0)?,
    ])?;
    others.insert(libc::SYS_prctl, vec![dumpable]);

    #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))]
    let mut programs = vec![
        refuse(sockets, libc::EAFNOSUPPORT)?,
        refuse(others, libc::EPERM)?,
    ];
    #[cfg(target_arch = "x86_64")]
    programs.push(x32());
    Ok(programs)
}

pub(super) fn second() -> Built<Vec<BpfProgram>> {
    let mut rules = always(ONCE_RUNNING);
    // `send` is `sendto` without an address; with one it can reach someone new.
    rules.insert(libc::SYS_sendto, vec![when(4, Qword, SeccompCmpOp::Ne, 0)?]);
    let spaces = NAMESPACES
        .iter()
        .map(|flag| {
            let flag = u64::from(flag.unsigned_abs());
            when(0, Qword, SeccompCmpOp::MaskedEq(flag), flag)
        })
        .collect::<Built<Vec<_>>>()?;
    rules.insert(libc::SYS_clone, spaces);
    // clone3 keeps its flags in memory, out of sight. "No such call" makes the C library use clone.
    let clone3 = always(&[libc::SYS_clone3]);
    Ok(vec![
        refuse(rules, libc::EPERM)?,
        refuse(clone3, libc::ENOSYS)?,
    ])
}

/// Puts the programs on every thread, and sets no_new_privs.
pub(super) fn apply(programs: Built<Vec<BpfProgram>>) -> Result<(), String> {
    // The messages hold error numbers and thread ids, no content.
    for program in programs.map_err(|e| e.to_string())? {
        apply_filter_all_threads(&program).map_err(|e| e.to_string())?;
    }
    Ok(())
}
