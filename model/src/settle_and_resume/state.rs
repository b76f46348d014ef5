//! The state of the model, and what can happen next. What follows from it is in `steps`.

mod steps;

use rerole_core::rotation::Outcome;

use crate::settle_and_resume::SettleAndResume;
use crate::settle_and_resume::clock::TICK_SECS;
use crate::settle_and_resume::eks::{Eks, Role, UpdateRequest};
use crate::settle_and_resume::slice::{RowEnd, Slice, Task};
use crate::wire::{Call, Event};

/// The end of the first slice's lease, in seconds: it may write at the first two ticks.
const FIRST_LEASE_SECS: u8 = 10;

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
                    Event::Resend | Event::Overtake | Event::RefuseRepeat => false,
                    Event::Delay => !is_late,
                    _ => true,
                });
                actions.extend(events.map(|event| Action::Call(index, event)));
            }
            Task::Settle(call) => {
                let is_late = self.late_record.is_some();
                // A second copy of a record changes nothing that `Resend` does not.
                let events = call.events(self.faults).filter(|event| match event {
                    Event::Overtake | Event::RefuseRepeat => false,
                    Event::Delay => !is_late,
                    _ => true,
                });
                actions.extend(events.map(|event| Action::Call(index, event)));
            }
            Task::Close(call) => {
                // What a late close can do is in the model `lease_and_fence`.
                let events = call.events(self.faults).filter(Event::is_once);
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
}
