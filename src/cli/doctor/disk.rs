//! What the disk under a folder is: how much is free, and whether it is encrypted.
//!
//! Refuses to guess: encryption that the kernel does not do itself (a drive's own, a virtual
//! machine's host) cannot be seen from here and is told as not known.

use std::path::{Path, PathBuf};

use crate::audio::SPEECH_RATE;
use crate::cli::sound;

/// Hours of recording that fit into so many bytes.
pub fn hours(bytes: u64) -> u64 {
    bytes / sound::bytes_an_hour(SPEECH_RATE)
}

/// Bytes that this user can still write in the folder, or in the nearest one above that is there.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|path| path.exists())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// What is known about the encryption of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// The kernel encrypts it (dm-crypt, LUKS).
    On,
    /// The kernel does not.
    Off,
    /// It is no disk: gone when the machine is switched off.
    InMemory,
    /// Nothing says.
    Unknown,
}

/// Whether the disk that holds a folder is encrypted, as far as Linux tells.
pub fn encryption(folder: &Path) -> Encryption {
    let Some(there) = folder
        .ancestors()
        .find_map(|path| std::fs::canonicalize(path).ok())
    else {
        return Encryption::Unknown;
    };
    let Ok(text) = std::fs::read_to_string("/proc/self/mountinfo") else {
        return Encryption::Unknown;
    };
    let Some(mount) = mount_of(&text, &there) else {
        return Encryption::Unknown;
    };
    match mount.kind {
        "tmpfs" | "ramfs" => return Encryption::InMemory,
        "ecryptfs" | "fuse.gocryptfs" | "fuse.cryfs" | "fuse.encfs" => return Encryption::On,
        _ => {}
    }
    // Some file systems have no device number of their own, so the source comes first.
    let by_source = Path::new(mount.source)
        .strip_prefix("/dev")
        .ok()
        .and_then(|_| std::fs::canonicalize(mount.source).ok())
        .and_then(|device| Some(Path::new("/sys/class/block").join(device.file_name()?)))
        .filter(|block| block.exists());
    let block = by_source.unwrap_or_else(|| Path::new("/sys/dev/block").join(mount.number));
    match (block.exists(), encrypted(&block, 0)) {
        (false, _) => Encryption::Unknown,
        (true, true) => Encryption::On,
        (true, false) => Encryption::Off,
    }
}

/// Whether a block device, or everything that it is made of, is encrypted by the kernel.
fn encrypted(block: &Path, depth: u8) -> bool {
    let kind = std::fs::read_to_string(block.join("dm/uuid")).unwrap_or_default();
    if kind.starts_with("CRYPT-") {
        return true;
    }
    let below: Vec<PathBuf> = std::fs::read_dir(block.join("slaves"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    // The kernel allows no deeper stacks than eight.
    depth < 8 && !below.is_empty() && below.iter().all(|part| encrypted(part, depth + 1))
}

/// A line of mountinfo.
#[derive(Debug, PartialEq, Eq)]
struct Mount<'a> {
    number: &'a str,
    kind: &'a str,
    source: &'a str,
}

/// The mount that holds a path: the deepest, and of two in one place the later.
fn mount_of<'a>(mountinfo: &'a str, path: &Path) -> Option<Mount<'a>> {
    let mut best: Option<(usize, Mount<'a>)> = None;
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let left: Vec<&str> = left.split(' ').collect();
        let right: Vec<&str> = right.split(' ').collect();
        let (Some(number), Some(point), Some(kind), Some(source)) =
            (left.get(2), left.get(4), right.first(), right.get(1))
        else {
            continue;
        };
        let point = PathBuf::from(plain(point));
        let depth = point.components().count();
        if path.starts_with(&point) && best.as_ref().is_none_or(|(most, _)| depth >= *most) {
            best = Some((
                depth,
                Mount {
                    number,
                    kind,
                    source,
                },
            ));
        }
    }
    best.map(|(_, mount)| mount)
}

/// A mount point without the kernel's octal escapes.
fn plain(point: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n")];
    escapes
        .iter()
        .fold(point.to_owned(), |text, (from, to)| text.replace(from, to))
        .replace("\\134", "\\")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
a line that is none
40 27 253:1 / /home rw shared:1 - ext4 /dev/mapper/home rw
41 40 0:44 / /home/my\\040vault rw - tmpfs tmpfs rw
42 40 253:9 / /home rw shared:2 - btrfs /dev/mapper/later rw
";

    #[test]
    fn the_deepest_and_latest_mount_holds_a_path() {
        let of = |path: &str| mount_of(MOUNTS, Path::new(path)).unwrap().source;
        assert_eq!(of("/var/lib"), "/dev/vda");
        assert_eq!(of("/homestead"), "/dev/vda");
        assert_eq!(of("/home/a"), "/dev/mapper/later");
        assert_eq!(of("/home/my vault/sessions"), "tmpfs");
        assert_eq!(mount_of("", Path::new("/")), None);
    }

    #[test]
    fn a_disk_is_encrypted_only_when_all_that_it_is_made_of_is() {
        let dir = tempfile::tempdir().unwrap();
        let device = |name: &str, kind: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.join("dm")).unwrap();
            std::fs::write(path.join("dm/uuid"), kind).unwrap();
            path
        };
        let volume = device("volume", "LVM-abc");
        assert!(!encrypted(&volume, 0));
        device("volume/slaves/one", "CRYPT-LUKS2-abc");
        assert!(encrypted(&volume, 0));
        device("volume/slaves/two", "LVM-def");
        assert!(!encrypted(&volume, 0));
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_judged_by_the_one_above() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("not/there/yet");
        assert!(free_bytes(&deep).unwrap() > 0);
        assert_eq!(encryption(&deep), encryption(dir.path()));
    }

    #[test]
    fn hours_are_counted_for_a_noisy_room() {
        assert_eq!(hours(1_400_000_000), 10);
        assert_eq!(hours(139_999_999), 0);
    }
}
