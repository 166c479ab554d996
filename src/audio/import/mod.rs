//! Sound files from elsewhere, as [`Frames`].
//!
//! A file is known by its content, not by its name: WAV is read by hound, FLAC by our own reader,
//! MP3, M4A (AAC) and OGG (Vorbis) by symphonia. Every file is hostile: nothing is reserved on the
//! word of a header, and a decoder that gives up is an error, not a crash. A file that ends early
//! yields what can be read, then [`Kind::Damaged`] with how much that was; whoever imports decides
//! whether to keep it.
//!
//! It refuses to guess who speaks: one channel is no session ([`session`] says why), and more than
//! two need a choice ([`select`]).

mod coded;
mod pair;
mod pcm;

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::flac::Decoder;
use super::{Frames, Spec};
use crate::{Error, Kind, Result};

pub use pair::{Pair, pair};

/// Opens a sound file, however many channels it has, at its own rate.
///
/// # Errors
/// [`Kind::NotFound`], [`Kind::Disk`] when it cannot be read, [`Kind::Audio`] when it is no sound
/// file that we read, [`Kind::Damaged`] when its header is cut or contradicts itself.
pub fn open(path: &Path) -> Result<Box<dyn Frames + Send>> {
    let meta = std::fs::metadata(path).map_err(|e| Error::io("reading", path, &e))?;
    if meta.is_dir() {
        return Err(
            Error::new(Kind::Audio, "This is a folder, not a sound file.")
                .hint("Name the recording inside it."),
        );
    }
    // Opening a named pipe would wait for ever.
    if !meta.is_file() {
        return Err(
            Error::new(Kind::Audio, "This is a device or a pipe, not a sound file.")
                .hint("Save the sound as a file first, then import that."),
        );
    }
    if meta.len() == 0 {
        return Err(
            Error::new(Kind::Damaged, "This file is empty: it holds no sound.")
                .hint("Copy it again from where it was recorded."),
        );
    }
    let mut file = File::open(path).map_err(|e| Error::io("reading", path, &e))?;
    let mut head = Vec::new();
    (&mut file)
        .take(12)
        .read_to_end(&mut head)
        .and_then(|_| file.seek(SeekFrom::Start(0)))
        .map_err(|e| Error::io("reading", path, &e))?;
    let frames: Box<dyn Frames + Send> = if head.starts_with(b"fLaC") {
        Box::new(Decoder::new(file)?)
    } else if head.starts_with(b"RIFF") && head.ends_with(b"WAVE") {
        match pcm::Pcm::new(BufReader::with_capacity(64 << 10, file))? {
            Some(pcm) => Box::new(pcm),
            // A WAV file can hold things other than plain samples.
            None => Box::new(coded::Coded::new(
                File::open(path).map_err(|e| Error::io("reading", path, &e))?,
            )?),
        }
    } else {
        Box::new(coded::Coded::new(file)?)
    };
    within_limits(frames.spec())?;
    Ok(frames)
}

/// Opens a file that is a session by itself: exactly two channels.
///
/// # Errors
/// As [`open`]; [`Kind::Usage`] for one channel, or for more than two.
pub fn session(path: &Path) -> Result<Box<dyn Frames + Send>> {
    let frames = open(path)?;
    two_channels(frames.spec())?;
    Ok(frames)
}

/// Whether a stream can be a session as it is.
///
/// # Errors
/// [`Kind::Usage`] for one channel, or for more than two, with what to do.
pub fn two_channels(spec: Spec) -> Result<()> {
    match spec.channels {
        2 => Ok(()),
        1 => Err(Error::new(
            Kind::Usage,
            "This recording has one channel, and undertone tells the speakers apart by channel, so \
             it needs one channel for the therapist and one for the client.",
        )
        .hint("If each person was recorded to a file of their own, import the two files together.")
        .hint("For the next session, record both microphones as left and right: undertone check")),
        n => Err(Error::new(
            Kind::Usage,
            format!("This recording has {n} channels; which two are therapist and client?"),
        )
        .hint("Say which: --therapist 1 --client 2")),
    }
}

/// Two channels out of several, by number from 1, as `left` and `right`.
///
/// # Errors
/// [`Kind::Usage`] when a number is not there, or both are the same.
pub fn select<F: Frames>(from: F, left: u16, right: u16) -> Result<Select<F>> {
    let channels = from.spec().channels;
    for wanted in [left, right] {
        if wanted == 0 || wanted > channels {
            return Err(Error::new(
                Kind::Usage,
                format!("There is no channel {wanted}: the sound has {channels}, counted from 1."),
            ));
        }
    }
    if left == right {
        return Err(Error::new(
            Kind::Usage,
            format!("Channel {left} cannot be both the therapist and the client."),
        ));
    }
    Ok(Select {
        from,
        left: usize::from(left - 1),
        right: usize::from(right - 1),
        all: Vec::new(),
    })
}

/// What [`select`] makes.
pub struct Select<F: Frames> {
    from: F,
    left: usize,
    right: usize,
    all: Vec<f32>,
}

impl<F: Frames> Frames for Select<F> {
    fn spec(&self) -> Spec {
        Spec {
            channels: 2,
            ..self.from.spec()
        }
    }

    fn read(&mut self, into: &mut Vec<f32>, max_frames: usize) -> Result<usize> {
        self.all.clear();
        let n = self.from.read(&mut self.all, max_frames.min(16_384))?;
        let channels = usize::from(self.from.spec().channels);
        for frame in self.all.chunks_exact(channels) {
            into.extend([frame[self.left], frame[self.right]]);
        }
        Ok(n)
    }
}

fn within_limits(spec: Spec) -> Result<()> {
    if (8_000..=192_000).contains(&spec.sample_rate) && (1..=32).contains(&spec.channels) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Audio,
        format!(
            "{} channels at {} Hz is outside what undertone reads (1 to 32 channels, 8,000 to \
             192,000 Hz).",
            spec.channels, spec.sample_rate
        ),
    ))
}

/// The error of a file that ends before it should.
fn ends_early(read: u64, spec: Spec) -> Error {
    let rate = f64::from(spec.sample_rate.max(1));
    let got = read as f64 / rate;
    let of = match spec.frames {
        Some(total) if total > read => format!(" of {:.1} s", total as f64 / rate),
        _ => String::new(),
    };
    Error::new(
        Kind::Damaged,
        format!("The sound file is cut or damaged: {got:.1} s{of} could be read."),
    )
    .hint("Copy the file again from where it was recorded, if it is whole there.")
}

/// The error of a file that no reader here knows.
fn unknown() -> Error {
    Error::new(
        Kind::Audio,
        "This is not a sound file that undertone can read.",
    )
    .hint("Import WAV, FLAC, MP3, M4A (AAC) or OGG (Vorbis).")
}

#[cfg(test)]
mod tests;
