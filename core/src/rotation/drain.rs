//! How long pods may have credentials of a role that their association has left.
//!
//! These times are expectations. The agent that hands out the credentials promises none of them,
//! and may hand out expired ones if it cannot reach AWS. Only a deny policy on the role guarantees
//! that nothing uses it.

use std::time::Duration;

use crate::indexing::IndexItem;
use crate::resource::RoleField;
use crate::rotation::{Outcome, Row};
use crate::timestamp::Timestamp;

/// Pods keep EKS Pod Identity credentials for up to 6 h. A change of the association does not
/// shorten this. <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html>
const LIFETIME: Duration = Duration::from_hours(6);
/// With a target role, the credentials come from role chaining and expire after 59 minutes.
const LIFETIME_WITH_TARGET_ROLE: Duration = Duration::from_mins(59);
/// The agent may hand out credentials of the old role for some seconds after EKS shows the new one.
const MARGIN: Duration = Duration::from_mins(1);

/// Returns how long pods may have a role's credentials, by the association's target roles before
/// and after. The shorter time applies only if there was one and is one. Otherwise pods may have
/// credentials of the role itself, which live longer.
fn drain(target_roles: [Option<&String>; 2]) -> Duration {
    let lifetime = if target_roles.iter().all(Option::is_some) {
        LIFETIME_WITH_TARGET_ROLE
    } else {
        LIFETIME
    };
    lifetime + MARGIN
}

/// Returns the latest time at which a pod of a settled association may still have credentials of
/// the old role. `None` if the association has not left the old role.
#[must_use]
pub fn drained_at(row: &Row) -> Option<Timestamp> {
    // The version that EKS showed last is the latest time at which the association can have left
    // the old role. A deleted association has no such version. It was deleted at the latest when
    // its row was settled.
    let left_at = match row.outcome {
        Outcome::Updated | Outcome::AlreadyCurrent | Outcome::Drifted => row.modified_at,
        Outcome::Deleted => row.settled_at,
        // EKS's response to the update showed that it took effect, and something else besides. Or
        // another actor has moved it since.
        Outcome::Failed | Outcome::ChangedSince if has_left(row) => row.modified_at,
        Outcome::Pending
        | Outcome::OwnedByAddon
        | Outcome::Failed
        | Outcome::NotAttempted
        | Outcome::ChangedSince
        | Outcome::WouldUpdate => None,
    }?;
    // It must have had a target role in each version that is known: when the row was planned, and
    // in the Describe before a confirmed update. Else pods may have got credentials of the role
    // itself in between.
    let mut before = row.previous_target_role_arn.as_ref();
    if matches!(row.outcome, Outcome::Updated | Outcome::Failed) && !row.inferred {
        before = before.and(row.observed_target_role_arn.as_ref());
    }
    Some(left_at + drain([before, row.target_role_arn.as_ref()]))
}

/// Returns whether EKS has shown the association without the old role in a field that the rotation
/// moves.
fn has_left(row: &Row) -> bool {
    let Some(role_arn) = &row.role_arn else {
        return false;
    };
    row.fields.iter().any(|field| match field {
        RoleField::RoleArn => *role_arn != row.previous_role_arn,
        RoleField::TargetRoleArn => row.target_role_arn != row.previous_target_role_arn,
    })
}

/// A role that an association has left, and until when pods may have its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftRole {
    pub role: String,
    pub until: Timestamp,
}

