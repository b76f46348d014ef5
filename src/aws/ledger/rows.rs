//! The rows of a rotation, one for each association: planned once, settled once, read in pages.
//! Which associations get a row, and how a row ends, is decided by the caller.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    CancellationReason, ConditionCheck, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use rerole_core::call::CallError;
use rerole_core::indexing::IndexItem;
use rerole_core::rotation::{ROTATION_ENTRY, ROW_PREFIX, RotationRecord, Row, Settled};

use crate::aws::call_error::call_error;
use crate::aws::dynamodb::{
    Expression, Item, PAGE_LEN, Transacted, build, is_failed_condition, number, text, to_item,
    transact,
};
use crate::aws::ledger::{LeaseError, Ledger, item_key};

/// A transaction has at most 100 items, and one of them checks the fence.
pub const PLAN_BATCH_LEN: usize = 99;

/// The result of [`Ledger::plan`].
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

/// A region in which a rotation has rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRegion {
    pub name: String,
    /// The sort-key prefix of its rows.
    prefix: String,
}

impl RowRegion {
    /// Returns the region of a row, whose sort key is `association#arn:<partition>:eks:<region>:…`.
    #[must_use]
    pub fn of(row: &Row) -> Self {
        let prefix = row.entry.split_inclusive(':').take(4).collect();
        Self {
            name: row.association_arn.region().to_owned(),
            prefix,
        }
    }

    /// Returns the first text that sorts after all of its sort keys.
    fn end(&self) -> String {
        end_of(&self.prefix)
    }
}

/// One page of [`Ledger::rows`].
#[derive(Debug)]
pub struct RowPage {
    pub rows: Vec<Row>,
    /// Where the next page starts; `None` after the last page.
    pub next: Option<Item>,
}

