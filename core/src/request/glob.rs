//! Names in which `*` matches any characters, and lists of them. An entry of a list that starts
//! with `!` excludes what it matches.

use std::fmt;

use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

/// The contract allows this many entries in each list of a request, such as `clusterNames`.
pub const LIST_LEN_MAX: usize = 100;
/// Starts an entry that excludes what it matches.
const EXCLUDES: char = '!';

/// A cluster's name, or a pattern of it. EKS allows 100 characters.
pub type ClusterGlob = Glob<100>;
/// A namespace's name, or a pattern of it. Kubernetes allows 63 characters (RFC 1123 label).
pub type NamespaceGlob = Glob<63>;
/// A service account's name, or a pattern of it. Kubernetes allows 253 characters and dots (RFC
/// 1123 subdomain).
pub type ServiceAccountGlob = Glob<253, '.'>;
/// A region's name, or a pattern of it. The longest that AWS has is about half as long.
pub type RegionGlob = Glob<32>;

/// A name, or a pattern in which each `*` matches any number of characters, including none.
/// Case-sensitive, and at most `LEN_MAX` characters long without the `!` in front of an exclusion.
/// Besides letters, digits, `-`, `_` and `*`, it may contain the character `ALSO`.
///
/// ```
/// use rerole_core::request::{ClusterGlob, Glob};
///
/// let globs = ["prod-*", "!prod-eu"].map(|text| ClusterGlob::new(text).unwrap());
/// assert!(Glob::cover(Some(&globs), "prod-us"));
/// assert!(!Glob::cover(Some(&globs), "prod-eu"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Glob<const LEN_MAX: usize, const ALSO: char = '-'>(String);

/// The text is not such a name or pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not allowed; allowed: {form}")]
pub struct InvalidGlob {
    text: String,
    form: String,
}

impl<const LEN_MAX: usize, const ALSO: char> fmt::Display for Glob<LEN_MAX, ALSO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const LEN_MAX: usize, const ALSO: char> Glob<LEN_MAX, ALSO> {
    /// Returns `None` if the text is empty, too long, or has a character that is not allowed: such
    /// a pattern cannot match any name that Kubernetes or AWS allows.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let pattern = text.strip_prefix(EXCLUDES).unwrap_or(text);
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_*".contains(c) || c == ALSO;
        ((1..=LEN_MAX).contains(&pattern.len()) && pattern.chars().all(allowed))
            .then(|| Self(text.to_owned()))
    }

    /// Returns what is allowed, for error messages.
    #[must_use]
    pub fn form() -> String {
        let also = if ALSO == '-' {
            String::new()
        } else {
            format!(" \"{ALSO}\",")
        };
        format!(
            "1 to {LEN_MAX} letters, digits,{also} \"-\", \"_\" or \"*\", \
             and \"{EXCLUDES}\" in front to exclude"
        )
    }

    /// Returns whether the entry excludes what it matches.
    #[must_use]
    pub fn excludes(&self) -> bool {
        self.0.starts_with(EXCLUDES)
    }

    /// Returns whether the pattern, without the `!` of an exclusion, matches the whole `name`.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        // WildMatch also interprets `?`, which `new` does not allow.
        let pattern = self.0.strip_prefix(EXCLUDES).unwrap_or(&self.0);
        WildMatch::new(pattern).matches(name)
    }

    /// Returns whether the list covers `name`: an entry matches it, and no exclusion does. `None`
    /// covers all names, and a list of exclusions only covers all other names.
    #[must_use]
    pub fn cover(globs: Option<&[Self]>, name: &str) -> bool {
        let Some(globs) = globs else { return true };
        let (exclusions, inclusions): (Vec<_>, Vec<_>) =
            globs.iter().partition(|glob| glob.excludes());
        let any = |globs: &[&Self]| globs.iter().any(|glob| glob.matches(name));
        (inclusions.is_empty() || any(&inclusions)) && !any(&exclusions)
    }
}

impl<const LEN_MAX: usize, const ALSO: char> TryFrom<String> for Glob<LEN_MAX, ALSO> {
    type Error = InvalidGlob;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text).ok_or_else(|| InvalidGlob {
            text,
            form: Self::form(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names() {
        for (glob, name, expected) in [
            ("prod", "prod", true),
            ("prod", "prod-1", false),
            ("prod", "Prod", false),
            ("prod-*", "prod-1", true),
            ("prod-*", "prod-", true),
            ("prod-*", "prod", false),
            ("*", "anything", true),
            ("*-eu", "prod-eu", true),
            ("*-eu", "prod-eu-1", false),
            ("p*d-*", "prod-1", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("**", "x", true),
        ] {
            let matches = ClusterGlob::new(glob).unwrap().matches(name);
            assert_eq!(matches, expected, "{glob} on {name}");
        }
    }

    #[test]
    fn an_exclusion_wins_and_a_list_of_exclusions_covers_all_others() {
        for (list, name, expected) in [
            (None, "prod", true),
            (Some("prod"), "prod", true),
            (Some("prod"), "dev", false),
            (Some("!prod"), "prod", false),
            (Some("!prod"), "dev", true),
            (Some("!prod !dev*"), "dev-1", false),
            (Some("!prod !dev*"), "edge", true),
            (Some("prod-* !prod-eu"), "prod-us", true),
            (Some("prod-* !prod-eu"), "prod-eu", false),
            (Some("!prod-eu prod-eu"), "prod-eu", false),
            (Some("prod-* !prod-eu"), "dev", false),
            (Some("!*"), "prod", false),
        ] {
            let globs: Option<Vec<_>> = list.map(|list: &str| {
                let words = list.split(' ');
                words.map(|text| ClusterGlob::new(text).unwrap()).collect()
            });
            let covered = ClusterGlob::cover(globs.as_deref(), name);
            assert_eq!(covered, expected, "{list:?} on {name}");
        }
    }

    #[test]
    fn patterns_that_cannot_match_are_rejected() {
        for text in ["", "a?", "a.b", "a b", "[ab]", "prod/1", "!", "!!a", "a!"] {
            assert_eq!(ClusterGlob::new(text), None, "{text}");
        }
        assert!(ServiceAccountGlob::new("!app.v1").is_some());
        assert!(ServiceAccountGlob::new("app/v1").is_none());
        for len in [63, 64, 100, 101] {
            let text = "n".repeat(len);
            assert_eq!(NamespaceGlob::new(&text).is_some(), len <= 63, "{len}");
            assert_eq!(ClusterGlob::new(&text).is_some(), len <= 100, "{len}");
            let excluded = format!("!{text}");
            assert_eq!(ClusterGlob::new(&excluded).is_some(), len <= 100, "{len}");
        }
    }
}
