//! The state of EKS, and ways for tests to look at it and change it behind the API's back.
//!
//! What the API does with it is in the sibling modules.

use super::errors::EksError;
use super::throttle::Buckets;
use super::tokens::TokenMemory;
use crate::chance::{lowercase_alphanumerics, uuid};
use crate::clock::since_epoch;
use crate::options::{AddonUpdates, Options, SameRole, Throttle};
use fastrand::Rng;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

/// A Pod Identity association with every field that the API model has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Association {
    pub cluster_name: String,
    pub namespace: String,
    pub service_account: String,
    pub role_arn: String,
    pub association_arn: String,
    pub association_id: String,
    pub tags: BTreeMap<String, String>,
    pub created_at: SystemTime,
    pub modified_at: SystemTime,
    pub owner_arn: Option<String>,
    pub disable_session_tags: bool,
    pub target_role_arn: Option<String>,
    pub external_id: Option<String>,
    pub policy: Option<String>,
    /// Where the cluster is; the API shows it in the ARN only.
    pub region: String,
    pub account: String,
}

impl Association {
    /// The ARN of the cluster that it belongs to.
    pub fn cluster_arn(&self) -> String {
        arn(&self.region, &self.account, &format!("cluster/{}", self.cluster_name))
    }
}

/// What `CreateCluster` recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    pub name: String,
    pub arn: String,
    pub region: String,
    pub account: String,
    pub created_at: SystemTime,
    pub version: String,
    pub role_arn: String,
    pub subnet_ids: Vec<String>,
    pub security_group_ids: Vec<String>,
    pub tags: BTreeMap<String, String>,
    pub client_request_token: Option<String>,
}

/// What EKS finds when it looks at a role. A role it was told nothing about is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleState {
    Ready,
    /// IAM has not told EKS about the role yet, and does at this time.
    MissingUntil(SystemTime),
    Missing,
    /// The trust policy does not let EKS Pod Identity assume it.
    BadTrust,
    BadTrustUntil(SystemTime),
}

/// The switches of `Options` that EKS obeys.
pub(crate) struct Rules {
    pub(crate) bare_throttle: bool,
    pub(crate) retry_after_secs: Option<u32>,
    pub(crate) modified_at_resolution: Duration,
    pub(crate) replay_refusals: bool,
    pub(crate) addon_updates: AddonUpdates,
    pub(crate) same_role_update: SameRole,
}

/// Everything EKS knows, in every account and region.
pub struct EksWorld {
    /// By ARN, so that one region's clusters stand together.
    pub(crate) clusters: BTreeMap<String, Cluster>,
    /// By ARN, so that one cluster's associations stand together.
    pub(crate) associations: BTreeMap<String, Association>,
    /// A (cluster ARN, namespace, service account) has at most one association.
    pub(crate) taken: HashMap<(String, String, String), String>,
    pub(crate) roles: BTreeMap<String, RoleState>,
    pub(crate) denied: BTreeSet<String>,
    pub(crate) tokens: TokenMemory,
    pub(crate) buckets: Buckets,
    pub(crate) rules: Rules,
    pub(crate) ids: Rng,
    pub(crate) account: String,
    pub(crate) now: SystemTime,
}

