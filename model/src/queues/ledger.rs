//! The ledger: the rotations, the roles and their queues.

use rerole_core::rotation::{
    Open, QueueEntry, RolePair, RoleRecord, Status, Work, first_in, is_turn_of,
};

use crate::commands::Life;
use crate::queues::{Guard, Queues, ROTATIONS, roles_of};

/// What the model keeps of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rotation {
    /// `None` before it is requested.
    pub life: Option<Life>,
}

/// What the model keeps of a role's item. Each write of it changes one of these.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Role {
    pub held_by: Option<usize>,
    pub waiting: Vec<usize>,
}

/// What the model keeps of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ledger {
    pub rotations: [Rotation; ROTATIONS],
    pub roles: [Role; ROTATIONS],
}

const QUEUED: Life = Life::Open(Open::Queued);
const WORKING: Life = Life::Open(Open::Running(Work::Planning));

impl Rotation {
    pub fn is_queued(self) -> bool {
        self.life == Some(QUEUED)
    }

    pub fn is_paused(self) -> bool {
        self.life.is_some_and(Life::is_paused)
    }

    pub fn is_working(self) -> bool {
        self.life == Some(WORKING)
    }

    pub fn is_finished(self) -> bool {
        self.life.is_some_and(Life::is_finished)
    }
}

impl Role {
    fn record(&self, model: &Queues) -> RoleRecord {
        let waiting = self.waiting.iter();
        RoleRecord {
            held_by: self.held_by.map(|holder| model.key(holder).clone()),
            waiting: waiting.map(|one| model.key(*one).clone()).collect(),
            ..RoleRecord::default()
        }
    }
}

impl Ledger {
    pub(super) fn new() -> Self {
        let role = Role {
            held_by: None,
            waiting: Vec::new(),
        };
        Self {
            rotations: [Rotation { life: None }; ROTATIONS],
            roles: std::array::from_fn(|_| role.clone()),
        }
    }

    /// Returns whether the items of the roles of a rotation are as they were in `before`.
    pub(super) fn has_same_roles(&self, before: &Self, rotation: usize) -> bool {
        let mut roles = roles_of(rotation).into_iter();
        roles.all(|role| self.roles[role] == before.roles[role])
    }

    /// `RolePair::are_free`, by which `admit` decides.
    pub(super) fn are_free(&self, model: &Queues, rotation: usize) -> bool {
        let [old, new] = roles_of(rotation).map(|role| self.roles[role].record(model));
        RolePair { old, new }.are_free()
    }

    /// Returns the rotation that is first in the queue of a role.
    pub(super) fn first_of(&self, model: &Queues, role: usize) -> Option<usize> {
        let queue = self.queue(model, role);
        let first = first_in(&queue)?;
        (0..ROTATIONS).find(|rotation| model.key(*rotation) == first)
    }

    /// Returns whether it is the turn of a rotation.
    pub(super) fn is_turn_of(&self, model: &Queues, rotation: usize) -> bool {
        let [old, new] = roles_of(rotation);
        let (old_queue, new_queue) = (self.queue(model, old), self.queue(model, new));
        let (old, new) = (self.roles[old].record(model), self.roles[new].record(model));
        let roles = [(&old, old_queue.as_slice()), (&new, new_queue.as_slice())];
        self.rotations[rotation].is_queued() && is_turn_of(model.key(rotation), roles)
    }

    fn queue(&self, model: &Queues, role: usize) -> Vec<QueueEntry> {
        let entry = |rotation: &usize| {
            let life = self.rotations[*rotation].life?;
            let status = life.state().status();
            let is_seen_as_queued = status == Status::Paused && !model.has(Guard::PausedIsPassed);
            Some(QueueEntry {
                key: model.key(*rotation).clone(),
                status: if is_seen_as_queued {
                    Status::Queued
                } else {
                    status
                },
            })
        };
        self.roles[role].waiting.iter().filter_map(entry).collect()
    }

    /// Starts a new rotation: `create` and `hold`.
    pub(super) fn start(&mut self, rotation: usize) {
        self.rotations[rotation].life = Some(WORKING);
        for role in roles_of(rotation) {
            let role = &mut self.roles[role];
            role.held_by = Some(rotation);
            role.waiting.retain(|waiting| *waiting != rotation);
        }
    }

    /// Queues a new rotation: `create` and `queue`.
    pub(super) fn queue_new(&mut self, model: &Queues, rotation: usize) {
        self.rotations[rotation].life = Some(QUEUED);
        let [old, new] = roles_of(rotation);
        self.join(rotation, old);
        if model.has(Guard::BothQueuesAtOnce) {
            self.join(rotation, new);
        }
    }

    /// Adds a rotation to the queue of a role.
    pub(super) fn join(&mut self, rotation: usize, role: usize) {
        self.roles[role].waiting.push(rotation);
    }

    /// `OwnedRotation::close`.
    pub(super) fn close(&mut self, rotation: usize) {
        self.rotations[rotation].life = Some(Life::Finished(Status::Succeeded));
        for role in roles_of(rotation) {
            self.roles[role].held_by = None;
        }
    }

    /// What a command writes about a rotation that waits. One that ends leaves its queues.
    pub(super) fn command(&mut self, rotation: usize, to: Life) {
        self.rotations[rotation].life = Some(to);
        if to.is_finished() {
            for role in roles_of(rotation) {
                let waiting = &mut self.roles[role].waiting;
                waiting.retain(|waiting| *waiting != rotation);
            }
        }
    }

    pub(super) fn working(&self) -> impl Iterator<Item = usize> {
        (0..ROTATIONS).filter(|rotation| self.rotations[*rotation].is_working())
    }

    pub(super) fn is_held_by_what_works(&self) -> bool {
        (0..ROTATIONS).all(|role| {
            let holder = self
                .working()
                .find(|rotation| roles_of(*rotation).contains(&role));
            self.roles[role].held_by == holder
        })
    }

    pub(super) fn is_in_queues_of_its_roles(&self) -> bool {
        (0..ROTATIONS).all(|rotation| {
            let found = self.rotations[rotation];
            let waits = found.is_queued() || found.is_paused();
            (0..ROTATIONS).all(|role| {
                let is_its_role = roles_of(rotation).contains(&role);
                self.roles[role].waiting.contains(&rotation) == (waits && is_its_role)
            })
        })
    }

    pub(super) fn is_finished_or_paused(&self) -> bool {
        let is_over = |found: &Rotation| found.is_finished() || found.is_paused();
        self.rotations.iter().all(is_over)
    }

    pub(super) fn are_all_finished(&self) -> bool {
        self.rotations.iter().all(|found| found.is_finished())
    }

    /// A rotation works, and a paused one was before it in a queue: it still waits for the same
    /// role.
    pub(super) fn is_paused_one_passed_over(&self) -> bool {
        let is_paused = |waiting: &usize| self.rotations[*waiting].is_paused();
        let mut roles = self.roles.iter();
        roles.any(|role| role.held_by.is_some() && role.waiting.first().is_some_and(is_paused))
    }
}
