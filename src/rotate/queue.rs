//! Starts the rotations that waited for a role, once it is free. Whose turn it is, is decided in
//! `rerole_core::rotation`.
//!
//! The slice that closes a rotation calls this for both of its roles, and so does a command after
//! which another rotation may be first. The check for stalled rotations repeats it, in case an
//! invocation died in between.

use rerole_core::call::CallError;
use rerole_core::keys::RotationKey;
use rerole_core::resource::RoleArn;
use rerole_core::rotation::{
    Author, QueueEntry, RoleRecord, RotationRecord, Status, first_in, is_turn_of,
};
use tracing::info;

use crate::aws::Aws;
use crate::rotate::executions::ensure_execution;

/// Others change the items of the roles between read and write only now and then.
const ATTEMPTS: u32 = 4;

/// Starts the rotation that is first in the queue of each of these roles, if it is its turn. If it
/// has had its turn, but no slice works on it, starts its execution: the invocation that gave it
/// its turn may have died.
///
/// # Errors
/// If DynamoDB or Step Functions cannot be reached.
pub(super) async fn start_next(
    aws: &Aws,
    roles: [&RoleArn; 2],
    by: &Author,
) -> Result<(), CallError> {
    // Both roles may lead to the same rotation.
    let mut started = None;
    for role in roles {
        for _ in 0..ATTEMPTS {
            match Box::pin(start_next_of(aws, role, started.as_ref(), by)).await? {
                Next::Started(key) => started = Some(key),
                Next::Nothing => {}
                Next::Changed => continue,
            }
            break;
        }
    }
    Ok(())
}

/// What came of the next rotation of a role.
enum Next {
    /// It has had its turn, and an execution works on it.
    Started(RotationKey),
    /// There is none to start.
    Nothing,
    /// Something has changed since it was read.
    Changed,
}

/// As [`start_next`], for one role. `started` is the rotation that the other role has led to.
async fn start_next_of(
    aws: &Aws,
    role: &RoleArn,
    started: Option<&RotationKey>,
    by: &Author,
) -> Result<Next, CallError> {
    let Some(role) = aws.ledger.roles().read(role).await? else {
        return Ok(Next::Nothing);
    };
    let rotations = aws.ledger.rotations();
    if let Some(holder) = &role.held_by {
        if started == Some(holder) {
            return Ok(Next::Nothing);
        }
        let holder = rotations.read(holder).await?;
        let is_idle = |holder: &RotationRecord| {
            holder.state.work().is_some() && !holder.is_leased_at(aws.now())
        };
        return Ok(match holder.filter(is_idle) {
            Some(holder) => {
                ensure_execution(aws, &holder).await?;
                Next::Started(holder.key)
            }
            None => Next::Nothing,
        });
    }
    let queue = queue_of(aws, &role).await?;
    let Some(first) = first_in(&queue) else {
        return Ok(Next::Nothing);
    };
    match rotations.read(first).await? {
        Some(first) => Box::pin(start(aws, &first, by)).await,
        None => Ok(Next::Nothing),
    }
}

/// Starts a queued rotation, if it is its turn.
async fn start(aws: &Aws, queued: &RotationRecord, by: &Author) -> Result<Next, CallError> {
    let ledger = &aws.ledger;
    let (roles, stack) = (ledger.roles(), ledger.stack());
    let (roles, stack) = tokio::try_join!(roles.pair(&queued.request), stack.read())?;
    let old = queue_of(aws, &roles.old).await?;
    let new = queue_of(aws, &roles.new).await?;
    let of_roles = [(&roles.old, old.as_slice()), (&roles.new, new.as_slice())];
    if stack.is_frozen() || !is_turn_of(&queued.key, of_roles) {
        return Ok(Next::Nothing);
    }
    let rotations = ledger.rotations();
    if !rotations
        .start_queued(queued, &roles, by, aws.now())
        .await?
    {
        return Ok(Next::Changed);
    }
    info!(rotationId = %queued.key, "queued rotation started");
    if let Some(started) = rotations.read(&queued.key).await? {
        Box::pin(ensure_execution(aws, &started)).await?;
    }
    Ok(Next::Started(queued.key.clone()))
}

/// Returns the rotations that wait for a role, up to the first that is not paused.
async fn queue_of(aws: &Aws, role: &RoleRecord) -> Result<Vec<QueueEntry>, CallError> {
    let mut queue = Vec::new();
    for key in &role.waiting {
        if let Some(status) = status_of(aws, key).await? {
            queue.push(QueueEntry {
                key: key.clone(),
                status,
            });
        }
        if first_in(&queue).is_some() {
            break;
        }
    }
    Ok(queue)
}

async fn status_of(aws: &Aws, key: &RotationKey) -> Result<Option<Status>, CallError> {
    let record = aws.ledger.rotations().read(key).await?;
    Ok(record.map(|record| record.status()))
}
