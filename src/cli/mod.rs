//! The command line: one file a command. The only module that prints, asks, or reads the
//! environment.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

mod analyze;
mod begin;
mod change_passphrase;
mod check;
mod completions;
mod consent;
mod context;
mod delete;
mod devices;
mod doctor;
mod export;
mod import;
mod init;
mod judge;
mod microphones;
mod model;
mod moments;
mod passphrase;
mod record;
mod recover;
mod schema;
mod sessions;
mod show;
mod signals;
mod sound;
mod terminal;
mod transcribe;
mod verify;
mod written;

pub use context::{Context, TOOL};

use crate::{Error, Kind, Result};

/// Record, transcribe and study a therapy session on this machine alone.
///
/// Two microphones, one for the therapist and one for the client. Everything is sealed from the
/// first sample, and nothing ever goes over a network.
#[derive(Debug, Parser)]
#[command(name = "undertone", version, max_term_width = 80, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  undertone init                    make the vault, once
  undertone check                   listen to both microphones before the client comes
  undertone record                  record a session; q ends it
  undertone transcribe              write down the newest session
  undertone show                    read it
  undertone export last -o talk.md  put it in a file, open to all

A SESSION is its id, the beginning of its id, or `last`.";

#[derive(Debug, clap::Args)]
struct Global {
    /// The vault's folder [default: undertone/vault in your data folder]
    #[arg(long, global = true, value_name = "DIR", env = "UNDERTONE_VAULT")]
    vault: Option<PathBuf>,
    /// The folder of the speech models [default: undertone/models in your data folder]
    #[arg(long, global = true, value_name = "DIR", env = "UNDERTONE_MODELS")]
    models: Option<PathBuf>,
    /// Read the passphrase from this file descriptor instead of asking, for scripts
    #[arg(long, global = true, value_name = "N")]
    passphrase_fd: Option<u32>,
    /// Say nothing but errors and warnings
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Print the result as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a vault, where sessions are kept sealed
    Init(init::InitArgs),
    /// List the microphones and other inputs
    Devices(devices::DevicesArgs),
    /// Listen for ten seconds and tell what is wrong with the microphones
    Check(check::CheckArgs),
    /// Record a session from a device with two channels
    Record(record::RecordArgs),
    /// Write down a session while it is recorded (begun by `record`)
    #[command(hide = true)]
    Scribe(record::ScribeArgs),
    /// Take in a sound file as a session
    Import(import::ImportArgs),
    /// Write down what was said in a session
    Transcribe(transcribe::TranscribeArgs),
    /// List the sessions
    Sessions(sessions::SessionsArgs),
    /// Read a session
    Show(show::ShowArgs),
    /// Write a session to a file or to stdout, or seal it to somebody
    Export(export::ExportArgs),
    /// Find passages where strain may have been voiced, and gather the facts of a session
    Analyze(analyze::AnalyzeArgs),
    /// Show or change what the client agreed to
    Consent(consent::ConsentArgs),
    /// Say what you think of a finding, or add one
    Judge(judge::JudgeArgs),
    /// Save what an interrupted recording holds
    Recover(recover::RecoverArgs),
    /// Tell whether sessions are as they were sealed
    Verify(verify::VerifyArgs),
    /// Delete a session for good
    Delete(delete::DeleteArgs),
    /// Change the vault's passphrase
    Passphrase(change_passphrase::PassphraseArgs),
    /// List, import and check speech models
    Model(model::ModelArgs),
    /// Tell what works on this machine and what is really enforced
    Doctor(doctor::DoctorArgs),
    /// Print the JSON Schema of what undertone writes
    Schema(schema::SchemaArgs),
    /// Print shell completions
    Completions(completions::CompletionsArgs),
    /// Print the manual, or write its pages to a folder
    Man(completions::ManArgs),
}

/// Runs the command that the arguments name and returns the exit code.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let matches = match Cli::command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let json = matches.get_flag("json");
    let outcome = Cli::from_arg_matches(&matches)
        .map_err(|_| Error::new(Kind::Usage, "These arguments do not go together."))
        .and_then(|cli| dispatch(&cli));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if json {
                let data = serde_json::json!({
                    "error": {
                        "kind": error.kind().name(),
                        "sentence": error.sentence(),
                        "next": error.hints(),
                    }
                });
                terminal::tell(&data.to_string());
            } else {
                terminal::complain(&error);
            }
            ExitCode::from(error.kind().exit_code())
        }
    }
}

fn dispatch(cli: &Cli) -> Result<()> {
    let context = context(&cli.global)?;
    match &cli.command {
        Command::Init(args) => init::run(args, &context),
        Command::Devices(args) => devices::run(args, &context),
        Command::Check(args) => check::run(args, &context),
        Command::Record(args) => record::run(args, &context),
        Command::Scribe(args) => record::scribe(args, &context),
        Command::Import(args) => import::run(args, &context),
        Command::Transcribe(args) => transcribe::run(args, &context),
        Command::Sessions(args) => sessions::run(args, &context),
        Command::Show(args) => show::run(args, &context),
        Command::Export(args) => export::run(args, &context),
        Command::Analyze(args) => analyze::run(args, &context),
        Command::Consent(args) => consent::run(args, &context),
        Command::Judge(args) => judge::run(args, &context),
        Command::Recover(args) => recover::run(args, &context),
        Command::Verify(args) => verify::run(args, &context),
        Command::Delete(args) => delete::run(args, &context),
        Command::Passphrase(args) => change_passphrase::run(args, &context),
        Command::Model(args) => model::run(args, &context),
        Command::Doctor(args) => doctor::run(args, &context),
        Command::Schema(args) => schema::run(args, &context),
        Command::Completions(args) => completions::run(args, &context),
        Command::Man(args) => completions::man(args, &context),
    }
}

fn context(global: &Global) -> Result<Context> {
    let folder = |given: &Option<PathBuf>, name: &str| match given {
        Some(path) => std::path::absolute(path).map_err(|error| Error::io("reading", path, &error)),
        None => data_folder().map(|data| data.join("undertone").join(name)),
    };
    let source = match global.passphrase_fd {
        Some(number) => passphrase::Source::descriptor(number),
        None => passphrase::Source::Terminal,
    };
    Ok(Context::new(
        folder(&global.vault, "vault")?,
        folder(&global.models, "models")?,
        global.json,
        global.quiet,
        source,
        signals::stop_flag(),
    ))
}

/// Where this user's programs keep data.
fn data_folder() -> Result<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let home = || absolute("HOME");
    let found = if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library").join("Application Support"))
    } else if cfg!(windows) {
        absolute("LOCALAPPDATA")
    } else {
        absolute("XDG_DATA_HOME").or_else(|| home().map(|home| home.join(".local/share")))
    };
    found.ok_or_else(|| {
        Error::new(
            Kind::Usage,
            "This user has no home folder to keep a vault in.",
        )
        .hint("say where: undertone --vault DIR …")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed_and_every_argument_has_a_help_text() {
        Cli::command().debug_assert();
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
        }
    }
}
