//! How much time a slice keeps in reserve: the longest that its last step and its end can take.

use std::time::Duration;

use crate::aws::dynamodb::DYNAMODB_OPERATION_TIMEOUT;
use crate::aws::eks::EKS_CALL_TIMEOUT;
use crate::aws::ledger::ROUNDS_TIMEOUT;
use crate::aws::state_machine::HAND_OVER_TIMEOUT;

/// A slice starts no further step if less time than this is left.
pub const DEADLINE_RESERVE: Duration = STEP_MAX.saturating_add(END_MAX);
/// A change of the ledger: a batch of rows, the end of the plan, or the close.
const STEP_MAX: Duration = ROUNDS_TIMEOUT;
/// An association, from its Describe on: its update, its row, and the record of a departure, which
/// follows an update that succeeded, or of a stop, which follows one that did not.
const ASSOCIATION_MAX: Duration = EKS_CALL_TIMEOUT
    .saturating_mul(2)
    .saturating_add(DYNAMODB_OPERATION_TIMEOUT.saturating_mul(2));
const _: () = assert!(
    ASSOCIATION_MAX.as_millis() <= STEP_MAX.as_millis(),
    "an association takes no longer than a change of the ledger"
);
/// The last renewal of the lease, saving the learned rates, releasing the lease, and handing over.
const END_MAX: Duration = DYNAMODB_OPERATION_TIMEOUT
    .saturating_mul(3)
    .saturating_add(HAND_OVER_TIMEOUT);
