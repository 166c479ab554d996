//! The mel filter bank that Whisper was trained with.
//!
//! Triangles on Slaney's mel scale (Auditory Toolbox, 1998: linear below 1 kHz, logarithmic
//! above), each of equal area, over 0 to 8 kHz in 201 bins of 40 Hz. Computed in double precision
//! and rounded to single precision where the original was, so that the bytes are the same.

/// Frequency bins of a 400-sample transform.
pub const BINS: usize = 201;

/// Hertz between two bins at 16 kHz.
const BIN_HZ: f64 = 40.0;
/// The highest frequency, in hertz.
const TOP_HZ: f64 = 8_000.0;
/// Hertz a mel below the break.
const LINEAR_HZ: f64 = 200.0 / 3.0;
/// Where the scale turns logarithmic: 1 kHz, in mel.
const BREAK_MEL: f64 = 15.0;

/// `mels` filters of [`BINS`] weights each, filter after filter.
pub fn filter_bank(mels: usize) -> Vec<f32> {
    let step = 6.4f64.ln() / 27.0;
    let hertz = |mel: f64| {
        if mel < BREAK_MEL {
            LINEAR_HZ * mel
        } else {
            1_000.0 * (step * (mel - BREAK_MEL)).exp()
        }
    };
    let top = BREAK_MEL + (TOP_HZ / 1_000.0).ln() / step;
    let spacing = top / (mels + 1) as f64;
    let corner = |index: usize| {
        // The last corner is the top itself, not a multiple of the spacing that misses it by a bit.
        hertz(if index > mels {
            top
        } else {
            index as f64 * spacing
        })
    };
    let mut bank = Vec::with_capacity(mels * BINS);
    for filter in 0..mels {
        let (low, middle, high) = (corner(filter), corner(filter + 1), corner(filter + 2));
        let area = 2.0 / (high - low);
        for bin in 0..BINS {
            let at = bin as f64 * BIN_HZ;
            let rising = (at - low) / (middle - low);
            let falling = (high - at) / (high - middle);
            let triangle = rising.min(falling).max(0.0) as f32;
            bank.push((f64::from(triangle) * area) as f32);
        }
    }
    bank
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn the_bank_of_80_is_the_published_one_bit_for_bit() {
        let bytes: Vec<u8> = filter_bank(80)
            .iter()
            .flat_map(|weight| weight.to_le_bytes())
            .collect();
        assert_eq!(
            hex::encode(Sha256::digest(bytes)),
            "85818f156f7e189453901a515e4726d270d307f976e161cf9403e8caab405498"
        );
    }

    #[test]
    fn every_filter_has_weight_and_none_is_negative() {
        for mels in [80, 128] {
            let bank = filter_bank(mels);
            assert_eq!(bank.len(), mels * BINS);
            for filter in bank.chunks(BINS) {
                assert!(filter.iter().all(|weight| *weight >= 0.0));
                assert!(filter.iter().sum::<f32>() > 0.0);
            }
        }
    }
}
