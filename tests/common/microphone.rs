//! A device with a clock of its own: PulseAudio's pipe source gives what is written into it, as
//! fast as it is written, so whoever writes is its crystal.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::pulse::Pulse;

/// What every device says its rate is, in hertz.
pub const RATE: u32 = 48_000;
/// How much is written at once, in seconds.
const STEP: f64 = 0.01;

/// The sound of a room: what is heard at a moment, in seconds.
pub type Room = fn(f64) -> f32;

/// Gives sound until it is dropped.
pub struct Microphone {
    pub name: String,
    fifo: PathBuf,
    stop: Arc<AtomicBool>,
    /// Frames that found no room: nobody reads.
    pub spilt: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Microphone {
    /// A device called `name` that hears `room`, which began at `epoch`, and whose crystal runs
    /// `ppm` parts in a million fast.
    pub fn plug_in(pulse: &Pulse, name: &str, room: Room, epoch: Instant, ppm: f64) -> Microphone {
        let fifo = pulse.dir().join(format!("{name}.fifo"));
        load(pulse, name, &fifo);
        let stop = Arc::new(AtomicBool::new(false));
        let spilt = Arc::new(AtomicU64::new(0));
        let (stopped, lost, path) = (Arc::clone(&stop), Arc::clone(&spilt), fifo.clone());
        let thread = std::thread::spawn(move || give(&path, room, epoch, ppm, &stopped, &lost));
        Microphone {
            name: name.to_owned(),
            fifo,
            stop,
            spilt,
            thread: Some(thread),
        }
    }

    /// Takes the device out of the server; it goes on hearing.
    pub fn pull_out(&self, pulse: &Pulse) {
        let modules = pulse.pactl(&["list", "short", "modules"]);
        let own = format!("source_name={}", self.name);
        let line = modules.lines().find(|line| line.contains(&own));
        let number = line.and_then(|line| line.split_whitespace().next());
        pulse.pactl(&["unload-module", number.expect("the device's module")]);
    }

    /// Puts it in again.
    pub fn put_back(&self, pulse: &Pulse) {
        load(pulse, &self.name, &self.fifo);
    }
}

impl Drop for Microphone {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn load(pulse: &Pulse, name: &str, fifo: &Path) {
    pulse.pactl(&[
        "load-module",
        "module-pipe-source",
        &format!("source_name={name}"),
        &format!("file={}", fifo.display()),
        &format!("rate={RATE}"),
        "channels=1",
        "format=s16le",
        &format!("source_properties=device.description={name}"),
    ]);
}

fn give(fifo: &Path, room: Room, epoch: Instant, ppm: f64, stop: &AtomicBool, spilt: &AtomicU64) {
    let real = f64::from(RATE) * (1.0 + ppm * 1e-6);
    let open = || {
        let mut options = std::fs::OpenOptions::new();
        let nonblock = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        options.write(true).custom_flags(nonblock).open(fifo).ok()
    };
    let mut pipe = open();
    let mut next = (epoch.elapsed().as_secs_f64() * real) as u64;
    let mut bytes = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let due = (epoch.elapsed().as_secs_f64() * real) as u64;
        while next + (STEP * real) as u64 <= due {
            let until = next + (STEP * real) as u64;
            bytes.clear();
            for frame in next..until {
                let sample = room(frame as f64 / real).clamp(-1.0, 1.0) * 32_767.0;
                bytes.extend((sample as i16).to_le_bytes());
            }
            // So few bytes go in whole or not at all.
            match pipe.as_mut().map(|pipe| pipe.write(&bytes)) {
                Some(Ok(_)) => {}
                Some(Err(e)) if e.kind() == std::io::ErrorKind::WouldBlock => {
                    spilt.fetch_add(until - next, Ordering::Relaxed);
                }
                _ => pipe = open(),
            }
            next = until;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
