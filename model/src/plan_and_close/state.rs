//! The state of the model, and what can happen in it.

use rerole_core::rotation::ARRIVALS_SHOWN_AFTER;

use crate::plan_and_close::index::{Index, Role};
use crate::plan_and_close::indexer::{Indexer, Task as IndexerTask};
use crate::plan_and_close::ledger::Ledger;
use crate::plan_and_close::slice::{Progress, Slice, Task};
use crate::plan_and_close::{ASSOCIATIONS, PlanAndClose};

/// A state of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an ending that a history has had"
)]
pub struct State {
    now: u8,
    pub index: Index,
    pub ledger: Ledger,
    slice: Option<Slice>,
    indexers: [Option<Indexer>; ASSOCIATIONS],
    /// The associations whose changes the indexer has not followed yet.
    messages: [bool; ASSOCIATIONS],
    deaths: u8,
    changes: u8,
    pub has_refused_close: bool,
    pub has_late_arrival: bool,
    pub has_swept_new_row: bool,
    pub has_repaired_lag: bool,
}

/// What can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Tick,
    Open,
    /// A slice resumes the rotation.
    Resume,
    /// The slice makes its next step, or moves an association.
    Slice,
    Move(usize),
    EndSlice,
    /// The indexer describes an association, and then makes its next step.
    Describe(usize),
    Indexer(usize),
    KillIndexer(usize),
    /// A secondary index shows the last change of an association.
    Show(usize),
    /// Another actor puts an association on a role.
    Change(usize, Role),
}

impl State {
    pub(super) fn new(model: &PlanAndClose) -> Self {
        Self {
            now: 0,
            index: Index::new(),
            ledger: Ledger::new(),
            slice: None,
            indexers: [None; ASSOCIATIONS],
            messages: [false; ASSOCIATIONS],
            deaths: model.deaths,
            changes: model.changes,
            has_refused_close: false,
            has_late_arrival: false,
            has_swept_new_row: false,
            has_repaired_lag: false,
        }
    }

    pub(super) fn is_terminal(&self, model: &PlanAndClose) -> bool {
        let mut actions = Vec::new();
        self.actions(model, &mut actions);
        actions.is_empty()
    }

    pub(super) fn actions(&self, model: &PlanAndClose, actions: &mut Vec<Action>) {
        if self.may_tick(model) {
            actions.push(Action::Tick);
        }
        self.slice_actions(model, actions);
        for index in 0..ASSOCIATIONS {
            match self.indexers[index] {
                Some(_) => {
                    actions.push(Action::Indexer(index));
                    if self.deaths > 0 {
                        actions.push(Action::KillIndexer(index));
                    }
                }
                None if self.messages[index] => actions.push(Action::Describe(index)),
                None => {}
            }
            if self.index.lags(index) {
                actions.push(Action::Show(index));
            }
            if self.changes > 0 {
                let current = self.index.eks[index].role;
                let roles = [Role::Old, Role::New, Role::Third].into_iter();
                let others = roles.filter(|role| *role != current);
                actions.extend(others.map(|role| Action::Change(index, role)));
            }
        }
    }

    /// Once the sweep may start, nothing depends on the time.
    fn may_tick(&self, model: &PlanAndClose) -> bool {
        let mut indexers = self.indexers.iter().flatten();
        self.ledger.is_open
            && u64::from(self.now) < ARRIVALS_SHOWN_AFTER.as_secs()
            && self.index.may_tick(self.now)
            && indexers.all(|indexer| indexer.may_tick(model, self.now))
    }

    fn slice_actions(&self, model: &PlanAndClose, actions: &mut Vec<Action>) {
        if !self.ledger.is_open {
            actions.push(Action::Open);
            return;
        }
        let Some(slice) = self.slice else {
            if !self.ledger.is_closed() {
                actions.push(Action::Resume);
            }
            return;
        };
        let before = actions.len();
        actions.extend(slice.next_moves(&self.ledger).map(Action::Move));
        if actions.len() == before && slice.may_step(model, self.now) {
            actions.push(Action::Slice);
        }
        if self.deaths > 0 {
            actions.push(Action::EndSlice);
        }
    }

    /// Returns the state after an action.
    pub(super) fn after(&self, model: &PlanAndClose, action: Action) -> Self {
        let mut state = *self;
        match action {
            Action::Tick => state.now += 1,
            Action::Open => {
                state.ledger.open();
                state.slice = Some(Slice::new(&state.ledger));
            }
            Action::Resume => state.slice = Some(Slice::new(&state.ledger)),
            Action::Slice => state.step_slice(model),
            Action::Move(index) => {
                if let Some(slice) = &mut state.slice {
                    slice.execute(index, (&mut state.ledger, &mut state.index));
                    state.messages[index] = true;
                }
            }
            Action::EndSlice => {
                state.deaths -= 1;
                state.slice = None;
            }
            Action::Describe(index) => {
                state.messages[index] = false;
                state.indexers[index] = Some(Indexer::new(state.index.eks[index]));
            }
            Action::Indexer(index) => state.step_indexer(model, index),
            Action::KillIndexer(index) => {
                state.deaths -= 1;
                state.indexers[index] = None;
                state.messages[index] = true;
            }
            Action::Show(index) => state.index.propagate(index),
            Action::Change(index, role) => {
                state.changes -= 1;
                state.index.change(index, role);
                state.messages[index] = true;
            }
        }
        state
    }

    fn step_slice(&mut self, model: &PlanAndClose) {
        let Some(mut slice) = self.slice else {
            return;
        };
        match slice.step(model, (&mut self.ledger, &mut self.index), self.now) {
            Progress::Nothing => {}
            Progress::RefusedClose => self.has_refused_close = true,
            Progress::RepairedLag => self.has_repaired_lag = true,
            Progress::NewRow => self.has_swept_new_row = true,
        }
        self.slice = (slice.task != Task::Over).then_some(slice);
    }

    fn step_indexer(&mut self, model: &PlanAndClose, index: usize) {
        let Some(mut indexer) = self.indexers[index] else {
            return;
        };
        let stores = (&mut self.ledger, &mut self.index);
        indexer.step(model, stores, (index, self.now));
        self.has_late_arrival |= indexer.is_late;
        self.indexers[index] = (indexer.task != IndexerTask::Done).then_some(indexer);
    }
}
