//! The associations that a rotation covers: names or `*` globs of clusters and namespaces.

use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

/// EKS allows 100 characters in a cluster name.
pub const CLUSTER_NAME_LEN_MAX: usize = 100;
/// The contract allows this many entries in each list of a request: `clusterNames`, `namespaces`
/// and `regions`.
pub const LIST_LEN_MAX: usize = 100;

/// A name, or a pattern in which each `*` matches any number of characters, including none.
/// Case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Glob(String);

impl Glob {
    /// Returns `None` if the text is empty, longer than `len_max` characters, or has a character
    /// other than letters, digits, `-`, `_` and `*`: such a pattern cannot match any name that
    /// Kubernetes or EKS allows.
    #[must_use]
    pub fn new(text: &str, len_max: usize) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_*".contains(&b);
        ((1..=len_max).contains(&text.len()) && text.bytes().all(allowed))
            .then(|| Self(text.to_owned()))
    }

    /// Returns whether the whole `name` matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        // WildMatch also interprets `?`, which `new` does not allow.
        WildMatch::new(&self.0).matches(name)
    }
}

/// The clusters and namespaces that a rotation covers. `None` covers all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_names: Option<Vec<Glob>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<Glob>>,
}

impl Scope {
    /// Returns whether an association in this cluster and namespace is covered.
    #[must_use]
    pub fn covers(&self, cluster_name: &str, namespace: &str) -> bool {
        let any = |globs: &Option<Vec<Glob>>, name: &str| {
            globs
                .as_ref()
                .is_none_or(|globs| globs.iter().any(|glob| glob.matches(name)))
        };
        any(&self.cluster_names, cluster_name) && any(&self.namespaces, namespace)
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
            assert_eq!(
                Glob::new(glob, 100).unwrap().matches(name),
                expected,
                "{glob} on {name}"
            );
        }
    }

    #[test]
    fn patterns_that_cannot_match_are_rejected() {
        let overlong = "n".repeat(64);
        for text in ["", "a?", "a.b", "a b", "[ab]", "prod/1", &overlong] {
            assert_eq!(Glob::new(text, 63), None, "{text}");
        }
    }

    #[test]
    fn both_lists_must_match_and_an_absent_list_covers_all() {
        let globs = |texts: &[&str]| {
            Some(
                texts
                    .iter()
                    .map(|text| Glob::new(text, 100).unwrap())
                    .collect(),
            )
        };
        let scope = Scope {
            cluster_names: globs(&["prod-*", "edge"]),
            namespaces: globs(&["pay"]),
        };
        for (cluster, namespace, covered) in [
            ("prod-1", "pay", true),
            ("edge", "pay", true),
            ("edge", "shop", false),
            ("dev", "pay", false),
        ] {
            assert_eq!(
                scope.covers(cluster, namespace),
                covered,
                "{cluster}/{namespace}"
            );
        }
        assert!(Scope::default().covers("any", "where"));
    }
}
