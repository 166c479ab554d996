//! Sound and stretches of talk made up for tests.

use proptest::prelude::*;

use super::Span;
use super::engine::WindowWord;
use crate::Result;
use crate::audio::{Frames, SPEECH_RATE, Spec};

/// Interleaved samples in memory as [`Frames`] at 16 kHz.
pub struct Samples {
    channels: u16,
    samples: Vec<f32>,
    at: usize,
}

impl Samples {
    pub fn new(channels: u16, samples: Vec<f32>) -> Self {
        Samples {
            channels,
            samples,
            at: 0,
        }
    }
}

impl Frames for Samples {
    fn spec(&self) -> Spec {
        Spec {
            sample_rate: SPEECH_RATE,
            channels: self.channels,
            frames: None,
        }
    }

    fn read(&mut self, into: &mut Vec<f32>, max_frames: usize) -> Result<usize> {
        let width = usize::from(self.channels);
        let take = max_frames.min((self.samples.len() - self.at) / width);
        into.extend_from_slice(&self.samples[self.at..self.at + take * width]);
        self.at += take * width;
        Ok(take)
    }
}

/// Words of a window, each half a second.
pub fn window_words(text: &str) -> Vec<WindowWord> {
    text.split(' ')
        .map(|text| WindowWord {
            text: text.to_owned(),
            start: 0.0,
            end: 0.5,
            probability: 0.9,
            no_speech: 0.0,
            voice: None,
        })
        .collect()
}

/// Stretches in order, not touching: pauses and lengths of up to so many seconds.
pub fn spans(pause: f64, length: f64) -> impl Strategy<Value = Vec<Span>> {
    prop::collection::vec((0.05..pause, 0.05..length), 0..24).prop_map(|pairs| {
        let mut at = 0.0;
        pairs
            .into_iter()
            .map(|(pause, length)| {
                let start = at + pause;
                at = start + length;
                Span { start, end: at }
            })
            .collect()
    })
}
