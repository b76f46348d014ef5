//! What the ledger already shows of a command before it is sent. The function decides; here is only
//! found out what it would refuse for sure, by its own table of decisions.

use rerole_core::command::{
    Command, CommandName, Decision, FoundRollback, NeededFacts, Order, RotationOrder, StackOrder,
    decide, decide_for_stack,
};
use rerole_core::keys::RotationKey;
use rerole_core::request::{Envelope, EventSummary};
use rerole_core::rotation::{Admission, RotationRecord, StackRecord};
use rerole_core::timestamp::Timestamp;

use crate::command::allowed;

/// What a command would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// It changes something, unless the function finds a reason against it.
    Change,
    /// It is already so.
    NoChange(String),
}

/// What the ledger has when a command is checked.
#[derive(Debug, Clone, Copy)]
pub struct Ledgered<'a> {
    pub record: &'a RotationRecord,
    /// The rollback of the rotation, if there is one.
    pub rollback: Option<&'a RotationRecord>,
    pub stack: &'a StackRecord,
}

/// Why a command is refused for sure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    command: CommandName,
    key: RotationKey,
    explanation: String,
    allowed: Vec<CommandName>,
}

/// Finds out what a command about a rotation would do.
///
/// # Errors
/// If it is refused for sure.
pub fn check(
    order: RotationOrder,
    ledgered: Ledgered<'_>,
    now: Timestamp,
) -> Result<Effect, Refusal> {
    let Ledgered {
        record,
        rollback,
        stack,
    } = ledgered;
    let command = command(Order::Rotation(record.key.clone(), order), now);
    let needed = match order {
        // Whether the roles are free is up to the function.
        RotationOrder::Rollback(_) => NeededFacts::Rollback(FoundRollback {
            record: rollback.map(|record| Box::new(record.clone())),
            admission: Admission::Queue,
            rejection: None,
        }),
        _ => NeededFacts::None,
    };
    match decide((&command, order), Some(record), stack, needed, now) {
        Decision::NoChange(explanation) => Ok(Effect::NoChange(explanation)),
        Decision::Refused {
            explanation,
            allowed,
        } => Err(Refusal {
            command: order.name(),
            key: record.key.clone(),
            explanation,
            allowed,
        }),
        _ => Ok(Effect::Change),
    }
}

/// Finds out what a command about the stack would do.
pub fn check_for_stack(order: StackOrder, stack: &StackRecord, now: Timestamp) -> Effect {
    let command = command(Order::Stack(order), now);
    match decide_for_stack((&command, order), stack, now) {
        Decision::NoChange(explanation) => Effect::NoChange(explanation),
        _ => Effect::Change,
    }
}

/// The command as the function would get it now.
fn command(order: Order, now: Timestamp) -> Command {
    Command {
        event_id: String::new(),
        order,
        expected_seq: None,
        envelope: Envelope {
            event: EventSummary {
                time: Some(now),
                ..EventSummary::default()
            },
            ..Envelope::default()
        },
    }
}

impl Refusal {
    /// The refusal in a sentence, with the commands that are allowed. `pasted` adds the flags
    /// without which a command would be about another stack.
    pub fn text(&self, pasted: impl Fn(&str) -> String) -> String {
        let Self {
            command,
            key,
            explanation,
            allowed: names,
        } = self;
        let command = format!("{command:?}").to_lowercase();
        let allowed = allowed(names, &key.to_string());
        let allowed = allowed
            .iter()
            .map(|it| format!("`{}`", pasted(&it.command)));
        let allowed = match allowed.collect::<Vec<_>>().as_slice() {
            [] => "no command is allowed any more".to_owned(),
            commands => format!("allowed: {}", commands.join(", ")),
        };
        format!("{command} {key}: {explanation}; {allowed}")
    }
}

#[cfg(test)]
mod tests {
    use rerole_core::command::{Limits, RollbackOrder};
    use rerole_core::rotation::{Open, PauseCause, PausedFrom, State, Status, Work};

    use super::*;
    use crate::testing::{now, record};

    fn paused(cause: PauseCause) -> State {
        State::Open(Open::Paused {
            from: PausedFrom::Running(Work::Executing),
            cause,
        })
    }

    fn checked(order: RotationOrder, state: State, stack: &StackRecord) -> Result<Effect, String> {
        let record = record("app", state);
        let ledgered = Ledgered {
            record: &record,
            rollback: None,
            stack,
        };
        check(order, ledgered, now()).map_err(|refusal| refusal.text(str::to_owned))
    }

    #[test]
    fn what_is_refused_for_sure_is_not_sent() {
        let rollback = RotationOrder::Rollback(RollbackOrder::default());
        let limits = RotationOrder::Change(Limits {
            max_errors: Some("5".parse().unwrap()),
            max_concurrency: None,
        });
        let finished = || State::finished(Status::Succeeded, now());
        let no_change = |text: &str| Ok(Effect::NoChange(text.to_owned()));
        let refused = |text: &str| Err(text.to_owned());
        for (order, state, expected) in [
            (RotationOrder::Pause, State::IN_PROGRESS, Ok(Effect::Change)),
            (
                RotationOrder::Pause,
                paused(PauseCause::Operator),
                no_change("the rotation is Paused"),
            ),
            (
                RotationOrder::Pause,
                finished(),
                refused(
                    "pause app: Pause is not allowed while the rotation is Succeeded; allowed: \
                     `rerole retry app`, `rerole rollback app`",
                ),
            ),
            // Whether the new role was replaced since is up to the function.
            (RotationOrder::Retry, finished(), Ok(Effect::Change)),
            (rollback, finished(), Ok(Effect::Change)),
            (
                limits,
                finished(),
                refused(
                    "change app: the rotation is Succeeded; allowed: `rerole retry app`, `rerole \
                     rollback app`",
                ),
            ),
            (limits, State::IN_PROGRESS, Ok(Effect::Change)),
        ] {
            let stack = StackRecord::default();
            assert_eq!(checked(order, state, &stack), expected, "{order:?}");
        }
    }

    #[test]
    fn a_frozen_stack_keeps_a_rotation_paused() {
        let frozen = StackRecord {
            frozen_at: Some(now()),
            ..StackRecord::default()
        };
        let refused = checked(RotationOrder::Resume, paused(PauseCause::Frozen), &frozen);
        let text = refused.unwrap_err();
        assert!(text.contains("the stack is frozen; allowed:"), "{text}");
        assert!(text.contains("`rerole unfreeze`"), "{text}");
        let effect = check_for_stack(StackOrder::Freeze, &frozen, now());
        assert!(matches!(effect, Effect::NoChange(_)), "{effect:?}");
        assert_eq!(
            check_for_stack(StackOrder::Unfreeze, &frozen, now()),
            Effect::Change
        );
    }
}
