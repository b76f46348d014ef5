//! Rollbacks: an operator takes a rotation A→B back, in the middle or after its end, while another
//! rotation B→C is requested, another actor changes an association, and slices die.
//!
//! What follows from the command is `rerole_core::command::decide`, whose turn it is
//! `rerole_core::rotation::is_turn_of`, and what happens to an association `decide` and
//! `decide_rollback`. The writes of the ledger are those of `src/aws/ledger/rollbacks.rs`,
//! `rotations.rs` and `status.rs`, mirrored in `ledger.rs`. The order of the steps is that of
//! `src/rotate/slice/`, mirrored in `state.rs`.
//!
//! A call is one step. Rows are planned in one step, because those of a finished rotation do not
//! change. That slices of one rotation do not work at once is the subject of `lease_and_fence`, who
//! starts the next rotation that of `queues`, and what becomes of a lost answer that of
//! `settle_and_resume`.

mod command;
mod eks;
mod ledger;
mod state;
#[cfg(test)]
mod tests;

use stateright::{Model, Property};

pub use eks::{Author, Shown};
pub use ledger::{Ledger, Role, RollbackRow, Row, Which};
pub use state::{Action, Slice, State, Wrong};

/// A condition of the product that the model can leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guard {
    /// The command cancels an open rotation in the transaction that queues its rollback.
    CancelledTogether,
    /// A rollback is the first in the queues.
    FirstInQueues,
    /// A rollback starts or is queued only if the items of the roles have the versions that were
    /// read.
    Versions,
    /// A rollback has its turn only when the rotation is closed, so its rows are final.
    FinalRows,
    /// A rollback updates only what EKS shows as the rotation has written it.
    OwnWriteOnly,
    /// After a death, the pending rows of a cancelled rotation are described before they are
    /// settled.
    DescribedAfterDeath,
}

/// The model.
#[derive(Debug, Clone)]
pub struct Rollbacks {
    /// The guard that is left out.
    pub without: Option<Guard>,
    /// Deaths of slices.
    pub deaths: u8,
    /// Changes by another actor.
    pub changes: u8,
    /// Commands.
    pub commands: u8,
}

impl Rollbacks {
    /// The model without a guard, or with all of them.
    #[must_use]
    pub fn new(without: Option<Guard>) -> Self {
        Self {
            without,
            deaths: 1,
            changes: 1,
            commands: 2,
        }
    }

    pub(crate) fn has(&self, guard: Guard) -> bool {
        self.without != Some(guard)
    }
}

impl Model for Rollbacks {
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
        vec![
            Property::always(
                "rotations that share a role do not work at once",
                |_, state: &State| state.ledger.working() <= 1,
            ),
            Property::always(
                "a rollback that has ended has left nothing that its rotation had moved",
                |_, state: &State| !state.ledger.is_rolled_back() || state.is_nothing_left(),
            ),
            Property::always(
                "what another actor has changed since is not taken back",
                |_, state: &State| state.wrong != Some(Wrong::ChangeUndone),
            ),
            Property::always(
                "no other rotation starts before a rollback that waits",
                |_, state: &State| state.wrong != Some(Wrong::Overtaken),
            ),
            Property::always(
                "in each terminal state everything has ended",
                |model: &Rollbacks, state: &State| {
                    state.has_next_action(model) || state.ledger.is_everything_finished()
                },
            ),
            Property::sometimes("both associations go back", |_, state: &State| {
                state.ledger.is_rolled_back() && state.have_gone_back(2)
            }),
            Property::sometimes("one is left, because it has changed", |_, state: &State| {
                state.ledger.is_rolled_back() && state.is_change_left()
            }),
            Property::sometimes(
                "a rollback waits for another rotation",
                |_, state: &State| state.ledger.waits_for_rival(),
            ),
            Property::sometimes("a command is decided again", |_, state: &State| {
                state.was_decided_again
            }),
        ]
    }
}
