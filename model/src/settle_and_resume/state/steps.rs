//! What each action does to the state: the effects of calls on EKS and on the ledger, and what the
//! slices make of the answers.

use rerole_core::rotation::Outcome;

use crate::settle_and_resume::clock::TICK_SECS;
use crate::settle_and_resume::eks::UpdateRequest;
use crate::settle_and_resume::memory::Input;
use crate::settle_and_resume::slice::{CALL_TICKS, RowEnd, Slice, Task};
use crate::settle_and_resume::state::{Action, Late, State, Wrong};
use crate::settle_and_resume::{Guard, SettleAndResume, VERSIONS_MAX};
use crate::wire::{Call, Event};

/// `LEASE` in `rerole_core::rotation`.
const LEASE_SECS: u8 = 45;

impl State {
    /// Returns the state after an action.
    pub(in crate::settle_and_resume) fn after(
        &self,
        model: &SettleAndResume,
        action: Action,
    ) -> Self {
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
                    request.token = VERSIONS_MAX + self.sent;
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
