//! What the steps of a slice share: the clients, the detector of reversions and the deadline; and
//! what each step does with the run. The steps themselves are in `run`, `missing` and `cluster`.

use std::time::Duration;

use rerole_core::indexing::{RUN_LEASE, Run};
use rerole_core::rotation::Status;
use tokio::time::Instant;
use tracing::warn;

use crate::aws::Aws;
use crate::indexer::reconciler::deadline::RECONCILE_RESERVE;
use crate::indexer::reconciler::error::{Halt, ReconcileError, SliceEnd};
use crate::indexer::retry::RetryError;
use crate::indexer::reversions::ReversionDetector;

/// How often a slice checks whether a rotation is active. If so, the run yields, and the rotation
/// has all the calls that EKS admits.
const CHECK_ROTATIONS_INTERVAL: Duration = Duration::from_secs(30);

/// Does slices of index runs.
pub struct Reconciler<'a> {
    pub(super) aws: &'a Aws,
    pub(super) reversions: &'a ReversionDetector<'a>,
    /// Associations in flight at once.
    pub(super) concurrency: usize,
    /// The slice starts no further step at or after this time.
    pub(super) ends_at: Instant,
    checked_rotations_at: Option<Instant>,
    /// Is called with the run after each save.
    on_save: Box<dyn Fn(&Run) + Send + Sync + 'a>,
}

impl<'a> Reconciler<'a> {
    /// A reconciler whose invocation ends at `deadline`.
    #[must_use]
    pub fn new(
        aws: &'a Aws,
        reversions: &'a ReversionDetector<'a>,
        concurrency: usize,
        deadline: Instant,
    ) -> Self {
        let ends_at = deadline
            .checked_sub(RECONCILE_RESERVE)
            .unwrap_or_else(Instant::now);
        Self {
            aws,
            reversions,
            concurrency,
            ends_at,
            checked_rotations_at: None,
            on_save: Box::new(|_| {}),
        }
    }

    /// Calls `on_save` with the run after each save.
    #[must_use]
    pub fn on_save(self, on_save: impl Fn(&Run) + Send + Sync + 'a) -> Self {
        Self {
            on_save: Box::new(on_save),
            ..self
        }
    }

    /// Checks that the slice may start another step: there is time, and no rotation is active.
    pub(super) async fn check(&mut self) -> Result<(), Halt> {
        if Instant::now() >= self.ends_at {
            return Err(Halt::End(SliceEnd::OutOfTime));
        }
        if self
            .checked_rotations_at
            .is_some_and(|at| at.elapsed() < CHECK_ROTATIONS_INTERVAL)
        {
            return Ok(());
        }
        self.checked_rotations_at = Some(Instant::now());
        for status in [Status::Planning, Status::InProgress] {
            let page = self.aws.ledger.by_status(status, None).await?;
            let now = self.aws.now();
            if page
                .rotations
                .iter()
                .any(|rotation| rotation.is_leased_at(now))
            {
                return Err(Halt::End(SliceEnd::Yielded));
            }
        }
        Ok(())
    }

    /// Saves the run's progress and renews its lease.
    pub(super) async fn save(&self, run: &mut Run) -> Result<(), ReconcileError> {
        run.lease_until = Some(self.aws.now() + RUN_LEASE);
        run.counts.calls += self.aws.eks.take_calls();
        self.aws.ledger.save_run(run).await?;
        (self.on_save)(run);
        Ok(())
    }
}

/// Notes in the run that a cluster could not be reconciled. The run continues with the others.
pub(super) fn note_cluster_error(run: &mut Run, name: &str, error: RetryError) -> Result<(), Halt> {
    match error {
        RetryError::OutOfTime => Err(Halt::End(SliceEnd::OutOfTime)),
        RetryError::Call(error) => {
            warn!(cluster = name, %error, "cluster not reconciled");
            run.note_error(Some(name), error.to_string());
            Ok(())
        }
    }
}
