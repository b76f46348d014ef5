//! What happens to an index run that is out of time: the state machine resumes it, or the next
//! schedule does.

use rerole_core::call::{CallError, Operation};
use rerole_core::indexing::Run;
use rerole_core::state_machine::Execution;
use tracing::{info, warn};

use crate::aws::Aws;
use crate::aws::state_machine::{HAND_OVER_TIMEOUT, Started, StateMachine};

/// The maximum number of closed executions of one index run. Each was stopped by an operator, or
/// failed and raised an alarm.
const EXECUTIONS_MAX: u64 = 100;

/// Starts the state machine, which invokes the function with `resume` until the run is finished. If
/// it cannot be started, the next schedule resumes the run.
pub(super) async fn hand_over(aws: &Aws, run: &Run) {
    let Some(state_machine) = &aws.state_machine else {
        return;
    };
    let execution = Execution::IndexRun(run.started_at);
    let started = tokio::time::timeout(HAND_OVER_TIMEOUT, start(state_machine, &execution)).await;
    match started.unwrap_or_else(|_| Err(timed_out(&execution))) {
        Ok(execution) => info!(execution, "index run handed over to the state machine"),
        Err(error) => warn!(%error, "index run not handed over, the next schedule resumes it"),
    }
}

/// Starts the execution under the first of its names that no closed execution has. Returns that
/// name.
async fn start(state_machine: &StateMachine, execution: &Execution) -> Result<String, CallError> {
    for run in 1..=EXECUTIONS_MAX {
        if let Started::Running(name) = state_machine.start(execution, run).await? {
            return Ok(name);
        }
    }
    let first = execution.name(1);
    let problem = format!("{EXECUTIONS_MAX} executions are closed; check why they failed");
    Err(CallError::limit_reached(
        Operation::on("start execution", &first),
        problem,
    ))
}

fn timed_out(execution: &Execution) -> CallError {
    let name = execution.name(1);
    CallError::timed_out(Operation::on("start execution", &name), HAND_OVER_TIMEOUT)
}
