//! Identities (secret) and recipients (public), and age's errors in our words.
//!
//! Secrets live in types that wipe themselves; their text is built in buffers that do. Refuses
//! recipients other than X25519 (`age1…`): they are what every `age` program opens.

use age::secrecy::{ExposeSecret, SecretString};
use age::{DecryptError, scrypt, x25519};
use zeroize::Zeroizing;

use super::{seal, unseal};
use crate::{Error, Kind, Result};

/// Scrypt work factor of a new vault: N = 2^18, about a second and 256 MiB.
pub const WORK_FACTOR: u8 = 18;
/// The highest scrypt work factor accepted: N = 2^22, about 16 seconds and 4 GiB.
pub const MAX_WORK_FACTOR: u8 = 22;

/// Largest file that an identity can be in, in bytes, sealed or not.
pub(super) const IDENTITY_LIMIT: u64 = 64 * 1024;

const MARK: &str = "AGE-SECRET-KEY-1";

/// Reads a recipient, `age1…`.
///
/// # Errors
/// [`Kind::Usage`] when it is none.
pub(super) fn recipient(text: &str) -> Result<x25519::Recipient> {
    text.trim().parse().map_err(|_| {
        Error::new(
            Kind::Usage,
            "A recipient is not one that age can seal to: it begins with age1 and has 62 characters.",
        )
        .hint("age-keygen -y FILE prints the recipient of an identity.")
    })
}

/// Whether a text is meant as an identity, in whatever case its letters are.
pub(super) fn is_identity(text: &str) -> bool {
    let begin = text.trim().get(..MARK.len());
    begin.is_some_and(|begin| begin.eq_ignore_ascii_case(MARK))
}

/// Reads an identity: the bare `AGE-SECRET-KEY-1…`, or a text with one on a line of its own and
/// comments around it.
///
/// # Errors
/// [`Kind::Locked`] when there is none, or more than one.
pub(super) fn identity(text: &str) -> Result<x25519::Identity> {
    let mut found = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let identity = found
        .next()
        // On paper the case of letters gets lost; Bech32 has one case or the other.
        .and_then(|line| Zeroizing::new(line.to_ascii_uppercase()).parse().ok());
    match (identity, found.next()) {
        (Some(identity), None) => Ok(identity),
        _ => Err(Error::new(
            Kind::Locked,
            format!("That is not an identity: one line that begins with {MARK}."),
        )
        .hint("Check it against the printed page, letter by letter.")),
    }
}

/// The text of an identity file as `age-keygen` writes it; `comments` without the `#`.
pub(super) fn identity_text(identity: &x25519::Identity, comments: &[String]) -> Zeroizing<String> {
    let secret = identity.to_string();
    let length = comments.iter().map(|c| c.len() + 3).sum::<usize>();
    // All the room at once: growing would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(
        length + secret.expose_secret().len() + 1,
    ));
    for comment in comments {
        text.push_str("# ");
        text.push_str(comment);
        text.push('\n');
    }
    text.push_str(secret.expose_secret());
    text.push('\n');
    text
}

/// Seals an identity's text under a passphrase.
///
/// # Errors
/// [`Kind::Usage`] when the work factor is not 1 to [`MAX_WORK_FACTOR`] or the passphrase is empty.
pub(super) fn lock_identity(
    text: &str,
    passphrase: &SecretString,
    work_factor: u8,
) -> Result<Vec<u8>> {
    if !(1..=MAX_WORK_FACTOR).contains(&work_factor) {
        return Err(Error::new(
            Kind::Usage,
            format!("The work factor must be between 1 and {MAX_WORK_FACTOR}."),
        ));
    }
    if passphrase.expose_secret().is_empty() {
        return Err(Error::new(
            Kind::Usage,
            "An empty passphrase protects nothing.",
        ));
    }
    let mut recipient = scrypt::Recipient::new(passphrase.clone());
    recipient.set_work_factor(work_factor);
    seal::to_vec(&recipient, text.as_bytes())
}

/// Opens an identity sealed by [`lock_identity`], and returns its text.
///
/// # Errors
/// [`Kind::Locked`] for a wrong passphrase, [`Kind::Damaged`] for a file that is not whole.
pub(super) fn unlock_identity(
    sealed: &[u8],
    passphrase: &SecretString,
) -> Result<Zeroizing<String>> {
    let mut identity = scrypt::Identity::new(passphrase.clone());
    identity.set_max_work_factor(MAX_WORK_FACTOR);
    let text = unseal::from_slice(sealed, &identity, "The vault's identity", IDENTITY_LIMIT)?;
    into_text(text, "The vault's identity")
}

