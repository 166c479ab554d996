//! The analyzer: pure functions over a transcript.
