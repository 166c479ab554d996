//! How loud a channel is when nobody speaks, by minute and band.

use crate::speech::features::{BANDS, ChannelFeatures, Features, bins, from_db, to_db};

/// The noise floor is followed in blocks of this many frames (one minute).
const NOISE_BLOCK: usize = 6_000;
/// Frames that the noise floor is averaged over.
const NOISE_MEAN: usize = 15;
/// No microphone is quieter than this, in dBFS a band.
pub const QUIETEST_DB: f32 = -95.0;

/// Talk stands out by at least so much over the noise, in dB.
const TALK_DB: f32 = 10.0;

/// Whether somebody clearly talks, at a frame of each channel's clock.
pub fn somebody_talks(features: &Features, noise: &[Noise], frames: [usize; 2]) -> bool {
    let each = || features.channels.iter().zip(noise).zip(frames);
    let voice = each().any(|((channel, _), frame)| channel.voice(frame) > 0.5);
    voice && each().any(|((channel, noise), at)| channel.level_db(at) - noise.level(at) > TALK_DB)
}

/// Noise floor of a channel, by minute and band, in dBFS.
#[derive(Debug, Clone)]
pub struct Noise {
    blocks: Vec<[f32; BANDS]>,
    /// The same over all bands.
    levels: Vec<f32>,
}

impl Noise {
    /// The quietest moments of each band: the third percentile of means over 150 ms, since two
    /// people who both leak into a channel leave hardly more of a minute free. A minute in which
    /// nobody pauses takes the floor of the quieter one beside it, and so does one that holds no sound.
    pub fn of(channel: &ChannelFeatures) -> Noise {
        let blocks = channel.len().div_ceil(NOISE_BLOCK).max(1);
        let mut each = Vec::with_capacity(blocks);
        for block in 0..blocks {
            // A short last block borrows from the one before.
            let end = ((block + 1) * NOISE_BLOCK).min(channel.len());
            let start = (block * NOISE_BLOCK).min(end.saturating_sub(NOISE_BLOCK));
            let mut floor = [None; BANDS];
            for (band, floor) in floor.iter_mut().enumerate() {
                let powers: Vec<f32> = (start..end)
                    .map(|frame| from_db(channel.band_db(frame, band)))
                    .collect();
                let means = powers
                    .windows(NOISE_MEAN)
                    .map(|powers| to_db(powers.iter().sum::<f32>() / NOISE_MEAN as f32))
                    // Digital silence is no noise of the room: a pause, a gap, a gated microphone.
                    .filter(|db| *db > QUIETEST_DB)
                    .collect();
                *floor = percentile(means, 0.03).map(|db| (db - swing(band)).max(QUIETEST_DB));
            }
            each.push(floor);
        }
        let out: Vec<[f32; BANDS]> = (0..blocks)
            .map(|block| {
                let beside = &each[block.saturating_sub(1)..(block + 2).min(blocks)];
                std::array::from_fn(|band| {
                    let known = beside.iter().filter_map(|block| block[band]);
                    known.reduce(f32::min).unwrap_or(QUIETEST_DB)
                })
            })
            .collect();
        let levels = out
            .iter()
            .map(|floor| to_db(floor.iter().map(|db| from_db(*db)).sum()))
            .collect();
        Noise {
            blocks: out,
            levels,
        }
    }

    #[must_use]
    pub fn at(&self, frame: usize, band: usize) -> f32 {
        self.blocks[(frame / NOISE_BLOCK).min(self.blocks.len() - 1)][band]
    }

    #[must_use]
    pub fn level(&self, frame: usize) -> f32 {
        self.levels[(frame / NOISE_BLOCK).min(self.levels.len() - 1)]
    }
}

/// How far under a mean over 150 ms the tenth percentile of single frames lies in steady noise, in
/// dB: the narrower a band, the more it swings. Measured on white and on room noise, within 0.3 dB.
fn swing(band: usize) -> f32 {
    5.5 / bins(band).sqrt()
}

pub fn percentile(mut values: Vec<f32>, share: f32) -> Option<f32> {
    if values.is_empty() {
        return None;
    }
    let at = ((values.len() - 1) as f32 * share).round() as usize;
    let (_, value, _) = values.select_nth_unstable_by(at, f32::total_cmp);
    Some(*value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_off_the_record_leaves_the_noise_of_those_beside_it() {
        let minute = |db: f32| vec![(db, false); NOISE_BLOCK];
        let levels = [minute(-60.0), minute(-200.0), minute(-60.0)].concat();
        let noise = Noise::of(&ChannelFeatures::of_levels(&levels));
        for frame in [0, NOISE_BLOCK, 2 * NOISE_BLOCK] {
            assert!(
                (noise.level(frame) + 60.0).abs() < 4.0,
                "{}",
                noise.level(frame)
            );
        }
        let silence = Noise::of(&ChannelFeatures::of_levels(&minute(-200.0)));
        assert_eq!(silence.at(0, 0), QUIETEST_DB);
    }
}
