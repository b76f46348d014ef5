//! The options of the simulated AWS. By default it is undisturbed: latencies are small, nothing is
//! throttled, and no errors are injected.
//!
//! Faults of single calls are not options; a test injects them with `SimulatedAws::on_call`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use crate::call::Service;

/// 2026-11-23T21:00:00Z, where the simulated clock starts by default.
const STARTS_AT_EPOCH_SECS: u64 = 1_795_467_600;

/// EKS shows each change at once.
const NO_LAG: RangeInclusive<Duration> = Duration::ZERO..=Duration::ZERO;

/// How a simulated AWS behaves.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent property of AWS"
)]
pub struct Options {
    /// All random values (latencies, ids, which calls fail) are drawn from this seed; one seed
    /// gives one trace.
    pub seed: u64,
    /// The 12-digit account of callers whose access key is not itself a 12-digit account.
    pub account: String,
    /// The region of the queues, functions, stacks and other resources that a test creates through
    /// a `SimulatedAws`, unless it says another with `SimulatedAws::in_region`. Callers see the
    /// resources of their own account and region.
    pub region: String,
    /// The time that the clock shows at first; it then advances with tokio's clock.
    pub starts_at: SystemTime,
    /// Latency of each call: half of it passes before the effect, half after. Zero is allowed.
    pub latency: RangeInclusive<Duration>,
    /// The latency of EKS calls if it differs from the others'.
    pub eks_latency: Option<RangeInclusive<Duration>>,
    /// Throttles EKS calls per account and region. DynamoDB has `dynamodb_throttle_share`.
    pub throttle: Option<Throttle>,
    /// Which of these calls share a token bucket.
    pub buckets: Buckets,
    /// Throttled EKS calls fail with HTTP 429 without an error code.
    pub bare_throttle: bool,
    /// The `retry-after` header of throttled EKS calls; no header without it.
    pub retry_after_secs: Option<u32>,
    /// EKS times are truncated to a multiple of this. Some emulators of AWS keep whole seconds
    /// only.
    pub modified_at_resolution: Duration,
    /// EKS returns session policies with other whitespace and in another order of their members
    /// than it was sent.
    pub reformat_policies: bool,
    /// A repeated `clientRequestToken` also replays an error, not only a success.
    pub replay_refusals: bool,
    /// Each Describe of an association or a cluster shows it as it was some time ago, drawn from
    /// this range. A later call may so show an older state than an earlier one.
    pub describe_lag: RangeInclusive<Duration>,
    /// The same for lists. All entries of one page are of the same time.
    pub list_lag: RangeInclusive<Duration>,
    /// How EKS responds to an update of an association that an add-on owns.
    pub addon_updates: AddonUpdates,
    /// How EKS responds to an update that changes nothing.
    pub same_role_updates: SameRoleUpdates,
    /// Queries and scans of the global secondary index with this name show its table as it was this
    /// long ago. Indexes that are not named do not lag.
    pub index_lag: BTreeMap<String, Duration>,
    /// The share (0 to 1) of `BatchWriteItem` and `BatchGetItem` entries that are returned
    /// unprocessed. At least one entry of each call is processed: AWS throttles a batch if it can
    /// process none of its entries.
    pub unprocessed_share: f64,
    /// The share (0 to 1) of `TransactWriteItems` calls that are canceled with
    /// `TransactionConflict`.
    pub transaction_conflict_share: f64,
    /// The share (0 to 1) of item calls that fail with `ProvisionedThroughputExceededException`.
    pub dynamodb_throttle_share: f64,
    /// The ledger has a stream. It keeps every version of every item, so it is for tests that read
    /// it.
    pub ledger_stream: bool,
    /// The share (0 to 1) of `PutEvents` entries that are refused, in a call that succeeds.
    pub refused_event_share: f64,
    /// Keeps every request and response for `SimulatedAws::calls`. Without it only `call_counts` is
    /// kept, and memory does not grow with the number of calls.
    pub keep_log: bool,
    /// Keeps only the calls to this service, if `keep_log` is set.
    pub log_only: Option<Service>,
    /// Makes a CloudTrail event for each EKS call that changes something. Without it memory does
    /// not grow with the number of calls.
    pub cloudtrail: bool,
    /// Throttled calls leave CloudTrail events as well. AWS does not document whether they do.
    pub cloudtrail_throttles: bool,
    /// `responseElements` contains the response. CloudTrail sets it to null for some services and
    /// for long responses.
    pub cloudtrail_response_elements: bool,
    /// `requestParameters` contains names from the path percent-encoded, as in the path. Without it
    /// they are decoded.
    pub cloudtrail_encoded_names: bool,
    /// How `responseElements` writes times.
    pub cloudtrail_times: CloudTrailTimes,
    /// How the events arrive that `LookupEvents` shows.
    pub event_delivery: EventDelivery,
    /// The path of a role that no test has created, and that no ARN in EKS names.
    pub role_path: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            account: "111122223333".to_owned(),
            region: "us-east-1".to_owned(),
            starts_at: SystemTime::UNIX_EPOCH + Duration::from_secs(STARTS_AT_EPOCH_SECS),
            latency: Duration::from_millis(20)..=Duration::from_millis(60),
            eks_latency: None,
            throttle: None,
            buckets: Buckets::PerRegion,
            bare_throttle: false,
            retry_after_secs: None,
            modified_at_resolution: Duration::from_millis(1),
            reformat_policies: false,
            replay_refusals: false,
            describe_lag: NO_LAG,
            list_lag: NO_LAG,
            addon_updates: AddonUpdates::Rejected,
            same_role_updates: SameRoleUpdates::Accepted,
            index_lag: BTreeMap::new(),
            unprocessed_share: 0.0,
            transaction_conflict_share: 0.0,
            dynamodb_throttle_share: 0.0,
            ledger_stream: false,
            refused_event_share: 0.0,
            keep_log: true,
            log_only: None,
            cloudtrail: false,
            cloudtrail_throttles: false,
            cloudtrail_response_elements: true,
            cloudtrail_encoded_names: true,
            cloudtrail_times: CloudTrailTimes::EpochSeconds,
            event_delivery: EventDelivery::default(),
            role_path: "/".to_owned(),
        }
    }
}

