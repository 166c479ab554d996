//! Invented sessions for the tests of this module and of those after it.

use proptest::prelude::*;

use super::{AssembleInput, Model, Role, Session, Speaker, Transcript, assemble};
use crate::speech::{ChannelSeparation, ChannelSpeech, Separation, Span, Word, WordVoice};

/// Words from `text@start-end` pieces, such as `well@1.0-1.3`; `~` in front makes one suspect.
pub(crate) fn words(line: &str) -> Vec<Word> {
    line.split_whitespace()
        .map(|piece| {
            let (text, times) = piece.rsplit_once('@').unwrap();
            let (start, end) = times.split_once('-').unwrap();
            Word {
                text: text.trim_start_matches('~').into(),
                start: start.parse().unwrap(),
                end: end.parse().unwrap(),
                probability: 0.9,
                suspect: text.starts_with('~'),
            }
        })
        .collect()
}

/// Evenly spoken words from `start` on, 0.3 s each.
pub(crate) fn say(start: f64, text: &str) -> Vec<Word> {
    text.split_whitespace()
        .zip(0_u32..)
        .map(|(text, n)| Word {
            text: text.into(),
            start: start + 0.3 * f64::from(n),
            end: start + 0.3 * f64::from(n) + 0.28,
            probability: 0.9,
            suspect: false,
        })
        .collect()
}

/// A session of this length in which the therapist is on channel 1 and the client on channel 2.
pub(crate) fn input(duration: f64, channels: Vec<ChannelSpeech>) -> AssembleInput {
    AssembleInput {
        session: Session {
            id: "01JDA7G7G0000000000000000A".into(),
            started: Some("2026-11-02T14:00:00Z".parse().unwrap()),
            duration,
            sample_rate: 16_000,
            title: Some("Fifth session".into()),
            client_code: Some("K-17".into()),
            untimed: false,
        },
        language: "en".into(),
        model: Model {
            name: "base".into(),
            sha256: "0".repeat(64),
            engine: "whisper.cpp 1.8.3".into(),
        },
        speakers: [(Role::Therapist, 1), (Role::Client, 2)]
            .map(|(role, channel)| Speaker {
                id: role.id().into(),
                channel,
                role,
            })
            .to_vec(),
        channels,
        separation: Separation {
            channels: [1, 2]
                .map(|channel| ChannelSeparation {
                    channel,
                    own_dbfs: Some(-24.5),
                    bleed_db: Some(-21.0),
                    worst_bleed_db: None,
                    noise_dbfs: Some(-62.0),
                })
                .to_vec(),
            margin_db: 6.0,
            leaked_words: 3,
            delay_ms: None,
        },
        gaps: Vec::new(),
        bookmarks: Vec::new(),
        created: "2026-11-02T15:10:00Z".parse().unwrap(),
        tool: "undertone 0.1.0".into(),
    }
}

/// The transcript of these words, the activity being that of the words.
pub(crate) fn session(duration: f64, therapist: Vec<Word>, client: Vec<Word>) -> Transcript {
    let channel = |words| ChannelSpeech {
        words,
        own: Vec::new(),
        voices: Vec::new(),
        wordless: Vec::new(),
        activity: Vec::new(),
    };
    assemble(input(duration, vec![channel(therapist), channel(client)]))
}

/// A short session with a question, a backchannel, a suspect word, a long silence and an overlap.
pub(crate) fn sample() -> Transcript {
    let mut client = say(
        4.0,
        "Honestly, I don't think this is working for me any more.",
    );
    client.extend(words("~Thanks.@9.0-9.4"));
    client.extend(say(14.0, "I keep coming and nothing has changed"));
    client.extend(say(16.1, "since the spring."));
    let mut therapist = say(1.0, "How have you been since last week?");
    therapist.extend(say(15.3, "Mm-hm."));
    therapist.extend(say(
        16.7,
        "I'm glad you say so. Is it the exercises, or something between us?",
    ));
    session(30.0, therapist, client)
}

