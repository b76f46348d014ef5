//! A look for rotations that nobody works on: they are open, and no retry will come for them any more. Such a rotation keeps
//! the locks of its roles, and ends when its event is put again. Nothing is done about it here but to say so.

use std::time::Duration;

use tracing::warn;

use crate::aws::Aws;
use crate::aws::error::CallError;
use crate::status::Status;

/// Lambda's retries come one and two minutes after a failed invocation, and a lease of a dead one ends after less than a
/// minute: a rotation that has been idle for longer has most likely been given up.
pub const STALLED_AFTER: Duration = Duration::from_mins(10);
/// Names listed in the answer. The log has all of them.
const NAMES_MAX: usize = 100;

/// The rotations that nobody works on.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stalled {
    pub count: u64,
    /// The ledger keys of the first of them.
    pub first: Vec<String>,
}

impl Stalled {
    fn add(&mut self, key: String) {
        self.count += 1;
        if self.first.len() < NAMES_MAX {
            self.first.push(key);
        }
    }
}

/// Looks through all rotations that are open.
///
/// # Errors
/// Where the ledger cannot be read.
pub async fn stalled_rotations(aws: &Aws) -> Result<Stalled, CallError> {
    let now = aws.now();
    let mut stalled = Stalled::default();
    for status in [Status::Planning, Status::InProgress] {
        let mut start = None;
        loop {
            let page = aws.ledger.by_status(status, start).await?;
            for record in page.rotations {
                let idle = record.idle_for(now);
                if idle < STALLED_AFTER {
                    continue;
                }
                warn!(
                    rotationId = record.rotation_id,
                    idle_seconds = idle.as_secs(),
                    old_role = %record.old_role_arn,
                    new_role = %record.new_role_arn,
                    "nobody works on this rotation: put its event again"
                );
                stalled.add(record.rotation_id);
            }
            // Nobody can work on these.
            page.unreadable.into_iter().for_each(|key| stalled.add(key));
            start = page.next;
            if start.is_none() {
                break;
            }
        }
    }
    Ok(stalled)
}
