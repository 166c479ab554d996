//! FLAC to any `Write` and from any `Read`: the form in which sessions are stored.
//!
//! Nothing here seeks. The encoder writes a normal `fLaC` marker and STREAMINFO block whose total
//! length is unknown (zero, as RFC 9639 section 8.2 provides for), then frames of about an eighth
//! of a second, so that a cut loses little. The decoder hands out every whole frame before it
//! reports a cut. It refuses to trust a header: rates and channels outside [`Spec`]'s limits are
//! errors, the total length is only a hint, and a frame is never larger than the format's 65,535
//! samples a channel.

use std::io::{BufReader, Chain, Cursor, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use flac_codec::decode::FlacSampleReader;
use flac_codec::encode::{FlacStreamWriter, Options};

use super::{Frames, Spec};
use crate::{Error, Kind, Result};

/// Bits a sample that the encoder writes.
const BITS: u32 = 16;

/// More metadata than this before the first frame (in bytes) is no recording. Pictures are allowed
/// for, in imported files.
const METADATA_LIMIT: u64 = 32 << 20;

/// The frame encoder owns its writer and does not give it back, so it writes here.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<Vec<u8>>>);

impl Write for Shelf {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Writes 16 bit FLAC to `W`.
///
/// **Call [`Encoder::finish`]**: up to one block (about an eighth of a second) waits in memory.
pub struct Encoder<W: Write> {
    to: W,
    shelf: Shelf,
    frames: FlacStreamWriter<Shelf>,
    sample_rate: u32,
    channels: u8,
    block: usize,
    waiting: Vec<i32>,
}

impl<W: Write> Encoder<W> {
    /// Writes the header and is ready for samples.
    ///
    /// # Errors
    /// [`Kind::Audio`] for a rate (hertz) or channel count that FLAC frames cannot carry;
    /// [`Kind::Disk`] when `to` fails.
    pub fn new(mut to: W, sample_rate: u32, channels: u16) -> Result<Self> {
        let codable = sample_rate <= 65_535 || sample_rate.is_multiple_of(10);
        if !(8_000..=192_000).contains(&sample_rate) || !codable || !(1..=8).contains(&channels) {
            return Err(Error::new(
                Kind::Audio,
                format!("{channels} channels at {sample_rate} Hz cannot be stored as FLAC."),
            ));
        }
        let channels = channels as u8;
        let block = block_size(sample_rate);
        to.write_all(&header(sample_rate, channels, BITS as u8, block))
            .map_err(|e| unwritten(&e))?;
        let shelf = Shelf::default();
        let options = Options::default()
            .block_size(block)
            .map_err(|_| Error::new(Kind::Internal, "A FLAC block size is out of range."))?;
        Ok(Encoder {
            to,
            frames: FlacStreamWriter::new(shelf.clone(), options),
            shelf,
            sample_rate,
            channels,
            block: usize::from(block) * usize::from(channels),
            waiting: Vec::new(),
        })
    }

    /// Takes whole frames of interleaved samples.
    ///
    /// # Errors
    /// [`Kind::Disk`] when the writer fails; [`Kind::Internal`] for a part of a frame.
    pub fn write(&mut self, interleaved: &[i16]) -> Result<()> {
        if !interleaved.len().is_multiple_of(usize::from(self.channels)) {
            return Err(Error::new(
                Kind::Internal,
                "A part of a frame was given to the FLAC encoder.",
            ));
        }
        self.waiting
            .extend(interleaved.iter().copied().map(i32::from));
        let mut done = 0;
        while self.waiting.len() - done >= self.block {
            let next = done + self.block;
            put(
                &mut self.frames,
                &self.shelf,
                &mut self.to,
                self.sample_rate,
                self.channels,
                &self.waiting[done..next],
            )?;
            done = next;
        }
        self.waiting.drain(..done);
        Ok(())
    }

    /// Writes what waits in memory and gives the writer back, not flushed.
    ///
    /// # Errors
    /// [`Kind::Disk`] when the writer fails.
    pub fn finish(mut self) -> Result<W> {
        if !self.waiting.is_empty() {
            put(
                &mut self.frames,
                &self.shelf,
                &mut self.to,
                self.sample_rate,
                self.channels,
                &self.waiting,
            )?;
        }
        Ok(self.to)
    }

    /// The writer, for syncing. Writing to it breaks the stream.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.to
    }
}

fn put<W: Write>(
    frames: &mut FlacStreamWriter<Shelf>,
    shelf: &Shelf,
    to: &mut W,
    rate: u32,
    channels: u8,
    samples: &[i32],
) -> Result<()> {
    frames
        .write(rate, channels, BITS, samples)
        .map_err(|_| Error::new(Kind::Internal, "A block of sound could not be coded."))?;
    let mut bytes = shelf.0.lock().unwrap_or_else(PoisonError::into_inner);
    let result = to.write_all(&bytes).map_err(|e| unwritten(&e));
    bytes.clear();
    result
}

fn unwritten(error: &std::io::Error) -> Error {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::StorageFull | Io::QuotaExceeded => {
            Error::new(Kind::Disk, "The disk is full; the sound up to now is kept.")
                .hint("Free some space, then try again.")
        }
        kind => Error::new(
            Kind::Disk,
            format!("The sound could not be written: {kind}."),
        ),
    }
}

