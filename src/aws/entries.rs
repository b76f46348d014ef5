//! The `AssociationIndex` table as the `index` function keeps it: items stored, buried and read cluster by cluster, and the
//! clusters that a region is known to have. What a rotation asks of the table is in `index.rs`.
//!
//! An item only moves forward. One that is gone leaves a tombstone, which has no role, so that no secondary index shows it,
//! and no `modifiedAt`, so that no condition on a version lets anybody write over it.

use std::time::Duration;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use serde::Serialize;

use super::PAGE_LEN;
use super::error::CallError;
use super::expression::{Item, number, text, to_item};
use super::index::{Index, key};
use crate::arn::AssociationArn;
use crate::association::{Association, Entry, IndexItem};
use crate::time::Timestamp;

/// EKS is eventually consistent within seconds: a Describe of the first minutes after a delete may still show what is gone.
/// Later on an association that EKS shows is there, whatever a tombstone says: it was dug too early.
const TOMBSTONE_HOLDS: Duration = Duration::from_mins(10);
/// EKS shows within seconds what was made. What it does not show for longer is not there.
pub const SHOWN_WITHIN: Duration = Duration::from_secs(10);
/// SQS keeps a message for 14 days at most: no event of the association comes later.
const TOMBSTONE_LIFE: Duration = Duration::from_hours(14 * 24);
/// Partition of the items that say which clusters a region is known to have.
const CLUSTERS: &str = "clusters/";

/// One page of a cluster's entries, in the order of their ids.
#[derive(Debug)]
pub struct EntryPage {
    pub entries: Vec<(String, Entry)>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Item>,
}

/// What storing did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// There was no such item, or a tombstone that holds no more.
    Added,
    Changed,
    /// The index has a later version.
    Older,
    /// The association was seen to be gone a moment ago: one of the two looks was from before the other.
    Buried,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Members<'a> {
    #[serde(flatten)]
    item: &'a IndexItem,
    account_id: &'a str,
    region: &'a str,
    seen_at: Timestamp,
}

