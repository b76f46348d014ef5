//! Every scenario makes progress. Once its faults have ended, an invocation that succeeds takes at
//! most three times the time that its calls need: a retry or a repeated Describe is not needed. An
//! invocation that ends with an error is not checked, but the one that finishes its work is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use rerole_core::rotation::ARRIVALS_SHOWN_AFTER;
use rerole_sim::{Call, CallRecord, Options, Service, SimulatedAws};
use serde_json::Value;

use crate::common::environment::LEDGER;

/// What the calls may take longer than they need.
const FACTOR: f64 = 3.0;
/// The pauses that do not depend on the number of calls: backoff, the time until the rate is known,
/// and one hold of a rate before the search for a higher one.
const PAUSES: Duration = Duration::from_secs(12);
/// The pauses before and after the use of a role ends, which follow an index run.
const USE_PAUSES: Duration = ARRIVALS_SHOWN_AFTER.saturating_mul(2);
/// The time until something that EKS does not find counts as deleted. What is searched for by the
/// same operation in the same region is searched for side by side, as far as the rotations allow.
const ABSENCE: Duration = Duration::from_secs(10);
/// The longest pause after a refusal of DynamoDB that happens at random.
const REFUSAL_BACKOFF: Duration = Duration::from_secs(1);
/// The rate that is reached within that time if EKS throttles nothing. Faster rates hardly matter.
const UNTHROTTLED_PER_SEC: f64 = 40.0;

/// Checks that an invocation that started at `from`, and has just succeeded, was not slow.
pub fn check_liveness(aws: &SimulatedAws, from: SystemTime) {
    let options = aws.options();
    if !options.keep_log {
        return;
    }
    let calls = aws.calls();
    let since = calls
        .iter()
        .filter_map(|call| fault_end(options, call, aws.now()))
        .max();
    let since = since.map_or(from, |fault_end| fault_end.max(from));
    let calls = || calls.iter().filter(|record| record.sent_at >= since);
    // Each association is described and updated once, and each item is read and written once,
    // whatever was repeated.
    let (eks, others): (BTreeSet<_>, BTreeSet<_>) = calls()
        .map(what)
        .partition(|(service, ..)| *service == Service::Eks);
    let refusals = calls().filter(|record| is_refused_at_random(options, record));
    let per_sec = options
        .throttle
        .map_or(UNTHROTTLED_PER_SEC, |throttle| throttle.rate_per_sec);
    let latency_secs = options.latency.end().as_secs_f64();
    let needed = as_f64(eks.len()) / per_sec + as_f64(others.len()) * latency_secs;
    let mut absent: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for record in calls().filter(|record| record.status == Some(404)) {
        let Call {
            operation,
            region,
            subject,
            ..
        } = &record.call;
        let subjects = absent.entry((operation, region)).or_default();
        subjects.insert(subject);
    }
    let concurrency = max_concurrency(aws);
    let absences = absent
        .values()
        .map(|subjects| subjects.len().div_ceil(concurrency));
    let absences = ABSENCE * u32::try_from(absences.sum::<usize>()).unwrap();
    // An outdated response is repeated until EKS has caught up.
    let lag = 2 * *options.describe_lag.end().max(options.list_lag.end());
    // An index run walks through the regions in turn, and each has a rate of its own.
    let walks = |operation: &str| operation.starts_with("List") || operation == "DescribeCluster";
    let walked = calls().filter(|record| walks(&record.call.operation));
    let walked: BTreeSet<_> = walked.map(|record| &record.call.region).collect();
    let pauses = if walked.is_empty() {
        PAUSES
    } else {
        PAUSES * u32::try_from(walked.len()).unwrap() + USE_PAUSES
    };
    let backoff = REFUSAL_BACKOFF * u32::try_from(refusals.count()).unwrap();
    let allowed = Duration::from_secs_f64(FACTOR * needed) + pauses + absences + lag + backoff;
    let took = aws.now().duration_since(since).unwrap_or_default();
    assert!(
        took <= allowed,
        "took {took:?} after the last fault, and its calls need {needed:.1} s"
    );
}

/// What a call does, and to what.
fn what(record: &CallRecord) -> (Service, &str, &str) {
    let call = &record.call;
    (call.service, &call.operation, &call.subject)
}

/// The lowest ceiling that a rotation has.
fn max_concurrency(aws: &SimulatedAws) -> usize {
    let ceiling = |item: &Value| item["request"]["maxConcurrency"].as_str()?.parse().ok();
    let items = aws.items(LEDGER);
    items.iter().filter_map(ceiling).min().unwrap_or(usize::MAX)
}

/// When the fault of a call ended, if it had one. An expected refusal is none: of a condition,
/// by a token bucket, or for lack of a permission.
fn fault_end(options: &Options, record: &CallRecord, now: SystemTime) -> Option<SystemTime> {
    let end = record.received_at.unwrap_or(record.sent_at);
    let took = end.duration_since(record.sent_at).unwrap_or_default();
    // Another invocation may be waiting for a response.
    let is_in_flight = record.received_at.is_none() && now < end + 2 * *options.latency.end();
    if is_in_flight || is_refused_at_random(options, record) {
        return None;
    }
    let (status, code) = (record.status.unwrap_or_default(), &record.error_code);
    let is_error = match record.call.service {
        // The role is not ready yet, a throttle that was injected, or an error of the service.
        Service::Eks => {
            let is_denied = code.as_deref() == Some("AccessDeniedException");
            let is_role = code.as_deref() == Some("InvalidParameterException")
                || is_denied && record.call.operation.starts_with("Update");
            let is_injected = status == 429 && options.throttle.is_none();
            is_role || is_injected || status >= 500
        }
        Service::DynamoDb => {
            let expected = [
                "ConditionalCheckFailedException",
                "TransactionCanceledException",
            ];
            code.as_ref()
                .is_some_and(|code| !expected.contains(&code.as_str()))
        }
        _ => code.is_some(),
    };
    // Latency alone does not take that long.
    let is_delayed = took > 2 * *options.latency.end();
    (record.received_at.is_none() || is_delayed || is_error).then_some(end)
}

/// Returns whether DynamoDB refused the call because of an option that makes it do so at random,
/// and so for ever.
fn is_refused_at_random(options: &Options, record: &CallRecord) -> bool {
    let is_random = options.dynamodb_throttle_share > 0.0;
    let throttle = "ProvisionedThroughputExceededException";
    is_random && record.error_code.as_deref() == Some(throttle)
}

fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}
