//! What one slice of a rotation knows so far. Its associations in flight share this state in
//! memory. The next slice starts from the ledger, not from this.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::request::MaxErrors;
use crate::rotation::{CircuitBreaker, Counts, Ending, Estimator, Outcome};

/// How long a rotation waits, in all its slices together, for a new role that EKS cannot use yet.
/// IAM is usually consistent within seconds. Terraform's AWS provider also waits for 2 minutes.
pub const ROLE_NOT_READY_MAX: Duration = Duration::from_mins(2);

/// Whether the rotation stops early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    No,
    /// It must stop, but the ledger does not have the stop yet. Until it does, no update is sent,
    /// and no row is settled as `NotAttempted`.
    Deciding,
    /// The ledger has the stop, with this reason.
    Recorded(String),
    /// The stop could not be written to the ledger. The next slice decides to stop for the same
    /// reason.
    Unrecorded,
}

/// The state that a slice's associations share.
#[derive(Debug)]
pub struct SliceState {
    pub counts: Counts,
    pub stop: Stop,
    /// The plan is complete, and the ledger records that.
    pub is_planned: bool,
    /// The rows that this slice has added to the plan.
    pub rows_added: u64,
    /// An update has succeeded, so EKS can use the new role.
    pub role_proven: bool,
    /// How long earlier slices have waited for the new role.
    waited_before: Duration,
    waiting_since: Option<Duration>,
    pub estimator: Estimator,
    /// The ledger has that this rotation moves associations to the new role.
    pub new_role_in_use: bool,
    /// The regions whose learned rates this slice has loaded.
    pub regions: BTreeSet<String>,
    pub circuit_breaker: CircuitBreaker,
}

