//! What one slice of a rotation has found out so far, shared by the associations in work. In memory only: the ledger is
//! what the next slice goes by.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::estimate::Estimator;
use crate::aws::error::CallError;
use crate::max_errors::MaxErrors;
use crate::outcome::Outcome;
use crate::status::Counts;

/// How long a rotation waits for a new role that EKS cannot use yet, in all. IAM is consistent within seconds, as a rule;
/// Terraform's AWS provider waits this long, too.
pub(super) const ROLE_NOT_READY_MAX: Duration = Duration::from_mins(2);

/// Associations of one region in a row that are left for passing errors before the rest of the region is: each has cost
/// a minute of retries by then.
const TROUBLE_MAX: u32 = 3;

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
    /// The ledger knows that the plan is complete.
    pub(super) is_planned: bool,
    /// Rows that this slice has added.
    pub(super) rows_added: u64,
    /// An update has succeeded: EKS can use the new role.
    pub(super) role_proven: bool,
    waited_before: Duration,
    waiting_since: Option<Instant>,
    pub(super) estimator: Estimator,
    /// Regions whose pace this slice has begun with.
    pub(super) regions: BTreeSet<String>,
    /// By region: associations left in a row for a passing error, and the last of these.
    trouble: BTreeMap<String, (u32, CallError)>,
}

impl Progress {
    #[must_use]
    pub(super) fn new(counts: Counts, stopped: Option<String>, waited_before: Duration) -> Self {
        let stop = stopped.map_or(Stop::No, Stop::Recorded);
        Self {
            role_proven: counts.updated > 0,
            counts,
            stop,
            is_planned: false,
            rows_added: 0,
            waited_before,
            waiting_since: None,
            estimator: Estimator::default(),
            regions: BTreeSet::new(),
            trouble: BTreeMap::new(),
        }
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

    /// The rotation has to stop. Returns whether this is the first to say so, and has to record it.
    pub(super) fn decide_to_stop(&mut self) -> bool {
        let first = self.stop == Stop::No;
        if first {
            self.stop = Stop::Deciding;
        }
        first
    }

    /// An association of this region was left for a passing error that outlasted its retries.
    pub(super) fn note_trouble_in(&mut self, region: &str, error: &CallError) {
        let count = self.trouble.get(region).map_or(0, |(count, _)| *count);
        self.trouble.insert(region.to_owned(), (count + 1, error.clone()));
    }

    /// An association of this region was settled.
    pub(super) fn no_trouble_in(&mut self, region: &str) {
        self.trouble.remove(region);
    }

    /// The error for which the rest of this region is left to the next slice, so that a region out of reach does not take
    /// the time of those that work.
    pub(super) fn trouble_in(&self, region: &str) -> Option<CallError> {
        self.trouble.get(region).filter(|(count, _)| *count >= TROUBLE_MAX).map(|(_, error)| error.clone())
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
