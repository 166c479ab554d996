//! The device thread's end of the ring. **Everything here runs under the sound system's deadline:
//! no allocation, no lock, no system call** (`tests/callback.rs`). Reading the clock is none: on
//! Linux it is read from a page that the kernel shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Instant;

use super::Complaint;

/// What the device thread counts. Samples, not frames.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) callbacks: AtomicU64,
    pub(super) samples: AtomicU64,
    pub(super) lost: AtomicU64,
    /// The longest that a call has taken, in nanoseconds.
    pub(super) slowest: AtomicU64,
    complaints: AtomicU64,
    complaint: AtomicU8,
}

impl Counters {
    pub(super) fn complain(&self, about: Complaint) {
        let code = match about {
            Complaint::Gone => 1,
            Complaint::Changed => 2,
            Complaint::Overrun => 3,
            Complaint::Other => 4,
        };
        self.complaint.store(code, Ordering::Relaxed);
        self.complaints.fetch_add(1, Ordering::Release);
    }

    pub(super) fn complaints(&self) -> (u64, Option<Complaint>) {
        let count = self.complaints.load(Ordering::Acquire);
        let last = match self.complaint.load(Ordering::Relaxed) {
            1 => Some(Complaint::Gone),
            2 => Some(Complaint::Changed),
            3 => Some(Complaint::Overrun),
            4 => Some(Complaint::Other),
            _ => None,
        };
        (count, last)
    }
}

/// Samples that found no room, after `at` samples that did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lost {
    pub(super) at: u64,
    pub(super) samples: u64,
}

/// That a device called: when, and how many samples it had given by then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) at: Instant,
    pub(super) samples: u64,
}

/// The device thread's end of a [`super::CaptureStream`]; what is put in here comes out there.
pub struct Feed {
    to: rtrb::Producer<f32>,
    lost: rtrb::Producer<Lost>,
    calls: rtrb::Producer<Call>,
    counters: Arc<Counters>,
    written: u64,
    missing: u64,
}

impl Feed {
    pub(super) fn new(
        to: rtrb::Producer<f32>,
        lost: rtrb::Producer<Lost>,
        calls: rtrb::Producer<Call>,
        counters: Arc<Counters>,
    ) -> Self {
        Feed {
            to,
            lost,
            calls,
            counters,
            written: 0,
            missing: 0,
        }
    }

    /// Room in the ring, in samples.
    pub(super) fn room(&self) -> usize {
        self.to.slots()
    }

    /// What a device does when it is called with one buffer: [`Self::put`], with the time.
    pub fn call(&mut self, samples: impl ExactSizeIterator<Item = f32>) {
        let at = Instant::now();
        self.put(samples);
        let call = Call {
            at,
            samples: self.counters.samples.load(Ordering::Relaxed),
        };
        // Full where nobody asks when the device called.
        let _ = self.calls.push(call);
        let nanos = u64::try_from(at.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.counters.slowest.fetch_max(nanos, Ordering::Relaxed);
    }

    /// Puts one buffer into the ring, or leaves the whole of it out: a part would shift the
    /// channels.
    pub fn put(&mut self, samples: impl ExactSizeIterator<Item = f32>) {
        let count = samples.len();
        if count > 0 {
            // A loss is reported before the samples that follow it, so that a reader who sees
            // those sees it too.
            if self.missing > 0 && self.to.slots() >= count {
                let lost = Lost {
                    at: self.written,
                    samples: self.missing,
                };
                if self.lost.push(lost).is_ok() {
                    self.missing = 0;
                }
            }
            // While a loss could not be reported nothing may follow it.
            let chunk = (self.missing == 0).then(|| self.to.write_chunk_uninit(count));
            match chunk {
                Some(Ok(chunk)) => {
                    self.written += chunk.fill_from_iter(samples) as u64;
                }
                _ => {
                    self.missing += count as u64;
                    self.counters
                        .lost
                        .fetch_add(count as u64, Ordering::Relaxed);
                }
            }
            self.counters
                .samples
                .fetch_add(count as u64, Ordering::Relaxed);
        }
        self.counters.callbacks.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        // The stream ends inside a gap: say so.
        if self.missing > 0 {
            let _ = self.lost.push(Lost {
                at: self.written,
                samples: self.missing,
            });
        }
    }
}
