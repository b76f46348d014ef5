//! Whether EKS accepts the new role, region by region. Until it has, one association of a region
//! goes alone: the probe.
//!
//! An answer about the role may be temporary, since IAM is eventually consistent, or be true for
//! one cluster only, if the role's trust policy names the clusters. So nothing is concluded from
//! one cluster or one region. The next probe comes from another cluster, at once. When all clusters
//! of the region have been asked, a round ends, and the next one follows after a pause. Regions do
//! not wait for each other. For example, the trust policy admits all clusters but `old`, which
//! comes first:
//!
//! ```text
//! us-east-1  probe in old: refused ──▶ probe in prod: Updated ──▶ all others, in parallel
//! eu-west-1  probe in edge: Updated ──▶ all others              └─▶ old: refused, so Failed
//! ```
//!
//! That the role cannot be used is concluded after two minutes, and only if each region with
//! pending associations has refused it, in each of its clusters that respond.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::call::Backoff;
use crate::resource::AssociationArn;

/// How long a rotation waits, in all its slices together, for a new role that EKS does not accept.
/// IAM is usually consistent within seconds. Terraform's AWS provider also waits for 2 minutes.
pub const ROLE_NOT_READY_MAX: Duration = Duration::from_mins(2);
/// Pauses between the rounds of a region.
const PROBE_BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    max: Duration::from_secs(15),
};
/// Refusals of one association before it fails, where EKS has accepted the role for others. With
/// the pauses between them they take some seconds, in which all of EKS should know the role.
const OWN_REFUSALS_MAX: u32 = 4;

/// What a slice knows of the new role.
#[derive(Debug, Default)]
pub struct RoleProof {
    /// The regions in which an update of this rotation has succeeded.
    proven: BTreeSet<String>,
    /// For each other region in which EKS has refused the role: since when, and in how many rounds.
    refused: BTreeMap<String, (Duration, u32)>,
    /// The regions with pending associations in which no round has ended yet.
    unasked: BTreeSet<String>,
    /// How long earlier slices have waited.
    waited_before: Duration,
    /// For each region, the association that is its probe now.
    probes: BTreeMap<String, AssociationArn>,
}

/// What follows from an answer of EKS about the new role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleVerdict {
    /// The region does not know the role yet. Another cluster is asked, and if all have been, the
    /// next round starts after this pause.
    ProbeAgain(Duration),
    /// EKS accepts the role for others. The same association is tried again after this pause.
    TryAgain(Duration),
    /// EKS accepts the role for others, but not for this association.
    Refused,
    /// EKS has not accepted the role anywhere in the time that a rotation waits for it.
    Unusable,
}

impl RoleProof {
    /// Creates what a slice knows at first. `proven` are the regions in which earlier slices have
    /// updated associations.
    #[must_use]
    pub fn new(proven: BTreeSet<String>, waited_before: Duration) -> Self {
        Self {
            proven,
            refused: BTreeMap::new(),
            unasked: BTreeSet::new(),
            waited_before,
            probes: BTreeMap::new(),
        }
    }

    /// Returns whether EKS has accepted the role in this region.
    #[must_use]
    pub fn is_proven_in(&self, region: &str) -> bool {
        self.proven.contains(region)
    }

