//! The state of the model, and what can happen in it.

use rerole_core::rotation::Outcome;

use crate::settle_and_resume::clock::TICK_SECS;
use crate::settle_and_resume::eks::{Eks, Role, UpdateRequest};
use crate::settle_and_resume::memory::Input;
use crate::settle_and_resume::slice::{CALL_TICKS, RowEnd, Slice, Task};
use crate::settle_and_resume::{Guard, SettleAndResume};
use crate::wire::{Call, Event};

/// The end of the first slice's lease, in seconds: it may write at the first two ticks.
const FIRST_LEASE_SECS: u8 = 10;
/// `LEASE` in `rerole_core::rotation`.
const LEASE_SECS: u8 = 45;

/// What the model keeps of the rotation's item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rotation {
    pub fence: u8,
    /// The end of the lease, in seconds.
    lease_until: Option<u8>,
    stopped_at: Option<u8>,
    pub is_closed: bool,
}

/// What nothing may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wrong {
    SettledTwice,
    NeverOnNewRole,
    HidesUpdate,
    UpdatedTwice,
    OutsideWindow,
    UpdatedWhenFinished,
}

/// A request that arrives after its caller has given up on it, and until when it may, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Late<T> {
    request: T,
    until: u8,
}

/// A state of the model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    now: u8,
    eks: Eks,
    pub rotation: Rotation,
    /// `None` while it is pending.
    pub row: Option<RowEnd>,
    slices: [Option<Slice>; 2],
    late_update: Option<Late<UpdateRequest>>,
    late_record: Option<Late<RowEnd>>,
    /// The number of updates sent, if tokens are not those of versions.
    sent: u8,
    faults: u8,
    changes: u8,
    ticks: u8,
    pub has_repeated_token: bool,
    pub has_dropped_ending: bool,
    pub wrong: Option<Wrong>,
}

/// What can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Tick,
    /// A delivery takes over the rotation, and closes it if its row is settled.
    Resume(usize),
    /// A Describe shows the association as it is, or as it was, or fails.
    Describe(usize),
    DescribeFormer(usize),
    FailToDescribe(usize),
    /// A slice follows a response that waits for it.
    Follow(usize),
    /// A call makes a step.
    Call(usize, Event),
    /// A slice ends, because it has no time or no lease.
    End(usize),
    /// A slice records that the rotation stops, because of other associations.
    Stop(usize),
    Die(usize),
    ArriveUpdate,
    ArriveRecord,
    /// Another actor puts the association on a role, or deletes it.
    Change(Option<Role>),
}

impl State {
    pub(super) fn new(model: &SettleAndResume, former: Option<Role>) -> Self {
        Self {
            now: 0,
            eks: Eks::new(former),
            rotation: Rotation {
                fence: 1,
                lease_until: Some(FIRST_LEASE_SECS),
                stopped_at: None,
                is_closed: false,
            },
            row: None,
            slices: [Some(Slice::new(1, FIRST_LEASE_SECS, 0)), None],
            late_update: None,
            late_record: None,
            sent: 0,
            faults: model.faults,
            changes: model.changes,
            ticks: model.ticks,
            has_repeated_token: false,
            has_dropped_ending: false,
            wrong: None,
        }
    }

    pub(super) fn closed_with(&self, outcome: Outcome) -> bool {
        self.rotation.is_closed && self.row.is_some_and(|row| row.outcome == outcome)
    }

    pub(super) fn is_refused_to_settle(&self) -> bool {
        let is_refused =
            |slice: &Slice| matches!(slice.task, Task::Settle(Call::Answered(_, false)));
        self.slices.iter().flatten().any(is_refused)
    }

    pub(super) fn can_continue(&self) -> bool {
        let mut actions = Vec::new();
        self.actions(&mut actions);
        !actions.is_empty()
    }

