//! Transcripts that somebody else wrote: WebVTT with a voice for each speaker, and plain lines of
//! `Speaker: text`.
//!
//! Every file is hostile. What does not say who speaks is refused rather than guessed: words given
//! to the wrong person would be worse than none. No sentence of an error quotes the file.

mod plain;
mod webvtt;

use std::io::Read;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::spans::{finite, millis};
use super::talk::{overlaps, pauses};
use super::{Model, Role, SCHEMA, Session, Speaker, Transcript, Turn};
use crate::speech::{Separation, Span, Word};
use crate::{Error, Kind, Result};

/// Most turns that are taken in.
const MOST_TURNS: usize = 200_000;

/// What nobody measured is written as certain: nothing is known against these words.
const UNMEASURED: f32 = 1.0;

/// The session of a transcript that belongs to none: a ULID of nothing but zeros.
const NO_SESSION: &str = "00000000000000000000000000";

/// How a foreign transcript is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// WebVTT, each cue with its voice: `<v Client>I don't know.`
    WebVtt,
    /// Lines of `Speaker: text`, without times.
    Plain,
}

/// What the speakers of a foreign transcript are called there.
#[derive(Debug, Clone, Default)]
pub struct Called {
    /// The therapist's name; without it `therapist`, `T`, `counsellor` and the like.
    pub therapist: Option<String>,
    /// The client's name; without it `client`, `C`, `patient` and the like.
    pub client: Option<String>,
}

/// Names that need not be told, in lower case.
const THERAPIST: [&str; 6] = [
    "therapist",
    "t",
    "th",
    "counsellor",
    "counselor",
    "clinician",
];
const CLIENT: [&str; 5] = ["client", "c", "cl", "patient", "p"];

impl Called {
    /// Whose part somebody of this name has, if that is known. Case does not matter.
    fn role(&self, name: &str) -> Option<Role> {
        let name = name.trim().to_lowercase();
        let told = |given: &Option<String>| match given {
            Some(given) => given.trim().to_lowercase() == name,
            None => false,
        };
        // Who was told is who they are, also by a name that the other is known by.
        if told(&self.therapist) {
            Some(Role::Therapist)
        } else if told(&self.client) {
            Some(Role::Client)
        } else if self.therapist.is_none() && THERAPIST.contains(&name.as_str()) {
            Some(Role::Therapist)
        } else if self.client.is_none() && CLIENT.contains(&name.as_str()) {
            Some(Role::Client)
        } else {
            None
        }
    }

    /// Whether both have one name.
    fn both_alike(&self) -> bool {
        let bare = |name: &String| name.trim().to_lowercase();
        let names = (
            self.therapist.as_ref().map(bare),
            self.client.as_ref().map(bare),
        );
        names.0.is_some() && names.0 == names.1
    }
}

/// Reads a foreign transcript of at most `limit_bytes` bytes. Its language is taken to be English.
///
/// Word times are spread over each cue of WebVTT. Plain lines have no times: the result is marked
/// [`Session::untimed`], and its times only keep the order.
///
/// # Errors
/// [`Kind::Damaged`] when it is larger, not text in UTF-8, not in this form, or names a speaker
/// who is neither therapist nor client; the sentence says on which line. [`Kind::Disk`] when
/// reading fails.
pub fn convert(
    reader: impl Read,
    limit_bytes: u64,
    form: Form,
    called: &Called,
    created: Timestamp,
    tool: &str,
) -> Result<Transcript> {
    if called.both_alike() {
        return Err(
            refused("the therapist and the client have the same name".into())
                .hint("say who is who: --therapist NAME --client NAME"),
        );
    }
    let mut bytes = Zeroizing::new(Vec::new());
    reader
        .take(limit_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| {
            let kind = error.kind();
            Error::new(Kind::Disk, format!("The text could not be read ({kind})."))
        })?;
    if bytes.len() as u64 > limit_bytes {
        return Err(refused(format!("it is larger than {limit_bytes} bytes")));
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let at = error.valid_up_to();
        refused(format!("it is not text in UTF-8 (byte {at})"))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let turns = match form {
        Form::WebVtt => webvtt::turns(text, called)?,
        Form::Plain => plain::turns(text, called)?,
    };
    if turns.is_empty() {
        return Err(refused("nobody says anything in it".into()));
    }
    Ok(whole(turns, form, created, tool))
}

fn refused(what: String) -> Error {
    Error::new(
        Kind::Damaged,
        format!("This text cannot be taken for a transcript: {what}. Nothing was stored."),
    )
}

fn unknown_speaker(line: usize) -> Error {
    refused(format!(
        "line {line} names a speaker who is neither the therapist nor the client"
    ))
    .hint("say who is who: --therapist NAME --client NAME")
}

fn too_many() -> Error {
    refused(format!("it has more than {MOST_TURNS} turns"))
}

/// Words spread over a stretch of time by their length in characters.
fn spread(text: &str, start: f64, end: f64) -> Vec<Word> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let weight = |word: &str| word.chars().count() as f64 + 1.0;
    // The last word ends where the stretch does: no space follows it.
    let all = words.iter().fold(-1.0, |sum, word| sum + weight(word));
    let mut passed = 0.0;
    let at = |part: f64| millis(start + (end - start) * part / all.max(1.0));
    words
        .into_iter()
        .map(|text| {
            let from = at(passed);
            passed += weight(text);
            Word {
                text: text.into(),
                start: from,
                end: at(passed - 1.0).max(from),
                probability: UNMEASURED,
                suspect: false,
            }
        })
        .collect()
}

