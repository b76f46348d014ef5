//! The `RotationLedger` table: a rotation's own item, its lease and fence, and the locks of its roles. The rows of its
//! associations are in `rows.rs`.
//!
//! Everything that could be done by a holder that has lost its lease carries a check of the fence, so that it cannot.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use serde::Serialize;
use serde_json::Value;

use super::error::CallError;
use super::expression::{Expression, Item, number, text, to_item};
use super::transaction::{Transacted, built, is_condition};
use crate::arn::RoleArn;
use crate::record::{Headway, LOCK_ENTRY, ROTATION_ENTRY, RotationRecord, lock_key};
use crate::request::{Rejection, RotationRequest};
use crate::status::{Counts, Status};
use crate::time::Timestamp;

/// Condition on an item whose lease has not been given back. `#leaseUntil` is in every change that it stands with.
const LEASED: &str = " AND attribute_exists(#leaseUntil)";
/// Opening raced with another delivery this often: something is wrong that a retry of the invocation may outlast.
const OPEN_TRIES: u32 = 4;
/// A rejected payload is kept up to here; an item holds 400 KB.
const PAYLOAD_LEN_MAX: usize = 64 * 1024;

/// The ledger table.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(super) client: Client,
    pub(super) table: String,
}

/// What came of asking for a rotation.
#[derive(Debug)]
pub enum Opened {
    /// It is ours to work on, under the record's fence.
    Ours(Box<RotationRecord>),
    /// Another invocation works on it.
    AlreadyRunning,
    /// It came to its end earlier.
    Finished(Box<RotationRecord>),
    /// The id is taken by a rotation with another request.
    OtherRequest(Box<RotationRecord>),
    /// Another rotation has one of the roles in hand.
    RoleLocked { role: RoleArn, holder: String },
}

/// Why the holder of a lease could not write.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The fence has moved on: another invocation has taken over.
    #[error("the lease has passed to another invocation")]
    Lost,
    #[error(transparent)]
    Call(#[from] CallError),
}

/// What a slice that ends before the rotation does leaves to the next one.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Leaving {
    /// What the rows add up to.
    pub counts: Counts,
    /// The same, and how fast that went.
    pub progress: Headway,
    /// For how long the new role has not been ready, in all, in milliseconds.
    pub role_not_ready_ms: u64,
    /// Now: from here on nobody is at work on the rotation.
    pub idle_since: Timestamp,
}

/// The members that close a rotation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ClosingMembers<'a> {
    status: Status,
    counts: Counts,
    finished_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_role_in_use_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    index_as_of: &'a BTreeMap<String, Timestamp>,
}

impl Ledger {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Takes the rotation in hand, in one transaction: its item with lease and fence, and the locks of both roles. A dry
    /// run takes no locks: it writes to nothing that another rotation reads.
    ///
    /// # Errors
    /// Where DynamoDB cannot be read or written.
    pub async fn open(&self, request: &RotationRequest, now: Timestamp, until: Timestamp) -> Result<Opened, CallError> {
        let key = request.ledger_key();
        for _ in 0..OPEN_TRIES {
            let found = self.read(&key).await?;
            let (record, item) = match found {
                None => {
                    let record = RotationRecord::opening(request, now, until);
                    let item = self.put(to_item(&record)).condition_expression("attribute_not_exists(rotationId)");
                    (record, item.build().map(|put| TransactWriteItem::builder().put(put).build()))
                }
                Some(found) if found.request != *request => return Ok(Opened::OtherRequest(Box::new(found))),
                Some(found) if found.status.is_final() => return Ok(Opened::Finished(Box::new(found))),
                Some(found) if found.is_leased_at(now) => return Ok(Opened::AlreadyRunning),
                Some(found) => {
                    let record = RotationRecord { fence: found.fence + 1, lease_until: Some(until), ..found };
                    let change = Expression::default()
                        .set("fence", number(record.fence))
                        .set("leaseUntil", text(until))
                        .only_if("#fence = :seenFence", &[], &[("seenFence", number(record.fence - 1))]);
                    let item = self.update(&key, ROTATION_ENTRY, &change);
                    (record, item.build().map(|update| TransactWriteItem::builder().update(update).build()))
                }
            };
            let mut items = vec![built("open rotation", &key, item)?];
            if !request.dry_run {
                for role in [&request.old_role_arn, &request.new_role_arn] {
                    items.push(self.lock(role, &key, now)?);
                }
            }
            match self.transact("open rotation", &key, items).await? {
                Transacted::Done => return Ok(Opened::Ours(Box::new(record))),
                Transacted::Cancelled(reasons) => {
                    if let Some(locked) = locked_role(request, &reasons) {
                        return Ok(locked);
                    }
                    // Another delivery opened it between our look and our transaction: look again.
                }
            }
        }
        Err(CallError::outrun(
            "open rotation",
            key,
            format!("other deliveries of the event came first {OPEN_TRIES} times"),
        ))
    }

