//! One invocation: what it waits for, and what it believes of its lease.

use rerole_core::rotation::{Opening, RotationRecord, StackRecord, Status, open};

use crate::lease_and_fence::item::{Item, Write, tick, time};
use crate::lease_and_fence::{Guard, LeaseAndFence};
use crate::wire::Call;

/// `OPEN_ATTEMPTS` in `src/aws/ledger/opening.rs` is 6. Two deliveries compete here, so more than
/// two attempts add nothing.
const OPEN_ATTEMPTS: u8 = 2;

/// Who started an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trigger {
    Event,
    StateMachine,
}

/// What an invocation waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    Read(Call<(), Option<Item>>),
    Open(Call<Write, bool>),
    /// Nothing: it starts the next step.
    Work,
    /// The plan, the close or the release.
    Write(Call<Write, bool>),
    /// Its renewal, before it ends.
    Ending(End),
    Release(Call<Write, bool>, End),
    Ended(End),
}

/// How an invocation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    Closed,
    HandedOver,
    AlreadyRunning,
    FoundFinished,
    Failed,
}

/// The calls that an invocation has under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Line {
    Work,
    Renewal,
}

/// The lease as its owner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    pub fence: u8,
    /// `None` after another invocation has acquired the lease.
    pub valid_until: Option<u8>,
}

/// An invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Invocation {
    pub trigger: Trigger,
    /// The time from which its lease counts. It is before its first call.
    started_at: u8,
    open_attempts: u8,
    /// The fence and the end of the lease that the last attempt to open the rotation wanted.
    wanted: Option<(u8, u8)>,
    pub task: Task,
    pub lease: Option<Lease>,
    pub renewal: Option<Call<Write, bool>>,
    renewal_sent_at: u8,
    is_planned: bool,
}

impl Invocation {
    pub(super) fn new(trigger: Trigger, now: u8) -> Self {
        Self {
            trigger,
            started_at: now,
            open_attempts: 0,
            wanted: None,
            task: Task::Read(Call::Sent(())),
            lease: None,
            renewal: None,
            renewal_sent_at: 0,
            is_planned: false,
        }
    }

