//! Arithmetic on stretches of time. Knows nothing of speakers or words.

use crate::speech::Span;
pub(crate) use crate::speech::spans::{both, union};

/// A time that can be calculated with: what is not finite becomes zero.
pub(crate) fn finite(seconds: f64) -> f64 {
    if seconds.is_finite() { seconds } else { 0.0 }
}

/// Rounded to whole milliseconds, which is finer than any recogniser's times and survives being
/// written and read as decimal text.
pub(crate) fn millis(seconds: f64) -> f64 {
    // Adding zero turns -0.0 into 0.0.
    (finite(seconds) * 1000.0).round() / 1000.0 + 0.0
}

/// To a tenth, for figures of which more would be a promise.
pub(crate) fn tenths(value: f64) -> f64 {
    (finite(value) * 10.0).round() / 10.0
}

/// Seconds in all spans together, of a list made by [`union`].
pub(crate) fn total(spans: &[Span]) -> f64 {
    // Folding from 0.0: the sum of no floats is -0.0, which prints with its sign.
    spans
        .iter()
        .fold(0.0, |sum, span| sum + (span.end - span.start))
}

/// Seconds of the spans that lie between `start` and `end`, of a list made by [`union`].
pub(crate) fn within(spans: &[Span], start: f64, end: f64) -> f64 {
    let first = spans.partition_point(|span| span.end <= start);
    spans
        .iter()
        .skip(first)
        .take_while(|span| span.start < end)
        .fold(0.0, |sum, span| {
            sum + (span.end.min(end) - span.start.max(start)).max(0.0)
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(start: f64, end: f64) -> Span {
        Span { start, end }
    }

    #[test]
    fn touching_spans_join_and_broken_ones_go() {
        let joined = union(vec![
            span(2.0, 3.0),
            span(0.0, 1.0),
            span(1.0, 1.5),
            span(f64::NAN, 1.0),
            span(9.0, 8.0),
        ]);
        assert_eq!(joined, vec![span(0.0, 1.5), span(2.0, 3.0)]);
    }

    #[test]
    fn a_window_counts_only_what_lies_in_it() {
        let spans = [span(0.0, 2.0), span(3.0, 5.0)];
        assert_eq!(within(&spans, 1.0, 4.0), 2.0);
        assert_eq!(within(&spans, 2.0, 3.0), 0.0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_both_share_is_no_more_than_either_and_the_same_either_way(
            a in prop::collection::vec((0u32..500, 0u32..40), 0..12),
            b in prop::collection::vec((0u32..500, 0u32..40), 0..12),
        ) {
            let list = |v: &[(u32, u32)]| union(
                v.iter().map(|&(s, l)| span(f64::from(s), f64::from(s + l))).collect());
            let (a, b) = (list(&a), list(&b));
            let shared = both(&a, &b);
            prop_assert_eq!(&shared, &both(&b, &a));
            // Counted second by second, the slow and obvious way.
            let holds = |l: &[Span], t: f64| l.iter().any(|s| s.start <= t && t < s.end);
            let slow = (0..600).map(f64::from).filter(|&t| holds(&a, t) && holds(&b, t)).count();
            prop_assert_eq!(total(&shared), slow as f64);
            prop_assert_eq!(within(&a, 0.0, 1e4), total(&a));
        }
    }
}
