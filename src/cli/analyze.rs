//! `undertone analyze`: finds passages where strain may have been voiced, and gathers the facts.

use clap::ValueEnum;

use super::{Context, TOOL, terminal, written};
use crate::rupture::{self, Agreement, Analysis, Judgements};
use crate::transcript::convert::{Called, Form, convert};
use crate::transcript::{Transcript, parse};
use crate::vault::{Event, OpenSession, Purpose, consent};
use crate::{Error, Kind, Result};

/// Name of the analysis inside a session.
pub const ANALYSIS: &str = "analysis.json";

/// Name of the therapist's judgements inside a session.
pub const JUDGEMENTS: &str = "judgements.json";

/// Largest file of judgements that is read, in bytes.
const LARGEST_JUDGEMENTS: u64 = 64 * 1024 * 1024;

/// Largest text that is read from stdin, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Arguments of `undertone analyze`.
#[derive(Debug, clap::Args)]
pub struct AnalyzeArgs {
    /// Which session: its id, the beginning of its id, or `last`
    #[arg(default_value = "last", conflicts_with = "stdin")]
    session: String,
    /// Tell how often you agreed with findings, month by month, over all sessions
    #[arg(long, conflicts_with_all = ["stdin", "session"])]
    stats: bool,
    /// Analyze a transcript from stdin instead; nothing is stored
    #[arg(long)]
    stdin: bool,
    /// How the transcript on stdin is written
    #[arg(long, default_value = "json", requires = "stdin")]
    from: From,
    /// What the therapist is called on stdin [default: therapist, T, counsellor, clinician]
    #[arg(long, value_name = "NAME", requires = "stdin")]
    therapist: Option<String>,
    /// What the client is called on stdin [default: client, C, patient]
    #[arg(long, value_name = "NAME", requires = "stdin")]
    client: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// JSON of schema undertone-transcript/1
    Json,
    /// WebVTT whose cues name their voice: <v Client>
    Webvtt,
    /// Lines of `Speaker: text`
    Plain,
}

/// Runs the command: seals the analysis in the session and tells it.
///
/// # Errors
/// [`Kind::NotFound`] if the session is not transcribed; [`Kind::Damaged`] if stdin holds no
/// transcript; what the vault gives.
pub fn run(args: &AnalyzeArgs, cx: &Context) -> Result<()> {
    if args.stats {
        return stats(cx);
    }
    if args.stdin {
        let transcript = from_stdin(args, cx)?;
        rupture::ready(&transcript.language)?;
        let analysis = analyze(&transcript, None, cx);
        return tell(&analysis, &Judgements::default(), cx);
    }
    let (unlocked, session) = cx.open(&args.session)?;
    let agreed = session.manifest()?.consent;
    consent::allow(
        agreed.as_ref(),
        Purpose::Analysis,
        &session.id().to_string(),
    )?;
    let (transcript, digest) = written::read_with_digest(&session)?;
    rupture::ready(&transcript.language)?;
    let analysis = analyze(&transcript, Some(digest), cx);
    let bytes = zeroize::Zeroizing::new(
        serde_json::to_vec(&analysis)
            .map_err(|_| Error::new(Kind::Internal, "The analysis cannot be written."))?,
    );
    session.put(ANALYSIS, &bytes)?;
    unlocked
        .vault()
        .note(Event::AnalysisWritten, Some(&session.id()), cx.now())?;
    tell(&analysis, &judgements(&session)?, cx)?;
    if !cx.json {
        let id = session.id();
        cx.say(&format!(
            "Your judgement: undertone judge {id} NUMBER agree|disagree|recode KIND"
        ));
        cx.say(&format!(
            "What is missing: undertone judge {id} TURN add KIND"
        ));
    }
    Ok(())
}

