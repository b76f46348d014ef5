//! Plan, sweep and close: a rotation moves what the index shows on its old role, while other actors
//! move associations to that role and away from it, the indexer stores what it describes, and the
//! secondary indexes lag.
//!
//! What follows from an index item and a row is `rerole_core::rotation::lag`; what it means that an
//! association is on a replaced role is `RoleHistory`; how a rotation ends is `Tally` and `close`.
//! The order of a slice's steps is that of `src/rotate/slice/run.rs` and `scan.rs`, mirrored in
//! `slice.rs`, and the order of the indexer's is that of `src/indexer/index_writer.rs` and
//! `reversions.rs`, mirrored in `indexer.rs`. The conditions of the ledger are those of
//! `src/aws/ledger/lease.rs` and `reversions.rs`.
//!
//! There are two associations. One is on the old role from the start. How one is moved is in the
//! model `settle_and_resume`: here it is one step. A slice or an invocation of the indexer that
//! dies stands for each fault: a call whose answer is lost ends it as well. Then the next slice
//! resumes the rotation, and SQS delivers the message again. A tick is a second.
//!
//! # Assumptions
//!
//! Secondary indexes show a change within a second. What the indexer has read of a role, it uses
//! for at most three seconds, until it stores an association ([`Guard::TimelyIndexer`]).
//!
//! # Not needed
//!
//! The close also requires that the old role's `inUse` is what was read before the sweep. In this
//! model nothing can change it in between: the opening sets it, a later reason never replaces an
//! earlier one, and a role that is held is not freed. The reversions and arrivals that would put
//! the role to use are counted in the rotation's item in the same transaction. Nor is the tally
//! needed on its own, since a row that is pending then has changed `arrivals` as well.

mod index;
mod indexer;
mod ledger;
mod slice;
mod state;
#[cfg(test)]
mod tests;

use rerole_core::request::RotationRequest;
use rerole_core::resource::Association;
use rerole_core::rotation::{RotationRecord, Status};
use stateright::{Model, Property};

use crate::requests::{association, at, requested, role};
pub use index::{Index, Role, View};
pub use indexer::Indexer;
pub use ledger::{Ledger, RowState};
pub use slice::Slice;
pub use state::{Action, State};

/// The number of associations.
pub const ASSOCIATIONS: usize = 2;

/// A condition of the product that the model can leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guard {
    /// The rotation closes only if no arrival was counted since before the sweep.
    ArrivalsInClose,
    /// The rotation closes only if no reversion was counted since before the sweep.
    ReversionsInClose,
    /// The rotation scans again after it has executed its plan.
    Sweep,
    /// The sweep starts only once the index shows what the indexer stored without knowing of the
    /// rotation.
    WaitForIndexer,
    /// The indexer uses what it has read of a role for a short time only. This is an assumption.
    TimelyIndexer,
    /// The indexer tells the rotation of an arrival, also if the index shows it.
    RecordOfArrival,
    /// An arrival that the rotation has closed without is recorded as a reversion.
    ReversionAfterClose,
    /// A reversion is recorded once.
    AbsenceInReversion,
    /// A reversion is counted in the numbers of a finished rotation only if it is finished, and
    /// otherwise for its close.
    StateInReversion,
}

/// The model.
#[derive(Debug, Clone)]
pub struct PlanAndClose {
    /// The guard that is left out.
    pub without: Option<Guard>,
    /// The deaths, and changes by other actors, of a history.
    pub deaths: u8,
    pub changes: u8,
    request: RotationRequest,
    template: RotationRecord,
    associations: [Association; ASSOCIATIONS],
}

impl PlanAndClose {
    /// The model without a guard, or with all of them.
    #[must_use]
    pub fn new(without: Option<Guard>) -> Self {
        let requested = requested("r-1", ["old", "new"]);
        Self {
            without,
            deaths: 1,
            changes: 2,
            template: RotationRecord::start(&requested, at(0)),
            request: requested.request,
            associations: ["a-1", "a-2"].map(|id| association(id, &role("old"))),
        }
    }

    pub(crate) fn has(&self, guard: Guard) -> bool {
        self.without != Some(guard)
    }
}

impl Model for PlanAndClose {
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
        properties.extend(endings());
        properties
    }
}

fn guarantees() -> Vec<Property<PlanAndClose>> {
    vec![
        Property::always(
            "a finished rotation has no pending row",
            |_, state: &State| !state.ledger.is_closed() || !state.ledger.has_pending(),
        ),
        Property::always(
            "no association is silently left on the replaced role",
            |model: &PlanAndClose, state: &State| {
                !state.is_terminal(model) || state.ledger.knows_what_is_left(&state.index)
            },
        ),
        Property::always(
            "a role that the index shows in use does not stay free",
            |model: &PlanAndClose, state: &State| {
                !state.is_terminal(model) || state.ledger.is_in_use || !state.index.shows_old()
            },
        ),
        Property::always(
            "a finished rotation has counted each reversion once",
            |_, state: &State| state.ledger.has_counted_reversions(),
        ),
        Property::always(
            "each terminal state is a closed rotation",
            |model: &PlanAndClose, state: &State| {
                state.ledger.is_closed() || !state.is_terminal(model)
            },
        ),
    ]
}

fn endings() -> Vec<Property<PlanAndClose>> {
    vec![
        Property::sometimes("the rotation succeeds", |_, state: &State| {
            state.ledger.status == Status::Succeeded && !state.ledger.is_in_use
        }),
        Property::sometimes("the rotation is incomplete", |_, state: &State| {
            state.ledger.status == Status::Incomplete
        }),
        Property::sometimes("the rotation finds nothing", |_, state: &State| {
            state.ledger.status == Status::NoAssociations
        }),
        Property::sometimes("a close is refused", |_, state: &State| {
            state.has_refused_close
        }),
        Property::sometimes("an association arrives in time", |_, state: &State| {
            state.ledger.arrivals > 0 && state.ledger.status == Status::Succeeded
        }),
        Property::sometimes("an association arrives too late", |_, state: &State| {
            state.ledger.is_closed() && state.has_late_arrival
        }),
        Property::sometimes(
            "a reversion is recorded while it is open",
            |_, state: &State| !state.ledger.is_closed() && state.ledger.reversion_count > 0,
        ),
        Property::sometimes("two reversions are recorded", |_, state: &State| {
            state.ledger.reversion_count == 2
        }),
        Property::sometimes(
            "an association that is not known is planned",
            |_, state: &State| state.has_swept_new_row,
        ),
        Property::sometimes("an index item that lags is repaired", |_, state: &State| {
            state.has_repaired_lag
        }),
    ]
}
