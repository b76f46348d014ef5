//! Which rotation holds a role, which roles count as in use, and what is left on a replaced role.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::SystemTime;

use rerole_core::request::Location;
use rerole_sim::Association;
use serde_json::Value;

use crate::common::guarantees::{Evidence, Rotation, text};

pub fn check(evidence: &Evidence) {
    only_open_rotations_hold_roles(evidence);
    rotations_exclude_each_other(evidence);
}

/// 9. A rotation holds its two roles exactly as long as it is open.
fn only_open_rotations_hold_roles(evidence: &Evidence) {
    let is_open = |rotation: &&Rotation| rotation.finished_at().is_none();
    let open = evidence.real_rotations().filter(is_open);
    let open: BTreeSet<_> = open.map(|rotation| rotation.key.as_str()).collect();
    let roles = evidence.roles();
    let owners: Vec<_> = roles
        .filter_map(|(_, item)| item["heldBy"].as_str())
        .collect();
    for owner in &owners {
        assert!(
            open.contains(owner),
            "guarantee 9: {owner} holds a role and is not open"
        );
    }
    assert_eq!(
        owners.len(),
        2 * open.len(),
        "guarantee 9: each open rotation holds two roles"
    );
}

/// 9. Two rotations that share a role never run at the same time. When they ran is known from the
///    transactions that opened and closed them.
fn rotations_exclude_each_other(evidence: &Evidence) {
    let rotations: Vec<_> = evidence.real_rotations().collect();
    let spans: Vec<_> = rotations
        .iter()
        .map(|rotation| span(evidence, &rotation.key))
        .collect();
    for (at, one) in rotations.iter().enumerate() {
        for (other, other_span) in rotations.iter().zip(&spans).skip(at + 1) {
            let roles = [one.old_role(), one.new_role()];
            let shares = roles.contains(&other.old_role()) || roles.contains(&other.new_role());
            let (Some(span), Some(other_span)) = (&spans[at], other_span) else {
                continue;
            };
            let is_apart = span.end() <= other_span.start() || other_span.end() <= span.start();
            assert!(
                !shares || is_apart,
                "guarantee 9: {} and {} ran at the same time",
                one.key,
                other.key
            );
            // Which rotation of a role was the last is read from these times.
            let is_in_order =
                (span.start() < other_span.start()) == (one.started_at() < other.started_at());
            assert!(
                !shares || is_in_order,
                "{} and {} were not opened in the order of their starts",
                one.key,
                other.key
            );
        }
    }
}

/// From when to when a rotation was open. `None` if a test has put it into the ledger.
fn span(evidence: &Evidence, key: &str) -> Option<RangeInclusive<SystemTime>> {
    let transactions = || {
        let applied = evidence.calls_of("TransactWriteItems");
        applied.filter_map(|record| Some((record.applied_at?, &record.call.body)))
    };
    let opens = |body: &Value| {
        let item = &body["TransactItems"][0]["Put"]["Item"];
        item["rotationId"]["S"] == key && item["entry"]["S"] == "rotation"
    };
    let closes = |body: &Value| {
        let update = &body["TransactItems"][0]["Update"];
        let expression = update["UpdateExpression"].as_str();
        update["Key"]["rotationId"]["S"] == key
            && expression.is_some_and(|text| text.contains("#finishedAt"))
    };
    // A transaction that is sent again, or arrives late, has no second effect.
    let first = |is_it: &dyn Fn(&Value) -> bool| {
        let all = transactions().filter(|(_, body)| is_it(body));
        all.map(|(at, _)| at).min()
    };
    let opened_at = first(&opens)?;
    Some(opened_at..=first(&closes).unwrap_or(evidence.at))
}

/// 13. A role that the index shows on an association, and that a rotation has named, counts as in
///     use.
pub fn roles_with_associations_are_in_use(evidence: &Evidence) {
    for (role, item) in evidence.roles() {
        if item.get("inUse").is_none() {
            let user = user_of(evidence, role);
            assert!(
                user.is_none(),
                "guarantee 13: {item:#} is free, and used by {user:#?}"
            );
        }
    }
}

