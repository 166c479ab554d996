//! Whether both microphones go on hearing two people, said while there is still time to act.
//!
//! Looks at five seconds at a time. It tells only what spoils a recording whatever is said in it: a
//! dead channel, the same sound on both, sound cut off at full scale. It refuses to judge how loud
//! or how well apart two people are: that needs both to have spoken, and is for `undertone check`.

use crate::audio::levels::check::{self, Problem};

/// Seconds of sound that are looked at together.
const WINDOW: usize = 5;
/// Windows in a row after which a channel that had sound counts as dead. A microphone with a gate
/// gives digital silence in every pause.
const SILENT_FOR: u32 = 6;
/// Windows in a row after which channels that differed count as the same.
const SAME_FOR: u32 = 2;

/// Something that spoils the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoilt {
    /// Nothing comes from this channel (0 therapist, 1 client).
    Silent(usize),
    /// This channel is cut off at full scale.
    Clipped(usize),
    /// Both channels carry the same sound.
    Same,
}

const CASES: [Spoilt; 5] = [
    Spoilt::Silent(0),
    Spoilt::Silent(1),
    Spoilt::Clipped(0),
    Spoilt::Clipped(1),
    Spoilt::Same,
];

/// Listens along.
pub struct Judge {
    rate: u32,
    window: Vec<f32>,
    first: bool,
    rows: [u32; CASES.len()],
    told: [bool; CASES.len()],
}

impl Judge {
    /// For two channels at `rate` hertz.
    #[must_use]
    pub fn new(rate: u32) -> Judge {
        Judge {
            rate,
            window: Vec::new(),
            first: true,
            rows: [0; CASES.len()],
            told: [false; CASES.len()],
        }
    }

    /// Takes interleaved sound; returns what is newly wrong.
    pub fn push(&mut self, both: &[f32]) -> Vec<Spoilt> {
        let size = self.rate as usize * 2 * WINDOW;
        let mut news = Vec::new();
        let mut rest = both;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(size - self.window.len()));
            self.window.extend_from_slice(now);
            rest = later;
            if self.window.len() == size {
                self.judge(&mut news);
                self.window.clear();
            }
        }
        news
    }

    fn judge(&mut self, news: &mut Vec<Spoilt>) {
        let found: Vec<Spoilt> = check::examine(&self.window, self.rate)
            .into_iter()
            .filter_map(|finding| {
                let channel = usize::from(finding.channel.unwrap_or(1).saturating_sub(1));
                match finding.problem {
                    Problem::Silent => Some(Spoilt::Silent(channel)),
                    Problem::Clipped => Some(Spoilt::Clipped(channel)),
                    Problem::Identical => Some(Spoilt::Same),
                    _ => None,
                }
            })
            .collect();
        for (index, case) in CASES.into_iter().enumerate() {
            if !found.contains(&case) {
                self.rows[index] = 0;
                // Mended, and told again should it come back; loud laughter is told once.
                self.told[index] &= matches!(case, Spoilt::Clipped(_));
                continue;
            }
            self.rows[index] += 1;
            let enough = match case {
                Spoilt::Silent(_) => SILENT_FOR,
                Spoilt::Same => SAME_FOR,
                Spoilt::Clipped(_) => 1,
            };
            if !self.told[index] && (self.first || self.rows[index] >= enough) {
                self.told[index] = true;
                news.push(case);
            }
        }
        self.first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 8_000;

    /// One window of noise, louder on one side than the other.
    fn window(left: f32, right: f32) -> Vec<f32> {
        let mut state = 1u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        (0..RATE as usize * WINDOW)
            .flat_map(|_| [left * noise(), right * noise()])
            .collect()
    }

    fn same() -> Vec<f32> {
        let mut both = window(0.1, 0.1);
        for frame in both.chunks_exact_mut(2) {
            frame[1] = frame[0];
        }
        both
    }

    #[test]
    fn a_channel_that_is_dead_from_the_start_is_told_in_five_seconds_and_once() {
        let mut judge = Judge::new(RATE);
        assert_eq!(judge.push(&window(0.1, 0.0)), [Spoilt::Silent(1)]);
        for _ in 0..20 {
            assert_eq!(judge.push(&window(0.1, 0.0)), []);
        }
    }

    #[test]
    fn a_pause_through_a_gate_is_no_dead_channel_but_half_a_minute_is() {
        let mut judge = Judge::new(RATE);
        assert_eq!(judge.push(&window(0.1, 0.1)), []);
        for _ in 0..5 {
            assert_eq!(judge.push(&window(0.0, 0.1)), []);
        }
        assert_eq!(judge.push(&window(0.0, 0.1)), [Spoilt::Silent(0)]);
        assert_eq!(judge.push(&window(0.1, 0.1)), []);
        for _ in 0..5 {
            assert_eq!(judge.push(&window(0.0, 0.1)), []);
        }
        let again = judge.push(&window(0.0, 0.1));
        assert_eq!(again, [Spoilt::Silent(0)], "after it was mended");
    }

    #[test]
    fn one_sound_on_both_channels_is_told_at_the_start_and_when_it_comes_later() {
        assert_eq!(Judge::new(RATE).push(&same()), [Spoilt::Same]);
        let mut judge = Judge::new(RATE);
        assert_eq!(judge.push(&window(0.1, 0.1)), []);
        assert_eq!(judge.push(&same()), []);
        assert_eq!(judge.push(&same()), [Spoilt::Same]);
    }

    #[test]
    fn cut_off_sound_is_told_once_and_quiet_speech_not_at_all() {
        let mut judge = Judge::new(RATE);
        assert_eq!(judge.push(&window(0.0005, 0.1)), []);
        let mut loud = window(0.1, 0.1);
        for frame in loud.chunks_exact_mut(200) {
            frame[0] = 1.0;
        }
        assert_eq!(judge.push(&loud), [Spoilt::Clipped(0)]);
        assert_eq!(judge.push(&window(0.1, 0.1)), []);
        assert_eq!(judge.push(&loud), []);
    }

    #[test]
    fn the_size_of_the_pieces_changes_nothing() {
        let all = [window(0.1, 0.1), same(), same(), window(0.1, 0.0)].concat();
        let mut whole = Judge::new(RATE);
        let told = whole.push(&all);
        let mut pieces = Judge::new(RATE);
        let again: Vec<Spoilt> = all.chunks(1_234).flat_map(|p| pieces.push(p)).collect();
        assert_eq!(told, again);
        assert_eq!(told, [Spoilt::Same]);
    }
}
