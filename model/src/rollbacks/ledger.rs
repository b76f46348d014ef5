//! The ledger: the rotation with its rows, its rollback, the other rotation, and the roles.

use rerole_core::command::{RollbackPlan, RollbackStart};
use rerole_core::keys::RotationKey;
use rerole_core::rotation::{
    Open, QueueEntry, RolePair, RoleRecord, State, Status, Transition, Work, is_turn_of,
};

use crate::commands::Life;
use crate::rollbacks::{Guard, Rollbacks};

/// A rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Which {
    /// A→B.
    Rotation,
    /// Its rollback, B→A.
    Rollback,
    /// B→C.
    Rival,
}

/// A row of the rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Row {
    Pending,
    /// At this version.
    Updated(u8),
    /// It was not attempted, or another actor has decided over it.
    Other,
}

/// A row of the rollback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RollbackRow {
    Absent,
    /// The rotation has left the association at this version.
    Pending(u8),
    Settled,
}

/// What the model keeps of a role's item. Each write of it changes one of these.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Role {
    pub held_by: Option<Which>,
    pub waiting: Vec<Which>,
}

/// What the model keeps of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ledger {
    pub rotation: Life,
    pub rows: [Row; 2],
    pub rollback: Option<Life>,
    pub rollback_rows: [RollbackRow; 2],
    pub rival: Option<Life>,
    /// A, B and C.
    pub roles: [Role; 3],
}

pub(super) const PLANNING: Life = Life::Open(Open::Running(Work::Planning));
pub(super) const EXECUTING: Life = Life::Open(Open::Running(Work::Executing));
const QUEUED: Life = Life::Open(Open::Queued);

impl Which {
    pub(super) fn key(self) -> RotationKey {
        let text = match self {
            Self::Rotation => "r-1",
            Self::Rollback => "rollback/r-1",
            Self::Rival => "r-2",
        };
        text.parse().expect("a key")
    }

    /// The numbers of its old and its new role.
    fn roles(self) -> [usize; 2] {
        match self {
            Self::Rotation => [0, 1],
            Self::Rollback => [1, 0],
            Self::Rival => [1, 2],
        }
    }
}

impl Ledger {
    /// The plan of the rotation is complete.
    pub(super) fn new() -> Self {
        let held = Role {
            held_by: Some(Which::Rotation),
            waiting: Vec::new(),
        };
        let free = Role {
            held_by: None,
            waiting: Vec::new(),
        };
        Self {
            rotation: EXECUTING,
            rows: [Row::Pending; 2],
            rollback: None,
            rollback_rows: [RollbackRow::Absent; 2],
            rival: None,
            roles: [held.clone(), held, free],
        }
    }

    fn life(&self, which: Which) -> Option<Life> {
        match which {
            Which::Rotation => Some(self.rotation),
            Which::Rollback => self.rollback,
            Which::Rival => self.rival,
        }
    }

    fn set_life(&mut self, which: Which, life: Life) {
        match which {
            Which::Rotation => self.rotation = life,
            Which::Rollback => self.rollback = Some(life),
            Which::Rival => self.rival = Some(life),
        }
    }

    /// The items of the roles of a rotation, for the decisions of the core.
    pub(super) fn pair(&self, which: Which) -> RolePair {
        let [old, new] = which.roles().map(|role| {
            let role = &self.roles[role];
            RoleRecord {
                held_by: role.held_by.map(Which::key),
                waiting: role.waiting.iter().map(|one| one.key()).collect(),
                ..RoleRecord::default()
            }
        });
        RolePair { old, new }
    }

    pub(super) fn has_same_roles(&self, seen: &Self, which: Which) -> bool {
        let mut roles = which.roles().into_iter();
        roles.all(|role| self.roles[role] == seen.roles[role])
    }

