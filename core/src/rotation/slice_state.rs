//! What one slice of a rotation knows so far. Its associations in flight share this state in
//! memory. The next slice starts from the ledger, not from this.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::request::{MaxConcurrency, MaxErrors};
use crate::rotation::{
    CircuitBreaker, Counts, Ending, Estimator, Outcome, RegionMeters, RoleProof, RotationRecord,
    Tally,
};
use crate::timestamp::Timestamp;

/// Contradicting responses in a row that stop a rotation. One may be another client's change
/// between Describe and update. A second one, without a success in between, means that EKS does not
/// behave as this program assumes.
const CONTRADICTIONS_MAX: u32 = 2;

/// Whether the rotation stops early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    No,
    /// It must stop, but the ledger does not have the stop yet. Until it does, no update is sent,
    /// and no row is settled as `NotAttempted`.
    Deciding,
    /// The ledger has the stop, with this reason.
    Recorded(String),
    /// The ledger does not have the stop, and does not get it from this slice: it refused the
    /// record, or the slice could send none. The next slice decides again whether to stop.
    NotRecorded,
    /// The record of the stop got no response. It may still be on its way.
    Unconfirmed,
}

/// The associations of a region in flight beside which others may be started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// They pause before their next call, so they use none of the region's rate.
    pub pausing: usize,
    /// EKS did not find them. It takes seconds until they count as deleted, and no update of them
    /// is at risk.
    pub missing: usize,
}

/// What slices have sent and got no response for. Each value includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unconfirmed {
    Nothing,
    /// An update: a pending row may have been updated.
    Updates,
    /// The record of an ending that EKS has not confirmed. It may still be on its way.
    Record,
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
    /// Where EKS has accepted the new role.
    pub role: RoleProof,
    /// Contradicting responses since the last success, in the order of the responses.
    contradictions: u32,
    /// For each region, the associations in flight that only wait.
    pub waiting: BTreeMap<String, Waiting>,
    pub estimator: Estimator,
    /// What is known of each region. Until the plan is complete, only what this slice has added.
    pub meters: RegionMeters,
    /// The ledger has that this rotation moves associations to the new role.
    pub new_role_in_use: bool,
    /// When this slice has last been through the rows, if it has. Its updates have ended by then.
    pub executed_at: Option<Timestamp>,
    /// What this slice, or an earlier one, has sent and got no response for.
    pub unconfirmed: Unconfirmed,
    /// The last entry of the timeline that this slice knows.
    pub timeline_seq: u64,
    /// The limits, which a command may change.
    pub max_errors: MaxErrors,
    pub max_concurrency: Option<MaxConcurrency>,
    /// The regions whose learned rates this slice has loaded.
    pub regions: BTreeSet<String>,
    pub circuit_breaker: CircuitBreaker,
    /// The clusters with associations in flight that get one retryable error after another, and how
    /// many those are. No more of their associations are started, so they do not hold up their
    /// region.
    pub failing_clusters: BTreeMap<String, u32>,
}

impl SliceState {
    /// Creates the state of a slice of this rotation. Which regions have accepted the new role is
    /// not in the record, but in the rows.
    #[must_use]
    pub fn new(record: &RotationRecord) -> Self {
        let stop = record.stopped.clone().map_or(Stop::No, Stop::Recorded);
        let waited_before = Duration::from_millis(record.role_not_ready_ms);
        Self {
            counts: record.counts,
            stop,
            is_planned: record.is_planned(),
            rows_added: 0,
            role: RoleProof::new(BTreeSet::new(), waited_before),
            contradictions: 0,
            waiting: BTreeMap::new(),
            estimator: Estimator::default(),
            meters: RegionMeters::default(),
            new_role_in_use: false,
            executed_at: None,
            unconfirmed: if record.has_unconfirmed_updates {
                Unconfirmed::Updates
            } else {
                Unconfirmed::Nothing
            },
            timeline_seq: record.timeline_seq,
            max_errors: record.request.max_errors,
            max_concurrency: record.request.max_concurrency,
            regions: BTreeSet::new(),
            circuit_breaker: CircuitBreaker::new(record.failing_since.clone()),
            failing_clusters: BTreeMap::new(),
        }
    }

    /// Notes that something got no response.
    pub fn note_unconfirmed(&mut self, unconfirmed: Unconfirmed) {
        self.unconfirmed = self.unconfirmed.max(unconfirmed);
    }

    /// Takes over what commands have changed in the rotation's item, without interrupting the
    /// slice.
    pub fn note_renewed(&mut self, found: &RotationRecord) {
        self.timeline_seq = self.timeline_seq.max(found.timeline_seq);
        self.max_errors = found.request.max_errors;
        self.max_concurrency = found.request.max_concurrency;
    }

    /// Returns whether something that this slice has recorded may still be on its way.
    #[must_use]
    pub fn may_record_late(&self) -> bool {
        self.unconfirmed == Unconfirmed::Record || self.stop == Stop::Unconfirmed
    }

    /// Notes that an association of this cluster gets one retryable error after another.
    pub fn note_failing(&mut self, cluster_arn: &str) {
        *self
            .failing_clusters
            .entry(cluster_arn.to_owned())
            .or_default() += 1;
    }

