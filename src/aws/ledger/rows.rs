//! The rows of a rotation, one for each association: planned once, settled once, read in pages.
//! Which associations get a row, and how a row ends, is decided by the caller.

use rerole_core::call::{CallError, Operation};
use rerole_core::indexing::IndexItem;
use rerole_core::keys::{Entry, EntryPrefix, RotationKey, RowRegion};
use rerole_core::resource::{AssociationArn, RoleFields};
use rerole_core::rotation::{RotationRecord, Row, Settled};
use serde::Serialize;

use crate::aws::dynamodb::{
    Change, Condition, Item, Query, Refusal, Table, Transacted, TransactionPart, Write, number,
    text, to_item,
};
use crate::aws::ledger::lease::is_held;
use crate::aws::ledger::{LeaseError, is_absent, rotation_key};
use crate::aws::page::{Page, PageStart};

/// A transaction has at most 100 items, and one of them checks the fence.
pub const PLAN_BATCH_LEN: usize = 99;

/// The rows of one rotation.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    pub(super) table: &'a Table,
    pub(super) key: &'a RotationKey,
}

/// The result of [`Rows::plan`].
#[derive(Debug, Default)]
pub struct Planned {
    /// How many rows are new.
    pub created: u64,
    /// The rows that already existed, unchanged.
    pub existing: Vec<Row>,
}

/// Which rows to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Select<'a> {
    All,
    /// The pending rows of one region.
    PendingIn(&'a RowRegion),
}

