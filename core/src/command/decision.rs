//! What follows from a command: a new state, new limits, or a refusal that says what is allowed.

use std::time::Duration;

use crate::command::{
    Command, CommandName, Limits, Order, RollbackOrder, RotationOrder, StackOrder,
};
use crate::keys::RotationKey;
use crate::request::{Rejection, RotationRequest};
use crate::rotation::{
    Admission, Cause, Open, RotationRecord, StackRecord, Status, Transition, Work,
};
use crate::timestamp::Timestamp;

/// Commands after which updates are sent are not accepted when they are older. EventBridge may
/// deliver an event for 24 hours, and by then the operator may have decided otherwise. A command
/// that only stops something is never too old.
pub const AGE_MAX: Duration = Duration::from_mins(15);

/// The commands about a rotation, as a refusal lists them.
const OF_ROTATIONS: [CommandName; 6] = [
    CommandName::Pause,
    CommandName::Resume,
    CommandName::Cancel,
    CommandName::Retry,
    CommandName::Rollback,
    CommandName::Change,
];

/// What follows from a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// The rotation gets this state.
    Change(Open),
    /// The rotation, which was queued, ends.
    End,
    /// The rotation is taken back. If it is open, it is cancelled at the same time.
    RollBack(Box<RollbackPlan>),
    /// The rotation gets these limits.
    Limits(Box<RotationRequest>),
    /// The stack is frozen from now on, or no longer is.
    Stack(StackOrder),
    /// It is already so.
    NoChange(String),
    Refused {
        explanation: String,
        allowed: Vec<CommandName>,
    },
}

/// How a rotation is taken back.
#[derive(Debug, Clone, PartialEq)]
pub struct RollbackPlan {
    pub request: RotationRequest,
    /// The finished rollback of which this is the next attempt, if there is one.
    pub earlier: Option<Box<RotationRecord>>,
    /// What becomes of the rotation itself.
    pub of_rotation: Transition,
    pub start: RollbackStart,
    /// The state of the rollback from then on.
    pub open: Open,
}

/// How a rollback begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollbackStart {
    /// It starts at this time, and holds both roles.
    At(Timestamp),
    /// It is the first in the queues of both roles.
    Queued,
}

/// What a decision needs to know besides the rotation and the stack.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum NeededFacts {
    #[default]
    None,
    /// For `Retry` of a finished rotation.
    NextAttempt(NextAttempt),
    /// For `Rollback`.
    Rollback(FoundRollback),
}

/// The rollback of a rotation.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundRollback {
    /// The rollback that the ledger has, if there is one.
    pub record: Option<Box<RotationRecord>>,
    pub admission: Admission,
    /// Why the stack's rules do not allow the roles any more, if they do not.
    pub rejection: Option<Rejection>,
}

impl RollbackStart {
    /// Returns the state in which a rollback begins.
    fn open(self) -> Open {
        match self {
            Self::At(_) => Open::Running(Work::Planning),
            Self::Queued => Open::Queued,
        }
    }

    /// Returns the cause of the next attempt of a rollback that ended with this status.
    fn cause_after(self, status: Status) -> Cause {
        match (self, status) {
            (_, Status::Planned) => Cause::PlanAgain,
            (Self::At(_), _) => Cause::Retry,
            (Self::Queued, _) => Cause::RetryLater,
        }
    }
}

/// What becomes of the next attempt of a finished rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextAttempt {
    Admitted(Admission),
    /// Its new role was replaced since, by this rotation.
    NewRoleReplaced(RotationKey),
}

