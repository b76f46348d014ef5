//! Which associations of a cluster to describe, given the list from EKS and the entries of the
//! index.

use std::cmp::Ordering;

use crate::indexing::{IndexEntry, Mode};

/// An association to describe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeTask {
    pub association_id: String,
    /// What the index has of it. An item that cannot be is removed only once EKS has been asked:
    /// until then, it is the only trace of the association.
    pub held: Option<IndexEntry>,
}

impl DescribeTask {
    /// Returns whether the index has an item that cannot be.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        matches!(self.held, Some(IndexEntry::Invalid(_)))
    }
}

/// Merges a part of EKS's list with the index's entries for the same part. Both are in the order of
/// association IDs.
///
/// The list and the index may each lag behind EKS, so neither is believed where they differ. Every
/// difference becomes a Describe, and what that shows is stored:
///
/// - Listed, but not in the index: the association is new.
/// - In the index, but not listed: the association was deleted, or the list lags behind its
///   creation. If it were removed without a Describe, a rotation would miss it.
/// - An item that cannot be: whatever it hides is described, listed or not.
/// - Listed, but a tombstone in the index: the list lags behind the deletion, or the tombstone was
///   written too early, because a Describe lagged behind the creation.
///
/// If both have an association, only a full reconcile describes it: the list does not show roles.
/// An association that an add-on owns is described each time. It moves by an update of the add-on,
/// and the event of that update does not name it.
#[must_use]
pub fn diff(
    mode: Mode,
    listed: &[String],
    entries: Vec<(String, IndexEntry)>,
) -> Vec<DescribeTask> {
    let mut tasks = Vec::new();
    let mut listed = listed.iter().peekable();
    for (id, entry) in entries {
        while let Some(new) = listed.next_if(|other| other.as_str() < id.as_str()) {
            tasks.push(new_association(new));
        }
        let is_listed = listed
            .next_if(|other| other.as_str().cmp(&id) == Ordering::Equal)
            .is_some();
        match entry {
            IndexEntry::Live(item)
                if is_listed && mode == Mode::ListOnly && item.owner_arn.is_none() => {}
            IndexEntry::Tombstone if !is_listed => {}
            entry => tasks.push(DescribeTask {
                association_id: id,
                held: Some(entry),
            }),
        }
    }
    tasks.extend(listed.map(|id| new_association(id)));
    tasks
}

fn new_association(id: &str) -> DescribeTask {
    DescribeTask {
        association_id: id.to_owned(),
        held: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indexing::{IndexItem, InvalidItem, ItemKey};
    use crate::resource::{Association, association};

    /// Parses entries: `a` is a live item, `a†` a tombstone, `a?` an item that cannot be.
    fn entries(text: &str) -> Vec<(String, IndexEntry)> {
        let entry = |word: &str| {
            let id = word.trim_end_matches(['†', '?']);
            let entry = match &word[id.len()..] {
                "†" => IndexEntry::Tombstone,
                "?" => IndexEntry::Invalid(InvalidItem {
                    key: ItemKey {
                        partition: "prod".to_owned(),
                        sort: id.to_owned(),
                    },
                    modified_at: None,
                    deleted_at: None,
                    problem: "it cannot be".to_owned(),
                }),
                _ => IndexEntry::Live(Box::new(IndexItem::of(&association("role")))),
            };
            (id.to_owned(), entry)
        };
        text.split_whitespace().map(entry).collect()
    }

    /// Prints the tasks: `+a` is not in the index, `a` is, and `a?` cannot be.
    fn shown(mode: Mode, listed: &str, index: &str) -> String {
        let listed: Vec<_> = listed.split_whitespace().map(str::to_owned).collect();
        let tasks = diff(mode, &listed, entries(index));
        let word = |task: &DescribeTask| {
            let id = &task.association_id;
            match &task.held {
                Some(IndexEntry::Live(_)) => id.clone(),
                Some(IndexEntry::Invalid(_)) => format!("{id}?"),
                Some(IndexEntry::Tombstone) | None => format!("+{id}"),
            }
        };
        tasks.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn an_association_that_an_add_on_owns_is_always_described() {
        let owned = Association {
            owner_arn: Some("an add-on".to_owned()),
            ..association("role")
        };
        let entry = IndexEntry::Live(Box::new(IndexItem::of(&owned)));
        let tasks = diff(
            Mode::ListOnly,
            &["a".to_owned()],
            vec![("a".to_owned(), entry)],
        );
        assert_eq!(tasks.len(), 1);
    }

    #[test]
    fn only_a_task_with_an_item_that_cannot_be_is_invalid() {
        for (listed, index, is_invalid) in [("a", "", false), ("", "a", false), ("", "a?", true)] {
            let listed: Vec<_> = listed.split_whitespace().map(str::to_owned).collect();
            let tasks = diff(Mode::Full, &listed, entries(index));
            assert_eq!(tasks[0].is_invalid(), is_invalid, "{tasks:?}");
        }
    }

    #[test]
    fn list_only_describes_the_differences_and_full_describes_everything() {
        for (listed, index, list_only, full) in [
            ("", "", "", ""),
            ("a b", "", "+a +b", "+a +b"),
            ("", "a b", "a b", "a b"),
            ("a b c", "a b c", "", "a b c"),
            ("a c", "b", "+a b +c", "+a b +c"),
            ("a b", "a† b", "+a", "+a b"),
            ("b", "a† b", "", "b"),
            ("a c", "a? b? c", "a? b?", "a? b? c"),
            ("a b d e", "b c d† f", "+a c +d +e f", "+a b c +d +e f"),
        ] {
            assert_eq!(
                shown(Mode::ListOnly, listed, index),
                list_only,
                "{listed} | {index}"
            );
            assert_eq!(shown(Mode::Full, listed, index), full, "{listed} | {index}");
        }
    }
}
