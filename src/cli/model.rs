//! `undertone model`: lists, imports and checks speech models.

use std::path::PathBuf;

use anstyle::Style;
use clap::Subcommand;

use super::{Context, terminal};
use crate::Result;
use crate::model::{self, DETECTOR, Entry, Installed, Languages, Step, Trust};

/// Columns for a name: the catalog's fit. One's own may be longer.
const NAME: usize = 20;

/// Arguments of `undertone model`.
#[derive(Debug, clap::Args)]
pub struct ModelArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the installed models, and those that could be
    List,
    /// Install a model from a ggml file or a CTranslate2 (faster-whisper) folder
    Import {
        /// The file or folder
        path: PathBuf,
        /// The name to install it under [default: from its digest or file name]
        #[arg(long)]
        name: Option<String>,
    },
    /// Check that an installed model is what its digest says
    Verify {
        /// Its name [default: every installed model]
        name: Option<String>,
    },
}

/// Runs the command.
///
/// # Errors
/// [`crate::Kind::Model`] for a file that is no model or is not what its digest says.
pub fn run(args: &ModelArgs, cx: &Context) -> Result<()> {
    match &args.command {
        Command::List => list(cx),
        Command::Import { path, name } => import(path, name.as_deref(), cx),
        Command::Verify { name } => verify(name.as_deref(), cx),
    }
}

fn list(cx: &Context) -> Result<()> {
    cx.shut_in(&[], &[]);
    let installed = cx.models().list()?;
    if cx.json {
        return cx.print_json(&serde_json::json!({
            "folder": cx.models_dir,
            "installed": installed,
            "detector": cx.models().detector().is_some(),
            "catalog": model::catalog(),
        }));
    }
    for model in &installed {
        for line in lines(model) {
            cx.print(&line)?;
        }
    }
    if installed.is_empty() {
        cx.say("No speech model is installed yet.");
    }
    if cx.models().detector().is_some() {
        cx.say(&format!("The voice detector {DETECTOR} is installed."));
    } else {
        cx.say("The voice detector is not installed. Next: scripts/fetch-model");
    }
    cx.say("Could be installed with scripts/fetch-model NAME:");
    for entry in model::catalog() {
        if installed.iter().all(|model| model.name != entry.name) {
            // Not by `say`, which would break it anew and lose the columns.
            for line in offer(entry, terminal::columns()) {
                if !cx.quiet {
                    terminal::tell(&line);
                }
            }
        }
    }
    Ok(())
}

/// A model that could be installed, what it is good for set in under itself.
fn offer(entry: &Entry, width: usize) -> Vec<String> {
    let size = terminal::size_in_words(entry.bytes);
    let label = format!("  {:<NAME$} {size:>9} ", entry.name);
    terminal::labelled(&label, Style::new(), &entry.about, width)
}

fn lines(model: &Installed) -> Vec<String> {
    let languages = match model.languages {
        Languages::English => "English",
        Languages::Many => "99 languages",
    };
    let trust = match model.trust {
        Trust::Catalog => "published",
        Trust::Import => "own import",
    };
    let figures = format!(
        "{:>9} disk  {:>9} memory  {languages:<12}  {trust}",
        terminal::size_in_words(model.bytes),
        terminal::size_in_words(model.memory),
    );
    let name = &model.name;
    if name.len() > NAME {
        // A longer name has a line to itself, so that the figures stay in their columns.
        vec![name.clone(), format!("{:NAME$} {figures}", "")]
    } else {
        vec![format!("{name:<NAME$} {figures}")]
    }
}

fn import(path: &std::path::Path, name: Option<&str>, cx: &Context) -> Result<()> {
    // The folder may not exist yet; it must, for the file rules to let it be written.
    std::fs::create_dir_all(&cx.models_dir)
        .map_err(|error| crate::Error::io("making", &cx.models_dir, &error))?;
    cx.shut_in(&[path], &[&cx.models_dir]);
    if name.is_none() && cx.models().import_detector(path)? {
        cx.say(&format!("Installed the voice detector {DETECTOR}."));
        return if cx.json {
            cx.print_json(&serde_json::json!({ "detector": DETECTOR }))
        } else {
            Ok(())
        };
    }
    let mut bar = cx.progress("Installing");
    let installed = cx.models().import(path, name, &mut |progress| {
        // Converting comes after copying where both happen; each fills the bar once.
        let share = progress.done as f64 / progress.total.max(1) as f64;
        match progress.step {
            Step::Copying | Step::Converting => bar.at(share),
        }
    });
    bar.finish();
    let installed = installed?;
    cx.say("Installed.");
    tell(&installed, cx)
}

fn verify(name: Option<&str>, cx: &Context) -> Result<()> {
    cx.shut_in(&[], &[]);
    let store = cx.models();
    let names = match name {
        Some(name) => vec![name.to_owned()],
        None => store.list()?.into_iter().map(|model| model.name).collect(),
    };
    let mut all = Vec::new();
    for name in names {
        let verified = store.verify(&name)?;
        if cx.json {
            all.push(verified);
            continue;
        }
        let against = match verified.against {
            Trust::Catalog => "the published digest",
            Trust::Import => "the digest of its import",
        };
        cx.say(&format!("{name}: whole, and the same as {against}."));
        tell(&verified.installed, cx)?;
    }
    if cx.json { cx.print_json(&all) } else { Ok(()) }
}

fn tell(model: &Installed, cx: &Context) -> Result<()> {
    if cx.json {
        return cx.print_json(model);
    }
    cx.print(&format!("{}  sha256 {}", model.name, model.sha256))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_lines_fit_eighty_columns() {
        let mut told: Vec<String> = model::catalog()
            .iter()
            .flat_map(|entry| offer(entry, 80))
            .collect();
        for name in ["n".repeat(NAME), "n".repeat(64)] {
            told.extend(lines(&Installed {
                name,
                path: PathBuf::new(),
                bytes: 999_960_000,
                sha256: String::new(),
                languages: Languages::Many,
                memory: 999_960_000,
                trust: Trust::Import,
                source: String::new(),
            }));
        }
        for line in &told {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
