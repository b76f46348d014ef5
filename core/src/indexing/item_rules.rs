//! What the items of the index are held against. rerole writes no item that breaks these rules, but
//! another principal may have, or an earlier version of rerole from a forged event.

use std::time::Duration;

use crate::resource::OwnAccount;
use crate::timestamp::Timestamp;

/// How far another clock may be ahead of the function's. AWS keeps them within milliseconds.
const CLOCK_SKEW_MAX: Duration = Duration::from_mins(5);

/// What the items of the index are held against.
#[derive(Debug, Clone, Copy)]
pub struct ItemRules<'a> {
    /// The function's account, if known.
    pub own_account: Option<&'a OwnAccount>,
    /// The regions that the stack indexes, if known.
    pub regions: Option<&'a [String]>,
    pub now: Timestamp,
}

impl ItemRules<'_> {
    /// Returns why no item can be about a cluster or an association with this ARN, in this region.
    #[must_use]
    pub fn excludes(&self, arn: &str, region: &str) -> Option<String> {
        if let Some(problem) = self.own_account.and_then(|own| own.excludes(arn)) {
            return Some(problem);
        }
        let is_indexed = self
            .regions
            .is_none_or(|regions| regions.iter().any(|indexed| indexed == region));
        (!is_indexed).then(|| format!("the stack does not index the region {region}"))
    }

    /// Returns why no tombstone can have this time of deletion. One of a later time would keep an
    /// association out of the index.
    #[must_use]
    pub fn rejects_deletion_at(&self, deleted_at: Option<Timestamp>) -> Option<String> {
        match deleted_at {
            None => Some("deletedAt is not a time".to_owned()),
            Some(at) => self
                .is_future(at)
                .then(|| format!("deletedAt {at} is in the future")),
        }
    }

    /// Returns whether nothing can have happened at this time yet.
    #[must_use]
    pub fn is_future(&self, at: Timestamp) -> bool {
        at > self.now + CLOCK_SKEW_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tombstone_is_of_the_past() {
        let now = Timestamp::from_millis(1_795_467_600_000);
        let rules = ItemRules {
            own_account: None,
            regions: None,
            now,
        };
        for (deleted_at, is_valid) in [
            (Some(now), true),
            (Some(now + CLOCK_SKEW_MAX), true),
            (Some(now + CLOCK_SKEW_MAX + Duration::from_millis(1)), false),
            (None, false),
        ] {
            let problem = rules.rejects_deletion_at(deleted_at);
            assert_eq!(problem.is_none(), is_valid, "{problem:?}");
        }
    }
}
