//! What one pacer leaves to the next: a rate, which is worth less the older it is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A rate so young is followed. An older one is only where the search begins.
const FRESH: Duration = Duration::from_mins(15);
/// In this time a figure loses half of what it says.
const HALF_LIFE: Duration = Duration::from_hours(24);

/// A rate that was measured, in calls per second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Learnt(f64);

impl Learnt {
    /// `None` for what cannot be a rate.
    #[must_use]
    pub fn new(per_sec: f64) -> Option<Self> {
        (per_sec.is_finite() && (super::PACE_MIN..=super::PACE_MAX).contains(&per_sec)).then_some(Self(per_sec))
    }

    #[must_use]
    pub fn per_sec(self) -> f64 {
        self.0
    }

    /// Where it is young enough to be followed.
    pub(super) fn if_fresh(self, age: Duration) -> Option<f64> {
        (age <= FRESH).then_some(self.0)
    }

    /// On its way from the rate to `unknown`, which is where one begins without any.
    pub(super) fn decayed(self, age: Duration, unknown: f64) -> f64 {
        let worth = (-age.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2();
        unknown * (self.0 / unknown).powf(worth)
    }
}

impl TryFrom<f64> for Learnt {
    type Error = String;

    fn try_from(per_sec: f64) -> Result<Self, Self::Error> {
        Self::new(per_sec).ok_or_else(|| format!("{per_sec} calls per second is no rate"))
    }
}

impl From<Learnt> for f64 {
    fn from(learnt: Learnt) -> Self {
        learnt.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_decays_to_what_is_assumed_without_one() {
        for (per_sec, hours, expected) in [
            (2.5, 0, 2.5),
            // Half of the way, as rates go: the geometric mean.
            (2.5, 24, 5.0),
            (40.0, 24, 20.0),
            (2.5, 24 * 30, 10.0),
        ] {
            let decayed = Learnt::new(per_sec).unwrap().decayed(Duration::from_hours(hours), 10.0);
            assert!((decayed - expected).abs() < 1e-6, "{per_sec} after {hours} h: {decayed}");
        }
    }

    #[test]
    fn what_is_no_rate_is_not_read() {
        for text in ["0", "-1", "1e9", "\"5\""] {
            assert!(serde_json::from_str::<Learnt>(text).is_err(), "{text}");
        }
        assert_eq!(serde_json::from_str::<Learnt>("4.5").ok(), Learnt::new(4.5));
    }
}
