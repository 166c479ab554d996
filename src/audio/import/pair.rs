//! Two files, one a speaker, as one two-channel stream at 16 kHz.

use crate::audio::resample::Resampler;
use crate::audio::{Frames, SPEECH_RATE, Spec};
use crate::{Error, Kind, Result};

/// Frames read at a time.
const STEP: usize = 4_096;

/// Puts the therapist's file on channel 1 and the client's on channel 2, at 16 kHz.
///
/// Each file has one channel, or two that are the same to the sample (a mono recording saved as
/// stereo). Both begin at the same moment; the shorter one is filled with silence. A file that
/// turns out damaged goes on as silence until the other has ended, and is reported then.
///
/// # Errors
/// [`Kind::Usage`] for a file with more channels; the same from reading, when a file's two channels
/// differ.
pub fn pair<A: Frames, B: Frames>(therapist: A, client: B) -> Result<Pair<A, B>> {
    Ok(Pair {
        sides: (
            Side::new(therapist, "therapist")?,
            Side::new(client, "client")?,
        ),
    })
}

/// What [`pair`] makes.
pub struct Pair<A: Frames, B: Frames> {
    sides: (Side<A>, Side<B>),
}

struct Side<F: Frames> {
    from: Resampler<OneVoice<F>>,
    ready: Vec<f32>,
    ended: bool,
    trouble: Option<Error>,
}

impl<F: Frames> Side<F> {
    fn new(from: F, whose: &'static str) -> Result<Self> {
        let channels = from.spec().channels;
        if channels > 2 {
            return Err(Error::new(
                Kind::Usage,
                format!("The {whose}'s file has {channels} channels; one is needed."),
            )
            .hint("Save only that person's channel to a file, and import that."));
        }
        Ok(Side {
            from: Resampler::new(OneVoice {
                from,
                whose,
                both: Vec::new(),
            })?,
            ready: Vec::new(),
            ended: false,
            trouble: None,
        })
    }

    /// Brings `want` samples in, as far as there are so many.
    fn fill(&mut self, want: usize) -> Result<()> {
        while !self.ended && self.ready.len() < want {
            let missing = want - self.ready.len();
            match self.from.read(&mut self.ready, missing) {
                Ok(0) => self.ended = true,
                Ok(_) => {}
                Err(e) if e.kind() == Kind::Damaged => {
                    self.ended = true;
                    self.trouble = Some(e);
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

impl<A: Frames, B: Frames> Frames for Pair<A, B> {
    fn spec(&self) -> Spec {
        let lengths = (
            self.sides.0.from.spec().frames,
            self.sides.1.from.spec().frames,
        );
        Spec {
            sample_rate: SPEECH_RATE,
            channels: 2,
            frames: lengths.0.zip(lengths.1).map(|(a, b)| a.max(b)),
        }
    }

    fn read(&mut self, into: &mut Vec<f32>, max_frames: usize) -> Result<usize> {
        let want = max_frames.min(STEP);
        let (a, b) = &mut self.sides;
        a.fill(want)?;
        b.fill(want)?;
        let frames = a.ready.len().max(b.ready.len()).min(want);
        for i in 0..frames {
            into.push(a.ready.get(i).copied().unwrap_or(0.0));
            into.push(b.ready.get(i).copied().unwrap_or(0.0));
        }
        a.ready.drain(..frames.min(a.ready.len()));
        b.ready.drain(..frames.min(b.ready.len()));
        if frames == 0
            && max_frames > 0
            && let Some(trouble) = a.trouble.take().or_else(|| b.trouble.take())
        {
            return Err(trouble);
        }
        Ok(frames)
    }
}

/// One channel, or two that must be the same.
struct OneVoice<F: Frames> {
    from: F,
    whose: &'static str,
    both: Vec<f32>,
}

impl<F: Frames> Frames for OneVoice<F> {
    fn spec(&self) -> Spec {
        Spec {
            channels: 1,
            ..self.from.spec()
        }
    }

    fn read(&mut self, into: &mut Vec<f32>, max_frames: usize) -> Result<usize> {
        if self.from.spec().channels == 1 {
            return self.from.read(into, max_frames);
        }
        self.both.clear();
        let n = self.from.read(&mut self.both, max_frames)?;
        for frame in self.both.chunks_exact(2) {
            // A step of 16 bit: what a lossy coder or dither may leave between equal channels.
            if (frame[0] - frame[1]).abs() > 2.0 / 32_768.0 {
                return Err(Error::new(
                    Kind::Usage,
                    format!(
                        "The {}'s file has two different channels, so it is not one person alone.",
                        self.whose
                    ),
                )
                .hint("If it is the whole session, import that one file by itself."));
            }
            into.push(frame[0]);
        }
        Ok(n)
    }
}
