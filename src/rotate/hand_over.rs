//! What happens to a rotation that a slice did not finish: the state machine resumes it, or the
//! invocation fails and is repeated.

use rerole_core::call::CallError;
use rerole_core::keys::RotationKey;
use rerole_core::request::RotationRequest;
use rerole_core::rotation::Status;
use rerole_core::state_machine::Execution;
use tracing::info;

use crate::aws::Aws;
use crate::aws::state_machine::StateMachine;
use crate::rotate::error::{IncompleteReason, RotateError};
use crate::rotate::response::RotateResponse;
use crate::rotate::slice::{Incomplete, SliceError};

/// What triggered this slice, and so what happens after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    /// Lambda delivers an event at most three times.
    Event,
    /// The state machine invokes the function until the rotation is finished.
    StateMachine,
}

/// Makes sure that an unfinished rotation is resumed. If time was up, or a retryable error ended
/// the slice, the state machine resumes it. If another error did, the invocation fails, and Lambda
/// or the state machine retries it.
pub(super) async fn hand_over(
    aws: &Aws,
    request: &RotationRequest,
    incomplete: Incomplete,
    trigger: Trigger,
) -> Result<RotateResponse, RotateError> {
    let Incomplete {
        reason,
        counts,
        has_advanced,
        ..
    } = incomplete;
    let rotation_id = request.rotation_id.clone();
    let unfinished = |reason| RotateError::Incomplete {
        rotation_id: rotation_id.clone(),
        reason,
        counts,
    };
    let is_out_of_time = matches!(reason, SliceError::OutOfTime);
    let state_machine = match (trigger, &aws.state_machine) {
        (Trigger::StateMachine, _) if is_out_of_time => None,
        // Lambda delivers an event three times within minutes. The state machine retries for longer
        // than a row may stay pending because of retryable errors. If the lease could not be
        // released, it also waits until the lease expires.
        (Trigger::Event, Some(state_machine)) if is_retryable(&reason) => Some(state_machine),
        _ => return Err(unfinished(IncompleteReason::Slice(reason))),
    };
    if is_out_of_time && !has_advanced {
        return Err(RotateError::NoProgress {
            rotation_id,
            counts,
        });
    }
    if let Some(state_machine) = state_machine
        && let Err(error) = start_execution(state_machine, request).await
    {
        return Err(unfinished(IncompleteReason::NotHandedOver(error)));
    }
    info!(
        total = counts.total,
        pending = counts.pending,
        updated = counts.updated,
        failed = counts.failed,
        "rotation continues in the next slice"
    );
    Ok(RotateResponse::InProgress {
        rotation_id,
        status: Status::InProgress,
        counts,
    })
}

/// Returns whether a later slice may succeed although nothing is changed before it. A lease that
/// was lost may be that of another invocation. Then the state machine waits until that one is done.
fn is_retryable(reason: &SliceError) -> bool {
    match reason {
        SliceError::OutOfTime
        | SliceError::Unsettled { .. }
        | SliceError::StillPending { .. }
        | SliceError::StillArriving
        | SliceError::LeaseLost => true,
        SliceError::Call(error) => error.class.is_retryable(),
    }
}

/// Hands the rotation over to the state machine.
async fn start_execution(
    state_machine: &StateMachine,
    request: &RotationRequest,
) -> Result<(), CallError> {
    let key = RotationKey::of(request);
    let execution = state_machine.start(&Execution::Rotation(key)).await?;
    info!(execution, "rotation handed over to the state machine");
    Ok(())
}
