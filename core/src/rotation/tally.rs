//! What the rows of a rotation add up to. What follows from it is decided in `closing.rs`.

use std::collections::{BTreeSet, VecDeque};

use crate::resource::{AssociationArn, RoleArn, RoleField};
use crate::rotation::drain::drained_at;
use crate::rotation::{Counts, Outcome, RegionCounts, Row, UNEXPECTED_RESPONSE};
use crate::timestamp::Timestamp;

/// What the rows of a rotation add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub counts: Counts,
    /// The number of rows in each region.
    pub regions: RegionCounts,
    /// The regions in which updates have succeeded.
    pub proven_regions: BTreeSet<String>,
    /// When the last update that succeeded was recorded.
    updated_at: Option<Timestamp>,
    /// The last two associations for which EKS's responses to their updates contradict the request,
    /// and when that was recorded.
    contradicted: VecDeque<(Timestamp, AssociationArn)>,
    /// The latest time at which a pod of a settled association may still have credentials of the
    /// old role.
    pub(super) drained_at: Option<Timestamp>,
    /// An update may have put an association on the new role: it succeeded, or it was sent and
    /// failed, and its response may have been lost or contradict the request.
    pub may_have_moved: bool,
    /// The associations that keep a target role, while their role moves or would move.
    keep_target_role: u64,
    /// Their target roles.
    target_roles: BTreeSet<String>,
    /// The first workloads whose associations were updated.
    pub(super) updated_workloads: Vec<String>,
}

/// Workloads that a rollback's reason names. The rows have all of them.
const NAMED_WORKLOADS_MAX: usize = 5;
/// Target roles that a rotation's reason names. The rows have all of them.
const NAMED_TARGET_ROLES_MAX: usize = 5;

impl Tally {
    /// Adds a row.
    pub fn add(&mut self, row: &Row) {
        self.counts.add(row.outcome);
        let region = row.association_arn.region();
        self.regions.add(region, row.outcome);
        if row.outcome == Outcome::Updated && !row.inferred {
            if !self.proven_regions.contains(region) {
                self.proven_regions.insert(region.to_owned());
            }
            self.updated_at = self.updated_at.max(row.settled_at);
        }
        if let (Some(UNEXPECTED_RESPONSE), Some(at)) = (row.error_code.as_deref(), row.settled_at) {
            self.contradicted
                .push_back((at, row.association_arn.clone()));
            self.contradicted.make_contiguous().sort_unstable();
            if self.contradicted.len() > 2 {
                self.contradicted.pop_front();
            }
        }
        self.drained_at = self.drained_at.max(drained_at(row));
        self.may_have_moved |= match row.outcome {
            Outcome::Updated | Outcome::AlreadyCurrent => true,
            Outcome::Failed => row.client_request_token.is_some(),
            _ => false,
        };
        let mut earlier = row.earlier_results.iter();
        self.may_have_moved |= earlier.any(|result| result.client_request_token.is_some());
        if row.outcome == Outcome::Updated && self.updated_workloads.len() < NAMED_WORKLOADS_MAX {
            self.updated_workloads.push(workload(row));
        }
        if let Some(target_role) = kept_target_role(row) {
            self.keep_target_role += 1;
            self.target_roles.insert(target_role.to_owned());
        }
    }

    /// Returns what the target roles must do, in words, or `None` if no association has one. EKS
    /// accepts the new role even if a target role does not trust it, and then pods lose their
    /// access when they renew their credentials.
    pub(super) fn target_roles_must_trust(&self, new_role: &RoleArn) -> Option<String> {
        let named: Vec<&str> = self
            .target_roles
            .iter()
            .take(NAMED_TARGET_ROLES_MAX)
            .map(String::as_str)
            .collect();
        let more = match self.target_roles.len() - named.len() {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        (!named.is_empty()).then(|| {
            format!(
                "{} associations have a target role, which must trust {new_role}: {}{more}",
                self.keep_target_role,
                named.join(", "),
            )
        })
    }

    /// Returns the association because of which the rotation must stop, if there is one: a slice
    /// may have recorded the rows and then died. As while it runs, a contradiction counts before
    /// any update has succeeded, and two count without a success in between.
    #[must_use]
    pub fn contradiction(&self) -> Option<&AssociationArn> {
        let last = self.contradicted.back().map(|(_, arn)| arn);
        match self.updated_at {
            None => last,
            Some(updated_at) => {
                let since = self.contradicted.iter().filter(|(at, _)| *at > updated_at);
                last.filter(|_| since.count() == 2)
            }
        }
    }
}

/// Returns the workload of an association: region, cluster, namespace and service account.
fn workload(row: &Row) -> String {
    format!(
        "{}/{} {}/{}",
        row.association_arn.region(),
        row.cluster_name,
        row.namespace,
        row.service_account
    )
}

/// Returns the target role of an association whose role moves or would move, if the association
/// keeps it. Its trust policy may name the old role.
fn kept_target_role(row: &Row) -> Option<&str> {
    let moves = matches!(row.outcome, Outcome::Updated | Outcome::WouldUpdate)
        && row.fields.contains(RoleField::RoleArn)
        && !row.fields.contains(RoleField::TargetRoleArn);
    row.target_role_arn.as_deref().filter(|_| moves)
}

#[cfg(test)]
pub(super) mod tests;
