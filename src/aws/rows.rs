//! The ledger's rows: one for each association in a rotation. Planned once, settled once, read in pages.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    CancellationReason, ConditionCheck, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};

use super::PAGE_LEN;
use super::error::CallError;
use super::expression::{Expression, Item, number, text, to_item};
use super::ledger::{LeaseError, Ledger, item_key};
use super::transaction::{Transacted, built, is_condition};
use crate::association::IndexItem;
use crate::outcome::{ROW_PREFIX, Row, Settled};
use crate::record::{ROTATION_ENTRY, RotationRecord};

/// `TransactWriteItems` takes 100 items; one of them checks the fence.
pub const PLAN_BATCH_LEN: usize = 99;

/// What came of planning a batch.
#[derive(Debug, Default)]
pub struct Planned {
    /// Rows that are new.
    pub created: u64,
    /// Rows that were there before, as they stand.
    pub existing: Vec<Row>,
}

/// Which rows a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Select<'a> {
    All,
    PendingIn(&'a RowRegion),
}

/// A region that a rotation has rows in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRegion {
    pub name: String,
    /// What the entries of its rows begin with.
    prefix: String,
}

impl RowRegion {
    /// The region of this row: `association#arn:<partition>:eks:<region>:…`.
    #[must_use]
    pub fn of(row: &Row) -> Self {
        let prefix = row.entry.split_inclusive(':').take(4).collect();
        Self { name: row.association_arn.region().to_owned(), prefix }
    }

    /// The first text that is behind all of its entries.
    fn behind(&self) -> String {
        behind(&self.prefix)
    }
}

/// The first text that is behind all that begin with `prefix`, which ends in a character of ASCII.
fn behind(prefix: &str) -> String {
    let mut text = prefix.to_owned();
    if let Some(last) = text.pop() {
        text.extend(char::from_u32(u32::from(last) + 1));
    }
    text
}

/// One page of rows.
#[derive(Debug)]
pub struct RowPage {
    pub rows: Vec<Row>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Item>,
}

impl Ledger {
    /// Puts a pending row for each item that has none, while the rotation's fence is ours. A row that is there stays as it is.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] where the fence has moved on.
    ///
    /// # Panics
    /// Where there are more than [`PLAN_BATCH_LEN`] items.
    pub async fn plan(&self, rotation: &RotationRecord, items: &[IndexItem]) -> Result<Planned, LeaseError> {
        const OPERATION: &str = "plan associations";
        assert!(items.len() <= PLAN_BATCH_LEN, "a batch fits into one transaction");
        let mut planned = Planned::default();
        let (key, old_role) = (rotation.rotation_id.as_str(), &rotation.old_role_arn);
        let mut rows: Vec<Row> = items.iter().map(|item| Row::planned(key, old_role, item)).collect();
        // Each round takes out at least one row that is there already, or ends. The usual number of rounds is one, or two.
        while !rows.is_empty() {
            let mut batch = vec![self.fence_check(key, rotation.fence)?];
            for row in &rows {
                batch.push(self.put_new(row)?);
            }
            let Transacted::Cancelled(reasons) = self.transact(OPERATION, key, batch).await? else {
                planned.created += rows.len() as u64;
                break;
            };
            if reasons.first().is_some_and(is_condition) {
                return Err(LeaseError::Lost);
            }
            rows = without_existing(key, rows, &reasons[1..], &mut planned.existing)?;
        }
        Ok(planned)
    }

    /// One page of the rotation's rows, in the order of association ARNs. The read is consistent.
    ///
    /// # Errors
    /// Where DynamoDB cannot be read, or a row is not of the contract's form.
    pub async fn rows(&self, key: &str, select: Select<'_>, start: Option<Item>) -> Result<RowPage, CallError> {
        const OPERATION: &str = "read associations";
        let prefix = match select {
            Select::All => ROW_PREFIX,
            Select::PendingIn(region) => &region.prefix,
        };
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .limit(PAGE_LEN)
            .key_condition_expression("rotationId = :key AND begins_with(entry, :prefix)")
            .expression_attribute_values(":key", text(key))
            .expression_attribute_values(":prefix", text(prefix))
            .set_exclusive_start_key(start);
        if select != Select::All {
            query =
                query.filter_expression("outcome = :pending").expression_attribute_values(":pending", text("Pending"));
        }
        let output = query.send().await.map_err(|error| CallError::new(OPERATION, key, &error))?;
        let rows = output.items.unwrap_or_default().into_iter().map(|item| readable(OPERATION, key, item));
        Ok(RowPage { rows: rows.collect::<Result<_, _>>()?, next: output.last_evaluated_key })
    }