    pub(super) fn actions(&self, actions: &mut Vec<Action>) {
        for (index, slice) in self.slices.iter().enumerate() {
            if let Some(slice) = slice {
                self.slice_actions(index, slice, actions);
            }
        }
        if self.late_update.is_some() {
            actions.push(Action::ArriveUpdate);
        }
        if self.late_record.is_some() {
            actions.push(Action::ArriveRecord);
        }
        let secs = self.now * TICK_SECS;
        let is_free = self.rotation.lease_until.is_none_or(|until| secs >= until);
        let slot = self.slices.iter().position(Option::is_none);
        if let Some(slot) = slot.filter(|_| is_free && !self.rotation.is_closed) {
            actions.push(Action::Resume(slot));
        }
        // Time passes by itself only if nothing else can happen.
        let must_wait = actions.is_empty() && !self.rotation.is_closed;
        if (self.ticks > 0 || must_wait) && self.may_tick() {
            actions.push(Action::Tick);
        }
        if self.changes > 0 && self.eks.current.is_some() {
            let roles = [Some(Role::Old), Some(Role::New), Some(Role::Third), None];
            let current = self.eks.current.map(|view| view.role);
            let others = roles.into_iter().filter(|role| *role != current);
            actions.extend(others.map(Action::Change));
        }
    }

    /// Returns whether no call is under way for longer than its timeout.
    fn may_tick(&self) -> bool {
        self.slices.iter().flatten().all(|slice| {
            let is_sent = matches!(
                slice.task,
                Task::Update(Call::Sent(_)) | Task::Settle(Call::Sent(_))
            );
            !is_sent || slice.sent_at == self.now
        })
    }

    fn slice_actions(&self, index: usize, slice: &Slice, actions: &mut Vec<Action>) {
        let has_faults = self.faults > 0;
        match slice.task {
            Task::Describe(not_before) if not_before > self.now => {}
            Task::Describe(_) if slice.may_describe(self.now) => {
                actions.push(Action::Describe(index));
                if has_faults {
                    let former = self.eks.former(self.now);
                    actions.extend(former.map(|_| Action::DescribeFormer(index)));
                    actions.push(Action::FailToDescribe(index));
                }
            }
            Task::Describe(_) | Task::Over => actions.push(Action::End(index)),
            Task::Seen(_) | Task::Permit | Task::Tally => actions.push(Action::Follow(index)),
            Task::Update(call) => {
                let is_late = self.late_update.is_some();
                // The SDK sends no request to EKS again.
                let events = call.events(self.faults).filter(|event| match event {
                    Event::Resend => false,
                    Event::Delay => !is_late,
                    _ => true,
                });
                actions.extend(events.map(|event| Action::Call(index, event)));
            }
            Task::Settle(call) => {
                let is_late = self.late_record.is_some();
                let events = call.events(self.faults);
                let events = events.filter(|event| *event != Event::Delay || !is_late);
                actions.extend(events.map(|event| Action::Call(index, event)));
            }
            Task::Close(call) => {
                // What a late close can do is in the model `lease_and_fence`.
                let events = call
                    .events(self.faults)
                    .filter(|event| !matches!(event, Event::Resend | Event::Delay));
                actions.extend(events.map(|event| Action::Call(index, event)));
            }
        }
        let is_owner = slice.fence == self.rotation.fence && self.rotation.stopped_at.is_none();
        if has_faults && is_owner && !self.rotation.is_closed {
            actions.push(Action::Stop(index));
        }
        if has_faults {
            actions.push(Action::Die(index));
        }
    }

    /// Returns the state after an action.
    pub(super) fn after(&self, model: &SettleAndResume, action: Action) -> Self {
        let mut state = self.clone();
        match action {
            Action::Tick => state.tick(),
            Action::Resume(slot) => state.resume(slot),
            Action::Change(role) => {
                state.changes -= 1;
                state.eks.change(role, state.now);
            }
            Action::ArriveUpdate => {
                if let Some(late) = state.late_update.take() {
                    state.update(late.request);
                }
            }
            Action::ArriveRecord => {
                if let Some(late) = state.late_record.take() {
                    state.record(model, late.request);
                }
            }
            Action::End(slot) => state.end(slot),
            Action::Die(slot) => {
                state.faults -= 1;
                state.slices[slot] = None;
            }
            Action::Describe(slot)
            | Action::DescribeFormer(slot)
            | Action::FailToDescribe(slot)
            | Action::Follow(slot)
            | Action::Call(slot, _)
            | Action::Stop(slot) => {
                if let Some(mut slice) = state.slices[slot].take() {
                    state.step(model, &mut slice, action);
                    state.slices[slot] = Some(slice);
                }
            }
        }
        state
    }

