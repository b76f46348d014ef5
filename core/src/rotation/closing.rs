//! How a rotation ends: the status that follows from its rows and from what the index covers, and
//! what stays on the old role. The package `rerole` reads the rows and passes them in.

mod facts;
mod rollback;

pub use facts::Facts;

use crate::rotation::Status;
use crate::timestamp::Timestamp;

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
    let status = match request.rollback {
        None => facts.status(),
        Some(_) => facts.status_of_rollback(),
    };
    let old_role = match request.rollback {
        None => "the old role".to_owned(),
        // The old role of the rotation that it takes back is another one.
        Some(_) => request.old_role_arn.to_string(),
    };
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
    if request.rollback.is_some() {
        reasons.extend(rollback::reasons(facts));
    }
    let known = still_used_by(facts).map(|used| format!("{old_role} is still in use: {used}"));
    let unknown = unknown_in(facts.incomplete_regions, &old_role);
    let hidden = hidden_by(facts.invalid_items, &old_role);
    let unswept = facts
        .is_cancelled
        .then(|| format!("associations that came to {old_role} since its plan are not known"));
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
    if request.rollback.is_none() {
        // They did trust the role to which a rollback returns.
        reasons.extend(tally.target_roles_must_trust(&request.new_role_arn));
    }
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
fn still_used_by(facts: &Facts<'_>) -> Option<String> {
    let counts = &facts.tally.counts;
    let (out_of_scope, reverted) = match facts.request.rollback {
        None => ("out of scope", "moved back by another actor"),
        Some(_) => (
            "not moved there by the rotation, or changed since",
            "moved there again by another actor",
        ),
    };
    let words: Vec<String> = [
        (counts.would_update, "would be updated"),
        (counts.failed, "failed"),
        (counts.owned_by_addon, "owned by an add-on"),
        (counts.not_attempted, "not attempted"),
        (counts.out_of_scope, out_of_scope),
        (counts.reverted, reverted),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// Returns what the index does not know, in words, or `None` if it is complete.
fn unknown_in(incomplete_regions: &[String], old_role: &str) -> Option<String> {
    (!incomplete_regions.is_empty()).then(|| {
        format!(
            "the index is not complete for {}, so unknown associations there may use {old_role}",
            incomplete_regions.join(", ")
        )
    })
}

/// Returns what invalid items of the index mean, in words, or `None` if there are none.
fn hidden_by(invalid_items: u64, old_role: &str) -> Option<String> {
    (invalid_items > 0).then(|| {
        format!(
            "invalid items of the index name {old_role} ({invalid_items}), and may hide \
             associations; a full run removes them"
        )
    })
}

#[cfg(test)]
mod tests;
