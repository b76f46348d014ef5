//! The changes of status that a slice makes: its plan is complete, and its rotation closes. Each is
//! one transaction with the entry of the timeline, under the conditions in `lease.rs`.

use rerole_core::call::Operation;
use rerole_core::rotation::{
    Author, Cause, Counts, Departure, InUse, RolePair, RoleUse, RotationRecord, State, Status,
    Transition,
};
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::aws::dynamodb::{Condition, Refusal, Transacted, Write, number, text};
use crate::aws::ledger::lease::{LeaseError, OwnedRotation};
use crate::aws::ledger::roles::{Roles, replace};
use crate::aws::ledger::rounds::{Round, Rounds};
use crate::aws::ledger::timeline::{StatusChange, has_seq};

/// How a rotation closes.
#[derive(Debug, Clone)]
pub struct Close {
    /// The rotation with its end.
    pub record: RotationRecord,
    pub departure: Departure,
    /// An update of the rotation may have put an association on the new role.
    pub may_have_moved: bool,
    /// The use of the old role, as it was read before the last sweep.
    pub seen_use: Option<InUse>,
}

impl OwnedRotation<'_> {
    /// Records that the plan is complete. From then on, percentages are of `counts.total`. Returns
    /// the number of the timeline's entry.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] if another invocation has taken over, or if a command has changed the
    /// status.
    pub async fn start(
        &self,
        counts: &Counts,
        by: &Author,
        now: Timestamp,
    ) -> Result<u64, LeaseError> {
        #[derive(Serialize)]
        struct Attributes<'a> {
            counts: &'a Counts,
        }
        let operation = Operation::on("start rotation", self.key());
        let mut seen = self.seen();
        let Transition::To(planned) = seen.state.after(Cause::Planned) else {
            return Err(LeaseError::Lost);
        };
        let planned = RotationRecord {
            counts: *counts,
            ..seen.with_state(State::Open(planned))
        };
        let mut rounds = Rounds::new(operation, Round::Write);
        loop {
            rounds.start()?;
            let change = StatusChange {
                seen: &seen,
                after: &planned,
                by,
                reason: None,
                at: now,
                old_role: RoleUse::default(),
            };
            let update = change.change().set_all(&Attributes { counts });
            let parts = vec![
                self.update(update, self.is_owned().and(has_seq(seen.timeline_seq)))
                    .into(),
                change.entry().into(),
            ];
            match self.table.transact(operation, parts).await? {
                Transacted::Done => return Ok(seen.timeline_seq + 1),
                refused @ Transacted::Refused(_) => self.follow(&mut seen, &refused)?,
            }
        }
    }

    /// Closes the rotation in one transaction: its item, the entry of its timeline, and the items
    /// of both roles.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] if another invocation has taken over, if a command has changed the
    /// status, or if the indexer has recorded a reversion, an arrival or a use of the old role that
    /// `close` does not count.
    pub async fn close(&self, close: &Close, by: &Author) -> Result<(), LeaseError> {
        let operation = Operation::on("close rotation", self.key());
        let mut seen = self.seen();
        if seen.status() != Status::Cancelling {
            // The owner may have opened it before its plan was complete.
            seen.state = State::IN_PROGRESS;
        }
        let mut rounds = Rounds::new(operation, Round::ReadAndWrite);
        loop {
            rounds.start()?;
            let end = close.record.state.end();
            let roles = if close.record.request.dry_run {
                None
            } else {
                Some(self.closed_roles(close).await?)
            };
            let old_role = roles.as_ref().map(|roles| roles.old.clone().role_use(None));
            let change = StatusChange {
                seen: &seen,
                after: &close.record,
                by,
                reason: end.and_then(|end| end.reason.as_deref()),
                at: end.map_or(close.record.started_at, |end| end.finished_at),
                old_role: old_role.unwrap_or_default(),
            };
            let mut parts = vec![
                self.closed(&close.record, &change).into(),
                change.entry().into(),
            ];
            if let Some(RolePair { old, new }) = &roles {
                parts.push(replace(&close.record.old_role_arn, old).into());
                parts.push(replace(&close.record.new_role_arn, new).into());
            }
            match self.table.transact(operation, parts).await? {
                Transacted::Done => return Ok(()),
                refused if refused.is_refused(0) => self.follow(&mut seen, &refused)?,
                // The item of a role has changed between read and write.
                Transacted::Refused(_) => {}
            }
        }
    }

    /// Returns the rotation as the owner knows it.
    fn seen(&self) -> RotationRecord {
        RotationRecord {
            timeline_seq: self.timeline_seq,
            ..self.record.clone()
        }
    }

    /// Follows a command that has added to the timeline, and left the status as it is. `refused` is
    /// the transaction whose first part writes the rotation's item.
    fn follow(&self, seen: &mut RotationRecord, refused: &Transacted) -> Result<(), LeaseError> {
        let operation = Operation::on("read rotation", self.key());
        let found = match refused {
            Transacted::Refused(refusals) => refusals.first(),
            Transacted::Done => None,
        };
        let Some(Refusal::Condition { found: Some(item) }) = found else {
            return Err(LeaseError::Lost);
        };
        let found: RotationRecord = self.table.parse(operation, item.clone())?;
        let is_owner = found.fence == seen.fence
            && found.lease_until.is_some()
            && found.status() == seen.status();
        if !is_owner || found.timeline_seq == seen.timeline_seq {
            return Err(LeaseError::Lost);
        }
        seen.timeline_seq = found.timeline_seq;
        Ok(())
    }

    /// Returns the write that closes the rotation's item.
    fn closed(&self, record: &RotationRecord, change: &StatusChange<'_>) -> Write {
        #[derive(Serialize)]
        struct Attributes {
            counts: Counts,
        }
        let counts = record.counts;
        let update = change
            .change()
            .set_all(&Attributes { counts })
            .set_or_remove("drainedAt", record.drained_at.map(text))
            .remove("leaseUntil")
            .remove("idleSince")
            .remove("progress")
            .remove("hasUnconfirmedUpdates");
        let condition = self
            .is_owned()
            .and(has_seq(change.seen.timeline_seq))
            .and(is_unchanged("reversionCount", record.reversion_count))
            .and(is_unchanged("arrivals", record.arrivals));
        self.update(update, condition)
    }

    /// Returns both roles, as they are now, after the close.
    async fn closed_roles(&self, close: &Close) -> Result<RolePair, LeaseError> {
        let Close {
            record,
            departure,
            may_have_moved,
            seen_use,
        } = close;
        let roles = Roles { table: self.table };
        let RolePair { old, new } = roles.pair(&record.request).await?;
        if old.in_use != *seen_use {
            return Err(LeaseError::Lost);
        }
        Ok(RolePair {
            old: old.closed_from(departure),
            new: new.closed_onto((!may_have_moved).then_some(self.key())),
        })
    }
}

/// The condition that a counter still has the value that was read. An absent one is zero.
pub(super) fn is_unchanged(counter: &str, seen: u64) -> Condition {
    let text = format!("attribute_not_exists(#{counter}) OR #{counter} = :{counter}");
    Condition::new(&text)
        .name(counter)
        .value(counter, number(seen))
}
