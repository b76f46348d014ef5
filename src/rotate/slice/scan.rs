//! Plan and sweep: reads the index by role, and compares each item with the ledger. The first scan
//! of a rotation is its plan, later ones are its sweeps, and both do the same. Which of index and
//! ledger lags is decided in `rerole_core::rotation`.

use std::collections::BTreeSet;

use rerole_core::indexing::{IndexEntry, IndexItem, ItemKey};
use rerole_core::resource::RoleField;
use rerole_core::rotation::{Lag, Row, lag};
use tracing::{error, info, warn};

use crate::aws::index_table::{ROLE_PAGES, Replaces};
use crate::aws::ledger::PLAN_BATCH_LEN;
use crate::aws::page::paginate;
use crate::rotate::slice::context::Context;
use crate::rotate::slice::error::SliceError;

/// What a scan found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct ScanResult {
    /// Associations in scope that had no row and now have one.
    pub(super) created: u64,
    /// Associations on the old role that the request does not cover.
    pub(super) out_of_scope: u64,
    /// Settled associations that another actor has moved back to the old role.
    pub(super) reverted: u64,
    /// The keys of items that name the old role and cannot be, unless they are in a region that the
    /// request does not cover. They block no rotation: it leaves them out, and says so.
    pub(super) invalid: BTreeSet<ItemKey>,
}

/// One scan.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    slice: &'a Context<'a>,
    result: ScanResult,
}

impl<'a> Scan<'a> {
    /// Reads all pages of the old role: first the associations that have it as their role, then
    /// those that have it as their target role. A new association gets a pending row. An index item
    /// that lags behind the ledger is repaired.
    pub(super) async fn run(slice: &'a Context<'a>) -> Result<ScanResult, SliceError> {
        let result = ScanResult::default();
        let mut scan = Self { slice, result };
        let old_role = &slice.request().old_role_arn;
        for field in RoleField::ALL {
            let mut pages = paginate(ROLE_PAGES, async |start| {
                slice.check()?;
                let rules = slice.item_rules();
                let index = &slice.aws.index;
                Ok::<_, SliceError>(index.by_role(field, old_role, &rules, start).await?)
            });
            while let Some(entries) = pages.next().await? {
                let items = scan.valid(entries);
                scan.page(field, items).await?;
            }
        }
        Ok(scan.result)
    }

    /// Returns the items, without those that cannot be.
    fn valid(&mut self, entries: Vec<IndexEntry>) -> Vec<IndexItem> {
        let mut items = Vec::with_capacity(entries.len());
        for entry in entries {
            match entry {
                IndexEntry::Live(item) => items.push(*item),
                IndexEntry::Invalid(item) => {
                    let scope = &self.slice.request().scope;
                    let region = item.region();
                    if region.is_none_or(|region| scope.covers_region(&region)) {
                        error!(problem = item.problem, "invalid item of the index left out");
                        self.result.invalid.insert(item.key);
                    }
                }
                // It has no role, so no secondary index shows it.
                IndexEntry::Tombstone => {}
            }
        }
        items
    }

    /// Compares a page of the index with the ledger.
    async fn page(&mut self, field: RoleField, items: Vec<IndexItem>) -> Result<(), SliceError> {
        let request = self.slice.request();
        // An association with the role in both fields is planned for each of them, in case the
        // first secondary index lagged, but counted once.
        let first_time = |item: &&IndexItem| {
            field == RoleField::RoleArn || item.role_arn != request.old_role_arn.as_str()
        };
        let (in_scope, out_of_scope): (Vec<_>, Vec<_>) = items
            .into_iter()
            .partition(|item| request.scope.covers(item.location()));
        self.result.out_of_scope += out_of_scope.iter().filter(first_time).count() as u64;
        let rows = self.slice.aws.ledger.rows(self.slice.key());
        for batch in in_scope.chunks(PLAN_BATCH_LEN) {
            self.slice.check()?;
            let planned = rows.plan(&self.slice.record, batch).await?;
            self.result.created += planned.created;
            self.slice.state().rows_added += planned.created;
            if request.dry_run {
                continue;
            }
            for row in &planned.existing {
                let mut items = batch.iter();
                let item = items.find(|item| item.association_arn == row.association_arn);
                if let Some(item) = item.filter(first_time) {
                    self.slice.check()?;
                    self.repair_lag(item, row).await?;
                }
            }
        }
        Ok(())
    }

    /// Repairs an item that lags behind its row. If it does not lag, the association has instead
    /// reverted to the old role.
    async fn repair_lag(&mut self, item: &IndexItem, row: &Row) -> Result<(), SliceError> {
        let (index, now) = (&self.slice.aws.index, self.slice.aws.now());
        let arn = &item.association_arn;
        match lag(item, row) {
            Lag::Expected => {}
            Lag::Behind(known) => {
                let old_role = &self.slice.request().old_role_arn;
                let repaired = index.repair_roles(arn, old_role, &known, now).await?;
                info!(association = %arn, repaired, "index lagged behind a moved association");
            }
            Lag::Deleted => {
                let planned = Replaces::UpTo(row.planned_modified_at);
                let repaired = index.write_tombstone(arn, planned, now).await?;
                info!(association = %arn, repaired, "index lagged behind a deleted association");
            }
            Lag::Reverted => {
                warn!(association = %arn, "another actor moved the association back");
                self.result.reverted += 1;
            }
        }
        Ok(())
    }
}
