//! What goes over the pipes between a recording and the process that writes it down.
//!
//! Sound one way: a length in bytes (u32, little endian) and so many bytes of interleaved 16-bit
//! samples; a length of 0 says that the session is at its end. Messages the other way: a length and
//! JSON. Neither side trusts the other: lengths are bounded, and what cannot be read ends the talk.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use crate::speech::{Heard, Utterance};

/// Longest piece of sound, in bytes: two seconds.
const LONGEST_SOUND: u32 = 128_000;
/// Longest message, in bytes: the words of a day.
const LONGEST_MESSAGE: u32 = 128 * 1024 * 1024;

/// What the process that writes down says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// The model is loaded; it takes this long over one window, in seconds.
    Ready(f64),
    /// Something was said.
    Said(Utterance),
    /// How much of what is left at the end is done, 0 to 1.
    Done(f64),
    /// Everything that was heard.
    Heard(Box<Heard>),
}

/// Sends a piece of sound, or the end where it is empty.
pub fn send_sound(to: &mut impl Write, samples: &[i16]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(4 + samples.len() * 2);
    let length = u32::try_from(samples.len() * 2).map_err(io::Error::other)?;
    bytes.extend(length.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    to.write_all(&bytes)
}

/// The next piece of sound; empty at the end of the session.
///
/// # Errors
/// If the other side is gone, or sends what is no sound.
pub fn read_sound(from: &mut impl Read) -> io::Result<Vec<i16>> {
    let length = read_length(from, LONGEST_SOUND)?;
    let bytes = read_bytes(from, length)?;
    Ok(bytes
        .chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect())
}

/// Sends a message.
pub fn send(to: &mut impl Write, message: &Message) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&text)?;
    to.flush()
}

/// The next message.
///
/// # Errors
/// If the other side is gone, or sends what is no message.
pub fn read(from: &mut impl Read) -> io::Result<Message> {
    let length = read_length(from, LONGEST_MESSAGE)?;
    Ok(serde_json::from_slice(&read_bytes(from, length)?)?)
}

fn read_length(from: &mut impl Read, most: u32) -> io::Result<u32> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > most {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(length)
}

/// Memory grows with what comes, not with what was announced.
fn read_bytes(from: &mut impl Read, length: u32) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(u64::from(length)).read_to_end(&mut bytes)?;
    match bytes.len() == length as usize {
        true => Ok(bytes),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sound_comes_out_as_it_went_in(samples in prop::collection::vec(any::<i16>(), 0..3_000)) {
            let mut pipe = Vec::new();
            send_sound(&mut pipe, &samples).unwrap();
            prop_assert_eq!(read_sound(&mut pipe.as_slice()).unwrap(), samples);
        }

        #[test]
        fn garbage_is_refused_and_never_believed(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(read(&mut bytes.as_slice()).is_err());
            let _ = read_sound(&mut bytes.as_slice());
        }
    }

    #[test]
    fn a_message_comes_out_as_it_went_in() {
        let said = Message::Said(Utterance {
            channel: 1,
            start: 12.5,
            text: "So it goes.".into(),
        });
        let mut pipe = Vec::new();
        send(&mut pipe, &said).unwrap();
        assert_eq!(read(&mut pipe.as_slice()).unwrap(), said);
        assert!(read(&mut &pipe[..pipe.len() - 1]).is_err());
    }

    #[test]
    fn what_is_announced_too_long_takes_no_memory() {
        let bytes = u32::MAX.to_le_bytes();
        assert!(read(&mut bytes.as_slice()).is_err());
        assert!(read_sound(&mut bytes.as_slice()).is_err());
    }
}
