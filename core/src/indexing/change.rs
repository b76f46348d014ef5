//! How an index item has to change to show what EKS shows.

use crate::indexing::{IndexItem, RunCounts, may_be_hidden};
use crate::timestamp::Timestamp;

/// How an index item changes, or would have to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    None,
    Added,
    Changed,
    Removed,
}

impl Change {
    /// Returns the change after which the index shows what EKS shows. `known` is the index item,
    /// and `shown` the item that a Describe at `now` calls for.
    #[must_use]
    pub fn between(known: Option<&IndexItem>, shown: Option<&IndexItem>, now: Timestamp) -> Self {
        match (known, shown) {
            (None, None) => Self::None,
            (None, Some(_)) => Self::Added,
            (Some(known), Some(shown)) if known == shown => Self::None,
            (Some(_), Some(_)) => Self::Changed,
            // EKS may not show a new version yet, so a missing association is removed only later.
            (Some(known), None) if may_be_hidden(known.modified_at, now) => Self::None,
            (Some(_), None) => Self::Removed,
        }
    }

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
    fn known_and_shown_items_give_a_change() {
        let item = |role: &str| IndexItem::of(&association(role));
        let (known, same, other) = (item("a"), item("a"), item("b"));
        // The known version is of second 1.
        for (known, shown, now_secs, expected) in [
            (None, None, 2, Change::None),
            (None, Some(&same), 2, Change::Added),
            (Some(&known), Some(&same), 2, Change::None),
            (Some(&known), Some(&other), 2, Change::Changed),
            (Some(&known), None, 2, Change::None),
            (Some(&known), None, 11, Change::Removed),
        ] {
            let now = Timestamp::from_millis(now_secs * 1_000);
            assert_eq!(Change::between(known, shown, now), expected, "at {now}");
        }
    }
}