    /// The rotation's item, as it is now.
    ///
    /// # Errors
    /// Where DynamoDB cannot be read, or the item is not of the contract's form.
    pub async fn read(&self, key: &str) -> Result<Option<RotationRecord>, CallError> {
        const OPERATION: &str = "read rotation";
        let get = self.client.get_item().table_name(&self.table).set_key(Some(item_key(key, ROTATION_ENTRY)));
        let output = get.consistent_read(true).send().await.map_err(|error| CallError::new(OPERATION, key, &error))?;
        let Some(item) = output.item else { return Ok(None) };
        serde_dynamo::from_item(item)
            .map(Some)
            .map_err(|error| CallError::malformed_answer(OPERATION, key, error.to_string()))
    }

    /// Extends the lease, and records how far the rotation is. One that was given back is not taken again: a renewal that was
    /// long under way must not lock the next delivery out.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] where the fence has moved on, or the lease was given back.
    pub async fn renew(&self, key: &str, fence: u64, until: Timestamp, headway: &Headway) -> Result<(), LeaseError> {
        #[derive(Serialize)]
        struct Members<'a> {
            progress: &'a Headway,
        }
        let change = Expression::default().set("leaseUntil", text(until)).set_all(&Members { progress: headway });
        self.fenced_if("renew lease", key, fence, change, LEASED).await
    }

    /// Gives the lease back before the rotation is at its end, and keeps what the next slice needs to know.
    ///
    /// # Errors
    /// As [`Self::renew`].
    pub async fn give_back(&self, key: &str, fence: u64, leaving: &Leaving) -> Result<(), LeaseError> {
        let change = Expression::default().set_all(leaving).remove("leaseUntil");
        // A rotation that was closed without our knowing has no lease, and stays as it is.
        self.fenced_if("give back lease", key, fence, change, LEASED).await
    }

    /// The plan is complete: `counts.total` is what percentages are taken of from here on.
    ///
    /// # Errors
    /// As [`Self::renew`].
    pub async fn begin(&self, key: &str, fence: u64, counts: &Counts) -> Result<(), LeaseError> {
        #[derive(Serialize)]
        struct Members<'a> {
            status: Status,
            counts: &'a Counts,
        }
        let change = Expression::default().set_all(&Members { status: Status::InProgress, counts });
        self.fenced("begin rotation", key, fence, change).await
    }

    /// The rotation stops early. From here on no slice writes to EKS.
    ///
    /// # Errors
    /// As [`Self::renew`].
    pub async fn stop(&self, key: &str, fence: u64, reason: &str) -> Result<(), LeaseError> {
        self.fenced("stop rotation", key, fence, Expression::default().set("stopped", text(reason))).await
    }

    /// Ends the rotation, in one transaction: its item, and the locks of both roles. `record` holds the end.
    ///
    /// # Errors
    /// As [`Self::renew`].
    pub async fn close(&self, record: &RotationRecord) -> Result<(), LeaseError> {
        let key = &record.rotation_id;
        let members = ClosingMembers {
            status: record.status,
            counts: record.counts,
            // A rotation is closed with its end set; the fallback keeps the record readable.
            finished_at: record.finished_at.unwrap_or(record.started_at),
            reason: record.reason.as_deref(),
            old_role_in_use_until: record.old_role_in_use_until,
            index_as_of: &record.index_as_of,
        };
        // Who comes to the old role after the last sweep began is seen by the next try.
        let change = Expression::default()
            .set_all(&members)
            .remove("leaseUntil")
            .remove("idleSince")
            .remove("progress")
            .only_if(
                "#fence = :ourFence AND (attribute_not_exists(#returnedCount) OR #returnedCount = :seenReturns) \
             AND (attribute_not_exists(#arrivals) OR #arrivals = :seenArrivals)",
                &["fence", "returnedCount", "arrivals"],
                &[
                    ("ourFence", number(record.fence)),
                    ("seenReturns", number(record.returned_count)),
                    ("seenArrivals", number(record.arrivals)),
                ],
            );
        let item = self.update(key, ROTATION_ENTRY, &change).build();
        let item = item.map(|update| TransactWriteItem::builder().update(update).build());
        let mut items = vec![built("close rotation", key, item)?];
        if !record.request.dry_run {
            for role in [&record.old_role_arn, &record.new_role_arn] {
                items.push(self.unlock(role, key)?);
            }
        }
        match self.transact("close rotation", key, items).await? {
            Transacted::Done => Ok(()),
            Transacted::Cancelled(_) => Err(LeaseError::Lost),
        }
    }

    /// Records an event that may not run. Returns whether it was new: a second delivery changes nothing.
    ///
    /// # Errors
    /// Where DynamoDB cannot be written.
    pub async fn reject(
        &self,
        event_id: &str,
        rejection: &Rejection,
        payload: &Value,
        now: Timestamp,
    ) -> Result<bool, CallError> {
        let key = format!("rejected/{event_id}");
        let mut event = payload.to_string();
        event.truncate((0..=PAYLOAD_LEN_MAX).rev().find(|at| event.is_char_boundary(*at)).unwrap_or(0));
        let mut item = to_item(rejection);
        item.extend([
            ("rotationId".to_owned(), text(&key)),
            ("entry".to_owned(), text(ROTATION_ENTRY)),
            ("status".to_owned(), text("Rejected")),
            ("reason".to_owned(), text(rejection)),
            // The name that rotations have, for `ByStatus`.
            ("startedAt".to_owned(), text(now)),
            ("event".to_owned(), text(event)),
        ]);
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        match put.condition_expression("attribute_not_exists(rotationId)").send().await {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(error.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_))) =>
            {
                Ok(false)
            }
            Err(error) => Err(CallError::new("record rejection", key, &error)),
        }
    }

    /// Changes the rotation's item while the fence is ours.
    async fn fenced(
        &self,
        operation: &'static str,
        key: &str,
        fence: u64,
        change: Expression,
    ) -> Result<(), LeaseError> {
        self.fenced_if(operation, key, fence, change, "").await
    }

    /// As [`Self::fenced`], where `and` holds, too.
    async fn fenced_if(
        &self,
        operation: &'static str,
        key: &str,
        fence: u64,
        change: Expression,
        and: &str,
    ) -> Result<(), LeaseError> {
        let change = fence_checked(change, fence, and);
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(item_key(key, ROTATION_ENTRY)))
            .update_expression(change.update())
            .set_condition_expression(change.condition())
            .set_expression_attribute_names(Some(change.names()))
            .set_expression_attribute_values(change.values());
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if matches!(error.as_service_error(), Some(UpdateItemError::ConditionalCheckFailedException(_))) =>
            {
                Err(LeaseError::Lost)
            }
            Err(error) => Err(CallError::new(operation, key, &error).into()),
        }
    }

    /// Takes a role's lock, or keeps it.
    fn lock(&self, role: &RoleArn, holder: &str, now: Timestamp) -> Result<TransactWriteItem, CallError> {
        let item = Item::from([
            ("rotationId".to_owned(), text(lock_key(role))),
            ("entry".to_owned(), text(LOCK_ENTRY)),
            ("lockedBy".to_owned(), text(holder)),
            ("lockedAt".to_owned(), text(now)),
        ]);
        let put = self
            .put(item)
            .condition_expression("attribute_not_exists(rotationId) OR lockedBy = :holder")
            .expression_attribute_values(":holder", text(holder))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        built("lock role", role.as_str(), put.build().map(|put| TransactWriteItem::builder().put(put).build()))
    }

    /// Gives a role's lock back; one that is not there, or not ours, stays as it is.
    fn unlock(&self, role: &RoleArn, holder: &str) -> Result<TransactWriteItem, CallError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(item_key(&lock_key(role), LOCK_ENTRY)))
            .condition_expression("attribute_not_exists(rotationId) OR lockedBy = :holder")
            .expression_attribute_values(":holder", text(holder));
        let delete = delete.build().map(|delete| TransactWriteItem::builder().delete(delete).build());
        built("unlock role", role.as_str(), delete)
    }

    fn put(&self, item: Item) -> aws_sdk_dynamodb::types::builders::PutBuilder {
        Put::builder().table_name(&self.table).set_item(Some(item))
    }

    pub(super) fn update(
        &self,
        key: &str,
        entry: &str,
        change: &Expression,
    ) -> aws_sdk_dynamodb::types::builders::UpdateBuilder {
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(item_key(key, entry)))
            .update_expression(change.update())
            .set_condition_expression(change.condition())
            .set_expression_attribute_names(Some(change.names()))
            .set_expression_attribute_values(change.values())
    }
}

pub(super) fn item_key(key: &str, entry: &str) -> Item {
    Item::from([("rotationId".to_owned(), text(key)), ("entry".to_owned(), text(entry))])
}

fn fence_checked(change: Expression, fence: u64, and: &str) -> Expression {
    change.only_if(&format!("#fence = :ourFence{and}"), &["fence"], &[("ourFence", number(fence))])
}

/// The lock that stood in the way, if one did: the reasons come in the order of the items, the rotation's own first.
fn locked_role(request: &RotationRequest, reasons: &[CancellationReason]) -> Option<Opened> {
    let roles = [&request.old_role_arn, &request.new_role_arn];
    let (role, reason) = roles.into_iter().zip(reasons.iter().skip(1)).find(|(_, reason)| is_condition(reason))?;
    let holder = match reason.item().and_then(|item| item.get("lockedBy")) {
        Some(AttributeValue::S(holder)) => holder.clone(),
        _ => "another rotation".to_owned(),
    };
    Some(Opened::RoleLocked { role: role.clone(), holder })
}
