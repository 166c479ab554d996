//! Reading a transcript back. The file is hostile until every promise of the schema was checked.

use std::io::Read;

use zeroize::Zeroizing;

use super::{SCHEMA, Transcript, Turn};
use crate::speech::Span;
use crate::{Error, Kind, Result};

/// Longest session that a transcript may claim, in seconds (ten days and more).
const LONGEST: f64 = 1_000_000.0;

/// Most speakers that a transcript may list.
const MOST_SPEAKERS: usize = 32;

/// How far (in seconds) a time may lie beyond the end of the session: other tools round.
const SLACK: f64 = 1.0;

/// Reads a transcript in JSON, of at most `limit_bytes` bytes, and checks what its schema promises:
/// name and version, speakers that exist and have ids of their own, times that are finite, within
/// the session and in order, turn numbers that rise.
///
/// # Errors
/// [`Kind::Damaged`] when it is larger than that, not a transcript, of a version this program does
/// not know, or breaks a promise; the sentence says where, and never quotes the content.
/// [`Kind::Disk`] when reading fails.
pub fn parse(reader: impl Read, limit_bytes: u64) -> Result<Transcript> {
    let mut bytes = Zeroizing::new(Vec::new());
    reader
        .take(limit_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| match error.kind() {
            // Sealed streams report a cut or altered file this way.
            std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof => {
                damaged("it is cut or altered".into())
            }
            kind => Error::new(
                Kind::Disk,
                format!("The transcript could not be read ({kind})."),
            ),
        })?;
    if bytes.len() as u64 > limit_bytes {
        return Err(damaged(format!(
            "it is larger than {limit_bytes} bytes, which no session's transcript is"
        )));
    }
    let transcript: Transcript = match serde_json::from_slice(&bytes) {
        Ok(transcript) => transcript,
        Err(error) => return Err(unreadable(&bytes, &error)),
    };
    check(&transcript)?;
    Ok(transcript)
}

fn damaged(what: String) -> Error {
    Error::new(
        Kind::Damaged,
        format!("This transcript cannot be used: {what}. The recording is not touched by this."),
    )
    .hint("undertone transcribe SESSION   (writes the transcript again from the recording)")
}

/// Only the place is told: the JSON reader's own sentences quote what they choke on.
fn unreadable(bytes: &[u8], error: &serde_json::Error) -> Error {
    #[derive(serde::Deserialize)]
    struct Named {
        schema: String,
    }
    let (line, column) = (error.line(), error.column());
    match serde_json::from_slice::<Named>(bytes) {
        Ok(named) if named.schema != SCHEMA => other_schema(&named.schema),
        Ok(_) => damaged(format!(
            "something that {SCHEMA} asks for is missing or of the wrong kind (line {line}, column {column})"
        )),
        Err(_) if error.is_eof() => damaged("it ends too early".into()),
        Err(_) => damaged(format!(
            "it is not a transcript in JSON (line {line}, column {column})"
        )),
    }
}

fn other_schema(name: &str) -> Error {
    let version = name
        .strip_prefix("undertone-transcript/")
        .filter(|v| !v.is_empty() && v.len() <= 6 && v.bytes().all(|b| b.is_ascii_digit()));
    match version {
        Some(version) => Error::new(
            Kind::Damaged,
            format!(
                "This transcript is of version {version} of its format, which this undertone does \
                 not know."
            ),
        )
        .hint("Use the newer undertone that wrote it."),
        None => damaged(format!("its schema is not {SCHEMA}")),
    }
}

