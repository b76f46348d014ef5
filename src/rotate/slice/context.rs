//! What the steps of a slice share: the clients, the rotation's record, the lease, the deadline and
//! the slice's state. The steps themselves are in `run`, `scan`, `execute` and `mover`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rerole_core::call::CallError;
use rerole_core::indexing::{Coverage, ItemRules};
use rerole_core::keys::RotationKey;
use rerole_core::request::{MaxConcurrency, RotationRequest};
use rerole_core::resource::OwnAccount;
use rerole_core::rotation::{
    Author, EarlierSlices, Progress, RotationRecord, Row, SliceState, Status, Stop, Waiting,
};
use rerole_core::timestamp::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::warn;

use crate::aws::Aws;
use crate::aws::eks::EKS_CALL_TIMEOUT;
use crate::aws::ledger::{LeaseError, OwnedRotation, Planned};
use crate::rotate::slice::deadline::DEADLINE_RESERVE;
use crate::rotate::slice::error::SliceError;
use crate::rotate::slice::lease::Lease;

/// The time that an invocation has, on tokio's clock.
#[derive(Debug, Clone, Copy)]
pub struct TimeSpan {
    /// When the lease was requested.
    pub start: Instant,
    /// When Lambda ends the invocation.
    pub deadline: Instant,
}

/// What a slice is told, besides its rotation.
#[derive(Debug, Clone, Copy)]
pub struct SliceSettings<'a> {
    /// The function's own maximum of associations in flight.
    pub max_concurrency: MaxConcurrency,
    /// What the index must cover before the rotation can say that nothing is left on its old role.
    pub coverage: &'a Coverage,
    /// The function's account, if known.
    pub own_account: Option<&'a OwnAccount>,
    /// The request ID of the invocation.
    pub request_id: &'a str,
}

/// What the steps of a running slice share.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) aws: &'a Aws,
    pub(super) record: RotationRecord,
    pub(super) lease: Lease,
    started_at: Instant,
    /// When the slice had the lease, on the wall clock.
    resumed_at: Timestamp,
    /// The slice starts no further step at or after this time.
    pub(super) ends_at: Instant,
    pub(super) settings: SliceSettings<'a>,
    state: Mutex<SliceState>,
    /// A command has changed the status of the rotation.
    is_interrupted: AtomicBool,
    /// Notified when an association in flight pauses, so another one may be started.
    pub(super) wake: Notify,
}

impl<'a> Context<'a> {
    /// A slice of the rotation that `record` describes.
    pub(super) fn new(
        aws: &'a Aws,
        record: RotationRecord,
        TimeSpan { start, deadline }: TimeSpan,
        settings: SliceSettings<'a>,
    ) -> Self {
        let state = SliceState::new(&record);
        Self {
            aws,
            lease: Lease::acquired(start),
            started_at: start,
            resumed_at: aws.now(),
            ends_at: deadline.checked_sub(DEADLINE_RESERVE).unwrap_or(start),
            settings,
            state: Mutex::new(state),
            is_interrupted: AtomicBool::new(false),
            wake: Notify::new(),
            record,
        }
    }

