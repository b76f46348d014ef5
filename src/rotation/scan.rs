//! Steps 3 and 5: the index is read by role, and what it shows is held against the ledger. The first scan of a rotation is
//! its plan, the later ones are its sweeps; both do the same.

use tracing::{info, warn};

use super::{Slice, SliceError};
use crate::association::IndexItem;
use crate::aws::index::KnownRoles;
use crate::aws::rows::PLAN_BATCH_LEN;
use crate::outcome::{Outcome, Row};
use crate::role_field::RoleField;

/// What a scan found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Scan {
    /// Associations in scope that had no row, and have one now.
    pub(super) created: u64,
    /// Associations on the old role that the request does not cover.
    pub(super) out_of_scope: u64,
    /// Settled associations that somebody else has moved back to the old role.
    pub(super) returned: u64,
}

/// What an index item on the old role means where the ledger has a row for the association.
#[derive(Debug, PartialEq, Eq)]
enum Lag {
    /// Nothing: the row is not settled, or it left the association on the old role.
    Expected,
    /// The index is behind: the association is on these roles.
    Behind(KnownRoles),
    /// The index is behind: the association is gone.
    Gone,
    /// The index is ahead: the association is on the old role again.
    Returned,
}

impl Slice<'_> {
    /// Reads all pages of the old role, first where it is the role and then where it is the target role. New associations
    /// get a pending row; where the index is behind the ledger it is mended.
    pub(super) async fn scan(&self) -> Result<Scan, SliceError> {
        let mut scan = Scan::default();
        for field in RoleField::ALL {
            let mut start = None;
            loop {
                self.check()?;
                let page = self.aws.index.on_role(field, &self.request().old_role_arn, start).await?;
                self.take(field, page.items, &mut scan).await?;
                start = page.next;
                if start.is_none() {
                    break;
                }
            }
        }
        Ok(scan)
    }

    /// Holds a page against the ledger.
    async fn take(&self, field: RoleField, items: Vec<IndexItem>, scan: &mut Scan) -> Result<(), SliceError> {
        let request = self.request();
        // What has the role in both fields is planned again, in case the first secondary index lagged, and counted once.
        let first_time =
            |item: &IndexItem| field == RoleField::RoleArn || item.role_arn != request.old_role_arn.as_str();
        let (in_scope, out_of_scope): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|item| request.scope.covers(&item.cluster_name, &item.namespace));
        scan.out_of_scope += out_of_scope.iter().filter(|item| first_time(item)).count() as u64;
        for batch in in_scope.chunks(PLAN_BATCH_LEN) {
            self.check()?;
            let planned = self.aws.ledger.plan(&self.record, batch).await?;
            scan.created += planned.created;
            self.progress().rows_added += planned.created;
            for row in &planned.existing {
                let item = batch.iter().find(|item| item.association_arn == row.association_arn);
                if let (Some(item), false) = (item.filter(|item| first_time(item)), request.dry_run) {
                    self.check()?;
                    scan.returned += u64::from(self.mend_lag(item, row).await?);
                }
            }
        }
        Ok(())
    }

    /// Mends an item that is behind its row. Returns whether the association has returned to the old role instead.
    async fn mend_lag(&self, item: &IndexItem, row: &Row) -> Result<bool, SliceError> {
        let arn = &item.association_arn;
        match lag(item, row) {
            Lag::Expected => return Ok(false),
            Lag::Behind(known) => {
                let old_role = &self.request().old_role_arn;
                let mended = self.aws.index.mend_roles(arn, old_role, &known, self.aws.now()).await?;
                info!(association = %arn, mended, "the index lagged behind an association that has moved");
            }
            Lag::Gone => {
                let mended = self.aws.index.bury_version(arn, row.planned_modified_at, self.aws.now()).await?;
                info!(association = %arn, mended, "the index lagged behind an association that is gone");
            }
            Lag::Returned => {
                warn!(association = %arn, "an association is on the old role again: somebody else moved it back");
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn lag(item: &IndexItem, row: &Row) -> Lag {
    match row.outcome {
        Outcome::Updated | Outcome::AlreadyCurrent | Outcome::Drifted => {}
        Outcome::Deleted if item.modified_at <= row.planned_modified_at => return Lag::Gone,
        Outcome::Deleted => return Lag::Returned,
        Outcome::Pending | Outcome::OwnedByAddon | Outcome::Failed | Outcome::NotAttempted | Outcome::WouldUpdate => {
            return Lag::Expected;
        }
    }
    match (&row.role_arn, row.modified_at) {
        (Some(role_arn), Some(modified_at)) if item.modified_at <= modified_at => Lag::Behind(KnownRoles {
            role_arn: role_arn.clone(),
            target_role_arn: row.target_role_arn.clone(),
            modified_at,
        }),
        _ => Lag::Returned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn the_newer_of_index_and_ledger_is_believed() {
        use Outcome::*;
        let at = Timestamp::from_millis;
        let arn = "arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod-1/a-1";
        let old = "arn:aws:iam::111122223333:role/old".parse().unwrap();
        let behind = |millis| {
            Lag::Behind(KnownRoles {
                role_arn: "seen".into(),
                target_role_arn: Some("target".into()),
                modified_at: at(millis),
            })
        };
        // The item's version, the row's outcome and version (planned at 10), and what follows.
        for (item_at, outcome, row_at, expected) in [
            (10, Updated, Some(20), behind(20)),
            (20, Updated, Some(20), behind(20)),
            (21, Updated, Some(20), Lag::Returned),
            (10, AlreadyCurrent, Some(20), behind(20)),
            (10, Drifted, Some(20), behind(20)),
            (30, Drifted, Some(20), Lag::Returned),
            (10, Deleted, None, Lag::Gone),
            (11, Deleted, None, Lag::Returned),
            (10, Pending, None, Lag::Expected),
            (10, Failed, Some(10), Lag::Expected),
            (10, OwnedByAddon, Some(10), Lag::Expected),
            (10, NotAttempted, Some(10), Lag::Expected),
        ] {
            let item = IndexItem {
                cluster_arn: "c".into(),
                association_id: "a-1".into(),
                association_arn: arn.parse().unwrap(),
                cluster_name: "prod-1".into(),
                namespace: "pay".into(),
                service_account: "api".into(),
                role_arn: "old".into(),
                target_role_arn: None,
                owner_arn: None,
                modified_at: at(item_at),
            };
            let row = Row {
                outcome,
                planned_modified_at: at(10),
                modified_at: row_at.map(at),
                role_arn: Some("seen".into()),
                target_role_arn: Some("target".into()),
                ..Row::planned("r", &old, &item)
            };
            assert_eq!(lag(&item, &row), expected, "item at {item_at}, {outcome:?} at {row_at:?}");
        }
    }
}
