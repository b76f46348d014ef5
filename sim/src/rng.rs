//! Random values, all drawn from the seed. Each purpose has a stream of its own: an additional draw
//! for one purpose, for example a longer id, does not change the values of the others.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::hash::fnv_1a;

/// Seeded draws for latencies, ids and injected errors.
pub(crate) struct Rng {
    latency: fastrand::Rng,
    ids: fastrand::Rng,
    shares: fastrand::Rng,
    event_ids: fastrand::Rng,
    resource_ids: fastrand::Rng,
}

impl Rng {
    pub(crate) fn from_seed(seed: u64) -> Self {
        let mut root = fastrand::Rng::with_seed(seed);
        Self {
            latency: root.fork(),
            ids: root.fork(),
            shares: root.fork(),
            event_ids: root.fork(),
            resource_ids: root.fork(),
        }
    }

    /// A latency within the range, to the microsecond.
    pub(crate) fn latency(&mut self, range: &RangeInclusive<Duration>) -> Duration {
        let micros = |duration: &Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let (min, max) = (micros(range.start()), micros(range.end()));
        if max <= min {
            *range.start()
        } else {
            Duration::from_micros(self.latency.u64(min..=max))
        }
    }

    /// True in this share (0 to 1) of draws. A share of zero draws nothing.
    pub(crate) fn happens(&mut self, share: f64) -> bool {
        share > 0.0 && self.shares.f64() < share
    }

    /// A request id in the form of a UUID, as EKS and Step Functions give.
    pub(crate) fn uuid(&mut self) -> String {
        uuid(&mut self.ids)
    }

    /// The id of an EventBridge event or of a CloudTrail record.
    pub(crate) fn event_id(&mut self) -> String {
        uuid(&mut self.event_ids)
    }

    /// The id of a message, a stack or another resource that AWS names by a UUID.
    pub(crate) fn resource_id(&mut self) -> String {
        uuid(&mut self.resource_ids)
    }

    /// A request id of 52 upper-case letters and digits, as DynamoDB gives.
    pub(crate) fn dynamodb_request_id(&mut self) -> String {
        (0..52)
            .map(|_| self.ids.alphanumeric().to_ascii_uppercase())
            .collect()
    }
}

/// The stream of what has this name. It does not depend on what was drawn before, so what is made
/// on demand is the same in whatever order it is asked for.
pub(crate) fn stream_of(seed: u64, name: &str) -> fastrand::Rng {
    fastrand::Rng::with_seed(fnv_1a(name.bytes()) ^ seed)
}

/// A duration within the range, to the millisecond. A range of one value draws nothing.
pub(crate) fn draw(rng: &mut fastrand::Rng, range: &RangeInclusive<Duration>) -> Duration {
    let millis = |duration: &Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (min, max) = (millis(range.start()), millis(range.end()));
    if max <= min {
        *range.start()
    } else {
        Duration::from_millis(rng.u64(min..=max))
    }
}

/// A random UUID (version 4) from this stream.
pub(crate) fn uuid(rng: &mut fastrand::Rng) -> String {
    let hex = format!("{:032x}", rng.u128(..));
    format!(
        "{}-{}-4{}-a{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..]
    )
}

/// This many upper-case letters and digits from this stream, as in access keys.
pub(crate) fn uppercase_alphanumerics(rng: &mut fastrand::Rng, len: usize) -> String {
    lowercase_alphanumerics(rng, len).to_ascii_uppercase()
}

/// This many lower-case letters and digits from this stream.
pub(crate) fn lowercase_alphanumerics(rng: &mut fastrand::Rng, len: usize) -> String {
    const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    (0..len)
        .map(|_| char::from(ALPHABET[rng.usize(..ALPHABET.len())]))
        .collect()
}