    /// Returns what the items of the index are held against.
    pub(super) fn item_rules(&self) -> ItemRules<'a> {
        ItemRules {
            own_account: self.settings.own_account,
            regions: Some(&self.settings.coverage.regions),
            now: self.aws.now(),
        }
    }

    /// Checks that the slice may start another step: no command has interrupted it, there is time,
    /// and the lease allows writes.
    pub(super) fn check(&self) -> Result<(), SliceError> {
        if self.is_interrupted.load(Ordering::Relaxed) {
            return Err(SliceError::Interrupted);
        }
        let has_lost_stop = matches!(self.state().stop, Stop::NotRecorded | Stop::Unconfirmed);
        if !self.lease.allows_writes() || has_lost_stop {
            return Err(SliceError::LeaseLost);
        }
        if Instant::now() >= self.ends_at {
            return Err(SliceError::OutOfTime);
        }
        Ok(())
    }

    /// Notes that a command has changed the status of the rotation. The slice starts nothing more.
    pub(super) fn interrupt(&self) {
        self.is_interrupted.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// Stops the rotation early. From here on associations are only described, in this slice and in
    /// those that follow.
    pub(super) async fn stop(&self, reason: &str) -> Result<(), CallError> {
        warn!(reason, "rotation stops early");
        let recorded = self.owned().stop(reason, self.aws.now()).await;
        self.state().stop = match &recorded {
            Ok(()) => Stop::Recorded(reason.to_owned()),
            Err(LeaseError::Lost) => Stop::NotRecorded,
            Err(LeaseError::Call(_)) => Stop::Unconfirmed,
        };
        match recorded {
            // `check` reports a lost lease.
            Ok(()) | Err(LeaseError::Lost) => Ok(()),
            Err(LeaseError::Call(error)) => Err(error),
        }
    }

    /// How far the rotation is, for readers of its item in the ledger.
    pub(super) fn progress(&self) -> Progress {
        self.sample_rate();
        let (state, now) = (self.state(), self.aws.now());
        let mut counts = state.counts;
        if !state.is_planned {
            // The part of the plan that this slice or an earlier one has counted. None of its
            // associations has been started. Some were settled in an earlier attempt.
            let settled = counts.total - counts.pending;
            counts.total = counts.total.max(settled + state.rows_added);
            counts.pending = counts.total - settled;
        }
        let estimate = state.estimator.estimate(counts.pending);
        Progress {
            at: now,
            counts,
            settled_per_sec: estimate.map(|estimate| estimate.settled_per_sec),
            estimated_end_at: estimate
                .and_then(|estimate| estimate.left)
                .map(|left| now + left),
            regions: if state.is_planned {
                state.meters.progress()
            } else {
                Vec::new()
            },
        }
    }

    /// Counts rows that this slice has planned. Returns how many are new.
    pub(super) fn note_planned(&self, planned: &Planned) -> u64 {
        let mut state = self.state();
        state.meters.note_planned(&planned.created);
        let created = planned.created.total();
        state.rows_added += created;
        created
    }

    /// Takes a sample for the estimate of the rotation's end.
    pub(super) fn sample_rate(&self) {
        let mut state = self.state();
        let settled = state.counts.total - state.counts.pending;
        state.estimator.note(self.elapsed(), settled);
        state.meters.sample(self.elapsed());
    }

    /// For how long the new role has not been ready, in all slices together, in milliseconds.
    pub(super) fn role_not_ready_ms(&self) -> u64 {
        let waited = self.state().role.waited(self.elapsed());
        u64::try_from(waited.as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns whether associations of this region go alone, because EKS has not accepted the new
    /// role there yet. A slice that writes nothing has nothing to prove.
    pub(super) fn probes_in(&self, region: &str) -> bool {
        let state = self.state();
        state.stop == Stop::No && !self.request().dry_run && !state.role.is_proven_in(region)
    }

    /// Changes what is known of the associations of this region that only wait.
    pub(super) fn change_waiting(&self, region: &str, change: impl FnOnce(&mut Waiting)) {
        change(self.state().waiting.entry(region.to_owned()).or_default());
    }

    /// Returns how many associations of this region only wait.
    pub(super) fn waiting(&self, region: &str) -> Waiting {
        let state = self.state();
        state.waiting.get(region).copied().unwrap_or_default()
    }

    /// Time since the slice started.
    pub(super) fn elapsed(&self) -> Duration {
        self.started_at.elapsed()
    }

    /// Returns whether a command has cancelled the rotation.
    pub(super) fn is_cancelling(&self) -> bool {
        self.record.status() == Status::Cancelling
    }

    /// Returns whether this slice may not continue with a rotation of this status.
    pub(super) fn is_interrupted_by(&self, status: Status) -> bool {
        match status {
            Status::Planning | Status::InProgress => self.is_cancelling(),
            Status::Cancelling => !self.is_cancelling(),
            _ => true,
        }
    }

    /// Returns whether an earlier slice may have updated the association of this row: one of the
    /// same attempt, after its plan was complete, or one of an earlier attempt, as the row says.
    fn has_earlier_updates(&self, row: &Row) -> bool {
        self.record.is_planned() || row.has_earlier_update()
    }

    /// The slices that may have updated the association of this row before this one.
    ///
    /// None of their updates takes effect after this one took the lease. None was sent after the
    /// rotation was stopped. If this slice has been through the rows before, it counts as one of
    /// them: the record of an update that EKS has confirmed may have failed.
    pub(super) fn earlier_slices(&self, row: &Row) -> Option<EarlierSlices> {
        let stopped_at = self.record.stopped_at.map(|at| at + EKS_CALL_TIMEOUT);
        let of_others = self
            .has_earlier_updates(row)
            .then(|| stopped_at.map_or(self.resumed_at, |at| at.min(self.resumed_at)));
        let ended_at = self.state().executed_at.or(of_others)?;
        let record = &self.record;
        let attempt_started_at = record
            .attempt_started_at
            .filter(|_| !row.has_earlier_update());
        Some(EarlierSlices {
            started_at: attempt_started_at.unwrap_or(record.started_at),
            ended_at,
        })
    }

    /// A time by which the rotation was open. Its `startedAt` is none: the slice that opened it may
    /// have stood still before its transaction.
    pub(super) fn opened_at(&self) -> Timestamp {
        self.resumed_at
    }

    pub(super) fn key(&self) -> &RotationKey {
        &self.record.key
    }

    /// The rotation's item, as this slice may write it.
    pub(super) fn owned(&self) -> OwnedRotation<'_> {
        let timeline_seq = self.state().timeline_seq;
        self.aws.ledger.owned(&self.record).after(timeline_seq)
    }

    /// The author of what this slice changes in the timeline.
    pub(super) fn author(&self) -> Author {
        Author::rerole(self.settings.request_id)
    }

    /// Returns the maximum number of associations in flight.
    pub(super) fn max_concurrency(&self) -> usize {
        let own = self.state().max_concurrency;
        let ceiling = self.settings.max_concurrency;
        own.map_or(ceiling, |own| own.min(ceiling)).count()
    }

    pub(super) fn request(&self) -> &RotationRequest {
        &self.record.request
    }

    /// Locks the state. A caller must not hold the guard across an `await`: other associations of
    /// this slice need the lock, on the same thread.
    pub(super) fn state(&self) -> MutexGuard<'_, SliceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