impl Index {
    /// Stores what EKS shows, where the index knows nothing later.
    ///
    /// # Errors
    /// Where DynamoDB cannot be written.
    pub async fn store(&self, seen: &Association, now: Timestamp) -> Result<Stored, CallError> {
        let arn = &seen.association_arn;
        let item =
            Members { item: &IndexItem::of(seen), account_id: arn.account(), region: arn.region(), seen_at: now };
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(to_item(&item)))
            .condition_expression("attribute_not_exists(clusterArn) OR modifiedAt <= :modifiedAt OR deletedAt < :firm")
            .expression_attribute_values(":modifiedAt", text(seen.modified_at))
            .expression_attribute_values(":firm", text(now - TOMBSTONE_HOLDS))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(output) => {
                let was_live = output.attributes.is_some_and(|old| old.contains_key("roleArn"));
                Ok(if was_live { Stored::Changed } else { Stored::Added })
            }
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    let is_tombstone = failed.item().is_some_and(|item| item.contains_key("deletedAt"));
                    Ok(if is_tombstone { Stored::Buried } else { Stored::Older })
                }
                _ => Err(CallError::new("store index item", arn.as_str(), &error)),
            },
        }
    }

    /// Puts a tombstone for an association that is gone. Returns whether there was none.
    ///
    /// # Errors
    /// Where DynamoDB cannot be written.
    pub async fn bury(&self, arn: &AssociationArn, now: Timestamp) -> Result<bool, CallError> {
        let put = self.tombstone(arn, now).condition_expression("attribute_not_exists(deletedAt)");
        put_if(put.send().await, arn)
    }

    /// Puts a tombstone in the place of an item, unless that is newer than `version`. Returns whether there was one.
    ///
    /// # Errors
    /// Where DynamoDB cannot be written.
    pub async fn bury_version(
        &self,
        arn: &AssociationArn,
        version: Timestamp,
        now: Timestamp,
    ) -> Result<bool, CallError> {
        let put = self
            .tombstone(arn, now)
            .condition_expression("modifiedAt <= :modifiedAt")
            .expression_attribute_values(":modifiedAt", text(version));
        put_if(put.send().await, arn)
    }

    fn tombstone(
        &self,
        arn: &AssociationArn,
        now: Timestamp,
    ) -> aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder {
        let expires_at = (now + TOMBSTONE_LIFE).as_millis() / 1_000;
        let mut item = key(arn);
        item.extend([
            ("associationArn".to_owned(), text(arn)),
            ("deletedAt".to_owned(), text(now)),
            ("expiresAt".to_owned(), number(u64::try_from(expires_at).unwrap_or(0))),
        ]);
        self.client.put_item().table_name(&self.table).set_item(Some(item))
    }

    /// What the index holds of one association. The read is consistent.
    ///
    /// # Errors
    /// Where DynamoDB cannot be read, or the item is not of the contract's form.
    pub async fn entry(&self, arn: &AssociationArn) -> Result<Option<Entry>, CallError> {
        const OPERATION: &str = "read an index item";
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(arn))).consistent_read(true);
        let output = get.send().await.map_err(|error| CallError::new(OPERATION, arn.as_str(), &error))?;
        let entry = output.item.map(entry).transpose();
        let entry = entry.map_err(|problem| CallError::malformed_answer(OPERATION, arn.as_str(), problem))?;
        Ok(entry.map(|(_, entry)| entry))
    }

    /// One page of what the index holds of a cluster, from after the association id `after`. The read is consistent.
    ///
    /// # Errors
    /// Where DynamoDB cannot be read, or an item is not of the contract's form.
    pub async fn of_cluster(
        &self,
        cluster_arn: &str,
        after: Option<&str>,
        start: Option<Item>,
    ) -> Result<EntryPage, CallError> {
        const OPERATION: &str = "read a cluster's index items";
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
        let output = query.send().await.map_err(|error| CallError::new(OPERATION, cluster_arn, &error))?;
        let entries = output.items.unwrap_or_default().into_iter().map(entry).collect::<Result<_, _>>();
        Ok(EntryPage {
            entries: entries.map_err(|problem| CallError::malformed_answer(OPERATION, cluster_arn, problem))?,
            next: output.last_evaluated_key,
        })
    }

    /// Notes that a region has this cluster. It is a write for each cluster and run, not for each association.
    ///
    /// # Errors
    /// Where DynamoDB cannot be written.
    pub async fn note_cluster(&self, region: &str, cluster_arn: &str) -> Result<(), CallError> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(cluster_key(region, cluster_arn)));
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(CallError::new("note cluster", cluster_arn, &error)),
        }
    }

    /// Forgets a cluster that is gone.
    ///
    /// # Errors
    /// Where DynamoDB cannot be written.
    pub async fn forget_cluster(&self, region: &str, cluster_arn: &str) -> Result<(), CallError> {
        let delete = self.client.delete_item().table_name(&self.table).set_key(Some(cluster_key(region, cluster_arn)));
        match delete.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(CallError::new("forget cluster", cluster_arn, &error)),
        }
    }

    /// One page of the ARNs of the clusters that a region is known to have.
    ///
    /// # Errors
    /// Where DynamoDB cannot be read.
    pub async fn known_clusters(
        &self,
        region: &str,
        start: Option<Item>,
    ) -> Result<(Vec<String>, Option<Item>), CallError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .limit(PAGE_LEN)
            .key_condition_expression("clusterArn = :clusters")
            .expression_attribute_values(":clusters", text(format!("{CLUSTERS}{region}")))
            .set_exclusive_start_key(start);
        let output = query.send().await.map_err(|error| CallError::new("read known clusters", region, &error))?;
        let arn = |item: Item| match item.get("associationId") {
            Some(AttributeValue::S(arn)) => Some(arn.clone()),
            _ => None,
        };
        Ok((output.items.unwrap_or_default().into_iter().filter_map(arn).collect(), output.last_evaluated_key))
    }
}

/// The table's key, with a region for the cluster and a cluster for the association.
fn cluster_key(region: &str, cluster_arn: &str) -> Item {
    Item::from([
        ("clusterArn".to_owned(), text(format!("{CLUSTERS}{region}"))),
        ("associationId".to_owned(), text(cluster_arn)),
    ])
}

fn put_if<T>(
    result: Result<T, aws_sdk_dynamodb::error::SdkError<PutItemError>>,
    arn: &AssociationArn,
) -> Result<bool, CallError> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_))) => {
            Ok(false)
        }
        Err(error) => Err(CallError::new("bury index item", arn.as_str(), &error)),
    }
}

fn entry(item: Item) -> Result<(String, Entry), String> {
    let shown = format!("index item {:?}/{:?}", item.get("clusterArn"), item.get("associationId"));
    let Some(AttributeValue::S(id)) = item.get("associationId") else { return Err(shown) };
    let id = id.clone();
    if item.contains_key("deletedAt") {
        return Ok((id, Entry::Buried));
    }
    let item = serde_dynamo::from_item(item).map_err(|error| format!("{shown}: {error}"))?;
    Ok((id, Entry::Live(Box::new(item))))
}
