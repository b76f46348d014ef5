//! Locks and roles: rotation A→B and rotation B→A want the same roles, while the indexer puts roles
//! to use and ends their use, and another actor moves an association between them.
//!
//! How a role's item changes is `rerole_core::rotation::RoleRecord`; what an association on a role
//! means is `RoleHistory`. The conditions and transactions of the ledger are those of
//! `src/aws/ledger/roles.rs`, `opening.rs` and `lease.rs`, mirrored in `ledger.rs`. The order of
//! a slice's steps is that of `src/rotate/slice/run.rs` (`worker.rs`), and the order of the
//! indexer's is that of `src/indexer/index_writer.rs` (`indexer.rs`, `freeing.rs`).
//!
//! There is one association, on role A at first. A tick is a second. Only what is left of a wait is
//! in the state, so time passes only while something waits.
//!
//! # Assumptions
//!
//! As in `plan_and_close`: secondary indexes show a change within a second, and the indexer stores
//! an association within three seconds after it has read the role.
//!
//! # Not in the model
//!
//! That no role is *shown* as free while the index shows an association on it holds by
//! construction: what is shown comes from the role's item and from the index
//! (`src/aws/role_use.rs`). Checked here is that the items agree once everything is at rest.

mod freeing;
mod indexer;
mod ledger;
mod state;
#[cfg(test)]
mod tests;
mod worker;
mod world;

use rerole_core::keys::RotationKey;
use rerole_core::resource::Association;
use rerole_core::rotation::{InUse, RotationRecord};
use stateright::{Model, Property};

use crate::requests::{association, at, requested, role};
pub use ledger::{By, Ledger, Phase, View};
pub use state::{Action, State};
pub use world::Event;

/// The roles A and B, whose items the ledger has. Role C is any other.
pub const NAMES: [&str; 3] = ["a", "b", "c"];
/// The number of rotations.
pub const ROTATIONS: usize = 2;

/// A condition of the product that the model can leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guard {
    /// A rotation opens only if no other one holds its roles.
    RoleLock,
    /// The new role is put to use before the first update.
    UseBeforeUpdate,
    /// A role that a rotation holds is not freed.
    LockInFreeing,
    /// A role is freed only if its version is the one that was read before the index was asked.
    VersionInFreeing,
    /// The index is asked only once it shows what the indexer stored before the role was read.
    WaitBeforeFreeing,
    /// The index is asked again after the role was freed.
    CheckAfterFreeing,
    /// A rotation closes only if the items of its roles have the versions that were read.
    VersionsInClose,
    /// A role is put to use before the index shows an association on it.
    UseBeforeStore,
    /// What a rotation has put to use without moving anything is free again when it closes.
    UnusedInClose,
}

/// The model.
#[derive(Debug, Clone)]
pub struct LocksAndRoles {
    /// The guard that is left out.
    pub without: Option<Guard>,
    /// The deaths, changes by another actor, and full runs of a history.
    pub deaths: u8,
    pub changes: u8,
    pub full_runs: u8,
    templates: [RotationRecord; ROTATIONS],
    association: Association,
    /// The reasons for which a role is in use.
    uses: Vec<(By, InUse)>,
}

impl LocksAndRoles {
    /// The model without a guard, or with all of them.
    #[must_use]
    pub fn new(without: Option<Guard>) -> Self {
        let templates = [("r-1", ["a", "b"]), ("r-2", ["b", "a"])]
            .map(|(id, roles)| RotationRecord::start(&requested(id, roles), at(0)));
        let association = association("a-1", &role("a"));
        let by_association = InUse::by_association(&association.association_arn, at(0));
        let mut uses = vec![(By::Association, by_association)];
        for (index, RotationRecord { key, .. }) in templates.iter().enumerate() {
            uses.push((By::From(index), InUse::until_rotated(key, at(0))));
            uses.push((By::Onto(index), InUse::by_rotation_onto(key, at(0))));
            let still = InUse {
                why: "1 moved back by another actor".to_owned(),
                ..InUse::until_rotated(key, at(0))
            };
            uses.push((By::Still(index), still));
        }
        Self {
            without,
            deaths: 1,
            changes: 1,
            full_runs: 1,
            templates,
            association,
            uses,
        }
    }

    pub(crate) fn has(&self, guard: Guard) -> bool {
        self.without != Some(guard)
    }

    fn key(&self, rotation: usize) -> &RotationKey {
        &self.templates[rotation].key
    }
}

/// Returns the old and the new role of a rotation.
fn roles_of(rotation: usize) -> (usize, usize) {
    (rotation, 1 - rotation)
}

impl Model for LocksAndRoles {
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
        let mut properties = guarantees();
        properties.extend(endings());
        properties
    }
}

fn guarantees() -> Vec<Property<LocksAndRoles>> {
    vec![
        Property::always(
            "two rotations that share a role are not open at once",
            |_, state: &State| !state.world.ledger.are_both_open(),
        ),
        Property::always(
            "an open rotation holds both roles, and no other does",
            |_, state: &State| state.world.ledger.locks_are_of_open_rotations(),
        ),
        Property::always(
            "a role to which a rotation has moved is in use",
            |_, state: &State| state.world.ledger.new_roles_are_in_use(),
        ),
        Property::always(
            "the old role of an open rotation is in use",
            |_, state: &State| state.world.ledger.old_roles_are_in_use(),
        ),
        Property::always(
            "a role that the index shows in use does not stay free",
            |_, state: &State| !state.is_terminal() || !state.is_used_role_free(),
        ),
        Property::always(
            "a role that is not used does not stay in use because of a rotation",
            |_, state: &State| !state.is_terminal() || !state.is_unused_role_held_in_use(),
        ),
        Property::always("a departure is never forgotten", |_, state: &State| {
            !state.world.ledger.has_forgotten_departure()
        }),
        Property::always(
            "each terminal state is a closed rotation",
            |_, state: &State| state.world.ledger.all_closed() || !state.is_terminal(),
        ),
    ]
}

fn endings() -> Vec<Property<LocksAndRoles>> {
    vec![
        Property::sometimes("a role is locked", |_, state: &State| state.was_locked),
        Property::sometimes("both rotations move the association", |_, state: &State| {
            state.world.ledger.all_moved()
        }),
        Property::sometimes("a close leaves the old role free", |_, state: &State| {
            state.world.ledger.rotations[0].phase == Phase::Closed
                && state.world.ledger.rotations[1].phase == Phase::Absent
                && state.world.ledger.roles[0].in_use.is_none()
        }),
        Property::sometimes("a close leaves the old role in use", |_, state: &State| {
            state
                .world
                .ledger
                .is_in_use_by(|by| matches!(by, By::Still(_)))
        }),
        Property::sometimes("a close is refused", |_, state: &State| {
            state.world.last == Some(Event::CloseRefused)
        }),
        Property::sometimes(
            "a role changes while a rotation closes",
            |_, state: &State| state.world.last == Some(Event::RoleChangedInClose),
        ),
        Property::sometimes("the indexer frees a role", |_, state: &State| {
            state.world.last == Some(Event::Freed)
        }),
        Property::sometimes(
            "a role is not freed, since it changed",
            |_, state: &State| state.world.last == Some(Event::NotFreed),
        ),
        Property::sometimes("a freed role is put to use again", |_, state: &State| {
            state.world.last == Some(Event::PutToUseAgain)
        }),
    ]
}