    /// Notes that it no longer does.
    pub fn note_recovery(&mut self, cluster_arn: &str) {
        if let Some(count) = self.failing_clusters.get_mut(cluster_arn) {
            *count = count.saturating_sub(1);
        }
        self.failing_clusters.retain(|_, count| *count > 0);
    }

    /// Takes over what the ledger's rows add up to.
    pub fn recount(&mut self, tally: &Tally) {
        self.counts = tally.counts;
        self.meters.recount(&tally.regions);
        self.role.note_proven(tally.proven_regions.clone());
    }

    /// Counts a settled row of this region.
    pub fn settle(&mut self, region: &str, outcome: Outcome) {
        self.counts.settle(outcome);
        self.meters.note_settled(region);
    }

    /// Returns the reason if too many associations have failed. Returns it only once, so only one
    /// caller records the stop.
    pub fn must_stop(&mut self) -> Option<String> {
        let (Counts { failed, total, .. }, max_errors) = (self.counts, self.max_errors);
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
    /// succeeded in this region, or EKS contradicted one. Returns whether the rotation must stop,
    /// and the caller must record that. Nothing is sent from then on.
    ///
    /// Another client's change of the same association at the same time looks like a contradiction.
    /// So once EKS has accepted the new role, a single one only fails its row.
    pub fn note_ending(&mut self, region: &str, ending: &Ending) -> bool {
        if matches!(ending, Ending::Updated { .. }) {
            self.role.note_success(region);
            self.contradictions = 0;
        }
        if !ending.is_contradiction() {
            return false;
        }
        self.contradictions += 1;
        let must_stop = !self.role.is_proven() || self.contradictions >= CONTRADICTIONS_MAX;
        must_stop && self.decide_to_stop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::ErrorClass;
    use crate::request::testing::requested;
    use crate::resource::{RoleFields, association};
    use crate::rotation::{RowError, Token, UNEXPECTED_RESPONSE};

    fn pending(total: u64) -> SliceState {
        let requested = requested(&serde_json::json!({ "maxErrors": "1" }));
        SliceState::new(&RotationRecord {
            counts: Counts {
                total,
                pending: total,
                ..Counts::default()
            },
            ..RotationRecord::start(&requested, Timestamp::from_millis(0))
        })
    }

    #[test]
    fn one_failure_too_many_gives_one_reason_to_stop() {
        let mut state = pending(10);
        let mut settle = |outcome| {
            state.settle("eu-west-1", outcome);
            state.must_stop()
        };
        assert_eq!(settle(Outcome::Failed), None);
        assert_eq!(settle(Outcome::Updated), None);
        let reason = settle(Outcome::Failed).expect("the second failure is one too many");
        assert_eq!(
            reason,
            "2 of 10 associations failed, more than maxErrors (1) allows"
        );
        assert_eq!(
            settle(Outcome::Failed),
            None,
            "the first caller already has the reason"
        );
    }

    #[test]
    fn a_cluster_counts_as_failing_until_none_of_its_associations_does() {
        let mut state = pending(9);
        state.note_failing("prod-1");
        state.note_failing("prod-1");
        state.note_failing("prod-2");
        assert_eq!(state.failing_clusters.len(), 2);
        state.note_recovery("prod-1");
        assert!(state.failing_clusters.contains_key("prod-1"));
        state.note_recovery("prod-1");
        assert!(!state.failing_clusters.contains_key("prod-1"));
        state.note_recovery("prod-3");
        assert_eq!(state.failing_clusters.len(), 1);
    }

    #[test]
    fn a_recount_takes_over_counts_and_proven_regions() {
        let counts = Counts {
            total: 7,
            pending: 2,
            ..Counts::default()
        };
        let mut state = pending(9);
        let mut tally = Tally::default();
        tally.counts = counts;
        tally.proven_regions.insert("us-east-1".to_owned());
        state.recount(&tally);
        assert_eq!(state.counts, counts);
        assert!(state.role.is_proven_in("us-east-1"));
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
        let (key, seen) = ("r".parse().unwrap(), association("a"));
        Token::new(&key, &seen.association_arn, seen.modified_at, &[], 0)
    }

    fn failed(code: &str) -> Ending {
        Ending::Failed {
            token: Some(token()),
            error: RowError {
                class: ErrorClass::Terminal,
                code: code.to_owned(),
                message: String::new(),
                request_id: None,
            },
        }
    }

    /// `u` is an update that succeeds, `c` a contradiction, `f` another failure.
    #[test]
    fn one_contradiction_stops_an_unproven_rotation_and_two_in_a_row_any() {
        for (endings, stops) in [
            ("u", false),
            ("f", false),
            ("c", true),
            ("fc", true),
            ("uc", false),
            ("ucfc", true),
            ("ucuc", false),
            ("ucucc", true),
        ] {
            let mut state = pending(9);
            let mut must_stop = false;
            for ending in endings.chars() {
                let ending = match ending {
                    'u' => updated(),
                    'c' => failed(UNEXPECTED_RESPONSE),
                    _ => failed("ServerException"),
                };
                must_stop = state.note_ending("us-east-1", &ending);
            }
            assert_eq!(must_stop, stops, "{endings}");
            let stop = if stops { Stop::Deciding } else { Stop::No };
            assert_eq!(state.stop, stop, "{endings}");
            assert_eq!(state.role.is_proven_in("us-east-1"), endings.contains('u'));
        }
    }
}
