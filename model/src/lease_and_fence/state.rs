//! The state of the model, and what can happen in it.

use crate::lease_and_fence::LeaseAndFence;
use crate::lease_and_fence::invocation::{End, Invocation, Line, Task, Trigger};
use crate::lease_and_fence::item::{Item, Write, Wrong};
use crate::wire::{Call, Event};

/// Lambda's first repetition of a failed event, and the state machine's of a busy task, in ticks.
const REPEAT_AFTER: u8 = 4;

/// A delivery that is due at a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Delivery {
    pub due: u8,
    pub trigger: Trigger,
}

/// A state of the model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    now: u8,
    item: Option<Item>,
    invocations: [Option<Invocation>; 2],
    /// Those to come, the first one first. EventBridge delivers an event at least once: here twice.
    deliveries: Vec<Delivery>,
    /// A request on which its caller has given up, and which is still on its way.
    late: Option<Write>,
    faults: u8,
    hand_overs: u8,
    ticks: u8,
    pub took_over: bool,
    pub wrong: Option<Wrong>,
}

/// What can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Tick,
    /// A delivery starts an invocation.
    Deliver(Trigger, usize),
    /// A call of an invocation makes a step.
    Call(usize, Line, Event),
    /// An invocation starts a write.
    Write(usize, Write),
    Renew(usize, Write),
    /// The process of an invocation dies.
    Die(usize),
    /// The late request arrives.
    Arrive,
}

impl State {
    pub(super) fn new(model: &LeaseAndFence) -> Self {
        let event = Delivery {
            due: 0,
            trigger: Trigger::Event,
        };
        Self {
            now: 0,
            item: None,
            invocations: [None; 2],
            deliveries: vec![event; 2],
            late: None,
            faults: model.faults,
            hand_overs: model.hand_overs,
            ticks: model.ticks,
            took_over: false,
            wrong: None,
        }
    }

    /// How many invocations believe that they hold the lease.
    pub(super) fn owners(&self) -> usize {
        let running = self.invocations.iter().flatten();
        running.filter(|one| one.is_owner(self.now)).count()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.item.is_some_and(|item| item.status.is_final())
    }

    /// Returns the fence under which the rotation was closed, or 0.
    pub(super) fn closed_under(&self) -> u8 {
        self.item
            .filter(|_| self.is_closed())
            .map_or(0, |item| item.fence)
    }

    pub(super) fn ended(&self, end: End) -> bool {
        self.invocations
            .iter()
            .flatten()
            .any(|one| one.ended() == Some(end))
    }

    /// Returns whether the ledger has just refused such a write.
    pub(super) fn refuses(&self, is_such: fn(&Write) -> bool) -> bool {
        let calls = self.invocations.iter().flatten().flat_map(|one| {
            let work = match one.task {
                Task::Open(call) | Task::Write(call) | Task::Release(call, _) => Some(call),
                _ => None,
            };
            [work, one.renewal]
        });
        calls
            .flatten()
            .any(|call| matches!(call, Call::Answered(write, false) if is_such(&write)))
    }

    pub(super) fn can_continue(&self) -> bool {
        let mut actions = Vec::new();
        self.actions(&mut actions);
        !actions.is_empty()
    }

    pub(super) fn actions(&self, actions: &mut Vec<Action>) {
        for (index, one) in self.invocations.iter().enumerate() {
            let Some(one) = one.filter(|one| one.ended().is_none()) else {
                continue;
            };
            self.invocation_actions(index, &one, actions);
        }
        if let Some(slot) = self.free_slot()
            && let Some(next) = self.deliveries.first().filter(|next| next.due <= self.now)
        {
            actions.push(Action::Deliver(next.trigger, slot));
        }
        if self.late.is_some() {
            actions.push(Action::Arrive);
        }
        // Time passes by itself only if nothing else can happen.
        if self.ticks > 0 || actions.is_empty() && !self.deliveries.is_empty() {
            actions.push(Action::Tick);
        }
    }

