//! How long to pause between attempts. Who attempts what, and how often, is decided by the callers.

use std::time::Duration;

/// Pauses that double after each attempt, up to a maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first attempt.
    pub first: Duration,
    pub max: Duration,
}

impl Backoff {
    /// Returns the pause after this many attempts, at least one.
    #[must_use]
    pub fn pause(self, attempts: u32) -> Duration {
        let factor = 2_u32.saturating_pow(attempts.saturating_sub(1));
        self.first.saturating_mul(factor).min(self.max)
    }

    /// Returns between half of the pause and all of it. Otherwise callers that failed together
    /// would also retry together. `random` is a number from 0 to 1.
    #[must_use]
    pub fn jittered(self, attempts: u32, random: f64) -> Duration {
        self.pause(attempts).mul_f64(0.5 + random / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_secs(2),
        max: Duration::from_secs(15),
    };

    #[test]
    fn the_pause_doubles_up_to_the_maximum() {
        for (attempts, secs) in [(1, 2), (2, 4), (3, 8), (4, 15), (100, 15), (u32::MAX, 15)] {
            assert_eq!(
                BACKOFF.pause(attempts),
                Duration::from_secs(secs),
                "{attempts}"
            );
        }
    }

    #[test]
    fn at_most_half_of_the_pause_is_random() {
        for (random, secs) in [(0.0, 4), (0.5, 6), (1.0, 8)] {
            assert_eq!(
                BACKOFF.jittered(3, random),
                Duration::from_secs(secs),
                "{random}"
            );
        }
    }
}
