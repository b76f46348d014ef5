//! Fleets of associations from a seed, in EKS and in the association index.
//!
//! The index shows the fleet as a scan would have seen it an hour ago. The drifted associations
//! have changed since: the index still shows them on the old role, and EKS has them on a third
//! role.

use std::time::{Duration, SystemTime};

use fastrand::Rng;
use serde_json::Value;

use crate::arn::{Scope, partition};
use crate::clock::since_epoch;
use crate::eks::EksState;
use crate::simulated_aws::SimulatedAws;
use crate::tables::index_item;

const NAMESPACES: [&str; 12] = [
    "payments",
    "checkout",
    "catalog",
    "search",
    "identity",
    "billing",
    "shipping",
    "inventory",
    "reports",
    "messaging",
    "platform",
    "monitoring",
];
const APPS: [&str; 16] = [
    "api",
    "worker",
    "consumer",
    "scheduler",
    "gateway",
    "indexer",
    "exporter",
    "importer",
    "sync",
    "cleaner",
    "notifier",
    "renderer",
    "auditor",
    "router",
    "cache",
    "backfill",
];
/// The scan that filled the index was this long ago.
const INDEX_AGE: Duration = Duration::from_hours(1);
/// The associations were created and modified at most this long before the scan.
const ASSOCIATION_AGE_MAX: Duration = Duration::from_hours(100 * 24);
const TARGET_ROLE: &str = "arn:aws:iam::999900001111:role/shared-data";

/// What a fleet looks like. `Fleet::default()` has 500 associations in 3 clusters and 2 regions;
/// 200 of them use the old role.
#[derive(Clone, Debug)]
pub struct Fleet {
    pub seed: u64,
    /// Named `<cluster_prefix>1`, `<cluster_prefix>2`, …, in the regions by turns.
    pub clusters: usize,
    pub cluster_prefix: String,
    pub regions: Vec<String>,
    /// The number of associations in all clusters together.
    pub associations: usize,
    /// How many of them the index shows on `old_role`.
    pub rotating: usize,
    /// The IAM path of all other roles.
    pub role_path: String,
    pub old_role: String,
    /// The role to rotate to. No association uses it yet.
    pub new_role: String,
    /// How many of the rotating associations are on a third role in EKS.
    pub drifted: usize,
    /// How many of the rotating associations an add-on owns. These are not drifted.
    pub owned_by_addon: usize,
    /// How many roles the other associations use. The distribution is skewed: the first role has
    /// about twice as many associations as the second.
    pub other_roles: usize,
    /// How many of the rotating associations also have a target role in another account. These are
    /// neither drifted nor owned by an add-on.
    pub with_target_role: usize,
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            seed: 1,
            clusters: 3,
            cluster_prefix: "prod-".to_owned(),
            regions: vec!["eu-west-1".to_owned(), "us-east-1".to_owned()],
            associations: 500,
            rotating: 200,
            role_path: "/workloads/".to_owned(),
            old_role: "arn:aws:iam::111122223333:role/workloads/payments-2025".to_owned(),
            new_role: "arn:aws:iam::111122223333:role/workloads/payments-2026".to_owned(),
            drifted: 0,
            owned_by_addon: 0,
            other_roles: 20,
            with_target_role: 0,
        }
    }
}

/// What was built. All lists hold association ARNs.
#[derive(Clone, Debug, Default)]
pub struct FleetSummary {
    /// Region and name of each cluster, in order of the numbers in the names.
    pub clusters: Vec<(String, String)>,
    /// All associations.
    pub associations: Vec<String>,
    /// Those that the index shows on the old role.
    pub rotating: Vec<String>,
    /// Those of `rotating` that are on `third_role` in EKS.
    pub drifted: Vec<String>,
    /// Those of `rotating` that an add-on owns.
    pub owned_by_addon: Vec<String>,
    pub third_role: String,
}

impl Fleet {
    /// Builds the fleet in the default account of `aws`, with its items in `index_table`.
    ///
    /// # Panics
    /// If the numbers contradict each other: more associations rotate than exist, more are drifted
    /// and owned than rotate, or there is no cluster or no region.
    pub fn build(&self, aws: &SimulatedAws, index_table: &str) -> FleetSummary {
        assert!(
            self.rotating <= self.associations,
            "the rotating associations are part of the fleet"
        );
        assert!(
            self.drifted + self.owned_by_addon <= self.rotating,
            "the drifted and the owned associations are rotating ones"
        );
        assert!(
            self.clusters > 0 && !self.regions.is_empty(),
            "a fleet has a cluster and a region"
        );
        // In whole milliseconds, as the index has times. A fraction would be rounded by readers.
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(millis(since_epoch(aws.now())));
        let seen_at = now - INDEX_AGE;
        let (summary, items) = aws.eks(|eks| self.build_in_eks(eks, seen_at));
        aws.import_items(index_table, &items);
        summary
    }

