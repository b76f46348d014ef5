//! One slice of a rotation: what one invocation does of it, from the lease to the close, or to the deadline.
//!
//! ```text
//! plan ──▶ execute ──▶ sweep ──▶ close
//!             ▲          │
//!             └──────────┘ while the index shows associations that have no row
//! ```

mod associate;
mod estimate;
mod execute;
mod lease;
mod progress;
mod scan;
mod standing;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::aws::eks::EKS_CALL_TIMEOUT;
use crate::aws::error::CallError;
use crate::aws::ledger::{LeaseError, Leaving};
use crate::aws::machine::HAND_OVER_TIMEOUT;
use crate::aws::rows::Select;
use crate::aws::transaction::TRANSACTION_TIMEOUT;
use crate::aws::{Aws, DYNAMODB_OPERATION_TIMEOUT};
use crate::record::{Headway, RotationRecord};
use crate::request::RotationRequest;
use crate::status::{Counts, Status, Tally, close};
pub use lease::LEASE;
use lease::Lease;
use progress::{Progress, Stop};
use scan::Scan;
use standing::{Standing, has_advanced};

/// Nothing is taken up when less than this is left: the longest that a step can take, and what comes after the last one.
pub const DEADLINE_RESERVE: Duration = STEP_MAX.saturating_add(LEAVING_MAX);
/// A batch of the plan: the transaction, and once more where it found rows that were there.
const STEP_MAX: Duration = TRANSACTION_TIMEOUT.saturating_mul(2);
/// An association, from its Describe on: its update, its row, and the record of a stop.
const ASSOCIATION_MAX: Duration =
    EKS_CALL_TIMEOUT.saturating_mul(2).saturating_add(DYNAMODB_OPERATION_TIMEOUT.saturating_mul(2));
const _: () =
    assert!(ASSOCIATION_MAX.as_millis() <= STEP_MAX.as_millis(), "an association takes no longer than a batch");
/// A renewal of the lease that ends last, keeping the pace, giving the lease back, and handing over.
const LEAVING_MAX: Duration = DYNAMODB_OPERATION_TIMEOUT.saturating_mul(3).saturating_add(HAND_OVER_TIMEOUT);
/// Somebody who keeps creating associations on the old role would keep a slice sweeping for ever.
const SWEEPS_MAX: u32 = 10;

/// Why a slice ended before the rotation did. The next slice carries on from the ledger.
#[derive(Debug, thiserror::Error)]
pub enum SliceError {
    #[error("time is up")]
    OutOfTime,
    #[error("the lease was lost, or could not be renewed")]
    LeaseLost,
    #[error("{count} could not be settled for now; the first: {first}")]
    Unsettled { count: u64, first: Box<CallError> },
    #[error("the index still shows new associations on the old role after {SWEEPS_MAX} sweeps")]
    StillArriving,
    #[error("the ledger still shows {pending} pending rows")]
    StillPending { pending: u64 },
    #[error(transparent)]
    Call(#[from] Box<CallError>),
}

impl From<CallError> for SliceError {
    fn from(error: CallError) -> Self {
        Self::Call(Box::new(error))
    }
}

impl From<LeaseError> for SliceError {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Lost => Self::LeaseLost,
            LeaseError::Call(error) => error.into(),
        }
    }
}

/// A rotation that a slice left before its end.
#[derive(Debug)]
pub struct Left {
    pub reason: SliceError,
    pub counts: Counts,
    /// Whether the ledger has the counts, so that the next slice goes on counting from there.
    pub is_recorded: bool,
    /// Whether the slice has brought the rotation on. Where it has not, neither will another one.
    pub has_advanced: bool,
}

/// A slice in work.
#[derive(Debug)]
pub struct Slice<'a> {
    aws: &'a Aws,
    record: RotationRecord,
    lease: Lease,
    began_at: Instant,
    /// No new work from here on.
    ends_at: Instant,
    max_concurrency: usize,
    progress: Mutex<Progress>,
}

impl<'a> Slice<'a> {
    /// A slice of the rotation that `record` describes, whose lease was asked for at `asked_at` and which has to be done
    /// by `deadline`.
    #[must_use]
    pub fn new(
        aws: &'a Aws,
        record: RotationRecord,
        asked_at: Instant,
        deadline: Instant,
        max_concurrency: usize,
    ) -> Self {
        let waited_before = Duration::from_millis(record.role_not_ready_ms);
        let mut progress = Progress::new(record.counts, record.stopped.clone(), waited_before);
        progress.is_planned = record.status == Status::InProgress;
        Self {
            aws,
            lease: Lease::taken(record.rotation_id.clone(), record.fence, asked_at),
            began_at: asked_at,
            ends_at: deadline.checked_sub(DEADLINE_RESERVE).unwrap_or(asked_at),
            max_concurrency,
            progress: Mutex::new(progress),
            record,
        }
    }

