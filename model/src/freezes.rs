//! Freezes against slices: while slices work on a rotation, an operator freezes the stack and ends
//! the freeze. A rotation is paused for good only in a frozen stack, and what a freeze has paused
//! continues after it.
//!
//! The freeze is an item of its own, which no condition of the rotation's writes includes. So each
//! invocation decides by a value that may be old. What it decides is
//! `rerole_core::rotation::State::after`. The ledger's conditions are those of
//! `src/aws/ledger/rotations.rs`, `opening.rs` and `lease.rs`, mirrored in `ledger.rs`. The order
//! of the steps is that of `src/rotate/rotation_run.rs`, `commands.rs`, `freeze.rs` and
//! `executions.rs`, mirrored in `state.rs`.
//!
//! A call is one step; its caller can die after it, and then its event or its task is delivered
//! again. What an invocation reads of the stack and the rotation before it decides is also one
//! step, and each has the time for another look at them. The check for stalled rotations is left
//! out: nothing here needs it. So is how soon a slice finds a freeze. Commands about the rotation
//! are the subject of `commands`.

mod ledger;
mod state;
#[cfg(test)]
mod tests;
mod workers;

use stateright::{Model, Property};

pub use ledger::{Ledger, Order, Wrong};
pub use state::{Action, State};
pub use workers::{Sender, Task, Worker};

/// A condition of the product that the model can leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guard {
    /// What follows from a command is decided by the stack as it is after the command is recorded,
    /// not by the command.
    StackInFollowUp,
    /// A rotation is paused or resumed only if nothing was added to its timeline since it was read.
    SeqInChange,
    /// After a slice under which a freeze has paused the rotation, the stack is read again.
    StackAfterRelease,
    /// The command that ends a freeze also starts rotations that no slice works on, and that are
    /// not paused any more.
    StartIdle,
    /// A rotation that resumes uses the next execution, not the last one, which may be about to
    /// end.
    NextExecution,
}

/// The model.
#[derive(Debug, Clone)]
pub struct Freezes {
    /// The guard that is left out.
    pub without: Option<Guard>,
    /// Deaths of a history.
    pub faults: u8,
    /// Commands of a history.
    pub commands: u8,
}

impl Freezes {
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

impl Model for Freezes {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        state.actions(actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(state.after(self, action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "each terminal state is a rotation that is finished, or paused in a frozen stack",
                |_, state: &State| state.is_at_rest() || state.can_continue(),
            ),
            Property::always("no ending is undone", |_, state: &State| {
                state.wrong != Some(Wrong::EndUndone)
            }),
            Property::sometimes("a rotation is paused for good", |_, state: &State| {
                state.ledger.life.is_paused() && state.is_at_rest() && !state.can_continue()
            }),
            Property::sometimes("a rotation resumes and is finished", |_, state: &State| {
                state.ledger.life.is_finished() && state.has_resumed
            }),
            Property::sometimes(
                "a rotation is paused after the freeze",
                |_, state: &State| state.ledger.life.is_paused() && !state.ledger.is_frozen,
            ),
            Property::sometimes("a second execution works", |_, state: &State| {
                matches!(state.workers[2], Worker::Slice { .. })
            }),
        ]
    }
}
