//! Texts in which `*` stands for any characters and `?` for any one, and how they match. Policy
//! variables are not known here: `variables.rs` replaces them.

use std::fmt;

/// A text of a policy in which `*` stands for any number of characters, also none, and `?` for
/// exactly one. It may also have policy variables (`${…}`), which [`Pattern::matches`] reads as
/// plain text.
///
/// ```
/// use rerole_core::policy::{Case, Pattern};
///
/// assert!(Pattern::new("sts:Assume*").matches("STS:AssumeRole", Case::Ignored));
/// assert!(!Pattern::new("arn:aws:s3:::logs-?").matches("arn:aws:s3:::logs-10", Case::Matters));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(String);

/// Whether `a` and `A` are one letter. Only the letters of ASCII have two cases here: `ſ`, which
/// Unicode folds to `s`, is another letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    Matters,
    Ignored,
}

impl Pattern {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the pattern matches every text.
    #[must_use]
    pub fn is_any(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|b| b == b'*')
    }

    /// Returns whether the pattern matches one text only, itself.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        !self.0.contains(['*', '?'])
    }

    /// Returns whether the pattern matches the whole text.
    #[must_use]
    pub fn matches(&self, text: &str, case: Case) -> bool {
        matches(&pieces(&self.0), text, case)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// This character.
    One(char),
    /// Any character: `?`.
    AnyOne,
    /// Any characters, or none: `*`.
    AnyMany,
}

/// Splits a text into its pieces.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let piece = |c| match c {
        '*' => Piece::AnyMany,
        '?' => Piece::AnyOne,
        other => Piece::One(other),
    };
    text.chars().map(piece).collect()
}

/// Returns whether the pieces match the whole text.
///
/// When a character does not match, the last `*` takes one more: earlier ones need not be tried
/// again. The time is that of the pieces plus at most the square of the text's length, whatever the
/// pattern, because a pattern with more characters than the text is refused first. The texts are
/// values of a request, which are short.
pub(super) fn matches(pattern: &[Piece], text: &str, case: Case) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut pattern = pattern.to_vec();
    pattern.dedup_by(|a, b| (*a, *b) == (Piece::AnyMany, Piece::AnyMany));
    let required = pattern.iter().filter(|piece| **piece != Piece::AnyMany);
    if required.count() > text.len() {
        return false;
    }
    let (mut at, mut taken) = (0, 0);
    // Where the last `*` is, and how many characters are taken up to its end.
    let mut star: Option<(usize, usize)> = None;
    while taken < text.len() {
        match pattern.get(at) {
            Some(Piece::AnyMany) => {
                star = Some((at, taken));
                at += 1;
            }
            Some(piece) if takes(*piece, text[taken], case) => {
                at += 1;
                taken += 1;
            }
            _ => {
                let Some((star_at, star_end)) = star else {
                    return false;
                };
                star = Some((star_at, star_end + 1));
                at = star_at + 1;
                taken = star_end + 1;
            }
        }
    }
    pattern[at..].iter().all(|piece| *piece == Piece::AnyMany)
}

fn takes(piece: Piece, character: char, case: Case) -> bool {
    match piece {
        Piece::One(own) if case == Case::Ignored => own.eq_ignore_ascii_case(&character),
        Piece::One(own) => own == character,
        Piece::AnyOne => true,
        Piece::AnyMany => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_texts() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("?", "", false),
            ("?", "é", true),
            ("?", "é́", false),
            ("a", "A", false),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*ab", "aab", true),
            ("*?", "a", true),
            ("?*?", "a", false),
            ("**a**", "bab", true),
            ("[ab]", "a", false),
            (".*", "ab", false),
            ("${*}", "${x}", true),
        ] {
            let found = Pattern::new(pattern).matches(text, Case::Matters);
            assert_eq!(found, expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn only_ascii_letters_have_two_cases() {
        for (pattern, text, expected) in [
            ("sts:assumerole", "STS:AssumeRole", true),
            ("STS:*ROLE", "sts:AssumeRole", true),
            ("ſts:AssumeRole", "sts:AssumeRole", false),
            ("sts:Assume\u{212a}ole", "sts:Assumekole", false),
            ("stѕ:AssumeRole", "sts:AssumeRole", false),
            ("É", "é", false),
        ] {
            let found = Pattern::new(pattern).matches(text, Case::Ignored);
            assert_eq!(found, expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_takes_no_longer_than_the_text_allows() {
        let text = "a".repeat(2_000);
        let pattern = Pattern::new("*a".repeat(1_999) + "*b");
        assert!(!pattern.matches(&text, Case::Matters));
        assert!(Pattern::new("*a".repeat(2_000)).matches(&text, Case::Matters));
        assert!(!Pattern::new("*a".repeat(30_000)).matches(&text, Case::Matters));
        assert!(Pattern::new("*".repeat(60_000)).matches(&text, Case::Matters));
    }

    #[test]
    fn a_pattern_of_stars_alone_is_any_text() {
        for (text, is_any, is_literal) in [
            ("*", true, false),
            ("**", true, false),
            ("", false, true),
            ("a*", false, false),
            ("?", false, false),
            ("a", false, true),
        ] {
            let pattern = Pattern::new(text);
            assert_eq!(
                (pattern.is_any(), pattern.is_literal()),
                (is_any, is_literal)
            );
        }
    }
}
