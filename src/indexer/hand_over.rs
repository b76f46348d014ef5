//! What happens to an index run that is out of time: the state machine resumes it, or the next
//! schedule does.

use rerole_core::indexing::Run;
use rerole_core::state_machine::Execution;
use tracing::{info, warn};

use crate::aws::Aws;

/// Starts the state machine, which invokes the function with `resume` until the run is finished. If
/// it cannot be started, the next schedule resumes the run.
pub(super) async fn hand_over(aws: &Aws, run: &Run) {
    let Some(state_machine) = &aws.state_machine else {
        return;
    };
    match state_machine
        .start(&Execution::IndexRun(run.started_at))
        .await
    {
        Ok(execution) => info!(execution, "index run handed over to the state machine"),
        Err(error) => warn!(%error, "index run not handed over, the next schedule resumes it"),
    }
}
