//! What every command is given: where things are, how to ask, whether somebody wants to stop.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use serde::Serialize;

use super::passphrase::{self, Source};
use super::terminal::{self, Progress};
use crate::lockdown;
use crate::model::Store;
use crate::vault::{Event, OpenSession, SessionId, Unlocked, Vault};
use crate::{Error, Kind, Result};

/// The program and version, as written in files.
pub const TOOL: &str = concat!("undertone ", env!("CARGO_PKG_VERSION"));

/// What every command is given.
pub struct Context {
    /// The vault's folder.
    pub vault_dir: PathBuf,
    /// The folder of the speech models.
    pub models_dir: PathBuf,
    /// Whether results are to be printed as JSON.
    pub json: bool,
    /// Whether only errors may be said.
    pub quiet: bool,
    /// Where passphrases come from.
    pub passphrase: Source,
    cancel: Arc<AtomicBool>,
}

impl Context {
    /// A context whose `cancel` becomes true when the person wants to stop.
    #[must_use]
    pub fn new(
        vault_dir: PathBuf,
        models_dir: PathBuf,
        json: bool,
        quiet: bool,
        passphrase: Source,
        cancel: Arc<AtomicBool>,
    ) -> Context {
        Context {
            vault_dir,
            models_dir,
            json,
            quiet,
            passphrase,
            cancel,
        }
    }

    /// Opens the vault, its public part only.
    ///
    /// # Errors
    /// [`Kind::NotFound`] or [`Kind::Vault`], with `undertone init` as the next step.
    pub fn vault(&self) -> Result<Vault> {
        Vault::open(&self.vault_dir)
    }

    /// Opens the vault with its passphrase, asking for it; its recovery key opens it as well.
    ///
    /// # Errors
    /// As [`Context::vault`]; [`Kind::Locked`] for a wrong passphrase.
    pub fn unlock(&self) -> Result<Unlocked> {
        let vault = self.vault()?;
        let passphrase = passphrase::ask(
            &self.passphrase,
            "Passphrase of the vault, or its recovery key: ",
        )?;
        let unlocked = vault.unlock(&passphrase)?;
        vault.note(Event::VaultUnlocked, None, self.now())?;
        for stranger in unlocked.strangers() {
            self.warn(&format!(
                "Somebody added the recipient {stranger} to vault.toml after the vault was made. \
                 New sessions can be opened with it. If that was not you, take the line out."
            ));
        }
        Ok(unlocked)
    }

    /// Opens one session, by ULID, unique prefix, or `last`, for a command that needs no other
    /// file than the vault's: the process is shut in first.
    ///
    /// # Errors
    /// As [`Context::unlock`]; [`Kind::NotFound`] if there is no such session.
    pub fn open(&self, session: &str) -> Result<(Unlocked, OpenSession)> {
        let vault = self.vault()?;
        let id = vault.find(session)?;
        self.shut_in(&[&vault.identity_path()], &[]);
        self.open_id(&id)
    }

    /// Opens one session whose id is known.
    ///
    /// # Errors
    /// As [`Context::unlock`].
    pub fn open_id(&self, id: &SessionId) -> Result<(Unlocked, OpenSession)> {
        let unlocked = self.unlock()?;
        let session = unlocked.session(id)?;
        Ok((unlocked, session))
    }

    /// The speech models on this machine.
    #[must_use]
    pub fn models(&self) -> Store {
        Store::open(&self.models_dir)
    }

    /// Shuts the process in for a command that touches no sound device: no network of any kind,
    /// no other program, and no files but the vault, the models, and those named here.
    pub fn shut_in(&self, read: &[&Path], write: &[&Path]) {
        self.shut_in_files(read, write);
        let _ = lockdown::second();
    }

    /// The file part of [`Context::shut_in`] alone, for commands that open microphones first.
    pub fn shut_in_files(&self, read: &[&Path], write: &[&Path]) {
        let mut readable: Vec<&Path> = vec![&self.models_dir];
        readable.extend(read);
        let mut writable: Vec<&Path> = vec![&self.vault_dir];
        writable.extend(write);
        // What holds is told by `undertone doctor`; a system without Landlock still works.
        let _ = lockdown::files(&readable, &writable);
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// Whether the person wants to stop.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// The flag behind [`Context::cancelled`].
    #[must_use]
    pub fn cancel(&self) -> &Arc<AtomicBool> {
        &self.cancel
    }

    /// Starts telling progress on stderr.
    #[must_use]
    pub fn progress(&self, what: &str) -> Progress {
        Progress::start(what, self.quiet)
    }

    /// Says something to the person, on stderr.
    pub fn say(&self, words: &str) {
        for line in self.saying(words) {
            terminal::tell(&line);
        }
    }

    /// What [`Context::say`] says, in lines.
    #[must_use]
    pub fn saying(&self, words: &str) -> Vec<String> {
        if self.quiet {
            return Vec::new();
        }
        terminal::wrap(words, terminal::columns())
    }

    /// Warns, on stderr, also when quiet.
    pub fn warn(&self, words: &str) {
        for line in self.warning(words) {
            terminal::tell(&line);
        }
    }

    /// What [`Context::warn`] says, in lines.
    #[must_use]
    pub fn warning(&self, words: &str) -> Vec<String> {
        let yellow = terminal::on_stderr(anstyle::AnsiColor::Yellow.on_default().bold());
        terminal::labelled("Warning:", yellow, words, terminal::columns())
    }

    /// Prints a line of data.
    ///
    /// # Errors
    /// [`Kind::Disk`] if stdout is closed or full.
    pub fn print(&self, line: &str) -> Result<()> {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{line}").map_err(|error| stdout_failed(&error))
    }

    /// Prints data as JSON.
    ///
    /// # Errors
    /// [`Kind::Disk`] if stdout is closed or full.
    pub fn print_json(&self, data: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(data)
            .map_err(|_| Error::new(Kind::Internal, "The result cannot be written as JSON."))?;
        self.print(&text)
    }

    /// Asks a question that is answered by typing `yes`.
    ///
    /// # Errors
    /// [`Kind::Usage`] if there is no terminal to ask at.
    pub fn confirm(&self, question: &str) -> Result<bool> {
        use std::io::{BufRead, IsTerminal};
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return Err(
                Error::new(Kind::Usage, "There is no terminal to ask at.").hint("add --yes")
            );
        }
        let _ = write!(std::io::stderr().lock(), "{question} Type yes: ");
        let mut answer = String::new();
        let read = stdin.lock().read_line(&mut answer);
        // Ctrl-C does not end the reading, but what is typed after it is no answer.
        let agreed = read.is_ok() && answer.trim().eq_ignore_ascii_case("yes");
        Ok(agreed && !self.cancelled())
    }
}

/// Stdout cannot be written to: a closed pipe is the reader's choice and no failure to talk about.
pub(super) fn stdout_failed(error: &std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        Error::new(Kind::Cancelled, "Nobody reads the output any more.")
    } else {
        Error::new(
            Kind::Disk,
            format!("The output cannot be written: {error}."),
        )
    }
}
