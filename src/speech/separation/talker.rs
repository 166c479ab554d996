//! Which of two talks, where the microphones hear both nearly as loud.
//!
//! What stands out above a leak of -4 dB is little, and a single frame swings more than that: of what people
//! said at a desk, a seventh was taken for leak. But who talks goes on talking. So the bands' differences
//! are followed through time, and the likeliest course of changes between the two is kept (Viterbi 1967).

use super::VOICE_ON;
use super::delay::Delay;
use super::leak::Sides;
use super::noise::Noise;
use crate::speech::features::{BANDS, Features};

/// What a change of talker costs, in frames that speak for it with one voice.
const CHANGE: f32 = 15.0;
/// A band has a say from this many dB above the noise of either channel.
const HEARD_DB: f32 = 6.0;
/// How much it speaks for a talker that a sound arrives first at their microphone, where levels hold the two little apart.
const ARRIVAL: f32 = 0.5;
/// Bands with a say that a frame needs.
const HEARD_BANDS: u8 = 2;
/// Half of what holds the microphones apart is taken as no less than this, in dB.
const LEAST_HALF_DB: f32 = 2.0;
/// Between two changes the bands must agree this well on the whole, 0 to 1. What comes from half-way between
/// the microphones is nobody's.
const AGREED: f32 = 0.1;
/// Nor may they speak for the other, over 150 ms: a "mm" in between changes no talker.
const AGAINST: f32 = -0.1;
const AROUND: usize = 7;

/// Who talks, by frame of the first channel.
pub struct Talker {
    who: Vec<Option<u8>>,
}

/// What a frame says.
#[derive(Debug, Clone, Copy, Default)]
struct Say {
    /// From -1, the second talks, to 1, the first does; the mean of all bands.
    balance: f32,
    /// Bands that are heard.
    heard: u8,
}

impl Talker {
    /// Follows who talks through a session of two channels.
    pub fn find(features: &Features, noise: &[Noise], sides: &Sides, delay: &Delay) -> Talker {
        let says: Vec<Say> = (0..features.channels[0].len())
            .map(|frame| say(features, noise, sides, delay, frame))
            .collect();
        let course = course(&says);
        let mut who = Vec::with_capacity(says.len());
        for stretch in course.chunk_by(|one, next| one == next) {
            let begin = who.len();
            let talker = stretch[0];
            let sign = if talker == 0 { 1.0 } else { -1.0 };
            let within = &says[begin..begin + stretch.len()];
            let all: f32 = within.iter().map(|say| sign * say.balance).sum();
            let heard: f32 = within.iter().map(|say| f32::from(say.heard)).sum();
            let agreed = all * BANDS as f32 > AGREED * heard;
            who.extend((begin..begin + stretch.len()).map(|at| {
                let around = &says[at.saturating_sub(AROUND)..(at + AROUND + 1).min(says.len())];
                let sum: f32 = around.iter().map(|say| sign * say.balance).sum();
                let own = says[at].heard >= HEARD_BANDS && sum > AGAINST * around.len() as f32;
                (agreed && own).then_some(talker)
            }));
        }
        Talker { who }
    }

    /// Whether it is the channel's own speaker who talks, at a frame of the first channel's clock.
    pub fn is(&self, channel: usize, frame: usize) -> bool {
        let who = self.who.get(frame).copied().flatten();
        who.is_some_and(|who| usize::from(who) == channel)
    }
}

fn say(features: &Features, noise: &[Noise], sides: &Sides, delay: &Delay, frame: usize) -> Say {
    let [one, two] = [&features.channels[0], &features.channels[1]];
    let there = delay.across(0, frame);
    if there >= two.len() || one.voice(frame).max(two.voice(there)) <= VOICE_ON {
        return Say::default();
    }
    let mut say = Say::default();
    for band in 0..BANDS {
        let levels = [one.band_db(frame, band), two.band_db(there, band)];
        let heard = levels[0] > noise[0].at(frame, band) + HEARD_DB
            || levels[1] > noise[1].at(there, band) + HEARD_DB;
        if !heard {
            continue;
        }
        // How much louder the first is if the first talks, and if the second does.
        let first = -sides.gain(1, there, band);
        let second = sides.gain(0, frame, band);
        let half = ((first - second) / 2.0).max(LEAST_HALF_DB);
        let middle = f32::midpoint(first, second);
        say.balance += ((levels[0] - levels[1] - middle) / half).clamp(-1.0, 1.0);
        say.heard += 1;
    }
    say.balance /= BANDS as f32;
    if let Some(seats) = sides.seats() {
        say.balance += ARRIVAL * seats.whose(features, frame);
    }
    say
}

/// The likeliest course of talkers, by frame.
fn course(says: &[Say]) -> Vec<u8> {
    // What each course to here has gathered, by who talks now, and who talked before.
    let mut gathered = [0.0f32; 2];
    let before: Vec<[u8; 2]> = says
        .iter()
        .map(|say| {
            let stays = [0, 1].map(|who| gathered[who] >= gathered[1 - who] - CHANGE);
            let from = [0, 1].map(|who: usize| if stays[who] { who } else { 1 - who });
            let reached = [0, 1].map(|who| match stays[who] {
                true => gathered[who],
                false => gathered[1 - who] - CHANGE,
            });
            gathered = [reached[0] + say.balance, reached[1] - say.balance];
            // Only the difference counts; a sum over hours would lose its last digits.
            let most = gathered[0].max(gathered[1]);
            gathered = gathered.map(|sum| sum - most);
            from.map(|who| who as u8)
        })
        .collect();
    let mut who = u8::from(gathered[1] > gathered[0]);
    let mut out = Vec::with_capacity(before.len());
    for from in before.iter().rev() {
        out.push(who);
        who = from[usize::from(who)];
    }
    out.reverse();
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn says(balances: &[f32]) -> Vec<Say> {
        let say = |balance: &f32| Say {
            balance: *balance,
            heard: 12,
        };
        balances.iter().map(say).collect()
    }

    #[test]
    fn who_talks_goes_on_until_enough_speaks_for_the_other() {
        let first = [0.4; 100];
        let wavers = [-0.3; 20];
        let second = [-0.5; 100];
        let all = [&first[..], &wavers, &first, &second].concat();
        let course = course(&says(&all));
        assert!(course[..220].iter().all(|who| *who == 0));
        assert!(course[220..].iter().all(|who| *who == 1));
    }

    /// The best of all courses, tried one by one.
    fn best(balances: &[f32]) -> f32 {
        (0u32..1 << balances.len())
            .map(|course| worth(balances, |at| (course >> at & 1) as u8))
            .fold(f32::MIN, f32::max)
    }

    fn worth(balances: &[f32], who: impl Fn(usize) -> u8) -> f32 {
        let sums = balances
            .iter()
            .enumerate()
            .map(|(at, balance)| match who(at) {
                0 => *balance,
                _ => -balance,
            });
        let changes = (1..balances.len()).filter(|at| who(*at) != who(at - 1));
        sums.sum::<f32>() - changes.count() as f32 * CHANGE
    }

    proptest! {
        #[test]
        fn no_other_course_is_likelier(balances in prop::collection::vec(-30.0f32..30.0, 1..10)) {
            let found = course(&says(&balances));
            prop_assert_eq!(found.len(), balances.len());
            let worth = worth(&balances, |at| found[at]);
            prop_assert!((worth - best(&balances)).abs() < 1e-3);
        }
    }
}
