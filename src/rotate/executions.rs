//! Makes sure that the state machine works on a rotation.
//!
//! The number in an execution's name is in the rotation's item (`executionRun`), so no names are
//! tried out, and starting twice starts once. A command or a turn that makes a rotation ready for a
//! slice increments it: the execution before ends when it finds the rotation paused, so it cannot
//! be relied on.

use rerole_core::call::{CallError, Operation};
use rerole_core::keys::RotationKey;
use rerole_core::rotation::RotationRecord;
use rerole_core::state_machine::Execution;
use tracing::{info, warn};

use crate::aws::Aws;
use crate::aws::state_machine::{HAND_OVER_TIMEOUT, Started, StateMachine};

/// Others increment the number at the same time only now and then.
const ATTEMPTS: u32 = 4;

/// Makes sure that an execution of the state machine works on the rotation. Without a state
/// machine, its event has to be sent again.
///
/// # Errors
/// If Step Functions or DynamoDB cannot be reached.
pub(super) async fn ensure_execution(aws: &Aws, record: &RotationRecord) -> Result<(), CallError> {
    let key = &record.key;
    let Some(state_machine) = &aws.state_machine else {
        warn!(rotationId = %key, "no state machine: send the event of the rotation again");
        return Ok(());
    };
    let started = start(aws, state_machine, record.clone());
    let started = tokio::time::timeout(HAND_OVER_TIMEOUT, started).await;
    let name = started.unwrap_or_else(|_| {
        let operation = Operation::on("start execution for", key);
        Err(CallError::timed_out(operation, HAND_OVER_TIMEOUT))
    })?;
    info!(
        execution = name,
        "rotation handed over to the state machine"
    );
    Ok(())
}

async fn start(
    aws: &Aws,
    state_machine: &StateMachine,
    record: RotationRecord,
) -> Result<String, CallError> {
    let (key, mut run) = (record.key, record.execution_run);
    let execution = Execution::Rotation(key.clone());
    for _ in 0..ATTEMPTS {
        if let Started::Running(name) = state_machine.start(&execution, run).await? {
            return Ok(name);
        }
        // It was stopped, or has failed.
        run = next_run(aws, &key, run).await?;
    }
    let problem = format!("{ATTEMPTS} executions were closed one after the other");
    Err(CallError::contention(
        Operation::on("start execution for", &key),
        problem,
    ))
}

/// Returns the number of the next execution, which the rotation's item has from now on.
async fn next_run(aws: &Aws, key: &RotationKey, closed: u64) -> Result<u64, CallError> {
    let rotations = aws.ledger.rotations();
    if rotations.set_execution_run(key, closed).await? {
        return Ok(closed + 1);
    }
    let record = rotations.read(key).await?;
    Ok(record.map_or(closed + 1, |record| record.execution_run))
}
