//! The writes to a rotation's item by the invocation that holds its lease; those that change its
//! status are in `status.rs`. How the lease is taken is in `opening.rs`; until when its owner may
//! write to EKS is decided in `src/rotate/slice/lease.rs`.
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

use rerole_core::call::{CallError, Operation};
use rerole_core::keys::{Entry, RotationKey};
use rerole_core::rotation::{Counts, FailingSince, InUse, Progress, RotationRecord, Status};
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::aws::dynamodb::{
    Change, Condition, Item, Table, Transacted, TransactionPart, Write, Written, text,
};
use crate::aws::ledger::roles::put_to_use;
use crate::aws::ledger::{has_fence, rotation_key};

/// A rotation's own item, as the owner of its lease writes it.
#[derive(Debug, Clone, Copy)]
pub struct OwnedRotation<'a> {
    pub(super) table: &'a Table,
    /// The rotation as it was opened.
    pub(super) record: &'a RotationRecord,
    /// The last entry of its timeline that the owner knows.
    pub(super) timeline_seq: u64,
}

/// The result of a renewal.
#[derive(Debug)]
pub enum Renewed {
    /// The lease is renewed. This is the rotation, as it was before.
    Held(Box<RotationRecord>),
    /// A command has changed the status of the rotation. The lease is still held.
    StatusChanged,
    /// Another invocation has taken over, or the lease was released.
    Lost,
}

/// Why the owner of a lease could not write.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// A condition did not hold: usually because another invocation has taken over, and the fence
    /// has changed, or because a command has changed the status.
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
    /// A pending row may have been updated.
    pub has_unconfirmed_updates: bool,
    /// The time of the release. From then on no invocation works on the rotation.
    pub idle_since: Timestamp,
}

impl<'a> OwnedRotation<'a> {
    /// The same, with the last entry of the timeline that the owner knows.
    #[must_use]
    pub fn after(self, timeline_seq: u64) -> Self {
        Self {
            timeline_seq,
            ..self
        }
    }