fn analyze(transcript: &Transcript, digest: Option<String>, cx: &Context) -> Analysis {
    let mut progress = cx.progress("Reading");
    let now = cx.now();
    let mut done = |share| progress.at(share);
    let analysis = Analysis::of_telling(transcript, digest, now, TOOL, &mut done);
    progress.finish();
    analysis
}

/// The therapist's judgements of a session; none where there are none yet.
///
/// # Errors
/// [`Kind::Damaged`] if they cannot be read.
pub fn judgements(session: &OpenSession) -> Result<Judgements> {
    if !session.has(JUDGEMENTS) {
        return Ok(Judgements::default());
    }
    Judgements::parse(&session.read(JUDGEMENTS, LARGEST_JUDGEMENTS)?)
}

/// Judgements of a month, by when the session was.
#[derive(Default, serde::Serialize)]
struct Month {
    month: String,
    sessions: u64,
    #[serde(flatten)]
    agreement: Agreement,
}

fn stats(cx: &Context) -> Result<()> {
    let vault = cx.vault()?;
    cx.shut_in(&[&vault.identity_path()], &[]);
    let unlocked = cx.unlock()?;
    let mut months: std::collections::BTreeMap<String, Month> = std::collections::BTreeMap::new();
    for entry in vault.sessions()? {
        let found = match unlocked.session(&entry.id) {
            Ok(session) if session.has(JUDGEMENTS) => judgements(&session),
            Ok(_) => continue,
            Err(error) => Err(error),
        };
        match found {
            Ok(found) if found.judgements.is_empty() => {}
            Ok(found) => {
                let month = entry.id.time().strftime("%Y-%m").to_string();
                let row = months.entry(month.clone()).or_default();
                row.month = month;
                row.sessions += 1;
                row.agreement += found.agreement();
            }
            Err(error) => cx.warn(&format!("{}: {}", entry.id, error.sentence())),
        }
    }
    let months: Vec<Month> = months.into_values().collect();
    if cx.json {
        return cx.print_json(&months);
    }
    if months.is_empty() {
        cx.say("No finding was judged yet.");
        cx.say("Next: undertone judge last 1 agree");
        return Ok(());
    }
    cx.print("Month    sessions  agreed  disagreed  recoded  added by hand")?;
    for row in &months {
        let own = row.agreement;
        cx.print(&format!(
            "{}  {:>8}  {:>6}  {:>9}  {:>7}  {:>13}",
            row.month, row.sessions, own.agreed, own.disagreed, own.recoded, own.added
        ))?;
    }
    Ok(())
}

/// The transcript on stdin. No vault is needed for it and no passphrase.
fn from_stdin(args: &AnalyzeArgs, cx: &Context) -> Result<Transcript> {
    let named = args.therapist.is_some() || args.client.is_some();
    if named && args.from == From::Json {
        return Err(Error::new(
            Kind::Usage,
            "A transcript in JSON says itself who is who: --therapist and --client are for text.",
        )
        .hint("undertone analyze --stdin --from webvtt|plain --therapist NAME --client NAME"));
    }
    cx.shut_in(&[], &[]);
    let stdin = std::io::stdin().lock();
    let form = match args.from {
        From::Json => {
            return parse(stdin, LARGEST).map_err(|error| {
                // The hint of a sealed transcript would lead nowhere here.
                Error::new(error.kind(), error.sentence())
                    .hint("undertone schema transcript   (prints what is expected)")
            });
        }
        From::Webvtt => Form::WebVtt,
        From::Plain => Form::Plain,
    };
    let called = Called {
        therapist: args.therapist.clone(),
        client: args.client.clone(),
    };
    convert(stdin, LARGEST, form, &called, cx.now(), TOOL)
}

fn tell(analysis: &Analysis, judgements: &Judgements, cx: &Context) -> Result<()> {
    if cx.json {
        return cx.print_json(analysis);
    }
    for line in rupture::tell(analysis, judgements, terminal::columns()) {
        cx.print(&line)?;
    }
    Ok(())
}
