//! Every scenario makes progress: once its faults have ended, an invocation that finishes does so
//! within three times the time that its calls need.

use std::time::{Duration, SystemTime};

use rerole_core::pacer::TUNING;
use rerole_sim::{CallRecord, Service};

use crate::harness::Harness;

/// What the calls may take longer than they need.
const FACTOR: f64 = 3.0;
/// The pauses that do not depend on the number of calls: the hold of a rate before the search for a
/// higher one, and the backoff of retries.
const PAUSES: Duration = Duration::from_secs(10);

impl Harness {
    /// Checks that an invocation that started at `from`, and has finished its work now, was not
    /// slow.
    pub(super) fn check_liveness(&self, from: SystemTime) {
        if !self.aws.options().keep_log {
            return;
        }
        let calls = self.aws.calls();
        let since = calls.iter().filter_map(|call| self.fault_end(call)).max();
        let since = since.map_or(from, |fault_end| fault_end.max(from));
        let (eks, others): (Vec<_>, Vec<_>) = calls
            .iter()
            .filter(|record| record.sent_at >= since)
            .partition(|record| record.call.service == Service::Eks);
        let options = self.aws.options();
        let per_sec = options.throttle.map_or(TUNING.start_per_sec, |throttle| {
            throttle.rate_per_sec.min(TUNING.start_per_sec)
        });
        let needed = count(&eks) / per_sec + count(&others) * options.latency.end().as_secs_f64();
        let allowed = Duration::from_secs_f64(FACTOR * needed) + PAUSES;
        let took = self.aws.now().duration_since(since).unwrap_or_default();
        assert!(
            took <= allowed,
            "took {took:?} after the last fault, and {} calls to EKS and {} others need {needed:.1} s",
            eks.len(),
            others.len()
        );
    }

    /// When the fault of a call ended, if it had one. A refusal by a condition is none, and neither
    /// is a throttle by a token bucket.
    fn fault_end(&self, record: &CallRecord) -> Option<SystemTime> {
        let end = record.received_at.unwrap_or(record.sent_at);
        let took = end.duration_since(record.sent_at).unwrap_or_default();
        let is_refusal = match record.call.service {
            Service::Eks => record.status.is_some_and(|status| match status {
                404 => false,
                429 => self.aws.options().throttle.is_none(),
                status => status >= 400,
            }),
            Service::DynamoDb => record.error_code.as_ref().is_some_and(|code| {
                ![
                    "ConditionalCheckFailedException",
                    "TransactionCanceledException",
                ]
                .contains(&code.as_str())
            }),
            Service::StepFunctions => record.error_code.is_some(),
        };
        // Latency alone does not take that long.
        let is_delayed = took > 2 * *self.aws.options().latency.end();
        let is_fault = record.received_at.is_none() || is_delayed || is_refusal;
        is_fault.then_some(end)
    }
}

fn count(calls: &[&CallRecord]) -> f64 {
    f64::from(u32::try_from(calls.len()).unwrap())
}
