//! The invocations of a state, and what can happen next. What each invocation does next is in
//! `tasks.rs`, and what its steps do is in `steps.rs`.

mod steps;
mod tasks;

use crate::commands::Order;
use crate::queues::{Disturbance, Ledger, Queues, ROTATIONS};
pub use tasks::{Next, Slot, Task};

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Steering {
    pub order: Order,
    pub rotation: usize,
    /// The ledger has its verdict.
    pub is_recorded: bool,
}

/// A step of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Request(usize),
    Command(Order, usize),
    Check,
    Step(Slot),
    /// The invocation dies and is repeated.
    Die(Slot),
    /// The invocation dies, and its retries are used up.
    Vanish(Slot),
}

/// A state of the model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub ledger: Ledger,
    deliveries: [Task; ROTATIONS],
    executions: [Task; ROTATIONS],
    command: Task,
    steering: Option<Steering>,
    check: Task,
    deaths: u8,
    commands: u8,
    checks: u8,
    /// A rotation started although a command had paused or ended it.
    pub is_command_undone: bool,
    /// A turn was refused, because something had changed since it was decided.
    pub was_refused: bool,
}

impl State {
    /// The first rotation works, and the others are requested at any time. They are alike, so any
    /// of them may be the first one.
    pub(super) fn new(model: &Queues) -> Self {
        let mut ledger = Ledger::new();
        ledger.start(0);
        let mut deliveries = [Task::None; ROTATIONS];
        deliveries[0] = Task::Work;
        Self {
            ledger,
            deliveries,
            executions: [Task::None; ROTATIONS],
            command: Task::None,
            steering: None,
            check: Task::None,
            deaths: u8::from(model.disturbance == Disturbance::Death),
            commands: match model.disturbance {
                Disturbance::Commands(commands) => commands,
                Disturbance::Death | Disturbance::Check => 0,
            },
            checks: u8::from(model.disturbance == Disturbance::Check),
            is_command_undone: false,
            was_refused: false,
        }
    }

    pub(super) fn actions(&self, model: &Queues, actions: &mut Vec<Action>) {
        for rotation in 0..ROTATIONS {
            if !self.was_requested(rotation) {
                actions.push(Action::Request(rotation));
            }
            let found = self.ledger.rotations[rotation];
            let waits = found.is_queued() || found.is_paused();
            if waits && self.commands > 0 && self.command == Task::None {
                for order in [Order::Pause, Order::Resume, Order::Cancel] {
                    actions.push(Action::Command(order, rotation));
                }
            }
        }
        let can_check = self.checks > 0 || (self.is_at_rest() && self.can_start(model));
        if can_check && self.check == Task::None {
            actions.push(Action::Check);
        }
        for slot in slots() {
            if self.task(slot) == Task::None || self.waits_for_lease(slot) {
                continue;
            }
            actions.push(Action::Step(slot));
            if self.deaths > 0 {
                actions.push(Action::Die(slot));
                actions.push(Action::Vanish(slot));
            }
        }
    }

    pub(super) fn after(&self, model: &Queues, action: Action) -> Self {
        let mut next = self.clone();
        match action {
            Action::Request(rotation) => next.deliveries[rotation] = Task::Open,
            Action::Command(order, rotation) => {
                next.commands -= 1;
                next.command = Task::Decide;
                next.steering = Some(Steering {
                    order,
                    rotation,
                    is_recorded: false,
                });
            }
            Action::Check => {
                next.checks = next.checks.saturating_sub(1);
                next.check = Task::Look(0);
            }
            Action::Step(slot) => {
                let task = next.step(model, slot);
                next.outdate(&self.ledger);
                next.set_task(slot, task);
            }
            Action::Die(slot) => {
                next.deaths -= 1;
                next.set_task(slot, next.first_task(slot));
            }
            Action::Vanish(slot) => {
                next.deaths -= 1;
                next.set_task(slot, Task::None);
            }
        }
        next
    }

    pub(super) fn has_died(&self, model: &Queues) -> bool {
        model.disturbance == Disturbance::Death && self.deaths == 0
    }

    pub(super) fn is_at_rest(&self) -> bool {
        slots().all(|slot| self.task(slot) == Task::None)
    }

    pub(super) fn has_next_action(&self, model: &Queues) -> bool {
        let mut actions = Vec::new();
        self.actions(model, &mut actions);
        !actions.is_empty()
    }

    /// Returns whether the check would start something.
    pub(super) fn can_start(&self, model: &Queues) -> bool {
        (0..ROTATIONS)
            .any(|rotation| self.ledger.is_turn_of(model, rotation) || self.is_idle(rotation))
    }

    /// Returns whether a rotation works, but no slice works on it or is about to.
    fn is_idle(&self, rotation: usize) -> bool {
        self.ledger.rotations[rotation].is_working()
            && self.deliveries[rotation] == Task::None
            && self.executions[rotation] == Task::None
    }

    fn was_requested(&self, rotation: usize) -> bool {
        self.ledger.rotations[rotation].life.is_some() || self.deliveries[rotation] != Task::None
    }

    fn is_leased(&self, rotation: usize) -> bool {
        let tasks = [self.deliveries[rotation], self.executions[rotation]];
        let mut tasks = tasks.into_iter();
        tasks.any(|task| matches!(task, Task::Work | Task::Close { .. }))
    }

    /// An execution waits while another slice has the lease.
    fn waits_for_lease(&self, slot: Slot) -> bool {
        match slot {
            Slot::Execution(rotation) => self.task(slot) == Task::Open && self.is_leased(rotation),
            _ => false,
        }
    }

    fn task(&self, slot: Slot) -> Task {
        match slot {
            Slot::Delivery(rotation) => self.deliveries[rotation],
            Slot::Execution(rotation) => self.executions[rotation],
            Slot::Command => self.command,
            Slot::Check => self.check,
        }
    }

    fn set_task(&mut self, slot: Slot, task: Task) {
        match slot {
            Slot::Delivery(rotation) => self.deliveries[rotation] = task,
            Slot::Execution(rotation) => self.executions[rotation] = task,
            Slot::Command => self.command = task,
            Slot::Check => self.check = task,
        }
    }

    /// What an invocation does when it is repeated. A command whose verdict is recorded only starts
    /// what may be next.
    fn first_task(&self, slot: Slot) -> Task {
        match slot {
            Slot::Delivery(_) | Slot::Execution(_) => Task::Open,
            Slot::Command => match self.steering {
                Some(Steering {
                    is_recorded: true,
                    rotation,
                    ..
                }) => Task::Next(rotation, Next::Read(0)),
                _ => Task::Decide,
            },
            Slot::Check => Task::Look(0),
        }
    }

    /// Notes in all invocations what no longer is as they have read it.
    fn outdate(&mut self, before: &Ledger) {
        for slot in slots() {
            let rotation = match slot {
                Slot::Delivery(rotation) | Slot::Execution(rotation) => Some(rotation),
                Slot::Command => self.steering.map(|steering| steering.rotation),
                Slot::Check => None,
            };
            let task = self.task(slot).outdated(rotation, [before, &self.ledger]);
            self.set_task(slot, task);
        }
    }
}

fn slots() -> impl Iterator<Item = Slot> {
    let of_rotations =
        (0..ROTATIONS).flat_map(|rotation| [Slot::Delivery(rotation), Slot::Execution(rotation)]);
    of_rotations.chain([Slot::Command, Slot::Check])
}
