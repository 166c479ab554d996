//! Asks for passphrases: at the terminal, or from a file descriptor for scripts. Never from an
//! argument or the environment, where other programs could read them.

use std::fs::File;
use std::io::{ErrorKind, IsTerminal, Read};

use age::secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::Context;
use crate::vault::passphrase::{Strength, advice};
use crate::{Error, Kind, Result};

/// No passphrase is longer, in bytes.
const LONGEST: u64 = 4096;

/// Where passphrases come from.
#[derive(Debug)]
pub enum Source {
    /// Ask at the terminal.
    Terminal,
    /// Read the first line of an inherited file descriptor.
    Descriptor {
        /// Its number.
        number: u32,
        /// The descriptor, opened before the process is shut in; none if it is not there.
        file: Option<File>,
    },
}

impl Source {
    /// A file descriptor that this process inherited. It is read only when it is needed.
    #[must_use]
    pub fn descriptor(number: u32) -> Source {
        Source::Descriptor {
            number,
            file: File::open(format!("/dev/fd/{number}")).ok(),
        }
    }
}

/// Asks once.
///
/// # Errors
/// [`Kind::Locked`] if there is no terminal to ask at, or nothing was typed; [`Kind::Cancelled`] on Ctrl-C.
pub fn ask(source: &Source, prompt: &str) -> Result<SecretString> {
    let passphrase = match source {
        Source::Descriptor { number, file } => from_descriptor(*number, file.as_ref())?,
        Source::Terminal => from_terminal(prompt)?,
    };
    if passphrase.expose_secret().is_empty() {
        return Err(Error::new(Kind::Locked, "No passphrase was given."));
    }
    Ok(passphrase)
}

/// Asks for a new passphrase, twice at a terminal. `command` is what to type again where the two differ.
///
/// # Errors
/// As [`ask`]; [`Kind::Locked`] if the two differ.
pub fn ask_new(source: &Source, command: &str) -> Result<SecretString> {
    let first = ask(source, "New passphrase: ")?;
    if matches!(source, Source::Terminal) {
        let second = ask(source, "The same again: ")?;
        if first.expose_secret() != second.expose_secret() {
            return Err(Error::new(
                Kind::Locked,
                "The two passphrases differ. Nothing was changed.",
            )
            .hint(command));
        }
    }
    Ok(first)
}

/// Asks for the old passphrase and then for a new one: at a descriptor its first two lines.
///
/// # Errors
/// As [`ask_new`].
pub fn ask_change(source: &Source) -> Result<(SecretString, SecretString)> {
    let (old, new) = match source {
        Source::Terminal => (
            ask(source, "Passphrase of the vault: ")?,
            ask_new(source, "undertone passphrase")?,
        ),
        Source::Descriptor { number, file } => {
            let [old, new] = lines_of(*number, file.as_ref())?;
            (old, new)
        }
    };
    if [&old, &new]
        .map(|given| given.expose_secret().is_empty())
        .contains(&true)
    {
        return Err(Error::new(
            Kind::Locked,
            "Two passphrases are needed, the old one and the new one, each on a line.",
        )
        .hint("undertone --passphrase-fd 3 passphrase 3<FILE"));
    }
    Ok((old, new))
}

/// Tells how strong a new passphrase is.
pub fn advise(passphrase: &SecretString, cx: &Context) {
    let advice = advice(passphrase.expose_secret());
    if advice.strength == Strength::Weak {
        cx.warn(&advice.sentence);
        for suggestion in &advice.suggestions {
            cx.warn(suggestion);
        }
    } else {
        cx.say(&advice.sentence);
    }
}

fn from_terminal(prompt: &str) -> Result<SecretString> {
    if !std::io::stderr().is_terminal() && !std::io::stdin().is_terminal() {
        return Err(no_terminal());
    }
    rpassword::prompt_password(prompt)
        .map(SecretString::from)
        .map_err(|error| match error.kind() {
            // Ctrl-C, which the terminal does not make a signal of meanwhile, and Ctrl-D.
            ErrorKind::Interrupted | ErrorKind::UnexpectedEof => {
                Error::new(Kind::Cancelled, "Stopped. Nothing was changed.")
            }
            _ => no_terminal(),
        })
}

fn no_terminal() -> Error {
    Error::new(
        Kind::Locked,
        "There is no terminal to ask for the passphrase at.",
    )
    .hint("give it through a file descriptor: undertone --passphrase-fd 3 … 3<FILE")
}

fn from_descriptor(number: u32, file: Option<&File>) -> Result<SecretString> {
    let [line] = lines_of(number, file)?;
    Ok(line)
}

/// The first lines of a descriptor; empty where there are fewer.
fn lines_of<const N: usize>(number: u32, file: Option<&File>) -> Result<[SecretString; N]> {
    let unreadable = || {
        Error::new(
            Kind::Locked,
            format!("File descriptor {number} holds no passphrase that can be read."),
        )
        .hint("undertone --passphrase-fd 3 … 3<FILE")
    };
    let file = file.ok_or_else(unreadable)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST as usize));
    file.take(LONGEST)
        .read_to_end(&mut bytes)
        .map_err(|_| unreadable())?;
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut read = std::array::from_fn(|_| SecretString::from(""));
    for line in &mut read {
        let next = lines.next().unwrap_or_default();
        let text = std::str::from_utf8(next.strip_suffix(b"\r").unwrap_or(next));
        *line = SecretString::from(text.map_err(|_| unreadable())?);
    }
    Ok(read)
}