impl SliceState {
    /// Creates the state of a slice. `stopped` is the recorded reason of an early stop, and
    /// `waited_before` is how long earlier slices have waited for the new role.
    #[must_use]
    pub fn new(counts: Counts, stopped: Option<String>, waited_before: Duration) -> Self {
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
            new_role_in_use: false,
            regions: BTreeSet::new(),
            circuit_breaker: CircuitBreaker::default(),
        }
    }

    /// Replaces the counts with those of the ledger's rows.
    pub fn recount(&mut self, counts: Counts) {
        self.counts = counts;
        self.role_proven |= counts.updated > 0;
    }

    /// Counts a settled row. Returns the reason if the rotation must stop because of it.
    pub fn settle(&mut self, outcome: Outcome, max_errors: MaxErrors) -> Option<String> {
        self.counts.settle(outcome);
        self.must_stop(max_errors)
    }

    /// Returns the reason if too many associations have failed. Returns it only once, so only one
    /// caller records the stop.
    pub fn must_stop(&mut self, max_errors: MaxErrors) -> Option<String> {
        let Counts { failed, total, .. } = self.counts;
        if self.stop != Stop::No || failed <= max_errors.allowed_of(total) {
            return None;
        }
        self.stop = Stop::Deciding;
        Some(format!(
            "{failed} of {total} associations failed, more than maxErrors ({max_errors}) allows"
        ))
    }

    /// Decides that the rotation must stop. Returns whether the caller is the first to decide it,
    /// and must record the stop.
    pub fn decide_to_stop(&mut self) -> bool {
        let is_first = self.stop == Stop::No;
        if is_first {
            self.stop = Stop::Deciding;
        }
        is_first
    }

    /// Records what an ending says about the whole rotation, before it is stored: an update has
    /// succeeded, or EKS contradicted one. Nothing is sent after a contradiction.
    pub fn note_ending(&mut self, ending: &Ending) {
        if matches!(ending, Ending::Updated { .. }) {
            self.role_proven = true;
            self.waited_before = Duration::ZERO;
            self.waiting_since = None;
        }
        if ending.is_contradiction() {
            self.decide_to_stop();
        }
    }

    /// Records that EKS could not use the new role at `now`. Returns how much longer to wait for
    /// it.
    pub fn role_not_ready(&mut self, now: Duration) -> Duration {
        self.waiting_since.get_or_insert(now);
        ROLE_NOT_READY_MAX.saturating_sub(self.role_not_ready_for(now))
    }

    /// Returns how long the rotation has waited for the new role, including earlier slices.
    #[must_use]
    pub fn role_not_ready_for(&self, now: Duration) -> Duration {
        self.waited_before
            + self
                .waiting_since
                .map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::ErrorClass;
    use crate::request::RotationId;
    use crate::resource::{RoleFields, association};
    use crate::rotation::{RowError, Token, UNEXPECTED_RESPONSE};

    fn pending(total: u64) -> SliceState {
        SliceState::new(
            Counts {
                total,
                pending: total,
                ..Counts::default()
            },
            None,
            Duration::ZERO,
        )
    }

    #[test]
    fn one_failure_too_many_gives_one_reason_to_stop() {
        let mut state = pending(10);
        assert_eq!(state.settle(Outcome::Failed, MaxErrors::Count(1)), None);
        assert_eq!(state.settle(Outcome::Updated, MaxErrors::Count(1)), None);
        let reason = state
            .settle(Outcome::Failed, MaxErrors::Count(1))
            .expect("the second failure is one too many");
        assert_eq!(
            reason,
            "2 of 10 associations failed, more than maxErrors (1) allows"
        );
        assert_eq!(
            state.settle(Outcome::Failed, MaxErrors::Count(1)),
            None,
            "the first caller already has the reason"
        );
    }

    fn updated() -> Ending {
        Ending::Updated {
            token: token(),
            fields: RoleFields::default(),
            request_id: None,
            response: Box::new(association("b")),
        }
    }

    fn token() -> Token {
        let (id, seen) = (RotationId::new("r").unwrap(), association("a"));
        Token::new(&id, &seen.association_arn, seen.modified_at, &[], 0)
    }

    #[test]
    fn a_contradiction_stops_updates_before_it_is_stored_and_no_other_ending_does() {
        let failed = |code: &str| Ending::Failed {
            token: Some(token()),
            error: RowError {
                class: ErrorClass::Terminal,
                code: code.to_owned(),
                message: String::new(),
                request_id: None,
            },
        };
        for (ending, stop, role_proven) in [
            (updated(), Stop::No, true),
            (Ending::Drifted, Stop::No, false),
            (failed("ServerException"), Stop::No, false),
            (failed(UNEXPECTED_RESPONSE), Stop::Deciding, false),
        ] {
            let mut state = pending(1);
            state.note_ending(&ending);
            assert_eq!(
                (state.stop, state.role_proven),
                (stop, role_proven),
                "{ending:?}"
            );
        }
    }

    #[test]
    fn waits_for_the_role_add_up_over_slices_until_an_update_succeeds() {
        let start = Duration::from_secs(1_000);
        let mut state = SliceState::new(Counts::default(), None, Duration::from_secs(100));
        assert_eq!(state.role_not_ready(start), Duration::from_secs(20));
        assert_eq!(
            state.role_not_ready(start + Duration::from_secs(15)),
            Duration::from_secs(5)
        );
        assert_eq!(
            state.role_not_ready(start + Duration::from_secs(30)),
            Duration::ZERO
        );
        state.note_ending(&updated());
        assert_eq!(
            state.role_not_ready(start + Duration::from_secs(40)),
            ROLE_NOT_READY_MAX
        );
    }

    #[test]
    fn a_rotation_with_an_updated_row_needs_no_new_proof_of_its_role() {
        assert!(!pending(3).role_proven);
        assert!(
            SliceState::new(
                Counts {
                    total: 1,
                    updated: 1,
                    ..Counts::default()
                },
                None,
                Duration::ZERO
            )
            .role_proven
        );
    }
}
