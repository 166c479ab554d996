//! The screen as lines. Everything that colour says is also said in words, and what does not fit a
//! small terminal is left out from the least important up: the state and the meters come last.

use std::time::Duration;

use ratatui::Frame;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::keys::{Keys, Mode};
use crate::cli::record::view::{Channel, View};
use crate::cli::terminal;

/// The quietest level that a meter shows, in dBFS.
const BOTTOM: f32 = -60.0;
/// From here on, in dB, two people are held apart well enough: the value at which `check` is
/// content.
const WELL_APART: f32 = 10.0;
/// Most lines of words.
const WORD_LINES: usize = 8;
/// Columns of the names at the left.
const NAME: usize = 12;

/// A line, and how soon it is left out: the largest number first.
struct Row(u8, Line<'static>);

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, view: &View, keys: &Keys) {
    let area = frame.area();
    let rows = rows(view, keys, usize::from(area.width));
    let lines = fit(rows, usize::from(area.height));
    frame.render_widget(Paragraph::new(lines), area);
}

/// At most `height` lines.
fn fit(mut rows: Vec<Row>, height: usize) -> Vec<Line<'static>> {
    while rows.len() > height {
        let least = rows.iter().map(|row| row.0).max().unwrap_or(0);
        match rows.iter().rposition(|row| row.0 == least) {
            Some(at) => rows.remove(at),
            None => break,
        };
    }
    rows.into_iter().map(|row| row.1).collect()
}

fn rows(view: &View, keys: &Keys, width: usize) -> Vec<Row> {
    let paused = view.moments.paused();
    let mut rows = vec![
        Row(0, head(view, width)),
        Row(9, Line::default()),
        Row(1, meter("Therapist", &view.channels[0], width)),
        Row(1, meter("Client", &view.channels[1], width)),
        Row(8, Line::default()),
    ];
    let state = if paused {
        "OFF THE RECORD: nothing is kept. Press p to go on."
    } else if view.waiting {
        "No sound comes from the device. Waiting for it; all until now is kept."
    } else if view.away[0] {
        "Recording the client alone. Waiting for the therapist's device."
    } else if view.away[1] {
        "Recording the therapist alone. Waiting for the client's device."
    } else {
        "Recording. Sealed as it comes."
    };
    for line in terminal::wrap(state, width.saturating_sub(NAME).max(10)) {
        rows.push(Row(
            2,
            fact(
                "State",
                line,
                paused || view.waiting || view.away.contains(&true),
            ),
        ));
    }
    rows.push(Row(5, fact("Apart", apart(view), false)));
    rows.push(Row(4, fact("Disk", disk(view), low(view.left))));
    rows.push(Row(4, fact("Lost", lost(view), view.lost_places > 0)));
    if !view.moments.off_record.is_empty() {
        rows.push(Row(6, fact("Off record", off_record(view), false)));
    }
    rows.push(Row(
        7,
        fact("Device", terminal::harmless(&view.device), false),
    ));
    if let Some(clocks) = &view.clocks {
        rows.push(Row(7, fact("Clocks", clocks.clone(), false)));
    }
    rows.extend(bookmarks(view, keys));
    rows.extend(words(view, keys, width));
    rows.extend(notices(view, width));
    rows.push(Row(8, Line::default()));
    rows.extend(prompt(view, keys, width));
    // The name of a fact stands once.
    let mut before = String::new();
    for row in &mut rows {
        if let Some(first) = row.1.spans.first_mut() {
            let name = first.content.trim().to_owned();
            if !name.is_empty() && name == before && first.style == Style::new() {
                *first = Span::raw(" ".repeat(NAME));
            } else if !name.is_empty() {
                before = name;
            }
        }
    }
    rows
}

