//! undertone records a therapy session from two microphones, writes down who said what, keeps it
//! sealed from the first sample, and helps the therapist find the passages where strain in the
//! working alliance may have been voiced. Nothing leaves the machine.
//!
//! Data moves one way, and a module uses only what lies before it:
//!
//! **[`audio`] → [`vault`] → [`speech`] → [`transcript`] → [`rupture`]**
//!
//! `arithmetic` is what both networks compute with, [`model`] keeps the speech models, [`lockdown`]
//! takes away what the process does not need, and [`cli`] is the only module that prints, asks, or
//! reads the environment. The library is given its clock, its folders and its randomness.

mod arithmetic;
pub mod audio;
pub mod cli;
pub mod error;
pub mod lockdown;
pub mod model;
mod rest;
pub mod rupture;
pub mod speech;
pub mod transcript;
pub mod vault;

pub use error::{Error, Kind, Result};
