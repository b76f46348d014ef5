//! The latency of calls, smoothed as TCP smooths its round-trip time (RFC 6298).

use std::time::Duration;

use crate::pacer::TUNING;

/// How long responses take on average. Zero before the first response.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Latency {
    secs: f64,
}

impl Latency {
    /// Records the time that a response took.
    pub(super) fn note(&mut self, taken: Duration) {
        let secs = taken.as_secs_f64();
        if self.secs == 0.0 {
            self.secs = secs;
        } else {
            self.secs += (secs - self.secs) * TUNING.latency_gain;
        }
    }

    pub(super) fn secs(self) -> f64 {
        self.secs
    }
}
