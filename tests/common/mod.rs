//! What several integration tests need.
#![allow(dead_code)]

pub mod desk;
pub mod faulty;
pub mod microphone;
pub mod pipewire;
pub mod process;
pub mod pulse;
pub mod recorder;
pub mod sound;
pub mod tmux;
