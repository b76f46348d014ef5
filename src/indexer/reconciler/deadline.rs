//! How much time a slice keeps in reserve: the longest that its last step and its end can take.

use std::time::Duration;

use crate::aws::dynamodb::DYNAMODB_OPERATION_TIMEOUT;
use crate::aws::eks::EKS_CALL_TIMEOUT;
use crate::aws::state_machine::HAND_OVER_TIMEOUT;

/// A slice starts no further step if less time than this is left. The step is one Describe. The
/// operations on DynamoDB are: read the role's rotations and the row, record a reversion (a
/// transaction, which takes twice as long), store the item, save the learned rates, save the run,
/// queue the next run, and read how old the index is. Then the run is handed over.
///
/// A check for reversions can take longer, if it follows a chain of rotations while DynamoDB is
/// slow. Lambda then ends the invocation before it saves the step, and the next slice repeats it.
pub const RECONCILE_RESERVE: Duration = EKS_CALL_TIMEOUT
    .saturating_add(DYNAMODB_OPERATION_TIMEOUT.saturating_mul(9))
    .saturating_add(HAND_OVER_TIMEOUT);