impl Ledger {
    /// Writes a pending row for each item that has no row, if the fence of the rotation is still
    /// that of `rotation`. An existing row stays as it is.
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
        const OPERATION: &str = "plan associations";
        assert!(
            items.len() <= PLAN_BATCH_LEN,
            "a batch has at most {PLAN_BATCH_LEN} items"
        );
        let mut planned = Planned::default();
        let (key, old_role) = (rotation.rotation_id.as_str(), &rotation.old_role_arn);
        let mut rows: Vec<Row> = items
            .iter()
            .map(|item| Row::planned(key, old_role, item))
            .collect();
        // A transaction is cancelled if one of its rows exists. Each round removes at least one
        // existing row or ends, so there are usually one or two rounds.
        while !rows.is_empty() {
            let mut batch = vec![self.fence_check(key, rotation.fence)?];
            for row in &rows {
                batch.push(self.put_new(row)?);
            }
            let Transacted::Cancelled(reasons) =
                transact(&self.client, OPERATION, key, batch).await?
            else {
                planned.created += rows.len() as u64;
                break;
            };
            if reasons.first().is_some_and(is_failed_condition) {
                return Err(LeaseError::Lost);
            }
            rows = without_existing(key, rows, &reasons[1..], &mut planned.existing)?;
        }
        Ok(planned)
    }

    /// Returns one page of the rotation's rows, in the order of association ARNs. The read is
    /// consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or if a row does not have the form of the contract.
    pub async fn rows(
        &self,
        key: &str,
        select: Select<'_>,
        start: Option<Item>,
    ) -> Result<RowPage, CallError> {
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
            query = query
                .filter_expression("outcome = :pending")
                .expression_attribute_values(":pending", text("Pending"));
        }
        let output = query
            .send()
            .await
            .map_err(|error| call_error(OPERATION, key, &error))?;
        let rows = output
            .items
            .unwrap_or_default()
            .into_iter()
            .map(|item| parse(OPERATION, key, item));
        Ok(RowPage {
            rows: rows.collect::<Result<_, _>>()?,
            next: output.last_evaluated_key,
        })
    }

    /// Returns the regions in which the rotation has rows, sorted. It takes one call for each
    /// region, and one more.
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

    /// Records the outcome of an association. A row is settled once: a settled row stays as it is.
    /// Returns whether the row was pending.
    ///
    /// This does not check the fence. An invocation that may have lost the lease records only what
    /// EKS has confirmed, which is true whichever invocation records it first.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn settle(&self, row: &Row, settled: &Settled) -> Result<bool, CallError> {
        let change = Expression::default().set_all(&settled.row_attributes());
        self.change_pending("settle association", row, change).await
    }

    /// Saves the number of refusals of a row that stays pending. The tokens of the next slice
    /// continue from it.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn save_refusals(&self, row: &Row, refusals: u32) -> Result<(), CallError> {
        let change = Expression::default().set("refusals", number(refusals.into()));
        self.change_pending("save refusals", row, change)
            .await
            .map(drop)
    }

    /// Finds the next region with a row. The rows of a region have a common prefix, so one query
    /// skips them all.
    async fn row_region_after(
        &self,
        key: &str,
        last: Option<&RowRegion>,
    ) -> Result<Option<RowRegion>, CallError> {
        const OPERATION: &str = "read row regions";
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .limit(1)
            .key_condition_expression("rotationId = :key AND entry BETWEEN :after AND :end")
            .expression_attribute_values(":key", text(key))
            .expression_attribute_values(
                ":after",
                text(last.map_or(ROW_PREFIX.to_owned(), RowRegion::end)),
            )
            .expression_attribute_values(":end", text(end_of(ROW_PREFIX)));
        let output = query
            .send()
            .await
            .map_err(|error| call_error(OPERATION, key, &error))?;
        let Some(item) = output.items.unwrap_or_default().pop() else {
            return Ok(None);
        };
        Ok(Some(RowRegion::of(&parse(OPERATION, key, item)?)))
    }

    /// Updates the row if it is pending. Returns whether it was.
    async fn change_pending(
        &self,
        operation: &'static str,
        row: &Row,
        change: Expression,
    ) -> Result<bool, CallError> {
        let change = change.only_if(
            "#outcome = :pending",
            &["outcome"],
            &[("pending", text("Pending"))],
        );
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
                if matches!(
                    error.as_service_error(),
                    Some(UpdateItemError::ConditionalCheckFailedException(_))
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(call_error(operation, row.association_arn.as_str(), &error)),
        }
    }

    /// Returns the check that the rotation still has this fence.
    fn fence_check(&self, key: &str, fence: u64) -> Result<TransactWriteItem, CallError> {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(item_key(key, ROTATION_ENTRY)))
            .condition_expression("fence = :ourFence")
            .expression_attribute_values(":ourFence", number(fence));
        let check = check
            .build()
            .map(|check| TransactWriteItem::builder().condition_check(check).build());
        build("check fence", key, check)
    }

    /// Returns the put of a row that must not exist yet. If it exists, the reason contains it.
    fn put_new(&self, row: &Row) -> Result<TransactWriteItem, CallError> {
        let put = self
            .put_item(to_item(row))
            .condition_expression("attribute_not_exists(rotationId)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        build(
            "plan association",
            &row.entry,
            put.build()
                .map(|put| TransactWriteItem::builder().put(put).build()),
        )
    }
}

/// Returns the first text that sorts after all texts that start with `prefix`. The prefix must end
/// in an ASCII character.
fn end_of(prefix: &str) -> String {
    let mut text = prefix.to_owned();
    if let Some(last) = text.pop() {
        text.extend(char::from_u32(u32::from(last) + 1));
    }
    text
}

/// Moves the rows that already exist in the ledger to `existing`, and returns the others.
fn without_existing(
    key: &str,
    rows: Vec<Row>,
    reasons: &[CancellationReason],
    existing: &mut Vec<Row>,
) -> Result<Vec<Row>, CallError> {
    let mut missing = Vec::with_capacity(rows.len());
    for (row, reason) in rows.into_iter().zip(reasons) {
        match (is_failed_condition(reason), &reason.item) {
            (false, _) => missing.push(row),
            (true, Some(item)) => existing.push(parse("plan associations", key, item.clone())?),
            (true, None) => {
                let problem = format!("DynamoDB did not return the existing row {}", row.entry);
                return Err(CallError::malformed_response(
                    "plan associations",
                    key,
                    problem,
                ));
            }
        }
    }
    Ok(missing)
}

fn parse(operation: &'static str, key: &str, item: Item) -> Result<Row, CallError> {
    let entry = format!("{:?}", item.get("entry"));
    serde_dynamo::from_item(item).map_err(|error| {
        CallError::malformed_response(operation, key, format!("row {entry}: {error}"))
    })
}