    pub(super) fn key(&self) -> &'a RotationKey {
        &self.record.key
    }

    /// Extends the lease and records the progress of the rotation. A lease that was released cannot
    /// be renewed. A renewal that arrives after a later one changes nothing, because the owner
    /// relies on the later one.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn renew(&self, until: Timestamp, progress: &Progress) -> Result<Renewed, CallError> {
        #[derive(Serialize)]
        struct Attributes<'a> {
            progress: &'a Progress,
        }
        let change = Change::default()
            .set("leaseUntil", text(until))
            .set_all(&Attributes { progress });
        let extends = Condition::new("leaseUntil <= :leaseUntil").value("leaseUntil", text(until));
        let is_as_opened = has_fence(self.record.fence).and(has_status_of(self.record));
        let condition = is_as_opened.and(extends);
        match self.write("renew lease", change, condition).await? {
            Owned::Done(record) => Ok(Renewed::Held(record)),
            Owned::Refused(found) if self.is_interrupted(found.as_deref()) => {
                Ok(Renewed::StatusChanged)
            }
            Owned::Refused(_) => Ok(Renewed::Lost),
        }
    }

    /// Returns whether the lease is still that of the owner, but a command has changed the status.
    fn is_interrupted(&self, found: Option<&RotationRecord>) -> bool {
        found.is_some_and(|found| {
            found.fence == self.record.fence
                && found.lease_until.is_some()
                && !statuses_of(self.record).contains(&found.status())
        })
    }

    /// Releases the lease of a rotation that is not finished, whatever its status, and saves the
    /// summary for the next slice. Returns the rotation as it was before, but without the lease.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] if another invocation has taken over, or if the lease was released.
    pub async fn release(&self, summary: &SliceSummary) -> Result<Box<RotationRecord>, LeaseError> {
        let change = Change::default().set_all(summary).remove("leaseUntil");
        let mut record = self.write_with_any_status("release lease", change).await?;
        record.lease_until = None;
        Ok(record)
    }

    /// Saves the summary for the next slice, which can start once the lease has expired. Returns
    /// the rotation as it was before.
    ///
    /// # Errors
    /// As [`Self::release`].
    pub async fn save(&self, summary: &SliceSummary) -> Result<Box<RotationRecord>, LeaseError> {
        let change = Change::default().set_all(summary);
        self.write_with_any_status("save slice", change).await
    }

    /// Records that the rotation stops early. From then on no slice writes to EKS.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn stop(&self, reason: &str, now: Timestamp) -> Result<(), LeaseError> {
        let change = Change::default()
            .set("stopped", text(reason))
            .set("stoppedAt", text(now));
        match self.write("stop rotation", change, self.is_owned()).await? {
            Owned::Done(_) => Ok(()),
            Owned::Refused(_) => Err(LeaseError::Lost),
        }
    }

    /// Records that the rotation moves associations onto its new role. No update is sent before.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn put_new_role_to_use(&self) -> Result<(), LeaseError> {
        let record = self.record;
        let in_use = InUse::by_rotation_onto(&record.key, record.started_at);
        let key = rotation_key(self.key(), &Entry::Rotation);
        let parts = vec![
            TransactionPart::Check(key, self.is_owned()),
            put_to_use(&record.new_role_arn, &in_use).into(),
        ];
        let operation = Operation::on("record use of the new role of", self.key());
        match self.table.transact(operation, parts).await? {
            Transacted::Done => Ok(()),
            Transacted::Refused(_) => Err(LeaseError::Lost),
        }
    }

    /// Writes the rotation's item, if the lease is still that of the owner, whatever the status.
    async fn write_with_any_status(
        &self,
        operation: &'static str,
        change: Change,
    ) -> Result<Box<RotationRecord>, LeaseError> {
        let is_leased = has_fence(self.record.fence).and(is_leased());
        match self.write(operation, change, is_leased).await? {
            Owned::Done(record) => Ok(record),
            Owned::Refused(_) => Err(LeaseError::Lost),
        }
    }

    async fn write(
        &self,
        operation: &'static str,
        change: Change,
        condition: Condition,
    ) -> Result<Owned, CallError> {
        let operation = Operation::on(operation, self.key());
        let update = self.update(change, condition);
        let parse = |item: Item| self.table.parse(operation, item).map(Box::new);
        match self.table.write(operation, update).await? {
            Written::Done { old: Some(item) } => Ok(Owned::Done(parse(item)?)),
            // DynamoDB returns the item that it has changed.
            Written::Done { old: None } => {
                let problem = "no item in the response to an update of one".to_owned();
                Err(CallError::malformed_response(operation, problem))
            }
            Written::Refused { found } => Ok(Owned::Refused(found.map(parse).transpose()?)),
        }
    }

    pub(super) fn update(&self, change: Change, condition: Condition) -> Write {
        Write::update(rotation_key(self.key(), &Entry::Rotation), change)
            .only_if(condition)
            .returning_old()
    }

    /// The condition that the lease is held, and that no command has changed the status.
    pub(super) fn is_owned(&self) -> Condition {
        is_held(self.record)
    }
}

/// The result of a write of a rotation's item.
enum Owned {
    /// It took effect. This is the rotation, as it was before.
    Done(Box<RotationRecord>),
    /// A condition did not hold. This is the rotation, if there is one.
    Refused(Option<Box<RotationRecord>>),
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

/// The condition that a rotation is as a slice has opened it, as far as its lease and its status
/// go: no other invocation has taken over, the rotation was neither released nor closed since, and
/// no command has interrupted it.
pub(super) fn is_held(opened: &RotationRecord) -> Condition {
    has_fence(opened.fence)
        .and(is_leased())
        .and(has_status_of(opened))
}

/// The condition that no command has interrupted the slice that has opened the rotation like this.
fn has_status_of(opened: &RotationRecord) -> Condition {
    let condition = |text| Condition::new(text).name("status");
    match statuses_of(opened) {
        [Status::Cancelling] => {
            condition("#status = :cancelling").value("cancelling", text("Cancelling"))
        }
        _ => condition("#status = :planning OR #status = :inProgress")
            .value("planning", text("Planning"))
            .value("inProgress", text("InProgress")),
    }
}

/// Returns the statuses that a rotation may have while the slice works on it that has opened it.
/// Only the slice itself turns `Planning` into `InProgress`, so neither interrupts it.
fn statuses_of(opened: &RotationRecord) -> &'static [Status] {
    match opened.status() {
        Status::Cancelling => &[Status::Cancelling],
        _ => &[Status::Planning, Status::InProgress],
    }
}

/// The condition that a slice holds the lease.
fn is_leased() -> Condition {
    Condition::new("attribute_exists(#leaseUntil)").name("leaseUntil")
}
