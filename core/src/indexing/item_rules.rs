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

/// Whether an item names a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HasRole {
    Yes,
    No,
}

impl ItemRules<'_> {
    /// Returns why a cluster or an association with this ARN cannot be the function's.
    #[must_use]
    pub fn is_foreign(&self, arn: &str) -> Option<String> {
        self.own_account.and_then(|own| own.excludes(arn))
    }

    /// Returns why nothing of this region is in the index, if the stack does not index it.
    #[must_use]
    pub fn is_not_indexed(&self, region: &str) -> Option<String> {
        let regions = self.regions?;
        let is_indexed = regions.iter().any(|indexed| indexed == region);
        (!is_indexed).then(|| format!("the stack does not index the region {region}"))
    }

    /// Returns why no tombstone can have this time of deletion. One of a later time would keep an
    /// association out of the index. `has_role` says whether the item also names a role: then the
    /// secondary indexes show it, and it would stand for an association and for none.
    #[must_use]
    pub fn rejects_tombstone(
        &self,
        deleted_at: Option<Timestamp>,
        has_role: HasRole,
    ) -> Option<String> {
        match (deleted_at, has_role) {
            (None, _) => Some("deletedAt is not a time".to_owned()),
            (Some(at), _) if self.is_future(at) => Some(format!("deletedAt {at} is in the future")),
            (Some(_), HasRole::Yes) => Some("it has deletedAt and a role".to_owned()),
            (Some(_), HasRole::No) => None,
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
    fn a_tombstone_is_of_the_past_and_names_no_role() {
        let now = Timestamp::from_millis(1_795_467_600_000);
        let rules = ItemRules {
            own_account: None,
            regions: None,
            now,
        };
        let late = now + CLOCK_SKEW_MAX + Duration::from_millis(1);
        for (deleted_at, has_role, is_valid) in [
            (Some(now), HasRole::No, true),
            (Some(now + CLOCK_SKEW_MAX), HasRole::No, true),
            (Some(late), HasRole::No, false),
            (Some(now), HasRole::Yes, false),
            (None, HasRole::No, false),
        ] {
            let problem = rules.rejects_tombstone(deleted_at, has_role);
            assert_eq!(problem.is_none(), is_valid, "{problem:?}");
        }
    }
}
