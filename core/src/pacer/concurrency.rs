//! How many associations must be in flight to call EKS at the rate that its pacer allows.

use crate::pacer::TUNING;

/// The load of a region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// The rate of calls, per second.
    pub per_sec: f64,
    /// The mean latency. Zero before the first response.
    pub latency_secs: f64,
}

impl Load {
    /// Returns how many associations must be in flight for the rate to be used in full.
    ///
    /// More would only wait for permits.
    #[must_use]
    pub fn concurrency(self) -> usize {
        let secs = self.latency_secs + TUNING.overhead_secs;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive number of a few thousand"
        )]
        let concurrency = (self.per_sec * secs + TUNING.spare).ceil() as usize;
        concurrency
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_and_the_latency_determine_the_concurrency() {
        for (per_sec, latency_secs, expected) in [
            (0.2, 0.1, 3),
            (5.0, 0.1, 4),
            (10.0, 0.0, 5),
            (20.0, 0.15, 10),
            (20.0, 2.0, 47),
            (100.0, 0.15, 42),
        ] {
            let load = Load {
                per_sec,
                latency_secs,
            };
            assert_eq!(load.concurrency(), expected, "{load:?}");
        }
    }
}
