//! MP3, M4A and OGG, by symphonia, known by their content.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia::core::codecs::audio::well_known::CODEC_ID_MP3;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use super::{ends_early, unknown};
use crate::audio::{Frames, Spec};
use crate::{Error, Kind, Result};

/// Packets at the start that may fail: an MP3 cut out of a longer one begins with frames that lean
/// on what was before.
const WARM_UP: u64 = 3;

/// Packets without any sound before the file counts as damaged.
const EMPTY_LIMIT: u32 = 10_000;

pub(super) struct Coded {
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    spec: Spec,
    /// Whether the length in the header is exact, not an estimate.
    exact: bool,
    block: Vec<f32>,
    at: usize,
    packets: u64,
    read: u64,
    damaged: bool,
    spent: bool,
}

impl Coded {
    pub(super) fn new(file: File) -> Result<Self> {
        catch_unwind(AssertUnwindSafe(|| Self::probe(file))).unwrap_or_else(|_| Err(unknown()))
    }

    fn probe(file: File) -> Result<Self> {
        let stream = MediaSourceStream::new(Box::new(file), Default::default());
        let format = symphonia::default::get_probe()
            .probe(
                &Hint::new(),
                stream,
                FormatOptions::default(),
                MetadataOptions::default(),
            )
            .map_err(|_| unknown())?;
        let track = format.default_track(TrackType::Audio).ok_or_else(silent)?;
        let params = track
            .codec_params
            .as_ref()
            .and_then(|p| p.audio())
            .ok_or_else(silent)?;
        let decoder = symphonia::default::get_codecs()
            .make_audio_decoder(params, &AudioDecoderOptions::default())
            .map_err(|_| {
                Error::new(
                    Kind::Audio,
                    "The sound in this file is coded in a way that undertone cannot read.",
                )
                .hint("Import WAV, FLAC, MP3, M4A (AAC) or OGG (Vorbis).")
            })?;
        let mut coded = Coded {
            track: track.id,
            spec: Spec {
                sample_rate: 0,
                channels: 0,
                frames: track.num_frames.filter(|n| *n > 0),
            },
            // Without an encoder's own tag the length of an MP3 is an estimate.
            exact: params.codec != CODEC_ID_MP3 || track.delay.is_some(),
            format,
            decoder,
            block: Vec::new(),
            at: 0,
            packets: 0,
            read: 0,
            damaged: false,
            spent: false,
        };
        // Rate and channels of the first decoded packet hold: headers may say otherwise.
        if !coded.next_block()? {
            return Err(silent());
        }
        Ok(coded)
    }

    /// Decodes up to the next packet with sound in it; false at the end.
    fn next_block(&mut self) -> Result<bool> {
        self.block.clear();
        self.at = 0;
        for _ in 0..EMPTY_LIMIT {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(false),
                Err(Symphonia::IoError(e))
                    if e.kind() == std::io::ErrorKind::UnexpectedEof
                        && self.spec.frames.is_none() =>
                {
                    return Ok(false);
                }
                Err(_) => {
                    self.damaged = true;
                    return Ok(false);
                }
            };
            if packet.track_id != self.track {
                continue;
            }
            self.packets += 1;
            match self.decoder.decode(&packet) {
                Ok(sound) => {
                    let (rate, channels) = (sound.spec().rate(), sound.spec().channels().count());
                    let channels = u16::try_from(channels).unwrap_or(u16::MAX);
                    if self.spec.channels == 0 && sound.frames() > 0 {
                        self.spec.sample_rate = rate;
                        self.spec.channels = channels;
                        super::within_limits(self.spec)?;
                    }
                    if sound.frames() == 0 {
                        continue;
                    }
                    if (rate, channels) != (self.spec.sample_rate, self.spec.channels) {
                        self.damaged = true;
                        return Ok(false);
                    }
                    sound.copy_to_vec_interleaved(&mut self.block);
                    for s in &mut self.block {
                        *s = if s.is_finite() {
                            s.clamp(-1.0, 1.0)
                        } else {
                            0.0
                        };
                    }
                    return Ok(true);
                }
                Err(Symphonia::DecodeError(_)) if self.packets <= WARM_UP => {}
                Err(_) => {
                    self.damaged = true;
                    return Ok(false);
                }
            }
        }
        self.damaged = true;
        Ok(false)
    }
}

fn silent() -> Error {
    Error::new(Kind::Damaged, "No sound can be read from this file.")
        .hint("Copy the file again from where it was recorded.")
}

impl Frames for Coded {
    fn spec(&self) -> Spec {
        self.spec
    }

    fn read(&mut self, into: &mut Vec<f32>, max_frames: usize) -> Result<usize> {
        if self.spent || max_frames == 0 {
            return Ok(0);
        }
        if self.at >= self.block.len() {
            let more = catch_unwind(AssertUnwindSafe(|| self.next_block()));
            let more = match more {
                Ok(more) => more?,
                Err(_) => {
                    self.damaged = true;
                    false
                }
            };
            if !more {
                self.spent = true;
                // A few thousand samples of padding are counted differently by different programs.
                let short = self.exact
                    && self
                        .spec
                        .frames
                        .is_some_and(|total| self.read + 8_192 < total);
                if self.damaged || short {
                    return Err(ends_early(self.read, self.spec));
                }
                return Ok(0);
            }
        }
        let channels = usize::from(self.spec.channels);
        let frames = ((self.block.len() - self.at) / channels).min(max_frames);
        let end = self.at + frames * channels;
        into.extend_from_slice(&self.block[self.at..end]);
        self.at = end;
        self.read += frames as u64;
        Ok(frames)
    }
}
