//! Names in which `*` matches any characters, and lists of them.

use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

/// The contract allows this many entries in each list of a request: `clusterNames`, `namespaces`
/// and `regions`.
pub const LIST_LEN_MAX: usize = 100;

/// A cluster's name, or a pattern of it. EKS allows 100 characters.
pub type ClusterGlob = Glob<100>;
/// A namespace's name, or a pattern of it. Kubernetes allows 63 characters (RFC 1123 label).
pub type NamespaceGlob = Glob<63>;

/// A name, or a pattern in which each `*` matches any number of characters, including none.
/// Case-sensitive, and at most `LEN_MAX` characters long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Glob<const LEN_MAX: usize>(String);

impl<const LEN_MAX: usize> Glob<LEN_MAX> {
    /// Returns `None` if the text is empty, too long, or has a character other than letters,
    /// digits, `-`, `_` and `*`: such a pattern cannot match any name that Kubernetes or EKS
    /// allows.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_*".contains(&b);
        ((1..=LEN_MAX).contains(&text.len()) && text.bytes().all(allowed))
            .then(|| Self(text.to_owned()))
    }

    /// Returns what is allowed, for error messages.
    #[must_use]
    pub fn form() -> String {
        format!("1 to {LEN_MAX} letters, digits, \"-\", \"_\" or \"*\"")
    }

    /// Returns whether the whole `name` matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        // WildMatch also interprets `?`, which `new` does not allow.
        WildMatch::new(&self.0).matches(name)
    }

    /// Returns whether one of the patterns matches `name`. `None` covers all names.
    #[must_use]
    pub fn cover(globs: Option<&[Self]>, name: &str) -> bool {
        globs.is_none_or(|globs| globs.iter().any(|glob| glob.matches(name)))
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
    fn patterns_that_cannot_match_are_rejected() {
        for text in ["", "a?", "a.b", "a b", "[ab]", "prod/1"] {
            assert_eq!(ClusterGlob::new(text), None, "{text}");
        }
        for len in [63, 64, 100, 101] {
            let text = "n".repeat(len);
            assert_eq!(NamespaceGlob::new(&text).is_some(), len <= 63, "{len}");
            assert_eq!(ClusterGlob::new(&text).is_some(), len <= 100, "{len}");
        }
    }
}
