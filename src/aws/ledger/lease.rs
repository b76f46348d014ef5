//! The writes to a rotation's item by the invocation that holds its lease. How the lease is taken
//! is in `opening.rs`; until when its owner may write to EKS is decided in
//! `src/rotate/slice/lease.rs`.
//!
//! # The race
//!
//! Time cannot tell an invocation that it still holds the lease. Its process may stop for longer
//! than the lease lasts, its renewal may get lost, or a write that it sent in time may arrive late.
//! By then another invocation may have opened the rotation. For example:
//!
//! 1. Invocation A opens the rotation under fence 7, and its process stops.
//! 2. The lease ends. Invocation B opens the rotation under fence 8, settles the rows and closes
//!    it.
//! 3. A continues with what it knew in step 1, and sets the status to `InProgress`.
//!
//! So DynamoDB decides, not a clock: each write here requires that the item still has the fence of
//! its writer. Opening increments the fence, so step 3 fails with [`LeaseError::Lost`], and A
//! stops. The fence never decreases, so no late write can succeed again.
//!
//! Three cases need more than the fence:
//!
//! - **Renewing and releasing** also require `leaseUntil`. A slice may release its lease while its
//!   last renewal is in flight. The fence does not change then, so the renewal would take the lease
//!   again and lock the next delivery out until it ends.
//! - **Closing** also requires that `reversionCount` and `arrivals` have the values that the slice
//!   read before its last sweep. The indexer increments them without the lease. If it does so after
//!   the sweep started, the close fails, and the next slice sweeps again.
//! - **Settling a row** (`rows.rs`) needs no fence. A row is settled once, whichever invocation is
//!   first, and the outcome is what EKS confirmed.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::TransactWriteItem;
use rerole_core::call::CallError;
use rerole_core::rotation::{Counts, Progress, ROTATION_ENTRY, RotationRecord, Status};
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::aws::call_error::call_error;
use crate::aws::dynamodb::{Expression, Transacted, build, number, text, transact};
use crate::aws::ledger::{Ledger, item_key};

/// The condition that the lease has not been released. Every change that uses it also defines
/// `#leaseUntil`.
const LEASED: &str = " AND attribute_exists(#leaseUntil)";

/// Why the owner of a lease could not write.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// A condition did not hold: usually because another invocation has taken over, and the fence
    /// has changed.
    #[error("the lease is lost: another invocation has changed the item")]
    Lost,
    #[error(transparent)]
    Call(#[from] CallError),
}

/// What a slice that does not finish the rotation saves for the next slice.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SliceSummary {
    /// The counts of all rows.
    pub counts: Counts,
    /// The counts so far, the rate and the expected end.
    pub progress: Progress,
    /// For how long all slices together have waited for the new role to become usable, in
    /// milliseconds.
    pub role_not_ready_ms: u64,
    /// The time of the release. From then on no invocation works on the rotation.
    pub idle_since: Timestamp,
}