/// Returns the roles that an association has left: the index still has it in `held`, and EKS showed
/// it as `shown` at `now`, or as deleted.
#[must_use]
pub fn left_roles(held: &IndexItem, shown: Option<&IndexItem>, now: Timestamp) -> Vec<LeftRole> {
    let uses = |item: &IndexItem, role: &str| {
        item.role_arn == role || item.target_role_arn.as_deref() == Some(role)
    };
    let left_at = shown.map_or(now, |shown| shown.modified_at);
    let after = shown.and_then(|shown| shown.target_role_arn.as_ref());
    let until = left_at + drain([held.target_role_arn.as_ref(), after]);
    let mut roles: Vec<&str> = RoleField::ALL
        .into_iter()
        .filter_map(|field| held.role_in(field))
        .filter(|role| !shown.is_some_and(|shown| uses(shown, role)))
        .collect();
    roles.dedup();
    let left = |role: &str| LeftRole {
        role: role.to_owned(),
        until,
    };
    roles.into_iter().map(left).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{Association, association};

    const HOUR: u64 = 60;

    fn at(mins: u64) -> Timestamp {
        Timestamp::from_millis(0) + Duration::from_mins(mins)
    }

    fn item(role: &str, target: Option<&str>) -> IndexItem {
        IndexItem::of(&Association {
            target_role_arn: target.map(str::to_owned),
            modified_at: at(10),
            ..association(role)
        })
    }

    /// If an association gets its target role in the rotation, its pods have credentials of the old
    /// role itself, which live for 6 hours.
    #[test]
    fn the_short_drain_is_only_for_what_had_a_target_role_before_and_has_one_after() {
        use Outcome::{AlreadyCurrent, Deleted, Drifted, Failed, Updated};
        let (short, long) = (Some(60), Some(6 * HOUR + 1));
        for (outcome, inferred, planned, observed, after, expected) in [
            (Updated, false, None, None, None, long),
            (Updated, false, None, None, Some("t"), long),
            (Updated, false, Some("t"), Some("t"), None, long),
            (Updated, false, Some("t"), Some("t"), Some("t"), short),
            // Another actor set the target role after the plan and before the update: pods may have
            // got credentials just before that.
            (Updated, false, None, Some("t"), Some("t"), long),
            // Another actor took the target role away, and the update's response has one again.
            (Updated, false, Some("t"), None, Some("t"), long),
            (Updated, true, None, Some("t"), Some("t"), long),
            (Updated, true, Some("t"), None, Some("t"), short),
            (AlreadyCurrent, false, None, Some("t"), Some("t"), long),
            (Drifted, false, None, Some("t"), Some("t"), long),
            (Drifted, false, Some("t"), Some("t"), Some("t"), short),
            (
                Deleted,
                false,
                Some("t"),
                None,
                None,
                Some(5 + 6 * HOUR + 1),
            ),
            (Failed, false, None, None, None, None),
        ] {
            let text = |target: Option<&str>| target.map(str::to_owned);
            let row = Row {
                outcome,
                inferred,
                previous_target_role_arn: text(planned),
                observed_target_role_arn: text(observed),
                target_role_arn: text(after),
                modified_at: Some(at(0)),
                settled_at: Some(at(5)),
                ..Row::planned(
                    &"arn:aws:iam::111122223333:role/old".parse().unwrap(),
                    &item("old", planned),
                )
            };
            assert_eq!(
                drained_at(&row),
                expected.map(at),
                "{outcome:?} inferred: {inferred}, {planned:?} {observed:?} {after:?}"
            );
        }
    }

    /// The response to an update can show that it took effect, and a change of another actor.
    #[test]
    fn a_failed_row_that_was_shown_without_the_old_role_has_left_it() {
        let old = "arn:aws:iam::111122223333:role/old";
        for (target, shown, shown_target, left) in [
            (None, None, None, false),
            (None, Some(old), None, false),
            // Only another field has changed.
            (None, Some(old), Some("t"), false),
            (None, Some("new"), None, true),
            (Some(old), Some("r"), Some(old), false),
            (Some(old), Some("r"), Some("new"), true),
            (Some(old), Some("r"), None, true),
        ] {
            let role = if target.is_some() { "r" } else { old };
            let row = Row {
                outcome: Outcome::Failed,
                role_arn: shown.map(str::to_owned),
                target_role_arn: shown_target.map(str::to_owned),
                modified_at: Some(at(0)),
                ..Row::planned(&old.parse().unwrap(), &item(role, target))
            };
            let expected = left.then(|| at(6 * HOUR + 1));
            assert_eq!(
                drained_at(&row),
                expected,
                "{target:?} {shown:?} {shown_target:?}"
            );
        }
    }

    #[test]
    fn an_association_leaves_each_role_that_it_no_longer_names() {
        let both = item("a", Some("a"));
        for (held, shown, expected) in [
            (item("a", None), Some(item("a", None)), vec![]),
            (
                item("a", None),
                Some(item("b", None)),
                vec![("a", 10 + 6 * HOUR + 1)],
            ),
            (item("a", None), None, vec![("a", 20 + 6 * HOUR + 1)]),
            (
                item("a", Some("t")),
                Some(item("a", Some("u"))),
                vec![("t", 70)],
            ),
            (
                item("a", Some("t")),
                Some(item("b", None)),
                vec![("a", 10 + 6 * HOUR + 1), ("t", 10 + 6 * HOUR + 1)],
            ),
            // The role is still the target role.
            (item("a", None), Some(item("b", Some("a"))), vec![]),
            (both, Some(item("b", Some("b"))), vec![("a", 70)]),
        ] {
            let left = left_roles(&held, shown.as_ref(), at(20));
            let left: Vec<_> = left
                .iter()
                .map(|left| (left.role.as_str(), left.until))
                .collect();
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(role, mins)| (role, at(mins)))
                .collect();
            assert_eq!(left, expected, "{held:?} {shown:?}");
        }
    }
}