fn head(view: &View, width: usize) -> Line<'static> {
    let clock = terminal::clock(view.seconds);
    let state = if view.moments.paused() {
        " PAUSED "
    } else {
        " REC "
    };
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let shown = if view.moments.paused() {
        bold.add_modifier(Modifier::REVERSED)
    } else {
        bold.fg(Color::Red)
    };
    let room = width.saturating_sub(state.len() + clock.len() + 2);
    let name = if room > 12 { "undertone" } else { "" };
    Line::from(vec![
        Span::styled(state, shown),
        Span::styled(format!(" {clock}"), bold),
        Span::raw(format!("{name:>room$}")),
    ])
}

/// A name, a bar with the loudest moment marked in it, and in words what a bar cannot say.
fn meter(name: &str, channel: &Channel, width: usize) -> Line<'static> {
    let words = if channel.clipped > 0 && channel.peak_dbfs > -1.0 {
        "TOO LOUD".to_owned()
    } else if channel.held_dbfs < -90.0 {
        "no sound".to_owned()
    } else {
        format!("{:>4.0} dBFS", channel.held_dbfs)
    };
    let clipped = match channel.clipped {
        0 => String::new(),
        many => format!("  cut off {}", few(many)),
    };
    let name = if width < 40 { &name[..1] } else { name };
    let name_width = if width < 40 { 2 } else { NAME };
    let cells = width.saturating_sub(name_width + 2 + 9 + 14).clamp(4, 50);
    let cell = |dbfs: f32| {
        let share = (dbfs - BOTTOM) / -BOTTOM;
        (share.clamp(0.0, 1.0) * cells as f32).round() as usize
    };
    let (full, held) = (cell(channel.peak_dbfs), cell(channel.held_dbfs));
    let bar: String = (0..cells)
        .map(|at| match at {
            at if at < full => '█',
            at if held > 0 && at + 1 == held => '│',
            _ => '·',
        })
        .collect();
    let loud = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
    let style = if channel.clipped > 0 {
        loud
    } else {
        Style::new()
    };
    Line::from(vec![
        Span::raw(format!("{name:<name_width$}")),
        Span::raw(bar),
        Span::styled(format!("  {words:<9}{clipped}"), style),
    ])
}

/// A count in at most four columns.
fn few(count: u64) -> String {
    if count > 999 {
        "999+".to_owned()
    } else {
        format!("{count}×")
    }
}

fn fact(name: &str, value: String, matters: bool) -> Line<'static> {
    let style = if matters {
        Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD)
    } else {
        Style::new()
    };
    Line::from(vec![
        Span::raw(format!("{name:<NAME$}")),
        Span::styled(value, style),
    ])
}

fn apart(view: &View) -> String {
    match view.separation_db {
        None => "not known yet: both must have spoken".to_owned(),
        Some(db) if db >= WELL_APART => format!("{db:.0} dB, good"),
        Some(db) => format!("{db:.0} dB, too little: move the microphones nearer to each speaker"),
    }
}

fn low(left: Option<Duration>) -> bool {
    left.is_some_and(|left| left < super::super::watchdog::DISK_LOW)
}

fn disk(view: &View) -> String {
    let written = terminal::size_in_words(view.bytes);
    match view.left {
        None => format!("{written} written"),
        Some(left) if low(view.left) => format!(
            "{written} written, ONLY {} LEFT",
            terminal::in_words(left).to_uppercase()
        ),
        Some(left) if left.as_secs() >= 100 * 3600 => {
            format!("{written} written, room for days")
        }
        Some(left) => format!("{written} written, room for {}", terminal::in_words(left)),
    }
}

fn lost(view: &View) -> String {
    match view.lost_places {
        0 => "nothing".to_owned(),
        1 => format!("{:.1} s, at one place, marked", view.lost_seconds),
        many => format!("{:.1} s, at {many} places, marked", view.lost_seconds),
    }
}

