//! How a rotation ends: the status that follows from its rows and from what the index covers, and
//! what stays on the old role. The package `rerole` reads the rows and passes them in.

use std::collections::{BTreeSet, VecDeque};

use crate::request::RotationRequest;
use crate::resource::{AssociationArn, RoleArn, RoleField};
use crate::rotation::drain::drained_at;
use crate::rotation::{Counts, Outcome, RotationRecord, Row, Status, UNEXPECTED_RESPONSE};
use crate::timestamp::Timestamp;

/// What the rows of a rotation add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub counts: Counts,
    /// The regions in which updates have succeeded.
    pub proven_regions: BTreeSet<String>,
    /// When the last update that succeeded was recorded.
    updated_at: Option<Timestamp>,
    /// The last two associations for which EKS's responses to their updates contradict the request,
    /// and when that was recorded.
    contradicted: VecDeque<(Timestamp, AssociationArn)>,
    /// The latest time at which a pod of a settled association may still have credentials of the
    /// old role.
    drained_at: Option<Timestamp>,
    /// An update may have put an association on the new role: it succeeded, or it was sent and
    /// failed, and its response may have been lost or contradict the request.
    pub may_have_moved: bool,
    /// The associations that keep a target role, while their role moves or would move.
    keep_target_role: u64,
    /// Their target roles.
    target_roles: BTreeSet<String>,
}

/// Target roles that a rotation's reason names. The rows have all of them.
const NAMED_TARGET_ROLES_MAX: usize = 5;

impl Tally {
    /// Adds a row.
    pub fn add(&mut self, row: &Row) {
        self.counts.add(row.outcome);
        if row.outcome == Outcome::Updated && !row.inferred {
            let region = row.association_arn.region();
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
        if let Some(target_role) = kept_target_role(row) {
            self.keep_target_role += 1;
            self.target_roles.insert(target_role.to_owned());
        }
    }

    /// Returns what the target roles must do, in words, or `None` if no association has one. EKS
    /// accepts the new role even if a target role does not trust it, and then pods lose their
    /// access when they renew their credentials.
    fn target_roles_must_trust(&self, new_role: &RoleArn) -> Option<String> {
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

/// Returns the target role of an association whose role moves or would move, if the association
/// keeps it. Its trust policy may name the old role.
fn kept_target_role(row: &Row) -> Option<&str> {
    let moves = matches!(row.outcome, Outcome::Updated | Outcome::WouldUpdate)
        && row.fields.contains(RoleField::RoleArn)
        && !row.fields.contains(RoleField::TargetRoleArn);
    row.target_role_arn.as_deref().filter(|_| moves)
}

/// What decides how a rotation ends.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub request: &'a RotationRequest,
    /// What its rows add up to. All of them are settled.
    pub tally: &'a Tally,
    /// The reason if it was stopped early.
    pub stopped: Option<&'a str>,
    /// A command has cancelled it. No sweep has looked for new associations.
    pub is_cancelled: bool,
    /// The regions whose index is not complete. Associations there may be unknown.
    pub incomplete_regions: &'a [String],
    /// How many items of the index name the old role and cannot be. Each may hide an association.
    pub invalid_items: u64,
    /// The clusters that the stack leaves out of its index, as `region/cluster`.
    pub excluded_clusters: &'a [String],
    /// The rotation that has moved associations from the old role before, if none is left.
    pub moved_before: Option<&'a RotationRecord>,
}

/// How a rotation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    pub status: Status,
    pub reason: Option<String>,
    /// The end of the drain of what the rotation moved, if it moved anything.
    pub drained_at: Option<Timestamp>,
    /// Why associations may still use the old role, if they may.
    pub still_used: Option<String>,
}

/// Returns the end of a rotation.
///
/// # Panics
/// If a row is still pending.
#[must_use]
pub fn close(facts: &Facts<'_>) -> Closing {
    let Facts {
        request,
        tally,
        stopped,
        ..
    } = facts;
    let counts = &tally.counts;
    assert_eq!(
        counts.pending, 0,
        "a rotation can only be closed if every row is settled"
    );
    let status = facts.status();
    let mut reasons: Vec<String> = stopped.map(str::to_owned).into_iter().collect();
    if status == Status::NoAssociations {
        let scoped = if counts.out_of_scope > 0 {
            " in scope"
        } else {
            ""
        };
        reasons.push(format!(
            "the index has no association on {}{scoped}",
            request.old_role_arn
        ));
        reasons.extend(facts.moved_before.map(|earlier| {
            let (moved, new_role) = (earlier.counts.updated, &earlier.new_role_arn);
            format!(
                "{moved} were moved to {new_role} by rotation {}",
                earlier.key
            )
        }));
    }
    let known = still_used_by(counts).map(|used| format!("the old role is still in use: {used}"));
    let unknown = unknown_in(facts.incomplete_regions);
    let hidden = hidden_by(facts.invalid_items);
    let unswept = facts
        .is_cancelled
        .then(|| "associations that came to the old role since its plan are not known".to_owned());
    let still_used: Vec<String> = [known, unknown, hidden, unswept]
        .into_iter()
        .flatten()
        .collect();
    reasons.extend(still_used.iter().cloned());
    if !facts.excluded_clusters.is_empty() {
        reasons.push(format!(
            "INDEX_EXCLUDE leaves out {}, so associations there are not known",
            facts.excluded_clusters.join(", ")
        ));
    }
    reasons.extend(tally.target_roles_must_trust(&request.new_role_arn));
    Closing {
        status,
        reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
        drained_at: tally.drained_at,
        still_used: (!still_used.is_empty()).then(|| still_used.join("; ")),
    }
}

impl Facts<'_> {
    fn status(&self) -> Status {
        let (request, counts) = (self.request, &self.tally.counts);
        let is_in_scope = |region: &String| request.scope.covers_region(region);
        let stays = counts.owned_by_addon > 0
            || counts.reverted > 0
            || self.invalid_items > 0
            || self.incomplete_regions.iter().any(is_in_scope);
        if self.is_cancelled {
            Status::Cancelled
        } else if self.stopped.is_some() {
            Status::Failed
        } else if counts.total == 0 {
            Status::NoAssociations
        } else if counts.failed > 0 {
            Status::CompletedWithFailures
        } else if request.dry_run {
            Status::Planned
        } else if stays {
            Status::Incomplete
        } else {
            Status::Succeeded
        }
    }
}

/// Returns the associations that are known to use the old role, in words, or `None` if there are
/// none.
fn still_used_by(counts: &Counts) -> Option<String> {
    let words: Vec<String> = [
        (counts.would_update, "would be updated"),
        (counts.failed, "failed"),
        (counts.owned_by_addon, "owned by an add-on"),
        (counts.not_attempted, "not attempted"),
        (counts.out_of_scope, "out of scope"),
        (counts.reverted, "moved back by another actor"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// Returns what the index does not know, in words, or `None` if it is complete.
fn unknown_in(incomplete_regions: &[String]) -> Option<String> {
    (!incomplete_regions.is_empty()).then(|| {
        format!(
            "the index is not complete for {}, so unknown associations there may use the old role",
            incomplete_regions.join(", ")
        )
    })
}

/// Returns what invalid items of the index mean, in words, or `None` if there are none.
fn hidden_by(invalid_items: u64) -> Option<String> {
    (invalid_items > 0).then(|| {
        format!(
            "invalid items of the index name the old role ({invalid_items}), and may hide \
             associations; a full run removes them"
        )
    })
}

#[cfg(test)]
mod tests;
