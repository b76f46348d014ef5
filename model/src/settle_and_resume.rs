//! Settle and resume: slices move one association from its `Pending` row to its outcome. They die,
//! freeze and take over from each other, other actors change the association, and EKS shows some
//! changes late.
//!
//! What follows from each response is `rerole_core::rotation::AssociationMove`, and with it
//! `decide`, the token and the ending rules. A state has what a slice has seen, from which its
//! `AssociationMove` is made again for each step (`memory.rs`). When an update may be sent and an
//! ending recorded is decided in `src/rotate/slice/mover.rs` and `settle.rs`, mirrored in
//! `slice.rs`. The conditions of the ledger are those of `src/aws/ledger/rows.rs` and `lease.rs`.
//!
//! How a lease is taken over is in the model `lease_and_fence`: here it is one step, once the lease
//! has expired or was released. The first slice starts in the last seconds of its lease, which it
//! has not renewed. A tick is the timeout of a call to EKS.
//!
//! # Assumptions
//!
//! An update takes effect within the timeout of its call, if at all ([`Guard::TimelyUpdate`]). The
//! record of an ending that EKS has not confirmed arrives before its sender's lease ends, if at all
//! ([`Guard::TimelyRecord`]). That a caller sends either only if the lease outlives the call is
//! checked. That nothing on the way holds it up for longer cannot be.

mod clock;
mod eks;
mod memory;
mod slice;
mod state;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use rerole_core::indexing::IndexItem;
use rerole_core::keys::RotationKey;
use rerole_core::request::RotationRequest;
use rerole_core::resource::{Association, RoleField};
use rerole_core::rotation::{Outcome, Row, Token};
use stateright::{Model, Property};

use crate::requests::{association, requested, role};
pub use eks::{Eks, Role, View};
pub use memory::{Input, Memory};
pub use slice::{RowEnd, Slice, Task};
pub use state::{Action, Rotation, State, Wrong};

/// More versions than a history has.
const VERSIONS_MAX: u8 = 16;

/// A condition of the product that the model can leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guard {
    /// Only a pending row is settled.
    PendingInSettle,
    /// An ending that EKS has not confirmed is recorded only while the lease is held.
    LeaseInRecord,
    /// Such a record does not arrive after the lease has ended. This is an assumption.
    TimelyRecord,
    /// A slice that does not know whether such a record arrives keeps its lease until it expires.
    LeaseKeptForRecord,
    /// An update is sent only if the lease outlives it.
    LeaseInUpdate,
    /// An update does not take effect after its call has timed out. This is an assumption.
    TimelyUpdate,
    /// After an update without a response, a slice describes the association, or ends, only once
    /// the update cannot take effect any more.
    WaitForLostUpdate,
    /// An update is sent within the write window.
    WriteWindow,
    /// What a Describe shows is as old as its request. A slow call or a frozen process gets the
    /// response later.
    AgeFromRequest,
    /// The same version gives the same token.
    TokenOfVersion,
    /// A Describe that shows an older version than the plan shows nothing.
    OlderVersionsIgnored,
    /// A rotation that was stopped settles a row as `NotAttempted` only once EKS shows the updates
    /// that may have been sent.
    WaitAfterStop,
    /// That time counts from when the last update can have taken effect, which may be after the
    /// stop.
    WaitFromLastUpdate,
    /// An association counts as drifted only once EKS shows the updates that may have been sent.
    /// Until then, EKS may show another actor's change from before such an update.
    WaitBeforeDrifted,
    /// The rows are counted again before the rotation closes.
    TallyBeforeClose,
}

/// The model.
#[derive(Debug, Clone)]
pub struct SettleAndResume {
    /// The guard that is left out.
    pub without: Option<Guard>,
    /// The faults, changes by other actors, and free ticks of a history.
    pub faults: u8,
    pub changes: u8,
    pub ticks: u8,
    request: RotationRequest,
    /// The association on each role. Its version is set for each view.
    association: Association,
    row: Row,
    /// The versions by their tokens.
    tokens: HashMap<String, u8>,
}

