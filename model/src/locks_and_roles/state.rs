//! The state of the model, and what can happen in it.

use crate::locks_and_roles::freeing::{Freeing, Task as FreeingTask};
use crate::locks_and_roles::indexer::{Indexer, Task as IndexerTask};
use crate::locks_and_roles::ledger::{By, Phase};
use crate::locks_and_roles::worker::{Task, Worker};
use crate::locks_and_roles::world::World;
use crate::locks_and_roles::{LocksAndRoles, NAMES, ROTATIONS};

/// A state of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    pub world: World,
    workers: [Option<Worker>; ROTATIONS],
    indexer: Option<Indexer>,
    freeing: Option<Freeing>,
    late: Option<Late>,
    deaths: u8,
    changes: u8,
    full_runs: u8,
    pub was_locked: bool,
}

/// A write that is still on its way when the invocation that sent it is dead: its next step. What a
/// late write of a slice can do is in `lease_and_fence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Late {
    Index(Indexer),
    Free(Freeing),
}

/// What can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Tick,
    Open(usize),
    Resume(usize),
    /// A slice makes its next step.
    Work(usize),
    KillWorker(usize),
    /// The indexer describes the association, and then makes its next step.
    Describe,
    Index,
    KillIndexer,
    /// It dies, and its last write arrives later.
    AbandonIndexer,
    /// A full run begins to end the use of a role.
    FullRun(usize),
    Free,
    KillFreeing,
    AbandonFreeing,
    /// The late write arrives.
    Arrive,
    /// The secondary index shows the last change.
    Show,
    /// Another actor puts the association on a role.
    Change(usize),
}

impl State {
    pub(super) fn new(model: &LocksAndRoles) -> Self {
        Self {
            world: World::new(),
            workers: [None; ROTATIONS],
            indexer: None,
            freeing: None,
            late: None,
            deaths: model.deaths,
            changes: model.changes,
            full_runs: model.full_runs,
            was_locked: false,
        }
    }

    pub(super) fn is_terminal(&self) -> bool {
        let mut actions = Vec::new();
        self.actions(&mut actions);
        actions.is_empty()
    }

    /// Returns whether the index has the association on a role that is free.
    pub(super) fn is_used_role_free(&self) -> bool {
        let role = self.world.ledger.roles.get(self.world.item.role);
        role.is_some_and(|role| role.version > 0 && role.in_use.is_none())
    }

    /// Returns whether a role is in use because of a finished rotation that moved nothing to it.
    pub(super) fn is_unused_role_held_in_use(&self) -> bool {
        (0..ROTATIONS).any(|index| {
            let row = self.world.ledger.rotations[index].row;
            let is_unused =
                row.is_some_and(|row| row.outcome == rerole_core::rotation::Outcome::Drifted);
            is_unused
                && self.world.ledger.is_in_use_by(match index {
                    0 => |by| by == By::Onto(0),
                    _ => |by| by == By::Onto(1),
                })
        })
    }

    pub(super) fn actions(&self, actions: &mut Vec<Action>) {
        for index in 0..ROTATIONS {
            self.rotation_actions(index, actions);
        }
        let may_die = self.deaths > 0;
        if let Some(indexer) = self.indexer {
            actions.push(Action::Index);
            actions.extend(may_die.then_some(Action::KillIndexer));
            let is_late = may_die && indexer.is_recording();
            actions.extend(is_late.then_some(Action::AbandonIndexer));
        } else if self.world.has_message {
            actions.push(Action::Describe);
        }
        match self.freeing {
            Some(freeing) => {
                actions.extend((freeing.wait == 0).then_some(Action::Free));
                actions.extend(may_die.then_some(Action::KillFreeing));
                let is_late = may_die && freeing.wait == 0 && freeing.is_recording();
                actions.extend(is_late.then_some(Action::AbandonFreeing));
            }
            None if self.full_runs > 0 => {
                actions.extend((0..self.world.ledger.roles.len()).map(Action::FullRun));
            }
            None => {}
        }
        actions.extend(self.late.map(|_| Action::Arrive));
        if self.world.shown != self.world.item {
            actions.push(Action::Show);
        }
        if self.changes > 0 {
            let others = (0..NAMES.len()).filter(|role| *role != self.world.eks.role);
            actions.extend(others.map(Action::Change));
        }
        if self.may_tick() {
            actions.push(Action::Tick);
        }
    }

