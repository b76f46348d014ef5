//! A measured rate, which one pacer passes to the next. It means less the older it is.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::pacer::TUNING;

/// The lowest rate and the highest one, in calls per second.
const RANGE: RangeInclusive<f64> = TUNING.per_sec_min..=TUNING.per_sec_max;

/// A measured rate, in calls per second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Rate(f64);

impl Rate {
    /// Returns `None` if the number is outside the range of rates.
    #[must_use]
    pub fn new(per_sec: f64) -> Option<Self> {
        RANGE.contains(&per_sec).then_some(Self(per_sec))
    }

    /// Returns the calls per second.
    #[must_use]
    pub fn per_sec(self) -> f64 {
        self.0
    }

    /// Returns the calls per second if the rate is fresh enough to follow.
    pub(super) fn if_fresh(self, age: Duration) -> Option<f64> {
        (age <= TUNING.fresh_max).then_some(self.0)
    }

    /// Returns the calls per second, decayed toward `default`, at which a pacer starts without a
    /// learned rate.
    pub(super) fn decayed(self, age: Duration, default: f64) -> f64 {
        let weight = (-age.div_duration_f64(TUNING.half_life)).exp2();
        default * (self.0 / default).powf(weight)
    }
}

impl TryFrom<f64> for Rate {
    type Error = String;

    fn try_from(per_sec: f64) -> Result<Self, Self::Error> {
        Self::new(per_sec).ok_or_else(|| {
            let (min, max) = (RANGE.start(), RANGE.end());
            format!("{per_sec} calls per second is not a rate; allowed: {min} to {max}")
        })
    }
}

impl From<Rate> for f64 {
    fn from(rate: Rate) -> Self {
        rate.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_decays_to_the_default() {
        for (per_sec, hours, expected) in [
            (2.5, 0, 2.5),
            // Halfway between two rates is their geometric mean.
            (2.5, 24, 5.0),
            (40.0, 24, 20.0),
            (2.5, 24 * 30, 10.0),
        ] {
            let decayed = Rate::new(per_sec)
                .unwrap()
                .decayed(Duration::from_hours(hours), 10.0);
            assert!(
                (decayed - expected).abs() < 1e-6,
                "{per_sec} after {hours} h: {decayed}"
            );
        }
    }

    #[test]
    fn an_invalid_rate_is_rejected() {
        for text in ["0", "-1", "1e9", "\"5\""] {
            assert!(serde_json::from_str::<Rate>(text).is_err(), "{text}");
        }
        let rate = serde_json::from_str::<Rate>("4.5").unwrap();
        assert_eq!(Some(rate), Rate::new(4.5));
        assert_eq!(serde_json::to_string(&rate).unwrap(), "4.5");
    }
}
