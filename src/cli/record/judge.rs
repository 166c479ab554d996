//! Whether both microphones go on hearing two people, said while there is still time to act.
//!
//! Looks at five seconds at a time. It tells only what spoils a recording whatever is said in it: a
//! dead channel, the same sound on both, sound cut off at full scale. It refuses to judge how loud
//! or how well apart two people are: that needs both to have spoken, and is for `undertone check`.

use std::collections::VecDeque;

use crate::audio::levels::check::{self, Measures, Problem};

/// Seconds of sound that are looked at together.
const WINDOW: usize = 5;
/// Windows in a row after which a channel that had sound counts as dead. A microphone with a gate
/// gives digital silence in every pause.
const SILENT_FOR: u32 = 6;
/// Windows in a row after which channels that differed count as the same.
const SAME_FOR: u32 = 2;
/// Windows in which somebody speaks too softly after which it is told.
const QUIET_FOR: u32 = 2;

/// Blocks a second that are looked at for what is told at once.
const BLOCKS: usize = 10;
/// Below this a block is digital silence (-80 dBFS: no open microphone is that quiet).
const ZERO: f32 = 1e-4;
/// Blocks of digital silence after which a channel without a gate is dead.
const DEAD_BLOCKS: u32 = 18;
/// Blocks of digital silence, ended by sound, that show a gate.
const GATE_BLOCKS: u32 = 2;
/// Blocks in a row in which both channels are one signal, to the last bits.
const SAME_BLOCKS: u32 = 15;
/// What is left of one channel without the other, as a share of its power, when both are one
/// signal: -50 dB, which two microphones in one room never come near.
const SAME_LEFT: f64 = 1e-5;
/// Power of a block in which it can be told whether two signals are one: -60 dBFS.
const AUDIBLE: f64 = 1e-6;
/// Samples cut off in a block that are told.
const CLIPPED: usize = 4;

/// Speech softer than this, in dBFS, gets lost in the noise.
const QUIET: f32 = -50.0;
/// Somebody speaks where the loud frames are so much above the quiet ones, in dB, and above
/// [`FAINT`]; a fan or a hum is even.
const LIVELY: f32 = 10.0;
/// Below this, in dBFS, no speech is looked for.
const FAINT: f32 = -65.0;
/// Windows over which the separation is estimated: the last minute in which a channel spoke.
const APART_OVER: usize = 12;

/// Something that spoils the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoilt {
    /// Nothing comes from this channel (0 therapist, 1 client).
    Silent(usize),
    /// This channel is cut off at full scale.
    Clipped(usize),
    /// Whoever speaks on this channel is hardly heard.
    Quiet(usize),
    /// Both channels carry the same sound.
    Same,
}

const CASES: [Spoilt; 7] = [
    Spoilt::Silent(0),
    Spoilt::Silent(1),
    Spoilt::Clipped(0),
    Spoilt::Clipped(1),
    Spoilt::Quiet(0),
    Spoilt::Quiet(1),
    Spoilt::Same,
];

/// What the last blocks of a channel were like.
#[derive(Debug, Clone, Copy, Default)]
struct Blocks {
    /// Blocks of digital silence until now.
    zero: u32,
    /// Whether such a stretch has ended before: a gate, then.
    gated: bool,
}

