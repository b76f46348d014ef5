//! Which associations of a cluster to look at, given what EKS lists and what the index holds. Pure.

use std::cmp::Ordering;

use super::run::Mode;
use crate::association::{Entry, IndexItem};

/// An association to ask EKS about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    pub association_id: String,
    /// What the index holds of it, where it holds it to be there.
    pub known: Option<Box<IndexItem>>,
}

/// Joins a part of the list of EKS with the index's entries of the same part; both are in the order of ids.
///
/// A shallow look leaves out what both have. What only the index has is looked at, too, before it is taken to be gone: the
/// list may lag behind a create. A tombstone that EKS lists was dug too early, or EKS's list lags behind the delete.
#[must_use]
pub fn looks(mode: Mode, listed: &[String], entries: Vec<(String, Entry)>) -> Vec<Look> {
    let mut looks = Vec::new();
    let mut listed = listed.iter().peekable();
    for (id, entry) in entries {
        while let Some(new) = listed.next_if(|other| other.as_str() < id.as_str()) {
            looks.push(Look { association_id: new.clone(), known: None });
        }
        let is_listed = listed.next_if(|other| other.as_str().cmp(&id) == Ordering::Equal).is_some();
        match entry {
            Entry::Live(_) if is_listed && mode == Mode::Shallow => {}
            Entry::Live(item) => looks.push(Look { association_id: id, known: Some(item) }),
            Entry::Buried if is_listed => looks.push(Look { association_id: id, known: None }),
            Entry::Buried => {}
        }
    }
    looks.extend(listed.map(|new| Look { association_id: new.clone(), known: None }));
    looks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::association::tests::association;

    /// `a` is live, `a†` a tombstone.
    fn entries(text: &str) -> Vec<(String, Entry)> {
        text.split_whitespace()
            .map(|word| match word.strip_suffix('†') {
                Some(id) => (id.to_owned(), Entry::Buried),
                None => (word.to_owned(), Entry::Live(Box::new(IndexItem::of(&association("role"))))),
            })
            .collect()
    }

    /// `+a` is new, `a` is known.
    fn shown(mode: Mode, listed: &str, index: &str) -> String {
        let listed: Vec<_> = listed.split_whitespace().map(str::to_owned).collect();
        let looks = looks(mode, &listed, entries(index));
        let word = |look: &Look| format!("{}{}", if look.known.is_some() { "" } else { "+" }, look.association_id);
        looks.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_shallow_look_is_at_differences_and_a_deep_one_at_everything() {
        for (listed, index, shallow, deep) in [
            ("", "", "", ""),
            ("a b", "", "+a +b", "+a +b"),
            ("", "a b", "a b", "a b"),
            ("a b c", "a b c", "", "a b c"),
            ("a c", "b", "+a b +c", "+a b +c"),
            ("a b", "a† b", "+a", "+a b"),
            ("b", "a† b", "", "b"),
            ("a b d e", "b c d† f", "+a c +d +e f", "+a b c +d +e f"),
        ] {
            assert_eq!(shown(Mode::Shallow, listed, index), shallow, "{listed} | {index}");
            assert_eq!(shown(Mode::Deep, listed, index), deep, "{listed} | {index}");
        }
    }
}
