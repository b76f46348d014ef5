//! Which rotation holds a role, which roles count as in use, and what is left on a replaced role.

use rerole_sim::Association;
use serde_json::Value;

use crate::oracle::evidence::{Evidence, Rotation, text};

pub fn check(evidence: &Evidence) {
    no_role_is_held(evidence);
    rotations_exclude_each_other(evidence);
    roles_with_associations_are_in_use(evidence);
    for association in &evidence.associations {
        let fields = [
            Some(&association.role_arn),
            association.target_role_arn.as_ref(),
        ];
        for role in fields.into_iter().flatten() {
            nothing_is_left_silently(evidence, association, role);
        }
    }
    free_roles_are_free(evidence);
}

/// 9. No rotation is open, so none holds a role.
fn no_role_is_held(evidence: &Evidence) {
    for (role, item) in evidence.roles() {
        let held_by = item.get("heldBy");
        assert!(
            held_by.is_none(),
            "guarantee 9: {role} is held by {held_by:?}"
        );
    }
}

/// 9. Two rotations that share a role never run at the same time.
fn rotations_exclude_each_other(evidence: &Evidence) {
    let rotations: Vec<_> = evidence.real_rotations().collect();
    for (at, one) in rotations.iter().enumerate() {
        for other in &rotations[at + 1..] {
            let roles = [one.old_role(), one.new_role()];
            let shares = roles.contains(&other.old_role()) || roles.contains(&other.new_role());
            let overlaps = Some(one.started_at()) < other.finished_at()
                && Some(other.started_at()) < one.finished_at();
            assert!(
                !(shares && overlaps),
                "guarantee 9: {} and {} ran at the same time",
                one.key,
                other.key
            );
        }
    }
}

/// 13. A role that the index shows on an association, and that a rotation has named, counts as in
///     use.
fn roles_with_associations_are_in_use(evidence: &Evidence) {
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
fn nothing_is_left_silently(evidence: &Evidence, association: &Association, role: &str) {
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

/// The rotation that replaced the role for this association, unless a later rotation made the role
/// current again.
fn replaced_by<'a>(
    evidence: &'a Evidence,
    association: &Association,
    role: &str,
) -> Option<&'a Rotation> {
    let covers = |rotation: &&Rotation| {
        let names = rotation.item["request"].get("clusterNames");
        let names = names.and_then(Value::as_array);
        let is_named =
            |names: &Vec<Value>| names.iter().any(|name| *name == association.cluster_name);
        names.is_none_or(is_named)
    };
    let replaces = |rotation: &&Rotation| rotation.status() != "NoAssociations";
    let rotations = || evidence.real_rotations().filter(replaces).filter(covers);
    let last = rotations()
        .filter(|rotation| rotation.old_role() == role)
        .max_by_key(|rotation| rotation.started_at())?;
    // It was stopped, so it says that it has not moved everything.
    if last.status() == "Failed" {
        return None;
    }
    let is_current_again = rotations()
        .any(|rotation| rotation.new_role() == role && rotation.started_at() > last.started_at());
    (!is_current_again).then_some(last)
}

/// A role that nothing uses does not count as in use for ever: not if its last rotation has moved
/// everything away, and nobody has used it since.
fn free_roles_are_free(evidence: &Evidence) {
    for (role, item) in evidence.roles() {
        let rotations = || evidence.real_rotations();
        let of_role =
            |rotation: &&Rotation| rotation.old_role() == role || rotation.new_role() == role;
        let last = rotations()
            .filter(of_role)
            .max_by_key(|rotation| rotation.started_at());
        let has_moved_all = last.is_some_and(|rotation| {
            rotation.old_role() == role
                && rotation.status() == "Succeeded"
                && rotation.reversions.is_empty()
                && rotation.item["counts"]["outOfScope"] == 0
        });
        if has_moved_all && user_of(evidence, role).is_none() {
            let in_use = item.get("inUse");
            assert!(
                in_use.is_none(),
                "{role} is free, and counts as in use: {in_use:?}"
            );
        }
    }
}
