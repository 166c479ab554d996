//! `undertone schema`: the JSON Schema of what undertone writes.

use clap::ValueEnum;

use super::Context;
use crate::{Result, rupture, transcript};

/// Arguments of `undertone schema`.
#[derive(Debug, clap::Args)]
pub struct SchemaArgs {
    /// Of which kind of file
    #[arg(default_value = "transcript")]
    of: Kind,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// undertone-transcript/1
    Transcript,
    /// undertone-analysis/1
    Analysis,
    /// undertone-judgements/1
    Judgements,
}

/// Runs the command.
///
/// # Errors
/// [`crate::Kind::Disk`] if stdout cannot be written.
pub fn run(args: &SchemaArgs, cx: &Context) -> Result<()> {
    cx.shut_in(&[], &[]);
    cx.print_json(&match args.of {
        Kind::Transcript => transcript::schema(),
        Kind::Analysis => rupture::schema(),
        Kind::Judgements => rupture::judgements_schema(),
    })
}
