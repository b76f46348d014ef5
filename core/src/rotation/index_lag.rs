//! What it means if the index shows an association on the old role and the ledger has a row for it.

use crate::indexing::IndexItem;
use crate::rotation::{Outcome, Row};
use crate::timestamp::Timestamp;

/// The roles of an association at a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRoles {
    pub role_arn: String,
    pub target_role_arn: Option<String>,
    pub modified_at: Timestamp,
}

/// How an index item on the old role and the ledger's row differ.
#[derive(Debug, PartialEq, Eq)]
pub enum Lag {
    /// They agree: the row is pending, or its outcome left the association on the old role.
    Expected,
    /// The index is behind: the association is on these roles now.
    Behind(KnownRoles),
    /// The index is behind: the association was deleted.
    Deleted,
    /// The ledger is behind: the association is on the old role again.
    Reverted,
}

/// Compares an index item on the old role with the ledger's row of the same association.
///
/// The sweep queries the index, which may not have a slice's update yet, or may already have
/// another actor's later change. The versions (`modifiedAt`) tell the two cases apart. For example,
/// a row was settled as `Updated` at version 20. An index item with version 10 is older, so the
/// index must be repaired. An item with version 21 is newer, so another actor has moved the
/// association back.
#[must_use]
pub fn lag(item: &IndexItem, row: &Row) -> Lag {
    match row.outcome {
        // The rollback has left it to other actors, on the old role or on another one.
        Outcome::ChangedSince
            if is_as_shown(item, row) || row.modified_at < Some(item.modified_at) =>
        {
            return Lag::Expected;
        }
        Outcome::Updated | Outcome::AlreadyCurrent | Outcome::Drifted | Outcome::ChangedSince => {}
        Outcome::Deleted if item.modified_at <= row.planned_modified_at => return Lag::Deleted,
        Outcome::Deleted => return Lag::Reverted,
        Outcome::Pending
        | Outcome::OwnedByAddon
        | Outcome::Failed
        | Outcome::NotAttempted
        | Outcome::WouldUpdate => {
            return Lag::Expected;
        }
    }
    match (&row.role_arn, row.modified_at) {
        (Some(role_arn), Some(modified_at)) if item.modified_at <= modified_at => {
            Lag::Behind(KnownRoles {
                role_arn: role_arn.clone(),
                target_role_arn: row.target_role_arn.clone(),
                modified_at,
            })
        }
        _ => Lag::Reverted,
    }
}

/// Returns whether the item has the roles that EKS showed when the row was settled.
fn is_as_shown(item: &IndexItem, row: &Row) -> bool {
    row.role_arn.as_ref() == Some(&item.role_arn) && row.target_role_arn == item.target_role_arn
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::association;

    #[test]
    fn the_newer_of_item_and_row_is_believed() {
        use Outcome::*;
        let at = Timestamp::from_millis;
        let old = "arn:aws:iam::111122223333:role/old".parse().unwrap();
        let behind = |millis| {
            Lag::Behind(KnownRoles {
                role_arn: "seen".into(),
                target_role_arn: Some("target".into()),
                modified_at: at(millis),
            })
        };
        // The item's version, the row's outcome and version (planned at 10), and the result.
        for (item_at, outcome, row_at, expected) in [
            (10, Updated, Some(20), behind(20)),
            (20, Updated, Some(20), behind(20)),
            (21, Updated, Some(20), Lag::Reverted),
            (10, AlreadyCurrent, Some(20), behind(20)),
            (10, Drifted, Some(20), behind(20)),
            (30, Drifted, Some(20), Lag::Reverted),
            (10, Deleted, None, Lag::Deleted),
            (11, Deleted, None, Lag::Reverted),
            (10, Pending, None, Lag::Expected),
            (10, Failed, Some(10), Lag::Expected),
            (10, OwnedByAddon, Some(10), Lag::Expected),
            (10, NotAttempted, Some(10), Lag::Expected),
            (10, ChangedSince, Some(20), behind(20)),
            (30, ChangedSince, Some(20), Lag::Expected),
        ] {
            let item = IndexItem {
                modified_at: at(item_at),
                ..IndexItem::of(&association("old"))
            };
            let row = Row {
                outcome,
                planned_modified_at: at(10),
                modified_at: row_at.map(at),
                role_arn: Some("seen".into()),
                target_role_arn: Some("target".into()),
                ..Row::planned(&old, &item)
            };
            assert_eq!(
                lag(&item, &row),
                expected,
                "item at {item_at}, {outcome:?} at {row_at:?}"
            );
        }
    }
}
