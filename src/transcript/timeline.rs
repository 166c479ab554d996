//! The order in which a transcript is read: turns, silences and gaps by time, and how each turn
//! stands to the other speaker's. Used by every form that a person reads.

use super::text::{Names, clean, clock, length};
use super::{Bookmark, Gap, OVERLAP_SECONDS, Pause, Transcript, Turn, Wordless};

/// Shortest silence that is shown between turns, in seconds.
pub const SHOWN_PAUSE_SECONDS: f64 = 3.0;

/// Something on the page.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Item<'a> {
    Turn(&'a Turn, Place),
    Beside(Beside<'a>),
}

/// What stands between the turns, on a line of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Beside<'a> {
    Pause(&'a Pause),
    Gap(&'a Gap),
    Bookmark(&'a Bookmark),
    Wordless(&'a Wordless),
}

impl Beside<'_> {
    /// The line, in words.
    pub(crate) fn in_words(self, names: &Names<'_>) -> String {
        match self {
            Beside::Pause(pause) => silence(pause),
            Beside::Gap(gap) => missing(gap),
            Beside::Bookmark(mark) => marked_moment(mark),
            Beside::Wordless(sound) => without_words(sound, names),
        }
    }
}

/// How a turn stands to the other speaker's talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It has the floor.
    Alone,
    /// It begins while the other still talks.
    Overlapping,
    /// A short answer inside the other's turn.
    Backchannel,
}

/// Everything in order of start. Turns without a word that can be shown are left out.
pub(crate) fn items(transcript: &Transcript) -> Vec<Item<'_>> {
    let mut items: Vec<(f64, Item<'_>)> = Vec::new();
    let mut open: Vec<(&str, f64)> = Vec::new();
    for turn in &transcript.turns {
        let begun = turn.start + OVERLAP_SECONDS;
        let inside = open
            .iter()
            .any(|(speaker, end)| *speaker != turn.speaker && *end >= begun);
        let place = if turn.backchannel {
            Place::Backchannel
        } else if inside && at_once(transcript, turn) {
            Place::Overlapping
        } else {
            Place::Alone
        };
        if turn.words.iter().any(|word| !clean(&word.text).is_empty()) {
            items.push((turn.start, Item::Turn(turn, place)));
        }
        open.retain(|(speaker, end)| *speaker != turn.speaker && *end > turn.start);
        open.push((&turn.speaker, turn.end));
    }
    for pause in &transcript.pauses {
        if pause.end - pause.start >= SHOWN_PAUSE_SECONDS {
            items.push((pause.start, Item::Beside(Beside::Pause(pause))));
        }
    }
    items.extend(
        transcript
            .gaps
            .iter()
            .map(|gap| (gap.start, Item::Beside(Beside::Gap(gap)))),
    );
    items.extend(
        transcript
            .bookmarks
            .iter()
            .map(|bookmark| (bookmark.at, Item::Beside(Beside::Bookmark(bookmark)))),
    );
    items.extend(
        transcript
            .wordless
            .iter()
            .map(|sound| (sound.start, Item::Beside(Beside::Wordless(sound)))),
    );
    items.sort_by(|a, b| a.0.total_cmp(&b.0));
    items.into_iter().map(|(_, item)| item).collect()
}

/// Whether the sound says so too: both were heard at once while the turn lasted.
fn at_once(transcript: &Transcript, turn: &Turn) -> bool {
    let first = transcript
        .overlaps
        .partition_point(|span| span.end <= turn.start);
    transcript
        .overlaps
        .get(first)
        .is_some_and(|span| span.start < turn.end)
}

/// What stands in front of a turn's words, if anything.
pub(crate) fn remark(turn: &Turn, place: Place, names: &Names<'_>) -> Option<String> {
    let place = match place {
        Place::Alone => None,
        Place::Overlapping => Some("overlapping".to_owned()),
        Place::Backchannel => Some(format!("while {} speaks", names.other(&turn.speaker))),
    };
    let unsure = turn.unsure().then(|| "unsure who speaks".to_owned());
    let remarks: Vec<String> = place.into_iter().chain(unsure).collect();
    (!remarks.is_empty()).then(|| format!("({})", remarks.join(", ")))
}

/// `· 4 s of silence ·`
fn silence(pause: &Pause) -> String {
    format!("· {} of silence ·", length(pause.end - pause.start))
}

/// `· 12 s not recorded: off the record ·`
fn missing(gap: &Gap) -> String {
    let what = match gap.duration {
        0.0 => "some sound may be missing".to_owned(),
        seconds => format!("{} not recorded", length(seconds)),
    };
    match clean(&gap.reason) {
        reason if reason.is_empty() => format!("· {what} ·"),
        reason => format!("· {what}: {reason} ·"),
    }
}

/// `· Client: a voice without words, 2 s ·`
fn without_words(sound: &Wordless, names: &Names<'_>) -> String {
    let length = length(sound.end - sound.start);
    let name = names.name(&sound.speaker);
    format!("· {name}: a voice without words, {length} ·")
}

/// `» 12:41 bookmark: the text`
fn marked_moment(bookmark: &Bookmark) -> String {
    let text = clean(bookmark.text.as_deref().unwrap_or_default());
    let at = clock(bookmark.at);
    if text.is_empty() {
        format!("» {at} bookmark")
    } else {
        format!("» {at} bookmark: {text}")
    }
}

/// What stands above a transcript.
pub(crate) struct Heading {
    /// The session's title, or a general one.
    pub(crate) title: String,
    /// What is what: a name and a value each.
    pub(crate) facts: Vec<(&'static str, String)>,
    /// Sentences a reader must know.
    pub(crate) notes: Vec<String>,
}

/// The heading. The client's code is not part of it: a page that is passed on should not carry
/// more than the reader asked for.
pub(crate) fn heading(transcript: &Transcript, names: &Names<'_>, suspect: &str) -> Heading {
    let title = clean(transcript.session.title.as_deref().unwrap_or_default());
    let mut facts = Vec::new();
    if let Some(started) = transcript.session.started {
        facts.push(("Date", moment(started)));
    }
    facts.push(("Length", length(transcript.session.duration)));
    let speakers: Vec<String> = transcript
        .speakers
        .iter()
        .map(|s| format!("{} (channel {})", names.name(&s.id), s.channel))
        .collect();
    facts.push(("Speakers", speakers.join(", ")));
    facts.push((
        "Written by",
        format!(
            "model {} ({}), {}, {}",
            clean(&transcript.model.name),
            clean(&transcript.model.engine),
            clean(&transcript.tool),
            transcript.created.strftime("%Y-%m-%d")
        ),
    ));

    let mut notes = vec![
        "Confidential. Written by a speech model, not checked by a person: words may be wrong or \
         missing."
            .to_owned(),
    ];
    let words = transcript.turns.iter().flat_map(|turn| &turn.words);
    let count = words.filter(|word| word.suspect).count();
    if count > 0 {
        let words = if count == 1 { "word" } else { "words" };
        notes.push(format!(
            "{count} {words} marked like {suspect} may have been made up by the model and not said."
        ));
    }
    Heading {
        title: if title.is_empty() {
            "Session transcript".into()
        } else {
            title
        },
        facts,
        notes,
    }
}

fn moment(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::transcript::testing::{sample, say, session};

    fn kinds(transcript: &Transcript) -> Vec<&'static str> {
        items(transcript)
            .iter()
            .map(|item| match item {
                Item::Turn(_, Place::Alone) => "turn",
                Item::Turn(_, Place::Overlapping) => "overlapping",
                Item::Turn(_, Place::Backchannel) => "backchannel",
                Item::Beside(Beside::Pause(_)) => "pause",
                Item::Beside(Beside::Gap(_)) => "gap",
                Item::Beside(Beside::Bookmark(_)) => "bookmark",
                Item::Beside(Beside::Wordless(_)) => "wordless",
            })
            .collect()
    }

    #[test]
    fn silences_stand_between_the_turns_they_part() {
        let found = kinds(&sample());
        assert_eq!(
            found,
            [
                "turn",
                "turn",
                "pause",
                "turn",
                "turn",
                "backchannel",
                "overlapping"
            ]
        );
    }

    #[test]
    fn bookmarks_and_gaps_stand_where_they_were_set() {
        let mut t = sample();
        t.bookmarks = vec![super::super::Bookmark {
            at: 13.0,
            text: Some("a\nrupture?".into()),
        }];
        t.gaps.push(Gap {
            start: 20.0,
            duration: 5.0,
            reason: "off the record".into(),
        });
        let found = kinds(&t);
        assert_eq!(found[3..5], ["turn", "bookmark"]);
        assert_eq!(found.last(), Some(&"gap"));
        assert_eq!(missing(&t.gaps[0]), "· 5 s not recorded: off the record ·");
        t.gaps[0].duration = 0.0;
        t.gaps[0].reason = "the computer slept".into();
        let told = "· some sound may be missing: the computer slept ·";
        assert_eq!(missing(&t.gaps[0]), told);
        assert_eq!(
            marked_moment(&t.bookmarks[0]),
            "» 00:13 bookmark: a rupture?"
        );
    }

    #[test]
    fn only_who_comes_in_is_marked_as_overlapping() {
        let client = say(0.0, "I do not want to talk about my father again today");
        let t = session(9.0, say(1.0, "But last week you said"), client);
        assert_eq!(kinds(&t), ["turn", "overlapping"]);
    }

    #[test]
    fn the_heading_warns_of_suspect_words_only_where_there_are_some() {
        let t = sample();
        let with = heading(&t, &Names::of(&t), "[?word]");
        assert!(with.notes.iter().any(|note| note.contains("[?word]")));
        let t = session(9.0, say(0.0, "Hello there."), Vec::new());
        assert_eq!(heading(&t, &Names::of(&t), "[?word]").notes.len(), 1);
    }
}