    /// Returns the summary and the items of the index.
    fn build_in_eks(&self, eks: &mut EksState, seen_at: SystemTime) -> (FleetSummary, Vec<Value>) {
        let mut rng = Rng::with_seed(self.seed);
        let mut summary = FleetSummary {
            clusters: self.clusters(),
            third_role: self.role(&eks.account, "by-hand"),
            ..FleetSummary::default()
        };
        for (region, cluster) in &summary.clusters {
            eks.create_cluster(region, cluster);
        }
        for role in [&self.old_role, &self.new_role] {
            eks.name_role(role);
        }
        let mut is_rotating: Vec<bool> = (0..self.associations)
            .map(|at| at < self.rotating)
            .collect();
        rng.shuffle(&mut is_rotating);
        let mut items = Vec::with_capacity(self.associations);
        for (number, is_rotating) in is_rotating.into_iter().enumerate() {
            let (region, cluster) = &summary.clusters[number % summary.clusters.len()];
            let namespace = NAMESPACES[skewed(&mut rng, NAMESPACES.len())];
            // The number makes service accounts unique within a namespace.
            let service_account = format!("{}-{number}", APPS[skewed(&mut rng, APPS.len())]);
            let other = format!("app-{}", skewed(&mut rng, self.other_roles.max(1)) + 1);
            let other = self.role(&eks.account, &other);
            let role = if is_rotating { &self.old_role } else { &other };
            let arn = eks.associate(region, cluster, namespace, &service_account, role);
            let age = rng.u64(..millis(ASSOCIATION_AGE_MAX));
            let created_at = seen_at - Duration::from_millis(age);
            eks.edit(&arn, |association| {
                (association.created_at, association.modified_at) = (created_at, created_at);
            });
            if is_rotating {
                self.add_rotating(eks, &arn, &mut summary);
            }
            let association = eks.association(&arn).expect("it was created just now");
            items.push(index_item(association, seen_at));
            summary.associations.push(arn);
        }
        // After the items were made, so the index does not show it.
        for arn in &summary.drifted {
            let now = eks.now;
            eks.set_role(arn, &summary.third_role, now);
        }
        (summary, items)
    }

    /// The first rotating associations are to drift, the next belong to an add-on, and the next
    /// have a target role.
    fn add_rotating(&self, eks: &mut EksState, arn: &str, summary: &mut FleetSummary) {
        let at = summary.rotating.len();
        let first_with_target_role = self.drifted + self.owned_by_addon;
        summary.rotating.push(arn.to_owned());
        if at < self.drifted {
            summary.drifted.push(arn.to_owned());
        } else if at < first_with_target_role {
            let association = eks.association(arn).expect("it was created just now");
            let cluster = &association.cluster_name;
            let scope = Scope {
                account: &association.account,
                region: &association.region,
            };
            let owner = scope.addon_arn(&format!("{cluster}/aws-ebs-csi-driver/{at:08x}"));
            eks.set_owner(arn, Some(&owner));
            summary.owned_by_addon.push(arn.to_owned());
        } else if at < first_with_target_role + self.with_target_role {
            eks.edit(arn, |association| {
                association.target_role_arn = Some(TARGET_ROLE.to_owned());
                association.external_id = Some(format!("external-{at}"));
            });
        }
    }

    fn clusters(&self) -> Vec<(String, String)> {
        let regions = self.regions.iter().cycle();
        let names = (1..=self.clusters).map(|number| format!("{}{number}", self.cluster_prefix));
        regions.cloned().zip(names).collect()
    }

    fn role(&self, account: &str, name: &str) -> String {
        let (partition, path) = (partition(&self.regions[0]), &self.role_path);
        format!("arn:{partition}:iam::{account}:role{path}{name}")
    }
}

/// A number below `len` by Zipf's law: 1 is drawn about half as often as 0, 2 a third as often, and
/// so on.
fn skewed(rng: &mut Rng, len: usize) -> usize {
    let weight = |at: usize| 1.0 / f64::from(u32::try_from(at + 1).expect("fewer than 2³²"));
    let total: f64 = (0..len).map(weight).sum();
    let mut rest = rng.f64() * total;
    (0..len)
        .find(|at| {
            rest -= weight(*at);
            rest < 0.0
        })
        .unwrap_or(len - 1)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("shorter than 584 million years")
}
