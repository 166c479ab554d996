//! Making text safe to show, and times readable. Changes nothing that is stored.

use super::{Role, Transcript, Turn};

/// The text on one line, with nothing in it that controls a terminal, a page's direction or a
/// file's structure: control characters and marks that reorder or hide text are left out, line
/// breaks become spaces. Everything that is read aloud stays.
pub(crate) fn clean(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_whitespace() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}') {
            if !safe.is_empty() && !safe.ends_with(' ') {
                safe.push(' ');
            }
        } else if !hidden(c) {
            safe.push(c);
        }
    }
    if safe.ends_with(' ') {
        safe.pop();
    }
    safe
}

/// Control characters, direction marks, invisible characters and code points that are none.
/// The joiners U+200C and U+200D stay: words of several scripts need them.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
        || (c as u32) & 0xfffe == 0xfffe
        || matches!(c, '\u{fdd0}'..='\u{fdef}')
}

/// A turn's words as they can be shown, and whether each is suspect. Words of which nothing can
/// be shown are left out.
pub(crate) fn shown(turn: &Turn) -> impl Iterator<Item = (String, bool)> + '_ {
    turn.words
        .iter()
        .map(|word| (clean(&word.text), word.suspect))
        .filter(|(text, _)| !text.is_empty())
}

/// One word for plain text: suspect ones as `[?word]`, and no other looks like that.
pub(crate) fn marked(word: &str, suspect: bool) -> String {
    let word = word.replace("[?", "[ ?");
    if suspect { format!("[?{word}]") } else { word }
}

/// A turn on one line of plain text, suspect words as `[?word]`.
pub(crate) fn plain(turn: &Turn) -> String {
    let words: Vec<String> = shown(turn)
        .map(|(text, suspect)| marked(&text, suspect))
        .collect();
    words.join(" ")
}

/// Whole milliseconds of a time; zero for what is negative or not a number.
pub(crate) fn to_millis(seconds: f64) -> u64 {
    // A float cast saturates, and takes NaN to zero.
    (seconds * 1000.0).round() as u64
}

/// A time as `mm:ss`, from one hour on as `h:mm:ss`; parts of a second are cut off.
pub(crate) fn clock(seconds: f64) -> String {
    let whole = to_millis(seconds) / 1000;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

/// A time as subtitles write it, `hh:mm:ss` and milliseconds after `mark`.
pub(crate) fn stamp(millis: u64, mark: char) -> String {
    let (whole, rest) = (millis / 1000, millis % 1000);
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}{mark}{rest:03}")
}

/// A length of time in words, such as `4 s`, `52 min 10 s` or `1 h 02 min`.
pub(crate) fn length(seconds: f64) -> String {
    let whole = to_millis(seconds).saturating_add(500) / 1000;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

/// What speakers are called on paper and screen.
pub(crate) struct Names<'a> {
    known: Vec<(&'a str, String, Option<Role>)>,
}

impl<'a> Names<'a> {
    /// `Therapist` and `Client`; with the channel where a role is there more than once.
    pub(crate) fn of(transcript: &'a Transcript) -> Self {
        let speakers = &transcript.speakers;
        let known = speakers
            .iter()
            .map(|speaker| {
                let alone = speakers.iter().filter(|s| s.role == speaker.role).count() == 1;
                let label = speaker.role.label();
                let name = if alone {
                    label.to_owned()
                } else {
                    format!("{label} {}", speaker.channel)
                };
                (speaker.id.as_str(), name, Some(speaker.role))
            })
            .collect();
        Names { known }
    }

    /// The name of the speaker of this id.
    pub(crate) fn name(&self, id: &str) -> &str {
        self.known
            .iter()
            .find(|(known, ..)| *known == id)
            .map_or("Somebody", |(_, name, _)| name)
    }

    /// The role of the speaker of this id.
    pub(crate) fn role(&self, id: &str) -> Option<Role> {
        self.known
            .iter()
            .find(|(known, ..)| *known == id)
            .and_then(|(.., role)| *role)
    }

    /// The name of the one other speaker, where there is exactly one.
    pub(crate) fn other(&self, id: &str) -> &str {
        let mut others = self.known.iter().filter(|(known, ..)| *known != id);
        match (others.next(), others.next()) {
            (Some((_, name, _)), None) => name,
            _ => "another",
        }
    }

    /// Characters of the longest name.
    pub(crate) fn longest(&self) -> usize {
        self.known
            .iter()
            .map(|(_, name, _)| name.chars().count())
            .max()
            .unwrap_or(0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_read_as_a_person_writes_them() {
        assert_eq!(clock(3.9), "00:03");
        assert_eq!(clock(3599.9), "59:59");
        assert_eq!(clock(3725.0), "1:02:05");
        assert_eq!(clock(f64::NAN), "00:00");
        assert_eq!(stamp(3_725_042, '.'), "01:02:05.042");
        assert_eq!(length(4.2), "4 s");
        assert_eq!(length(3130.0), "52 min 10 s");
        assert_eq!(length(3725.0), "1 h 02 min");
    }

    #[test]
    fn a_word_cannot_pass_for_a_suspect_one() {
        assert_eq!(marked("[?no]", false), "[ ?no]");
        assert_eq!(marked("no", true), "[?no]");
    }

    #[test]
    fn hidden_and_reordering_characters_go_and_speech_stays() {
        assert_eq!(clean(" a\u{202e}b\u{0}\u{1b}[31m\r\n\tc "), "ab[31m c");
        assert_eq!(clean("naïve e\u{301} 你好"), "naïve e\u{301} 你好");
        assert_eq!(clean("\u{feff}\u{200b}"), "");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn clean_text_is_one_line_and_stays_the_same_when_cleaned_again(text in any::<String>()) {
            let safe = clean(&text);
            prop_assert!(!safe.chars().any(char::is_control));
            prop_assert_eq!(safe.trim(), safe.as_str());
            prop_assert_eq!(&clean(&safe), &safe);
        }
    }
}