impl EksWorld {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            clusters: BTreeMap::new(),
            associations: BTreeMap::new(),
            taken: HashMap::new(),
            roles: BTreeMap::new(),
            denied: BTreeSet::new(),
            tokens: TokenMemory::default(),
            buckets: Buckets::new(options.throttle),
            rules: Rules {
                bare_throttle: options.bare_throttle,
                retry_after_secs: options.retry_after_secs,
                modified_at_resolution: options.modified_at_resolution,
                replay_refusals: options.replay_refusals,
                addon_updates: options.addon_updates,
                same_role_update: options.same_role_update,
            },
            ids: Rng::with_seed(options.seed ^ 0xE5),
            account: options.account.clone(),
            now: options.starts_at,
        }
    }

    /// From now on calls are throttled like this, or not at all.
    pub fn set_throttle(&mut self, throttle: Option<Throttle>) {
        self.buckets.change(throttle, self.now);
    }

    /// A cluster of the default account, unless it is there already. Returns its ARN.
    pub fn create_cluster(&mut self, region: &str, name: &str) -> String {
        let cluster = Cluster::plain(&self.account, region, name, self.modified_now());
        let arn = cluster.arn.clone();
        self.clusters.entry(arn.clone()).or_insert(cluster);
        arn
    }

    /// Somebody else deletes a cluster of the default account, and its associations with it. True if it was there. A cluster
    /// that is created under the name again is empty.
    pub fn delete_cluster(&mut self, region: &str, name: &str) -> bool {
        let cluster_arn = arn(region, &self.account, &format!("cluster/{name}"));
        self.remove_cluster(&cluster_arn).is_some()
    }

    /// A new association in the default account; the cluster is made where it is missing. Returns the association's ARN.
    /// The role is not checked.
    ///
    /// # Panics
    /// When the service account has an association already.
    pub fn associate(
        &mut self,
        region: &str,
        cluster: &str,
        namespace: &str,
        service_account: &str,
        role_arn: &str,
    ) -> String {
        self.create_cluster(region, cluster);
        let account = self.account.clone();
        let association = self.fresh_association(&account, region, cluster, namespace, service_account, role_arn);
        let arn = association.association_arn.clone();
        self.insert(association).expect("a test associates each service account once");
        arn
    }

    /// The association with this ARN.
    pub fn association(&self, arn: &str) -> Option<&Association> {
        self.associations.get(arn)
    }

    /// All associations, in order of their ARNs.
    pub fn associations(&self) -> impl Iterator<Item = &Association> {
        self.associations.values()
    }

    /// All clusters, in order of their ARNs.
    pub fn clusters(&self) -> impl Iterator<Item = &Cluster> {
        self.clusters.values()
    }

    /// How many associations use this role.
    pub fn association_count_on(&self, role_arn: &str) -> usize {
        self.associations.values().filter(|association| association.role_arn == role_arn).count()
    }

    /// Somebody else moves the association to another role at `now`.
    pub fn set_role(&mut self, arn: &str, role_arn: &str, now: SystemTime) {
        self.now = now;
        self.modify(arn, |association| role_arn.clone_into(&mut association.role_arn));
    }

    /// Somebody else changes the target role.
    pub fn set_target_role(&mut self, arn: &str, target_role_arn: Option<&str>) {
        let external_id = uuid(&mut self.ids);
        self.modify(arn, |association| {
            association.external_id = target_role_arn.map(|_| external_id);
            association.target_role_arn = target_role_arn.map(str::to_owned);
        });
    }

    /// Makes an add-on the owner, or nobody. `modifiedAt` stays.
    pub fn set_owner(&mut self, arn: &str, owner_arn: Option<&str>) {
        self.association_mut(arn).owner_arn = owner_arn.map(str::to_owned);
    }

    /// Changes any field at will; `modifiedAt` stays unless `change` sets it. Names and ids must stay as they are.
    pub fn edit(&mut self, arn: &str, change: impl FnOnce(&mut Association)) {
        change(self.association_mut(arn));
    }

    /// Somebody else deletes the association. True if it was there.
    pub fn delete(&mut self, arn: &str) -> bool {
        self.remove(arn).is_some()
    }

    /// What EKS finds when it looks at this role from now on.
    pub fn role_state(&mut self, role_arn: &str, state: RoleState) {
        self.roles.insert(role_arn.to_owned(), state);
    }

    /// Every call about this cluster is denied from now on.
    pub fn deny(&mut self, cluster: &str) {
        self.denied.insert(cluster.to_owned());
    }

    /// Calls about this cluster are allowed again.
    pub fn allow(&mut self, cluster: &str) {
        self.denied.remove(cluster);
    }

    pub(crate) fn fresh_association(
        &mut self,
        account: &str,
        region: &str,
        cluster: &str,
        namespace: &str,
        service_account: &str,
        role_arn: &str,
    ) -> Association {
        // By chance, and so long that no id comes a second time: one that was deleted names nothing else later.
        let id = format!("a-{}", lowercase_alphanumerics(&mut self.ids, 17));
        let now = self.modified_now();
        Association {
            cluster_name: cluster.to_owned(),
            namespace: namespace.to_owned(),
            service_account: service_account.to_owned(),
            role_arn: role_arn.to_owned(),
            association_arn: arn(region, account, &format!("podidentityassociation/{cluster}/{id}")),
            association_id: id,
            tags: BTreeMap::new(),
            created_at: now,
            modified_at: now,
            owner_arn: None,
            disable_session_tags: false,
            target_role_arn: None,
            external_id: None,
            policy: None,
            region: region.to_owned(),
            account: account.to_owned(),
        }
    }

    /// Adds the association unless its service account has one.
    pub(crate) fn insert(&mut self, association: Association) -> Result<(), EksError> {
        let identity = identity(&association);
        if self.taken.contains_key(&identity) {
            return Err(EksError::in_use(format!(
                "Association already exists: {}, {}",
                association.namespace, association.service_account
            ))
            .in_cluster(&association.cluster_name));
        }
        self.taken.insert(identity, association.association_arn.clone());
        self.associations.insert(association.association_arn.clone(), association);
        Ok(())
    }

    pub(crate) fn remove(&mut self, arn: &str) -> Option<Association> {
        let association = self.associations.remove(arn)?;
        self.taken.remove(&identity(&association));
        Some(association)
    }

    /// Now, as EKS writes it down.
    pub(crate) fn modified_now(&self) -> SystemTime {
        at_resolution(self.now, self.rules.modified_at_resolution)
    }

    fn modify(&mut self, arn: &str, change: impl FnOnce(&mut Association)) {
        let now = self.modified_now();
        let association = self.association_mut(arn);
        change(association);
        association.modified_at = now.max(association.modified_at);
    }

    fn association_mut(&mut self, arn: &str) -> &mut Association {
        self.associations.get_mut(arn).unwrap_or_else(|| panic!("a test changes associations that exist, not {arn}"))
    }
}

