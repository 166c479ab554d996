//! What is known of a running recording, in the form in which it is shown. Pure data.

use std::collections::VecDeque;
use std::time::Duration;

use super::live::Watch;
use super::scribe::State;
use crate::audio::levels::Level;
use crate::cli::sound::Sofar;
use crate::speech::Utterance;
use crate::transcript::Moments;

/// How long the loudest moment of a channel stays marked, in seconds of session time.
const HOLD_SECONDS: f64 = 1.5;
/// Utterances that are kept to be shown.
const SAID: usize = 12;
/// Warnings that are kept to be shown.
const NOTICES: usize = 20;

/// The quietest level there is, in dBFS.
pub const NOTHING: f32 = -120.0;

/// One channel's meter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Channel {
    /// The loudest sample since the last look, in dBFS.
    pub peak_dbfs: f32,
    /// The loudest sample of the last moments, in dBFS.
    pub held_dbfs: f32,
    /// When that was, in seconds.
    held_at: f64,
    /// Samples cut off at full scale, in all.
    pub clipped: u64,
}

/// What is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// The device, by its plain name.
    pub device: String,
    /// Therapist, client.
    pub channels: [Channel; 2],
    /// Session time, in seconds.
    pub seconds: f64,
    /// Sealed bytes on the disk.
    pub bytes: u64,
    /// How long the disk will last.
    pub left: Option<Duration>,
    /// How well the microphones hold the two people apart, in dB, once both have spoken.
    pub separation_db: Option<f32>,
    /// Seconds of sound that were lost.
    pub lost_seconds: f64,
    /// Places where something was lost, or may have been.
    pub lost_places: usize,
    /// The clocks of two devices, in words; none of one device.
    pub clocks: Option<String>,
    /// Whose device gives nothing right now, of two.
    pub away: [bool; 2],
    /// Whether nothing comes from the device right now.
    pub waiting: bool,
    /// Bookmarks and pauses.
    pub moments: Moments,
    /// The last warnings, with their time in seconds.
    pub notices: VecDeque<(f64, String)>,
    /// Warnings so far.
    pub noticed: u64,
    /// What was said lately: channel, time in seconds, words.
    pub said: VecDeque<Utterance>,
    /// How the writing down is; none where nothing is written down.
    pub words_state: Option<State>,
}

impl View {
    /// Nothing known yet.
    #[must_use]
    pub fn new(device: &str) -> View {
        let channel = Channel {
            peak_dbfs: NOTHING,
            held_dbfs: NOTHING,
            held_at: 0.0,
            clipped: 0,
        };
        View {
            device: device.to_owned(),
            channels: [channel; 2],
            seconds: 0.0,
            bytes: 0,
            left: None,
            separation_db: None,
            lost_seconds: 0.0,
            lost_places: 0,
            clocks: None,
            away: [false; 2],
            waiting: false,
            moments: Moments::default(),
            notices: VecDeque::new(),
            noticed: 0,
            said: VecDeque::new(),
            words_state: None,
        }
    }

    /// Takes in what was said.
    pub fn say(&mut self, said: &Utterance) {
        self.said.push_back(said.clone());
        while self.said.len() > SAID {
            self.said.pop_front();
        }
    }

    /// Takes in levels.
    pub fn hear(&mut self, levels: &[Level]) {
        for (channel, level) in self.channels.iter_mut().zip(levels) {
            channel.peak_dbfs = channel.peak_dbfs.max(level.peak_dbfs);
            channel.clipped += level.clipped;
            let over = self.seconds - channel.held_at > HOLD_SECONDS;
            if level.peak_dbfs >= channel.held_dbfs || over {
                channel.held_dbfs = level.peak_dbfs;
                channel.held_at = self.seconds;
            }
        }
    }

    /// Takes in how far it is.
    pub fn progress(&mut self, sofar: Sofar, left: Option<Duration>, watch: &Watch) {
        self.seconds = sofar.seconds;
        self.bytes = sofar.bytes;
        self.left = left;
        self.separation_db = watch.separation_db;
        let lost = || watch.gaps.iter().chain(&watch.away);
        let silent = || watch.silent.iter().map(|silence| silence.2);
        self.lost_seconds = lost().map(|gap| gap.1).chain(silent()).sum();
        self.lost_places = lost().count() + silent().count() + watch.marks.len();
        self.clocks = watch.parts.as_ref().map(super::parts::in_words);
        self.away = watch
            .parts
            .as_ref()
            .map_or([false; 2], |[a, b]| [a.away, b.away]);
        self.waiting = watch.waiting;
        self.hear(&watch.levels);
    }

    /// Takes in a warning.
    pub fn warn(&mut self, words: String) {
        self.noticed += 1;
        self.notices.push_back((self.seconds, words));
        while self.notices.len() > NOTICES {
            self.notices.pop_front();
        }
    }

    /// What is shown now; the meters begin anew.
    pub fn take(&mut self) -> View {
        let shown = self.clone();
        for channel in &mut self.channels {
            channel.peak_dbfs = NOTHING;
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loudest_moment_stays_marked_for_a_while_and_then_falls() {
        let mut view = View::new("a device");
        let level = |peak_dbfs| {
            [Level {
                peak_dbfs,
                rms_dbfs: peak_dbfs,
                clipped: 2,
            }; 2]
        };
        view.hear(&level(-10.0));
        for tenth in 1..=15 {
            view.seconds = f64::from(tenth) / 10.0;
            view.hear(&level(-40.0));
        }
        assert_eq!(view.take().channels[0].held_dbfs, -10.0);
        assert_eq!(view.channels[0].peak_dbfs, NOTHING);
        view.seconds = 1.6;
        view.hear(&level(-40.0));
        assert_eq!(view.channels[0].held_dbfs, -40.0);
        assert_eq!(view.channels[1].clipped, 34);
    }
}
