//! When each token was said: some of the decoder's attention heads look at the sound of the word they
//! are about to write.
//!
//! The method is that of OpenAI's whisper/timing.py: the scores of those heads are brought to a common
//! scale, smoothed by a median, and the cheapest way through tokens and positions (dynamic time warping,
//! Sakoe and Chiba 1978) says where each token begins. There the tokens are read once more; here the
//! scores are those of the writing itself, which are the same but for the moments among the tokens.

use rten_simd::SimdOp;
use rten_vecmath::Softmax;

/// Positions that the median is taken over.
const MEDIAN: usize = 7;
/// Seconds from one position to the next.
const STEP: f64 = 0.02;

/// When a position begins, in seconds.
#[must_use]
pub fn seconds(position: usize) -> f64 {
    position as f64 * STEP
}

/// The position that a moment, in seconds, lies in.
#[must_use]
pub fn position(moment: f64) -> usize {
    (moment / STEP) as usize
}

/// The heads that OpenAI published as aligned with time, as (layer, head), by the catalogue's name of the
/// model. None known: none.
#[must_use]
pub fn heads(name: &str) -> &'static [(usize, usize)] {
    // Quantised files keep the heads of the model they were made from.
    match name.split("-q").next().unwrap_or(name) {
        "tiny.en" => &[
            (1, 0),
            (2, 0),
            (2, 5),
            (3, 0),
            (3, 1),
            (3, 2),
            (3, 3),
            (3, 4),
        ],
        "tiny" => &[(2, 2), (3, 0), (3, 2), (3, 3), (3, 4), (3, 5)],
        "base.en" => &[(3, 3), (4, 7), (5, 1), (5, 5), (5, 7)],
        "base" => &[
            (3, 1),
            (4, 2),
            (4, 3),
            (4, 7),
            (5, 1),
            (5, 2),
            (5, 4),
            (5, 6),
        ],
        "small.en" => &[
            (6, 6),
            (7, 0),
            (7, 3),
            (7, 8),
            (8, 2),
            (8, 5),
            (8, 7),
            (9, 0),
            (9, 4),
            (9, 8),
            (9, 10),
            (10, 0),
            (10, 1),
            (10, 2),
            (10, 3),
            (10, 6),
            (10, 11),
            (11, 2),
            (11, 4),
        ],
        "small" => &[
            (5, 3),
            (5, 9),
            (8, 0),
            (8, 4),
            (8, 7),
            (8, 8),
            (9, 0),
            (9, 7),
            (9, 9),
            (10, 5),
        ],
        "medium.en" => &[
            (11, 4),
            (14, 1),
            (14, 12),
            (14, 14),
            (15, 4),
            (16, 0),
            (16, 4),
            (16, 9),
            (17, 12),
            (17, 14),
            (18, 7),
            (18, 10),
            (18, 15),
            (20, 0),
            (20, 3),
            (20, 9),
            (20, 14),
            (21, 12),
        ],
        "medium" => &[(13, 15), (15, 4), (15, 15), (16, 1), (20, 0), (23, 4)],
        "large-v3" => &[
            (7, 0),
            (10, 17),
            (12, 18),
            (13, 12),
            (16, 1),
            (17, 14),
            (19, 11),
            (21, 4),
            (24, 1),
            (25, 6),
        ],
        "large-v3-turbo" => &[(2, 4), (2, 11), (3, 3), (3, 6), (3, 11), (3, 14)],
        _ => &[],
    }
}

/// Where each token begins, in seconds from the start of the sound, one more for where the last ends.
/// `scores` holds for each token, for each head, the scores of all positions; only the first `positions`
/// are sound.
pub fn begins<S: AsRef<[Vec<f32>]>>(scores: &[S], positions: usize) -> Vec<f64> {
    let tokens = scores.len();
    let heads = scores.first().map_or(0, |first| first.as_ref().len());
    if heads == 0 || positions == 0 {
        return Vec::new();
    }
    let mut fit = vec![0.0f32; tokens * positions];
    let mut rows = vec![0.0f32; tokens * positions];
    for head in 0..heads {
        for (row, of_token) in rows.chunks_exact_mut(positions).zip(scores) {
            row.copy_from_slice(&of_token.as_ref()[head][..positions]);
            Softmax::new_mut(row).dispatch();
        }
        standardise(&mut rows, positions);
        for (row, fit) in rows
            .chunks_exact(positions)
            .zip(fit.chunks_exact_mut(positions))
        {
            add_median(row, fit);
        }
    }
    cheapest(&fit, positions)
}

/// Where each token begins where no head is known, and where the last ends, in seconds: text is spread
/// evenly between the moments, in positions, that the model wrote around it.
pub fn between(moments: &[Option<usize>], positions: usize) -> Vec<f64> {
    let mut out = vec![0.0; moments.len() + 1];
    let (mut from, mut since) = (0usize, 0.0f64);
    for at in 0..=moments.len() {
        let known = moments.get(at).map_or(Some(positions), |moment| *moment);
        if let Some(position) = known {
            let now = (position as f64).max(since);
            let step = (now - since) / (at - from).max(1) as f64;
            for (count, out) in out[from..=at].iter_mut().enumerate() {
                *out = (since + step * count as f64) * STEP;
            }
            (from, since) = (at, now);
        }
    }
    out
}

