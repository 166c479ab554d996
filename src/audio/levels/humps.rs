//! Two people before two microphones: the difference of the two levels, frame by frame, has two humps, one a
//! speaker, and the valley between them says who talks. It does so too where one microphone is turned up more than
//! the other, which moves both humps alike.

/// Differences are counted in cells of so many dB,
const STEP: f32 = 0.5;
/// up to so many dB on either side.
const REACH: f32 = 60.0;
const CELLS: usize = (2.0 * REACH / STEP) as usize + 1;

/// Means over the frames that are at most `reach` away: single ones swing by several dB, more than a desk holds
/// two people apart. A difference is a frame, rising, with dB.
#[must_use]
pub fn steadied(differences: &[(usize, f32)], reach: usize) -> Vec<(usize, f32)> {
    let (mut first, mut end, mut sum) = (0, 0, 0.0f64);
    differences
        .iter()
        .map(|&(frame, _)| {
            while let Some((_, new)) = differences.get(end).filter(|(at, _)| *at <= frame + reach) {
                sum += f64::from(*new);
                end += 1;
            }
            while differences[first].0 + reach < frame {
                sum -= f64::from(differences[first].1);
                first += 1;
            }
            (frame, (sum / (end - first) as f64) as f32)
        })
        .collect()
}

/// The best cut of differences into two humps, whether there are two or not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Humps {
    /// The difference that lies between them, in dB.
    pub valley_db: f32,
    /// How far their means are apart, in dB.
    pub apart_db: f32,
    /// The share of the differences' variance that is between the two, 0 to 1: 0.64 where a bell is cut in two.
    pub parted: f32,
}

/// Cuts differences into two humps (Otsu's threshold), each at least a hundredth of them. None of fewer than two.
#[must_use]
pub fn humps(differences: &[(usize, f32)]) -> Option<Humps> {
    let mut cells = [0f64; CELLS];
    for (_, difference) in differences {
        let cell = ((difference.clamp(-REACH, REACH) + REACH) / STEP).round() as usize;
        cells[cell.min(CELLS - 1)] += 1.0;
    }
    let value = |cell: usize| f64::from(cell as f32 * STEP - REACH);
    let (mut total, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for (cell, n) in cells.iter().enumerate() {
        total += n;
        sum += value(cell) * n;
        squares += value(cell).powi(2) * n;
    }
    let (mut below, mut below_sum) = (0.0, 0.0);
    let (mut best, mut at, mut apart) = (0.0, 0.0, None);
    for (cell, n) in cells.iter().enumerate() {
        below += n;
        below_sum += value(cell) * n;
        let above = total - below;
        if below < (total * 0.01).max(1.0) || above < (total * 0.01).max(1.0) {
            continue;
        }
        let gap = (sum - below_sum) / above - below_sum / below;
        let between = below * above * gap * gap;
        if between > best {
            (best, at, apart) = (between, value(cell) + f64::from(STEP) / 2.0, Some(gap));
        }
    }
    apart.map(|gap| Humps {
        valley_db: at as f32,
        apart_db: gap as f32,
        parted: (best / (total * squares - sum * sum)) as f32,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn talk(humps: &[f32]) -> Vec<(usize, f32)> {
        let swing = |at: usize| (at * 7 % 11) as f32 / 5.0 - 1.0;
        let frames = humps.iter().flat_map(|hump| [*hump; 200]).enumerate();
        frames.map(|(at, hump)| (at, hump + swing(at))).collect()
    }

    #[test]
    fn the_valley_lies_between_two_humps_wherever_they_are() {
        for [one, two] in [[8.0, -8.0], [14.0, 6.0], [-1.0, -9.0]] {
            let found = humps(&talk(&[one, two])).unwrap();
            assert!(found.valley_db < one - 1.0 && found.valley_db > two + 1.0);
            assert!((found.apart_db - (one - two)).abs() < 0.5, "{found:?}");
            assert!(found.parted > 0.9, "{found:?}");
        }
    }

    #[test]
    fn one_hump_cut_in_two_shows_it() {
        let found = humps(&talk(&[6.0, 6.0])).unwrap();
        assert!(found.apart_db < 2.0 && found.parted < 0.8, "{found:?}");
        assert_eq!(humps(&[]), None);
        assert_eq!(humps(&[(0, 3.0), (1, 3.0)]), None);
    }

    #[test]
    fn steadied_differences_are_means_of_the_frames_around() {
        let steady = steadied(&[(0, 2.0), (1, 4.0), (9, 6.0)], 2);
        assert_eq!(steady, [(0, 3.0), (1, 3.0), (9, 6.0)]);
    }
}