    fn tick(&mut self) {
        self.now += 1;
        self.ticks = self.ticks.saturating_sub(1);
        self.eks.pass_time(self.now);
        let secs = self.now * TICK_SECS;
        self.late_update = self.late_update.filter(|late| secs < late.until);
        self.late_record = self.late_record.filter(|late| secs < late.until);
    }

    fn resume(&mut self, slot: usize) {
        let rotation = &mut self.rotation;
        rotation.fence += 1;
        let lease_until = self.now * TICK_SECS + LEASE_SECS;
        rotation.lease_until = Some(lease_until);
        let mut slice = Slice::new(rotation.fence, lease_until, self.now);
        slice.stopped_at = rotation.stopped_at;
        if self.row.is_some() {
            slice.task = Task::Tally;
        }
        self.slices[slot] = Some(slice);
    }

    /// Ends a slice. It releases the lease that it still holds.
    fn end(&mut self, slot: usize) {
        let Some(slice) = self.slices[slot].take() else {
            return;
        };
        let is_owner = slice.is_held(self.now) && slice.fence == self.rotation.fence;
        if is_owner && !slice.keeps_lease {
            self.rotation.lease_until = None;
        }
    }

    fn step(&mut self, model: &SettleAndResume, slice: &mut Slice, action: Action) {
        let seen = |view| Task::Seen(view);
        match action {
            Action::Describe(_) => {
                slice.shown_at = self.now;
                let current = self.eks.current;
                slice.task = seen(current.map_or(Input::Missing, Input::Described));
            }
            Action::DescribeFormer(_) => {
                self.faults -= 1;
                slice.shown_at = self.now;
                let former = self.eks.former(self.now);
                slice.task = seen(former.map_or(Input::Missing, Input::Described));
            }
            Action::FailToDescribe(_) => {
                self.faults -= 1;
                slice.task = seen(Input::NotDescribed);
            }
            Action::Stop(_) => {
                self.faults -= 1;
                self.rotation.stopped_at = Some(self.now);
                slice.stopped_at = Some(self.now);
            }
            Action::Follow(_) => self.follow(model, slice),
            Action::Call(_, event) => {
                self.faults -= u8::from(event.is_fault());
                self.step_call(model, slice, event);
            }
            _ => {}
        }
    }

    fn follow(&mut self, model: &SettleAndResume, slice: &mut Slice) {
        let now = self.now;
        match slice.task {
            Task::Seen(input) => slice.described(model, input, now),
            Task::Permit => {
                if slice.permitted(model, now) && matches!(slice.task, Task::Update(_)) {
                    self.wrong = self.wrong.or(Some(Wrong::OutsideWindow));
                }
            }
            Task::Tally if self.row.is_some() || !model.has(Guard::TallyBeforeClose) => {
                slice.task = Task::Close(Call::Sent(()));
            }
            _ => slice.task = Task::Over,
        }
        self.note_dropped(model, slice);
    }

    /// A slice that may not record an ending leaves the row pending.
    fn note_dropped(&mut self, model: &SettleAndResume, slice: &mut Slice) {
        if slice.task != Task::Over {
            return;
        }
        self.has_dropped_ending |= !slice.allows_writes(self.now);
        if !model.has(Guard::TallyBeforeClose) {
            slice.task = Task::Close(Call::Sent(()));
        }
    }

    fn step_call(&mut self, model: &SettleAndResume, slice: &mut Slice, event: Event) {
        match slice.task {
            Task::Update(call) => self.step_update(model, slice, (call, event)),
            Task::Settle(call) => self.step_settle(model, slice, (call, event)),
            Task::Close(call) => {
                slice.task = match (event, call) {
                    (Event::Effect, _) => Task::Close(Call::Answered((), self.close(slice.fence))),
                    _ => Task::Over,
                };
            }
            _ => {}
        }
    }

