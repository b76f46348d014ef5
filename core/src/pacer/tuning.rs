//! Every constant of the pacer, with its derivation: first those of the controller, then limits and
//! what is known from elsewhere. `cargo bench -p rerole-core --bench pacer` changes the
//! controller's one by one; docs/performance.md has the result.

use std::time::Duration;

/// The constants. Rates are in calls per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tuning {
    /// The rate of the first calls. Half of it would cost each rotation the time of one doubling.
    /// Twice of it would have twice as many calls in flight when a small bucket is found empty.
    pub start_per_sec: f64,
    /// The time in which a rising rate doubles is this many latencies. A throttle is known one
    /// latency after its call was sent, and the rate has then risen by 12 %: few calls are in
    /// flight that the bucket cannot admit.
    pub doubling_latencies: f64,
    /// … but at most this many seconds: with latencies of seconds, the search would take minutes.
    pub doubling_secs_max: f64,
    /// How many seconds a measured rate is held before the search for a higher one. The end of a
    /// drop is noticed after this time. Each search costs a few throttles: at 5/s, one or two of 60
    /// calls.
    pub hold_secs: f64,
    /// … or for this many calls, if that is sooner: above 25/s. A search costs two or three of
    /// them.
    pub hold_calls: f64,
    /// … and for at least this many of the pauses that the service requests with a throttle,
    /// because each search costs one. Then at most a ninth of the time is lost.
    pub hold_pauses: f64,
    /// With a share below 100 %, no throttle is expected at the right rate, and a search uses more
    /// than the share: what is in the bucket, and the whole rate for a second or two. So the rate
    /// is held for this many seconds divided by the share. With a bucket of 2 s, the searches then
    /// use about a tenth of what the share uses, and with 80 %, the end of a drop is noticed after
    /// 45 s.
    pub share_hold_secs: f64,
    /// A full bucket is assumed to hold the inflow of this many seconds. AWS does not publish it.
    /// If it holds more, the first rate is too high, and the second throttle, which comes soon,
    /// measures the rate itself. If it holds less, the first rate is too low until the next search.
    /// So this is a small bucket.
    pub bucket_secs: f64,
    /// A rate that was measured over this many calls is exact to a tenth. Latencies and a part of a
    /// token make up more in shorter times.
    pub exact_calls: f64,
    /// Calls between two throttles fit a measured rate if they differ from the expected number by
    /// at most this many, because calls overtake each other in flight, plus the square root of the
    /// expected number, by which the calls of other callers vary. Without it, latencies of 20 ms to
    /// 2 s cost a seventh of the time.
    pub tolerated_calls: f64,
    /// Unused permits are kept for this many seconds. Timers are late by milliseconds: without it,
    /// each late permit would be lost. More would be sent as a burst.
    pub credit_secs: f64,
    // Limits, and what is known from elsewhere. `Pacer::with_tuning` changes only some of these.
    /// The part by which a new latency changes the mean: that of TCP (RFC 6298).
    pub latency_gain: f64,
    /// The lowest rate. Less than one call in 2 s is an outage, and its end must be noticed soon.
    pub per_sec_min: f64,
    /// The highest rate. A function with one CPU does not send as many calls.
    pub per_sec_max: f64,
    /// A longer pause than this, if the service requests one, is taken for a mistake.
    pub retry_after_max: Duration,
    /// A learned rate is followed up to this age, which is that of an invocation. From an older
    /// rate a pacer only starts its search.
    pub fresh_max: Duration,
    /// After this time a learned rate has lost half of its weight: quotas change within days.
    pub half_life: Duration,
    /// Calls closer together than this share a mark in the history. At the end of a search, a
    /// coarser one would make the estimate of the rate less exact.
    pub mark_gap: Duration,
    /// The number of marks to keep: those of 100 s. Longer windows are hardly more exact.
    pub marks_max: usize,
    /// The seconds that an association takes for each of its calls to EKS besides the call: the
    /// ledger row, the index item, and some slack, which keeps one ready when a permit is due.
    pub overhead_secs: f64,
    /// Two more associations in flight than the rate needs: one being described, and one waiting
    /// for its update.
    pub spare: f64,
}

/// The constants that ship.
pub const TUNING: Tuning = Tuning {
    start_per_sec: 15.0,
    doubling_latencies: 6.0,
    doubling_secs_max: 3.0,
    hold_secs: 12.0,
    hold_calls: 300.0,
    hold_pauses: 8.0,
    share_hold_secs: 36.0,
    bucket_secs: 2.0,
    exact_calls: 10.0,
    tolerated_calls: 2.0,
    credit_secs: 0.1,
    latency_gain: 1.0 / 8.0,
    per_sec_min: 0.5,
    per_sec_max: 1_000.0,
    retry_after_max: Duration::from_mins(1),
    fresh_max: Duration::from_mins(15),
    half_life: Duration::from_hours(24),
    mark_gap: Duration::from_millis(100),
    marks_max: 1_024,
    overhead_secs: 0.25,
    spare: 2.0,
};
