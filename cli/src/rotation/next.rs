//! Which commands make sense next for a rotation.

use rerole_core::rotation::{PauseCause, Status};

use crate::answer::Next;
use crate::rotation::RotationView;

/// The commands that make sense next, the most likely one first.
pub fn next(view: &RotationView) -> Vec<Next> {
    let id = &view.id;
    // The ID comes right after the verb, where it is replaced most easily.
    let of = |verb: &str, purpose: &str| {
        let (verb, flags) = match verb.split_once(' ') {
            Some((verb, flags)) => (verb, format!(" {flags}")),
            None => (verb, String::new()),
        };
        Next::new(format!("rerole {verb} {id}{flags}")).to(purpose)
    };
    let who = || {
        let command = format!("rerole who {}", view.old_role_arn);
        Next::new(command).to("who uses the old role, and may it be deleted?")
    };
    let is_rollback = view.rollback_of.is_some();
    let mut next = match view.status {
        Status::Queued => vec![
            of("status", "where it is in the queue"),
            of("cancel", "give up"),
        ],
        Status::Planning | Status::InProgress => vec![
            of("status --watch", "follow it to the end"),
            of("pause", "stop for now"),
            of("cancel", "stop for good"),
        ],
        Status::Paused if view.status_cause == Some(PauseCause::Frozen) => {
            vec![Next::new("rerole unfreeze").to("let all rotations continue")]
        }
        Status::Paused => vec![of("resume", "continue"), of("cancel", "stop for good")],
        Status::Cancelling => vec![of("status --watch", "wait until the roles are free")],
        Status::Planned if is_rollback => {
            let rotation = view.rollback_of.as_deref().unwrap_or_default();
            vec![
                of("status --rows wouldUpdate,changedSince", "what it would do"),
                Next::new(format!("rerole rollback {rotation}")).to("take it back"),
            ]
        }
        Status::Planned => vec![of("status --rows wouldUpdate", "what would be moved")],
        Status::CompletedWithFailures | Status::Failed => vec![
            of("status --rows failed", "what failed, and why"),
            of("retry", "try the rest again"),
        ],
        Status::Cancelled => vec![of("retry", "continue after all")],
        Status::Incomplete => vec![of("status --rows addon,reverted", "what stays"), who()],
        Status::RollbackIncomplete => vec![of("status --rows changedSince,failed", "what stays")],
        Status::Succeeded | Status::RolledBack => vec![who()],
        Status::NoAssociations => {
            vec![Next::new("rerole index status").to("is the index complete?")]
        }
        Status::Rejected => Vec::new(),
    };
    let can_roll_back = !is_rollback && !view.dry_run && view.rollback.is_none();
    if can_roll_back && view.counts.updated > 0 {
        next.push(of("rollback", "take back what it moved"));
    }
    next
}
