//! What happens to a rotation that a slice did not finish: the state machine resumes it, or the
//! invocation fails and is repeated.

use rerole_core::rotation::RotationRecord;
use tracing::info;

use crate::aws::Aws;
use crate::rotate::error::{IncompleteReason, RotateError};
use crate::rotate::executions::ensure_execution;
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
/// or the state machine retries it. `record` is the rotation as the slice has opened it.
pub(super) async fn hand_over(
    aws: &Aws,
    record: &RotationRecord,
    incomplete: Incomplete,
    trigger: Trigger,
) -> Result<RotateResponse, RotateError> {
    let Incomplete {
        reason,
        status,
        counts,
        released,
        has_advanced,
    } = incomplete;
    let record = released.as_deref().unwrap_or(record);
    let rotation_id = record.request.rotation_id.clone();
    let unfinished = |reason| RotateError::Incomplete {
        rotation_id: rotation_id.clone(),
        reason,
        counts,
    };
    let is_out_of_time = matches!(reason, SliceError::OutOfTime);
    let is_error = !is_out_of_time && !matches!(reason, SliceError::Interrupted);
    let is_handed_over = match trigger {
        Trigger::StateMachine if !is_error => false,
        // Lambda delivers an event three times within minutes. The state machine retries for longer
        // than a row may stay pending because of retryable errors. If the lease could not be
        // released, it also waits until the lease expires.
        Trigger::Event if aws.state_machine.is_some() && is_retryable(&reason) => true,
        _ => return Err(unfinished(IncompleteReason::Slice(reason))),
    };
    if is_out_of_time && !has_advanced {
        return Err(RotateError::NoProgress {
            rotation_id,
            counts,
        });
    }
    if is_handed_over && let Err(error) = ensure_execution(aws, record).await {
        return Err(unfinished(IncompleteReason::NotHandedOver(error)));
    }
    info!(
        total = counts.total,
        pending = counts.pending,
        updated = counts.updated,
        failed = counts.failed,
        "rotation continues in the next slice"
    );
    Ok(RotateResponse::Open {
        rotation_id,
        status,
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
        | SliceError::LeaseLost
        | SliceError::Interrupted => true,
        SliceError::Call(error) => error.class.is_retryable(),
    }
}
