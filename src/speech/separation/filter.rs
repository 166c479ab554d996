//! How one voice gets into the other's microphone: a linear filter, learnt bin by bin.
//!
//! In the frequency domain, over several frames of each bin (Avargel and Cohen 2007), by least squares over
//! the frames before, forgetting slowly, since people move.

use realfft::num_complex::{Complex32, Complex64};

/// Samples in an analysis frame (32 ms),
pub const WINDOW: usize = 512;
/// and from one to the next.
pub const HOP: usize = 256;
/// Bins of a frame's spectrum.
pub const BINS: usize = WINDOW / 2 + 1;
/// Frames of the other channel that a leak is predicted from: one ahead, since the two paths differ by a
/// few milliseconds, this one, and four before it. With four, and with eleven of half the length, as
/// many words were right.
pub const TAPS: usize = 6;
/// Of them, ahead.
pub const AHEAD: usize = 1;
/// Pairs of taps.
const PAIRS: usize = TAPS * (TAPS + 1) / 2;
/// What is left of a frame's weight after the next: half of it after 14 s of talk.
const FORGET: f32 = 0.9992;
/// Frames that must have been learnt from: a second.
const ENOUGH: u32 = 62;
/// Keeps the least squares from following noise, as a share of the mean power of the taps.
const STEADY: f64 = 1e-3;

/// A frame's spectrum.
#[derive(Clone, Copy)]
pub struct Spectrum {
    re: [f32; BINS],
    im: [f32; BINS],
}

impl Spectrum {
    pub const EMPTY: Spectrum = Spectrum {
        re: [0.0; BINS],
        im: [0.0; BINS],
    };

    /// Of as many bins as there are.
    pub fn of(bins: &[Complex32]) -> Spectrum {
        Spectrum {
            re: std::array::from_fn(|bin| bins[bin].re),
            im: std::array::from_fn(|bin| bins[bin].im),
        }
    }
}

/// How one voice gets into the other's microphone.
pub struct Filter {
    /// By pair of taps, products of the other channel, and by tap those with this one; by bin.
    among: Vec<Spectrum>,
    with: Vec<Spectrum>,
    learnt: u32,
    /// By bin, once it is asked for.
    weights: Option<Vec<[Complex32; TAPS]>>,
}

impl Filter {
    /// One that knows nothing yet.
    pub fn new() -> Filter {
        Filter {
            among: vec![Spectrum::EMPTY; PAIRS],
            with: vec![Spectrum::EMPTY; TAPS],
            learnt: 0,
            weights: None,
        }
    }

    /// Learns from a frame in which the other talks alone: the other channel's spectra around it, the newest
    /// first, and its own here.
    pub fn learn<'a>(&mut self, taps: impl Iterator<Item = &'a Spectrum>, here: &Spectrum) {
        let taps: Vec<&Spectrum> = taps.collect();
        let mut pairs = self.among.iter_mut();
        for (at, one) in taps.iter().enumerate() {
            for (other, sum) in taps[at..].iter().zip(pairs.by_ref()) {
                add(sum, one, other);
            }
            add(&mut self.with[at], one, here);
        }
        self.learnt = self.learnt.saturating_add(1);
        self.weights = None;
    }

    /// What leaks in, by bin; none while too little is known.
    pub fn leak<'a>(&mut self, taps: impl Iterator<Item = &'a Spectrum>) -> Option<Vec<Complex32>> {
        if self.learnt < ENOUGH {
            return None;
        }
        let (among, with) = (&self.among, &self.with);
        let weights = self
            .weights
            .get_or_insert_with(|| (0..BINS).map(|bin| solve(among, with, bin)).collect());
        let mut out = vec![Complex32::default(); BINS];
        for (tap, spectrum) in taps.enumerate() {
            for (bin, out) in out.iter_mut().enumerate() {
                *out += weights[bin][tap] * Complex32::new(spectrum.re[bin], spectrum.im[bin]);
            }
        }
        Some(out)
    }
}

/// Adds the product of one, conjugated, and another to a fading sum.
fn add(sum: &mut Spectrum, one: &Spectrum, other: &Spectrum) {
    for bin in 0..BINS {
        let re = one.re[bin] * other.re[bin] + one.im[bin] * other.im[bin];
        let im = one.re[bin] * other.im[bin] - one.im[bin] * other.re[bin];
        sum.re[bin] = FORGET * sum.re[bin] + re;
        sum.im[bin] = FORGET * sum.im[bin] + im;
    }
}

/// The weights of a bin by least squares: Gauss's elimination, which needs no pivots where the matrix is
/// Hermitian and steadied.
fn solve(among: &[Spectrum], with: &[Spectrum], bin: usize) -> [Complex32; TAPS] {
    let value = |sum: &Spectrum| Complex64::new(f64::from(sum.re[bin]), f64::from(sum.im[bin]));
    let mut rows = [[Complex64::default(); TAPS + 1]; TAPS];
    let mut pairs = among.iter();
    for row in 0..TAPS {
        for (column, sum) in (row..TAPS).zip(pairs.by_ref()) {
            rows[row][column] = value(sum);
            rows[column][row] = value(sum).conj();
        }
        rows[row][TAPS] = value(&with[row]);
    }
    let power: f64 = (0..TAPS).map(|tap| rows[tap][tap].re).sum();
    for (tap, row) in rows.iter_mut().enumerate() {
        row[tap] += STEADY * power / TAPS as f64 + 1e-12;
    }
    for pivot in 0..TAPS {
        let top = rows[pivot];
        for row in &mut rows[pivot + 1..] {
            let share = row[pivot] / top[pivot];
            for column in pivot..=TAPS {
                row[column] -= share * top[column];
            }
        }
    }
    let mut weights = [Complex64::default(); TAPS];
    for row in (0..TAPS).rev() {
        let known: Complex64 = (row + 1..TAPS)
            .map(|column| rows[row][column] * weights[column])
            .sum();
        weights[row] = (rows[row][TAPS] - known) / rows[row][row];
    }
    weights.map(|weight| {
        // Digital silence teaches nothing.
        let weight = Complex32::new(weight.re as f32, weight.im as f32);
        if weight.is_finite() {
            weight
        } else {
            Complex32::default()
        }
    })
}
