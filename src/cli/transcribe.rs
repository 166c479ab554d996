//! `undertone transcribe`: writes down what was said in a session.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Context, TOOL, moments, sound, terminal};
use crate::model::Installed;
use crate::speech::{self, Decoding, Engine, Heard, Progress, Separation};
use crate::transcript::{self, AssembleInput, Gap, Moments, Transcript};
use crate::vault::{Event, Manifest, ModelInfo, OpenSession, Purpose, SessionId, consent};
use crate::{Error, Kind, Result};

/// Name of the transcript inside a session.
pub const TRANSCRIPT: &str = "transcript.json";

/// Arguments of `undertone transcribe`.
#[derive(Debug, clap::Args)]
pub struct TranscribeArgs {
    /// Which session: its id, the beginning of its id, or `last`
    #[arg(default_value = "last")]
    session: String,
    /// The speech model, such as base [default: the best installed for this machine]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// The language spoken, such as en or de [default: found out]
    #[arg(long, value_name = "CODE", value_parser = language)]
    language: Option<String>,
    /// A text file with names and words to expect, one a line
    #[arg(long, value_name = "FILE")]
    vocabulary: Option<PathBuf>,
    /// Follow this many hypotheses at once, at most: with 1 faster and a little less accurate
    #[arg(long, value_name = "N", default_value_t = speech::BEAM as u8, value_parser = clap::value_parser!(u8).range(1..=8))]
    beam: u8,
    /// Compute with this many threads [default: the machine's, at most 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    threads: Option<u8>,
    /// Of a damaged recording, write down what comes before the damage
    #[arg(long)]
    partial: bool,
}

fn language(text: &str) -> Result<String, String> {
    if text.len() <= 3 && speech::knows_language(text) {
        Ok(text.to_owned())
    } else {
        Err("this is no language code that Whisper knows; it takes codes such as en, de, fr".into())
    }
}

/// Runs the command: the transcript is sealed in the session, its id is printed.
///
/// # Errors
/// What the vault, the model and the sound give. An earlier transcript stays until the new one
/// is whole, also on Ctrl-C.
pub fn run(args: &TranscribeArgs, cx: &Context) -> Result<()> {
    let vault = cx.vault()?;
    let id = vault.find(&args.session)?;
    let vocabulary = match &args.vocabulary {
        Some(path) => Some(speech::vocabulary(&read_small(path)?)?),
        None => None,
    };
    cx.shut_in(&[&vault.identity_path()], &[]);
    let installed = find_model(args.model.as_deref(), args.language.as_deref(), cx)?;
    let (unlocked, session) = cx.open_id(&id)?;
    let manifest = session.manifest()?;
    consent::allow_audio(
        manifest.consent.as_ref(),
        Purpose::Transcription,
        &id.to_string(),
        manifest.created,
        cx.now(),
    )?;
    if args.partial && session.has(TRANSCRIPT) {
        return Err(Error::new(
            Kind::Usage,
            "This session has a transcript already, perhaps of all of it. It was left as it is.",
        )
        .hint(format!("undertone show {id}")));
    }
    let started = Instant::now();
    let detector = cx.models().detector();
    if detector.is_none() {
        cx.warn(
            "The voice detector is not installed: words made of noise may pass for speech. \
             Next: scripts/fetch-model",
        );
    }
    let decoding = Decoding {
        language: args.language.clone(),
        vocabulary,
        threads: args.threads.map_or_else(speech::threads, usize::from),
        beam: usize::from(args.beam),
    };
    let engine = Engine::load(&installed.path, &installed.name, detector)?;
    let moments = moments::read(&session).unwrap_or_else(|_| {
        cx.warn("The bookmarks and pauses of this session are damaged, and will not be in the transcript.");
        Moments::default()
    });
    let heard = hear(&session, args.partial, &manifest, &engine, &decoding, cx)?;
    drop(engine);
    let transcript = assemble(id, &manifest, &moments, &installed, heard, cx);
    save(&session, &transcript, &installed)?;
    unlocked
        .vault()
        .note(Event::TranscriptWritten, Some(&id), cx.now())?;
    tell(&transcript, started.elapsed(), cx);
    if args.partial {
        let whole = manifest.duration_s.unwrap_or(0.0);
        sound::tell_missing(whole - transcript.session.duration, cx);
    }
    if cx.json {
        cx.print_json(&serde_json::json!({
            "session": id,
            "duration_s": transcript.session.duration,
            "turns": transcript.turns.len(),
            "words": words(&transcript).count(),
            "suspect_words": words(&transcript).filter(|word| word.suspect).count(),
            "language": transcript.language,
            "model": transcript.model,
            "separation": transcript.separation,
        }))
    } else {
        cx.print(&id.to_string())
    }
}