/// Text of every nasty kind: markup, separators, control and direction characters, long words.
pub(crate) fn hostile_text() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(vec![
        "-->",
        "\"",
        "\"\"",
        ",",
        ";",
        "|",
        "=1+1",
        "@SUM(A1)",
        "+1",
        "-1",
        "\t=1",
        "<v Client>",
        "</v>",
        "&amp;",
        "<script>",
        "\r\n",
        "\n\n",
        "\u{2028}",
        "\u{202e}",
        "\0",
        "\u{1b}[31m",
        "WEBVTT",
        "NOTE",
        "STYLE",
        "{\\an8}",
        "*",
        "_",
        "`",
        "[x](y)",
        "#",
        "\u{feff}",
        "\u{ffff}",
        "Therapist:",
        "mm-hm",
        "don't",
        "naïve",
        "你好",
        "e\u{301}",
    ]);
    let long = "[a-z]{80,200}";
    prop::collection::vec(
        prop_oneof![8 => nasty.prop_map(String::from), 4 => any::<char>().prop_map(String::from), 1 => long],
        1..4,
    )
    .prop_map(|parts| parts.concat())
}

/// Words in time order with hostile text, some suspect, some of no length or far too long.
pub(crate) fn hostile_words() -> impl Strategy<Value = Vec<Word>> {
    prop::collection::vec(
        (
            hostile_text(),
            0_u32..4000,
            prop_oneof![9 => 0_u32..900, 1 => 0_u32..20_000],
            any::<bool>(),
        ),
        0..25,
    )
    .prop_map(|list| {
        let mut clock = 0.0;
        list.into_iter()
            .map(|(text, wait, length, suspect)| {
                let start = clock + f64::from(wait) / 1000.0;
                let end = start + f64::from(length) / 1000.0;
                clock = end;
                Word {
                    text,
                    start,
                    end,
                    probability: 0.5,
                    suspect,
                }
            })
            .collect()
    })
}

/// Transcripts of hostile words, with a hostile title and reason.
pub(crate) fn hostile_session() -> impl Strategy<Value = Transcript> {
    (
        hostile_words(),
        hostile_words(),
        hostile_text(),
        hostile_text(),
    )
        .prop_map(|(a, b, title, reason)| {
            let mut transcript = session(7200.0, a, b);
            transcript.session.title = Some(title);
            transcript.gaps.push(super::Gap {
                start: 7000.0,
                duration: 12.0,
                reason: reason.clone(),
            });
            transcript.bookmarks.push(super::Bookmark {
                at: 6900.0,
                text: Some(reason),
            });
            transcript
        })
}

/// Words with any times at all, not even in order.
pub(crate) fn wild_channel() -> impl Strategy<Value = ChannelSpeech> {
    let time = prop_oneof![
        12 => (0_u32..90_000).prop_map(|ms| f64::from(ms) / 1000.0),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -5.0, 1e300]),
    ];
    let word = ("[a-z?]{0,4}", time.clone(), time.clone(), any::<bool>()).prop_map(
        |(text, start, end, suspect)| Word {
            text,
            start,
            end,
            probability: 0.5,
            suspect,
        },
    );
    let span = (time.clone(), time).prop_map(|(start, end)| Span { start, end });
    (
        prop::collection::vec(word, 0..40),
        prop::collection::vec(span, 0..8),
        any::<bool>(),
        prop::collection::vec(prop_oneof![0.0f32..1.0, Just(f32::NAN), Just(7.0)], 40),
        any::<bool>(),
    )
        .prop_map(|(mut words, activity, sorted, mut own, measured)| {
            own.truncate(if measured { words.len() } else { 3 });
            let voices = own.iter().map(|&wild| WordVoice {
                seconds: f64::from(wild),
                loudness_dbfs: Some(-30.0 * wild),
                pitch_hz: Some(200.0 * wild),
            });
            if sorted {
                words.sort_by(|a, b| a.start.total_cmp(&b.start));
            }
            ChannelSpeech {
                voices: voices.collect(),
                wordless: activity.clone(),
                words,
                own,
                activity,
            }
        })
}

/// A bookmark without words at the start, and one with words that a file could stumble over.
pub(crate) fn bookmarks() -> Vec<super::Bookmark> {
    let mark = |at, text: Option<&str>| super::Bookmark {
        at,
        text: text.map(str::to_owned),
    };
    vec![mark(0.0, None), mark(2.5, Some("the <mother> -->\nagain"))]
}
