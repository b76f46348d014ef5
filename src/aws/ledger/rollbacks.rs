//! What the command `Rollback` writes: the rollback's own record, and the cancellation of a
//! rotation that is open. Both are one transaction, so no other rotation gets the roles in between:
//! a rollback of an open rotation is the first in the queues of its roles.

use rerole_core::command::{Command, RollbackPlan, RollbackStart};
use rerole_core::keys::Entry;
use rerole_core::request::{Requested, RotationRequest};
use rerole_core::rotation::{Author, RolePair, RoleUse, RotationRecord, State, Transition};
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::aws::dynamodb::{TransactionPart, Write, text};
use crate::aws::ledger::command_writes::{change_state, end, next_attempt};
use crate::aws::ledger::opening::create;
use crate::aws::ledger::roles::{hold, queue};
use crate::aws::ledger::rotation_key;
use crate::aws::ledger::rotations::{set_ready, set_start};
use crate::aws::ledger::timeline::{StatusChange, has_seq, has_status};

/// Returns the writes that take `rotation` back. `roles` are those of the rotation, and absent for
/// a dry run, which holds none.
pub(super) fn roll_back(
    command: &Command,
    rotation: &RotationRecord,
    plan: &RollbackPlan,
    roles: Option<RolePair>,
    now: Timestamp,
) -> Vec<TransactionPart> {
    let mut parts = match &plan.of_rotation {
        Transition::To(open) => {
            TransactionPart::all(change_state(command, rotation, *open, None, now))
        }
        Transition::Cancelled => TransactionPart::all(end(command, rotation, None, now)),
        Transition::Stays | Transition::Refused => {
            let key = rotation_key(&rotation.key, &Entry::Rotation);
            let is_as_seen = has_seq(rotation.timeline_seq).and(has_status(rotation));
            vec![TransactionPart::Check(key, is_as_seen)]
        }
    };
    let roles = roles.map(|roles| roles.without(&rotation.key).reversed());
    let begin = Begin { command, plan, now };
    parts.extend(TransactionPart::all(match &plan.earlier {
        None => begin.first_attempt(roles.as_ref()),
        Some(earlier) => begin.next_attempt(earlier, roles.as_ref()),
    }));
    parts
}

/// How a rollback begins, or its next attempt.
struct Begin<'a> {
    command: &'a Command,
    plan: &'a RollbackPlan,
    now: Timestamp,
}

impl Begin<'_> {
    fn first_attempt(&self, roles: Option<&RolePair>) -> Vec<Write> {
        let requested = Requested {
            request: self.plan.request.clone(),
            envelope: self.command.envelope.clone(),
        };
        let record = match self.plan.start {
            RollbackStart::Queued => RotationRecord::queue(&requested, self.now),
            RollbackStart::At(started_at) => RotationRecord {
                state: State::Open(self.plan.open),
                queued_at: None,
                idle_since: Some(self.now),
                ..RotationRecord::queue(&requested, started_at)
            },
        };
        let mut writes = create(&record);
        writes.extend(self.of_roles(&record, roles));
        writes
    }

    fn next_attempt(&self, earlier: &RotationRecord, roles: Option<&RolePair>) -> Vec<Write> {
        #[derive(Serialize)]
        struct Attributes<'a> {
            request: &'a RotationRequest,
        }
        let (by, reason) = (
            Author::sender(&self.command.envelope),
            self.command.envelope.claims.reason_text(),
        );
        let mut after = earlier.with_state(State::Open(self.plan.open));
        after.attempt += 1;
        if let RollbackStart::At(started_at) = self.plan.start {
            after = after.started(started_at);
        }
        let change = StatusChange {
            seen: earlier,
            after: &after,
            by: &by,
            reason: reason.as_deref(),
            at: self.now,
            old_role: RoleUse::default(),
        };
        let update = next_attempt(change.change(), earlier).set_all(&Attributes {
            request: &self.plan.request,
        });
        let update = match self.plan.start {
            RollbackStart::Queued => update.set("queuedAt", text(self.now)),
            RollbackStart::At(_) => {
                let update = set_ready(update.remove("queuedAt"), self.now);
                set_start(update, &after)
            }
        };
        let key = rotation_key(&earlier.key, &Entry::Rotation);
        let mut writes = vec![
            Write::update(key, update).only_if(change.condition()),
            change.entry(),
        ];
        writes.extend(self.of_roles(earlier, roles));
        writes
    }

    /// Returns the writes to the items of the roles.
    fn of_roles(&self, record: &RotationRecord, roles: Option<&RolePair>) -> Vec<Write> {
        let of_roles = roles.map(|roles| match self.plan.start {
            RollbackStart::Queued => queue(record, roles).to_vec(),
            RollbackStart::At(started_at) => hold(record, roles, started_at).to_vec(),
        });
        of_roles.unwrap_or_default()
    }
}
