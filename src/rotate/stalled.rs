//! The check for stalled rotations: open ones that no invocation works on, and that no retry will
//! resume. It starts idle rotations, and reports those that stay idle for ten minutes.
//!
//! `RotationRecord::is_stalled` decides, the alarm is in `template.yaml`, and the metric in
//! `crate::lambda::metrics`. Paused and queued rotations are not stalled: they wait for a command
//! or for their turn.

use std::time::Duration;

use rerole_core::call::CallError;
use rerole_core::rotation::{Author, RotationRecord, Status};
use rerole_core::timestamp::Timestamp;
use tracing::warn;

use crate::aws::Aws;
use crate::aws::ledger::FoundRotation;
use crate::rotate::executions::ensure_execution;
use crate::rotate::freeze::follow_stack;
use crate::rotate::open_rotations::find;

/// Ledger keys in the response. The log has all of them.
const KEYS_MAX: usize = 100;
/// How long a rotation is idle before the check starts it. Lambda retries one and two minutes after
/// a failed invocation.
const RESTART_AFTER: Duration = Duration::from_mins(3);
/// The maximum number of rotations that one check starts. The next one starts more.
const RESTARTS_MAX: usize = 100;

/// What the check has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stalled {
    pub count: u64,
    /// The ledger keys of the first ones.
    pub first: Vec<String>,
    /// Since when the stack is frozen, if it is.
    pub frozen_at: Option<Timestamp>,
}

impl Stalled {
    fn add(&mut self, key: String) {
        self.count += 1;
        if self.first.len() < KEYS_MAX {
            self.first.push(key);
        }
    }
}

/// Reads all open rotations, starts idle ones, and returns those that are stalled.
///
/// # Errors
/// If the ledger cannot be read. A rotation that could not be started is logged, and counts as
/// stalled once it has been idle for ten minutes.
pub async fn check_stalled(aws: &Aws, request_id: &str) -> Result<Stalled, CallError> {
    let now = aws.now();
    let mut stalled = Stalled::default();
    let mut idle = Vec::new();
    for status in Status::OPEN {
        for found in find(aws, status).await? {
            match found {
                FoundRotation::Record(record) if record.state.work().is_none() => {}
                FoundRotation::Record(record) => {
                    if record.is_stalled(now) {
                        log(&record, record.idle_for(now));
                        stalled.add(record.key.to_string());
                    }
                    if record.idle_for(now) >= RESTART_AFTER && idle.len() < RESTARTS_MAX {
                        idle.push(*record);
                    }
                }
                // No invocation can work on a rotation that it cannot read.
                FoundRotation::Malformed { ledger_key } => stalled.add(ledger_key),
            }
        }
    }
    let stack = aws.ledger.stack().read().await?;
    stalled.frozen_at = stack.frozen_at;
    let by = Author::rerole(request_id);
    if let Err(error) = follow_stack(aws, &stack, &by).await {
        warn!(%error, "not all rotations follow the stack, the next check tries again");
    }
    restart(aws, idle).await;
    Ok(stalled)
}

/// Starts idle rotations. While Step Functions cannot be reached, none can be started.
async fn restart(aws: &Aws, idle: Vec<RotationRecord>) {
    for record in idle {
        if let Err(error) = ensure_execution(aws, &record).await {
            warn!(
                rotationId = %record.key,
                %error,
                "idle rotation was not started, the next check tries again"
            );
            if error.class.is_retryable() {
                return;
            }
        }
    }
}

fn log(record: &RotationRecord, idle_for: Duration) {
    warn!(
        rotationId = %record.key,
        idleSecs = idle_for.as_secs(),
        oldRole = %record.old_role_arn,
        newRole = %record.new_role_arn,
        "stalled rotation"
    );
}