    fn invocation_actions(&self, index: usize, one: &Invocation, actions: &mut Vec<Action>) {
        match one.task {
            Task::Read(read) => {
                // A read that is sent again, or that arrives late, is a later read.
                let events = read.events(self.faults).filter(Event::is_once);
                actions.extend(events.map(|event| Action::Call(index, Line::Work, event)));
            }
            Task::Open(write) | Task::Write(write) | Task::Release(write, _) => {
                let events = self.write_events(write);
                actions.extend(events.map(|event| Action::Call(index, Line::Work, event)));
            }
            Task::Work | Task::Ending(_) | Task::Ended(_) => {}
        }
        if let Some(renewal) = one.renewal {
            let events = self.write_events(renewal);
            actions.extend(events.map(|event| Action::Call(index, Line::Renewal, event)));
        }
        let writes = one.next_writes(self.now, self.hand_overs).into_iter();
        actions.extend(writes.map(|write| Action::Write(index, write)));
        let renewal = one.next_renewal(self.now);
        actions.extend(renewal.map(|write| Action::Renew(index, write)));
        if self.faults > 0 {
            actions.push(Action::Die(index));
        }
    }

    /// Returns what can happen to a write next.
    fn write_events(&self, call: Call<Write, bool>) -> impl Iterator<Item = Event> + use<> {
        let can_be_late = self.late.is_none();
        let is_transaction = written(call).is_transaction();
        let is_done = matches!(call, Call::Answered(_, true));
        call.events(self.faults).filter(move |event| match event {
            Event::Delay => can_be_late,
            // The token of a transaction makes its second copy the same as its first.
            Event::Overtake => can_be_late && !is_transaction,
            // A conflict ends a transaction and its token. The next one is refused.
            Event::RefuseRepeat => is_transaction && is_done,
            _ => true,
        })
    }

    fn free_slot(&self) -> Option<usize> {
        let is_free = |one: &Option<Invocation>| one.is_none_or(|one| one.ended().is_some());
        self.invocations.iter().position(is_free)
    }

    /// Returns the state after an action.
    pub(super) fn after(&self, model: &LeaseAndFence, action: Action) -> Self {
        let mut state = self.clone();
        match action {
            Action::Tick => {
                state.now += 1;
                state.ticks = state.ticks.saturating_sub(1);
            }
            Action::Deliver(trigger, slot) => {
                state.deliveries.remove(0);
                state.invocations[slot] = Some(Invocation::new(trigger, state.now));
            }
            Action::Arrive => {
                if let Some(write) = state.late.take() {
                    state.apply(model, write);
                }
            }
            Action::Call(index, line, event) => state.change(index, |state, one| match line {
                Line::Work => state.step_work(model, one, event),
                Line::Renewal => state.step_renewal(model, one, event),
            }),
            Action::Write(index, write) => state.change(index, |state, one| {
                if matches!(write, Write::Release { .. }) && one.is_held(state.now) {
                    state.hand_overs -= 1;
                }
                one.send(write, state.now);
            }),
            Action::Renew(index, write) => {
                state.change(index, |state, one| one.send_renewal(write, state.now));
            }
            Action::Die(index) => state.change(index, |state, one| {
                state.faults -= 1;
                one.task = Task::Ended(End::Failed);
            }),
        }
        state
    }

    /// Changes an invocation. One that ends leaves nothing but its end, and what follows from it.
    fn change(&mut self, index: usize, change: impl FnOnce(&mut Self, &mut Invocation)) {
        let Some(mut one) = self.invocations[index] else {
            return;
        };
        change(self, &mut one);
        if let Some(end) = one.ended() {
            self.follow(end, one.trigger);
            let task = one.task;
            one = Invocation::new(one.trigger, 0);
            one.task = task;
        }
        self.invocations[index] = Some(one);
    }

