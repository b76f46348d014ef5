//! The latency of calls, smoothed as TCP smooths its round-trip time (RFC 6298).

use std::time::Duration;

/// How long responses take, in seconds. Zero before the first response.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Latency {
    pub(super) mean: f64,
    pub(super) deviation: f64,
}

impl Latency {
    /// Records the time that a response took.
    pub(super) fn note(&mut self, taken: Duration) {
        let secs = taken.as_secs_f64();
        if self.mean == 0.0 {
            *self = Self {
                mean: secs,
                deviation: secs / 4.0,
            };
        } else {
            self.deviation += ((secs - self.mean).abs() - self.deviation) / 8.0;
            self.mean += (secs - self.mean) / 8.0;
        }
    }
}