    pub(super) fn ended(&self) -> Option<End> {
        match self.task {
            Task::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// `Lease::is_held`. `allows_writes` is the same in whole ticks: its margin is less than one.
    pub(super) fn is_held(&self, now: u8) -> bool {
        let valid_until = self.lease.and_then(|lease| lease.valid_until);
        self.ended().is_none() && valid_until.is_some_and(|until| now < until)
    }

    /// Returns whether the invocation works in the belief that it holds the lease.
    pub(super) fn is_owner(&self, now: u8) -> bool {
        matches!(self.task, Task::Work | Task::Write(_)) && self.is_held(now)
    }

    /// The writes that the invocation may start now. A slice that has lost its lease ends.
    pub(super) fn next_writes(&self, now: u8, hand_overs: u8) -> Vec<Write> {
        let Some(Lease { fence, .. }) = self.lease.filter(|_| self.task == Task::Work) else {
            return Vec::new();
        };
        let mut writes = Vec::new();
        if self.is_held(now) && !self.is_planned {
            writes.push(Write::Start { fence });
        }
        if self.renewal.is_none() {
            if self.is_held(now) && self.is_planned {
                writes.push(Write::Close { fence });
            }
            if hand_overs > 0 || !self.is_held(now) {
                writes.push(Write::Release { fence });
            }
        }
        writes
    }

    /// Returns the renewal that the invocation may start now. One in the same tick as the last
    /// would change nothing.
    pub(super) fn next_renewal(&self, now: u8) -> Option<Write> {
        let Lease { fence, valid_until } = self.lease?;
        let is_working = matches!(self.task, Task::Work)
            || matches!(self.task, Task::Write(Call::Sent(Write::Start { .. })));
        let is_due = self.renewal.is_none() && now > self.started_at.max(self.renewal_sent_at);
        (is_working && is_due && valid_until.is_some()).then_some(Write::Renew {
            fence,
            until: tick(time(now) + rerole_core::rotation::LEASE),
        })
    }

    pub(super) fn send_renewal(&mut self, write: Write, now: u8) {
        self.renewal = Some(Call::Sent(write));
        self.renewal_sent_at = now;
    }

    pub(super) fn send(&mut self, write: Write, now: u8) {
        match write {
            Write::Release { .. } if self.is_held(now) => self.end(End::HandedOver, now),
            Write::Release { .. } => self.end(End::Failed, now),
            write => self.task = Task::Write(Call::Sent(write)),
        }
    }

    /// Ends, after the renewal in flight and after the lease is released, if it is held.
    pub(super) fn end(&mut self, end: End, now: u8) {
        self.task = match self.lease {
            _ if self.renewal.is_some() => Task::Ending(end),
            Some(Lease { fence, .. }) if self.is_held(now) => {
                Task::Release(Call::Sent(Write::Release { fence }), end)
            }
            _ => Task::Ended(end),
        };
    }

    /// Follows the read of the rotation: `src/rotate/rotation_run.rs`.
    pub(super) fn found(&mut self, model: &LeaseAndFence, found: Option<Item>) {
        let mut record = found.map(|item| item.record(&model.template));
        if let Some(record) = record
            .as_mut()
            .filter(|_| !model.has(Guard::ExpiryInTakeover))
        {
            record.lease_until = None;
        }
        let (stack, now) = (StackRecord::default(), time(self.started_at));
        self.task = match open(record, &model.requested, &stack, now) {
            Opening::New => {
                let record = RotationRecord::start(&model.requested, now);
                let until = record.lease_until.map_or(0, tick);
                Task::Open(Call::Sent(Write::Create { until }))
            }
            Opening::Resume { record, .. } => Task::Open(Call::Sent(Write::Resume {
                fence: u8::try_from(record.fence).expect("a history has few takeovers"),
                until: record.lease_until.map_or(0, tick),
                seen_lease: found.and_then(|item| item.lease_until),
            })),
            Opening::AlreadyRunning if self.has_own_lease(model, found) => Task::Ended(End::Failed),
            Opening::AlreadyRunning => Task::Ended(End::AlreadyRunning),
            Opening::Finished(_) => Task::Ended(End::FoundFinished),
            Opening::Waiting(_) | Opening::Change(..) => unreachable!("no command comes"),
            Opening::OtherRequest(_) => unreachable!("there is one request"),
        };
        self.is_planned = found.is_some_and(|item| item.status == Status::InProgress);
    }

    /// Returns whether the lease may be that of an attempt of this invocation that was refused.
    fn has_own_lease(&self, model: &LeaseAndFence, found: Option<Item>) -> bool {
        let seen = found.and_then(|item| Some((item.fence, item.lease_until?)));
        model.has(Guard::OwnLease) && seen.is_some() && seen == self.wanted
    }

    /// Follows the write that opens the rotation.
    pub(super) fn opened(&mut self, (write, is_done): (Write, bool)) {
        let (fence, until) = match write {
            Write::Create { until } => (1, until),
            Write::Resume { fence, until, .. } => (fence, until),
            _ => unreachable!("only these open a rotation"),
        };
        self.open_attempts += 1;
        self.wanted = Some((fence, until));
        if is_done {
            self.task = Task::Work;
            self.lease = Some(Lease {
                fence,
                valid_until: Some(until),
            });
        } else if self.open_attempts < OPEN_ATTEMPTS {
            self.task = Task::Read(Call::Sent(()));
        } else {
            self.task = Task::Ended(End::Failed);
        }
    }

    /// Follows a write of the owner. `is_done` is `None` after an error.
    pub(super) fn written(&mut self, write: Write, is_done: Option<bool>, now: u8) {
        match (write, is_done) {
            (Write::Start { .. }, Some(true)) => {
                self.is_planned = true;
                self.task = Task::Work;
            }
            (Write::Close { .. }, Some(true)) => {
                self.lease = None;
                self.task = Task::Ended(End::Closed);
            }
            _ => self.end(End::Failed, now),
        }
    }

    /// Follows a renewal: `renew_until` in `src/rotate/slice/renewal.rs`.
    pub(super) fn renewed(&mut self, write: Write, is_done: Option<bool>, now: u8) {
        self.renewal = None;
        if let (Some(lease), Write::Renew { until, .. }) = (&mut self.lease, write) {
            lease.valid_until = match is_done {
                Some(true) => Some(until),
                Some(false) => None,
                None => lease.valid_until,
            };
        }
        if let Task::Ending(end) = self.task {
            self.end(end, now);
        }
    }
}