/// Samples a channel in a block: the power of two next below 0.13 s, within the streamable subset
/// of RFC 9639 section 7 (4,608 up to 48 kHz).
fn block_size(rate: u32) -> u16 {
    let most = rate * 13 / 100;
    let power = if most.is_power_of_two() {
        most
    } else {
        most.next_power_of_two() / 2
    };
    power.clamp(512, 16_384) as u16
}

/// The marker and a STREAMINFO block without length or digest (RFC 9639 section 8.2).
fn header(rate: u32, channels: u8, bits: u8, block: u16) -> [u8; 42] {
    let mut h = [0u8; 42];
    h[..4].copy_from_slice(b"fLaC");
    h[4] = 0x80; // the last metadata block, type 0
    h[7] = 34;
    h[8..10].copy_from_slice(&block.to_be_bytes());
    h[10..12].copy_from_slice(&block.to_be_bytes());
    let packed =
        (u64::from(rate) << 44) | (u64::from(channels - 1) << 41) | (u64::from(bits - 1) << 36);
    h[18..26].copy_from_slice(&packed.to_be_bytes());
    h
}

/// What the reader below gave, since the frame decoder takes every end for a clean one.
#[derive(Default)]
struct Given {
    bytes: AtomicU64,
    failed: AtomicBool,
}

/// A reader that the decoder owns, and that tells what it gave. The decoder asks for a few bytes at a time.
struct Watched<R> {
    from: BufReader<R>,
    given: Arc<Given>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self.from.read(into) {
            Ok(n) => {
                let before = self.given.bytes.load(Ordering::Relaxed);
                self.given.bytes.store(before + n as u64, Ordering::Relaxed);
                Ok(n)
            }
            Err(e) => {
                if e.kind() != std::io::ErrorKind::Interrupted {
                    self.given.failed.store(true, Ordering::Relaxed);
                }
                Err(e)
            }
        }
    }
}

/// Reads FLAC from `R`, without seeking.
pub struct Decoder<R: Read> {
    spec: Spec,
    given: Arc<Given>,
    frames: FlacSampleReader<Chain<Cursor<[u8; 42]>, Watched<R>>>,
    scale: f32,
    block: Vec<i32>,
    at: usize,
    read: u64,
    spent: bool,
}

