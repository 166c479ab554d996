//! Arithmetic on stretches of time. Knows nothing of sound or speakers.

use super::Span;

/// The spans in order, overlapping and touching ones joined; broken ones (not finite, backwards)
/// left out.
pub(crate) fn union(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.start.is_finite() && span.end.is_finite() && span.end >= span.start);
    spans.sort_by(|a, b| a.start.total_cmp(&b.start));
    let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => joined.push(span),
        }
    }
    joined
}

/// Whether a moment lies in one of the spans, of a list made by [`union`].
pub(crate) fn inside(spans: &[Span], seconds: f64) -> bool {
    let at = spans.partition_point(|span| span.end <= seconds);
    spans.get(at).is_some_and(|span| span.start <= seconds)
}

/// How many seconds of a stretch lie in the spans, of a list made by [`union`].
pub(crate) fn seconds_within(spans: &[Span], stretch: Span) -> f64 {
    let first = spans.partition_point(|span| span.end <= stretch.start);
    spans[first..]
        .iter()
        .take_while(|span| span.start < stretch.end)
        .map(|span| span.end.min(stretch.end) - span.start.max(stretch.start))
        .sum()
}

/// The parts of the spans (in order) that lie outside what is held (in order).
pub(crate) fn without(spans: &[Span], held: &[Span]) -> Vec<Span> {
    let mut left = Vec::new();
    for span in spans {
        let mut start = span.start;
        let first = held.partition_point(|other| other.end <= span.start);
        for other in held[first..].iter().take_while(|o| o.start < span.end) {
            if other.start > start {
                left.push(Span {
                    start,
                    end: other.start,
                });
            }
            start = start.max(other.end);
        }
        if span.end > start {
            left.push(Span {
                start,
                end: span.end,
            });
        }
    }
    left
}

/// Where both lists hold. Both must be in order and not overlapping (see [`union`]).
pub(crate) fn both(a: &[Span], b: &[Span]) -> Vec<Span> {
    let mut shared = Vec::new();
    let (mut i, mut j) = (0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let (start, end) = (x.start.max(y.start), x.end.min(y.end));
        if end > start {
            shared.push(Span { start, end });
        }
        if x.end < y.end {
            i += 1;
        } else {
            j += 1;
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::speech::testing::spans;

    proptest! {
        #[test]
        fn a_moment_is_left_if_it_is_in_a_span_and_not_held(
            spans in spans(3.0, 5.0),
            held in spans(3.0, 5.0),
            moment in 0.0f64..80.0,
        ) {
            let holds = |list: &[Span]| list.iter().any(|s| s.start < moment && moment < s.end);
            let within = |list: &[Span]| list.iter().any(|s| s.start <= moment && moment <= s.end);
            let left = without(&spans, &held);
            prop_assert_eq!(holds(&left), holds(&spans) && !within(&held));
        }
    }

    fn span(start: f64, end: f64) -> Span {
        Span { start, end }
    }

    #[test]
    fn seconds_are_counted_where_spans_and_stretch_meet() {
        let spans = [span(0.0, 2.0), span(3.0, 4.0), span(6.0, 9.0)];
        assert_eq!(seconds_within(&spans, span(1.0, 7.0)), 3.0);
        assert_eq!(seconds_within(&spans, span(4.0, 6.0)), 0.0);
        assert_eq!(seconds_within(&spans, span(6.5, 7.0)), 0.5);
        assert_eq!(seconds_within(&[], span(1.0, 7.0)), 0.0);
    }

    #[test]
    fn what_no_window_holds_is_left() {
        let spans = [span(0.0, 2.0), span(3.0, 9.0), span(10.0, 11.0)];
        let held = [span(1.0, 4.0), span(5.0, 6.0), span(9.5, 12.0)];
        let left = without(&spans, &held);
        assert_eq!(left, [span(0.0, 1.0), span(4.0, 5.0), span(6.0, 9.0)]);
    }
}