    fn step_update(
        &mut self,
        model: &SettleAndResume,
        slice: &mut Slice,
        (call, event): (Call<UpdateRequest, Input>, Event),
    ) {
        match (event, call) {
            (Event::Effect, Call::Sent(mut request)) => {
                if !model.has(Guard::TokenOfVersion) {
                    self.sent += 1;
                    request.token = super::VERSIONS_MAX + self.sent;
                }
                self.update(request);
                let response = Slice::response(self.eks.current);
                slice.task = Task::Update(Call::Answered(request, response));
            }
            (Event::Answer, Call::Answered(_, input)) => slice.updated(model, input, self.now),
            (_, Call::Sent(request)) => {
                if event == Event::Delay {
                    let timely = (slice.sent_at + CALL_TICKS) * TICK_SECS + 1;
                    let is_timely = model.has(Guard::TimelyUpdate);
                    let until = if is_timely { timely } else { slice.lease_until };
                    self.late_update = Some(Late { request, until });
                }
                slice.updated(model, Input::Lost, self.now);
            }
            _ => slice.updated(model, Input::Lost, self.now),
        }
        self.note_dropped(model, slice);
    }

    fn step_settle(
        &mut self,
        model: &SettleAndResume,
        slice: &mut Slice,
        (call, event): (Call<RowEnd, bool>, Event),
    ) {
        let (Call::Sent(end) | Call::Answered(end, _)) = call;
        let is_unknown = event.is_fault() && event != Event::Resend && !end.is_confirmed;
        slice.keeps_lease |= is_unknown && model.has(Guard::LeaseKeptForRecord);
        slice.task = match (event, call) {
            (Event::Effect, Call::Sent(end)) | (Event::Resend, Call::Answered(end, _)) => {
                Task::Settle(Call::Answered(end, self.record(model, end)))
            }
            (Event::Answer, _) => Task::Tally,
            (Event::Delay, Call::Sent(request)) => {
                let is_timely = model.has(Guard::TimelyRecord) && !request.is_confirmed;
                let until = if is_timely {
                    slice.lease_until
                } else {
                    u8::MAX
                };
                self.late_record = Some(Late { request, until });
                Task::Over
            }
            _ => Task::Over,
        };
    }

    /// EKS processes an update.
    fn update(&mut self, request: UpdateRequest) {
        let exists = self.eks.current.is_some();
        if !self.eks.update(request, self.now) {
            self.has_repeated_token |= exists;
            return;
        }
        let is_repeated = self.eks.note_update(request);
        let wrong = if self.rotation.is_closed {
            Some(Wrong::UpdatedWhenFinished)
        } else if is_repeated {
            Some(Wrong::UpdatedTwice)
        } else {
            None
        };
        self.wrong = self.wrong.or(wrong);
    }

    /// The ledger processes the record of an ending: `Rows::settle`. Returns whether it is done.
    fn record(&mut self, model: &SettleAndResume, end: RowEnd) -> bool {
        if self.row.is_some() && model.has(Guard::PendingInSettle) {
            return false;
        }
        let is_success = end.outcome == Outcome::Updated || end.outcome == Outcome::AlreadyCurrent;
        let hides_update = matches!(
            end.outcome,
            Outcome::AlreadyCurrent | Outcome::Drifted | Outcome::NotAttempted
        ) && end.seen < self.eks.updated_to;
        let wrong = if self.row.is_some() {
            Some(Wrong::SettledTwice)
        } else if is_success && !self.eks.was_on_new_role {
            Some(Wrong::NeverOnNewRole)
        } else if hides_update {
            Some(Wrong::HidesUpdate)
        } else {
            None
        };
        self.wrong = self.wrong.or(wrong);
        self.row = Some(end);
        true
    }

    /// The ledger processes the close: `OwnedRotation::close`. Returns whether it is done.
    fn close(&mut self, fence: u8) -> bool {
        let rotation = &mut self.rotation;
        let is_owned = rotation.fence == fence && rotation.lease_until.is_some();
        if is_owned {
            rotation.is_closed = true;
            rotation.lease_until = None;
        }
        is_owned
    }
}
