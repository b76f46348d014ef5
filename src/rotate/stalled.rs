//! Finds stalled rotations: open ones that no invocation works on, and that no retry will resume.
//!
//! Such a rotation keeps the locks of its roles until an operator sends its event again. Here it is
//! only reported. `RotationRecord::is_stalled` decides, the alarm is in `template.yaml`, and the
//! metric in `crate::lambda::metrics`.

use rerole_core::call::CallError;
use rerole_core::rotation::Status;
use tracing::warn;

use crate::aws::Aws;
use crate::aws::ledger::{FoundRotation, OPEN_ROTATION_PAGES};
use crate::aws::page::paginate;

/// Ledger keys in the response. The log has all of them.
const KEYS_MAX: usize = 100;

/// The stalled rotations.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stalled {
    pub count: u64,
    /// The ledger keys of the first ones.
    pub first: Vec<String>,
}

impl Stalled {
    fn add(&mut self, key: String) {
        self.count += 1;
        if self.first.len() < KEYS_MAX {
            self.first.push(key);
        }
    }
}

/// Reads all open rotations and returns those that are stalled.
///
/// # Errors
/// If the ledger cannot be read.
pub async fn stalled_rotations(aws: &Aws) -> Result<Stalled, CallError> {
    let now = aws.now();
    let mut stalled = Stalled::default();
    for status in [Status::Planning, Status::InProgress] {
        let rotations = aws.ledger.rotations();
        let mut pages = paginate(OPEN_ROTATION_PAGES, async |start| {
            rotations.by_status(status, start).await
        });
        while let Some(page) = pages.next().await? {
            for found in page {
                match found {
                    FoundRotation::Record(record) if record.is_stalled(now) => {
                        warn!(
                            rotationId = %record.key,
                            idleSecs = record.idle_for(now).as_secs(),
                            oldRole = %record.old_role_arn,
                            newRole = %record.new_role_arn,
                            "stalled rotation"
                        );
                        stalled.add(record.key.to_string());
                    }
                    FoundRotation::Record(_) => {}
                    // No invocation can work on a rotation that it cannot read.
                    FoundRotation::Malformed { ledger_key } => stalled.add(ledger_key),
                }
            }
        }
    }
    Ok(stalled)
}