/// Listens along.
pub struct Judge {
    rate: u32,
    window: Vec<f32>,
    first: bool,
    rows: [u32; CASES.len()],
    told: [bool; CASES.len()],
    blocks: [Blocks; 2],
    same: u32,
    /// What the other channel hears of each, in dB.
    bleeds: [VecDeque<f32>; 2],
    spoken: bool,
    /// Channels whose device is away.
    excused: [bool; 2],
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
            blocks: [Blocks::default(); 2],
            same: 0,
            bleeds: [VecDeque::new(), VecDeque::new()],
            spoken: false,
            excused: [false; 2],
        }
    }

    /// Takes interleaved sound; returns what is newly wrong.
    pub fn push(&mut self, both: &[f32]) -> Vec<Spoilt> {
        let block = (self.rate as usize / BLOCKS).max(1) * 2;
        let size = block * BLOCKS * WINDOW;
        let mut news = Vec::new();
        let mut rest = both;
        while !rest.is_empty() {
            let open = block - self.window.len() % block;
            let (now, later) = rest.split_at(rest.len().min(open));
            self.window.extend_from_slice(now);
            rest = later;
            if self.window.len().is_multiple_of(block) {
                self.at_once(self.window.len() - block, &mut news);
            }
            if self.window.len() == size {
                self.judge(&mut news);
                self.window.clear();
            }
        }
        news
    }

    /// Excuses the silence of a channel whose device is known to be away: told elsewhere.
    pub fn excuse(&mut self, away: [bool; 2]) {
        for (blocks, away) in self.blocks.iter_mut().zip(away) {
            // As behind a gate: silence that sound has ended or will end.
            blocks.gated |= away;
        }
        self.excused = away;
    }

    /// Whether somebody spoke since this was asked last.
    pub fn spoken(&mut self) -> bool {
        std::mem::take(&mut self.spoken)
    }

    /// How many decibels each person is louder on their own microphone than on the other, the
    /// mean of the two, which gains do not touch; none before both have spoken.
    #[must_use]
    pub fn separation_db(&self) -> Option<f32> {
        let median = |bleeds: &VecDeque<f32>| {
            let mut all: Vec<f32> = bleeds.iter().copied().collect();
            all.sort_by(f32::total_cmp);
            all.get(all.len() / 2).copied()
        };
        let (a, b) = (median(&self.bleeds[0])?, median(&self.bleeds[1])?);
        Some(-f32::midpoint(a, b))
    }

    fn tell(&mut self, case: Spoilt, news: &mut Vec<Spoilt>) {
        if let Some(index) = CASES.iter().position(|known| *known == case)
            && !self.told[index]
        {
            self.told[index] = true;
            news.push(case);
        }
    }

    /// Looks at the block that begins at `from` for what needs no longer look.
    fn at_once(&mut self, from: usize, news: &mut Vec<Spoilt>) {
        let (mut peak, mut clipped) = ([0.0_f32; 2], [0; 2]);
        let (mut own, mut common) = ([0.0_f64; 2], 0.0_f64);
        for frame in self.window[from..].chunks_exact(2) {
            for channel in [0, 1] {
                let size = frame[channel].abs();
                peak[channel] = peak[channel].max(size);
                clipped[channel] += usize::from(size >= 0.999_9);
                own[channel] += f64::from(frame[channel]).powi(2);
            }
            common += f64::from(frame[0]) * f64::from(frame[1]);
        }
        for channel in [0, 1] {
            let blocks = &mut self.blocks[channel];
            if peak[channel] < ZERO {
                blocks.zero += 1;
                if blocks.zero == DEAD_BLOCKS && !blocks.gated {
                    self.tell(Spoilt::Silent(channel), news);
                }
            } else {
                blocks.gated |= blocks.zero >= GATE_BLOCKS;
                blocks.zero = 0;
            }
            if clipped[channel] >= CLIPPED {
                self.tell(Spoilt::Clipped(channel), news);
            }
        }
        let frames = (self.window.len() - from) as f64 / 2.0;
        let audible = own.iter().all(|power| power / frames > AUDIBLE);
        let left = 1.0 - common * common / (own[0] * own[1]).max(f64::MIN_POSITIVE);
        self.same = if audible && left < SAME_LEFT {
            self.same + 1
        } else {
            0
        };
        if self.same == SAME_BLOCKS {
            self.tell(Spoilt::Same, news);
        }
    }

    fn judge(&mut self, news: &mut Vec<Spoilt>) {
        let measures = check::measure(&self.window, self.rate);
        self.listen(&measures);
        let found: Vec<Spoilt> = check::judge(&measures)
            .into_iter()
            .filter_map(|finding| {
                let channel = usize::from(finding.channel.unwrap_or(1).saturating_sub(1));
                match finding.problem {
                    Problem::Silent => {
                        (!self.excused[channel.min(1)]).then_some(Spoilt::Silent(channel))
                    }
                    Problem::Clipped => Some(Spoilt::Clipped(channel)),
                    // Only while this person speaks, and on their own microphone.
                    Problem::TooQuiet => {
                        let own = &measures.channels[channel];
                        let speaks = own.bleed_db.is_some() && own.speech_dbfs < QUIET;
                        speaks.then_some(Spoilt::Quiet(channel))
                    }
                    Problem::Identical => Some(Spoilt::Same),
                    _ => None,
                }
            })
            .collect();
        for (index, case) in CASES.into_iter().enumerate() {
            if !found.contains(&case) {
                // Soft speech is not mended by a silence; the rest must come in a row.
                if !matches!(case, Spoilt::Quiet(_)) {
                    self.rows[index] = 0;
                }
                // Mended, and told again should it come back; what is a matter of level is told
                // once, and a silence that is going on is not mended by a window's edge.
                let ongoing = match case {
                    Spoilt::Silent(channel) => self.blocks[channel].zero > 0,
                    Spoilt::Same => self.same > 0,
                    Spoilt::Clipped(_) | Spoilt::Quiet(_) => true,
                };
                self.told[index] &= ongoing;
                continue;
            }
            self.rows[index] += 1;
            let (enough, at_first) = match case {
                Spoilt::Silent(_) => (SILENT_FOR, true),
                Spoilt::Same => (SAME_FOR, true),
                Spoilt::Clipped(_) => (1, true),
                Spoilt::Quiet(_) => (QUIET_FOR, false),
            };
            if (at_first && self.first) || self.rows[index] >= enough {
                self.tell(case, news);
            }
        }
        self.first = false;
    }

    /// Who spoke, and how well they are held apart.
    fn listen(&mut self, measures: &Measures) {
        for (channel, bleeds) in measures.channels.iter().zip(&mut self.bleeds) {
            if let Some(bleed) = channel.bleed_db {
                bleeds.push_back(bleed);
                if bleeds.len() > APART_OVER {
                    bleeds.pop_front();
                }
            }
            let lively = channel.speech_dbfs - channel.floor_dbfs > LIVELY;
            self.spoken |= lively && channel.speech_dbfs > FAINT;
        }
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
        // A gate shows itself by closing and opening again.
        let mut gated = window(0.1, 0.1);
        for frame in gated.chunks_exact_mut(2).skip(8_000).take(8_000) {
            frame[0] = 0.0;
        }
        assert_eq!(judge.push(&gated), []);
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
        assert_eq!(judge.push(&same()), [Spoilt::Same]);
        assert_eq!(judge.push(&same()), []);
        assert_eq!(judge.push(&window(0.1, 0.1)), []);
        assert_eq!(judge.push(&same()), [Spoilt::Same], "after it was mended");
    }

    /// Pushes tenths of a second and says after how many something was told first.
    fn tenths_until(judge: &mut Judge, sound: &[f32]) -> Option<(usize, Vec<Spoilt>)> {
        let tenths = sound.chunks(RATE as usize / 10 * 2);
        tenths
            .enumerate()
            .map(|(tenth, piece)| (tenth + 1, judge.push(piece)))
            .find(|(_, news)| !news.is_empty())
    }

    #[test]
    fn what_can_be_told_at_once_is_told_within_two_seconds() {
        let mut loud = window(0.1, 0.1);
        for frame in loud.chunks_exact_mut(40) {
            frame[1] = -1.0;
        }
        for (sound, what) in [
            (window(0.1, 0.0), Spoilt::Silent(1)),
            (same(), Spoilt::Same),
            (loud, Spoilt::Clipped(1)),
        ] {
            let mut judge = Judge::new(RATE);
            assert_eq!(judge.push(&window(0.1, 0.1)), []);
            let (tenths, news) = tenths_until(&mut judge, &sound).unwrap_or_default();
            assert_eq!(news, [what]);
            assert!(tenths <= 20, "{what:?} after {tenths} tenths");
        }
    }

    /// Somebody who speaks for 2 s of 5, at this level, heard by the other 20 dB softer.
    fn speaks(channel: usize, level: f32) -> Vec<f32> {
        let mut sound = window(0.0003, 0.0003);
        let voice = window(1.0, 1.0);
        let from = RATE as usize * 2;
        for (frame, voice) in sound[from..from * 3]
            .chunks_exact_mut(2)
            .zip(voice.chunks_exact(2))
        {
            frame[channel] += level * voice[0];
            frame[1 - channel] += level * 0.1 * voice[0];
        }
        sound
    }

    #[test]
    fn a_soft_voice_is_told_once_and_a_silent_listener_is_not() {
        let mut judge = Judge::new(RATE);
        for _ in 0..3 {
            assert_eq!(judge.push(&speaks(0, 0.1)), []);
        }
        assert_eq!(judge.push(&speaks(1, 0.003)), []);
        assert_eq!(judge.push(&window(0.0003, 0.0003)), []);
        assert_eq!(judge.push(&speaks(1, 0.003)), [Spoilt::Quiet(1)]);
        assert_eq!(judge.push(&speaks(1, 0.003)), []);
    }

    #[test]
    fn separation_is_known_once_both_have_spoken() {
        let mut judge = Judge::new(RATE);
        judge.push(&speaks(0, 0.1));
        assert!(judge.spoken());
        assert_eq!(judge.separation_db(), None);
        judge.push(&window(0.0003, 0.0003));
        assert!(!judge.spoken(), "noise is nobody");
        judge.push(&speaks(1, 0.1));
        let apart = judge.separation_db().unwrap_or_default();
        assert!((apart - 20.0).abs() < 2.0, "{apart}");
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
        assert_eq!(told, [Spoilt::Same, Spoilt::Silent(1)]);
    }
}
