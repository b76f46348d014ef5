//! What one slice of a rotation has found out so far, shared by the associations in work. In memory only: the ledger is
//! what the next slice goes by.

use std::time::Duration;

use tokio::time::Instant;

use crate::max_errors::MaxErrors;
use crate::outcome::Outcome;
use crate::status::Counts;

/// How long a rotation waits for a new role that EKS cannot use yet, in all. IAM is consistent within seconds, as a rule;
/// Terraform's AWS provider waits this long, too.
pub(super) const ROLE_NOT_READY_MAX: Duration = Duration::from_mins(2);

/// Whether the rotation goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    No,
    /// It has to stop, and the ledger does not know yet: no write is sent, and nothing is recorded as not attempted.
    Deciding,
    /// The ledger knows.
    Recorded(String),
    /// The ledger could not be told. The next slice comes to the same decision.
    Unrecorded,
}

#[derive(Debug)]
pub(super) struct Progress {
    pub(super) counts: Counts,
    pub(super) stop: Stop,
    /// An update has succeeded: EKS can use the new role.
    pub(super) role_proven: bool,
    waited_before: Duration,
    waiting_since: Option<Instant>,
}

impl Progress {
    #[must_use]
    pub(super) fn new(counts: Counts, stopped: Option<String>, waited_before: Duration) -> Self {
        let stop = stopped.map_or(Stop::No, Stop::Recorded);
        Self { role_proven: counts.updated > 0, counts, stop, waited_before, waiting_since: None }
    }

    /// Replaces the counts by those of the ledger's rows.
    pub(super) fn recount(&mut self, counts: Counts) {
        self.counts = counts;
        self.role_proven |= counts.updated > 0;
    }

    /// Counts a settled row. Returns why the rotation has to stop now, where it does.
    pub(super) fn settle(&mut self, outcome: Outcome, max_errors: MaxErrors) -> Option<String> {
        self.counts.settle(outcome);
        self.must_stop(max_errors)
    }

    /// Why the rotation has to stop now, where it does; only the first call that finds a reason is told.
    pub(super) fn must_stop(&mut self, max_errors: MaxErrors) -> Option<String> {
        let Counts { failed, total, .. } = self.counts;
        if self.stop != Stop::No || !max_errors.exceeded_by(failed, total) {
            return None;
        }
        self.stop = Stop::Deciding;
        Some(format!("{failed} of {total} associations failed, more than maxErrors ({max_errors}) allows"))
    }

    /// An update has succeeded.
    pub(super) fn role_works(&mut self) {
        self.role_proven = true;
        self.waited_before = Duration::ZERO;
        self.waiting_since = None;
    }

    /// EKS could not use the new role at `now`. Returns how much longer to hope for it.
    pub(super) fn role_not_ready(&mut self, now: Instant) -> Duration {
        self.waiting_since.get_or_insert(now);
        ROLE_NOT_READY_MAX.saturating_sub(self.role_not_ready_for(now))
    }

    /// For how long the new role has not been ready, the earlier slices included.
    #[must_use]
    pub(super) fn role_not_ready_for(&self, now: Instant) -> Duration {
        self.waited_before + self.waiting_since.map_or(Duration::ZERO, |since| now - since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(total: u64) -> Progress {
        Progress::new(Counts { total, pending: total, ..Counts::default() }, None, Duration::ZERO)
    }

    #[test]
    fn one_failure_too_many_stops_once() {
        let mut progress = pending(10);
        assert_eq!(progress.settle(Outcome::Failed, MaxErrors::Count(1)), None);
        assert_eq!(progress.settle(Outcome::Updated, MaxErrors::Count(1)), None);
        let reason = progress.settle(Outcome::Failed, MaxErrors::Count(1)).expect("the second failure is one too many");
        assert_eq!(reason, "2 of 10 associations failed, more than maxErrors (1) allows");
        assert_eq!(progress.settle(Outcome::Failed, MaxErrors::Count(1)), None, "it is stopping already");
    }

    #[test]
    fn a_wait_for_the_role_adds_up_over_slices_until_an_update_succeeds() {
        let start = Instant::now();
        let mut progress = Progress::new(Counts::default(), None, Duration::from_secs(100));
        assert_eq!(progress.role_not_ready(start), Duration::from_secs(20));
        assert_eq!(progress.role_not_ready(start + Duration::from_secs(15)), Duration::from_secs(5));
        assert_eq!(progress.role_not_ready(start + Duration::from_secs(30)), Duration::ZERO);
        progress.role_works();
        assert_eq!(progress.role_not_ready(start + Duration::from_secs(40)), ROLE_NOT_READY_MAX);
    }

    #[test]
    fn a_resumed_rotation_whose_role_has_worked_needs_no_new_proof() {
        assert!(!pending(3).role_proven);
        assert!(Progress::new(Counts { total: 1, updated: 1, ..Counts::default() }, None, Duration::ZERO).role_proven);
    }
}
