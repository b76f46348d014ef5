//! Whether EKS accepts the new role, region by region. Until it has, one association of a region
//! goes alone: the probe.
//!
//! An answer about the role may be temporary, since IAM is eventually consistent, or be true for
//! one cluster only, if the role's trust policy names the clusters. So nothing is concluded from
//! one cluster or one region. The next probe comes from another cluster, and regions do not wait
//! for each other. For example, the trust policy admits all clusters but `old`, which comes first:
//!
//! ```text
//! us-east-1  probe in old: refused ──1 s──▶ probe in prod: Updated ──▶ all others, in parallel
//! eu-west-1  probe in edge: Updated ──▶ all others                   └─▶ old: refused, so Failed
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::call::Backoff;

/// How long a rotation waits, in all its slices together, for a new role that EKS does not accept.
/// IAM is usually consistent within seconds. Terraform's AWS provider also waits for 2 minutes.
pub const ROLE_NOT_READY_MAX: Duration = Duration::from_mins(2);
/// Pauses between the probes of a region.
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
    /// For each other region in which EKS has refused the role: since when, and how often.
    refused: BTreeMap<String, (Duration, u32)>,
    /// How long earlier slices have waited.
    waited_before: Duration,
}

/// What follows from an answer of EKS about the new role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleVerdict {
    /// The region does not know the role yet. After this pause, another association is the probe.
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
            waited_before,
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

    /// Records that an update has succeeded in this region.
    pub fn note_success(&mut self, region: &str) {
        self.refused.remove(region);
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
        let (since, refusals) = self.refused.entry(region.to_owned()).or_insert((now, 0));
        *refusals += 1;
        let waited = self.waited_before + now.saturating_sub(*since);
        let left = ROLE_NOT_READY_MAX.saturating_sub(waited);
        if !left.is_zero() {
            return RoleVerdict::ProbeAgain(PROBE_BACKOFF.pause(*refusals).min(left));
        }
        if self.is_proven() {
            RoleVerdict::Refused
        } else {
            RoleVerdict::Unusable
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
        }
        assert_eq!(proof.waited(secs(30)), secs(120));
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
    fn a_region_with_an_updated_row_needs_no_probe_in_the_next_slice() {
        let mut proof = RoleProof::new(BTreeSet::from(["a".to_owned()]), Duration::ZERO);
        assert!(proof.is_proven_in("a") && !proof.is_proven_in("b"));
        proof.note_proven(BTreeSet::from(["b".to_owned()]));
        assert!(proof.is_proven_in("b"));
    }
}
