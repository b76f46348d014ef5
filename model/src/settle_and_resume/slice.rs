//! One slice, as far as it is about the association: `src/rotate/slice/mover.rs` and `settle.rs`.

use std::time::Duration;

use rerole_core::resource::Association;
use rerole_core::rotation::{EarlierSlices, Ending, Outcome, Settled, Step, Update};

use crate::settle_and_resume::clock::{TICK_SECS, time};
use crate::settle_and_resume::eks::{UpdateRequest, View, time_of};
use crate::settle_and_resume::memory::{Input, Memory, Next, Seen};
use crate::settle_and_resume::{Guard, SettleAndResume};
use crate::wire::Call;

/// `WRITE_MARGIN` in `src/rotate/slice/lease.rs`.
const WRITE_MARGIN_SECS: u8 = 5;
/// `DYNAMODB_OPERATION_TIMEOUT` in `src/aws/dynamodb/mod.rs`.
const RECORD_SECS: u8 = 6;
/// `REQUEST_AGE_AT_SEND_MAX` in `src/aws/eks/update.rs`, in whole ticks.
const WINDOW_TICKS: u8 = 1;

/// An update takes effect within the timeout of its call, in ticks.
pub(super) const CALL_TICKS: u8 = 1;

/// What a slice waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Nothing, but not before this tick: it describes the association.
    Describe(u8),
    /// The response of a Describe.
    Seen(Input),
    /// A permit for the update.
    Permit,
    /// The response of the update.
    Update(Call<UpdateRequest, Input>),
    /// The record of an ending.
    Settle(Call<RowEnd, bool>),
    /// The rows, and then the close.
    Tally,
    Close(Call<(), bool>),
    Over,
}

/// What the row records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RowEnd {
    pub outcome: Outcome,
    /// The version that led to it, or 0.
    pub seen: u8,
    /// EKS's response to an update confirms it.
    pub is_confirmed: bool,
}

/// A slice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Slice {
    pub fence: u8,
    /// The end of its lease, in seconds.
    pub lease_until: u8,
    /// When its lease began, in ticks.
    resumed_at: u8,
    /// When the rotation was stopped, as it knows, in ticks.
    pub stopped_at: Option<u8>,
    memory: Memory,
    /// When EKS processed the last Describe, in ticks.
    pub shown_at: u8,
    /// The time from which the slice counts the age of its response, in ticks.
    observed_at: u8,
    /// When it sent what is on its way, in ticks.
    pub sent_at: u8,
    /// It does not release its lease.
    pub keeps_lease: bool,
    pub task: Task,
}

impl Slice {
    pub(super) fn new(fence: u8, lease_until: u8, now: u8) -> Self {
        Self {
            fence,
            lease_until,
            resumed_at: now,
            stopped_at: None,
            memory: Memory::default(),
            shown_at: 0,
            observed_at: 0,
            sent_at: 0,
            keeps_lease: false,
            task: Task::Describe(now),
        }
    }

    /// `Lease::outlives`.
    fn outlives(&self, secs: u8, now: u8) -> bool {
        now * TICK_SECS + secs < self.lease_until
    }

    /// `Lease::allows_writes`, which `Context::check` requires before each step.
    pub(super) fn allows_writes(&self, now: u8) -> bool {
        self.outlives(WRITE_MARGIN_SECS, now)
    }

    pub(super) fn is_held(&self, now: u8) -> bool {
        self.outlives(0, now)
    }

    /// `Context::earlier_slices`.
    fn earlier(&self, model: &SettleAndResume) -> Option<EarlierSlices> {
        let in_flight = if model.has(Guard::WaitFromLastUpdate) {
            CALL_TICKS
        } else {
            0
        };
        let stopped_at = self.stopped_at.map(|at| at + in_flight);
        let ended_at = stopped_at.map_or(self.resumed_at, |at| at.min(self.resumed_at));
        (self.fence > 1).then_some(EarlierSlices {
            started_at: time(0),
            ended_at: time(ended_at),
        })
    }