    /// Returns whether it is the turn of a rotation.
    pub(super) fn is_turn_of(&self, model: &Rollbacks, which: Which) -> bool {
        let is_queued = self.life(which) == Some(QUEUED);
        // Without this guard, a rollback takes the roles over before the rotation is closed.
        let is_early = which == Which::Rollback
            && !model.has(Guard::FinalRows)
            && self.roles[0].held_by == Some(Which::Rotation);
        let RolePair { old, new } = self.pair(which);
        let [old_queue, new_queue] = which.roles().map(|role| self.queue(role));
        let roles = [(&old, old_queue.as_slice()), (&new, new_queue.as_slice())];
        is_queued && (is_early || is_turn_of(&which.key(), roles))
    }

    fn queue(&self, role: usize) -> Vec<QueueEntry> {
        let entry = |which: &Which| {
            Some(QueueEntry {
                key: which.key(),
                status: self.life(*which)?.state().status(),
            })
        };
        self.roles[role].waiting.iter().filter_map(entry).collect()
    }

    /// A rotation starts, and holds its roles.
    pub(super) fn start(&mut self, which: Which) {
        self.set_life(which, PLANNING);
        for role in which.roles() {
            let role = &mut self.roles[role];
            role.held_by = Some(which);
            role.waiting.retain(|waiting| *waiting != which);
        }
    }

    /// The other rotation waits behind those that wait already.
    pub(super) fn queue_rival(&mut self) {
        self.set_life(Which::Rival, QUEUED);
        for role in Which::Rival.roles() {
            self.roles[role].waiting.push(Which::Rival);
        }
    }

    /// What the command `Rollback` writes about the rotation.
    pub(super) fn cancel(&mut self, plan: &RollbackPlan) {
        if let Transition::To(open) = plan.of_rotation {
            self.rotation = Life::Open(open);
        }
    }

    /// What the command `Rollback` writes about the rollback.
    pub(super) fn begin(&mut self, model: &Rollbacks, start: RollbackStart) {
        self.rollback_rows = [RollbackRow::Absent; 2];
        match start {
            RollbackStart::At(_) => self.start(Which::Rollback),
            RollbackStart::Queued => {
                self.set_life(Which::Rollback, QUEUED);
                for role in Which::Rollback.roles() {
                    let waiting = &mut self.roles[role].waiting;
                    let at = if model.has(Guard::FirstInQueues) {
                        0
                    } else {
                        waiting.len()
                    };
                    waiting.insert(at, Which::Rollback);
                }
            }
        }
    }

    /// The plan of the rollback: `plan_rollback`.
    pub(super) fn plan_rollback(&mut self) {
        self.rollback_rows = self.rows.map(|row| match row {
            Row::Updated(version) => RollbackRow::Pending(version),
            Row::Pending | Row::Other => RollbackRow::Absent,
        });
        self.set_life(Which::Rollback, EXECUTING);
    }

    /// A rotation closes, and releases its roles.
    pub(super) fn close(&mut self, which: Which, status: Status) {
        self.set_life(which, Life::Finished(status));
        for role in which.roles() {
            let held_by = &mut self.roles[role].held_by;
            if *held_by == Some(which) {
                *held_by = None;
            }
        }
    }

    pub(super) fn rotation_state(&self) -> State {
        self.rotation.state()
    }

    /// How many rotations a slice may work on.
    pub(super) fn working(&self) -> usize {
        let all = [Which::Rotation, Which::Rollback, Which::Rival].into_iter();
        all.filter(|which| self.life(*which).is_some_and(|life| life.work().is_some()))
            .count()
    }

    pub(super) fn is_rolled_back(&self) -> bool {
        self.rollback == Some(Life::Finished(Status::RolledBack))
    }

    pub(super) fn waits_for_rival(&self) -> bool {
        self.rollback == Some(QUEUED) && self.roles[1].held_by == Some(Which::Rival)
    }

    pub(super) fn is_everything_finished(&self) -> bool {
        let all = [Which::Rotation, Which::Rollback, Which::Rival].into_iter();
        let mut lives = all.filter_map(|which| self.life(which));
        lives.all(Life::is_finished)
    }
}