    fn rotation_actions(&self, index: usize, actions: &mut Vec<Action>) {
        let rotation = self.world.ledger.rotations[index];
        match (rotation.phase, self.workers[index]) {
            // An attempt that finds a role locked again changes nothing.
            (Phase::Absent, _) => {
                let is_locked = self.world.ledger.roles[0].held_by.is_some();
                actions.extend((!is_locked || !self.was_locked).then_some(Action::Open(index)));
            }
            (Phase::Open, None) => actions.push(Action::Resume(index)),
            (Phase::Open, Some(worker)) => {
                let waits = worker.task == Task::Read && rotation.wait > 0;
                actions.extend((!waits).then_some(Action::Work(index)));
                actions.extend((self.deaths > 0).then_some(Action::KillWorker(index)));
            }
            (Phase::Closed, _) => {}
        }
    }

    /// Time passes while something waits, and if nothing takes longer than it is assumed to.
    fn may_tick(&self) -> bool {
        let waits = self
            .world
            .ledger
            .rotations
            .iter()
            .any(|rotation| rotation.wait > 0)
            || self.freeing.is_some_and(|freeing| freeing.wait > 0);
        let lags_too_long = self.world.shown != self.world.item && self.world.lag_left == 0;
        let knows_too_long = self
            .indexer
            .is_some_and(|one| one.is_bound() && one.known_for == 0);
        waits && !lags_too_long && !knows_too_long
    }

    /// Returns the state after an action.
    pub(super) fn after(&self, model: &LocksAndRoles, action: Action) -> Self {
        let mut state = *self;
        state.world.last = None;
        match action {
            Action::Tick => state.tick(),
            Action::Open(index) => {
                if state.world.ledger.open(model, index) {
                    state.workers[index] = Some(Worker::new(0));
                } else {
                    state.was_locked = true;
                }
            }
            Action::Resume(index) => {
                let arrivals = state.world.ledger.rotations[index].arrivals;
                state.workers[index] = Some(Worker::new(arrivals));
            }
            Action::Work(index) => {
                if let Some(mut worker) = state.workers[index] {
                    worker.step(model, &mut state.world, index);
                    state.workers[index] = (worker.task != Task::Over).then_some(worker);
                }
            }
            Action::KillWorker(index) => {
                state.deaths -= 1;
                state.workers[index] = None;
            }
            Action::Describe => {
                state.world.has_message = false;
                state.indexer = Some(Indexer::new(state.world.eks));
            }
            Action::Index => state.step_indexer(model),
            Action::KillIndexer => {
                state.deaths -= 1;
                state.indexer = None;
                state.world.has_message = true;
            }
            Action::AbandonIndexer => {
                state.deaths -= 1;
                state.late = state.indexer.take().map(Late::Index);
                state.world.has_message = true;
            }
            Action::FullRun(role) => {
                state.full_runs -= 1;
                state.freeing = Some(Freeing::new(role));
            }
            Action::Free => {
                if let Some(mut freeing) = state.freeing {
                    freeing.step(model, &mut state.world);
                    let is_done = freeing.task == FreeingTask::Done;
                    state.freeing = (!is_done).then_some(freeing);
                }
            }
            // The next full run repeats it.
            Action::KillFreeing => {
                state.deaths -= 1;
                state.full_runs += 1;
                state.freeing = None;
            }
            Action::AbandonFreeing => {
                state.deaths -= 1;
                state.late = state.freeing.take().map(Late::Free);
            }
            Action::Arrive => state.arrive(model),
            Action::Show => state.world.shown = state.world.item,
            Action::Change(role) => {
                state.changes -= 1;
                state.world.change(role);
            }
        }
        state
    }

    fn arrive(&mut self, model: &LocksAndRoles) {
        match self.late.take() {
            Some(Late::Index(mut indexer)) => indexer.step(model, &mut self.world),
            Some(Late::Free(mut freeing)) => {
                freeing.step(model, &mut self.world);
                // The next full run describes the association again, and ends uses again.
                self.world.has_message = true;
                self.full_runs += 1;
            }
            None => {}
        }
    }

    fn tick(&mut self) {
        self.world.lag_left = self.world.lag_left.saturating_sub(1);
        for rotation in &mut self.world.ledger.rotations {
            rotation.wait = rotation.wait.saturating_sub(1);
        }
        if let Some(freeing) = &mut self.freeing {
            freeing.wait = freeing.wait.saturating_sub(1);
        }
        if let Some(indexer) = self.indexer.as_mut().filter(|one| one.is_bound()) {
            indexer.known_for = indexer.known_for.saturating_sub(1);
        }
    }

    fn step_indexer(&mut self, model: &LocksAndRoles) {
        let Some(mut indexer) = self.indexer else {
            return;
        };
        indexer.step(model, &mut self.world);
        let is_done = indexer.task == IndexerTask::Done;
        self.indexer = (!is_done).then_some(indexer);
        if let Some(role) = indexer
            .departed
            .filter(|_| is_done && self.freeing.is_none())
        {
            self.freeing = Some(Freeing::new(role));
        }
    }
}
