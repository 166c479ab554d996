//! The transcript: its data model, how channels become turns, and the forms it is handed on in.
//!
//! Pure data: no model is run here, no file is opened.

mod assemble;
mod data;
pub(crate) mod spans;
mod talk;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod testing;

pub use assemble::{
    AssembleInput, BACKCHANNEL_PAUSE, BACKCHANNEL_SECONDS, BACKCHANNEL_WORDS, BREATH, OWN_PAUSE,
    assemble,
};
pub use data::*;
pub use talk::{GAP_SECONDS, OVERLAP_SECONDS, PAUSE_SECONDS};
