//! How an index item has to change to show what EKS shows.

use crate::indexing::{IndexItem, RunCounts};
use crate::resource::may_be_hidden;
use crate::timestamp::Timestamp;

/// How an index item changes, or would have to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    None,
    Added,
    Changed,
    Removed,
}

/// One association in the index and in EKS.
#[derive(Debug, Clone, Copy)]
pub struct Compared<'a> {
    /// What the index holds.
    pub held: Option<&'a IndexItem>,
    /// The item that a Describe calls for.
    pub shown: Option<&'a IndexItem>,
}

impl Compared<'_> {
    /// Returns the change after which the index shows what EKS showed at `now`.
    #[must_use]
    pub fn change(self, now: Timestamp) -> Change {
        match (self.held, self.shown) {
            (None, None) => Change::None,
            (None, Some(_)) => Change::Added,
            (Some(held), Some(shown)) if held == shown => Change::None,
            (Some(_), Some(_)) => Change::Changed,
            // EKS may not show a new version yet, so a missing association is removed only later.
            (Some(held), None) if may_be_hidden(now.since(held.modified_at)) => Change::None,
            (Some(_), None) => Change::Removed,
        }
    }
}

impl Change {
    /// Counts the change.
    pub fn count(self, counts: &mut RunCounts) {
        match self {
            Self::None => {}
            Self::Added => counts.added += 1,
            Self::Changed => counts.changed += 1,
            Self::Removed => counts.removed += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::association;

    #[test]
    fn each_change_has_a_count() {
        let mut counts = RunCounts::default();
        for change in [
            Change::None,
            Change::Added,
            Change::Changed,
            Change::Removed,
        ] {
            change.count(&mut counts);
            change.count(&mut counts);
        }
        let RunCounts {
            added,
            changed,
            removed,
            ..
        } = counts;
        assert_eq!((added, changed, removed), (2, 2, 2));
    }

    #[test]
    fn held_and_shown_items_give_a_change() {
        let item = |role: &str| IndexItem::of(&association(role));
        let (held, same, other) = (item("a"), item("a"), item("b"));
        // The held version is of second 1.
        for (held, shown, now_secs, expected) in [
            (None, None, 2, Change::None),
            (None, Some(&same), 2, Change::Added),
            (Some(&held), Some(&same), 2, Change::None),
            (Some(&held), Some(&other), 2, Change::Changed),
            (Some(&held), None, 2, Change::None),
            (Some(&held), None, 11, Change::Removed),
        ] {
            let now = Timestamp::from_millis(now_secs * 1_000);
            assert_eq!(Compared { held, shown }.change(now), expected, "at {now}");
        }
    }
}