    /// Works until the rotation is at its end, and returns it. On every way out no call is left in flight, and the lease
    /// is given back.
    ///
    /// # Errors
    /// Why the rotation is not at its end, and how far it is.
    pub async fn run(self) -> Result<RotationRecord, Left> {
        // What the last event of this sandbox has learnt may be hours old: the ledger says how old.
        self.aws.eks.forget_paces();
        let done = Notify::new();
        let work = async {
            let end = self.advance().await;
            self.aws.keep_paces().await;
            done.notify_one();
            end
        };
        let (end, ()) = tokio::join!(work, self.lease.keep(self.aws, &done, || self.headway()));
        // No renewal is under way any more, so that closing meets none. Should the lease pass on meanwhile, the fence
        // keeps a late close out.
        let end = match end {
            Ok(record) => self.close(record).await,
            Err(error) => Err(error),
        };
        match end {
            Ok(record) => Ok(record),
            Err(error) => {
                let is_recorded = self.give_back().await;
                let role_not_ready_ms = self.role_not_ready_ms();
                let left = Standing::left(&self.progress(), role_not_ready_ms);
                let has_advanced = has_advanced(&Standing::of(&self.record), &left);
                let counts = self.progress().counts;
                Err(Left { reason: error, counts, is_recorded, has_advanced })
            }
        }
    }

    async fn advance(&self) -> Result<RotationRecord, SliceError> {
        self.prepare().await?;
        for _ in 0..SWEEPS_MAX {
            self.execute().await?;
            // Before the sweep: whatever the index learns after this keeps the rotation open.
            let before = self.aws.ledger.read(self.key()).await?.ok_or(SliceError::LeaseLost)?;
            let sweep = self.scan().await?;
            if sweep.created == 0 {
                return self.conclude(&before, &sweep).await;
            }
            info!(created = sweep.created, "the index shows new associations on the old role");
            let counts = &mut self.progress().counts;
            counts.total += sweep.created;
            counts.pending += sweep.created;
        }
        Err(SliceError::StillArriving)
    }

    /// Plans, or picks up where an earlier slice left off.
    async fn prepare(&self) -> Result<(), SliceError> {
        let resumed = self.record.fence > 1;
        if self.record.status == Status::Planning {
            let plan = self.scan().await?;
            let planned = Counts { total: plan.created, pending: plan.created, ..Counts::default() };
            let counts = if resumed { self.take_stock().await? } else { planned };
            self.aws.ledger.begin(self.key(), self.lease.fence(), &counts).await?;
            self.progress().recount(counts);
            self.progress().is_planned = true;
            info!(associations = counts.total, out_of_scope = plan.out_of_scope, "rotation planned");
        } else {
            let counts = self.take_stock().await?;
            info!(pending = counts.pending, associations = counts.total, "rotation resumed");
        }
        self.note_pace();
        let must_stop =
            if self.request().dry_run { None } else { self.progress().must_stop(self.request().max_errors) };
        match must_stop {
            Some(reason) => Ok(self.stop(&reason).await?),
            None => Ok(()),
        }
    }

    /// Counts the rows, and comes to the decision that may follow from them.
    async fn take_stock(&self) -> Result<Counts, SliceError> {
        let tally = self.tally().await?;
        self.progress().recount(tally.counts);
        if let Some(arn) = tally.contradicted {
            let first = self.progress().decide_to_stop();
            if first {
                self.stop(&format!("{arn}: EKS answered an update in a way that contradicts the request")).await?;
            }
        }
        Ok(tally.counts)
    }

    /// What the ledger's rows add up to.
    async fn tally(&self) -> Result<Tally, SliceError> {
        let mut tally = Tally::default();
        let mut start = None;
        loop {
            self.check()?;
            let page = self.aws.ledger.rows(self.key(), Select::All, start).await?;
            page.rows.iter().for_each(|row| tally.add(row));
            start = page.next;
            if start.is_none() {
                return Ok(tally);
            }
        }
    }

