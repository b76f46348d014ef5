//! Which rotation holds a role, which roles count as in use, and what is left on a replaced role.

use std::collections::BTreeSet;

use rerole_core::request::Location;
use rerole_sim::Association;
use serde_json::Value;

use crate::common::guarantees::{Evidence, Rotation, text};

/// The ends of an attempt that has covered its scope.
const COVERED: [&str; 4] = [
    "Succeeded",
    "Incomplete",
    "CompletedWithFailures",
    "RolledBack",
];

pub fn check(evidence: &Evidence) {
    only_open_rotations_hold_roles(evidence);
    rotations_exclude_each_other(evidence);
}

/// 9. A rotation holds its two roles exactly as long as it is open and does not wait for them.
fn only_open_rotations_hold_roles(evidence: &Evidence) {
    let holds = |rotation: &&Rotation| {
        let status = rotation.item["pausedFrom"].as_str();
        let status = status.unwrap_or(rotation.status());
        rotation.finished_at().is_none() && status != "Queued"
    };
    let open = evidence.real_rotations().filter(holds);
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
///    transactions that have changed their status.
fn rotations_exclude_each_other(evidence: &Evidence) {
    let rotations: Vec<_> = evidence.real_rotations().collect();
    for (at, one) in rotations.iter().enumerate() {
        for other in rotations.iter().skip(at + 1) {
            let roles = [one.old_role(), one.new_role()];
            if !roles.contains(&other.old_role()) && !roles.contains(&other.new_role()) {
                continue;
            }
            for (span, other_span) in one.held.iter().flat_map(|span| {
                let others = other.held.iter();
                others.map(move |other| (span, other))
            }) {
                assert!(
                    span.1 <= other_span.0 || other_span.1 <= span.0,
                    "guarantee 9: {} and {} ran at the same time",
                    one.key,
                    other.key
                );
            }
            // Which rotation of a role was the last is read from these times.
            if let ([span], [other_span]) = (&one.held[..], &other.held[..]) {
                assert_eq!(
                    span.0 < other_span.0,
                    one.started_at() < other.started_at(),
                    "{} and {} were not opened in the order of their starts",
                    one.key,
                    other.key
                );
            }
        }
    }
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
            let vain = ["NoAssociations", "Failed", "Cancelled"];
            rotation.new_role() == role && vain.contains(&rotation.status())
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
        ["Failed", "NotAttempted", "OwnedByAddon", "ChangedSince"].contains(&outcome)
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
    // The last attempt counts. One that never started has replaced nothing.
    let started_at = |rotation: &Rotation| rotation.held.last().map(|(from, _)| *from);
    rotations.retain(|rotation| started_at(rotation).is_some());
    rotations.sort_by_key(|rotation| std::cmp::Reverse(started_at(rotation)));
    let mut later_from: Vec<&str> = Vec::new();
    for rotation in rotations {
        let outcome = rotation.row(arn.as_str()).map(|row| text(&row["outcome"]));
        // One that was stopped or cancelled says that it has not moved everything, unless an
        // earlier attempt has.
        let is_stopped = ["Failed", "Cancelled"].contains(&rotation.status())
            || rotation.item.get("stopped").is_some();
        let mut statuses = rotation.timeline.iter().map(|(_, entry)| &entry["to"]);
        let has_covered = statuses.any(|status| COVERED.iter().any(|covered| status == covered))
            || rotation.item["hasCoveredScope"] == true;
        let covers = (has_covered || !is_stopped) && rotation.covers(location);
        if rotation.new_role() == role {
            match outcome {
                Some("Drifted" | "Deleted" | "OwnedByAddon" | "ChangedSince") | None => {}
                Some(_) => return None,
            }
            if covers {
                later_from.push(rotation.old_role());
            }
        }
        // A rollback takes back what it has a row for, and leaves what has changed since.
        let replaces = match rotation.rollback_of() {
            None => covers || outcome.is_some(),
            Some(_) => {
                outcome.is_some_and(|outcome| outcome != "ChangedSince")
                    && is_taken_back(rotation, association, role)
            }
        };
        if rotation.old_role() == role && replaces {
            let is_current_again = match outcome {
                Some(_) => later_from.contains(&rotation.new_role()),
                None => !later_from.is_empty(),
            };
            return (!is_current_again).then_some(rotation);
        }
    }
    None
}

/// Whether the association has the role in a field that a rollback takes back.
fn is_taken_back(rollback: &Rotation, association: &Association, role: &str) -> bool {
    let row = rollback.row(&association.association_arn);
    let fields = row.and_then(|row| row["fields"].as_array());
    fields.into_iter().flatten().any(|field| match text(field) {
        "roleArn" => association.role_arn == role,
        _ => association.target_role_arn.as_deref() == Some(role),
    })
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
