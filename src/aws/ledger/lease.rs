//! The writes to a rotation's item by the invocation that holds its lease. How the lease is taken
//! is in `rotations.rs`; until when its owner may write to EKS is decided in
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
//! Each write also requires `leaseUntil`. A slice may release its lease, or close the rotation,
//! while an earlier write is in flight: its connection broke, and it was sent again. The fence does
//! not change then. So a late renewal would take the lease again, and a late record of the start
//! would open a closed rotation.
//!
//! Three cases need more:
//!
//! - **Renewing** also requires that it extends the lease: it may arrive after a later one.
//! - **Closing** also requires that `reversionCount`, `arrivals`, and the use of the
//!   old role are what the slice read before its last sweep. The indexer changes them without the
//!   lease. If it does so after the sweep started, the close fails, and the next slice sweeps
//!   again.
//! - **Settling a row** (`rows.rs`) needs no fence. A row is settled once, whichever invocation is
//!   first, and the outcome is what EKS confirmed. A slice that does not know whether the record of
//!   another outcome, or of a stop, is still on its way leaves its lease to expire.

use std::collections::BTreeMap;

use rerole_core::call::{CallError, Operation};
use rerole_core::keys::{Entry, RotationKey};
use rerole_core::rotation::{
    Counts, Departure, FailingSince, InUse, Progress, RotationRecord, Status,
};
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::aws::dynamodb::{
    Change, Condition, Table, Transacted, TransactionPart, Write, Written, number, text,
};
use crate::aws::ledger::roles::{Roles, put_to_use, replace};
use crate::aws::ledger::{has_fence, rotation_key};

/// A rotation's own item, as the owner of its lease writes it.
#[derive(Debug, Clone, Copy)]
pub struct OwnedRotation<'a> {
    pub(super) table: &'a Table,
    pub(super) key: &'a RotationKey,
    pub(super) fence: u64,
}

/// The indexer changes the item of a role between read and write only now and then. More often
/// means that something is wrong.
const CLOSE_ATTEMPTS: u32 = 4;

/// How a rotation closes.
#[derive(Debug, Clone)]
pub struct Close {
    pub record: RotationRecord,
    pub departure: Departure,
    /// An update of the rotation may have put an association on the new role.
    pub may_have_moved: bool,
    /// The use of the old role, as it was read before the last sweep.
    pub seen_use: Option<InUse>,
}

/// Why the owner of a lease could not write.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// A condition did not hold: usually because another invocation has taken over, and the fence
    /// has changed.
    #[error("the lease was lost to another invocation")]
    Lost,
    #[error(transparent)]
    Call(#[from] CallError),
}

/// What a slice that does not finish the rotation saves for the next slice.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SliceSummary {
    /// The counts of all rows.
    pub counts: Counts,
    /// The counts so far, the rate and the expected end.
    pub progress: Progress,
    /// For how long all slices together have waited for the new role to become usable, in
    /// milliseconds.
    pub role_not_ready_ms: u64,
    /// Since when clusters and regions give nothing but retryable errors.
    pub failing_since: FailingSince,
    /// The time of the release. From then on no invocation works on the rotation.
    pub idle_since: Timestamp,
}

