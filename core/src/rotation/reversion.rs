//! Reversions: associations on a role that a rotation has replaced. Another actor moved them back,
//! or created them on that role. rerole only records them; an operator decides what to do.

use serde::{Deserialize, Serialize};

use crate::indexing::Caller;
use crate::keys::Side;
use crate::request::Location;
use crate::resource::{Association, AssociationArn, RoleArn, RoleFields};
use crate::rotation::{Outcome, RotationRecord, Row, Status};
use crate::timestamp::Timestamp;

/// A ledger row: an association on the role that the rotation replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReversionRow {
    pub reverted_arn: AssociationArn,
    pub cluster_name: String,
    pub namespace: String,
    pub service_account: String,
    /// The fields that have the old role.
    pub fields: RoleFields,
    /// The version that has it.
    pub modified_at: Timestamp,
    pub seen_at: Timestamp,
    /// The caller who made that version, if an event shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

impl ReversionRow {
    /// Creates the row for an association as EKS showed it at `now`.
    #[must_use]
    pub fn new(
        rotation: &RotationRecord,
        seen: &Association,
        caller: Caller,
        now: Timestamp,
    ) -> Self {
        let arn = &seen.association_arn;
        Self {
            reverted_arn: arn.clone(),
            cluster_name: arn.cluster_name().to_owned(),
            namespace: seen.namespace.clone(),
            service_account: seen.service_account.clone(),
            fields: RoleFields::naming(
                &rotation.old_role_arn,
                &seen.role_arn,
                seen.target_role_arn.as_deref(),
            ),
            modified_at: seen.modified_at,
            seen_at: now,
            caller_arn: caller.caller_arn,
            user_agent: caller.user_agent,
        }
    }
}

/// What an association on a role means for one of the rotations that replaced this role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The association is on the role again, or was created on it.
    Reverted,
    /// According to the rotation's row, the association never left the old role.
    NeverLeft,
    /// The rotation is open and does not have the association yet.
    Arriving,
    /// The rotation does not cover the association. An earlier rotation may.
    Elsewhere,
}

/// One step in the history of a role: a rotation from it or onto it, and the association's row in
/// that rotation, if it has one.
#[derive(Debug, Clone, Copy)]
pub struct RoleStep<'a> {
    pub side: Side,
    pub rotation: &'a RotationRecord,
    pub row: Option<&'a Row>,
}

/// Goes back through the history of a role, until it is clear what it means that an association is
/// on the role.
///
/// A role that was replaced can become a new role again: A to B, and later B to A, or C to A. An
/// association that such a later rotation moved to A belongs there. So does one that was created
/// on A after it, if the later rotation covers it: A is the current role again. But an association
/// that rotation A to B moved away, and that no later rotation moved back, has reverted.
#[derive(Debug, Default)]
pub struct RoleHistory {
    /// The old roles of later rotations onto the role that cover the association.
    covered_by_rotations_from: Vec<RoleArn>,
}

/// What a step in the history of a role means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// An earlier step decides.
    Undecided,
    /// The association belongs on the role.
    Belongs,
    /// It is a reversion of this rotation.
    Reverted,
    /// This rotation is open and does not have the association yet.
    Arriving,
    /// According to this rotation's row, the association never left the role.
    NeverLeft,
}

impl RoleHistory {
    /// Returns what the next step means. Steps are taken from the latest to the earliest.
    pub fn step(&mut self, step: RoleStep<'_>, seen: &Association) -> Meaning {
        let RoleStep {
            side,
            rotation,
            row,
        } = step;
        if !replaces_roles(rotation) {
            return Meaning::Undecided;
        }
        match side {
            Side::Onto => {
                // An update that is not recorded yet, or that failed, may have taken effect.
                let should_be_on_role = |row: &Row| match row.outcome {
                    Outcome::Updated
                    | Outcome::AlreadyCurrent
                    | Outcome::Pending
                    | Outcome::Failed
                    | Outcome::NotAttempted => true,
                    Outcome::Drifted
                    | Outcome::Deleted
                    | Outcome::OwnedByAddon
                    | Outcome::ChangedSince
                    | Outcome::WouldUpdate => false,
                };
                if row.is_some_and(should_be_on_role) {
                    return Meaning::Belongs;
                }
                if covers(rotation, seen) {
                    let from = rotation.old_role_arn.clone();
                    self.covered_by_rotations_from.push(from);
                }
                Meaning::Undecided
            }
            Side::From => match verdict(rotation, row, seen) {
                Verdict::Elsewhere => Meaning::Undecided,
                Verdict::NeverLeft => Meaning::NeverLeft,
                Verdict::Arriving => Meaning::Arriving,
                Verdict::Reverted if self.is_current_again(rotation, row) => Meaning::Belongs,
                Verdict::Reverted => Meaning::Reverted,
            },
        }
    }

