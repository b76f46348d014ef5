//! What the ledger knows of a role itself, whichever rotation it is part of: which rotation holds
//! it, whether it is in use, and until when pods may have its credentials.
//!
//! A role outlives its rotations. Rotation A→B frees role A, and a later rotation B→A, or a person,
//! puts it to use again. So a statement about a role is never stored in the record of a rotation:
//! it is read from the role's own item each time it is shown.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::keys::RotationKey;
use crate::resource::AssociationArn;
use crate::timestamp::Timestamp;

/// The maximum number of rotations that wait for a role. Their keys are in the role's item, and
/// more than a few would already be a mistake.
pub const WAITING_MAX: usize = 50;
/// How long the indexer believes what it has read of a role or its rotations.
pub const ROLE_KNOWN_FOR: Duration = Duration::from_secs(2);
/// How long the indexer may take from the first read of a role to the end of the write that stores
/// an association on it. If it takes longer, it reads the role again.
pub const STORED_WITHIN: Duration = Duration::from_secs(2);
/// How long after a change of a role's item the index shows each association that the indexer has
/// stored without knowing of the change. It may have read the item [`ROLE_KNOWN_FOR`] before it
/// inspected the association, and stores it [`STORED_WITHIN`] after that. A second later, the
/// secondary indexes show it.
pub const ARRIVALS_SHOWN_AFTER: Duration = Duration::from_secs(5);
const _: () = assert!(
    ROLE_KNOWN_FOR.as_secs() + STORED_WITHIN.as_secs() < ARRIVALS_SHOWN_AFTER.as_secs(),
    "the secondary indexes take some time"
);

/// The item `(role/<roleArn>, "role")`. It exists once a rotation has named the role, and is never
/// deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleRecord {
    /// Increases with each write of the item.
    #[serde(default)]
    pub version: u64,
    /// The open rotation that has locked the role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<RotationKey>,
    /// The rotations that wait for the role, in the order in which they start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<RotationKey>,
    /// When the last rotation from or onto the role started. The next one starts later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// Present while an association may use the role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_use: Option<InUse>,
    /// The latest time at which a pod of an association that left the role may still have its
    /// credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_until: Option<Timestamp>,
}

/// Why a role counts as in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct InUse {
    #[cfg_attr(test, schemars(with = "String"))]
    pub since: Timestamp,
    /// The ledger key of a rotation, or the ARN of an association.
    pub by: String,
    pub why: String,
}

/// How a rotation leaves its old role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// The end of the drain of what the rotation moved, if it moved anything.
    pub drained_at: Option<Timestamp>,
    /// Why associations may still use the role, if they may.
    pub still_used: Option<InUse>,
}

/// What may be said about a role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleUse {
    /// Until when the role is expected to be in use. `None` if there is no such time: the role is
    /// in use, or nothing is known to have left it.
    pub until: Option<Timestamp>,
    pub in_use: Option<InUse>,
}

impl RoleRecord {
    /// Returns whether a rotation that does not wait for the role may start now.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.held_by.is_none() && self.waiting.is_empty()
    }

    /// Returns the role after a rotation from it has started. The role counts as in use until that
    /// rotation has closed.
    #[must_use]
    pub fn opened_from(self, key: &RotationKey, started_at: Timestamp) -> Self {
        let until_rotated = InUse::until_rotated(key, started_at);
        let opened = self.opened_onto(key, started_at);
        Self {
            in_use: opened.in_use.or(Some(until_rotated)),
            ..opened
        }
    }

    /// Returns the role after a rotation onto it has started.
    #[must_use]
    pub fn opened_onto(self, key: &RotationKey, started_at: Timestamp) -> Self {
        Self {
            held_by: Some(key.clone()),
            opened_at: Some(started_at),
            ..self.left_by(key)
        }
    }

    /// Returns the role after a rotation has begun to wait for it, behind those that wait already.
    /// A rollback waits before all others.
    #[must_use]
    pub fn queued(mut self, key: &RotationKey) -> Self {
        let place = match key {
            RotationKey::Rollback(_) => 0,
            _ => self.waiting.len(),
        };
        self.waiting.insert(place, key.clone());
        self.version += 1;
        self
    }

    /// Returns the role after a rotation no longer waits for it.
    #[must_use]
    pub fn left_by(mut self, key: &RotationKey) -> Self {
        self.waiting.retain(|waiting| waiting != key);
        self.version += 1;
        self
    }

    /// Returns the role after a rotation from it has closed.
    #[must_use]
    pub fn closed_from(self, departure: &Departure) -> Self {
        Self {
            version: self.version + 1,
            held_by: None,
            in_use: departure.still_used.clone(),
            left_until: self.left_until.max(departure.drained_at),
            ..self
        }
    }

    /// Returns the role after a rotation onto it has closed. `unused_by` is that rotation, if it
    /// cannot have moved anything onto the role: then it has not put the role to use.
    #[must_use]
    pub fn closed_onto(self, unused_by: Option<&RotationKey>) -> Self {
        let is_unused = |in_use: &InUse| unused_by.is_some_and(|key| in_use.by == key.to_string());
        Self {
            version: self.version + 1,
            held_by: None,
            in_use: self.in_use.filter(|in_use| !is_unused(in_use)),
            ..self
        }
    }

    /// Returns what may be said about the role. `shown` is the use of it that the index shows.
    #[must_use]
    pub fn role_use(self, shown: Option<InUse>) -> RoleUse {
        let in_use = self.in_use.or(shown);
        RoleUse {
            until: self.left_until.filter(|_| in_use.is_none()),
            in_use,
        }
    }
}