/// Decides what follows from a command about a rotation. `found` is the rotation, if there is one.
/// Some commands need further facts.
#[must_use]
pub fn decide(
    (command, order): (&Command, RotationOrder),
    found: Option<&RotationRecord>,
    stack: &StackRecord,
    needed: NeededFacts,
    now: Timestamp,
) -> Decision {
    let Some(found) = found else {
        return Decision::Refused {
            explanation: "the ledger has no such rotation".to_owned(),
            allowed: Vec::new(),
        };
    };
    let allowed = allowed(found, stack);
    let refused = |explanation| Decision::Refused {
        explanation,
        allowed: allowed.clone(),
    };
    // What the state allows is not all that is needed.
    let not_now = |explanation| Decision::Refused {
        explanation,
        allowed: without(order.name(), allowed.clone()),
    };
    if let Some(explanation) = outdated(command, found.timeline_seq, now) {
        return refused(explanation);
    }
    let cause = match (order, needed) {
        (RotationOrder::Change(_), _) if found.status().is_final() => {
            return refused(format!("the rotation is {:?}", found.status()));
        }
        (RotationOrder::Change(limits), _) => return change(found, limits),
        (RotationOrder::Pause, _) => Cause::Pause,
        (RotationOrder::Cancel, _) => Cause::Cancel,
        (RotationOrder::Resume, _) if is_kept_by_freeze(found, stack) => {
            return refused("the stack is frozen".to_owned());
        }
        (RotationOrder::Resume, _) => Cause::Resume,
        (RotationOrder::Rollback(order), needed) => {
            return match roll_back(found, order, needed) {
                Ok(decision) => decision,
                Err(explanation) => not_now(explanation),
            };
        }
        (RotationOrder::Retry, NeededFacts::NextAttempt(next)) => match next {
            NextAttempt::Admitted(Admission::Start(_)) => Cause::Retry,
            NextAttempt::Admitted(Admission::Queue) => Cause::RetryLater,
            NextAttempt::Admitted(Admission::Full(role)) => {
                return not_now(format!("too many rotations wait for {role}"));
            }
            NextAttempt::NewRoleReplaced(by) => {
                let role = &found.new_role_arn;
                return not_now(format!(
                    "rotation {by} has replaced the new role {role} since, or is about to"
                ));
            }
        },
        (RotationOrder::Retry, _) => Cause::Retry,
    };
    let status = found.status();
    match found.state.after(cause) {
        Transition::To(open) => Decision::Change(open),
        Transition::Cancelled => Decision::End,
        Transition::Stays => Decision::NoChange(format!("the rotation is {status:?}")),
        Transition::Refused => refused(format!(
            "{:?} is not allowed while the rotation is {status:?}",
            order.name()
        )),
    }
}

/// Decides what follows from the command `Rollback`.
///
/// # Errors
/// Why it is refused.
fn roll_back(
    found: &RotationRecord,
    order: RollbackOrder,
    needed: NeededFacts,
) -> Result<Decision, String> {
    if found.request.dry_run || found.request.rollback.is_some() {
        return Err("neither a dry run nor a rollback can be taken back".to_owned());
    }
    if !can_be_taken_back(found) {
        return Err("the rotation has moved no association".to_owned());
    }
    let NeededFacts::Rollback(FoundRollback {
        record,
        admission,
        rejection,
    }) = needed
    else {
        return Err("its rollback is not known".to_owned());
    };
    if let Some(rejection) = rejection {
        return Err(format!(
            "the stack does not allow these roles any more: {rejection}"
        ));
    }
    if let Some(rollback) = &record {
        let (key, status) = (&rollback.key, rollback.status());
        if !status.is_final() {
            return Ok(Decision::NoChange(format!("{key} is {status:?}")));
        }
        // A later attempt of the rotation may have moved more.
        let is_later = found.last_started_at() > rollback.last_started_at();
        if let (Status::RolledBack, Some(at), false) = (status, rollback.finished_at(), is_later) {
            let explanation = format!("{key} is RolledBack since {at}");
            return Ok(Decision::NoChange(explanation));
        }
    }
    let start = match admission {
        Admission::Start(at) => RollbackStart::At(at),
        Admission::Queue => RollbackStart::Queued,
        Admission::Full(role) => return Err(format!("too many rotations wait for {role}")),
    };
    let of_rotation = if order.dry_run || found.status().is_final() {
        Transition::Stays
    } else {
        found.state.after(Cause::Cancel)
    };
    let open = match &record {
        None => start.open(),
        Some(earlier) => match earlier.state.after(start.cause_after(earlier.status())) {
            Transition::To(open) => open,
            _ => return Err(format!("{} is {:?}", earlier.key, earlier.status())),
        },
    };
    Ok(Decision::RollBack(Box::new(RollbackPlan {
        request: order.request(&found.request),
        earlier: record,
        of_rotation,
        start,
        open,
    })))
}

