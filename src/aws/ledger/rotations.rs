//! The rotations' own items: read by key or by status, and paused, resumed or started when no slice
//! works on them. How a delivery opens one is in `opening.rs`, how a slice renews or releases it in
//! `lease.rs`, and how it starts and closes it in `status.rs`.

use aws_sdk_dynamodb::types::AttributeValue;
use rerole_core::call::{CallError, Operation};
use rerole_core::keys::{Entry, RotationKey};
use rerole_core::rotation::{
    Author, Cause, RolePair, RoleUse, RotationRecord, State, Status, Transition,
};
use rerole_core::timestamp::Timestamp;
use tracing::error;

use crate::aws::dynamodb::{
    Change, Condition, Item, Query, Table, Transacted, TransactionPart, Write, number, text,
};
use crate::aws::ledger::roles::hold;
use crate::aws::ledger::rotation_key;
use crate::aws::ledger::timeline::StatusChange;
use crate::aws::page::{Page, PageStart};

/// Global secondary index: `status`, `startedAt`.
const BY_STATUS: &str = "ByStatus";

/// The rotations' own items.
#[derive(Debug, Clone, Copy)]
pub struct Rotations<'a> {
    pub(super) table: &'a Table,
}

/// A rotation that a secondary index shows.
#[derive(Debug)]
pub enum FoundRotation {
    Record(Box<RotationRecord>),
    /// The item cannot be parsed. Another version of rerole may have written it.
    Malformed {
        ledger_key: String,
    },
}

