//! The context of a request: what is known of each condition key. A key of which nothing was said
//! is unknown, not absent.

use std::collections::HashMap;

/// What is known of a condition key in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFact {
    /// The request has the key with these values. No value is the same as [`KeyFact::Absent`].
    Present(Vec<String>),
    /// The request has the key. Its value, which is not empty, is unknown.
    Exists,
    /// The request does not have the key.
    Absent,
    /// It is unknown whether the request has the key.
    Unknown,
}

/// The condition keys of a request. IAM does not distinguish upper and lower case in their names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Context {
    facts: HashMap<String, KeyFact>,
    absent_prefixes: Vec<String>,
}

impl Context {
    /// Creates a context in which every key is unknown.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what is known of a key.
    #[must_use]
    pub fn with(mut self, key: &str, fact: KeyFact) -> Self {
        self.facts.insert(key.to_ascii_lowercase(), fact);
        self
    }

    /// Adds a key that has one known value.
    #[must_use]
    pub fn with_value(self, key: &str, value: impl Into<String>) -> Self {
        self.with(key, KeyFact::Present(vec![value.into()]))
    }

    /// Makes all keys absent that start with this, apart from those that are added by name.
    #[must_use]
    pub fn without_others_in(mut self, prefix: &str) -> Self {
        self.absent_prefixes.push(prefix.to_ascii_lowercase());
        self
    }

    /// Returns what is known of a key.
    #[must_use]
    pub fn fact(&self, key: &str) -> &KeyFact {
        let key = key.to_ascii_lowercase();
        let is_absent = || self.absent_prefixes.iter().any(|p| key.starts_with(p));
        match self.facts.get(&key) {
            Some(KeyFact::Present(values)) if values.is_empty() => &KeyFact::Absent,
            Some(fact) => fact,
            None if is_absent() => &KeyFact::Absent,
            None => &KeyFact::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_whatever_its_case_and_is_unknown_if_nothing_was_said() {
        let context = Context::new()
            .with_value("aws:RequestTag/Team", "a")
            .with("aws:TagKeys", KeyFact::Present(Vec::new()))
            .without_others_in("aws:RequestTag/");
        for (key, expected) in [
            (
                "AWS:requesttag/TEAM",
                KeyFact::Present(vec!["a".to_owned()]),
            ),
            ("aws:RequestTag/other", KeyFact::Absent),
            ("aws:TagKeys", KeyFact::Absent),
            ("aws:SourceIp", KeyFact::Unknown),
        ] {
            assert_eq!(*context.fact(key), expected, "{key}");
        }
    }
}