impl SettleAndResume {
    /// The model without a guard, or with all of them.
    #[must_use]
    pub fn new(without: Option<Guard>) -> Self {
        let request = requested("r-1", ["old", "new"]).request;
        let planned = eks::PLANNED.association(&association("a-1", &role("old")));
        let mut row = Row::planned(&request.old_role_arn, &IndexItem::of(&planned));
        if without == Some(Guard::OlderVersionsIgnored) {
            row.planned_modified_at = eks::time_of(0);
        }
        let change = [(RoleField::RoleArn.name(), request.new_role_arn.as_str())];
        let token = |version| {
            let (key, arn) = (RotationKey::of(&request), &planned.association_arn);
            Token::new(&key, arn, eks::time_of(version), &change, 0)
        };
        Self {
            without,
            faults: 2,
            changes: 2,
            ticks: 3,
            tokens: (0..VERSIONS_MAX)
                .map(|version| (token(version).to_string(), version))
                .collect(),
            association: planned,
            row,
            request,
        }
    }

    pub(crate) fn has(&self, guard: Guard) -> bool {
        self.without != Some(guard)
    }
}

impl Model for SettleAndResume {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let former = [None, Some(Role::Third), Some(Role::New)];
        former
            .into_iter()
            .map(|former| State::new(self, former))
            .collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        state.actions(actions);
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

fn guarantees() -> Vec<Property<SettleAndResume>> {
    vec![
        Property::always("a row settles once", |_, state: &State| {
            state.wrong != Some(Wrong::SettledTwice)
        }),
        Property::always(
            "success means that EKS has shown the new role",
            |_, state: &State| state.wrong != Some(Wrong::NeverOnNewRole),
        ),
        Property::always(
            "no ending is recorded from before an update of the rotation",
            |_, state: &State| state.wrong != Some(Wrong::HidesUpdate),
        ),
        Property::always("the same version is updated once", |_, state: &State| {
            state.wrong != Some(Wrong::UpdatedTwice)
        }),
        Property::always(
            "an update is sent within the window after a Describe",
            |_, state: &State| state.wrong != Some(Wrong::OutsideWindow),
        ),
        Property::always(
            "nothing is updated after the rotation is finished",
            |_, state: &State| state.wrong != Some(Wrong::UpdatedWhenFinished),
        ),
        Property::always(
            "a finished rotation has no pending row",
            |_, state: &State| !state.rotation.is_closed || state.row.is_some(),
        ),
        Property::always(
            "each terminal state is a closed rotation",
            |_, state: &State| state.rotation.is_closed || state.can_continue(),
        ),
    ]
}

fn endings() -> Vec<Property<SettleAndResume>> {
    vec![
        Property::sometimes("it is updated, as EKS confirms", |_, state: &State| {
            state.closed_with(Outcome::Updated) && state.row.is_some_and(|row| row.is_confirmed)
        }),
        Property::sometimes("it is updated, as Describe shows", |_, state: &State| {
            state.closed_with(Outcome::Updated) && state.row.is_some_and(|row| !row.is_confirmed)
        }),
        Property::sometimes("it is on the new role already", |_, state: &State| {
            state.closed_with(Outcome::AlreadyCurrent)
        }),
        Property::sometimes("it has drifted", |_, state: &State| {
            state.closed_with(Outcome::Drifted)
        }),
        Property::sometimes("it is deleted", |_, state: &State| {
            state.closed_with(Outcome::Deleted)
        }),
        Property::sometimes("it fails", |_, state: &State| {
            state.closed_with(Outcome::Failed)
        }),
        Property::sometimes("it is not attempted", |_, state: &State| {
            state.closed_with(Outcome::NotAttempted)
        }),
        Property::sometimes("another slice has settled the row", |_, state: &State| {
            state.is_refused_to_settle()
        }),
        Property::sometimes("a repeated token changes nothing", |_, state: &State| {
            state.has_repeated_token
        }),
        Property::sometimes(
            "a slice keeps what it may not record",
            |_, state: &State| state.has_dropped_ending,
        ),
        Property::sometimes("the third slice closes", |_, state: &State| {
            state.rotation.is_closed && state.rotation.fence == 3
        }),
    ]
}
