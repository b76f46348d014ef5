//! How long a rotation will take at the learned rate of EKS calls.

use std::collections::BTreeMap;
use std::time::Duration;

use rerole_core::call::CallError;

use crate::stack::{Name, Stack};
use crate::users::Users;
use crate::words;

/// Each association is described and then updated.
const CALLS_EACH: u64 = 2;
/// The default of the template.
const RATE_SHARE_PERCENT: f64 = 80.0;

/// How long a rotation will take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Estimate {
    About(Duration),
    /// No rate has been learned in these regions.
    Unknown(Vec<String>),
}

impl Estimate {
    pub fn text(&self) -> String {
        match self {
            Self::About(time) if *time < Duration::from_secs(10) => "some seconds".to_owned(),
            Self::About(time) => {
                format!(
                    "about {} at the learned rate of EKS calls",
                    words::duration(*time)
                )
            }
            Self::Unknown(regions) => format!(
                "unknown: rerole has learned no rate of EKS calls in {} yet",
                words::list(regions, 5)
            ),
        }
    }
}

/// Estimates the time for these associations. Regions do not wait for one another.
///
/// # Errors
/// If the ledger cannot be read.
pub async fn of(stack: &Stack, users: &Users) -> Result<Estimate, CallError> {
    let mut by_region: BTreeMap<&str, u64> = BTreeMap::new();
    for item in &users.items {
        *by_region.entry(item.association_arn.region()).or_default() += 1;
    }
    by_regions(stack, &by_region).await
}

/// Estimates the time for this number of associations in each region.
///
/// # Errors
/// If the ledger cannot be read.
pub async fn by_regions(
    stack: &Stack,
    counts: &BTreeMap<&str, u64>,
) -> Result<Estimate, CallError> {
    let share = stack
        .outputs
        .get(Name::RateShare)
        .and_then(|text| text.parse().ok());
    let share = share.unwrap_or(RATE_SHARE_PERCENT) / 100.0;
    let mut longest = Duration::ZERO;
    let mut unknown = Vec::new();
    for (&region, &count) in counts {
        match stack.aws.ledger.rates().read(region).await? {
            None => unknown.push(region.to_owned()),
            Some(learned) => {
                let rate = learned.per_sec.per_sec() * share;
                longest = longest.max(time(count, rate));
            }
        }
    }
    Ok(if unknown.is_empty() {
        Estimate::About(longest)
    } else {
        Estimate::Unknown(unknown)
    })
}

/// `rate` is in calls per second.
fn time(associations: u64, rate: f64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "no fleet has 2^52 associations")]
    let calls = (associations * CALLS_EACH) as f64;
    Duration::try_from_secs_f64(calls / rate).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_association_takes_two_calls() {
        assert_eq!(time(300, 10.0), Duration::from_mins(1));
        let text = Estimate::About(time(300, 10.0)).text();
        assert_eq!(text, "about 1 min at the learned rate of EKS calls");
    }
}
