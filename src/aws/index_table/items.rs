//! The items of the `AssociationIndex` table as the indexer maintains them: stored, replaced by a
//! tombstone, and read by cluster. What a rotation does with the table is in `mod.rs`.
//!
//! An item only moves forward to later versions. A deleted association leaves a tombstone. It has
//! no role, so no secondary index shows it, and no `modifiedAt`, so no condition on a version can
//! overwrite it.

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use rerole_core::call::CallError;
use rerole_core::indexing::{Entry, IndexItem};
use rerole_core::resource::{Association, AssociationArn};
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::aws::call_error::call_error;
use crate::aws::dynamodb::{Item, PAGE_LEN, number, text, to_item};
use crate::aws::index_table::{IndexTable, key, shown_key};

/// EKS becomes consistent within seconds, so a Describe in the first minutes after a delete may
/// still show the association. Later than this, an association that EKS shows does exist: the
/// tombstone was written too early, and is overwritten.
const TOMBSTONE_FIRM: Duration = Duration::from_mins(10);
/// SQS keeps a message for at most 14 days, so no event of the association arrives later.
const TOMBSTONE_RETENTION: Duration = Duration::from_hours(14 * 24);

/// One page of a cluster's entries, in the order of their association IDs.
#[derive(Debug)]
pub struct EntryPage {
    pub entries: Vec<(String, Entry)>,
    /// Where the next page starts; `None` after the last page.
    pub next: Option<Item>,
}

/// The result of [`IndexTable::store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// There was no item, or a tombstone old enough to be overwritten.
    Added,
    Changed,
    /// Nothing was written, because the index has a later version.
    Older,
    /// Nothing was written, because a recent tombstone says that the association was deleted. One
    /// of the two Describes is out of date.
    Tombstone,
}

impl IndexTable {
    /// Stores an association as EKS showed it, unless the index has a later version.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn store(&self, seen: &Association, now: Timestamp) -> Result<Stored, CallError> {
        let arn = &seen.association_arn;
        let item = ItemAttributes {
            item: &IndexItem::of(seen),
            account_id: arn.account(),
            region: arn.region(),
            seen_at: now,
        };
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(to_item(&item)))
            .condition_expression(
                "attribute_not_exists(clusterArn) OR modifiedAt <= :modifiedAt \
                 OR deletedAt < :firm",
            )
            .expression_attribute_values(":modifiedAt", text(seen.modified_at))
            .expression_attribute_values(":firm", text(now - TOMBSTONE_FIRM))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(output) => {
                let was_live = output
                    .attributes
                    .is_some_and(|old| old.contains_key("roleArn"));
                Ok(if was_live {
                    Stored::Changed
                } else {
                    Stored::Added
                })
            }
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    let is_tombstone = failed
                        .item()
                        .is_some_and(|item| item.contains_key("deletedAt"));
                    Ok(if is_tombstone {
                        Stored::Tombstone
                    } else {
                        Stored::Older
                    })
                }
                _ => Err(call_error("store index item", arn.as_str(), &error)),
            },
        }
    }

    /// Writes the tombstone of a deleted association. Returns whether it is new.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn write_tombstone(
        &self,
        arn: &AssociationArn,
        now: Timestamp,
    ) -> Result<bool, CallError> {
        let put = self
            .tombstone(arn, now)
            .condition_expression("attribute_not_exists(deletedAt)");
        is_written(put.send().await, arn)
    }

    /// Replaces an item by a tombstone, unless the item is newer than `version`. Returns whether it
    /// was replaced.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn write_tombstone_for_version(
        &self,
        arn: &AssociationArn,
        version: Timestamp,
        now: Timestamp,
    ) -> Result<bool, CallError> {
        let put = self
            .tombstone(arn, now)
            .condition_expression("modifiedAt <= :modifiedAt")
            .expression_attribute_values(":modifiedAt", text(version));
        is_written(put.send().await, arn)
    }

    /// Reads the entry of one association. The read is consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or if the item does not have the form of the contract.
    pub async fn entry(&self, arn: &AssociationArn) -> Result<Option<Entry>, CallError> {
        const OPERATION: &str = "read index item";
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(arn)))
            .consistent_read(true);
        let output = get
            .send()
            .await
            .map_err(|error| call_error(OPERATION, arn.as_str(), &error))?;
        let entry = output.item.map(parse).transpose();
        let entry = entry
            .map_err(|problem| CallError::malformed_response(OPERATION, arn.as_str(), problem))?;
        Ok(entry.map(|(_, entry)| entry))
    }

    /// Returns one page of the entries of a cluster, after the association ID `after`. The read is
    /// consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or if an item does not have the form of the contract.
    pub async fn entries_of_cluster(
        &self,
        cluster_arn: &str,
        after: Option<&str>,
        start: Option<Item>,
    ) -> Result<EntryPage, CallError> {
        const OPERATION: &str = "read index items";
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .limit(PAGE_LEN)
            .expression_attribute_values(":cluster", text(cluster_arn))
            .set_exclusive_start_key(start);
        query = match after {
            None => query.key_condition_expression("clusterArn = :cluster"),
            Some(after) => query
                .key_condition_expression("clusterArn = :cluster AND associationId > :after")
                .expression_attribute_values(":after", text(after)),
        };
        let output = query
            .send()
            .await
            .map_err(|error| call_error(OPERATION, cluster_arn, &error))?;
        let entries = output
            .items
            .unwrap_or_default()
            .into_iter()
            .map(parse)
            .collect::<Result<_, _>>();
        Ok(EntryPage {
            entries: entries.map_err(|problem| {
                CallError::malformed_response(OPERATION, cluster_arn, problem)
            })?,
            next: output.last_evaluated_key,
        })
    }

    /// Returns the put of a tombstone, still without a condition.
    fn tombstone(&self, arn: &AssociationArn, now: Timestamp) -> PutItemFluentBuilder {
        let expires_at = (now + TOMBSTONE_RETENTION).as_millis() / 1_000;
        let mut item = key(arn);
        item.extend([
            ("associationArn".to_owned(), text(arn)),
            ("deletedAt".to_owned(), text(now)),
            (
                "expiresAt".to_owned(),
                number(u64::try_from(expires_at).unwrap_or(0)),
            ),
        ]);
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
    }
}

/// The attributes of an item.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemAttributes<'a> {
    #[serde(flatten)]
    item: &'a IndexItem,
    account_id: &'a str,
    region: &'a str,
    seen_at: Timestamp,
}

/// Returns whether the put took effect: `false` if its condition did not hold.
fn is_written<T>(
    result: Result<T, SdkError<PutItemError>>,
    arn: &AssociationArn,
) -> Result<bool, CallError> {
    match result {
        Ok(_) => Ok(true),
        Err(error)
            if matches!(
                error.as_service_error(),
                Some(PutItemError::ConditionalCheckFailedException(_))
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(call_error("write tombstone", arn.as_str(), &error)),
    }
}

fn parse(item: Item) -> Result<(String, Entry), String> {
    let shown = shown_key(&item);
    let Some(AttributeValue::S(id)) = item.get("associationId") else {
        return Err(shown);
    };
    let id = id.clone();
    if item.contains_key("deletedAt") {
        return Ok((id, Entry::Tombstone));
    }
    let item = serde_dynamo::from_item(item).map_err(|error| format!("{shown}: {error}"))?;
    Ok((id, Entry::Live(Box::new(item))))
}
