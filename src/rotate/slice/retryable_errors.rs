//! The retryable errors of one association in flight, and what they mean for its cluster. When a
//! cluster is left alone or given up is decided in `rerole_core::rotation::CircuitBreaker`.

use rerole_core::call::{CallError, ErrorClass};
use rerole_core::resource::AssociationArn;
use rerole_core::rotation::Place;
use rerole_core::timestamp::Timestamp;

use crate::rotate::slice::context::Context;

/// Retryable errors in a row after which no more associations of the same cluster are started. With
/// their pauses they take some seconds, which a short disturbance does not.
const FAILING_AFTER: u32 = 3;

/// The retryable errors in a row of an association in flight.
#[derive(Debug)]
pub(super) struct RetryableErrors<'a> {
    slice: &'a Context<'a>,
    region: &'a str,
    cluster_arn: String,
    in_a_row: u32,
}

impl<'a> RetryableErrors<'a> {
    pub(super) fn new(slice: &'a Context<'a>, arn: &'a AssociationArn) -> Self {
        Self {
            slice,
            region: arn.region(),
            cluster_arn: arn.cluster_arn(),
            in_a_row: 0,
        }
    }

    /// Counts an error. If there are many in a row, the cluster counts as failing.
    pub(super) fn count(&mut self) {
        self.in_a_row += 1;
        if self.in_a_row == FAILING_AFTER {
            self.slice.state().note_failing(&self.cluster_arn);
        }
    }

    /// Resets the count: EKS has responded, or the association is not in flight any more.
    pub(super) fn reset(&mut self) {
        if self.is_failing() {
            self.slice.state().note_recovery(&self.cluster_arn);
        }
        self.in_a_row = 0;
    }

    /// Returns whether the cluster counts as failing because of this association.
    pub(super) fn is_failing(&self) -> bool {
        self.in_a_row >= FAILING_AFTER
    }

    /// Returns the last error if so many associations of the cluster have stayed pending in this
    /// slice that it tries no more of them.
    pub(super) fn tripped(&self) -> Option<CallError> {
        let now = self.slice.aws.now();
        let state = self.slice.state();
        state.circuit_breaker.tripped(&self.cluster_arn, now)
    }

    /// Returns since when there have been such errors, if that is so long that the association
    /// fails: from its cluster, or throttles in its region.
    pub(super) fn given_up_since(&self, error: &CallError) -> Option<Timestamp> {
        let key = match error.class {
            ErrorClass::Throttled => self.region,
            _ => &self.cluster_arn,
        };
        let now = self.slice.aws.now();
        self.slice.state().circuit_breaker.given_up(key, now)
    }

    /// Notes that EKS throttled a call. The association stays in flight.
    pub(super) fn note_throttle(&self) {
        let now = self.slice.aws.now();
        let mut state = self.slice.state();
        state.circuit_breaker.note_throttle(self.region, now);
    }

    /// Notes that the association stays pending because of this error.
    pub(super) fn note_unsettled(&self, error: &CallError) {
        let now = self.slice.aws.now();
        let mut state = self.slice.state();
        state
            .circuit_breaker
            .note_failure(&self.cluster_arn, error, now);
    }

    /// Notes that the association is settled.
    pub(super) fn note_settled(&self) {
        let place = Place {
            region: self.region,
            cluster_arn: &self.cluster_arn,
        };
        self.slice.state().circuit_breaker.note_success(place);
    }
}
