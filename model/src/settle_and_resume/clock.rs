//! The time of the model.

use rerole_core::timestamp::Timestamp;

use crate::requests::at;

/// `EKS_CALL_TIMEOUT` in `src/aws/eks/region.rs`.
pub(super) const TICK_SECS: u8 = 4;

/// Returns the time at a tick.
pub(super) fn time(tick: u8) -> Timestamp {
    at(1_000 + u32::from(tick) * u32::from(TICK_SECS))
}
