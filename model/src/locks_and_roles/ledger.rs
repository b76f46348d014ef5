//! The ledger: both rotations and both roles.

mod records;

use rerole_core::keys::Side;
use rerole_core::rotation::reversion::{Meaning, RoleHistory, RoleStep};
use rerole_core::rotation::{Departure, Outcome};

use crate::locks_and_roles::{Guard, LocksAndRoles, ROTATIONS, roles_of};
use crate::requests::at;

/// The association on a role, by its index in [`NAMES`](super::NAMES), at a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct View {
    pub role: usize,
    pub version: u8,
}

/// Why a role is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    Association,
    /// The rotation from it is open.
    From(usize),
    /// The rotation moves associations onto it.
    Onto(usize),
    /// The rotation from it left something.
    Still(usize),
}

/// What the model keeps of a role's item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Role {
    pub version: u8,
    pub held_by: Option<usize>,
    pub in_use: Option<By>,
    /// The item has `leftUntil`.
    has_left: bool,
    /// Something has left it, as was recorded.
    was_left: bool,
}

/// How far a rotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    Absent,
    Open,
    Closed,
}

/// What the model keeps of a rotation, and of its row of the association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rotation {
    pub phase: Phase,
    /// It was opened before the other one.
    is_first: bool,
    pub arrivals: u8,
    pub reversions: u8,
    /// The version of the last reversion.
    reverted: u8,
    pub row: Option<RowState>,
    /// Until the indexer has stored what it read before the opening, in ticks.
    pub wait: u8,
}

/// A row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RowState {
    pub outcome: Outcome,
    settled: View,
}

/// What the model keeps of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ledger {
    pub rotations: [Rotation; ROTATIONS],
    pub roles: [Role; 2],
}

/// What a slice has read before it closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seen {
    pub arrivals: u8,
    pub reversions: u8,
    pub in_use: Option<By>,
    pub old: Option<Role>,
    pub new: Option<Role>,
}

/// The result of a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    Done,
    Refused,
    RoleChanged,
}

impl Role {
    /// `put_to_use` in `src/aws/ledger/roles.rs`: an earlier reason stays.
    fn put_to_use(&mut self, by: By) {
        self.in_use = self.in_use.or(Some(by));
        self.version += 1;
    }
}

impl Ledger {
    pub(super) fn new() -> Self {
        let role = Role {
            version: 0,
            held_by: None,
            in_use: None,
            has_left: false,
            was_left: false,
        };
        let rotation = Rotation {
            phase: Phase::Absent,
            is_first: false,
            arrivals: 0,
            reversions: 0,
            reverted: 0,
            row: None,
            wait: 0,
        };
        Self {
            rotations: [rotation; ROTATIONS],
            roles: [role; 2],
        }
    }

    /// Opens a rotation: `create` in `src/aws/ledger/opening.rs` and `hold` in `roles.rs`.
    /// Returns whether it is done.
    pub(super) fn open(&mut self, model: &LocksAndRoles, rotation: usize) -> bool {
        let is_locked = self.roles.iter().any(|role| role.held_by.is_some());
        if is_locked && model.has(Guard::RoleLock) {
            return false;
        }
        let (old, new) = roles_of(rotation);
        self.roles[old].put_to_use(By::From(rotation));
        self.roles[new].version += 1;
        for role in &mut self.roles {
            role.held_by = Some(rotation);
        }
        let others = self.rotations.iter();
        let is_first = others.clone().all(|other| other.phase == Phase::Absent);
        let wait = rerole_core::rotation::ARRIVALS_SHOWN_AFTER.as_secs();
        self.rotations[rotation] = Rotation {
            phase: Phase::Open,
            is_first,
            wait: u8::try_from(wait).expect("the wait is short"),
            ..self.rotations[rotation]
        };
        true
    }

    pub(super) fn put_to_use(&mut self, role: usize, by: By) {
        self.roles[role].put_to_use(by);
    }

    /// `Roles::note_departure`: a role that no rotation has named has no item.
    pub(super) fn note_departure(&mut self, role: usize) -> bool {
        let item = &mut self.roles[role];
        let is_named = item.version > 0;
        if is_named && !item.has_left {
            item.has_left = true;
            item.was_left = true;
            item.version += 1;
        }
        is_named
    }

    /// `Roles::free`. Returns whether it is done.
    pub(super) fn free(&mut self, model: &LocksAndRoles, (role, version): (usize, u8)) -> bool {
        let item = &mut self.roles[role];
        let is_same = item.version == version || !model.has(Guard::VersionInFreeing);
        if is_same {
            item.in_use = None;
            item.version += 1;
        }
        is_same
    }

    /// Plans the row of a rotation. Returns whether there was none.
    pub(super) fn plan(&mut self, rotation: usize, view: View) -> bool {
        let rotation = &mut self.rotations[rotation];
        let is_new = rotation.row.is_none();
        if is_new {
            rotation.row = Some(RowState {
                outcome: Outcome::Pending,
                settled: view,
            });
        }
        is_new
    }

    pub(super) fn settle(&mut self, rotation: usize, outcome: Outcome, settled: View) {
        self.rotations[rotation].row = Some(RowState { outcome, settled });
    }

    pub(super) fn is_pending(&self, rotation: usize) -> bool {
        let row = self.rotations[rotation].row;
        row.is_some_and(|row| row.outcome == Outcome::Pending)
    }

