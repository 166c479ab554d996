//! Where two people sit, told by which microphone hears each of them first.
//!
//! At a desk both voices may be as loud at either microphone; then levels tell nobody from anybody. But each voice
//! comes to the nearer microphone earlier, by the same span as long as its speaker sits there.

use super::noise::{Noise, somebody_talks};
use crate::speech::features::Features;

/// A shift counts where the sounds agree at least so well, 0 to 1,
const CLEAR: f32 = 0.08;
/// and where it stays for so many frames (0.5 s),
const STEADY: usize = 50;
/// within so many samples: heads move.
const NEAR: u8 = 2;
/// Two seats are at least so many samples apart (a path of 8 cm).
const APART: u8 = 4;
/// The second holds at least this share of the steady frames.
const SHARE: f32 = 0.02;

/// By channel: how many samples later the second microphone hears that channel's speaker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seats {
    late: [i8; 2],
}

impl Seats {
    /// Finds two, if two people talked and are heard from different sides.
    pub fn find(features: &Features, noise: &[Noise]) -> Option<Seats> {
        let mut held = [0u32; 256];
        let cell = |late: i8| (i16::from(late) + 128) as usize;
        let heard: Vec<Option<i8>> = (0..features.arrivals.len())
            .map(|frame| {
                let arrival = features.arrivals[frame];
                let counts = arrival.clear() >= CLEAR;
                (counts && somebody_talks(features, noise, [frame; 2])).then_some(arrival.late)
            })
            .collect();
        let stays = |one: &Option<i8>, next: &Option<i8>| {
            one.zip(*next)
                .is_some_and(|(one, next)| one.abs_diff(next) <= NEAR)
        };
        for stretch in heard
            .chunk_by(stays)
            .filter(|stretch| stretch.len() >= STEADY)
        {
            for late in stretch.iter().flatten() {
                held[cell(*late)] += 1;
            }
        }
        // How many frames are near a shift.
        let near = |late: i8| -> u32 {
            let cells =
                cell(late).saturating_sub(NEAR.into())..=(cell(late) + usize::from(NEAR)).min(255);
            held[cells].iter().sum()
        };
        let most = |but: Option<i8>| {
            let lates = (i8::MIN..=i8::MAX)
                .filter(|late| but.is_none_or(|but| late.abs_diff(but) >= APART));
            lates.max_by_key(|late| (near(*late), held[cell(*late)]))
        };
        let one = most(None)?;
        let two = most(Some(one))?;
        let all: u32 = held.iter().sum();
        (near(two) as f32 > SHARE * all as f32).then(|| Seats {
            late: [one.max(two), one.min(two)],
        })
    }

    /// Whose voice arrives first at a frame: from 1, the first's, to -1, the second's; 0 where that says nothing.
    pub fn whose(&self, features: &Features, frame: usize) -> f32 {
        let Some(arrival) = features.arrivals.get(frame) else {
            return 0.0;
        };
        let [first, second] = self.late.map(f32::from);
        let half = (first - second) / 2.0;
        let beyond = (f32::from(arrival.late) - second - half) / half;
        // From somewhere else: a wall, or a door.
        if arrival.clear() < CLEAR || beyond.abs() > 2.0 {
            return 0.0;
        }
        beyond.clamp(-1.0, 1.0)
    }
}
