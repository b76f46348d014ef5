//! The guarantees after a run of one rotation, on top of those that hold for any history: what was
//! in EKS before is known, and other actors change only the roles of associations.

use std::collections::{BTreeMap, BTreeSet};

use rerole_sim::Association;

use crate::common::guarantees::{self, Evidence, Rotation, roles};
use crate::harness::{Harness, NEW, OLD};

/// The associations before the run. Everything but their roles must be the same after it.
pub struct Before(BTreeMap<String, Association>);

impl Before {
    pub fn of(harness: &Harness) -> Self {
        let entry = |a: &Association| (a.association_arn.clone(), a.clone());
        let before: BTreeMap<_, _> = harness
            .aws
            .eks(|eks| eks.associations().map(entry).collect());
        assert!(!before.is_empty(), "EKS has no associations yet");
        Self(before)
    }

    /// How many associations use this role, in either field.
    pub fn count_on(&self, role: &str) -> usize {
        let uses =
            |a: &&Association| a.role_arn == role || a.target_role_arn.as_deref() == Some(role);
        self.0.values().filter(uses).count()
    }
}

/// Checks the guarantees that hold at any time.
pub fn check(harness: &Harness, before: &Before) {
    let evidence = guarantees::check(&harness.aws);
    everything_indexed_is_settled(&evidence);
    only_the_role_changes(&evidence, before);
    roles::roles_with_associations_are_in_use(&evidence);
}

/// 13. A role that the index shows on an association counts as in use, once the calls are over.
pub fn roles_with_associations_are_in_use(harness: &Harness) {
    roles::roles_with_associations_are_in_use(&Evidence::of(&harness.aws));
}

/// 3. A rotation is finished only when every association in scope that the index shows has a
///    settled row. These scenarios have no scope, so every association on the old role is in scope.
fn everything_indexed_is_settled(evidence: &Evidence) {
    let rotations = evidence.rotations.iter();
    let replaces = |rotation: &&Rotation| rotation.old_role() == OLD;
    let rotations = rotations.filter(replaces);
    for rotation in rotations.filter(|rotation| rotation.finished_at().is_some()) {
        for item in &evidence.index {
            let uses_old = item["roleArn"] == OLD || item["targetRoleArn"] == OLD;
            let arn = item["associationArn"].as_str().unwrap();
            assert!(
                !uses_old || rotation.row(arn).is_some(),
                "guarantee 3: {} is finished without {arn}",
                rotation.key
            );
        }
    }
}

/// 6. Nothing else changes than the roles that updates sent.
fn only_the_role_changes(evidence: &Evidence, before: &Before) {
    let mut with_target: BTreeSet<&str> = BTreeSet::new();
    for update in evidence.calls_of("UpdatePodIdentityAssociation") {
        if update.call.body["targetRoleArn"] == NEW {
            with_target.insert(&update.call.subject);
        }
    }
    for after in &evidence.associations {
        let Some(before) = before.0.get(&after.association_arn) else {
            continue;
        };
        let mut expected = Association {
            modified_at: before.modified_at,
            // In these scenarios, other actors change `roleArn` and nothing else.
            role_arn: before.role_arn.clone(),
            ..after.clone()
        };
        if with_target.contains(subject(&after.association_arn)) {
            expected.target_role_arn.clone_from(&before.target_role_arn);
        }
        assert_eq!(
            &expected, before,
            "guarantee 6: more than the roles changed"
        );
    }
}

/// `<cluster>/<associationId>`, as the log of calls names it.
fn subject(arn: &str) -> &str {
    let (_, subject) = arn.split_once("podidentityassociation/").unwrap();
    subject
}
