//! What an accepted command writes. Which commands are accepted, and when they are decided again,
//! is in `commands.rs`.

use aws_sdk_dynamodb::types::AttributeValue;
use rerole_core::command::{Command, StackOrder};
use rerole_core::keys::{Entry, LedgerKey};
use rerole_core::request::RotationRequest;
use rerole_core::rotation::{
    Author, Counts, End, Open, RolePair, RoleUse, RotationRecord, StackRecord, State, Status,
    TimelineChange, TimelineEntry,
};
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::aws::dynamodb::{Change, Condition, Write, number, text};
use crate::aws::ledger::roles::{hold, leave, queue};
use crate::aws::ledger::rotations::{set_ready, set_start};
use crate::aws::ledger::status::is_unchanged;
use crate::aws::ledger::timeline::{StatusChange, has_seq, put_entry};
use crate::aws::ledger::{rotation_key, stack};

/// Returns the writes that give a rotation another state. `roles` are present for `Retry`, unless
/// it is a dry run.
pub(super) fn change_state(
    command: &Command,
    found: &RotationRecord,
    open: Open,
    roles: Option<&RolePair>,
    now: Timestamp,
) -> Vec<Write> {
    let by = Author::sender(&command.envelope);
    let reason = command.envelope.claims.reason_text();
    let is_retry = found.status().is_final();
    let starts = is_retry && open != Open::Queued;
    let started_at = roles.filter(|_| starts).map(|roles| roles.next_start(now));
    let mut after = found.with_state(State::Open(open));
    after.attempt += u32::from(is_retry);
    if let Some(started_at) = started_at {
        after = after.started(started_at);
    }
    let change = StatusChange {
        seen: found,
        after: &after,
        by: &by,
        reason: reason.as_deref(),
        at: now,
        old_role: RoleUse::default(),
    };
    let mut update = change.change();
    if found.status() == Status::Paused {
        update = update.remove("failingSince");
    }
    if after.state.work().is_some() {
        update = set_ready(update, now);
    }
    if let Open::Cancelling(_) = open {
        let stopped = found.stopped.clone();
        let stopped = stopped.unwrap_or_else(|| cancelled(reason.as_deref()));
        update = update.set("stopped", text(stopped));
    }
    if is_retry {
        update = next_attempt(update, found)
            .set_or_remove("queuedAt", (open == Open::Queued).then(|| text(now)));
    }
    let of_roles: Vec<Write> = match (roles, started_at) {
        (Some(roles), Some(started_at)) => {
            update = set_start(update, &after);
            hold(found, roles, started_at).into()
        }
        (Some(roles), None) if is_retry => queue(found, roles).into(),
        _ => Vec::new(),
    };
    let key = rotation_key(&found.key, &Entry::Rotation);
    let update = Write::update(key, update).only_if(change.condition());
    let writes = [update, change.entry()].into_iter();
    writes.chain(of_roles).collect()
}

/// Opens a finished rotation again, for its next attempt.
pub(super) fn next_attempt(update: Change, found: &RotationRecord) -> Change {
    let update = if found.covers_scope() {
        update.set("hasCoveredScope", AttributeValue::Bool(true))
    } else {
        update
    };
    update
        .set("attempt", number(u64::from(found.attempt) + 1))
        .set("roleNotReadyMs", number(0))
        // Its sweep counts anew what is on the old role again.
        .set("reversionCount", number(0))
        .remove("stopped")
        .remove("stoppedAt")
        .remove("failingSince")
        .remove("hasUnconfirmedUpdates")
}

