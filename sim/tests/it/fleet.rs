//! Fleets from a seed.

use crate::in_virtual_time;
use rerole_sim::fleet::Fleet;
use rerole_sim::{Options, SimulatedAws};
use std::collections::BTreeMap;

/// The numbers asked for are the numbers built; the index has the rotating ones on the old role, EKS has the drifted ones
/// elsewhere; roles are used with skew; a seed builds one fleet.
#[test]
fn a_fleet_is_what_was_asked_for() {
    in_virtual_time(async {
        let fleet = Fleet { drifted: 7, owned_by_addon: 5, with_target_role: 3, ..Fleet::default() };
        let build = |fleet: &Fleet| {
            let aws = SimulatedAws::new(Options::default());
            aws.create_tables("Index", "Ledger");
            let summary = fleet.build(&aws, "Index");
            (aws, summary)
        };
        let (aws, summary) = build(&fleet);
        let items = aws.items("Index");
        let on_old = items.iter().filter(|item| item["roleArn"] == fleet.old_role.as_str()).count();
        assert_eq!((items.len(), on_old), (500, 200));
        assert_eq!(aws.eks(|eks| eks.association_count_on(&fleet.old_role)), 193);
        assert_eq!(aws.eks(|eks| eks.association_count_on(&summary.third_role)), 7);
        assert_eq!(aws.eks(|eks| eks.association_count_on(&fleet.new_role)), 0);
        let owned = items.iter().filter(|item| item.get("ownerArn").is_some()).count();
        let with_target = items.iter().filter(|item| item.get("targetRoleArn").is_some()).count();
        assert_eq!((owned, with_target, summary.owned_by_addon.len()), (5, 3, 5));
        let regions: std::collections::BTreeSet<_> = summary.clusters.iter().map(|(region, _)| region).collect();
        assert_eq!((summary.clusters.len(), regions.len()), (3, 2));
        let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
        for item in items.iter().filter(|item| item["roleArn"] != fleet.old_role.as_str()) {
            *uses.entry(item["roleArn"].as_str().expect("a role")).or_default() += 1;
        }
        let most = uses.values().max().copied().unwrap_or_default();
        assert!(most > 300 / fleet.other_roles * 3, "the first role is used far more than the average: {uses:?}");
        assert_eq!(build(&fleet).0.items("Index"), items, "the same seed");
        assert_ne!(build(&Fleet { seed: 2, ..fleet }).0.items("Index"), items, "another seed");
        // Indexing one again repairs a stale item.
        aws.index_association("Index", &summary.drifted[0]);
        let repaired = aws.items("Index").iter().filter(|item| item["roleArn"] == summary.third_role.as_str()).count();
        assert_eq!(repaired, 1);
    });
}