/// Bytes that must be text, without leaving a copy behind.
pub(super) fn into_text(mut bytes: Zeroizing<Vec<u8>>, what: &str) -> Result<Zeroizing<String>> {
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(e) => {
            drop(Zeroizing::new(e.into_bytes()));
            Err(Error::new(
                Kind::Damaged,
                format!("{what} does not hold what it should."),
            ))
        }
    }
}

/// Why age could not open `what` (the start of a sentence, such as "The recording").
pub(super) fn decrypt_error(error: &DecryptError, what: &str) -> Error {
    match error {
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => Error::new(
            Kind::Locked,
            "The passphrase does not open this vault. Nothing was changed.",
        )
        .hint("Try again: watch capital letters, the keyboard's language, and spaces at the ends.")
        .hint("If it is lost, type the recovery key from paper in its place."),
        DecryptError::NoMatchingKeys => Error::new(
            Kind::Locked,
            format!("{what} is not sealed to this identity."),
        )
        .hint("Use the identity of this vault, or its printed recovery identity."),
        DecryptError::ExcessiveWork { required, .. } => Error::new(
            Kind::Vault,
            format!(
                "{what} asks for a scrypt work factor of {required}; more than \
                 {MAX_WORK_FACTOR} is not accepted."
            ),
        ),
        DecryptError::Io(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => Error::new(
            Kind::Disk,
            format!("{what} cannot be read from the disk ({}).", e.kind()),
        ),
        DecryptError::UnknownFormat => Error::new(
            Kind::Damaged,
            format!("{what} is sealed in a newer way than this version can open."),
        ),
        _ => damaged(what),
    }
}

/// `what` is cut or altered before its first byte.
pub(super) fn damaged(what: &str) -> Error {
    Error::new(
        Kind::Damaged,
        format!("{what} is cut short, altered, or no sealed file at all."),
    )
    .hint("Restore the file from a backup, if there is one. Do not delete it.")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_reads_back_from_its_text_in_either_case() {
        let new = x25519::Identity::generate();
        let text = identity_text(&new, &["public key: x".into()]);
        let public = new.to_public().to_string();
        assert_eq!(identity(&text).unwrap().to_public().to_string(), public);
        let bare = new.to_string();
        let paper = format!("  {}\n", bare.expose_secret().to_lowercase());
        assert_eq!(identity(&paper).unwrap().to_public().to_string(), public);
        let two = format!("{}{}", text.as_str(), bare.expose_secret());
        assert_eq!(identity(&two).err().unwrap().kind(), Kind::Locked);
        assert_eq!(
            identity("AGE-SECRET-KEY-1X").err().unwrap().kind(),
            Kind::Locked
        );
    }

    #[test]
    fn a_wrong_passphrase_is_locked_and_says_what_to_try() {
        let sealed = lock_identity("text", &"right".to_owned().into(), 2).unwrap();
        assert_eq!(
            unlock_identity(&sealed, &"right".to_owned().into())
                .unwrap()
                .as_str(),
            "text"
        );
        let error = unlock_identity(&sealed, &"wrong".to_owned().into()).unwrap_err();
        assert_eq!(error.kind(), Kind::Locked);
        assert!(!error.hints().is_empty());
        assert!(!format!("{error:?}").contains("wrong\""));
    }

    #[test]
    fn a_work_factor_beyond_what_is_opened_is_never_written() {
        for factor in [0, MAX_WORK_FACTOR + 1, 255] {
            let error = lock_identity("text", &"x".to_owned().into(), factor).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
        }
    }

    #[test]
    fn a_work_factor_made_to_stall_us_is_refused_at_once() {
        let sealed = lock_identity("text", &"x".to_owned().into(), 2).unwrap();
        let text = String::from_utf8_lossy(&sealed[..120]).into_owned();
        let at = text.find(" 2\n").unwrap();
        let mut hostile = sealed[..at].to_vec();
        hostile.extend_from_slice(b" 40\n");
        hostile.extend_from_slice(&sealed[at + 3..]);
        let error = unlock_identity(&hostile, &"x".to_owned().into()).unwrap_err();
        assert_eq!(error.kind(), Kind::Vault);
    }

    #[test]
    fn age_errors_reach_the_user_without_invisible_marks() {
        let all = [
            DecryptError::DecryptionFailed,
            DecryptError::ExcessiveWork {
                required: 30,
                target: 18,
            },
            DecryptError::InvalidHeader,
            DecryptError::InvalidMac,
            DecryptError::KeyDecryptionFailed,
            DecryptError::NoMatchingKeys,
            DecryptError::UnknownFormat,
            DecryptError::Io(std::io::Error::other("\u{2068}x\u{2069}")),
        ];
        for error in all {
            let ours = decrypt_error(&error, "The recording");
            let all = format!("{ours} {}", ours.hints().join(" "));
            assert!(
                all.chars().all(|c| c.is_ascii_graphic() || c == ' '),
                "{all:?}"
            );
        }
    }
}
