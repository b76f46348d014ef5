//! Compares the index with EKS and changes neither, for the CLI. It is the walk of the reconciler,
//! for another purpose.

use rerole_core::indexing::{Run, RunRequest};
use tokio::time::Instant;

use crate::aws::Aws;
use crate::aws::ledger::LeaseError;
use crate::indexer::walker::{Difference, Halt, Purpose, WalkContext, Walker};

/// What a comparison has found.
#[derive(Debug)]
pub struct Comparison {
    /// What a run that repairs the index would do.
    pub run: Run,
    pub differences: Vec<Difference>,
}

/// Why a comparison could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum ComparisonError {
    #[error("time is up")]
    OutOfTime,
    #[error(transparent)]
    Call(#[from] LeaseError),
}

/// Compares the regions and clusters of the request, with at most `concurrency` associations in
/// flight. Calls `on_step` after each step.
///
/// # Errors
/// If time is up. An error of EKS or of the index is in the run's `errors` instead.
pub async fn compare(
    aws: &Aws,
    request: &RunRequest,
    concurrency: usize,
    ends_at: Instant,
    on_step: impl Fn(&Run) + Send + Sync,
) -> Result<Comparison, ComparisonError> {
    let context = WalkContext {
        aws,
        purpose: Purpose::Compare,
        concurrency,
        ends_at,
    };
    // Calls from before the run do not count. The ledger never has this run, so its fence is no
    // real one.
    aws.eks.take_calls();
    let mut run = Run::start(request.clone(), 0, aws.now());
    let mut walker = Walker::new(context, &on_step);
    match walker.walk(&mut run).await {
        Ok(()) => Ok(Comparison {
            run,
            differences: walker.into_differences(),
        }),
        // Only a walk that repairs yields, or fails to save its run.
        Err(Halt::OutOfTime | Halt::Yielded) => Err(ComparisonError::OutOfTime),
        Err(Halt::Error(error)) => Err(error.into()),
    }
}