/// Returns the writes that end a rotation that waits for its turn.
pub(super) fn end(
    command: &Command,
    found: &RotationRecord,
    roles: Option<&RolePair>,
    now: Timestamp,
) -> Vec<Write> {
    #[derive(Serialize)]
    struct Attributes {
        counts: Counts,
    }
    let reason = command.envelope.claims.reason_text();
    let reason = cancelled(reason.as_deref());
    let to = State::Finished(Box::new(End {
        reason: Some(reason.clone()),
        ..End::new(Status::Cancelled, now)
    }));
    // Since an earlier attempt, the indexer may have counted reversions.
    let counts = Counts {
        reverted: found.counts.reverted + found.reversion_count,
        ..found.counts
    };
    let after = RotationRecord {
        counts,
        ..found.with_state(to)
    };
    let change = StatusChange {
        seen: found,
        after: &after,
        by: &Author::sender(&command.envelope),
        reason: Some(&reason),
        at: now,
        old_role: RoleUse::default(),
    };
    let update = change.change().set_all(&Attributes { counts });
    let is_unchanged = is_unchanged("reversionCount", found.reversion_count);
    let key = rotation_key(&found.key, &Entry::Rotation);
    let update = Write::update(key, update).only_if(change.condition().and(is_unchanged));
    let mut writes = vec![update, change.entry()];
    writes.extend(roles.iter().flat_map(|roles| leave(found, roles)));
    writes
}

/// Returns why a rotation ended that was cancelled for this reason.
fn cancelled(reason: Option<&str>) -> String {
    match reason {
        None => "cancelled".to_owned(),
        Some(reason) => format!("cancelled: {reason}"),
    }
}

/// Returns the writes that give a rotation other limits.
pub(super) fn change_limits(
    command: &Command,
    found: &RotationRecord,
    request: &RotationRequest,
    now: Timestamp,
) -> Vec<Write> {
    #[derive(Serialize)]
    struct Attributes<'a> {
        request: &'a RotationRequest,
    }
    let seq = found.timeline_seq + 1;
    let change = Change::default()
        .set_all(&Attributes { request })
        .set("timelineSeq", number(seq));
    let entry = TimelineEntry {
        at: now,
        change: TimelineChange::LimitsChanged {
            max_errors: request.max_errors,
            max_concurrency: request.max_concurrency,
        },
        attempt: Some(found.attempt),
        by: Author::sender(&command.envelope),
        reason: command.envelope.claims.reason_text(),
        summary: Some(Box::new(found.summary(RoleUse::default()))),
        republished_at: None,
    };
    let key = rotation_key(&found.key, &Entry::Rotation);
    vec![
        Write::update(key, change).only_if(has_seq(found.timeline_seq)),
        put_entry(&found.key.clone().into(), seq, &entry),
    ]
}

/// Returns the writes that freeze the stack, or end its freeze.
pub(super) fn change_stack(
    command: &Command,
    found: &StackRecord,
    order: StackOrder,
    now: Timestamp,
) -> Vec<Write> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Attributes {
        frozen_by: Author,
    }
    let by = Author::sender(&command.envelope);
    let reason = command.envelope.claims.reason_text();
    let seq = found.timeline_seq + 1;
    let change = Change::default().set("timelineSeq", number(seq));
    let (change, timeline_change) = match order {
        StackOrder::Freeze => (
            change
                .set("frozenAt", text(now))
                .set_all(&Attributes {
                    frozen_by: by.clone(),
                })
                .set_or_remove("reason", reason.as_ref().map(text)),
            TimelineChange::Frozen,
        ),
        StackOrder::Unfreeze => (
            change
                .remove("frozenAt")
                .remove("frozenBy")
                .remove("reason"),
            TimelineChange::Unfrozen,
        ),
    };
    let condition = if found.timeline_seq == 0 {
        Condition::new("attribute_not_exists(timelineSeq)")
    } else {
        has_seq(found.timeline_seq)
    };
    let entry = TimelineEntry {
        at: now,
        change: timeline_change,
        attempt: None,
        by,
        reason,
        summary: None,
        republished_at: None,
    };
    vec![
        Write::update(stack::key(), change).only_if(condition),
        put_entry(&LedgerKey::Stack, seq, &entry),
    ]
}