    /// What Lambda, or the state machine, does after an invocation: `src/rotate/hand_over.rs`.
    fn follow(&mut self, end: End, trigger: Trigger) {
        let later = self.now + REPEAT_AFTER;
        let next = match (end, trigger) {
            (End::Closed | End::FoundFinished, _) | (End::AlreadyRunning, Trigger::Event) => None,
            (End::HandedOver, _) => Some((self.now, Trigger::StateMachine)),
            (End::AlreadyRunning, Trigger::StateMachine) | (End::Failed, _) => {
                Some((later, trigger))
            }
        };
        let next = next.map(|(due, trigger)| Delivery { due, trigger });
        self.deliveries.extend(next);
        self.deliveries.sort_unstable();
    }

    /// Processes a write. Returns whether it was done.
    fn apply(&mut self, model: &LeaseAndFence, write: Write) -> bool {
        let Some((after, wrong)) = write.apply(model, self.item) else {
            return false;
        };
        self.took_over |= matches!(
            write,
            Write::Resume {
                seen_lease: Some(_),
                ..
            }
        );
        self.wrong = self.wrong.or(wrong);
        self.item = Some(after);
        true
    }

    /// Makes a step of a write. Returns the call, or the answer or error with which it ends.
    fn step_write(
        &mut self,
        model: &LeaseAndFence,
        call: Call<Write, bool>,
        event: Event,
    ) -> Result<Call<Write, bool>, Option<bool>> {
        self.faults -= u8::from(event.is_fault());
        match (event, call) {
            (Event::Effect, Call::Sent(write)) => {
                Ok(Call::Answered(write, self.apply(model, write)))
            }
            (Event::Resend, Call::Answered(write, _)) if !write.is_transaction() => {
                Ok(Call::Answered(write, self.apply(model, write)))
            }
            (Event::Resend, call) => Ok(call),
            (Event::Overtake, Call::Sent(write)) => {
                self.late = Some(write);
                Ok(Call::Answered(write, self.apply(model, write)))
            }
            (Event::RefuseRepeat, Call::Answered(write, _)) => Ok(Call::Answered(write, false)),
            (Event::Answer, Call::Answered(_, is_done)) => Err(Some(is_done)),
            (Event::Delay, Call::Sent(write)) => {
                self.late = Some(write);
                Err(None)
            }
            _ => Err(None),
        }
    }

    fn step_work(&mut self, model: &LeaseAndFence, one: &mut Invocation, event: Event) {
        match one.task {
            Task::Read(read) => {
                self.faults -= u8::from(event.is_fault());
                match (event, read) {
                    (Event::Effect, _) => one.task = Task::Read(Call::Answered((), self.item)),
                    (Event::Answer, Call::Answered((), found)) => one.found(model, found),
                    _ => one.task = Task::Ended(End::Failed),
                }
            }
            Task::Open(call) => match self.step_write(model, call, event) {
                Ok(call) => one.task = Task::Open(call),
                Err(Some(is_done)) => one.opened((written(call), is_done)),
                Err(None) => one.task = Task::Ended(End::Failed),
            },
            Task::Write(call) => match self.step_write(model, call, event) {
                Ok(call) => one.task = Task::Write(call),
                Err(is_done) => one.written(written(call), is_done, self.now),
            },
            Task::Release(call, end) => {
                one.task = match self.step_write(model, call, event) {
                    Ok(call) => Task::Release(call, end),
                    Err(_) => Task::Ended(end),
                };
            }
            Task::Work | Task::Ending(_) | Task::Ended(_) => {}
        }
    }

    fn step_renewal(&mut self, model: &LeaseAndFence, one: &mut Invocation, event: Event) {
        let Some(call) = one.renewal else {
            return;
        };
        match self.step_write(model, call, event) {
            Ok(call) => one.renewal = Some(call),
            Err(is_done) => one.renewed(written(call), is_done, self.now),
        }
    }
}

/// Returns the write of a call.
fn written(call: Call<Write, bool>) -> Write {
    match call {
        Call::Sent(write) | Call::Answered(write, _) => write,
    }
}
