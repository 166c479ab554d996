//! What several integration tests need.
#![allow(dead_code)]

pub mod desk;
pub mod pulse;
pub mod recorder;
pub mod tmux;