/// A token bucket: `burst` calls at once, refilled with `rate_per_sec` calls per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throttle {
    pub rate_per_sec: f64,
    pub burst: f64,
}

/// Which EKS calls of an account share a token bucket. AWS does not document it, so both can be
/// simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Buckets {
    /// All calls in a region.
    #[default]
    PerRegion,
    /// All calls of one operation in a region.
    PerOperation,
}

/// How EKS responds to an update of an association that an add-on owns. Sources contradict each
/// other, so both responses can be simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddonUpdates {
    /// `InvalidRequestException`.
    #[default]
    Rejected,
    Accepted,
}

/// How EKS responds to an update to the values that the association has already. AWS does not
/// document it, so both responses can be simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameRoleUpdates {
    /// The update succeeds and sets `modifiedAt`.
    #[default]
    Accepted,
    /// `InvalidParameterException`.
    Rejected,
}

/// How CloudTrail writes times in `responseElements`. It is not documented for associations, and
/// AWS services differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CloudTrailTimes {
    /// `1795468620.123`, as in the record of a `CreateCluster` in the user guide of EKS.
    #[default]
    EpochSeconds,
    /// `2026-11-23T21:17:00.123Z`
    Rfc3339,
    /// `Nov 23, 2026, 9:17:00 PM`
    English,
}

/// How events arrive in CloudTrail's event history. By default each is there at once, and once.
#[derive(Clone, Debug, PartialEq)]
pub struct EventDelivery {
    /// An event is visible so long after its time, drawn from this range.
    pub delay: RangeInclusive<Duration>,
    /// The share (0 to 1) of events that never arrive.
    pub lost_share: f64,
    /// The share (0 to 1) of events that are listed twice, with the same ID.
    pub duplicated_share: f64,
    /// The values, as JSON pointers into the record, that CloudTrail writes
    /// `HIDDEN_DUE_TO_SECURITY_REASONS` over: `/requestParameters/roleArn`. An event is still found
    /// by its resources.
    pub redacted: Vec<String>,
    /// Times in English have a narrow no-break space before AM and PM, as newer records have.
    pub narrow_spaces: bool,
}

impl Default for EventDelivery {
    fn default() -> Self {
        Self {
            delay: NO_LAG,
            lost_share: 0.0,
            duplicated_share: 0.0,
            redacted: Vec::new(),
            narrow_spaces: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Options;
    use crate::clock::rfc3339_millis;

    #[test]
    fn the_default_start_is_the_documented_one() {
        assert_eq!(
            rfc3339_millis(Options::default().starts_at),
            "2026-11-23T21:00:00.000Z"
        );
    }
}