/// The promises of the schema, as far as types alone do not keep them.
fn check(transcript: &Transcript) -> Result<()> {
    if transcript.schema != SCHEMA {
        return Err(other_schema(&transcript.schema));
    }
    let end = transcript.session.duration;
    if !(0.0..=LONGEST).contains(&end) {
        return Err(damaged("the length of its session is impossible".into()));
    }
    let ids: Vec<&str> = transcript.speakers.iter().map(|s| s.id.as_str()).collect();
    if ids.len() > MOST_SPEAKERS {
        return Err(damaged(format!(
            "it lists more than {MOST_SPEAKERS} speakers"
        )));
    }
    for (index, id) in ids.iter().enumerate() {
        if id.is_empty() || id.len() > 64 || ids[..index].contains(id) {
            return Err(damaged(format!(
                "speaker {} has no id of their own",
                index + 1
            )));
        }
    }
    let known = |id: &str| ids.contains(&id);
    turns(&transcript.turns, end, &known)?;

    span_list(&transcript.overlaps, end, "overlaps")?;
    for activity in &transcript.activity {
        if !known(&activity.speaker) {
            return Err(damaged(
                "its activity names a speaker that is not listed".into(),
            ));
        }
        span_list(&activity.spans, end, "activity")?;
    }
    let mut reached = 0.0;
    for pause in &transcript.pauses {
        if !ordered(reached, pause.start, pause.end, end) {
            return Err(damaged("its pauses are not in order".into()));
        }
        if !known(&pause.after) || !known(&pause.before) {
            return Err(damaged(
                "one of its pauses names a speaker that is not listed".into(),
            ));
        }
        reached = pause.start;
    }
    let mut reached = 0.0;
    for sound in &transcript.wordless {
        if !ordered(reached, sound.start, sound.end, end) || !known(&sound.speaker) {
            return Err(damaged("its voices without words are not in order".into()));
        }
        reached = sound.start;
    }
    let mut reached = 0.0;
    for gap in &transcript.gaps {
        if !ordered(reached, gap.start, gap.start + gap.duration, end) {
            return Err(damaged("its gaps are not in order".into()));
        }
        reached = gap.start;
    }
    let mut reached = 0.0;
    for bookmark in &transcript.bookmarks {
        if !ordered(reached, bookmark.at, bookmark.at, end) {
            return Err(damaged("its bookmarks are not in order".into()));
        }
        reached = bookmark.at;
    }
    Ok(())
}

fn turns(turns: &[Turn], end: f64, known: &dyn Fn(&str) -> bool) -> Result<()> {
    let (mut number, mut reached) = (0, 0.0);
    // How far each speaker's words have come.
    let mut spoken: Vec<(&str, f64)> = Vec::new();
    for (index, turn) in turns.iter().enumerate() {
        let place = index + 1;
        if !known(&turn.speaker) {
            return Err(damaged(format!(
                "its turn {place} names a speaker that is not listed"
            )));
        }
        if turn.id <= number {
            return Err(damaged(format!(
                "the number of its turn {place} does not rise"
            )));
        }
        number = turn.id;
        if !ordered(reached, turn.start, turn.end, end) {
            return Err(damaged(format!("its turn {place} is not in order of time")));
        }
        reached = turn.start;
        let at = match spoken.iter().position(|(who, _)| *who == turn.speaker) {
            Some(at) => at,
            None => {
                spoken.push((&turn.speaker, 0.0));
                spoken.len() - 1
            }
        };
        for word in &turn.words {
            let (from, to) = (spoken[at].1.max(turn.start), turn.end.min(end + SLACK));
            if !ordered(from, word.start, word.end, to) || word.start > to || word.end > to {
                return Err(damaged(format!(
                    "a word of its turn {place} lies outside the turn or is not in order"
                )));
            }
            if !(0.0..=1.0).contains(&word.probability) {
                return Err(damaged(format!(
                    "a word of its turn {place} has an impossible probability"
                )));
            }
            spoken[at].1 = word.start;
        }
    }
    Ok(())
}

fn span_list(spans: &[Span], end: f64, what: &str) -> Result<()> {
    let mut reached = 0.0;
    for span in spans {
        if !ordered(reached, span.start, span.end, end) {
            return Err(damaged(format!("its {what} is not in order of time")));
        }
        reached = span.end;
    }
    Ok(())
}

