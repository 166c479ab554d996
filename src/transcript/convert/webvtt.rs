//! WebVTT whose cues name their voice. Knows what speech needs of the format: cues, voices, the
//! class of suspect words; styles, regions, notes and cue settings are passed over.

use std::collections::HashMap;

use super::{Called, MOST_TURNS, UNMEASURED, refused, spread, too_many, turn, unknown_speaker};
use crate::Result;
use crate::speech::Word;
use crate::transcript::{OWN_PAUSE, Role, Turn};

/// Latest time that a cue may have, in seconds.
const LATEST: f64 = 900_000.0;

/// The turns of a file: cues of one voice that follow closely are one turn.
pub(super) fn turns(text: &str, called: &Called) -> Result<Vec<Turn>> {
    let mut lines = text.lines().zip(1..).peekable();
    let first = lines.next().map_or("", |(line, _)| line);
    if !first.starts_with("WEBVTT") {
        return Err(refused("it does not begin with WEBVTT".into()));
    }
    let mut turns: Vec<Turn> = Vec::new();
    let mut cues = 0;
    while let Some((line, number)) = lines.next() {
        if !line.contains("-->") {
            continue;
        }
        cues += 1;
        if cues > MOST_TURNS {
            return Err(too_many());
        }
        let (start, end) =
            times(line).ok_or_else(|| refused(format!("the times of line {number} are wrong")))?;
        let mut payload = String::new();
        while let Some((line, _)) = lines.next_if(|(line, _)| !line.trim().is_empty()) {
            if !payload.is_empty() {
                payload.push(' ');
            }
            payload.push_str(line);
        }
        let Some(voices) = voices(&payload) else {
            return Err(refused(format!(
                "the cue of line {number} does not say who speaks (<v Name>)"
            )));
        };
        // The time of a cue is shared by its voices by how much each says.
        let whole: usize = voices.iter().map(|(_, said)| said.len()).sum();
        let at = |said: usize| start + (end - start) * said as f64 / whole.max(1) as f64;
        let mut passed = 0;
        for (voice, said) in voices {
            let role = called
                .role(&unescape(voice))
                .ok_or_else(|| unknown_speaker(number))?;
            let from = at(passed);
            passed += said.len();
            let words = words(said, from, at(passed));
            if !words.is_empty() {
                go_on(&mut turns, role, words);
            }
        }
    }
    Ok(in_order(turns))
}

/// Adds words to the last turn where the same voice goes on closely, or else as a turn.
fn go_on(turns: &mut Vec<Turn>, role: Role, words: Vec<Word>) {
    let start = words.first().map_or(0.0, |word| word.start);
    match turns.last_mut() {
        Some(last)
            if last.speaker == role.id() && start >= last.end && start - last.end <= OWN_PAUSE =>
        {
            last.end = words.iter().map(|word| word.end).fold(last.end, f64::max);
            last.words.extend(words);
        }
        _ => turns.push(turn(role, words)),
    }
}

/// Words of one speaker must not go back in time: turns of theirs that overlap become one.
fn in_order(mut turns: Vec<Turn>) -> Vec<Turn> {
    turns.sort_by(|a, b| a.start.total_cmp(&b.start));
    let mut kept: Vec<Turn> = Vec::with_capacity(turns.len());
    // By speaker, where their last turn is kept.
    let mut last: HashMap<String, usize> = HashMap::new();
    for turn in turns {
        match last.get(&turn.speaker).map(|at| &mut kept[*at]) {
            Some(before) if before.end > turn.start => {
                before.words.extend(turn.words);
                before.end = before.end.max(turn.end);
            }
            _ => {
                last.insert(turn.speaker.clone(), kept.len());
                kept.push(turn);
            }
        }
    }
    for turn in &mut kept {
        turn.words.sort_by(|a, b| a.start.total_cmp(&b.start));
    }
    kept
}

/// `00:01.000 --> 01:02:03.500`, settings after it passed over.
fn times(line: &str) -> Option<(f64, f64)> {
    let (start, rest) = line.split_once("-->")?;
    let start = time(start.trim())?;
    let end = time(rest.split_whitespace().next()?)?;
    (start <= end && end <= LATEST).then_some((start, end))
}

fn time(text: &str) -> Option<f64> {
    let (whole, millis) = text.split_once('.')?;
    if millis.len() != 3 {
        return None;
    }
    let number = |digits: &str| {
        let fine = !digits.is_empty() && digits.len() <= 5;
        (fine && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse::<u32>().ok())?
    };
    let mut seconds = 0.0;
    let mut parts = 0;
    for part in whole.split(':') {
        seconds = seconds * 60.0 + f64::from(number(part)?);
        parts += 1;
    }
    ((2..=3).contains(&parts)).then_some(seconds + f64::from(number(millis)?) / 1000.0)
}

/// The voices of a cue, `<v Name>` or `<v.class Name>`, and what each says; none where something is said before the first.
fn voices(payload: &str) -> Option<Vec<(&str, &str)>> {
    let begins = |text: &str| {
        let mut tags = text.match_indices("<v");
        let named = |(at, _): &(usize, &str)| text[at + 2..].starts_with(['.', ' ', '\t']);
        tags.find(named).map(|(at, _)| at)
    };
    let first = begins(payload)?;
    if !words(&payload[..first], 0.0, 0.0).is_empty() {
        return None;
    }
    let (mut found, mut rest) = (Vec::new(), &payload[first..]);
    while !rest.is_empty() {
        let (tag, after) = rest.split_once('>')?;
        let (_, name) = tag.split_once([' ', '\t'])?;
        let said;
        (said, rest) = after.split_at(begins(after).unwrap_or(after.len()));
        found.push((name.trim(), said));
    }
    Some(found)
}

/// The words of a cue without its tags; those in class `suspect` are marked.
fn words(payload: &str, start: f64, end: f64) -> Vec<Word> {
    let (mut text, mut suspect) = (String::new(), false);
    // Whether each word is suspect, decided by where it begins.
    let mut marks = Vec::new();
    let mut rest = payload;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('<')
            && let Some((tag, after)) = after.split_once('>')
        {
            match tag {
                "/c" => suspect = false,
                tag if tag.starts_with("c.") => suspect = tag.split('.').any(|c| c == "suspect"),
                _ => {}
            }
            rest = after;
            continue;
        }
        let next = rest
            .char_indices()
            .skip(1)
            .find(|(_, c)| *c == '<')
            .map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(next);
        let piece = unescape(piece);
        let joins = text.ends_with(|c: char| !c.is_whitespace())
            && piece.starts_with(|c: char| !c.is_whitespace());
        let count = piece.split_whitespace().count();
        marks.extend(std::iter::repeat_n(
            suspect,
            count.saturating_sub(usize::from(joins)),
        ));
        text.push_str(&piece);
        rest = after;
    }
    let mut words = spread(&text, start, end);
    for (word, suspect) in words.iter_mut().zip(marks) {
        if suspect {
            word.suspect = true;
            let bare = word
                .text
                .strip_prefix("[?")
                .and_then(|t| t.strip_suffix(']'));
            if let Some(bare) = bare {
                word.text = bare.into();
            }
            word.probability = UNMEASURED;
        }
    }
    words
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&nbsp;", " ")
        .replace("&lrm;", "")
        .replace("&rlm;", "")
        .replace("&#39;", "'")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}