    /// The rotation's end, as its rows tell it, read once more. `before` is its item from before the sweep.
    async fn conclude(&self, before: &RotationRecord, sweep: &Scan) -> Result<RotationRecord, SliceError> {
        let mut tally = self.tally().await?;
        if tally.counts.pending > 0 {
            return Err(SliceError::StillPending { pending: tally.counts.pending });
        }
        tally.counts.out_of_scope = sweep.out_of_scope;
        // The index function counts, too, while the rotation is open.
        tally.counts.returned = sweep.returned.max(before.returned_count);
        let stopped = match &self.progress().stop {
            Stop::Recorded(reason) => Some(reason.clone()),
            Stop::No | Stop::Deciding | Stop::Unrecorded => None,
        };
        let indexes = self.aws.ledger.region_indexes().await?;
        let index_as_of =
            indexes.into_iter().filter_map(|(region, index)| Some((region, index.described_at?))).collect();
        let request = self.request();
        let closing = close(&tally, &request.old_role_arn, stopped.as_deref(), request.dry_run);
        Ok(RotationRecord {
            status: closing.status,
            reason: closing.reason,
            counts: tally.counts,
            finished_at: Some(self.aws.now()),
            old_role_in_use_until: closing.old_role_in_use_until,
            index_as_of,
            lease_until: None,
            progress: None,
            returned_count: before.returned_count,
            arrivals: before.arrivals,
            stopped,
            ..self.record.clone()
        })
    }

    /// Records the end, and gives locks and lease back with it.
    async fn close(&self, record: RotationRecord) -> Result<RotationRecord, SliceError> {
        self.check()?;
        self.aws.ledger.close(&record).await?;
        Ok(record)
    }

    /// Stops the rotation early: from here on associations are only looked at, in this slice and in those that follow.
    async fn stop(&self, reason: &str) -> Result<(), CallError> {
        warn!(reason, "rotation stops early");
        let recorded = self.aws.ledger.stop(self.key(), self.lease.fence(), reason).await;
        self.progress().stop = if recorded.is_ok() { Stop::Recorded(reason.to_owned()) } else { Stop::Unrecorded };
        match recorded {
            // A lost lease shows in `check`.
            Ok(()) | Err(LeaseError::Lost) => Ok(()),
            Err(LeaseError::Call(error)) => Err(error),
        }
    }

    /// How far the rotation is, for whoever looks at its item meanwhile.
    fn headway(&self) -> Headway {
        self.note_pace();
        let (progress, now) = (self.progress(), self.aws.now());
        let mut counts = progress.counts;
        if !progress.is_planned {
            // What the plan has so far, as far as this slice or one before it has counted. Nothing of it is begun.
            let planned = counts.total.max(progress.rows_added);
            (counts.total, counts.pending) = (planned, planned);
        }
        let estimate = progress.estimator.estimate(counts.pending);
        Headway {
            at: now,
            counts,
            settled_per_sec: estimate.map(|estimate| estimate.settled_per_sec),
            estimated_end_at: estimate.and_then(|estimate| estimate.left).map(|left| now + left),
        }
    }

    fn note_pace(&self) {
        let mut progress = self.progress();
        let settled = progress.counts.total - progress.counts.pending;
        progress.estimator.note(self.began_at.elapsed(), settled);
    }

    /// Returns whether the ledger knows how far the rotation is.
    async fn give_back(&self) -> bool {
        if !self.lease.is_held() {
            return false;
        }
        let role_not_ready_ms = self.role_not_ready_ms();
        let progress = self.headway();
        let leaving = Leaving { counts: progress.counts, progress, role_not_ready_ms, idle_since: progress.at };
        let given_back = self.aws.ledger.give_back(self.key(), self.lease.fence(), &leaving).await;
        if let Err(error) = &given_back {
            warn!(%error, "the lease could not be given back; it runs out by itself");
        }
        given_back.is_ok()
    }

    /// For how long the new role has not been ready, in all.
    fn role_not_ready_ms(&self) -> u64 {
        let waited = self.progress().role_not_ready_for(Instant::now());
        u64::try_from(waited.as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether there is time, a lease and a reason to go on.
    fn check(&self) -> Result<(), SliceError> {
        if !self.lease.allows_writes() || self.progress().stop == Stop::Unrecorded {
            return Err(SliceError::LeaseLost);
        }
        if Instant::now() >= self.ends_at {
            return Err(SliceError::OutOfTime);
        }
        Ok(())
    }

    /// Whether an earlier slice may have written to EKS: none does before the plan is complete.
    fn is_resumed(&self) -> bool {
        self.record.status == Status::InProgress
    }

    fn key(&self) -> &str {
        &self.record.rotation_id
    }

    fn request(&self) -> &RotationRequest {
        &self.record.request
    }

    /// Never held across an await.
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