/// Whether a stretch starts no earlier than `reached` and ends no earlier than it starts, within
/// a session of this length. False for what is not finite.
fn ordered(reached: f64, start: f64, stop: f64, end: f64) -> bool {
    (reached..=end + SLACK).contains(&start) && (start..=end + SLACK).contains(&stop)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::transcript::assemble;
    use crate::transcript::testing::{input, sample, wild_channel};

    const LIMIT: u64 = 1 << 20;

    fn read(value: &Value) -> Result<Transcript> {
        parse(value.to_string().as_bytes(), LIMIT)
    }

    /// The sample with one place changed.
    fn with(pointer: &str, value: Value) -> Result<Transcript> {
        let mut whole = serde_json::to_value(sample()).unwrap();
        *whole.pointer_mut(pointer).unwrap() = value;
        read(&whole)
    }

    #[test]
    fn each_broken_promise_is_an_error_that_says_where() {
        for (pointer, value, told) in [
            ("/session/duration", json!(-1.0), "length"),
            ("/session/duration", json!(1e9), "length"),
            ("/speakers/1/id", json!("therapist"), "speaker 2"),
            ("/turns/1/speaker", json!("nobody"), "turn 2"),
            ("/turns/1/id", json!(1), "turn 2"),
            ("/turns/1/start", json!(0.0), "turn 2"),
            ("/turns/0/end", json!(0.5), "turn 1"),
            ("/turns/0/words/1/start", json!(0.0), "turn 1"),
            ("/turns/0/words/1/start", json!(400.0), "turn 1"),
            ("/turns/0/words/1/probability", json!(7), "turn 1"),
            ("/pauses/0/after", json!("nobody"), "pauses"),
            ("/pauses/0/end", json!(0.0), "pauses"),
            ("/overlaps/0/end", json!(0.0), "overlaps"),
            ("/activity/0/speaker", json!("nobody"), "activity"),
        ] {
            let error = with(pointer, value).unwrap_err();
            assert_eq!(error.kind(), Kind::Damaged);
            assert!(
                error.sentence().contains(told),
                "{pointer}: {}",
                error.sentence()
            );
        }
    }

    #[test]
    fn a_crowd_of_speakers_is_refused() {
        let crowd: Vec<Value> = (0..33)
            .map(|n| json!({"id": format!("{n}"), "channel": 1, "role": "client"}))
            .collect();
        assert!(
            with("/speakers", json!(crowd))
                .unwrap_err()
                .sentence()
                .contains("32")
        );
    }

    #[test]
    fn a_newer_version_is_told_apart_from_something_else() {
        let error = with("/schema", json!("undertone-transcript/2")).unwrap_err();
        assert!(error.sentence().contains("version 2"));
        let error = read(&json!({"schema": "undertone-transcript/12"})).unwrap_err();
        assert!(error.sentence().contains("version 12"));
        let error = with("/schema", json!("undertone-transcript/secret")).unwrap_err();
        assert!(!error.sentence().contains("secret"));
    }

    #[test]
    fn errors_never_quote_what_was_said() {
        let error = with("/turns/0/start", json!("my secret words")).unwrap_err();
        assert!(!error.sentence().contains("secret"));
        assert!(error.sentence().contains("line 1"));
    }

    #[test]
    fn more_than_the_limit_is_not_read() {
        struct Endless(u64);
        impl Read for Endless {
            fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
                self.0 += into.len() as u64;
                assert!(self.0 < 1 << 16, "read on and on");
                into.fill(b' ');
                Ok(into.len())
            }
        }
        let error = parse(Endless(0), 1000).unwrap_err();
        assert!(error.sentence().contains("1000 bytes"));
    }

    #[test]
    fn a_cut_file_is_damaged() {
        let text = serde_json::to_string(&sample()).unwrap();
        for length in [0, 1, 40, text.len() / 2, text.len() - 1] {
            let error = parse(&text.as_bytes()[..length], LIMIT).unwrap_err();
            assert_eq!(error.kind(), Kind::Damaged);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_assemble_makes_reads_back_the_same(a in wild_channel(), b in wild_channel()) {
            let made = assemble(input(90.0, vec![a, b]));
            let text = serde_json::to_string(&made).unwrap();
            prop_assert_eq!(parse(text.as_bytes(), LIMIT).unwrap(), made);
        }

        #[test]
        fn a_flipped_byte_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = serde_json::to_vec(&sample()).unwrap();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = parse(bytes.as_slice(), LIMIT);
        }
    }
}