fn off_record(view: &View) -> String {
    let gaps = view.moments.gaps(view.seconds);
    let total: f64 = gaps.iter().map(|gap| gap.duration).sum();
    let count = view.moments.off_record.len();
    let times = if count == 1 {
        "once".to_owned()
    } else {
        format!("{count} times")
    };
    format!(
        "{times}, {}",
        terminal::in_words(Duration::from_secs_f64(total.clamp(0.0, 1e6)))
    )
}

fn minutes(seconds: f64) -> String {
    let seconds = seconds as u64;
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

fn bookmarks(view: &View, keys: &Keys) -> Vec<Row> {
    let all = &view.moments.bookmarks;
    if keys.hidden && !all.is_empty() {
        let words = format!("{}, words hidden (h shows them)", all.len());
        return vec![Row(6, fact("Bookmarks", words, false))];
    }
    all.iter()
        .rev()
        .take(4)
        .rev()
        .map(|bookmark| {
            let text = terminal::harmless(bookmark.text.as_deref().unwrap_or_default());
            Row(
                6,
                fact(
                    "Bookmarks",
                    format!("{} {text}", minutes(bookmark.at)),
                    false,
                ),
            )
        })
        .collect()
}

/// What was said lately, the newest last and the last to be left out.
fn words(view: &View, keys: &Keys, width: usize) -> Vec<Row> {
    let Some(state) = view.words_state else {
        return Vec::new();
    };
    if let Some(words) = state.words() {
        return vec![Row(6, fact("Words", words.to_owned(), false))];
    }
    if keys.hidden {
        return vec![Row(
            6,
            fact("Words", "hidden (h shows them)".to_owned(), false),
        )];
    }
    let room = width.saturating_sub(NAME).max(10);
    let mut lines: Vec<String> = view
        .said
        .iter()
        .flat_map(|said| {
            terminal::wrap(
                &terminal::harmless(&crate::cli::record::words::said(said)),
                room,
            )
        })
        .collect();
    lines.drain(..lines.len().saturating_sub(WORD_LINES));
    if lines.is_empty() {
        return vec![Row(
            6,
            fact(
                "Words",
                "a few seconds after they are said".to_owned(),
                false,
            ),
        )];
    }
    let count = lines.len();
    lines
        .into_iter()
        .enumerate()
        .map(|(at, line)| {
            let age = u8::try_from(count - at).unwrap_or(u8::MAX);
            Row(5_u8.saturating_add(age), fact("Words", line, false))
        })
        .collect()
}

fn notices(view: &View, width: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for (at, words) in view.notices.iter().rev().take(2).rev() {
        let words = format!("{} {}", minutes(*at), terminal::harmless(words));
        for line in terminal::wrap(&words, width.saturating_sub(NAME).max(10)) {
            rows.push(Row(3, fact("Warning", line, true)));
        }
    }
    rows
}

fn prompt(view: &View, keys: &Keys, width: usize) -> Vec<Row> {
    let words = match &keys.mode {
        Mode::Asking => "Stop the recording? Enter or y stops, any other key goes on.".to_owned(),
        Mode::Typing(at, text) => {
            let at = minutes(*at as f64 / 1000.0);
            let shown = terminal::harmless(text);
            // The end of what is typed stays in sight.
            let most = (2 * width).saturating_sub(60).max(20);
            let skip = shown.chars().count().saturating_sub(most);
            let shown: String = shown.chars().skip(skip).collect();
            format!("Bookmark {at}, a line if you like. Enter keeps it: {shown}_")
        }
        Mode::Keys if view.moments.paused() => "p go on   h hide words   q stop".to_owned(),
        Mode::Keys => "p pause   b bookmark   h hide words   q stop".to_owned(),
    };
    terminal::wrap(&words, width.max(10))
        .into_iter()
        .map(|line| {
            Row(
                0,
                Line::from(Span::styled(
                    line,
                    Style::new().add_modifier(Modifier::BOLD),
                )),
            )
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::audio::levels::Level;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn shown(view: &View, keys: &Keys, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, view, keys)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        (0..height)
            .map(|y| {
                let row: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
                row.trim_end().to_owned()
            })
            .collect()
    }

    fn busy() -> View {
        let mut view = View::new("USB pair");
        view.seconds = 3_725.0;
        view.bytes = 74_200_000;
        view.left = Some(Duration::from_secs(4 * 3600));
        view.separation_db = Some(21.4);
        view.moments.bookmark(61.0, Some("the mother"));
        view.moments.pause(100.0);
        view.moments.resume(160.0);
        let level = |peak_dbfs, clipped| Level {
            peak_dbfs,
            rms_dbfs: peak_dbfs,
            clipped,
        };
        view.hear(&[level(-30.0, 0), level(0.0, 12)]);
        view
    }

    #[test]
    fn everything_is_said_in_words_at_eighty_columns() {
        let lines = shown(&busy(), &Keys::default(), 80, 24);
        let text = lines.join("\n");
        for words in [
            " REC  1:02:05",
            "Therapist   ███",
            "-30 dBFS",
            "TOO LOUD",
            "cut off 12×",
            "Recording. Sealed as it comes.",
            "21 dB, good",
            "74.2 MB written, room for 4 h 00 min",
            "Lost        nothing",
            "Off record  once, 1 min 00 s",
            "Bookmarks   01:01 the mother",
            "p pause   b bookmark   h hide words   q stop",
        ] {
            assert!(text.contains(words), "{words:?} is not in\n{text}");
        }
    }

    #[test]
    fn two_devices_show_their_clocks_and_which_of_them_is_gone() {
        let mut view = busy();
        view.clocks = Some("+12 ppm, -180 ppm; offset 500 ms, 0.2 ms left".to_owned());
        view.away = [false, true];
        let text = shown(&view, &Keys::default(), 80, 24).join("\n");
        assert!(text.contains("Clocks      +12 ppm, -180 ppm; offset 500 ms, 0.2 ms left"));
        // The line is wrapped.
        assert!(text.contains("Recording the therapist alone."), "{text}");
    }

    #[test]
    fn off_the_record_is_told_on_every_size_of_screen() {
        let mut view = busy();
        view.moments.pause(3_700.0);
        view.warn("Both channels carry the same sound.".to_owned());
        for (width, height) in [(80, 24), (60, 12), (40, 8), (24, 5), (10, 2), (1, 1)] {
            let text = shown(&view, &Keys::default(), width, height).join("\n");
            if width >= 10 {
                assert!(text.contains("PAUSED"), "{width}x{height}\n{text}");
            }
            if width >= 24 {
                assert!(text.contains("go on"), "{width}x{height}\n{text}");
            }
        }
        let text = shown(&view, &Keys::default(), 80, 24).join("\n");
        assert!(text.contains("OFF THE RECORD: nothing is kept."));
        assert!(text.contains("Warning     62:05 Both channels"));
    }

    #[test]
    fn hidden_words_are_not_on_the_screen() {
        let keys = Keys {
            hidden: true,
            ..Keys::default()
        };
        let text = shown(&busy(), &keys, 80, 24).join("\n");
        assert!(!text.contains("mother") && text.contains("1, words hidden"));
    }

    #[test]
    fn what_is_asked_and_typed_stands_at_the_bottom() {
        let asking = Keys {
            mode: Mode::Asking,
            hidden: false,
        };
        let text = shown(&busy(), &asking, 40, 9).join("\n");
        assert!(text.contains("Stop the recording?"), "{text}");
        let typing = Keys {
            mode: Mode::Typing(61_000, "she \u{1b}[31m laughs".to_owned().into()),
            hidden: false,
        };
        let text = shown(&busy(), &typing, 80, 24).join("\n");
        assert!(
            text.contains("Bookmark 01:01") && text.contains("laughs_"),
            "{text}"
        );
    }
}
