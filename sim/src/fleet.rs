//! Fleets of associations made from a seed, in EKS and in the association index.
//!
//! The index holds what it would after a scan, except where it is meant to be stale: a drifted association is still on
//! the old role there, and on a third role in EKS.

use crate::clock::rfc3339_millis;
use crate::eks::{Association, partition};
use crate::{SimulatedAws, locked};
use fastrand::Rng;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

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
/// The index says that it saw the fleet this long before now, and EKS changed drifted associations since.
const INDEX_AGE: Duration = Duration::from_hours(1);

/// What a fleet looks like. `Fleet::default()` has 500 associations in 3 clusters and 2 regions, 200 on the role that
/// rotates.
#[derive(Clone, Debug)]
pub struct Fleet {
    pub seed: u64,
    /// Named `<cluster_prefix>1`, `<cluster_prefix>2`, … and dealt to the regions in turn.
    pub clusters: usize,
    pub cluster_prefix: String,
    pub regions: Vec<String>,
    /// In all clusters together.
    pub associations: usize,
    /// How many of them the index has on `old_role`.
    pub rotating: usize,
    pub old_role: String,
    /// Where the rotation goes; no association uses it yet.
    pub new_role: String,
    /// How many of the rotating ones are on a third role in EKS.
    pub drifted: usize,
    /// How many of the rotating ones an add-on owns. Never the drifted ones.
    pub owned_by_addon: usize,
    /// How many roles the rest of the fleet uses, with skew: the first about twice as much as the second.
    pub other_roles: usize,
    /// How many of the rotating ones have a target role in another account, too.
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
    /// (region, cluster), in order of the names' numbers.
    pub clusters: Vec<(String, String)>,
    /// Everything.
    pub associations: Vec<String>,
    /// Everything that the index has on the old role.
    pub rotating: Vec<String>,
    /// The rotating ones that are on `third_role` in EKS.
    pub drifted: Vec<String>,
    /// The rotating ones that an add-on owns.
    pub owned_by_addon: Vec<String>,
    pub third_role: String,
}

impl Fleet {
    /// Builds the fleet in the default account of `aws`, with its items in `index_table`.
    ///
    /// # Panics
    /// When the numbers contradict each other: more rotating than there are, more drifted and owned than rotating, no
    /// cluster or no region.
    pub fn build(&self, aws: &SimulatedAws, index_table: &str) -> FleetSummary {
        assert!(self.rotating <= self.associations, "the rotating associations are part of the fleet");
        assert!(self.drifted + self.owned_by_addon <= self.rotating, "drifted and owned ones are among the rotating");
        assert!(self.clusters > 0 && !self.regions.is_empty(), "a fleet has a cluster and a region");
        let mut rng = Rng::with_seed(self.seed);
        let seen_at = aws.now() - INDEX_AGE;
        let clusters = self.clusters();
        let (summary, items) = aws.eks(|eks| {
            for (region, cluster) in &clusters {
                eks.create_cluster(region, cluster);
            }
            let account = eks.account.clone();
            let mut summary = FleetSummary { third_role: self.role(&account, "by-hand"), ..FleetSummary::default() };
            let mut items = Vec::with_capacity(self.associations);
            let mut is_rotating: Vec<bool> = (0..self.associations).map(|at| at < self.rotating).collect();
            rng.shuffle(&mut is_rotating);
            for (number, is_rotating) in is_rotating.into_iter().enumerate() {
                let (region, cluster) = &clusters[number % clusters.len()];
                let namespace = NAMESPACES[skewed(&mut rng, NAMESPACES.len())];
                // The number keeps service accounts apart within a namespace.
                let service_account = format!("{}-{number}", APPS[skewed(&mut rng, APPS.len())]);
                let other = self.role(&account, &format!("app-{}", skewed(&mut rng, self.other_roles.max(1)) + 1));
                let role = if is_rotating { &self.old_role } else { &other };
                let arn = eks.associate(region, cluster, namespace, &service_account, role);
                // Made some time in the hundred days before the scan.
                let age = Duration::from_millis(rng.u64(..100 * 86_400_000));
                eks.edit(&arn, |association| {
                    (association.created_at, association.modified_at) = (seen_at - age, seen_at - age);
                });
                if is_rotating {
                    self.mark(eks, &arn, &mut summary);
                }
                let association = eks.association(&arn).expect("it was made a moment ago");
                items.push(index_item(association, seen_at));
                summary.associations.push(arn);
            }
            // After its item was written, so that the index does not know.
            for arn in &summary.drifted {
                let now = eks.now;
                eks.set_role(arn, &summary.third_role, now);
            }
            (summary, items)
        });
        locked(&aws.0.dynamodb).import(index_table, &items);
        FleetSummary { clusters, ..summary }
    }

    /// The first rotating associations drift, the next belong to an add-on, the next have a target role.
    fn mark(&self, eks: &mut crate::EksWorld, arn: &str, summary: &mut FleetSummary) {
        let at = summary.rotating.len();
        summary.rotating.push(arn.to_owned());
        if at < self.drifted {
            summary.drifted.push(arn.to_owned());
        } else if at < self.drifted + self.owned_by_addon {
            let association = eks.association(arn).expect("it was made a moment ago");
            let (region, account, cluster) = (&association.region, &association.account, &association.cluster_name);
            let partition = partition(region);
            let owner = format!("arn:{partition}:eks:{region}:{account}:addon/{cluster}/aws-ebs-csi-driver/{at:08x}");
            eks.set_owner(arn, Some(&owner));
            summary.owned_by_addon.push(arn.to_owned());
        } else if at < self.drifted + self.owned_by_addon + self.with_target_role {
            eks.edit(arn, |association| {
                association.target_role_arn = Some("arn:aws:iam::999900001111:role/shared-data".to_owned());
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
        let partition = partition(&self.regions[0]);
        format!("arn:{partition}:iam::{account}:role/workloads/{name}")
    }
}

/// The item that the association index holds for this association, seen at `seen_at`.
pub fn index_item(association: &Association, seen_at: SystemTime) -> Value {
    let mut item = json!({
        "clusterArn": association.cluster_arn(),
        "associationId": association.association_id,
        "associationArn": association.association_arn,
        "accountId": association.account,
        "region": association.region,
        "clusterName": association.cluster_name,
        "namespace": association.namespace,
        "serviceAccount": association.service_account,
        "roleArn": association.role_arn,
        "modifiedAt": rfc3339_millis(association.modified_at),
        "seenAt": rfc3339_millis(seen_at),
    });
    for (name, value) in [("targetRoleArn", &association.target_role_arn), ("ownerArn", &association.owner_arn)] {
        if let Some(value) = value {
            item[name] = json!(value);
        }
    }
    item
}

/// A number below `len` by Zipf's law: about half as often 1 as 0, a third as often 2, and so on.
fn skewed(rng: &mut Rng, len: usize) -> usize {
    let weight =
        |at: usize| 1.0 / f64::from(u32::try_from(at + 1).expect("a fleet has fewer kinds of anything than 2³²"));
    let total: f64 = (0..len).map(weight).sum();
    let mut left = rng.f64() * total;
    (0..len)
        .find(|at| {
            left -= weight(*at);
            left < 0.0
        })
        .unwrap_or(len - 1)
}