fn identity(association: &Association) -> (String, String, String) {
    (association.cluster_arn(), association.namespace.clone(), association.service_account.clone())
}

/// `arn:<partition>:eks:<region>:<account>:<resource>`
pub(crate) fn arn(region: &str, account: &str, resource: &str) -> String {
    format!("arn:{}:eks:{region}:{account}:{resource}", partition(region))
}

/// The partition that a region belongs to.
pub(crate) fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// Cuts a time down to a multiple of `resolution`.
pub(crate) fn at_resolution(time: SystemTime, resolution: Duration) -> SystemTime {
    let excess = since_epoch(time).as_nanos() % resolution.as_nanos().max(1);
    time - Duration::from_nanos(u64::try_from(excess).expect("a remainder below a resolution of less than 584 years"))
}

/// A time as EKS writes it: a number of seconds, with a fraction where there is one.
pub(crate) fn epoch_seconds(time: SystemTime) -> Value {
    let since_epoch = since_epoch(time);
    let fraction = since_epoch.subsec_micros();
    if fraction == 0 {
        return json!(since_epoch.as_secs());
    }
    // Through text, so that the number printed is the decimal that was meant.
    let text = format!("{}.{fraction:06}", since_epoch.as_secs());
    json!(text.parse::<f64>().expect("digits and one point are a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_cut_to_the_resolution_and_written_as_numbers() {
        let rows =
            [(1, 1_700_000_000_123, "1700000000.123"), (1000, 1_700_000_000_999, "1700000000"), (1, 1500, "1.5")];
        for (resolution, millis, written) in rows {
            let time = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
            let cut = at_resolution(time, Duration::from_millis(resolution));
            assert_eq!(epoch_seconds(cut).to_string(), written, "{millis} ms at {resolution} ms");
        }
    }
}
