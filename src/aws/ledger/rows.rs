//! The rows of a rotation, one for each association: settled once, read in pages. How rows are
//! written in batches is in `row_batches.rs`. Which associations get a row, and how a row ends, is
//! decided by the caller.

use rerole_core::call::{CallError, Operation};
use rerole_core::keys::{Entry, EntryPrefix, RotationKey, RowRegion};
use rerole_core::resource::{AssociationArn, RoleFields};
use rerole_core::rotation::{Row, Settled, WrittenMembers};
use serde::Serialize;

use crate::aws::dynamodb::{Change, Condition, Item, Query, Table, Write, number, text};
use crate::aws::ledger::{rotation_key, with_prefix};
use crate::aws::page::{Page, PageStart};

/// The rows of one rotation.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    pub(super) table: &'a Table,
    pub(super) key: &'a RotationKey,
}

/// Which rows to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Select<'a> {
    All,
    Pending,
    /// The pending rows of one region.
    PendingIn(&'a RowRegion),
}

impl Rows<'_> {
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
            Select::All | Select::Pending => EntryPrefix::Associations,
            Select::PendingIn(region) => EntryPrefix::AssociationsIn(region.clone()),
        };
        let mut query = self.with_prefix(&prefix);
        if select != Select::All {
            let is_pending = Condition::new("outcome = :pending");
            query = query.filter(is_pending.value("pending", text("Pending")));
        }
        let operation = Operation::on("read associations", self.key);
        let page = self.table.query(operation, query.start(start)).await?;
        page.try_map(|item| self.table.parse(operation, item))
    }

    /// Returns one page of the rows whose association the rotation has moved, each with what its
    /// rollback has to know besides. The read is consistent.
    ///
    /// # Errors
    /// As [`Self::page`].
    pub async fn moved(
        &self,
        start: Option<PageStart>,
    ) -> Result<Page<(Row, WrittenMembers)>, CallError> {
        let operation = Operation::on("read moved associations", self.key);
        let query = self.with_prefix(&EntryPrefix::Associations);
        let is_updated = Condition::new("outcome = :updated").value("updated", text("Updated"));
        let query = query.filter(is_updated).start(start);
        let page = self.table.query(operation, query).await?;
        page.try_map(|item| {
            let written = self.table.parse(operation, item.clone())?;
            Ok((self.table.parse(operation, item)?, written))
        })
    }

    /// Returns one page of the rows from `first` to `last`, in the order of association ARNs. The
    /// read is consistent.
    ///
    /// # Errors
    /// As [`Self::page`].
    pub async fn between(
        &self,
        [first, last]: [&AssociationArn; 2],
        start: Option<PageStart>,
    ) -> Result<Page<Row>, CallError> {
        let operation = Operation::on("read associations", self.key);
        let entry = |arn: &AssociationArn| text(Entry::Association(arn.clone()));
        let query = Query::table(
            Condition::new("rotationId = :key AND entry BETWEEN :first AND :last")
                .value("key", text(self.key))
                .value("first", entry(first))
                .value("last", entry(last)),
        );
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

    /// Records the outcome of an association. A row is settled once in each attempt: a settled row
    /// stays as it is, and so does one that a later attempt has opened again. Returns whether the
    /// row was pending.
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

    fn with_prefix(&self, prefix: &EntryPrefix) -> Query {
        with_prefix(&self.key.clone().into(), prefix)
    }

    /// Updates the row if it is pending. Returns whether it was.
    async fn change_pending(
        &self,
        operation: Operation<'_>,
        row: &Row,
        change: Change,
    ) -> Result<bool, CallError> {
        let update = Write::update(self.row_key(row), change).only_if(is_pending(row));
        Ok(self.table.write(operation, update).await?.is_done())
    }

    pub(super) fn row_key(&self, row: &Row) -> Item {
        rotation_key(self.key, &Entry::Association(row.association_arn.clone()))
    }
}

/// The condition that a row is pending, in the attempt in which it was read.
pub(super) fn is_pending(row: &Row) -> Condition {
    Condition::new("#outcome = :pending AND attempt = :attempt")
        .name("outcome")
        .value("pending", text("Pending"))
        .value("attempt", number(row.attempt.into()))
}