/// An association that uses the role, by the index.
fn user_of<'a>(evidence: &'a Evidence, role: &str) -> Option<&'a Value> {
    let uses = |item: &&Value| item["roleArn"] == role || item["targetRoleArn"] == role;
    evidence.index.iter().find(uses)
}

/// An association on a role that a rotation has replaced is known to that rotation: its row says
/// why it stayed, or a reversion is recorded.
pub fn nothing_is_left_silently(evidence: &Evidence) {
    for (association, role) in uses(evidence) {
        is_not_left_silently(evidence, association, role);
    }
}

/// The same before a full run. A later rotation onto the role may have made the association seem to
/// belong there, and then moved nothing. The next full run finds that.
pub fn nothing_is_left_silently_by_events(evidence: &Evidence) {
    for (association, role) in uses(evidence) {
        let has_vain_rotation = evidence.real_rotations().any(|rotation| {
            rotation.new_role() == role && ["NoAssociations", "Failed"].contains(&rotation.status())
        });
        if !has_vain_rotation {
            is_not_left_silently(evidence, association, role);
        }
    }
}

/// Each association with each of its roles.
fn uses(evidence: &Evidence) -> impl Iterator<Item = (&Association, &str)> {
    evidence.associations.iter().flat_map(|association| {
        let target_role = association.target_role_arn.as_deref();
        let roles = [Some(association.role_arn.as_str()), target_role];
        roles
            .into_iter()
            .flatten()
            .map(move |role| (association, role))
    })
}

fn is_not_left_silently(evidence: &Evidence, association: &Association, role: &str) {
    let Some(rotation) = replaced_by(evidence, association, role) else {
        return;
    };
    let arn = &association.association_arn;
    let has_stayed = |row: &Value| {
        let outcome = text(&row["outcome"]);
        ["Failed", "NotAttempted", "OwnedByAddon"].contains(&outcome)
    };
    let is_explained = rotation.row(arn).is_some_and(has_stayed)
        || rotation
            .reversions
            .iter()
            .any(|reversion| reversion["revertedArn"] == *arn);
    assert!(
        is_explained,
        "{arn} is silently left on {role}, which {} has replaced: {:#?}",
        rotation.key,
        rotation.row(arn)
    );
}

/// The rotation that replaced the role for this association. `None` if none did, or if the role is
/// current for it again: a later rotation moved it there, or moved onto the role what this one had
/// moved away, or covers an association that this one never had.
fn replaced_by<'a>(
    evidence: &'a Evidence,
    association: &Association,
    role: &str,
) -> Option<&'a Rotation> {
    let arn = association.association_arn.parse().expect("an ARN");
    let location = Location {
        arn: &arn,
        namespace: &association.namespace,
        service_account: &association.service_account,
    };
    let mut rotations: Vec<_> = evidence.real_rotations().collect();
    rotations.retain(|rotation| rotation.status() != "NoAssociations");
    rotations.sort_by_key(|rotation| std::cmp::Reverse(rotation.started_at()));
    let mut later_from: Vec<&str> = Vec::new();
    for rotation in rotations {
        let outcome = rotation.row(arn.as_str()).map(|row| text(&row["outcome"]));
        // One that was stopped says that it has not moved everything.
        let covers = rotation.status() != "Failed" && rotation.covers(location);
        if rotation.new_role() == role {
            match outcome {
                Some("Drifted" | "Deleted" | "OwnedByAddon") | None => {}
                Some(_) => return None,
            }
            if covers {
                later_from.push(rotation.old_role());
            }
        }
        if rotation.old_role() == role && (covers || outcome.is_some()) {
            let is_current_again = match outcome {
                Some(_) => later_from.contains(&rotation.new_role()),
                None => !later_from.is_empty(),
            };
            return (!is_current_again).then_some(rotation);
        }
    }
    None
}

/// A full run over complete regions has just ended, so a role that no association uses is free.
pub fn unused_roles_are_free(evidence: &Evidence) {
    for (role, item) in evidence.roles() {
        if user_of(evidence, role).is_none() {
            let in_use = item.get("inUse");
            assert!(
                in_use.is_none(),
                "{role} is not used, and counts as in use: {in_use:?}"
            );
        }
    }
}
