//! Plain text: a line a turn, nothing but characters.

use std::io::{self, Write};

use crate::transcript::Transcript;
use crate::transcript::text::{Names, clock, plain};
use crate::transcript::timeline::{Item, heading, items, remark};

pub(super) fn write(transcript: &Transcript, out: &mut dyn Write) -> io::Result<()> {
    let names = Names::of(transcript);
    let heading = heading(transcript, &names, "[?word]");
    writeln!(out, "{}\n", heading.title)?;
    for (name, value) in &heading.facts {
        writeln!(out, "{name}: {value}")?;
    }
    writeln!(out)?;
    for note in &heading.notes {
        writeln!(out, "{note}")?;
    }
    writeln!(out)?;
    for item in items(transcript) {
        match item {
            Item::Turn(turn, place) => {
                let remark = remark(turn, place, &names).map(|r| r + " ");
                writeln!(
                    out,
                    "[{}] {}: {}{}",
                    clock(turn.start),
                    names.name(&turn.speaker),
                    remark.unwrap_or_default(),
                    plain(turn)
                )?;
            }
            Item::Beside(beside) => writeln!(out, "        {}", beside.in_words(&names))?,
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Format, text};
    use crate::transcript::testing::{hostile_session, sample};
    use crate::transcript::timeline::items;

    #[test]
    fn a_session_reads_from_top_to_bottom() {
        insta::assert_snapshot!(text(&sample(), Format::Txt), @r"
        Fifth session

        Date: 2026-11-02 14:00 UTC
        Length: 30 s
        Speakers: Therapist (channel 1), Client (channel 2)
        Written by: model base (whisper.cpp 1.8.3), undertone 0.1.0, 2026-11-02

        Confidential. Written by a speech model, not checked by a person: words may be wrong or missing.
        1 word marked like [?word] may have been made up by the model and not said.

        [00:01] Therapist: How have you been since last week?
        [00:04] Client: Honestly, I don't think this is working for me any more.
                · 7 s of silence ·
        [00:09] Client: [?Thanks.]
        [00:14] Client: I keep coming and nothing has changed since the spring.
        [00:15] Therapist: (while Client speaks) Mm-hm.
        [00:16] Therapist: (overlapping) I'm glad you say so. Is it the exercises, or something between us?
        ");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn nothing_said_can_make_a_line_of_its_own(transcript in hostile_session()) {
            let written = text(&transcript, Format::Txt);
            let body = written.split("\n\n").skip(3).collect::<Vec<_>>().join("\n\n");
            prop_assert_eq!(body.lines().count(), items(&transcript).len());
            prop_assert!(!written.replace('\n', "").chars().any(char::is_control));
        }
    }
}