    /// Returns whether EKS has accepted the role in any region.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        !self.proven.is_empty()
    }

    /// Makes an association the probe of its region, unless another one is. Returns whether it is.
    /// No other association of an unproven region is updated.
    pub fn begin_probe(&mut self, arn: &AssociationArn) -> bool {
        let probe = self.probes.entry(arn.region().to_owned());
        probe.or_insert_with(|| arn.clone()) == arn
    }

    /// Records that the association is not in flight any more.
    pub fn end_probe(&mut self, arn: &AssociationArn) {
        if self.probes.get(arn.region()) == Some(arn) {
            self.probes.remove(arn.region());
        }
    }

    /// Records that there are pending associations in this region.
    pub fn note_pending(&mut self, region: &str) {
        if !self.is_proven_in(region) && !self.refused.contains_key(region) {
            self.unasked.insert(region.to_owned());
        }
    }

    /// Records that a round has ended: each cluster of the region that responds has refused the
    /// role.
    pub fn note_round(&mut self, region: &str) {
        self.unasked.remove(region);
        if let Some((_, rounds)) = self.refused.get_mut(region) {
            *rounds += 1;
        }
    }

    /// Records that no association of this region is pending any more.
    pub fn note_settled(&mut self, region: &str) {
        self.unasked.remove(region);
    }

    /// Records that an update has succeeded in this region.
    pub fn note_success(&mut self, region: &str) {
        self.refused.remove(region);
        self.unasked.remove(region);
        self.proven.insert(region.to_owned());
        if self.refused.is_empty() {
            self.waited_before = Duration::ZERO;
        }
    }

    /// Records regions in which earlier slices have updated associations.
    pub fn note_proven(&mut self, regions: BTreeSet<String>) {
        self.proven.extend(regions);
    }

    /// Records that EKS refused the role at `now` for an association, which it has refused
    /// `own_refusals` times in this slice. Returns what follows.
    pub fn note_refusal(&mut self, region: &str, own_refusals: u32, now: Duration) -> RoleVerdict {
        if self.is_proven_in(region) {
            return if own_refusals < OWN_REFUSALS_MAX {
                RoleVerdict::TryAgain(PROBE_BACKOFF.pause(own_refusals))
            } else {
                RoleVerdict::Refused
            };
        }
        let (since, rounds) = self.refused.entry(region.to_owned()).or_insert((now, 0));
        let pause = PROBE_BACKOFF.pause(*rounds + 1);
        let waited = self.waited_before + now.saturating_sub(*since);
        let left = ROLE_NOT_READY_MAX.saturating_sub(waited);
        if !left.is_zero() {
            RoleVerdict::ProbeAgain(pause.min(left))
        } else if self.is_proven() {
            RoleVerdict::Refused
        } else if self.unasked.is_empty() {
            RoleVerdict::Unusable
        } else {
            RoleVerdict::ProbeAgain(pause)
        }
    }

    /// Returns how long the rotation has waited for the role, including earlier slices.
    #[must_use]
    pub fn waited(&self, now: Duration) -> Duration {
        let since = self.refused.values().map(|(since, _)| *since).min();
        let here = since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        self.waited_before + here
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn an_unproven_region_probes_again_until_the_patience_of_the_rotation_ends() {
        let mut proof = RoleProof::new(BTreeSet::new(), secs(100));
        for (now, expected) in [
            (10, RoleVerdict::ProbeAgain(secs(1))),
            (11, RoleVerdict::ProbeAgain(secs(2))),
            (13, RoleVerdict::ProbeAgain(secs(4))),
            (17, RoleVerdict::ProbeAgain(secs(8))),
            (25, RoleVerdict::ProbeAgain(secs(5))),
            (30, RoleVerdict::Unusable),
        ] {
            assert_eq!(proof.note_refusal("a", 1, secs(now)), expected, "at {now}");
            proof.note_round("a");
        }
        assert_eq!(proof.waited(secs(30)), secs(120));
    }

    /// The clusters of one round are asked without a pause, so only rounds make the pauses longer.
    #[test]
    fn nothing_is_concluded_before_each_region_has_been_asked_in_each_cluster() {
        let mut proof = RoleProof::default();
        for region in ["a", "b"] {
            proof.note_pending(region);
        }
        for now in [0, 1, 119] {
            let verdict = proof.note_refusal("a", 1, secs(now));
            assert_eq!(verdict, RoleVerdict::ProbeAgain(secs(1)), "at {now}");
        }
        for _ in 0..2 {
            let verdict = proof.note_refusal("a", 1, secs(130));
            assert!(matches!(verdict, RoleVerdict::ProbeAgain(_)), "{verdict:?}");
            proof.note_round("a");
        }
        proof.note_pending("a");
        proof.note_settled("b");
        assert_eq!(proof.note_refusal("a", 1, secs(140)), RoleVerdict::Unusable);
    }

    /// The role works elsewhere, so this region's refusals say nothing about the rotation.
    #[test]
    fn a_region_that_never_accepts_a_proven_role_fails_its_own_associations() {
        let mut proof = RoleProof::default();
        assert_eq!(
            proof.note_refusal("a", 1, secs(0)),
            RoleVerdict::ProbeAgain(secs(1))
        );
        proof.note_success("b");
        assert!(proof.is_proven() && proof.is_proven_in("b") && !proof.is_proven_in("a"));
        let verdict = proof.note_refusal("a", 1, secs(119));
        assert_eq!(verdict, RoleVerdict::ProbeAgain(secs(1)));
        assert_eq!(proof.note_refusal("a", 1, secs(120)), RoleVerdict::Refused);
    }

    #[test]
    fn a_refusal_in_a_proven_region_is_the_associations_own() {
        let mut proof = RoleProof::default();
        proof.note_refusal("a", 1, secs(0));
        proof.note_success("a");
        for (refusals, expected) in [
            (1, RoleVerdict::TryAgain(secs(1))),
            (2, RoleVerdict::TryAgain(secs(2))),
            (3, RoleVerdict::TryAgain(secs(4))),
            (4, RoleVerdict::Refused),
        ] {
            assert_eq!(proof.note_refusal("a", refusals, secs(500)), expected);
        }
        assert_eq!(
            proof.waited(secs(500)),
            Duration::ZERO,
            "nothing waits any more"
        );
    }

    #[test]
    fn a_region_has_one_probe_at_a_time() {
        let [first, second] = ["a-1", "a-2"].map(|id| {
            let cluster = "arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod";
            format!("{cluster}/{id}").parse::<AssociationArn>().unwrap()
        });
        let mut proof = RoleProof::default();
        assert!(proof.begin_probe(&first), "no other one is");
        assert!(proof.begin_probe(&first), "it is already");
        assert!(!proof.begin_probe(&second), "the first one is");
        proof.end_probe(&second);
        assert!(!proof.begin_probe(&second), "the first one still is");
        proof.end_probe(&first);
        assert!(proof.begin_probe(&second));
    }

    #[test]
    fn a_region_with_an_updated_row_needs_no_probe_in_the_next_slice() {
        let mut proof = RoleProof::new(BTreeSet::from(["a".to_owned()]), Duration::ZERO);
        assert!(proof.is_proven_in("a") && !proof.is_proven_in("b"));
        proof.note_proven(BTreeSet::from(["b".to_owned()]));
        assert!(proof.is_proven_in("b"));
    }
}
