//! Sound files to be played, and a session's sound to be looked at.

use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use undertone::audio::flac::Decoder;
use undertone::audio::{Frames, SPEECH_RATE};
use undertone::vault::{Manifest, Vault};

use super::desk::{Desk, PASSPHRASE};

/// Writes a WAV file of 16 bits with two channels.
pub fn wav(path: PathBuf, rate: u32, frames: impl Iterator<Item = [f32; 2]>) -> PathBuf {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&path, spec).expect("a sound file");
    for sample in frames.flatten() {
        let sample = (sample * 32_767.0).clamp(-32_768.0, 32_767.0);
        writer.write_sample(sample as i16).expect("a sample");
    }
    writer.finalize().expect("a sound file");
    path
}

/// A stretch of the bundled session, in seconds, as a WAV file in a folder.
pub fn stretch(folder: &Path, from: f64, to: f64) -> PathBuf {
    let rate = SPEECH_RATE as usize;
    let file = std::fs::File::open(super::desk::session()).expect("the session");
    let mut decoder = Decoder::new(file).expect("FLAC");
    let mut samples = Vec::new();
    let at = |seconds: f64| (seconds * rate as f64) as usize * 2;
    while samples.len() < at(to) && decoder.read(&mut samples, rate).expect("whole sound") > 0 {}
    let frames = samples[at(from)..at(to)].chunks_exact(2);
    let path = folder.join(format!("{from}.wav"));
    wav(path, SPEECH_RATE, frames.map(|frame| [frame[0], frame[1]]))
}

/// The newest session of a desk: what its manifest says, and its sound, interleaved.
pub fn newest(desk: &Desk) -> (Manifest, Vec<f32>) {
    newest_of(&desk.vault())
}

/// As [`newest`], by the vault's folder.
pub fn newest_of(vault: &Path) -> (Manifest, Vec<f32>) {
    let vault = Vault::open(vault).expect("a vault");
    let unlocked = vault
        .unlock(&SecretString::from(PASSPHRASE.to_owned()))
        .expect("the passphrase");
    let session = unlocked
        .session(&vault.find("last").expect("a session"))
        .expect("a session");
    let mut decoder = Decoder::new(session.stream("audio.flac").expect("sound")).expect("FLAC");
    let mut samples = Vec::new();
    while decoder.read(&mut samples, 16_000).expect("whole sound") > 0 {}
    (session.manifest().expect("a manifest"), samples)
}