/// Returns whether a rotation has moved an association, or may have.
fn can_be_taken_back(found: &RotationRecord) -> bool {
    let is_rotation = !found.request.dry_run && found.request.rollback.is_none();
    is_rotation && (found.counts.updated > 0 || found.state.may_be_executing())
}

/// Decides what follows from a command about the stack.
#[must_use]
pub fn decide_for_stack(
    (command, order): (&Command, StackOrder),
    stack: &StackRecord,
    now: Timestamp,
) -> Decision {
    if let Some(explanation) = outdated(command, stack.timeline_seq, now) {
        let allowed = if stack.is_frozen() {
            CommandName::Unfreeze
        } else {
            CommandName::Freeze
        };
        return Decision::Refused {
            explanation,
            allowed: vec![allowed],
        };
    }
    match (order, stack.frozen_at) {
        (StackOrder::Freeze, None) | (StackOrder::Unfreeze, Some(_)) => Decision::Stack(order),
        (StackOrder::Freeze, Some(at)) => {
            Decision::NoChange(format!("the stack is frozen since {at}"))
        }
        (StackOrder::Unfreeze, None) => Decision::NoChange("the stack is not frozen".to_owned()),
    }
}

/// Returns why a command comes too late: it is too old, or the timeline has a later entry.
fn outdated(command: &Command, seq: u64, now: Timestamp) -> Option<String> {
    let name = command.order.name();
    let expires = match &command.order {
        Order::Rotation(_, order) => {
            matches!(
                order,
                RotationOrder::Resume | RotationOrder::Retry | RotationOrder::Rollback(_)
            )
        }
        Order::Stack(order) => *order == StackOrder::Unfreeze,
    };
    if expires {
        let Some(sent_at) = command.envelope.event.time else {
            return Some(format!("{name:?} needs an event with a time"));
        };
        let age = now.since(sent_at);
        if age > AGE_MAX {
            return Some(format!(
                "the command is {} minutes old, and {name:?} is accepted for {} minutes",
                age.as_secs() / 60,
                AGE_MAX.as_secs() / 60
            ));
        }
    }
    match command.expected_seq {
        Some(expected) if expected != seq => Some(format!(
            "the timeline has entry {seq}, and the command expects {expected} as the last one"
        )),
        _ => None,
    }
}

fn without(name: CommandName, mut names: Vec<CommandName>) -> Vec<CommandName> {
    names.retain(|allowed| *allowed != name);
    names
}

fn change(found: &RotationRecord, limits: Limits) -> Decision {
    let changed = RotationRequest {
        max_errors: limits.max_errors.unwrap_or(found.request.max_errors),
        max_concurrency: limits.max_concurrency.or(found.request.max_concurrency),
        ..found.request.clone()
    };
    if changed == found.request {
        Decision::NoChange("the rotation has these limits".to_owned())
    } else {
        Decision::Limits(Box::new(changed))
    }
}

/// Returns whether a paused rotation cannot resume because the stack is frozen.
fn is_kept_by_freeze(found: &RotationRecord, stack: &StackRecord) -> bool {
    found.status() == Status::Paused && stack.is_frozen() && !found.request.dry_run
}

/// Returns the commands that are allowed in the state of a rotation. Of a paused one in a frozen
/// stack, `Unfreeze` takes the place of `Resume`.
fn allowed(found: &RotationRecord, stack: &StackRecord) -> Vec<CommandName> {
    let is_open = !found.status().is_final();
    let is_allowed = |name: &CommandName| {
        let cause = match name {
            CommandName::Pause => Cause::Pause,
            CommandName::Resume => Cause::Resume,
            CommandName::Cancel => Cause::Cancel,
            CommandName::Retry => Cause::Retry,
            CommandName::Rollback => return can_be_taken_back(found),
            _ => return is_open,
        };
        let has_effect =
            |transition| matches!(transition, Transition::To(_) | Transition::Cancelled);
        has_effect(found.state.after(cause))
    };
    let allowed = OF_ROTATIONS.into_iter().filter(is_allowed);
    if is_kept_by_freeze(found, stack) {
        let needed = |name| match name {
            CommandName::Resume => CommandName::Unfreeze,
            other => other,
        };
        return allowed.map(needed).collect();
    }
    allowed.collect()
}

#[cfg(test)]
mod tests;