/// The model of this name, or the best installed for this machine.
pub(super) fn find_model(
    name: Option<&str>,
    language: Option<&str>,
    cx: &Context,
) -> Result<Installed> {
    let store = cx.models();
    let installed = match name {
        Some(name) => store.find(Some(name))?,
        None => {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let chosen = store.choose(language, cores)?;
            store.find(Some(&chosen.name))?
        }
    };
    if let Some(language) = language
        && !installed.languages.hold(language)
    {
        return Err(Error::new(
            Kind::Model,
            format!("The model {} knows English only.", installed.name),
        )
        .hint("undertone transcribe --model base")
        .hint("undertone model list"));
    }
    Ok(installed)
}

fn hear(
    session: &OpenSession,
    partial: bool,
    manifest: &Manifest,
    engine: &Engine,
    decoding: &Decoding,
    cx: &Context,
) -> Result<Heard> {
    let mut listening = Some(cx.progress("Listening"));
    let mut writing = None;
    let length = manifest.duration_s.unwrap_or(0.0);
    let heard = speech::transcribe(
        &|| sound::for_speech(sound::open(session, partial)?),
        engine,
        decoding,
        cx.cancel(),
        &mut |progress| match progress {
            Progress::Listening { seconds } => {
                if let Some(bar) = &mut listening {
                    bar.at(seconds / length.max(seconds).max(1.0));
                }
            }
            Progress::Writing { done, total } => {
                if let Some(bar) = listening.take() {
                    bar.finish();
                }
                writing
                    .get_or_insert_with(|| cx.progress("Writing down"))
                    .at(done / total.max(0.001));
            }
        },
    );
    if let Some(bar) = listening.or(writing) {
        bar.finish();
    }
    heard.map_err(|error| match error.kind() {
        Kind::Cancelled => Error::new(
            Kind::Cancelled,
            "Stopped. The recording, and an earlier transcript if there is one, are untouched.",
        )
        .hint(format!("undertone transcribe {}", session.id())),
        _ => error,
    })
}

/// The transcript of what was heard in a session.
pub(super) fn assemble(
    id: SessionId,
    manifest: &Manifest,
    moments: &Moments,
    installed: &Installed,
    heard: Heard,
    cx: &Context,
) -> Transcript {
    let speakers = manifest
        .channels
        .iter()
        .map(|channel| {
            let role = match channel.role {
                crate::vault::Role::Therapist => transcript::Role::Therapist,
                crate::vault::Role::Client => transcript::Role::Client,
            };
            transcript::Speaker {
                id: role.id().to_owned(),
                channel: u8::try_from(channel.channel + 1).unwrap_or(u8::MAX),
                role,
            }
        })
        .collect();
    transcript::assemble(AssembleInput {
        session: transcript::Session {
            id: id.to_string(),
            started: Some(manifest.created),
            duration: heard.duration,
            sample_rate: manifest.sample_rate,
            title: manifest.title.clone(),
            client_code: manifest.client_code.clone(),
            untimed: false,
        },
        language: heard.language,
        model: transcript::Model {
            name: installed.name.clone(),
            sha256: installed.sha256.clone(),
            engine: speech::ENGINE_NAME.to_owned(),
        },
        speakers,
        channels: heard.channels,
        separation: heard.separation,
        gaps: manifest
            .gaps
            .iter()
            .map(|gap| Gap {
                start: gap.start_s,
                duration: gap.duration_s,
                reason: gap.reason.clone(),
            })
            .collect(),
        bookmarks: moments.bookmarks.clone(),
        created: cx.now(),
        tool: TOOL.to_owned(),
    })
}