impl Rotations<'_> {
    /// Reads a rotation's item. The read is consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or if the item does not have the form of the contract or
    /// contradicts its key.
    pub async fn read(&self, key: &RotationKey) -> Result<Option<RotationRecord>, CallError> {
        let operation = Operation::on("read rotation", key);
        let found: Option<RotationRecord> = self
            .table
            .get_as(operation, rotation_key(key, &Entry::Rotation))
            .await?;
        match found.as_ref().and_then(|record| record.contradiction(key)) {
            None => Ok(found),
            Some(problem) => Err(CallError::malformed_item(operation, problem)),
        }
    }

    /// Changes the state of a rotation for a cause that needs nothing else, if it is still as it
    /// was read: the stack is frozen, or no longer is. Returns the rotation if its state has
    /// changed.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written.
    pub async fn apply(
        &self,
        cause: Cause,
        seen: &RotationRecord,
        (by, reason): (&Author, Option<&str>),
        now: Timestamp,
    ) -> Result<Option<RotationRecord>, CallError> {
        let Transition::To(open) = seen.state.after(cause) else {
            return Ok(None);
        };
        let operation = Operation::on("change status of rotation", &seen.key);
        let after = seen.with_state(State::Open(open));
        let change = StatusChange {
            seen,
            after: &after,
            by,
            reason,
            at: now,
            old_role: RoleUse::default(),
        };
        let mut update = change.change();
        if after.state.work().is_some() {
            // While it was paused, no cluster failed.
            update = set_ready(update.remove("failingSince"), now);
        }
        let key = rotation_key(&seen.key, &Entry::Rotation);
        let update = Write::update(key, update).only_if(change.condition());
        let parts = vec![update.into(), change.entry().into()];
        match self.table.transact(operation, parts).await? {
            Transacted::Done => self.read(&seen.key).await,
            Transacted::Refused(_) => Ok(None),
        }
    }

    /// Gives a queued rotation its turn: it starts at `now`, and holds both roles. `seen` and
    /// `roles` are what was read. Returns whether they were still so.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn start_queued(
        &self,
        seen: &RotationRecord,
        roles: &RolePair,
        by: &Author,
        now: Timestamp,
    ) -> Result<bool, CallError> {
        let Transition::To(open) = seen.state.after(Cause::Turn) else {
            return Ok(false);
        };
        let operation = Operation::on("start queued rotation", &seen.key);
        let started_at = roles.next_start(now);
        let after = seen.with_state(State::Open(open)).started(started_at);
        let change = StatusChange {
            seen,
            after: &after,
            by,
            reason: None,
            at: started_at,
            old_role: RoleUse::default(),
        };
        // Its sweep counts what came back while it waited.
        let update = set_ready(change.change(), now).set("reversionCount", number(0));
        let update = set_start(update, &after);
        let key = rotation_key(&seen.key, &Entry::Rotation);
        let update = Write::update(key, update).only_if(change.condition());
        let writes = [update, change.entry()].into_iter();
        let writes = writes.chain(hold(seen, roles, started_at));
        let parts = writes.map(TransactionPart::from).collect();
        let transacted = self.table.transact(operation, parts).await?;
        Ok(matches!(transacted, Transacted::Done))
    }

    /// Records the number of the next execution, if the last one has this number. Returns whether
    /// it has.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn set_execution_run(&self, key: &RotationKey, last: u64) -> Result<bool, CallError> {
        let operation = Operation::on("record execution of", key);
        let change = Change::default().set("executionRun", number(last + 1));
        let is_last = Condition::new("executionRun = :last").value("last", number(last));
        let key = rotation_key(key, &Entry::Rotation);
        let update = Write::update(key, change).only_if(is_last);
        Ok(self.table.write(operation, update).await?.is_done())
    }

    /// Returns one page of the rotations with this status, oldest first. The secondary index is
    /// eventually consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub async fn by_status(
        &self,
        status: Status,
        start: Option<PageStart>,
    ) -> Result<Page<FoundRotation>, CallError> {
        self.query(status, with_status(status).start(start)).await
    }

    /// Returns one page of the rotations with this status that started, or were queued, at `since`
    /// or later, latest first. The secondary index is eventually consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub async fn latest(
        &self,
        status: Status,
        since: Timestamp,
        start: Option<PageStart>,
    ) -> Result<Page<FoundRotation>, CallError> {
        self.query(status, latest(status, since).start(start)).await
    }

    /// Returns one page of the rotations with this status that finished at `since` or later, those
    /// that started last first. DynamoDB reads all that ever had this status. The secondary index
    /// is eventually consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub async fn finished(
        &self,
        status: Status,
        since: Timestamp,
        start: Option<PageStart>,
    ) -> Result<Page<FoundRotation>, CallError> {
        // An item without the time is malformed, and is reported.
        let is_late = Condition::new("attribute_not_exists(finishedAt) OR finishedAt >= :since")
            .value("since", text(since));
        let query = with_status(status)
            .descending()
            .filter(is_late)
            .start(start);
        self.query(status, query).await
    }

    async fn query(&self, status: Status, query: Query) -> Result<Page<FoundRotation>, CallError> {
        let subject = format!("{status:?}");
        let operation = Operation::on("query rotations by status", &subject);
        let page = self.table.query(operation, query).await?;
        Ok(page.map(|item| self.found(operation, item)))
    }

    fn found(self, operation: Operation<'_>, item: Item) -> FoundRotation {
        let ledger_key = match item.get("rotationId") {
            Some(AttributeValue::S(key)) => key.clone(),
            _ => String::new(),
        };
        match self.table.parse(operation, item) {
            Ok(record) => FoundRotation::Record(Box::new(record)),
            Err(error) => {
                error!(rotationId = ledger_key, %error, "rotation could not be parsed");
                FoundRotation::Malformed { ledger_key }
            }
        }
    }
}

/// The query of the items with this status.
fn with_status(status: Status) -> Query {
    let condition = Condition::new("#status = :status")
        .name("status")
        .value("status", text(format!("{status:?}")));
    Query::index(BY_STATUS, condition)
}

/// The query of the items with this status that started at `since` or later, latest first.
pub(super) fn latest(status: Status, since: Timestamp) -> Query {
    let condition = Condition::new("#status = :status AND startedAt >= :since")
        .name("status")
        .value("status", text(format!("{status:?}")))
        .value("since", text(since));
    Query::index(BY_STATUS, condition).descending()
}

/// Sets when a rotation started, or when its next attempt did. It is `after` from then on
/// ([`RotationRecord::started`]).
pub(super) fn set_start(update: Change, after: &RotationRecord) -> Change {
    match after.attempt_started_at {
        None => update.set("startedAt", text(after.started_at)),
        Some(at) => update.set("attemptStartedAt", text(at)),
    }
}

/// Makes a rotation ready for a slice, in an execution of its own.
pub(super) fn set_ready(update: Change, now: Timestamp) -> Change {
    // Another invocation may have incremented the number since the item was read.
    update.set("idleSince", text(now)).increment("executionRun")
}
