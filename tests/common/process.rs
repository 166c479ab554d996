//! Other processes, as the kernel tells of them.

use rustix::process::Pid;

/// What the kernel says of a process after its name, which may hold anything: state, parent.
fn stat(number: i32) -> Option<(String, i32)> {
    let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    let (_, after) = stat.rsplit_once(") ")?;
    let mut parts = after.split(' ');
    Some((parts.next()?.to_owned(), parts.next()?.parse().ok()?))
}

/// A process that this one began.
pub fn child_of(parent: i32) -> Option<Pid> {
    let all = std::fs::read_dir("/proc").expect("processes");
    let mut numbers = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let child = numbers.find(|number| stat(*number).is_some_and(|(_, of)| of == parent));
    child.and_then(Pid::from_raw)
}

/// A line of what the kernel says of a process, such as `Seccomp`.
pub fn status(process: Pid, name: &str) -> String {
    let number = process.as_raw_nonzero();
    let all = std::fs::read_to_string(format!("/proc/{number}/status")).expect("it lives");
    let line = all.lines().find_map(|line| line.strip_prefix(name));
    let rest = line.and_then(|line| line.strip_prefix(':'));
    rest.unwrap_or_default().trim().to_owned()
}

/// What a process holds open, as the kernel names it: files by their path, `pipe:[1]`, `socket:[2]`. None where
/// it lets nobody look.
pub fn open_in(process: Pid) -> Option<Vec<String>> {
    let number = process.as_raw_nonzero();
    let all = std::fs::read_dir(format!("/proc/{number}/fd")).ok()?;
    let mut open = Vec::new();
    for entry in all.flatten() {
        match std::fs::read_link(entry.path()) {
            Ok(link) => open.push(link.to_string_lossy().into_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return None,
            // It was closed meanwhile.
            Err(_) => {}
        }
    }
    Some(open)
}

/// Whether it runs, or waits.
pub fn lives(process: Pid) -> bool {
    stat(process.as_raw_nonzero().get()).is_some_and(|(state, _)| state != "Z" && state != "X")
}
