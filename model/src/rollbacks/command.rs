//! What follows from the command `Rollback`.

use rerole_core::command::{
    Command, Decision, FoundRollback, NeededFacts, Order, RollbackOrder, RollbackPlan,
    RotationOrder, decide,
};
use rerole_core::request::{Envelope, EventSummary, Requested};
use rerole_core::rotation::{RotationRecord, StackRecord, admit};

use crate::requests::{at, requested};
use crate::rollbacks::{Ledger, Row, Which};

/// What follows from the command, if it is accepted.
pub(super) fn decided(ledger: &Ledger) -> Option<RollbackPlan> {
    let rotation = requested("r-1", ["a", "b"]);
    let updated = ledger.rows.iter();
    let updated = updated.filter(|row| matches!(row, Row::Updated(_)));
    let mut found = RotationRecord {
        state: ledger.rotation_state(),
        ..RotationRecord::start(&rotation, at(0))
    };
    found.counts.updated = updated.count() as u64;
    let order = RollbackOrder::default();
    let request = order.request(&rotation.request);
    let record = ledger.rollback.map(|life| {
        let requested = Requested {
            request: request.clone(),
            envelope: Envelope::default(),
        };
        Box::new(RotationRecord {
            state: life.state(),
            ..RotationRecord::queue(&requested, at(0))
        })
    });
    let roles = ledger.pair(Which::Rollback);
    let stack = StackRecord::default();
    let needed = NeededFacts::Rollback(FoundRollback {
        record,
        admission: admit(&request, Some(&roles), &stack, at(0)),
        rejection: None,
    });
    let order = RotationOrder::Rollback(order);
    let command = Command {
        event_id: "c-1".to_owned(),
        order: Order::Rotation(Which::Rotation.key(), order),
        expected_seq: None,
        envelope: Envelope {
            event: EventSummary {
                time: Some(at(0)),
                ..EventSummary::default()
            },
            ..Envelope::default()
        },
    };
    match decide((&command, order), Some(&found), &stack, needed, at(0)) {
        Decision::RollBack(plan) => Some(*plan),
        _ => None,
    }
}