impl OwnedRotation<'_> {
    /// Returns the fence under which the owner acquired the lease.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Extends the lease and records the progress of the rotation. A lease that was released cannot
    /// be renewed. A renewal that arrives after a later one changes nothing, because the owner
    /// relies on the later one.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] if another invocation has taken over, or if the lease was released.
    pub async fn renew(&self, until: Timestamp, progress: &Progress) -> Result<(), LeaseError> {
        #[derive(Serialize)]
        struct Attributes<'a> {
            progress: &'a Progress,
        }
        let change = Change::default()
            .set("leaseUntil", text(until))
            .set_all(&Attributes { progress });
        let extends = Condition::new("leaseUntil <= :leaseUntil").value("leaseUntil", text(until));
        let condition = has_fence(self.fence).and(extends);
        self.write("renew lease", change, condition).await
    }

    /// Releases the lease of a rotation that is not finished, and saves the summary for the next
    /// slice.
    ///
    /// # Errors
    /// As [`Self::renew`].
    pub async fn release(&self, summary: &SliceSummary) -> Result<(), LeaseError> {
        let change = Change::default().set_all(summary).remove("leaseUntil");
        self.write("release lease", change, self.is_owned()).await
    }

    /// Saves the summary for the next slice, which can start once the lease has expired.
    ///
    /// # Errors
    /// As [`Self::renew`].
    pub async fn save(&self, summary: &SliceSummary) -> Result<(), LeaseError> {
        let change = Change::default().set_all(summary);
        self.write("save slice", change, self.is_owned()).await
    }

    /// Records that the plan is complete. From then on, percentages are of `counts.total`.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] if another invocation has taken over.
    pub async fn start(&self, counts: &Counts) -> Result<(), LeaseError> {
        #[derive(Serialize)]
        struct Attributes<'a> {
            status: Status,
            counts: &'a Counts,
        }
        let change = Change::default().set_all(&Attributes {
            status: Status::InProgress,
            counts,
        });
        self.write("start rotation", change, self.is_owned()).await
    }

    /// Records that the rotation stops early. From then on no slice writes to EKS.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn stop(&self, reason: &str, now: Timestamp) -> Result<(), LeaseError> {
        let change = Change::default()
            .set("stopped", text(reason))
            .set("stoppedAt", text(now));
        self.write("stop rotation", change, self.is_owned()).await
    }

    /// Records that the rotation moves associations onto its new role. No update is sent before.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn put_new_role_to_use(&self, record: &RotationRecord) -> Result<(), LeaseError> {
        let in_use = InUse::by_rotation_onto(self.key, record.started_at);
        let key = rotation_key(self.key, &Entry::Rotation);
        let parts = vec![
            TransactionPart::Check(key, self.is_owned()),
            put_to_use(&record.new_role_arn, &in_use).into(),
        ];
        let operation = Operation::on("record use of the new role of", self.key);
        match self.table.transact(operation, parts).await? {
            Transacted::Done => Ok(()),
            Transacted::Refused(_) => Err(LeaseError::Lost),
        }
    }

    /// Closes the rotation in one transaction: its item, and the items of both roles.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] if another invocation has taken over, or if the indexer has recorded a
    /// reversion, an arrival or a use of the old role that `close` does not count.
    pub async fn close(&self, close: &Close) -> Result<(), LeaseError> {
        let operation = Operation::on("close rotation", self.key);
        for _ in 0..CLOSE_ATTEMPTS {
            let mut parts = vec![self.closed(&close.record).into()];
            if !close.record.request.dry_run {
                parts.extend(self.closed_roles(close).await?);
            }
            let transacted = self.table.transact(operation, parts).await?;
            match &transacted {
                Transacted::Done => return Ok(()),
                Transacted::Refused(_) if transacted.is_refused(0) => return Err(LeaseError::Lost),
                // The item of a role has changed between read and write.
                Transacted::Refused(_) => {}
            }
        }
        let problem = format!("the roles changed during each of {CLOSE_ATTEMPTS} attempts");
        Err(CallError::contention(operation, problem).into())
    }

    /// Returns the write that closes the rotation's item.
    fn closed(&self, record: &RotationRecord) -> Write {
        let attributes = ClosingAttributes {
            status: record.status,
            counts: record.counts,
            // The caller sets the end. The fallback keeps the item valid if it did not.
            finished_at: record.finished_at.unwrap_or(record.started_at),
            reason: record.reason.as_deref(),
            drained_at: record.drained_at,
            index_as_of: &record.index_as_of,
        };
        let change = Change::default()
            .set_all(&attributes)
            .remove("leaseUntil")
            .remove("idleSince")
            .remove("progress");
        let condition = self
            .is_owned()
            .and(is_unchanged("reversionCount", record.reversion_count))
            .and(is_unchanged("arrivals", record.arrivals));
        let key = rotation_key(self.key, &Entry::Rotation);
        Write::update(key, change).only_if(condition)
    }

    /// Returns the writes that close the items of both roles, as they are now.
    async fn closed_roles(&self, close: &Close) -> Result<[TransactionPart; 2], LeaseError> {
        let Close {
            record,
            departure,
            may_have_moved,
            seen_use,
        } = close;
        let roles = Roles { table: self.table };
        let read = async |role| Ok::<_, CallError>(roles.read(role).await?.unwrap_or_default());
        let old = read(&record.old_role_arn).await?;
        let new = read(&record.new_role_arn).await?;
        if old.in_use != *seen_use {
            return Err(LeaseError::Lost);
        }
        let old = old.closed_from(departure);
        let new = new.closed_onto((!may_have_moved).then_some(self.key));
        Ok([
            replace(&record.old_role_arn, &old).into(),
            replace(&record.new_role_arn, &new).into(),
        ])
    }

    async fn write(
        &self,
        operation: &'static str,
        change: Change,
        condition: Condition,
    ) -> Result<(), LeaseError> {
        let operation = Operation::on(operation, self.key);
        let key = rotation_key(self.key, &Entry::Rotation);
        let update = Write::update(key, change).only_if(condition);
        LeaseError::unless_done(&self.table.write(operation, update).await?)
    }

    /// The condition that the lease is held.
    fn is_owned(&self) -> Condition {
        is_held(self.fence)
    }
}

impl LeaseError {
    /// Returns [`LeaseError::Lost`] if the write was refused.
    pub(super) fn unless_done(written: &Written) -> Result<(), Self> {
        match written {
            Written::Done { .. } => Ok(()),
            Written::Refused { .. } => Err(Self::Lost),
        }
    }
}

/// The condition that the lease is held under this fence: no other invocation has taken over, and
/// the rotation was neither released nor closed since.
pub(super) fn is_held(fence: u64) -> Condition {
    let is_leased = Condition::new("attribute_exists(#leaseUntil)").name("leaseUntil");
    has_fence(fence).and(is_leased)
}

/// The condition that a counter still has the value that was read. An absent one is zero.
fn is_unchanged(counter: &str, seen: u64) -> Condition {
    let text = format!("attribute_not_exists(#{counter}) OR #{counter} = :{counter}");
    Condition::new(&text)
        .name(counter)
        .value(counter, number(seen))
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
    drained_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    index_as_of: &'a BTreeMap<String, Timestamp>,
}
