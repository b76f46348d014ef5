//! Fleets from a seed.

use std::collections::{BTreeMap, BTreeSet};

use rerole_sim::fleet::{Fleet, FleetSummary};
use rerole_sim::{Options, SimulatedAws};
use serde_json::Value;

use crate::harness::in_virtual_time;

/// The index shows the drifted associations on the old role; EKS has them on a third role.
#[test]
fn a_fleet_has_the_numbers_asked_for_in_eks_and_in_the_index() {
    in_virtual_time(async {
        let fleet = fleet();
        let (aws, summary) = build(&fleet);
        let items = aws.items("Index");
        let on_old = items
            .iter()
            .filter(|item| item["roleArn"] == fleet.old_role.as_str());
        assert_eq!((items.len(), on_old.count()), (500, 200));
        let count_on = |role: &str| aws.eks(|eks| eks.association_count_on(role));
        assert_eq!(count_on(&fleet.old_role), 193);
        assert_eq!(count_on(&summary.third_role), 7);
        assert_eq!(count_on(&fleet.new_role), 0);
        let count_with = |name| items.iter().filter(|item| item.get(name).is_some()).count();
        assert_eq!(
            (count_with("ownerArn"), summary.owned_by_addon.len()),
            (5, 5)
        );
        assert_eq!(count_with("targetRoleArn"), 3);
        let regions: BTreeSet<_> = summary.clusters.iter().map(|(region, _)| region).collect();
        assert_eq!((summary.clusters.len(), regions.len()), (3, 2));
    });
}

#[test]
fn the_other_associations_use_the_first_role_most() {
    in_virtual_time(async {
        let fleet = fleet();
        let mut uses: BTreeMap<String, usize> = BTreeMap::new();
        for item in build(&fleet).0.items("Index") {
            if item["roleArn"] != fleet.old_role.as_str() {
                *uses.entry(item["roleArn"].to_string()).or_default() += 1;
            }
        }
        let max = uses.values().max().copied().unwrap_or_default();
        let average = 300 / fleet.other_roles;
        assert!(max > average * 3, "{uses:?}");
    });
}

#[test]
fn one_seed_builds_one_fleet() {
    in_virtual_time(async {
        let items = |fleet: &Fleet| -> Vec<Value> { build(fleet).0.items("Index") };
        let first = items(&fleet());
        assert_eq!(items(&fleet()), first, "the same seed");
        assert_ne!(items(&Fleet { seed: 2, ..fleet() }), first, "another seed");
    });
}

#[test]
fn indexing_a_drifted_association_again_repairs_its_item() {
    in_virtual_time(async {
        let (aws, summary) = build(&fleet());
        aws.index_association("Index", &summary.drifted[0]);
        let items = aws.items("Index");
        let repaired = items
            .iter()
            .filter(|item| item["roleArn"] == summary.third_role.as_str());
        assert_eq!(repaired.count(), 1);
    });
}

fn fleet() -> Fleet {
    Fleet {
        drifted: 7,
        owned_by_addon: 5,
        with_target_role: 3,
        ..Fleet::default()
    }
}

fn build(fleet: &Fleet) -> (SimulatedAws, FleetSummary) {
    let aws = SimulatedAws::new(Options::default());
    aws.create_tables("Index", "Ledger");
    let summary = fleet.build(&aws, "Index");
    (aws, summary)
}
