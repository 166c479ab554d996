//! What a key does. Pure: a state, a key, and what is asked of the recorder.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use zeroize::Zeroizing;

use crate::transcript::moments::LONGEST_TEXT;

/// What the person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Off the record, or on it again.
    Pause,
    /// Mark this moment, in thousandths of a second.
    Mark(u64),
    /// The words of a moment that was marked.
    Words(u64, Zeroizing<String>),
    /// End the recording.
    Stop,
}

/// What the keyboard is used for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Mode {
    /// Single keys.
    #[default]
    Keys,
    /// Asked whether to stop.
    Asking,
    /// Typing the words of the bookmark at this moment.
    Typing(u64, Zeroizing<String>),
}

/// The keyboard's side of the screen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keys {
    /// What it is used for now.
    pub mode: Mode,
    /// Whether words are hidden.
    pub hidden: bool,
}

impl Keys {
    /// Takes a key at session time `now` (in thousandths of a second), on or off the record.
    pub fn press(&mut self, key: KeyEvent, now: u64, paused: bool) -> Option<Wish> {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            // In raw mode Ctrl-C is a key like any other. It is never asked about.
            return matches!(key.code, KeyCode::Char('c' | 'd')).then_some(Wish::Stop);
        }
        match std::mem::take(&mut self.mode) {
            Mode::Keys => self.single(key.code, now, paused),
            Mode::Asking => matches!(key.code, KeyCode::Char('y' | 'Y' | 'q') | KeyCode::Enter)
                .then_some(Wish::Stop),
            Mode::Typing(at, text) => self.typed(key.code, at, text),
        }
    }

    fn single(&mut self, key: KeyCode, now: u64, paused: bool) -> Option<Wish> {
        match key {
            KeyCode::Char('p' | 'P') => return Some(Wish::Pause),
            KeyCode::Char('b' | 'B') if !paused => {
                self.mode =
                    Mode::Typing(now, Zeroizing::new(String::with_capacity(4 * LONGEST_TEXT)));
                return Some(Wish::Mark(now));
            }
            KeyCode::Char('h' | 'H') => self.hidden = !self.hidden,
            KeyCode::Char('q' | 'Q') | KeyCode::Enter => self.mode = Mode::Asking,
            _ => {}
        }
        None
    }

    fn typed(&mut self, key: KeyCode, at: u64, mut text: Zeroizing<String>) -> Option<Wish> {
        match key {
            KeyCode::Enter => return Some(Wish::Words(at, text)),
            KeyCode::Esc => return None,
            KeyCode::Backspace => {
                text.pop();
            }
            KeyCode::Char(c) if !c.is_control() && text.chars().count() < LONGEST_TEXT => {
                text.push(c);
            }
            _ => {}
        }
        self.mode = Mode::Typing(at, text);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_in(keys: &mut Keys, text: &str) {
        for c in text.chars() {
            let wish = keys.press(KeyEvent::from(KeyCode::Char(c)), 99, false);
            assert_eq!(wish, None, "{c} is a letter, not a command");
        }
    }

    fn press(keys: &mut Keys, code: KeyCode) -> Option<Wish> {
        keys.press(KeyEvent::from(code), 5_000, false)
    }

    #[test]
    fn a_moment_is_marked_at_once_and_its_words_may_follow() {
        let mut keys = Keys::default();
        assert_eq!(
            press(&mut keys, KeyCode::Char('b')),
            Some(Wish::Mark(5_000))
        );
        type_in(&mut keys, "quip p");
        assert_eq!(press(&mut keys, KeyCode::Backspace), None);
        let words = Wish::Words(5_000, "quip ".to_owned().into());
        assert_eq!(press(&mut keys, KeyCode::Enter), Some(words));
        assert_eq!(keys.mode, Mode::Keys);
        press(&mut keys, KeyCode::Char('b'));
        type_in(&mut keys, &"x".repeat(900));
        assert!(matches!(&keys.mode, Mode::Typing(_, text) if text.len() == LONGEST_TEXT));
        assert_eq!(press(&mut keys, KeyCode::Esc), None, "marked all the same");
        let paused = keys.press(KeyEvent::from(KeyCode::Char('b')), 1, true);
        assert_eq!(paused, None, "off the record nothing is kept");
    }

    #[test]
    fn stopping_is_asked_about_once_and_ctrl_c_is_not() {
        let mut keys = Keys::default();
        for first in [KeyCode::Char('q'), KeyCode::Enter] {
            assert_eq!(press(&mut keys, first), None);
            assert_eq!(keys.mode, Mode::Asking);
            assert_eq!(press(&mut keys, KeyCode::Char('n')), None);
            assert_eq!(press(&mut keys, first), None);
            assert_eq!(press(&mut keys, first), Some(Wish::Stop));
        }
        for mode in [
            Mode::Keys,
            Mode::Asking,
            Mode::Typing(1, String::new().into()),
        ] {
            let mut keys = Keys {
                mode,
                hidden: false,
            };
            let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
            assert_eq!(keys.press(key, 1, true), Some(Wish::Stop));
        }
    }

    #[test]
    fn a_pause_and_hidden_words_are_one_key_each() {
        let mut keys = Keys::default();
        assert_eq!(press(&mut keys, KeyCode::Char('p')), Some(Wish::Pause));
        assert_eq!(press(&mut keys, KeyCode::Char('h')), None);
        assert!(keys.hidden);
        press(&mut keys, KeyCode::Char('h'));
        assert!(!keys.hidden);
    }
}
