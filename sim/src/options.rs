//! How the simulated AWS behaves: one struct of switches, calm by default.
//!
//! Faults of single calls are not here: a test injects those with `SimulatedAws::on_call`.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

/// 2026-11-23T21:00:00Z, where the virtual clock starts unless told otherwise.
const STARTS_AT_EPOCH_SECS: u64 = 1_795_467_600;

/// The behaviour of a simulated AWS. `Options::default()` is a calm one: small latencies, no throttling, nothing injected.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a habit of AWS by itself; none says anything about another")]
pub struct Options {
    /// Everything random (latencies, ids, injected shares) is drawn from this; one seed gives one trace.
    pub seed: u64,
    /// The 12-digit account of callers whose access key is not itself a 12-digit account.
    pub account: String,
    /// What the clock shows at the beginning; it then advances with tokio's clock.
    pub starts_at: SystemTime,
    /// Latency of each call: half of it passes before the effect, half after. Zero is allowed.
    pub latency: RangeInclusive<Duration>,
    /// Throttles EKS calls per (account, region). DynamoDB has `dynamodb_throttles`.
    pub throttle: Option<Throttle>,
    /// Answers throttled EKS calls with HTTP 429 and no error code at all.
    pub bare_throttle: bool,
    /// Throttled EKS calls are told to come again after so many seconds, in a `retry-after` header.
    pub retry_after_secs: Option<u32>,
    /// EKS times are cut down to a multiple of this. Some counterparts keep whole seconds only.
    pub modified_at_resolution: Duration,
    /// A repeated `clientRequestToken` replays a refusal, too, not only a success.
    pub replay_refusals: bool,
    /// What EKS says to an update of an association that an add-on owns.
    pub addon_updates: AddonUpdates,
    /// What EKS says to an update that changes nothing.
    pub same_role_update: SameRole,
    /// Queries and scans of a global secondary index show the table as it was this long ago.
    pub index_lag: Duration,
    /// The share (0 to 1) of `BatchWriteItem` and `BatchGetItem` entries that come back unprocessed. At least one entry
    /// of each call is processed, as in AWS: a batch in which nothing was is a throttle.
    pub unprocessed: f64,
    /// The share (0 to 1) of `TransactWriteItems` calls cancelled with `TransactionConflict`.
    pub transaction_conflicts: f64,
    /// The share (0 to 1) of item calls answered with `ProvisionedThroughputExceededException`.
    pub dynamodb_throttles: f64,
    /// Keeps every request and response for `SimulatedAws::calls`. Off, only `call_counts` is kept, so that a fleet of
    /// any size runs in flat memory.
    pub keep_log: bool,
    /// Makes an event of each EKS call that changes something, for `SimulatedAws::trail` or `on_event`. Off, none is
    /// made, so that a fleet of any size runs in flat memory.
    pub trail: bool,
    /// Throttled calls leave events, too. Nobody promises that CloudTrail logs what a service turned away unread.
    pub trail_throttles: bool,
    /// `responseElements` has the answer. CloudTrail leaves it null for some services, and for answers that are too long.
    pub trail_response_elements: bool,
    /// `requestParameters` has the names from the path as they stood there, percent-encoded. Off, they are decoded.
    pub trail_encoded_names: bool,
    /// How `responseElements` writes times.
    pub trail_times: TrailTimes,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            account: "111122223333".to_owned(),
            starts_at: SystemTime::UNIX_EPOCH + Duration::from_secs(STARTS_AT_EPOCH_SECS),
            latency: Duration::from_millis(20)..=Duration::from_millis(60),
            throttle: None,
            bare_throttle: false,
            retry_after_secs: None,
            modified_at_resolution: Duration::from_millis(1),
            replay_refusals: false,
            addon_updates: AddonUpdates::Refused,
            same_role_update: SameRole::Accepted,
            index_lag: Duration::ZERO,
            unprocessed: 0.0,
            transaction_conflicts: 0.0,
            dynamodb_throttles: 0.0,
            keep_log: true,
            trail: false,
            trail_throttles: false,
            trail_response_elements: true,
            trail_encoded_names: true,
            trail_times: TrailTimes::EpochSeconds,
        }
    }
}

/// A token bucket: `burst` calls at once, refilled with `rate_per_sec` calls per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throttle {
    pub rate_per_sec: f64,
    pub burst: f64,
}

/// Sources conflict on whether EKS lets anybody but the add-on update its associations, so both are here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddonUpdates {
    /// `InvalidRequestException`.
    #[default]
    Refused,
    Allowed,
}

/// What EKS answers to an update that sets what is already set is not documented, so both are here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameRole {
    /// Succeeds, and `modifiedAt` moves.
    #[default]
    Accepted,
    /// `InvalidParameterException`.
    Refused,
}

/// No record of CloudTrail with a Pod Identity association in it was found, and services differ in how theirs write times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrailTimes {
    /// `1795468620.123`, as in the record of a `CreateCluster` in the user guide of EKS.
    #[default]
    EpochSeconds,
    /// `2026-11-23T21:17:00.123Z`
    Rfc3339,
    /// `Nov 23, 2026, 9:17:00 PM`
    English,
}
