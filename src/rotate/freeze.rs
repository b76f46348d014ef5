//! What a freeze of the stack means for its open rotations. Those that a slice works on are
//! interrupted by it (`slice/renewal.rs`), and then paused when the next slice would open them. The
//! others are paused here, and here all of them continue afterwards.

use rerole_core::call::CallError;
use rerole_core::rotation::{Author, Cause, RotationRecord, StackRecord, Status};
use tracing::{info, warn};

use crate::aws::Aws;
use crate::rotate::executions::ensure_execution;
use crate::rotate::open_rotations::find_valid;
use crate::rotate::queue::start_next;

/// Pauses the open rotations that no slice works on, if the stack is frozen. If it is not, starts
/// those again that a freeze has paused or queued.
///
/// # Errors
/// If DynamoDB or Step Functions cannot be reached. What could be done is done.
pub(super) async fn follow_stack(
    aws: &Aws,
    stack: &StackRecord,
    by: &Author,
) -> Result<(), CallError> {
    let statuses = if stack.is_frozen() {
        [Status::Planning, Status::InProgress]
    } else {
        [Status::Paused, Status::Queued]
    };
    let mut first_error = None;
    for status in statuses {
        for record in find_valid(aws, status).await? {
            let followed = match status {
                Status::Paused => resume(aws, &record, by).await,
                Status::Queued => {
                    start_next(aws, [&record.old_role_arn, &record.new_role_arn], by).await
                }
                _ => pause(aws, &record, stack, by).await,
            };
            if let Err(error) = followed {
                warn!(rotationId = %record.key, %error, "rotation does not follow the stack yet");
                first_error.get_or_insert(error);
            }
        }
    }
    first_error.map_or(Ok(()), Err)
}

/// Makes sure that each rotation that a slice may work on, and none does, has an execution. After a
/// freeze, an invocation that died may have left some without.
///
/// # Errors
/// If DynamoDB or Step Functions cannot be reached. What could be done is done.
pub(super) async fn start_idle(aws: &Aws) -> Result<(), CallError> {
    let mut first_error = None;
    for status in [Status::Planning, Status::InProgress] {
        for record in find_valid(aws, status).await? {
            if record.is_leased_at(aws.now()) {
                continue;
            }
            if let Err(error) = ensure_execution(aws, &record).await {
                warn!(rotationId = %record.key, %error, "idle rotation was not started");
                first_error.get_or_insert(error);
            }
        }
    }
    first_error.map_or(Ok(()), Err)
}

async fn pause(
    aws: &Aws,
    record: &RotationRecord,
    stack: &StackRecord,
    by: &Author,
) -> Result<(), CallError> {
    let now = aws.now();
    if !record.request.dry_run && !record.is_leased_at(now) {
        let rotations = aws.ledger.rotations();
        let by = (&stack.author(by), stack.reason.as_deref());
        rotations.apply(Cause::Frozen, record, by, now).await?;
    }
    Ok(())
}

async fn resume(aws: &Aws, record: &RotationRecord, by: &Author) -> Result<(), CallError> {
    let rotations = aws.ledger.rotations();
    let resumed = rotations.apply(Cause::Unfrozen, record, (by, None), aws.now());
    if let Some(resumed) = resumed.await? {
        info!(rotationId = %resumed.key, "rotation continues after the freeze");
        ensure_execution(aws, &resumed).await?;
    }
    Ok(())
}
