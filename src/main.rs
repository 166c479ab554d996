//! The story of a run: harden, parse, dispatch, exit code.

fn main() {}