/// Brings each position to a mean of 0 and a deviation of 1 over the tokens.
fn standardise(rows: &mut [f32], positions: usize) {
    let tokens = (rows.len() / positions) as f32;
    let (mut mean, mut square) = (vec![0.0f32; positions], vec![0.0f32; positions]);
    for row in rows.chunks_exact(positions) {
        mean.iter_mut()
            .zip(row)
            .for_each(|(mean, number)| *mean += number / tokens);
    }
    for row in rows.chunks_exact(positions) {
        for ((square, number), mean) in square.iter_mut().zip(row).zip(&mean) {
            *square += (number - mean) * (number - mean) / tokens;
        }
    }
    for square in &mut square {
        *square = square.sqrt().max(f32::MIN_POSITIVE).recip();
    }
    for row in rows.chunks_exact_mut(positions) {
        for ((number, mean), scale) in row.iter_mut().zip(&mean).zip(&square) {
            *number = (*number - mean) * scale;
        }
    }
}

/// Adds the median of each number and its neighbours, mirrored at the ends.
fn add_median(row: &[f32], sum: &mut [f32]) {
    const REACH: usize = MEDIAN / 2;
    let last = row.len() - 1;
    for (at, sum) in sum.iter_mut().enumerate() {
        let mut near = [0.0f32; MEDIAN];
        for (place, number) in near.iter_mut().enumerate() {
            let from_first = (at + place).abs_diff(REACH);
            let mirrored = if from_first > last {
                (2 * last).saturating_sub(from_first)
            } else {
                from_first
            };
            *number = row[mirrored.min(last)];
        }
        *sum += middle(near);
    }
}

/// The middle one of seven, by exchanges that need no branch (Devillard 1998, after Paeth).
fn middle(mut seven: [f32; MEDIAN]) -> f32 {
    const EXCHANGES: [(usize, usize); 13] = [
        (0, 5),
        (0, 3),
        (1, 6),
        (2, 4),
        (0, 1),
        (3, 5),
        (2, 6),
        (2, 3),
        (3, 6),
        (4, 5),
        (1, 4),
        (1, 3),
        (3, 4),
    ];
    for (low, high) in EXCHANGES {
        let (a, b) = (seven[low], seven[high]);
        seven[low] = if a < b { a } else { b };
        seven[high] = if a < b { b } else { a };
    }
    seven[3]
}

/// The way through tokens and positions along which they fit best, told as where each token begins.
fn cheapest(fit: &[f32], positions: usize) -> Vec<f64> {
    let tokens = fit.len() / positions;
    // How a place was reached: from the token before (1), from the position before (2), from both (0).
    let mut reached = vec![0u8; tokens * positions];
    let mut above = vec![f32::INFINITY; positions + 1];
    above[0] = 0.0;
    let mut here = vec![f32::INFINITY; positions + 1];
    for token in 0..tokens {
        here[0] = f32::INFINITY;
        for at in 0..positions {
            let ways = [above[at], above[at + 1], here[at]];
            let (mut best, mut from) = (ways[0], 0u8);
            if ways[1] < best {
                (best, from) = (ways[1], 1);
            }
            if ways[2] < best {
                (best, from) = (ways[2], 2);
            }
            here[at + 1] = best - fit[token * positions + at];
            reached[token * positions + at] = from;
        }
        std::mem::swap(&mut above, &mut here);
        above[0] = f32::INFINITY;
    }
    let mut begins = vec![0.0; tokens + 1];
    begins[tokens] = seconds(positions);
    let (mut token, mut at) = (tokens, positions);
    while token > 0 && at > 0 {
        begins[token - 1] = seconds(at - 1);
        match reached[(token - 1) * positions + at - 1] {
            0 => (token, at) = (token - 1, at - 1),
            1 => token -= 1,
            _ => at -= 1,
        }
    }
    begins
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tokens_begin_where_a_head_looks() {
        // Three tokens that look at positions 0 to 9, 10 to 29 and 30 to 39.
        let spans = [0..10, 10..30, 30..40];
        let scores: Vec<Vec<Vec<f32>>> = spans
            .map(|span| {
                vec![
                    (0..50)
                        .map(|at| if span.contains(&at) { 4.0 } else { 0.0 })
                        .collect(),
                ]
            })
            .to_vec();
        let found = begins(&scores, 40);
        let wanted = [0.0, 0.2, 0.6, 0.8];
        for (found, wanted) in found.iter().zip(wanted) {
            assert!((found - wanted).abs() <= 0.021, "{found} for {wanted}");
        }
    }

    #[test]
    fn without_heads_text_is_spread_between_the_moments() {
        let moments = [Some(0), None, None, Some(100), Some(150), None];
        let found = between(&moments, 250);
        for (found, wanted) in found
            .iter()
            .zip([0.0, 2.0 / 3.0, 4.0 / 3.0, 2.0, 3.0, 4.0, 5.0])
        {
            assert!((found - wanted).abs() < 1e-9, "{found} for {wanted}");
        }
        assert_eq!(between(&[], 50).len(), 1);
        assert!(between(&[Some(90), Some(20)], 50).is_sorted());
    }

    #[test]
    fn without_heads_or_sound_nothing_is_told() {
        assert!(begins(&[vec![]], 10).is_empty());
        assert!(begins(&[vec![vec![1.0]]], 0).is_empty());
        assert!(begins::<Vec<Vec<f32>>>(&[], 10).is_empty());
    }

    proptest! {
        #[test]
        fn seven_have_the_middle_that_sorting_finds(seven in prop::array::uniform7(-9.0f32..9.0)) {
            let mut sorted = seven;
            sorted.sort_by(f32::total_cmp);
            prop_assert_eq!(middle(seven), sorted[3]);
        }

        #[test]
        fn beginnings_never_go_back(
            scores in prop::collection::vec(prop::collection::vec(-9.0f32..9.0, 30), 1..12),
        ) {
            let scores: Vec<Vec<Vec<f32>>> = scores.into_iter().map(|row| vec![row]).collect();
            let found = begins(&scores, 30);
            prop_assert_eq!(found.len(), scores.len() + 1);
            prop_assert!(found.windows(2).all(|pair| pair[0] <= pair[1] + 1e-9));
        }
    }
}
