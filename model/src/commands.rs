//! Commands against slices: while slices plan, update and close a rotation, an operator pauses,
//! resumes, cancels and retries it. No accepted command is undone, no work is forgotten, and no
//! ending hides an update.
//!
//! What follows from a command is `rerole_core::rotation::State::after`. The ledger's conditions
//! are those of `src/aws/ledger/command_writes.rs`, `lease.rs`, `opening.rs` and `rows.rs`,
//! mirrored in `ledger.rs`. The order of the steps is that of `src/rotate/rotation_run.rs`,
//! `commands.rs` and `executions.rs`, mirrored in `state.rs`.
//!
//! The rotation has one association. A call is one step; its caller can die after it, and then its
//! event or its task is delivered again. How soon a slice finds a command is left out: here it may
//! find it at any time, or not at all.

mod knowledge;
mod ledger;
mod life;
mod state;
#[cfg(test)]
mod tests;
mod workers;

use stateright::{Model, Property};

pub use knowledge::Knowledge;
pub use ledger::{Item, Row, Wrong};
pub use life::{Life, Order};
pub use state::{Action, State};
pub use workers::{Sender, Task, Worker};

/// A condition of the product that the model can leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guard {
    /// A command is carried out only if nothing was added to the timeline since it was decided.
    SeqInCommand,
    /// A slice records its start only if no command has changed the status.
    StatusInStart,
    /// A slice closes the rotation only if no command has changed the status.
    StatusInClose,
    /// A slice takes the lease only if the status is the one that it has read.
    StatusInOpening,
    /// Whether a command has to start an execution is read after it is recorded, not before.
    LeaseAfterCommand,
    /// What follows after a slice is decided by the status at its release, not by what the slice
    /// knows.
    StatusAtRelease,
    /// A command that lets slices work again uses the next execution, not the last one, which may
    /// be about to end.
    NextExecution,
    /// If an update got no response, a cancelled row is described before it is settled.
    UnconfirmedInCancel,
    /// A row is settled only in the attempt in which it was read.
    AttemptInSettle,
}

/// The model.
#[derive(Debug, Clone)]
pub struct Commands {
    /// The guard that is left out.
    pub without: Option<Guard>,
    /// Deaths and lost responses of a history.
    pub faults: u8,
    /// Commands of a history.
    pub commands: u8,
}

impl Commands {
    /// The model without a guard, or with all of them.
    #[must_use]
    pub fn new(without: Option<Guard>) -> Self {
        Self {
            without,
            faults: 1,
            commands: 3,
        }
    }

    pub(crate) fn has(&self, guard: Guard) -> bool {
        self.without != Some(guard)
    }
}

impl Model for Commands {
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
                "each terminal state is a rotation that is finished or paused",
                |model: &Self, state: &State| state.is_at_rest() || state.can_continue(model),
            ),
            Property::always("no slice undoes a command", |_, state: &State| {
                state.wrong != Some(Wrong::CommandUndone)
            }),
            Property::always("the timeline has every status", |_, state: &State| {
                state.wrong != Some(Wrong::GapInTimeline)
            }),
            Property::always(
                "a later attempt is not settled by an earlier one",
                |_, state: &State| state.wrong != Some(Wrong::LateSettle),
            ),
            Property::always(
                "no slice opens a rotation that waits",
                |_, state: &State| state.wrong != Some(Wrong::OpenedWhileWaiting),
            ),
            Property::always("no ending hides an update", |_, state: &State| {
                !state.hides_update()
            }),
            Property::sometimes("a rotation succeeds", |_, state: &State| {
                state.item.life.is_finished() && state.item.row == Row::Updated
            }),
            Property::sometimes(
                "a cancelled rotation has not moved anything",
                |_, state: &State| {
                    state.item.life.is_finished() && state.item.row == Row::NotAttempted
                },
            ),
            Property::sometimes("a rotation is paused for good", |_, state: &State| {
                state.item.life.is_paused()
            }),
            Property::sometimes(
                "a second attempt moves what was cancelled",
                |_, state: &State| {
                    state.item.attempt == 2
                        && state.item.life.is_finished()
                        && state.item.row == Row::Updated
                },
            ),
            Property::sometimes("a command is decided again", |_, state: &State| {
                state.decided_again
            }),
            Property::sometimes("a third execution works", |_, state: &State| {
                state.item.run == 3
            }),
        ]
    }
}