impl InUse {
    /// An association uses the role.
    #[must_use]
    pub fn by_association(arn: &AssociationArn, since: Timestamp) -> Self {
        Self {
            since,
            by: arn.to_string(),
            why: "an association uses the role".to_owned(),
        }
    }

    /// The index has an item under `key` that names the role and cannot be. Until the reconciler
    /// has removed it, the association that it stands for is unknown.
    #[must_use]
    pub fn by_invalid_item(key: String, since: Timestamp) -> Self {
        Self {
            since,
            by: key,
            why: "the index has an invalid item that names the role; a full run removes it"
                .to_owned(),
        }
    }

    /// The rotation `key` from the role has not finished.
    #[must_use]
    pub fn until_rotated(key: &RotationKey, since: Timestamp) -> Self {
        Self {
            since,
            by: key.to_string(),
            why: "a rotation from the role has not finished".to_owned(),
        }
    }

    /// The rotation `key` moves associations onto the role.
    #[must_use]
    pub fn by_rotation_onto(key: &RotationKey, since: Timestamp) -> Self {
        Self {
            since,
            by: key.to_string(),
            why: "a rotation moved associations to the role".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indexing::IndexItem;
    use crate::resource::association;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn key(text: &str) -> RotationKey {
        text.parse().unwrap()
    }

    #[test]
    fn only_a_role_that_is_not_in_use_has_a_time() {
        let left = |left_until: Option<i64>, in_use: Option<InUse>| RoleRecord {
            left_until: left_until.map(at),
            in_use,
            ..RoleRecord::default()
        };
        let item = IndexItem::of(&association("a"));
        let used = || {
            Some(InUse::by_association(
                &item.association_arn,
                item.modified_at,
            ))
        };
        for (role, shown, until, in_use) in [
            (left(Some(9), None), None, Some(9), None),
            (left(Some(9), used()), None, None, used()),
            (left(None, None), None, None, None),
            (left(None, used()), None, None, used()),
            // Whatever the role's item says.
            (left(Some(9), None), used(), None, used()),
        ] {
            let expected = RoleUse {
                until: until.map(at),
                in_use,
            };
            assert_eq!(role.clone().role_use(shown), expected, "{role:?}");
        }
    }

    #[test]
    fn a_rollback_waits_before_all_others() {
        let role = RoleRecord::default();
        let role = role.queued(&key("r-1")).queued(&key("r-2"));
        let role = role.queued(&key("rollback/r-0")).queued(&key("r-3"));
        let waiting = ["rollback/r-0", "r-1", "r-2", "r-3"];
        assert_eq!((role.waiting, role.version), (waiting.map(key).into(), 4));
    }

    /// The drain of an earlier rotation may be longer.
    #[test]
    fn the_latest_departure_counts_and_what_stays_keeps_the_role_in_use() {
        let held = RoleRecord {
            version: 3,
            held_by: Some(key("r-2")),
            waiting: vec![key("r-3")],
            opened_at: Some(at(1)),
            in_use: Some(InUse::until_rotated(&key("r-2"), at(1))),
            left_until: Some(at(50)),
        };
        let stays = InUse {
            since: at(8),
            by: "r-2".to_owned(),
            why: "1 failed".to_owned(),
        };
        for (drained_at, still_used, left_until) in [
            (Some(40), None, 50),
            (Some(60), None, 60),
            (None, None, 50),
            (Some(60), Some(stays), 60),
        ] {
            let departure = Departure {
                drained_at: drained_at.map(at),
                still_used: still_used.clone(),
            };
            let expected = RoleRecord {
                version: 4,
                held_by: None,
                waiting: vec![key("r-3")],
                opened_at: Some(at(1)),
                in_use: still_used,
                left_until: Some(at(left_until)),
            };
            assert_eq!(held.clone().closed_from(&departure), expected);
        }
    }

    #[test]
    fn a_rotation_that_moved_nothing_has_not_put_its_new_role_to_use() {
        let by_rotation = InUse::by_rotation_onto(&key("r-2"), at(1));
        let by_another = InUse::by_rotation_onto(&key("r-1"), at(1));
        for (in_use, may_have_moved, is_in_use) in [
            (Some(by_rotation.clone()), true, true),
            (Some(by_rotation), false, false),
            (Some(by_another), false, true),
            (None, false, false),
        ] {
            let held = RoleRecord {
                held_by: Some(key("r-2")),
                opened_at: Some(at(1)),
                in_use,
                ..RoleRecord::default()
            };
            let key = key("r-2");
            let closed = held.closed_onto((!may_have_moved).then_some(&key));
            assert_eq!(closed.in_use.is_some(), is_in_use);
            assert_eq!((closed.held_by, closed.version), (None, 1));
        }
    }
}
