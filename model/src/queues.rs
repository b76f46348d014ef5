//! Queues: rotations A→B, B→C and C→A are requested, and each shares a role with each other one. So
//! one works, and the others wait for their turn, while an operator pauses, resumes and cancels
//! them, and the check for stalled rotations looks on.
//!
//! Whose turn it is, is `rerole_core::rotation::is_turn_of`; what follows from a command is
//! `State::after`. The conditions and transactions of the ledger are those of
//! `src/aws/ledger/opening.rs`, `rotations.rs`, `status.rs`, `roles.rs` and `command_writes.rs`,
//! mirrored in `ledger.rs`. The order of the steps is that of `src/rotate/rotation_run.rs`,
//! `queue.rs`, `commands.rs` and `stalled.rs`, mirrored in `state/steps.rs`.
//!
//! A call is one step, and so is all that a slice does before its rotation closes. An invocation
//! can die after each step. Then Lambda or the state machine invokes the function again, or it
//! does not, because its retries are used up. A rotation that works is not paused or cancelled
//! here; that is the subject of `commands`, and freezes are that of `freezes`. While one lasts, no
//! turn is given.

mod ledger;
mod state;
#[cfg(test)]
mod tests;

use rerole_core::keys::RotationKey;
use stateright::{Model, Property};

use crate::requests::requested;

pub use ledger::{Ledger, Role, Rotation};
pub use state::{Action, Next, Slot, State, Steering, Task};

/// The number of rotations. There are as many roles: rotation `n` is from role `n` to the next one.
pub const ROTATIONS: usize = 3;

/// A condition of the product that the model can leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guard {
    /// A rotation has its turn only if the items of its roles have the versions that were read.
    VersionsInTurn,
    /// A rotation has its turn only if no command has changed its status since it was read.
    StatusInTurn,
    /// A rotation starts or is queued only if the items of its roles have the versions that were
    /// read.
    VersionsInAdmission,
    /// A request joins the queues of both roles in one transaction.
    BothQueuesAtOnce,
    /// Whoever closes a rotation starts the next one.
    NextAfterClose,
    /// Who has just been queued looks whose turn it is: those before it may all be paused.
    NextAfterQueueing,
    /// A command after which another rotation may be first starts that one.
    NextAfterCommand,
    /// A paused rotation is passed over.
    PausedIsPassed,
}

/// What happens in a history besides requests and slices. One of them at a time keeps the model
/// small enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disturbance {
    /// An invocation dies. What nobody starts then, the check does.
    Death,
    /// An operator sends this many commands.
    Commands(u8),
    /// The check for stalled rotations comes at any time.
    Check,
}

/// The model.
#[derive(Debug, Clone)]
pub struct Queues {
    pub disturbance: Disturbance,
    /// The guard that is left out.
    pub without: Option<Guard>,
    keys: [RotationKey; ROTATIONS],
}

impl Queues {
    /// The model without a guard, or with all of them.
    #[must_use]
    pub fn new(disturbance: Disturbance, without: Option<Guard>) -> Self {
        let keys = ["r-1", "r-2", "r-3"];
        Self {
            disturbance,
            without,
            keys: keys.map(|id| RotationKey::of(&requested(id, ["a", "b"]).request)),
        }
    }

    pub(crate) fn has(&self, guard: Guard) -> bool {
        self.without != Some(guard)
    }

    fn key(&self, rotation: usize) -> &RotationKey {
        &self.keys[rotation]
    }
}

/// Returns the old and the new role of a rotation.
fn roles_of(rotation: usize) -> [usize; 2] {
    [rotation, (rotation + 1) % ROTATIONS]
}

impl Model for Queues {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        state.actions(self, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(state.after(self, action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = guarantees();
        properties.push(Property::sometimes(
            "two turns compete",
            |_, state: &State| state.was_refused,
        ));
        properties.push(match self.disturbance {
            Disturbance::Death => {
                Property::sometimes("a rotation waits for the check", |model, state: &State| {
                    state.is_at_rest() && state.can_start(model)
                })
            }
            Disturbance::Commands(_) => {
                Property::sometimes("a paused rotation is passed over", |_, state: &State| {
                    state.ledger.is_paused_one_passed_over()
                })
            }
            Disturbance::Check => {
                Property::sometimes("all rotations move, one by one", |_, state: &State| {
                    state.ledger.are_all_finished()
                })
            }
        });
        properties
    }
}

fn guarantees() -> Vec<Property<Queues>> {
    vec![
        Property::always(
            "rotations that share a role do not work at once",
            |_, state: &State| state.ledger.working().count() <= 1,
        ),
        Property::always("a role is held by what works", |_, state: &State| {
            state.ledger.is_held_by_what_works()
        }),
        Property::always("what waits is in both queues", |_, state: &State| {
            state.ledger.is_in_queues_of_its_roles()
        }),
        Property::always(
            "a command about a rotation that waits is not undone",
            |_, state: &State| !state.is_command_undone,
        ),
        Property::always(
            "without a death, no rotation waits for the check",
            |model: &Queues, state: &State| {
                state.has_died(model) || !state.is_at_rest() || !state.can_start(model)
            },
        ),
        Property::always(
            "each terminal state has only finished and paused rotations",
            |model: &Queues, state: &State| {
                state.has_next_action(model) || state.ledger.is_finished_or_paused()
            },
        ),
    ]
}