/// A turn of these words; its number is given later.
fn turn(role: Role, words: Vec<Word>) -> Turn {
    Turn {
        id: 0,
        speaker: role.id().into(),
        start: words.first().map_or(0.0, |word| word.start),
        end: words.iter().map(|word| word.end).fold(0.0, f64::max),
        backchannel: false,
        attribution: None,
        voice: None,
        words,
    }
}

fn whole(mut turns: Vec<Turn>, form: Form, created: Timestamp, tool: &str) -> Transcript {
    turns.sort_by(|a, b| a.start.total_cmp(&b.start));
    for (turn, id) in turns.iter_mut().zip(1..) {
        turn.id = id;
    }
    let speakers = [(Role::Therapist, 1), (Role::Client, 2)].map(|(role, channel)| Speaker {
        id: role.id().into(),
        channel,
        role,
    });
    let untimed = form == Form::Plain;
    let engine = match form {
        Form::WebVtt => "WebVTT",
        Form::Plain => "plain text",
    };
    let mut transcript = Transcript {
        schema: SCHEMA.into(),
        session: Session {
            id: NO_SESSION.into(),
            started: None,
            duration: finite(turns.iter().map(|turn| turn.end).fold(0.0, f64::max)),
            sample_rate: 0,
            title: None,
            client_code: None,
            untimed,
        },
        language: "en".into(),
        model: Model {
            name: "none".into(),
            sha256: String::new(),
            engine: engine.into(),
        },
        speakers: speakers.to_vec(),
        turns,
        overlaps: Vec::new(),
        pauses: Vec::new(),
        bookmarks: Vec::new(),
        wordless: Vec::new(),
        gaps: Vec::new(),
        activity: Vec::new(),
        separation: Separation {
            channels: Vec::new(),
            margin_db: 0.0,
            leaked_words: 0,
            delay_ms: None,
        },
        created,
        tool: tool.into(),
    };
    if !untimed {
        let talks: Vec<Vec<Span>> = speakers.iter().map(|s| transcript.talk(&s.id)).collect();
        let names: Vec<String> = speakers.iter().map(|s| s.id.clone()).collect();
        transcript.overlaps = overlaps(&talks);
        transcript.pauses = pauses(&names, &talks, &[]);
    }
    transcript
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transcript::testing::hostile_text;
    use crate::transcript::{export, parse};

    fn read(text: &str, form: Form) -> Result<Transcript> {
        let created = "2026-11-02T15:10:00Z".parse().unwrap();
        let called = Called::default();
        convert(text.as_bytes(), 1 << 20, form, &called, created, "test")
    }

    fn said(transcript: &Transcript) -> Vec<(String, String)> {
        let turns = transcript.turns.iter();
        turns.map(|t| (t.speaker.clone(), t.text())).collect()
    }

    #[test]
    fn plain_lines_become_turns_in_order_and_without_times() {
        let text = "T: How was it?\n\nClient: Well...\nnot so good: worse.\ntherapist: Oh.\n";
        let t = read(text, Form::Plain).unwrap();
        assert!(t.session.untimed);
        assert_eq!(t.turns.len(), 3);
        assert_eq!(said(&t)[1].1, "Well... not so good: worse.");
        assert!(t.pauses.is_empty());
    }

    #[test]
    fn names_of_their_own_are_told_and_others_refused() {
        let called = Called {
            therapist: Some("Dr May".into()),
            client: Some("sam".into()),
        };
        let of = |text: &str| {
            let created = "2026-11-02T15:10:00Z".parse().unwrap();
            convert(text.as_bytes(), 99, Form::Plain, &called, created, "test")
        };
        assert_eq!(of("Dr May: Hello.\nSam: Hi.").unwrap().turns.len(), 2);
        let error = of("Dr May: Hello.\nKim: Secret.").unwrap_err();
        assert!(error.sentence().contains("line 2"));
        assert!(!error.to_string().contains("Kim"));
        assert!(
            of(&"T: x\n".repeat(40))
                .unwrap_err()
                .sentence()
                .contains("larger")
        );
    }

    #[test]
    fn a_cue_may_have_two_voices_and_each_has_its_words() {
        let text = "WEBVTT\n\n00:01.000 --> 00:05.000\n<v Therapist>How was it?\n<v Client>You never listen to me.\n";
        let t = read(text, Form::WebVtt).unwrap();
        let of = |role: Role, words: &str| (role.id().to_owned(), words.to_owned());
        let both = [
            of(Role::Therapist, "How was it?"),
            of(Role::Client, "You never listen to me."),
        ];
        assert_eq!(said(&t), both);
        assert!(t.turns[0].end <= t.turns[1].start && t.turns[1].end <= 5.0);
        for nobodys in ["Well. <v Client>Yes.", "<v Client>Yes. <v Kim>No."] {
            let text = format!("WEBVTT\n\n00:01.000 --> 00:05.000\n{nobodys}\n");
            assert!(read(&text, Form::WebVtt).is_err(), "{nobodys}");
        }
    }

    #[test]
    fn a_line_of_somebody_else_is_nobodys_and_a_line_with_a_colon_goes_on() {
        for name in ["Client 2", "Speaker 2", "sam", "C (crying)", "Dr. Anna May"] {
            let text = format!("T: How was it?\n{name}: He never listens.\nC: I do.");
            assert!(read(&text, Form::Plain).is_err(), "{name}");
        }
        let goes_on = "T: How was it?\nC: It was\nnot so good: worse.";
        assert_eq!(read(goes_on, Form::Plain).unwrap().turns.len(), 2);
        let called = Called {
            therapist: None,
            client: Some("T".into()),
        };
        assert_eq!(called.role("t"), Some(Role::Client));
        let alike = Called {
            therapist: Some("A".into()),
            client: Some("a ".into()),
        };
        let created = "2026-11-02T15:10:00Z".parse().unwrap();
        let text = "A: One.".as_bytes();
        assert!(convert(text, 99, Form::Plain, &alike, created, "test").is_err());
    }

    #[test]
    fn cues_become_turns_with_times_overlaps_and_pauses() {
        let text = "WEBVTT - a talk\n\nNOTE x\n\n1\n00:01.000 --> 00:02.000 align:start\n\
            <v Therapist>How was that?\n\n00:00:06.000 --> 00:00:08.000\n<v.loud Client>It\n\
            isn&#39;t <c.suspect>[?Thanks.]</c> <i>working</i> &amp; so</v>\n\n\
            00:07.500 --> 00:08.500\n<v T>Mm.\n";
        let t = read(text, Form::WebVtt).unwrap();
        assert!(!t.session.untimed);
        assert_eq!(t.turns[1].text(), "It isn't working & so");
        assert!(t.turns[1].words.iter().any(|word| word.suspect));
        assert_eq!((t.pauses.len(), t.overlaps.len()), (1, 1));
        assert_eq!(t.turns[1].words[0].start, 6.0);
    }

    #[test]
    fn cues_of_one_speaker_that_overlap_are_one_turn_with_its_words_in_order() {
        let text = "WEBVTT\n\n00:01.000 --> 00:09.000\n<v T>one four\n\n00:02.000 --> 00:03.000\n<v C>Yes.\n\n\
            00:02.000 --> 00:04.000\n<v T>two three\n\n00:20.000 --> 00:21.000\n<v T>five\n";
        let t = read(text, Form::WebVtt).unwrap();
        let told: Vec<String> = t.turns.iter().map(|turn| turn.text()).collect();
        assert_eq!(told, ["one two three four", "Yes.", "five"]);
    }

    #[test]
    fn what_is_no_transcript_is_refused() {
        for (text, form) in [
            ("", Form::Plain),
            ("just words", Form::Plain),
            ("", Form::WebVtt),
            ("WEBVTT\n\n00:01.000 --> 00:02.000\nno voice", Form::WebVtt),
            ("WEBVTT\n\n00:01.000 --> soon\n<v T>Hi", Form::WebVtt),
            ("WEBVTT\n\n00:03.000 --> 00:02.000\n<v T>Hi", Form::WebVtt),
        ] {
            assert_eq!(
                read(text, form).unwrap_err().kind(),
                Kind::Damaged,
                "{text}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_comes_in_the_promises_hold(lines in prop::collection::vec(
            ("(T|C|Client|Kim|)", hostile_text(), 0_u32..90, 0_u32..90), 0..12)) {
            let plain: String = lines.iter().map(|(n, t, ..)| format!("{n}: {t}\n")).collect();
            let vtt: String = lines.iter()
                .map(|(n, t, a, b)| format!("00:{a:02}.000 --> 01:{b:02}.000\n<v {n}>{t}\n\n"))
                .collect();
            for (text, form) in [(plain, Form::Plain), (format!("WEBVTT\n\n{vtt}"), Form::WebVtt)] {
                if let Ok(t) = read(&text, form) {
                    let json = serde_json::to_vec(&t).unwrap();
                    prop_assert_eq!(parse(json.as_slice(), 1 << 24).unwrap(), t);
                }
            }
        }

        #[test]
        fn what_undertone_exports_it_takes_in_again(
            transcript in crate::transcript::testing::hostile_session()) {
            let mut out = Vec::new();
            export::write(&transcript, export::Format::Vtt, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            // A turn of nothing but invisible signs is nothing to take in.
            if transcript.turns.iter().any(|turn| turn.text().contains(char::is_alphanumeric)) {
                prop_assert!(read(&text, Form::WebVtt).is_ok());
            }
        }
    }
}
