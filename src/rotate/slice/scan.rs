//! Plan and sweep: reads the index by role, and compares each item with the ledger. The first scan
//! of a rotation is its plan, later ones are its sweeps, and both do the same. Which of index and
//! ledger lags is decided in `rerole_core::rotation`.

use std::collections::{BTreeMap, BTreeSet};

use rerole_core::indexing::{IndexEntry, IndexItem, ItemKey};
use rerole_core::request::RotationRequest;
use rerole_core::resource::{AssociationArn, RoleField};
use rerole_core::rotation::{Lag, Outcome, Row, lag};
use tracing::{error, info, warn};

use crate::aws::index_table::{ROLE_PAGES, Replaces};
use crate::aws::ledger::{PLAN_BATCH_LEN, ROW_PAGES};
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
                if slice.request().rollback.is_some() {
                    scan.page_of_rollback(field, items).await?;
                } else {
                    scan.page(field, items).await?;
                }
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

    /// Compares a page of the index with the ledger, for a rollback. It adds no row.
    async fn page_of_rollback(
        &mut self,
        field: RoleField,
        items: Vec<IndexItem>,
    ) -> Result<(), SliceError> {
        let (Some(first), Some(last)) = (items.first(), items.last()) else {
            return Ok(());
        };
        let range = [&first.association_arn, &last.association_arn];
        let rows = self.slice.aws.ledger.rows(self.slice.key());
        let mut pages = paginate(ROW_PAGES, async |start| {
            self.slice.check()?;
            Ok::<_, SliceError>(rows.between(range, start).await?)
        });
        // Most of the rows may be of associations that are on no page, and all of them may not fit
        // into memory.
        let arns = items.iter().map(|item| (&item.association_arn, None));
        let mut found: BTreeMap<&AssociationArn, Option<Row>> = arns.collect();
        while let Some(page) = pages.next().await? {
            for row in page {
                if let Some(place) = found.get_mut(&row.association_arn) {
                    *place = Some(row);
                }
            }
        }
        let request = self.slice.request();
        for item in &items {
            if !is_first_time(request, field, item) {
                continue;
            }
            let row = found.get(&item.association_arn).and_then(Option::as_ref);
            let row = row.filter(|row| row.takes_back(item, &request.old_role_arn));
            let is_left =
                |row: &Row| row.outcome == Outcome::ChangedSince && lag(item, row) == Lag::Expected;
            match row {
                Some(row) if !is_left(row) => {
                    if !request.dry_run {
                        self.slice.check()?;
                        self.repair_lag(item, row).await?;
                    }
                }
                _ => self.result.out_of_scope += 1,
            }
        }
        Ok(())
    }

    /// Compares a page of the index with the ledger.
    async fn page(&mut self, field: RoleField, items: Vec<IndexItem>) -> Result<(), SliceError> {
        let request = self.slice.request();
        let first_time = |item: &&IndexItem| is_first_time(request, field, item);
        let (in_scope, out_of_scope): (Vec<_>, Vec<_>) = items
            .into_iter()
            .partition(|item| request.scope.covers(item.location()));
        self.result.out_of_scope += out_of_scope.iter().filter(first_time).count() as u64;
        let rows = self.slice.aws.ledger.rows(self.slice.key());
        let record = &self.slice.record;
        for batch in in_scope.chunks(PLAN_BATCH_LEN) {
            self.slice.check()?;
            let pending = batch.iter().map(|item| Row {
                attempt: record.attempt,
                ..Row::planned(&record.old_role_arn, item)
            });
            let planned = rows.plan(record, pending.collect()).await?;
            self.result.created += self.slice.note_planned(&planned);
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

/// Returns whether a scan finds an association for the first time. One with the role in both fields
/// is planned for each of them, in case the first secondary index lagged, but counted once.
fn is_first_time(request: &RotationRequest, field: RoleField, item: &IndexItem) -> bool {
    field == RoleField::RoleArn || item.role_arn != request.old_role_arn.as_str()
}
