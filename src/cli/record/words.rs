//! What is said of a recording in trouble.

use super::judge::Spoilt;
use super::live::Notice;
use super::watchdog::Trouble;
use crate::cli::terminal;
use crate::speech::Utterance;
use crate::transcript::Role;

/// A notice in words; `channels` are the device's, of therapist and client: none where each has a
/// device.
#[must_use]
pub fn of(notice: &Notice, channels: Option<[u16; 2]>) -> String {
    let whose = |index: usize| {
        let who = ["therapist", "client"][index.min(1)];
        match channels {
            Some(channels) => format!(
                "the {who}'s microphone (channel {})",
                channels[index.min(1)]
            ),
            None => format!("the {who}'s device"),
        }
    };
    match notice {
        Notice::Trouble(trouble) => of_trouble(trouble),
        Notice::Gone => {
            "The device is gone. Everything until now is kept; waiting for it.".to_owned()
        }
        Notice::Returned(after) => format!(
            "The device is back and recording goes on. {} are missing; the place is marked.",
            crate::cli::terminal::in_words(*after)
        ),
        Notice::Changed => "The sound system closed this device or put another in its place. Look \
                            whether both levels still move when you speak."
            .to_owned(),
        Notice::Overrun => "The device lost some sound by itself; the place is marked.".to_owned(),
        Notice::Spoilt(Spoilt::Silent(index)) => format!(
            "Nothing comes from {}. Is it switched on, plugged in and not muted?",
            whose(*index)
        ),
        Notice::Spoilt(Spoilt::Clipped(index)) => format!(
            "Sound is cut off at {}: too loud. Turn its input level down by about 10 dB.",
            whose(*index)
        ),
        Notice::Spoilt(Spoilt::Quiet(index)) => format!(
            "Speech is very soft at {}. Turn its input level up, or bring it nearer.",
            whose(*index)
        ),
        Notice::Part(index, what) => {
            let who = ["Therapist's", "Client's"][(*index).min(1)];
            let rest = match **what {
                Notice::Gone | Notice::Trouble(Trouble::Stalled) => {
                    " The other device goes on being recorded."
                }
                _ => "",
            };
            format!("{who} device: {}{rest}", of(what, channels))
        }
        Notice::Spoilt(Spoilt::Same) if channels.is_none() => {
            "Both devices carry the same sound, so that it cannot be told who speaks. Choose \
             another one for the therapist or the client: undertone devices"
                .to_owned()
        }
        Notice::Spoilt(Spoilt::Same) => "Both channels carry the same sound, so that it cannot be \
                                         told who speaks. Choose the device's stereo setting, not \
                                         mono, or another device."
            .to_owned(),
    }
}

fn of_trouble(trouble: &Trouble) -> String {
    let minutes = |count: &u64| match count {
        1 => "1 minute".to_owned(),
        count => format!("{count} minutes"),
    };
    match trouble {
        Trouble::Stalled => "No sound has come from the device for two seconds. Is it plugged in? \
                             Everything until now is kept; waiting for it."
            .to_owned(),
        Trouble::Back => "Sound comes again. What was said meanwhile may be missing; the place is \
                          marked."
            .to_owned(),
        Trouble::Moved(name) => format!(
            "The sound system took the sound from another device without asking: {}. Choose the \
             right one again in its settings, or stop and record anew.",
            crate::cli::terminal::harmless(name)
        ),
        Trouble::MovedBack => "The sound comes from the right device again.".to_owned(),
        Trouble::Drift(millis) => {
            let seconds = *millis as f64 / 1000.0;
            let how = if seconds < 0.0 { "fast" } else { "slow" };
            format!(
                "The device's clock is {how}: {:.1} s apart from the computer's by now. Times in \
                 the transcript will be off by that much.",
                seconds.abs()
            )
        }
        Trouble::Slept(seconds) => format!(
            "The computer slept for {}. Nothing was recorded meanwhile; the place is marked.",
            crate::cli::terminal::in_words(std::time::Duration::from_secs(*seconds))
        ),
        Trouble::DiskLow(count) => format!(
            "The disk has room for only {} more. Free some space; the recording is \
             ended well before the disk is full.",
            minutes(count)
        ),
        Trouble::Unspoken(count) => format!(
            "Nobody has spoken for {}. Is the session over? It goes on being \
             recorded.",
            minutes(count)
        ),
        Trouble::StillOff(count) => format!(
            "The session has been off the record for {}: nothing is kept. Press p to go on.",
            minutes(count)
        ),
        Trouble::NearlyOver(count) => format!(
            "The recording ends by itself in {} (--max-length).",
            minutes(count)
        ),
    }
}

/// `[12:41] Client: I did not sleep.`
pub fn said(said: &Utterance) -> String {
    let who = match said.channel {
        0 => Role::Therapist,
        _ => Role::Client,
    };
    let (at, words) = (terminal::clock(said.start), terminal::harmless(&said.text));
    format!("[{at}] {}: {words}", who.label())
}