    /// Returns whether a later rotation made the role the association's role again. Then it is no
    /// reversion of `rotation`.
    fn is_current_again(&self, rotation: &RotationRecord, row: Option<&Row>) -> bool {
        let later = &self.covered_by_rotations_from;
        match row {
            None => !later.is_empty(),
            Some(_) => later.contains(&rotation.new_role_arn),
        }
    }
}

/// Returns whether a rotation can have replaced its old role. A dry run, a rejection and a rotation
/// without associations have not.
#[must_use]
pub fn replaces_roles(rotation: &RotationRecord) -> bool {
    !rotation.request.dry_run
        && !matches!(rotation.status(), Status::Rejected | Status::NoAssociations)
}

/// Returns whether an attempt of a rotation has moved all associations in its scope, or is about
/// to, and this association is in its scope.
#[must_use]
pub fn covers(rotation: &RotationRecord, seen: &Association) -> bool {
    let status = rotation.status();
    let is_about_to = !status.is_final() && status != Status::Cancelling;
    (is_about_to || rotation.covers_scope())
        && rotation.request.scope.covers(Location {
            arn: &seen.association_arn,
            namespace: &seen.namespace,
            service_account: &seen.service_account,
        })
}

/// Returns what it means for `rotation` that the association is on its old role. `row` is the
/// association's row in the rotation, if it has one.
#[must_use]
pub fn verdict(rotation: &RotationRecord, row: Option<&Row>, seen: &Association) -> Verdict {
    let Some(row) = row else {
        // A rollback leaves all on its old role that its rotation has not moved there.
        return if !covers(rotation, seen) || rotation.request.rollback.is_some() {
            Verdict::Elsewhere
        } else if rotation.state.will_sweep() {
            Verdict::Arriving
        } else if rotation.state.waits_for_turn() && !rotation.has_covered_scope {
            // It has replaced nothing so far, and finds the association when it has its turn.
            Verdict::Elsewhere
        } else {
            // Created on the role or moved to it after an attempt, or before it without being in
            // the index.
            Verdict::Reverted
        };
    };
    // A rollback leaves a field on its old role that had this role before the rotation.
    if rotation.request.rollback.is_some() && !is_taken_back(rotation, row, seen) {
        return Verdict::Elsewhere;
    }
    match row.outcome {
        Outcome::Updated | Outcome::AlreadyCurrent | Outcome::Drifted => match row.modified_at {
            Some(left_at) if seen.modified_at <= left_at => Verdict::NeverLeft,
            _ => Verdict::Reverted,
        },
        // The rollback has left it to other actors.
        Outcome::ChangedSince => Verdict::Elsewhere,
        // EKS did not find the association then, and does now.
        Outcome::Deleted => Verdict::Reverted,
        Outcome::Pending
        | Outcome::OwnedByAddon
        | Outcome::Failed
        | Outcome::NotAttempted
        | Outcome::WouldUpdate => Verdict::NeverLeft,
    }
}

/// Returns whether the association has the old role of a rollback in a field that it takes back.
fn is_taken_back(rollback: &RotationRecord, row: &Row, seen: &Association) -> bool {
    let target_role = seen.target_role_arn.as_deref();
    let on_old_role = RoleFields::naming(&rollback.old_role_arn, &seen.role_arn, target_role);
    !on_old_role.intersection(row.fields).is_empty()
}

#[cfg(test)]
mod tests;
