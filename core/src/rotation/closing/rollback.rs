//! How a rollback ends.

use crate::rotation::Status;
use crate::rotation::closing::facts::Facts;

impl Facts<'_> {
    /// Returns the status with which a rollback ends. It depends only on the rollback's own rows:
    /// they are all that it has to take back.
    pub(super) fn status_of_rollback(&self) -> Status {
        let counts = &self.tally.counts;
        let is_left = counts.failed
            + counts.not_attempted
            + counts.owned_by_addon
            + counts.changed_since
            + counts.reverted
            > 0;
        let has_failed = counts.failed > 0 || self.stopped.is_some();
        if self.is_cancelled {
            Status::Cancelled
        } else if self.request.dry_run && !has_failed {
            Status::Planned
        } else if is_left || has_failed {
            Status::RollbackIncomplete
        } else {
            Status::RolledBack
        }
    }
}

/// Returns what has to be said of the associations of a rollback.
pub(super) fn reasons(facts: &Facts<'_>) -> Vec<String> {
    let (request, tally) = (facts.request, facts.tally);
    let counts = &tally.counts;
    let rotation_id = &request.rotation_id;
    let nothing =
        (counts.total == 0).then(|| format!("rotation {rotation_id} has moved no association"));
    let advice = match request.rollback {
        Some(rollback) if rollback.include_changed => "",
        _ => {
            "; Rollback with includeChanged takes back the roles among them that are still those \
             of the rotation"
        }
    };
    let changed = (counts.changed_since > 0).then(|| {
        format!(
            "{} changed since the rotation and left as they are{advice}",
            counts.changed_since
        )
    });
    let pods = (counts.updated > 0 && !request.dry_run).then(|| {
        let until = tally.drained_at.map_or_else(String::new, |at| format!(", until {at}"));
        let named = &tally.updated_workloads;
        let more = match counts.updated.saturating_sub(named.len() as u64) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        format!(
            "running pods keep the credentials of {} until these expire or the pods restart{until}: \
             {}{more}",
            request.old_role_arn,
            named.join(", ")
        )
    });
    [nothing, changed, pods].into_iter().flatten().collect()
}
