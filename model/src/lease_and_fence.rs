//! Lease and fence: deliveries of one event compete for a rotation, and owners of its lease die,
//! freeze, and send requests that arrive late.
//!
//! The decision who may work is `rerole_core::rotation::open`. The ledger's conditions are those of
//! `src/aws/ledger/opening.rs` and `lease.rs`, mirrored in `item.rs`. What an owner believes of
//! its lease is in `src/rotate/slice/lease.rs`, mirrored in `invocation.rs`. What else a slice does
//! is left out: here it plans, and then closes or hands over.
//!
//! A tick is a third of a lease. An invocation that is not scheduled while time passes is a frozen
//! one. Lambda delivers a failed event again after a minute, and the state machine repeats a busy
//! task after a minute, which is four ticks.
//!
//! `attribute_not_exists(finishedAt)` in the takeover is not among the [guards](Guard): without it
//! the model has no counterexample, because a rotation that closes loses the lease that the
//! takeover has seen.

mod invocation;
mod item;
mod state;
#[cfg(test)]
mod tests;

use rerole_core::request::Requested;
use rerole_core::rotation::RotationRecord;
use stateright::{Model, Property};

use crate::requests::{at, requested};
pub use invocation::{End, Invocation, Line, Task, Trigger};
pub use item::{Item, Write, Wrong};
pub use state::{Action, Delivery, State};

/// A condition of the product that the model can leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guard {
    /// Writes of an owner require its fence.
    Fence,
    /// A rotation is created only if it does not exist.
    AbsenceInCreate,
    /// A lease is taken over only once it has expired.
    ExpiryInTakeover,
    /// A lease is taken over only if it is the one that was read.
    SeenLeaseInTakeover,
    /// Only a lease that was not released is renewed.
    LeaseInRenewal,
    /// A plan is recorded only under a lease that was not released.
    LeaseInStart,
    /// Only a rotation whose lease was not released is closed.
    LeaseInClose,
    /// A renewal never shortens the lease: one that arrives after a later one changes nothing.
    LongerLeaseInRenewal,
    /// An invocation whose opening was refused does not take its own lease for another's.
    OwnLease,
}

/// The model.
#[derive(Debug, Clone)]
pub struct LeaseAndFence {
    /// The guard that is left out.
    pub without: Option<Guard>,
    /// The faults, hand-overs and free ticks of a history.
    pub faults: u8,
    pub hand_overs: u8,
    pub ticks: u8,
    requested: Requested,
    template: RotationRecord,
}

impl LeaseAndFence {
    /// The model without a guard, or with all of them.
    #[must_use]
    pub fn new(without: Option<Guard>) -> Self {
        let requested = requested("r-1", ["old", "new"]);
        Self {
            without,
            faults: 1,
            hand_overs: 1,
            ticks: 4,
            template: RotationRecord::start(&requested, at(0)),
            requested,
        }
    }

    pub(crate) fn has(&self, guard: Guard) -> bool {
        self.without != Some(guard)
    }
}

impl Model for LeaseAndFence {
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
                "two invocations never hold the lease at once",
                |_, state: &State| state.owners() <= 1,
            ),
            Property::always("the fence never decreases", |_, state: &State| {
                state.wrong != Some(Wrong::FenceDecreased)
            }),
            Property::always("a former owner changes nothing", |_, state: &State| {
                state.wrong != Some(Wrong::FormerOwner)
            }),
            Property::always(
                "an owner that released the lease changes nothing",
                |_, state: &State| state.wrong != Some(Wrong::Released),
            ),
            Property::always("a finished rotation stays as it is", |_, state: &State| {
                state.wrong != Some(Wrong::ChangedWhenFinished)
            }),
            Property::always(
                "each terminal state is a closed rotation",
                |_, state: &State| state.is_closed() || state.can_continue(),
            ),
            Property::sometimes(
                "a lease is taken over after it has expired",
                |_, state: &State| state.took_over,
            ),
            Property::sometimes(
                "a lease is lost to another invocation",
                |_, state: &State| state.refuses(|write| matches!(write, Write::Renew { .. })),
            ),
            Property::sometimes("a takeover comes too late", |_, state: &State| {
                state.refuses(|write| matches!(write, Write::Resume { .. }))
            }),
            Property::sometimes(
                "a rotation is created by another delivery first",
                |_, state: &State| state.refuses(|write| matches!(write, Write::Create { .. })),
            ),
            Property::sometimes("a close is refused", |_, state: &State| {
                state.refuses(|write| matches!(write, Write::Close { .. }))
            }),
            Property::sometimes("a slice hands over", |_, state: &State| {
                state.ended(End::HandedOver)
            }),
            Property::sometimes("a slice fails", |_, state: &State| state.ended(End::Failed)),
            Property::sometimes(
                "a delivery finds the rotation running",
                |_, state: &State| state.ended(End::AlreadyRunning),
            ),
            Property::sometimes(
                "a delivery finds the rotation finished",
                |_, state: &State| state.ended(End::FoundFinished),
            ),
            Property::sometimes("the first slice closes", |_, state: &State| {
                state.closed_under() == 1
            }),
            Property::sometimes("the third slice closes", |_, state: &State| {
                state.closed_under() == 3
            }),
        ]
    }
}