    /// `Reversions::record_arrival`. Returns whether the rotation is open.
    pub(super) fn record_arrival(&mut self, rotation: usize, view: View) -> bool {
        let is_open = self.rotations[rotation].phase == Phase::Open;
        if is_open && self.plan(rotation, view) {
            self.rotations[rotation].arrivals += 1;
        }
        is_open
    }

    /// `Reversions::count_arrival`. Returns whether the rotation is open.
    pub(super) fn count_arrival(&mut self, rotation: usize) -> bool {
        let is_open = self.rotations[rotation].phase == Phase::Open;
        self.rotations[rotation].arrivals += u8::from(is_open);
        is_open
    }

    /// `Reversions::record`.
    pub(super) fn record_reversion(&mut self, rotation: usize, view: View) {
        let item = &mut self.rotations[rotation];
        if item.reverted != view.version {
            item.reverted = view.version;
            item.reversions += 1;
            self.put_to_use(view.role, By::Association);
        }
    }

    /// Closes a rotation: `OwnedRotation::close`.
    pub(super) fn close(
        &mut self,
        model: &LocksAndRoles,
        (rotation, seen): (usize, Seen),
    ) -> Closed {
        let item = self.rotations[rotation];
        if item.arrivals != seen.arrivals || item.reversions != seen.reversions {
            return Closed::Refused;
        }
        let (old, new) = roles_of(rotation);
        let (Some(seen_old), Some(seen_new)) = (seen.old, seen.new) else {
            return Closed::Refused;
        };
        let is_same = self.roles[old].version == seen_old.version
            && self.roles[new].version == seen_new.version;
        if !is_same && model.has(Guard::VersionsInClose) {
            return Closed::RoleChanged;
        }
        let still_used = (item.reversions > 0).then_some(By::Still(rotation));
        let moved = item.row.is_some_and(|row| row.outcome == Outcome::Updated);
        let may_have_moved = moved
            || item
                .row
                .is_some_and(|row| row.outcome == Outcome::AlreadyCurrent);
        let still = model.uses.iter().find(|(by, _)| Some(*by) == still_used);
        let departure = Departure {
            drained_at: moved.then_some(at(0)),
            still_used: still.map(|(_, in_use)| in_use.clone()),
        };
        let is_unused = !may_have_moved && model.has(Guard::UnusedInClose);
        let unused_by = is_unused.then_some(model.key(rotation));
        let after_old = seen_old.record(model).closed_from(&departure);
        let after_new = seen_new.record(model).closed_onto(unused_by);
        self.roles[old] = self.roles[old].stored(model, &after_old);
        self.roles[new] = self.roles[new].stored(model, &after_new);
        self.rotations[rotation].phase = Phase::Closed;
        Closed::Done
    }

    /// Returns what it means that the association is on a role, and the rotation that decides it.
    pub(super) fn meaning(&self, model: &LocksAndRoles, seen: View) -> (Meaning, Option<usize>) {
        let mut history = RoleHistory::default();
        let mut rotations: Vec<usize> = (0..ROTATIONS).collect();
        rotations.sort_by_key(|rotation| self.rotations[*rotation].is_first);
        for index in rotations {
            let rotation = self.rotations[index];
            if rotation.phase == Phase::Absent {
                continue;
            }
            let row = rotation.row.map(|row| row.row(model, index));
            let (old, _) = roles_of(index);
            let step = RoleStep {
                side: if old == seen.role {
                    Side::From
                } else {
                    Side::Onto
                },
                rotation: &rotation.record(&model.templates[index]),
                row: row.as_ref(),
            };
            match history.step(step, &seen.association(model)) {
                Meaning::Undecided => {}
                meaning => return (meaning, Some(index)),
            }
        }
        (Meaning::Undecided, None)
    }

    pub(super) fn are_both_open(&self) -> bool {
        self.rotations
            .iter()
            .all(|rotation| rotation.phase == Phase::Open)
    }

    pub(super) fn all_closed(&self) -> bool {
        self.rotations
            .iter()
            .all(|rotation| rotation.phase == Phase::Closed)
    }

    pub(super) fn all_moved(&self) -> bool {
        let has_moved = |rotation: &Rotation| {
            rotation
                .row
                .is_some_and(|row| row.outcome == Outcome::Updated)
        };
        self.rotations.iter().all(has_moved)
    }

    pub(super) fn locks_are_of_open_rotations(&self) -> bool {
        let open = (0..ROTATIONS).find(|index| self.rotations[*index].phase == Phase::Open);
        self.roles.iter().all(|role| role.held_by == open)
    }

    pub(super) fn new_roles_are_in_use(&self) -> bool {
        (0..ROTATIONS).all(|index| {
            let rotation = self.rotations[index];
            let has_moved = rotation
                .row
                .is_some_and(|row| row.outcome == Outcome::Updated);
            let is_open = rotation.phase == Phase::Open;
            !is_open || !has_moved || self.roles[roles_of(index).1].in_use.is_some()
        })
    }

    pub(super) fn old_roles_are_in_use(&self) -> bool {
        (0..ROTATIONS).all(|index| {
            let is_open = self.rotations[index].phase == Phase::Open;
            !is_open || self.roles[roles_of(index).0].in_use.is_some()
        })
    }

    pub(super) fn is_in_use_by(&self, is_such: fn(By) -> bool) -> bool {
        self.roles
            .iter()
            .any(|role| role.in_use.is_some_and(is_such))
    }

    pub(super) fn has_forgotten_departure(&self) -> bool {
        self.roles
            .iter()
            .any(|role| role.was_left && !role.has_left)
    }
}