impl<R: Read> Decoder<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Kind::Damaged`] when it is no FLAC stream or its header is outside our limits.
    pub fn new(from: R) -> Result<Self> {
        let mut from = BufReader::with_capacity(64 << 10, from);
        let info = stream_info(&mut from)?;
        let given = Arc::new(Given::default());
        let watched = Watched {
            from,
            given: given.clone(),
        };
        // The decoder gets a header of our making: a total length that lies would mislead it.
        let clean = header(info.rate, info.channels, info.bits, u16::MAX);
        let mut clean = clean;
        clean[8..10].copy_from_slice(&16u16.to_be_bytes());
        let frames =
            FlacSampleReader::new(Cursor::new(clean).chain(watched)).map_err(|_| not_flac())?;
        Ok(Decoder {
            spec: Spec {
                sample_rate: info.rate,
                channels: u16::from(info.channels),
                frames: info.total,
            },
            given,
            frames,
            scale: 1.0 / (1u64 << (info.bits - 1)) as f32,
            block: Vec::new(),
            at: 0,
            read: 0,
            spent: false,
        })
    }

    fn cut(&mut self) -> Error {
        self.spent = true;
        let seconds = self.read as f64 / f64::from(self.spec.sample_rate);
        Error::new(
            Kind::Damaged,
            format!(
                "The sound is cut or altered after {seconds:.1} s; everything before that was read."
            ),
        )
    }

    /// Brings the next block in; false at a clean end.
    fn next_block(&mut self) -> Result<bool> {
        let before = self.taken().0;
        self.block.clear();
        self.at = 0;
        // flac-codec 1.3.3 panics on some altered residuals (a partition of no samples, a sum beyond
        // the range); to us that is damage like any other, and the decoder is not used again.
        let frames = &mut self.frames;
        let block = &mut self.block;
        let outcome = catch_unwind(AssertUnwindSafe(|| match frames.fill_buf() {
            Ok(samples) => {
                block.extend_from_slice(samples);
                Ok(samples.len())
            }
            Err(_) => Err(()),
        }))
        .unwrap_or(Err(()));
        let (after, failed) = self.taken();
        match outcome {
            Ok(0) if failed || after != before => Err(self.cut()),
            Ok(0) => match self.spec.frames {
                Some(total) if self.read < total => Err(self.cut()),
                _ => Ok(false),
            },
            Ok(n) => {
                self.frames.consume(n);
                Ok(true)
            }
            Err(()) => {
                // Tags that some programs put behind the last frame are no damage.
                match self.spec.frames {
                    Some(total) if self.read >= total && !failed => Ok(false),
                    _ => Err(self.cut()),
                }
            }
        }
    }

    fn taken(&self) -> (u64, bool) {
        let given = &self.given;
        (
            given.bytes.load(Ordering::Relaxed),
            given.failed.load(Ordering::Relaxed),
        )
    }
}

impl<R: Read> Frames for Decoder<R> {
    fn spec(&self) -> Spec {
        self.spec
    }

    fn read(&mut self, into: &mut Vec<f32>, max_frames: usize) -> Result<usize> {
        if self.spent || max_frames == 0 {
            return Ok(0);
        }
        if self.at >= self.block.len() && !self.next_block()? {
            self.spent = true;
            return Ok(0);
        }
        let channels = usize::from(self.spec.channels);
        let frames = ((self.block.len() - self.at) / channels).min(max_frames);
        if frames == 0 {
            return Err(self.cut());
        }
        let end = self.at + frames * channels;
        into.extend(
            self.block[self.at..end]
                .iter()
                .map(|&s| s as f32 * self.scale),
        );
        self.at = end;
        self.read += frames as u64;
        Ok(frames)
    }
}

struct Info {
    rate: u32,
    channels: u8,
    bits: u8,
    total: Option<u64>,
}

fn not_flac() -> Error {
    Error::new(
        Kind::Damaged,
        "This is not a FLAC recording, or its header is damaged.",
    )
}

/// Reads metadata blocks up to the first frame, keeping nothing but STREAMINFO.
fn stream_info(from: &mut impl Read) -> Result<Info> {
    let mut marker = [0u8; 4];
    from.read_exact(&mut marker).map_err(|_| not_flac())?;
    if &marker != b"fLaC" {
        return Err(not_flac());
    }
    let mut info = None;
    let mut seen = 0u64;
    loop {
        let mut head = [0u8; 4];
        from.read_exact(&mut head).map_err(|_| not_flac())?;
        let length = u64::from(u32::from_be_bytes([0, head[1], head[2], head[3]]));
        seen += length + 4;
        if seen > METADATA_LIMIT {
            return Err(not_flac());
        }
        match (head[0] & 0x7f, &info) {
            (0, None) if length == 34 => {
                let mut block = [0u8; 34];
                from.read_exact(&mut block).map_err(|_| not_flac())?;
                info = Some(parse_info(&block)?);
            }
            // STREAMINFO comes first and once.
            (0, _) | (_, None) => return Err(not_flac()),
            _ => {
                let skipped = std::io::copy(&mut from.take(length), &mut std::io::sink())
                    .map_err(|_| not_flac())?;
                if skipped != length {
                    return Err(not_flac());
                }
            }
        }
        if head[0] & 0x80 != 0 {
            return info.ok_or_else(not_flac);
        }
    }
}

fn parse_info(block: &[u8; 34]) -> Result<Info> {
    let mut packed = [0u8; 8];
    packed.copy_from_slice(&block[10..18]);
    let packed = u64::from_be_bytes(packed);
    let rate = (packed >> 44) as u32;
    let bits = ((packed >> 36) & 0x1f) as u8 + 1;
    let total = packed & 0xf_ffff_ffff;
    if !(8_000..=192_000).contains(&rate) || bits < 4 {
        return Err(not_flac());
    }
    Ok(Info {
        rate,
        channels: ((packed >> 41) & 7) as u8 + 1,
        bits,
        total: (total > 0).then_some(total),
    })
}

#[cfg(test)]
#[path = "flac_tests.rs"]
mod tests;