impl Rows<'_> {
    /// Writes a pending row for each item that has no row, if `rotation` still has its lease. An
    /// existing row stays as it is.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] if another invocation has taken over the rotation.
    ///
    /// # Panics
    /// If there are more than [`PLAN_BATCH_LEN`] items.
    pub async fn plan(
        &self,
        rotation: &RotationRecord,
        items: &[IndexItem],
    ) -> Result<Planned, LeaseError> {
        assert!(
            items.len() <= PLAN_BATCH_LEN,
            "a batch has at most {PLAN_BATCH_LEN} items"
        );
        let operation = Operation::on("plan associations", self.key);
        let fence_check = TransactionPart::Check(
            rotation_key(self.key, &Entry::Rotation),
            is_held(rotation.fence),
        );
        let mut planned = Planned::default();
        let rows = items.iter();
        let mut rows: Vec<Row> = rows
            .map(|item| Row::planned(&rotation.old_role_arn, item))
            .collect();
        // A transaction is refused if one of its rows exists. Each round removes at least one
        // existing row or ends, so there are usually one or two rounds.
        while !rows.is_empty() {
            let mut parts = vec![fence_check.clone()];
            parts.extend(rows.iter().map(|row| self.put_new(row).into()));
            match self.table.transact(operation, parts).await? {
                Transacted::Done => {
                    planned.created += rows.len() as u64;
                    break;
                }
                Transacted::Refused(refusals) => {
                    if refusals.first().is_some_and(Refusal::is_condition) {
                        return Err(LeaseError::Lost);
                    }
                    let found = self.found(&rows, &refusals[1..])?;
                    let mut is_found = found.iter().map(Option::is_some);
                    rows.retain(|_| is_found.next() == Some(false));
                    planned.existing.extend(found.into_iter().flatten());
                }
            }
        }
        Ok(planned)
    }

    /// Returns one page of the rows, in the order of association ARNs. The read is consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or if a row does not have the form of the contract.
    pub async fn page(
        &self,
        select: Select<'_>,
        start: Option<PageStart>,
    ) -> Result<Page<Row>, CallError> {
        let prefix = match select {
            Select::All => EntryPrefix::Associations,
            Select::PendingIn(region) => EntryPrefix::AssociationsIn(region.clone()),
        };
        let mut query = Query::table(
            Condition::new("rotationId = :key AND begins_with(entry, :prefix)")
                .value("key", text(self.key))
                .value("prefix", text(prefix)),
        );
        if select != Select::All {
            let is_pending = Condition::new("outcome = :pending");
            query = query.filter(is_pending.value("pending", text("Pending")));
        }
        let operation = Operation::on("read associations", self.key);
        let page = self.table.query(operation, query.start(start)).await?;
        page.try_map(|item| self.table.parse(operation, item))
    }

    /// Reads the row of an association. The read is consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or if the row does not have the form of the contract.
    pub async fn get(&self, arn: &AssociationArn) -> Result<Option<Row>, CallError> {
        let operation = Operation::on("read association", arn);
        let entry = Entry::Association(arn.clone());
        self.table
            .get_as(operation, rotation_key(self.key, &entry))
            .await
    }

    /// Returns the regions in which the rotation has rows, sorted. It takes one call for each
    /// region, and one more.
    ///
    /// # Errors
    /// As [`Self::page`].
    pub async fn regions(&self) -> Result<Vec<RowRegion>, CallError> {
        let mut regions: Vec<RowRegion> = Vec::new();
        while let Some(next) = self.region_after(regions.last()).await? {
            regions.push(next);
        }
        Ok(regions)
    }

    /// Records the outcome of an association. A row is settled once: a settled row stays as it is.
    /// Returns whether the row was pending.
    ///
    /// This does not check the fence. An invocation that may have lost the lease records only what
    /// EKS has confirmed, which is true whichever invocation records it first.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn settle(&self, row: &Row, settled: &Settled) -> Result<bool, CallError> {
        let operation = Operation::on("settle association", &row.association_arn);
        let change = Change::default().set_all(&settled.row_attributes());
        self.change_pending(operation, row, change).await
    }

    /// Saves the number of refusals of a row that stays pending. The tokens of the next slice
    /// continue from it.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn save_refusals(&self, row: &Row, refusals: u32) -> Result<(), CallError> {
        let operation = Operation::on("save refusals", &row.association_arn);
        let change = Change::default().set("refusals", number(refusals.into()));
        self.change_pending(operation, row, change).await.map(drop)
    }

    /// Saves which fields the rotation moves, in a row that stays pending.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn save_fields(&self, row: &Row, fields: RoleFields) -> Result<(), CallError> {
        #[derive(Serialize)]
        struct Attributes {
            fields: RoleFields,
        }
        let operation = Operation::on("save fields", &row.association_arn);
        let change = Change::default().set_all(&Attributes { fields });
        self.change_pending(operation, row, change).await.map(drop)
    }

    /// Finds the next region with a row. The rows of a region have a common prefix, so one query
    /// skips them all.
    async fn region_after(&self, last: Option<&RowRegion>) -> Result<Option<RowRegion>, CallError> {
        let after = match last {
            Some(region) => EntryPrefix::AssociationsIn(region.clone()).end(),
            None => EntryPrefix::Associations.to_string(),
        };
        let query = Query::table(
            Condition::new("rotationId = :key AND entry BETWEEN :after AND :end")
                .value("key", text(self.key))
                .value("after", text(after))
                .value("end", text(EntryPrefix::Associations.end())),
        );
        let operation = Operation::on("read row regions", self.key);
        let mut page = self.table.query(operation, query.first()).await?;
        let Some(item) = page.items.pop() else {
            return Ok(None);
        };
        let row: Row = self.table.parse(operation, item)?;
        Ok(Some(RowRegion::of(&row.association_arn)))
    }

    /// Updates the row if it is pending. Returns whether it was.
    async fn change_pending(
        &self,
        operation: Operation<'_>,
        row: &Row,
        change: Change,
    ) -> Result<bool, CallError> {
        let is_pending = Condition::new("#outcome = :pending")
            .name("outcome")
            .value("pending", text("Pending"));
        let update = Write::update(self.row_key(row), change).only_if(is_pending);
        Ok(self.table.write(operation, update).await?.is_done())
    }

    /// Returns the put of a row that must not exist yet. If it exists, the refusal contains it.
    fn put_new(&self, row: &Row) -> Write {
        let mut item = to_item(row);
        item.extend(self.row_key(row));
        Write::put(item).only_if(is_absent()).returning_old()
    }

    /// Returns, for each of these rows, the one that the ledger already has.
    fn found(&self, rows: &[Row], refusals: &[Refusal]) -> Result<Vec<Option<Row>>, CallError> {
        let operation = Operation::on("plan associations", self.key);
        let found = rows
            .iter()
            .zip(refusals)
            .map(|(row, refusal)| match refusal {
                Refusal::None => Ok(None),
                Refusal::Condition { found: Some(item) } => {
                    self.table.parse(operation, item.clone()).map(Some)
                }
                Refusal::Condition { found: None } => {
                    let arn = &row.association_arn;
                    let problem = format!("DynamoDB did not return the existing row of {arn}");
                    Err(CallError::malformed_response(operation, problem))
                }
            });
        found.collect()
    }

    fn row_key(&self, row: &Row) -> Item {
        rotation_key(self.key, &Entry::Association(row.association_arn.clone()))
    }
}