    /// Returns whether the slice has time and lease for another Describe.
    pub(super) fn may_describe(&self, now: u8) -> bool {
        self.allows_writes(now) && !self.memory.is_full()
    }

    /// Follows the response of a Describe.
    pub(super) fn described(&mut self, model: &SettleAndResume, input: Input, now: u8) {
        self.observed_at = if model.has(Guard::AgeFromRequest) {
            self.shown_at
        } else {
            now
        };
        self.memory.push(Seen {
            input,
            at: now,
            asked_at: self.observed_at,
        });
        match self.memory.next(model, self.earlier(model)) {
            Next::Send(..) => self.task = Task::Permit,
            Next::Step(step) => self.follow(model, step, now),
        }
    }

    /// Follows the permit: `Mover::update`. Returns whether the update is sent outside the window.
    pub(super) fn permitted(&mut self, model: &SettleAndResume, now: u8) -> bool {
        let earlier = self.earlier(model);
        if self.stopped_at.is_some() {
            let step = self.memory.stopped(model, earlier, now);
            self.follow(model, step, now);
            return false;
        }
        if !self.allows_writes(now) && model.has(Guard::LeaseInUpdate) {
            self.task = Task::Over;
            return false;
        }
        let is_stale = now - self.observed_at > WINDOW_TICKS;
        if is_stale && model.has(Guard::WriteWindow) {
            self.task = Task::Describe(now);
            return false;
        }
        if let Next::Send(Update { token, .. }, _) = self.memory.next(model, earlier) {
            let version = model.tokens[token.as_str()];
            let token = version;
            self.task = Task::Update(Call::Sent(UpdateRequest { token, version }));
            self.sent_at = now;
        }
        now - self.shown_at > WINDOW_TICKS
    }

    /// Follows the response to an update. One without a response ends after its timeout:
    /// `Eks::update_role`.
    pub(super) fn updated(&mut self, model: &SettleAndResume, input: Input, now: u8) {
        let waits = input == Input::Lost && model.has(Guard::WaitForLostUpdate);
        let at = if waits {
            now.max(self.sent_at + CALL_TICKS + 1)
        } else {
            now
        };
        self.memory.push(Seen {
            input,
            at,
            asked_at: self.observed_at,
        });
        if let Next::Step(step) = self.memory.next(model, self.earlier(model)) {
            self.follow(model, step, at);
        }
    }

    fn follow(&mut self, model: &SettleAndResume, step: Step, now: u8) {
        match step {
            Step::Settle(settled) | Step::Stop(_, settled) => self.settle(model, &settled, now),
            Step::DescribeAgain(pause) => self.task = Task::Describe(now + ticks(pause)),
            Step::Retry(..) | Step::Throttled(_) => self.task = Task::Describe(now),
            Step::GiveWay(_) | Step::Leave(_) => self.task = Task::Over,
        }
    }

    /// `may_record` in `src/rotate/slice/settle.rs`.
    fn settle(&mut self, model: &SettleAndResume, settled: &Settled, now: u8) {
        let is_confirmed = matches!(settled.ending, Ending::Updated { .. });
        let may_record = is_confirmed || self.outlives(RECORD_SECS, now);
        if !may_record && model.has(Guard::LeaseInRecord) {
            self.task = Task::Over;
            return;
        }
        self.task = Task::Settle(Call::Sent(RowEnd {
            outcome: settled.ending.outcome(),
            seen: settled.last_observed().map_or(0, version_of),
            is_confirmed,
        }));
        self.sent_at = now;
    }

    /// Returns the view that the response of EKS to an update has.
    pub(super) fn response(current: Option<View>) -> Input {
        current.map_or(Input::NotFound, Input::Updated)
    }
}

fn ticks(pause: Duration) -> u8 {
    let ticks = pause.as_secs().div_ceil(u64::from(TICK_SECS));
    u8::try_from(ticks).expect("a pause is short")
}

fn version_of(association: &Association) -> u8 {
    let versions = 0..=super::VERSIONS_MAX;
    let mut versions = versions.filter(|version| time_of(*version) == association.modified_at);
    versions.next().expect("the model made the version")
}
