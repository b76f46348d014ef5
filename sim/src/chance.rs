//! Everything random, drawn from the seed. Each purpose has its own stream, so that an extra draw for one (a longer id,
//! say) does not shift the others.

use fastrand::Rng;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Seeded draws for latencies, ids and injected shares.
pub(crate) struct Chance {
    latency: Rng,
    ids: Rng,
    shares: Rng,
    event_ids: Rng,
}

impl Chance {
    pub(crate) fn from_seed(seed: u64) -> Self {
        let mut root = Rng::with_seed(seed);
        Self { latency: root.fork(), ids: root.fork(), shares: root.fork(), event_ids: root.fork() }
    }

    /// A latency within the range, to the microsecond.
    pub(crate) fn latency(&mut self, range: &RangeInclusive<Duration>) -> Duration {
        let micros = |duration: &Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let (least, most) = (micros(range.start()), micros(range.end()));
        if most <= least { *range.start() } else { Duration::from_micros(self.latency.u64(least..=most)) }
    }

    /// True in this share (0 to 1) of draws. A share of zero draws nothing.
    pub(crate) fn happens(&mut self, share: f64) -> bool {
        share > 0.0 && self.shares.f64() < share
    }

    /// A request id in the form of a UUID, as EKS gives.
    pub(crate) fn uuid(&mut self) -> String {
        uuid(&mut self.ids)
    }

    /// An id of an event, or of its record in CloudTrail.
    pub(crate) fn event_id(&mut self) -> String {
        uuid(&mut self.event_ids)
    }

    /// A request id of 52 upper-case letters and digits, as DynamoDB gives.
    pub(crate) fn dynamodb_request_id(&mut self) -> String {
        (0..52).map(|_| self.ids.alphanumeric().to_ascii_uppercase()).collect()
    }
}

/// A random UUID (version 4) from this stream.
pub(crate) fn uuid(rng: &mut Rng) -> String {
    let bits = rng.u128(..);
    let hex = format!("{bits:032x}");
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// This many lower-case letters and digits from this stream.
pub(crate) fn lowercase_alphanumerics(rng: &mut Rng, len: usize) -> String {
    (0..len).map(|_| char::from(b"0123456789abcdefghijklmnopqrstuvwxyz"[rng.usize(..36)])).collect()
}
