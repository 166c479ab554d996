//! The transcript: its data model, how channels become turns, and the forms it is handed on in.
//!
//! Pure data: no model is run here, no file is opened.

mod data;

pub use data::*;