    /// The regions that the rotation has rows in, in order: one call for each, and one more.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub async fn row_regions(&self, key: &str) -> Result<Vec<RowRegion>, CallError> {
        let mut regions: Vec<RowRegion> = Vec::new();
        while let Some(next) = self.row_region_after(key, regions.last()).await? {
            regions.push(next);
        }
        Ok(regions)
    }

    /// Entries of a region stand together, and begin with the same text.
    async fn row_region_after(&self, key: &str, last: Option<&RowRegion>) -> Result<Option<RowRegion>, CallError> {
        const OPERATION: &str = "read regions";
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .limit(1)
            .key_condition_expression("rotationId = :key AND entry BETWEEN :after AND :end")
            .expression_attribute_values(":key", text(key))
            .expression_attribute_values(":after", text(last.map_or(ROW_PREFIX.to_owned(), RowRegion::behind)))
            .expression_attribute_values(":end", text(behind(ROW_PREFIX)));
        let output = query.send().await.map_err(|error| CallError::new(OPERATION, key, &error))?;
        let Some(item) = output.items.unwrap_or_default().pop() else { return Ok(None) };
        Ok(Some(RowRegion::of(&readable(OPERATION, key, item)?)))
    }

    /// Records how an association ended, once: a row that is settled stays as it is. Returns whether it was pending.
    ///
    /// # Errors
    /// Where DynamoDB cannot be written.
    pub async fn settle(&self, row: &Row, settled: &Settled) -> Result<bool, CallError> {
        let change = Expression::default().set_all(&settled.row_members());
        self.change_pending("settle association", row, change).await
    }

    /// Keeps the number of refusals of a row that stays pending: the next slice's tokens go on from there.
    ///
    /// # Errors
    /// Where DynamoDB cannot be written.
    pub async fn note_refusals(&self, row: &Row, refusals: u32) -> Result<(), CallError> {
        let change = Expression::default().set("refusals", number(refusals.into()));
        self.change_pending("note refusals", row, change).await.map(drop)
    }

    async fn change_pending(&self, operation: &'static str, row: &Row, change: Expression) -> Result<bool, CallError> {
        let change = change.only_if("#outcome = :pending", &["outcome"], &[("pending", text("Pending"))]);
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(item_key(&row.rotation_id, &row.entry)))
            .update_expression(change.update())
            .set_condition_expression(change.condition())
            .set_expression_attribute_names(Some(change.names()))
            .set_expression_attribute_values(change.values());
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(error.as_service_error(), Some(UpdateItemError::ConditionalCheckFailedException(_))) =>
            {
                Ok(false)
            }
            Err(error) => Err(CallError::new(operation, row.association_arn.as_str(), &error)),
        }
    }

    fn fence_check(&self, key: &str, fence: u64) -> Result<TransactWriteItem, CallError> {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(item_key(key, ROTATION_ENTRY)))
            .condition_expression("fence = :ourFence")
            .expression_attribute_values(":ourFence", number(fence));
        let check = check.build().map(|check| TransactWriteItem::builder().condition_check(check).build());
        built("check fence", key, check)
    }

    fn put_new(&self, row: &Row) -> Result<TransactWriteItem, CallError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(to_item(row)))
            .condition_expression("attribute_not_exists(rotationId)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        built("plan association", &row.entry, put.build().map(|put| TransactWriteItem::builder().put(put).build()))
    }
}

/// Moves the rows that the transaction found in the ledger to `existing` and returns the others.
fn without_existing(
    key: &str,
    rows: Vec<Row>,
    reasons: &[CancellationReason],
    existing: &mut Vec<Row>,
) -> Result<Vec<Row>, CallError> {
    let mut missing = Vec::with_capacity(rows.len());
    for (row, reason) in rows.into_iter().zip(reasons) {
        match (is_condition(reason), &reason.item) {
            (false, _) => missing.push(row),
            (true, Some(item)) => existing.push(readable("plan associations", key, item.clone())?),
            (true, None) => {
                let problem = format!("row {} exists and was not returned", row.entry);
                return Err(CallError::malformed_answer("plan associations", key, problem));
            }
        }
    }
    Ok(missing)
}

fn readable(operation: &'static str, key: &str, item: Item) -> Result<Row, CallError> {
    let entry = format!("{:?}", item.get("entry"));
    serde_dynamo::from_item(item)
        .map_err(|error| CallError::malformed_answer(operation, key, format!("row {entry}: {error}")))
}
