//! The situations that histories reach, counted. A guarantee that was never in danger has not been
//! tested, so CI fails if one of [`REQUIRED`] was not reached.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How often each situation was reached.
pub type Counts = BTreeMap<String, u64>;

/// The situations of one history.
#[derive(Debug, Clone, Default)]
pub struct Situations(Arc<Mutex<Counts>>);

impl Situations {
    pub fn note(&self, name: &str) {
        *self.lock().entry(name.to_owned()).or_default() += 1;
    }

    pub fn counts(&self) -> Counts {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the histories of CI must reach.
pub const REQUIRED: [&str; 121] = [
    // Ends of rotations and of their associations.
    "status Succeeded",
    "status Incomplete",
    "status CompletedWithFailures",
    "status Failed",
    "status NoAssociations",
    "status Planned",
    "status Cancelled",
    "status RolledBack",
    "status RollbackIncomplete",
    "outcome Updated",
    "outcome Updated, inferred",
    "outcome AlreadyCurrent",
    "outcome Drifted",
    "outcome Deleted",
    "outcome OwnedByAddon",
    "outcome Failed",
    "outcome NotAttempted",
    "outcome WouldUpdate",
    "outcome ChangedSince",
    // What invocations say.
    "Rotate: InProgress",
    "Rotate: Paused",
    "Rotate: Queued",
    "Rotate: Cancel Accepted",
    "Rotate: Cancel Accepted for a dry run",
    "Rotate: Cancel Refused",
    "Rotate: Change Accepted",
    "Rotate: Freeze Accepted",
    "Rotate: Pause Accepted",
    "Rotate: Pause Accepted for a dry run",
    "Rotate: Pause NoChange",
    "Rotate: Resume Accepted",
    "Rotate: Resume NoChange",
    "Rotate: Retry Accepted",
    "Rotate: Retry Refused",
    "Rotate: Rollback Accepted",
    "Rotate: Rollback NoChange",
    "Rotate: Rollback Refused",
    "Rotate: Unfreeze Accepted",
    "Rotate: Rejected",
    "Rotate: already running",
    "Rotate: error Busy",
    "Rotate: error Incomplete",
    "Rotate: error LedgerUnavailable",
    "Rotate: error Lambda.Unknown",
    "Indexer: Finished",
    "Indexer: Yielded",
    "Indexer: AlreadyRunning",
    "Indexer: NothingToResume",
    "Indexer: messages followed",
    "Indexer: messages failed",
    "Indexer: error ReconcileFailed",
    "Indexer: error Lambda.Unknown",
    "execution Succeeded",
    // Who got the lease, and what the indexer told the rotations.
    "lease taken over after it expired",
    "lease taken up after its release",
    "thawed Rotate: InProgress",
    "thawed Rotate: Succeeded",
    "thawed Indexer: messages followed",
    "arrival",
    "reversion",
    "tombstone",
    "update replayed",
    // Faults.
    "ArriveLate at DynamoDb",
    "ArriveLate at Eks",
    "CloudTrail event lost",
    "CloudTrail event repeated",
    "Conflict at DynamoDb",
    "Delay at DynamoDb",
    "Delay at Eks",
    "DelayResponse at DynamoDb",
    "DelayResponse at Eks",
    "LoseRequest at DynamoDb",
    "LoseRequest at Eks",
    "LoseResponse at DynamoDb",
    "LoseResponse at Eks",
    "ServerError at DynamoDb",
    "ServerError at Eks",
    "Throttle at DynamoDb",
    "Throttle at Eks",
    "dip of EKS's rate",
    "death of Rotate before TransactWriteItems",
    "death of Rotate after TransactWriteItems",
    "death of Rotate before UpdatePodIdentityAssociation",
    "death of Rotate after UpdatePodIdentityAssociation",
    "death of Rotate before UpdateItem",
    "death of Rotate after UpdateItem",
    "death of Indexer before PutItem",
    "death of Indexer after PutItem",
    "death of Rotate before DescribePodIdentityAssociation",
    "death of Rotate after DescribePodIdentityAssociation",
    "death of Rotate before GetItem",
    "death of Rotate after GetItem",
    "death of Rotate before Query",
    "death of Rotate after Query",
    "death of Indexer before DescribePodIdentityAssociation",
    "death of Indexer after DescribePodIdentityAssociation",
    "death of Indexer before GetItem",
    "death of Indexer after GetItem",
    "freeze of Rotate before TransactWriteItems",
    "freeze of Rotate after TransactWriteItems",
    "freeze of Rotate before UpdateItem",
    "freeze of Rotate after UpdateItem",
    "freeze of Rotate before UpdatePodIdentityAssociation",
    "freeze of Rotate after UpdatePodIdentityAssociation",
    "freeze of Indexer before PutItem",
    "freeze of Indexer after PutItem",
    // What people and the stack's schedules do.
    "step Adopt",
    "step BreakRole",
    "step Command",
    "step Create",
    "step CreateCluster",
    "step Delete",
    "step DeleteCluster",
    "step Deny",
    "step MoveByAddon",
    "step Reconcile",
    "step Recreate",
    "step Request",
    "step SetRole",
    "step SetTargetRole",
    // Nothing had to be repaired by hand or by a full run, before the guarantees were checked.
    "checked before an operator and a full run",
];

/// The required situations that were not reached.
pub fn missing(counts: &Counts) -> Vec<&'static str> {
    let is_missing = |name: &&str| !counts.contains_key(*name);
    REQUIRED.into_iter().filter(is_missing).collect()
}
