//! `undertone completions` and `undertone man`: made from the command line's own description.

use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::Shell;

use super::context::stdout_failed;
use super::{Cli, Context};
use crate::{Error, Kind, Result};

/// Arguments of `undertone completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell to complete for
    shell: Shell,
}

/// Arguments of `undertone man`.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Write a page for every command to this folder
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

/// Prints the completions.
///
/// # Errors
/// [`Kind::Disk`] if stdout cannot be written.
pub fn run(args: &CompletionsArgs, cx: &Context) -> Result<()> {
    cx.shut_in(&[], &[]);
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "undertone", &mut text);
    print(&text)
}

/// Prints the manual, or writes its pages.
///
/// # Errors
/// [`Kind::Disk`] if it cannot be written.
pub fn man(args: &ManArgs, cx: &Context) -> Result<()> {
    let Some(folder) = &args.to else {
        cx.shut_in(&[], &[]);
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command())
            .render(&mut page)
            .map_err(|_| unwritten())?;
        return print(&page);
    };
    std::fs::create_dir_all(folder).map_err(|error| Error::io("making", folder, &error))?;
    cx.shut_in(&[], &[folder]);
    clap_mangen::generate_to(Cli::command(), folder)
        .map_err(|error| Error::io("writing to", folder, &error))
}

fn unwritten() -> Error {
    Error::new(Kind::Internal, "The manual cannot be written.")
}

fn print(bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    std::io::stdout()
        .lock()
        .write_all(bytes)
        .map_err(|error| stdout_failed(&error))
}