impl Ledger {
    /// Extends the lease and records the progress of the rotation. A lease that was released cannot
    /// be renewed.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] if another invocation has taken over, or if the lease was released.
    pub async fn renew(
        &self,
        key: &str,
        fence: u64,
        until: Timestamp,
        progress: &Progress,
    ) -> Result<(), LeaseError> {
        #[derive(Serialize)]
        struct Attributes<'a> {
            progress: &'a Progress,
        }
        let change = Expression::default()
            .set("leaseUntil", text(until))
            .set_all(&Attributes { progress });
        self.fenced_if("renew lease", key, fence, change, LEASED)
            .await
    }

    /// Releases the lease of a rotation that is not finished, and saves the summary for the next
    /// slice.
    ///
    /// # Errors
    /// As [`Self::renew`].
    pub async fn release(
        &self,
        key: &str,
        fence: u64,
        summary: &SliceSummary,
    ) -> Result<(), LeaseError> {
        let change = Expression::default().set_all(summary).remove("leaseUntil");
        // A lost response may hide that the rotation was closed. Then it has no lease, and stays
        // closed.
        self.fenced_if("release lease", key, fence, change, LEASED)
            .await
    }

    /// Records that the plan is complete. From then on, percentages are of `counts.total`.
    ///
    /// # Errors
    /// As [`Self::renew`].
    pub async fn start(&self, key: &str, fence: u64, counts: &Counts) -> Result<(), LeaseError> {
        #[derive(Serialize)]
        struct Attributes<'a> {
            status: Status,
            counts: &'a Counts,
        }
        let change = Expression::default().set_all(&Attributes {
            status: Status::InProgress,
            counts,
        });
        self.fenced("start rotation", key, fence, change).await
    }

    /// Records that the rotation stops early. From then on no slice writes to EKS.
    ///
    /// # Errors
    /// As [`Self::renew`].
    pub async fn stop(&self, key: &str, fence: u64, reason: &str) -> Result<(), LeaseError> {
        let change = Expression::default().set("stopped", text(reason));
        self.fenced("stop rotation", key, fence, change).await
    }

    /// Closes the rotation as `record` says, in one transaction: its item, and the locks of both
    /// roles.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] if another invocation has taken over, or if the indexer has recorded a
    /// reversion or an arrival that `record` does not count.
    pub async fn close(&self, record: &RotationRecord) -> Result<(), LeaseError> {
        let key = &record.rotation_id;
        let attributes = ClosingAttributes {
            status: record.status,
            counts: record.counts,
            // The caller sets the end. The fallback keeps the item valid if it did not.
            finished_at: record.finished_at.unwrap_or(record.started_at),
            reason: record.reason.as_deref(),
            old_role_in_use_until: record.old_role_in_use_until,
            index_as_of: &record.index_as_of,
        };
        let change = Expression::default()
            .set_all(&attributes)
            .remove("leaseUntil")
            .remove("idleSince")
            .remove("progress")
            .only_if(
                "#fence = :ourFence \
                 AND (attribute_not_exists(#reversionCount) OR #reversionCount = :seenReversions) \
                 AND (attribute_not_exists(#arrivals) OR #arrivals = :seenArrivals)",
                &["fence", "reversionCount", "arrivals"],
                &[
                    ("ourFence", number(record.fence)),
                    ("seenReversions", number(record.reversion_count)),
                    ("seenArrivals", number(record.arrivals)),
                ],
            );
        let item = self.update(key, ROTATION_ENTRY, &change).build();
        let item = item.map(|update| TransactWriteItem::builder().update(update).build());
        let mut items = vec![build("close rotation", key, item)?];
        if !record.request.dry_run {
            for role in [&record.old_role_arn, &record.new_role_arn] {
                items.push(self.unlock(role, key)?);
            }
        }
        match transact(&self.client, "close rotation", key, items).await? {
            Transacted::Done => Ok(()),
            Transacted::Cancelled(_) => Err(LeaseError::Lost),
        }
    }

    /// Changes the rotation's item if it still has this fence.
    async fn fenced(
        &self,
        operation: &'static str,
        key: &str,
        fence: u64,
        change: Expression,
    ) -> Result<(), LeaseError> {
        self.fenced_if(operation, key, fence, change, "").await
    }

    /// Does the same as [`Self::fenced`], with a further condition, which starts with ` AND` or is
    /// empty.
    async fn fenced_if(
        &self,
        operation: &'static str,
        key: &str,
        fence: u64,
        change: Expression,
        further: &str,
    ) -> Result<(), LeaseError> {
        let change = fence_checked(change, fence, further);
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
                if matches!(
                    error.as_service_error(),
                    Some(UpdateItemError::ConditionalCheckFailedException(_))
                ) =>
            {
                Err(LeaseError::Lost)
            }
            Err(error) => Err(call_error(operation, key, &error).into()),
        }
    }
}

/// The attributes that closing a rotation sets.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ClosingAttributes<'a> {
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

fn fence_checked(change: Expression, fence: u64, further: &str) -> Expression {
    change.only_if(
        &format!("#fence = :ourFence{further}"),
        &["fence"],
        &[("ourFence", number(fence))],
    )
}
