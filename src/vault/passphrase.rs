//! Advice on a passphrase: whether it would hold, and what would make it better.
//!
//! Judged by zxcvbn (Wheeler, USENIX Security 2016), which estimates how many guesses somebody
//! who knows how people choose would need. Refuses to repeat any of the passphrase, in whole or in
//! part, and to send it anywhere.

use serde::Serialize;
use zxcvbn::feedback::Warning;

/// How well a passphrase would hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strength {
    /// Found in days or less by somebody who has the vault's files: fewer than 10^8 guesses.
    Weak,
    /// Found in months by somebody determined: fewer than 10^11 guesses.
    Fair,
    /// Holds.
    Strong,
}

/// What to tell somebody who chose a passphrase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// How well it would hold.
    pub strength: Strength,
    /// Guesses needed, as a power of ten, rounded down.
    pub guesses_log10: u32,
    /// One sentence to show.
    pub sentence: String,
    /// What would make it better, best first. Empty for a strong one.
    pub suggestions: Vec<String>,
}

/// Judges a passphrase. Looks at its first 100 characters.
#[must_use]
pub fn advice(passphrase: &str) -> Advice {
    let entropy = zxcvbn::zxcvbn(
        passphrase,
        &["undertone", "therapy", "therapist", "session"],
    );
    let log10 = entropy.guesses_log10();
    let strength = if log10 < 8.0 {
        Strength::Weak
    } else if log10 < 11.0 {
        Strength::Fair
    } else {
        Strength::Strong
    };
    let sentence = match strength {
        Strength::Weak => {
            "This passphrase is weak: somebody with a copy of the vault could find it."
        }
        Strength::Fair => "This passphrase is fair: it slows somebody determined down, no more.",
        Strength::Strong => "This passphrase is strong.",
    };
    let mut suggestions = Vec::new();
    if strength < Strength::Strong {
        suggestions.push(
            "Use five or six words that have nothing to do with each other, drawn by dice if you can."
                .to_owned(),
        );
        if let Some(warning) = entropy
            .feedback()
            .and_then(zxcvbn::feedback::Feedback::warning)
        {
            suggestions.push(told(warning).to_owned());
        }
    }
    Advice {
        strength,
        // An empty one needs one guess; none can need more than a u64 of them.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        guesses_log10: log10.clamp(0.0, 20.0) as u32,
        sentence: sentence.to_owned(),
        suggestions,
    }
}

fn told(warning: Warning) -> &'static str {
    match warning {
        Warning::StraightRowsOfKeysAreEasyToGuess
        | Warning::ShortKeyboardPatternsAreEasyToGuess => {
            "Patterns on the keyboard are tried early."
        }
        Warning::RepeatsLikeAaaAreEasyToGuess
        | Warning::RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess => {
            "Repeating something adds little."
        }
        Warning::ThisIsATop10Password
        | Warning::ThisIsATop100Password
        | Warning::ThisIsACommonPassword
        | Warning::ThisIsSimilarToACommonlyUsedPassword => "Many people use this or nearly this.",
        Warning::SequencesLikeAbcAreEasyToGuess => {
            "Sequences of letters or digits are tried early."
        }
        Warning::RecentYearsAreEasyToGuess | Warning::DatesAreOftenEasyToGuess => {
            "Years and dates are tried early."
        }
        Warning::AWordByItselfIsEasyToGuess => "One word alone is tried early.",
        Warning::NamesAndSurnamesByThemselvesAreEasyToGuess
        | Warning::CommonNamesAndSurnamesAreEasyToGuess => "Names are tried early.",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn common_choices_are_weak_and_unrelated_words_are_strong() {
        for weak in [
            "",
            "password",
            "hunter2",
            "therapy",
            "undertone",
            "qwertyuiop",
            "aaaaaaaaaaaa",
        ] {
            let advice = advice(weak);
            assert_eq!(advice.strength, Strength::Weak, "{weak}");
            assert!(!advice.suggestions.is_empty());
        }
        let strong = advice("gravel onion trumpet velvet ceiling");
        assert_eq!(strong.strength, Strength::Strong);
        assert!(strong.suggestions.is_empty());
    }

    #[test]
    fn advice_never_repeats_the_passphrase() {
        for choice in [
            "xylophone",
            "Marmalade1987",
            "zebra",
            "qwertyuiop",
            "sasquatch sasquatch",
        ] {
            let all = serde_json::to_string(&advice(choice))
                .unwrap()
                .to_lowercase();
            for word in choice.to_lowercase().split_whitespace() {
                assert!(!all.contains(word), "{all}");
            }
        }
    }

    #[test]
    fn a_very_long_passphrase_takes_no_time() {
        let advice = advice(&"correct horse ".repeat(10_000));
        assert!(advice.guesses_log10 > 0);
    }
}