/// A transcript as it is sealed.
pub(super) fn bytes(transcript: &Transcript) -> Result<zeroize::Zeroizing<Vec<u8>>> {
    serde_json::to_vec(transcript)
        .map(zeroize::Zeroizing::new)
        .map_err(|_| Error::new(Kind::Internal, "The transcript cannot be written."))
}

/// A model as the manifest names it.
pub(super) fn named(installed: &Installed) -> ModelInfo {
    ModelInfo {
        name: installed.name.clone(),
        sha256: installed.sha256.clone(),
    }
}

fn save(session: &OpenSession, transcript: &Transcript, installed: &Installed) -> Result<()> {
    let bytes = bytes(transcript)?;
    session.put_with(TRANSCRIPT, &bytes, |manifest| {
        manifest.model = Some(named(installed));
    })?;
    // What was found in the old words does not hold for the new ones.
    if session.has(super::analyze::ANALYSIS) {
        session.remove(super::analyze::ANALYSIS)?;
    }
    Ok(())
}

fn words(transcript: &Transcript) -> impl Iterator<Item = &speech::Word> {
    transcript.turns.iter().flat_map(|turn| &turn.words)
}

/// What came of it, and what to look at twice.
pub(super) fn tell(transcript: &Transcript, took: Duration, cx: &Context) {
    let suspects = words(transcript).filter(|word| word.suspect).count();
    cx.say(&format!(
        "Written down with {} in {}: {} words in {} turns.",
        transcript.model.name,
        terminal::in_words(took),
        words(transcript).count(),
        transcript.turns.len(),
    ));
    if suspects > 0 {
        cx.say(&format!(
            "{suspects} words are marked: the model may have invented them."
        ));
    }
    if words(transcript).next().is_none() {
        cx.warn("No words were found. Was anything said? Try: undertone check");
    }
    let turns = transcript.turns.iter();
    let unsure = turns.filter(|turn| turn.unsure()).count();
    if unsure > 0 {
        cx.warn(&format!(
            "{unsure} of {} turns are marked: it is unsure who speaks there.",
            transcript.turns.len()
        ));
    }
    if let Some(apart) = apart(&transcript.separation).filter(|apart| *apart < LITTLE_APART_DB) {
        cx.warn(&format!(
            "The microphones hold the two voices only {apart:.0} dB apart: who said what is less \
             certain."
        ));
    }
    cx.say(&format!("Next: undertone show {}", transcript.session.id));
}

/// Voices held apart by less than this, in dB, are told.
const LITTLE_APART_DB: f64 = 6.0;

/// How far the microphones hold the voices apart, in dB, whatever their gains: those shift one leak up and
/// the other down.
fn apart(separation: &Separation) -> Option<f64> {
    let leaks = separation.channels.iter().filter_map(|c| c.bleed_db);
    let (count, sum) = leaks.fold((0u32, 0.0), |(count, sum), db| (count + 1, sum - db));
    (count > 0).then(|| sum / f64::from(count))
}

/// Reads a small file the person named.
fn read_small(path: &Path) -> Result<Vec<u8>> {
    const LARGEST: u64 = 65_537;
    let failed = |error: std::io::Error| Error::io("reading", path, &error);
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .map_err(failed)?
        .take(LARGEST)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}
