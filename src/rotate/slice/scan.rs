//! Plan and sweep: reads the index by role, and compares each item with the ledger. The first scan
//! of a rotation is its plan, later ones are its sweeps, and both do the same. Which of index and
//! ledger lags is decided in `rerole_core::rotation`.

use rerole_core::indexing::IndexItem;
use rerole_core::resource::RoleField;
use rerole_core::rotation::{Lag, Row, lag};
use tracing::{info, warn};

use crate::aws::ledger::PLAN_BATCH_LEN;
use crate::rotate::slice::context::Slice;
use crate::rotate::slice::error::SliceError;

/// What a scan found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Scan {
    /// Associations in scope that had no row and now have one.
    pub(super) created: u64,
    /// Associations on the old role that the request does not cover.
    pub(super) out_of_scope: u64,
    /// Settled associations that another actor has moved back to the old role.
    pub(super) reverted: u64,
}

impl Slice<'_> {
    /// Reads all pages of the old role: first the associations that have it as their role, then
    /// those that have it as their target role. A new association gets a pending row. An index item
    /// that lags behind the ledger is repaired.
    pub(super) async fn scan(&self) -> Result<Scan, SliceError> {
        let mut scan = Scan::default();
        for field in RoleField::ALL {
            let mut start = None;
            loop {
                self.check()?;
                let page = self
                    .aws
                    .index
                    .by_role(field, &self.request().old_role_arn, start)
                    .await?;
                self.scan_page(field, page.items, &mut scan).await?;
                start = page.next;
                if start.is_none() {
                    break;
                }
            }
        }
        Ok(scan)
    }

    /// Compares a page of the index with the ledger.
    async fn scan_page(
        &self,
        field: RoleField,
        items: Vec<IndexItem>,
        scan: &mut Scan,
    ) -> Result<(), SliceError> {
        let request = self.request();
        // An association with the role in both fields is planned for each of them, in case the
        // first secondary index lagged, but counted once.
        let first_time = |item: &IndexItem| {
            field == RoleField::RoleArn || item.role_arn != request.old_role_arn.as_str()
        };
        let (in_scope, out_of_scope): (Vec<_>, Vec<_>) = items
            .into_iter()
            .partition(|item| request.scope.covers(&item.cluster_name, &item.namespace));
        scan.out_of_scope += out_of_scope.iter().filter(|item| first_time(item)).count() as u64;
        for batch in in_scope.chunks(PLAN_BATCH_LEN) {
            self.check()?;
            let planned = self.aws.ledger.plan(&self.record, batch).await?;
            scan.created += planned.created;
            self.state().rows_added += planned.created;
            for row in &planned.existing {
                let item = batch
                    .iter()
                    .find(|item| item.association_arn == row.association_arn);
                if let (Some(item), false) = (item.filter(|item| first_time(item)), request.dry_run)
                {
                    self.check()?;
                    scan.reverted += u64::from(self.repair_lag(item, row).await?);
                }
            }
        }
        Ok(())
    }

    /// Repairs an item that lags behind its row. Returns whether the item does not lag, and the
    /// association has instead reverted to the old role.
    async fn repair_lag(&self, item: &IndexItem, row: &Row) -> Result<bool, SliceError> {
        let arn = &item.association_arn;
        match lag(item, row) {
            Lag::Expected => return Ok(false),
            Lag::Behind(known) => {
                let old_role = &self.request().old_role_arn;
                let repaired = self
                    .aws
                    .index
                    .repair_roles(arn, old_role, &known, self.aws.now())
                    .await?;
                info!(association = %arn, repaired, "index lagged behind a moved association");
            }
            Lag::Deleted => {
                let repaired = self
                    .aws
                    .index
                    .write_tombstone_for_version(arn, row.planned_modified_at, self.aws.now())
                    .await?;
                info!(association = %arn, repaired, "index lagged behind a deleted association");
            }
            Lag::Reverted => {
                warn!(association = %arn, "another actor moved the association back");
                return Ok(true);
            }
        }
        Ok(false)
    }
}
