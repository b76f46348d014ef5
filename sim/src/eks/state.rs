//! The state of EKS, and how tests read and change it without the API.
//!
//! The operations of the API are in the sibling modules.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use fastrand::Rng;

use crate::arn::Scope;
use crate::eks::error::EksError;
use crate::eks::resources::{Association, Cluster, RoleState};
use crate::eks::throttle::TokenBuckets;
use crate::eks::times::at_resolution;
use crate::eks::tokens::TokenStore;
use crate::options::{AddonUpdates, Options, SameRoleUpdates, Throttle};
use crate::rng::{lowercase_alphanumerics, uuid};

/// The ids of EKS and its request ids come from different streams of the same seed.
const ID_STREAM: u64 = 0xE5;

/// Everything in EKS, of every account and region.
pub struct EksState {
    /// By ARN: the clusters of a region are adjacent.
    pub(crate) clusters: BTreeMap<String, Cluster>,
    /// By ARN: the associations of a cluster are adjacent.
    pub(crate) associations: BTreeMap<String, Association>,
    /// The ARN of the association of each (cluster ARN, namespace, service account), which has at
    /// most one.
    by_service_account: HashMap<(String, String, String), String>,
    pub(crate) role_states: BTreeMap<String, RoleState>,
    pub(crate) denied_clusters: BTreeSet<String>,
    pub(crate) tokens: TokenStore,
    pub(crate) buckets: TokenBuckets,
    pub(crate) options: EksOptions,
    pub(crate) ids: Rng,
    /// The account of everything that tests create without the API.
    pub(crate) account: String,
    pub(crate) now: SystemTime,
}

/// The fields of `Options` about EKS.
pub(crate) struct EksOptions {
    pub(crate) bare_throttle: bool,
    pub(crate) retry_after_secs: Option<u32>,
    pub(crate) modified_at_resolution: Duration,
    pub(crate) replay_refusals: bool,
    pub(crate) addon_updates: AddonUpdates,
    pub(crate) same_role_updates: SameRoleUpdates,
}

/// What identifies a new association.
#[derive(Clone, Copy)]
pub(crate) struct NewAssociation<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) cluster: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) service_account: &'a str,
    pub(crate) role_arn: &'a str,
}

/// What tests read and change. What they create is in the default account.
impl EksState {
    /// Changes the throttle from now on; `None` ends throttling.
    pub fn set_throttle(&mut self, throttle: Option<Throttle>) {
        self.buckets.set_throttle(throttle, self.now);
    }

    /// Changes the throttle of one region from now on, whatever the others have.
    pub fn set_region_throttle(&mut self, region: &str, throttle: Option<Throttle>) {
        self.buckets.set_region_throttle(region, throttle, self.now);
    }

    /// Creates a cluster unless it exists. Returns its ARN.
    pub fn create_cluster(&mut self, region: &str, name: &str) -> String {
        let scope = Scope {
            account: &self.account,
            region,
        };
        let cluster = Cluster::with_defaults(scope, name, self.modification_time());
        let arn = cluster.arn.clone();
        self.clusters.entry(arn.clone()).or_insert(cluster);
        arn
    }

    /// Another caller deletes a cluster with its associations. Returns whether it existed. A
    /// cluster that is created under this name later is empty.
    pub fn delete_cluster(&mut self, region: &str, name: &str) -> bool {
        let cluster_arn = Scope {
            account: &self.account,
            region,
        }
        .cluster_arn(name);
        self.remove_cluster(&cluster_arn).is_some()
    }

    /// Creates an association, and its cluster unless it exists. Returns the association's ARN. The
    /// role is not checked.
    ///
    /// # Panics
    /// If the service account has an association already.
    #[expect(
        clippy::too_many_arguments,
        reason = "a test's call names an association in one line"
    )]
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
        let scope = Scope {
            account: &account,
            region,
        };
        let association = self.new_association(NewAssociation {
            scope,
            cluster,
            namespace,
            service_account,
            role_arn,
        });
        let arn = association.association_arn.clone();
        self.insert(association)
            .expect("a test associates each service account once");
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
        self.associations()
            .filter(|association| association.role_arn == role_arn)
            .count()
    }

    /// Another caller moves the association to this role at `now`.
    ///
    /// # Panics
    /// If the association does not exist.
    pub fn set_role(&mut self, arn: &str, role_arn: &str, now: SystemTime) {
        self.now = now;
        self.modify(arn, |association| {
            role_arn.clone_into(&mut association.role_arn);
        });
    }

    /// Another caller changes the target role.
    ///
    /// # Panics
    /// If the association does not exist.
    pub fn set_target_role(&mut self, arn: &str, target_role_arn: Option<&str>) {
        let external_id = uuid(&mut self.ids);
        self.modify(arn, |association| {
            association.external_id = target_role_arn.map(|_| external_id);
            association.target_role_arn = target_role_arn.map(str::to_owned);
        });
    }

    /// Makes an add-on the owner, or removes the owner. `modifiedAt` does not change.
    ///
    /// # Panics
    /// If the association does not exist.
    pub fn set_owner(&mut self, arn: &str, owner_arn: Option<&str>) {
        self.association_mut(arn).owner_arn = owner_arn.map(str::to_owned);
    }

    /// Changes any fields except names and ids. `modifiedAt` changes only if `change` sets it.
    ///
    /// # Panics
    /// If the association does not exist.
    pub fn edit(&mut self, arn: &str, change: impl FnOnce(&mut Association)) {
        change(self.association_mut(arn));
    }

    /// Another caller deletes the association. Returns whether it existed.
    pub fn delete(&mut self, arn: &str) -> bool {
        self.remove(arn).is_some()
    }

    /// Sets what EKS finds when it checks this role from now on.
    pub fn set_role_state(&mut self, role_arn: &str, state: RoleState) {
        self.role_states.insert(role_arn.to_owned(), state);
    }

    /// Denies every call about clusters of this name from now on.
    pub fn deny(&mut self, cluster: &str) {
        self.denied_clusters.insert(cluster.to_owned());
    }

    /// Allows calls about clusters of this name again.
    pub fn allow(&mut self, cluster: &str) {
        self.denied_clusters.remove(cluster);
    }
}

/// What the operations of the API have in common.
impl EksState {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            clusters: BTreeMap::new(),
            associations: BTreeMap::new(),
            by_service_account: HashMap::new(),
            role_states: BTreeMap::new(),
            denied_clusters: BTreeSet::new(),
            tokens: TokenStore::default(),
            buckets: TokenBuckets::new(options.throttle, options.buckets),
            options: EksOptions {
                bare_throttle: options.bare_throttle,
                retry_after_secs: options.retry_after_secs,
                modified_at_resolution: options.modified_at_resolution,
                replay_refusals: options.replay_refusals,
                addon_updates: options.addon_updates,
                same_role_updates: options.same_role_updates,
            },
            ids: Rng::with_seed(options.seed ^ ID_STREAM),
            account: options.account.clone(),
            now: options.starts_at,
        }
    }

    /// The cluster with this name.
    pub(crate) fn cluster(&self, scope: Scope<'_>, name: &str) -> Result<&Cluster, EksError> {
        self.clusters.get(&scope.cluster_arn(name)).ok_or_else(|| {
            EksError::not_found(format!("No cluster found for name: {name}.")).in_cluster(name)
        })
    }

    /// Removes the cluster with its associations.
    pub(crate) fn remove_cluster(&mut self, cluster_arn: &str) -> Option<Cluster> {
        let cluster = self.clusters.remove(cluster_arn)?;
        let prefix = cluster.scope().association_arn_prefix(&cluster.name);
        let arns: Vec<String> = self
            .with_prefix(&prefix)
            .map(|(arn, _)| arn.clone())
            .collect();
        for arn in arns {
            self.remove(&arn);
        }
        Some(cluster)
    }

    /// The associations whose ARNs start with `prefix`, in order of their ARNs.
    pub(crate) fn with_prefix<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a String, &'a Association)> {
        let from_prefix = self.associations.range(prefix.to_owned()..);
        from_prefix.take_while(move |(arn, _)| arn.starts_with(prefix))
    }

    /// An association with a new id, which is not inserted yet.
    pub(crate) fn new_association(&mut self, new: NewAssociation<'_>) -> Association {
        // Random and long: no id occurs twice, not even after a deletion.
        let id = format!("a-{}", lowercase_alphanumerics(&mut self.ids, 17));
        let now = self.modification_time();
        Association {
            cluster_name: new.cluster.to_owned(),
            namespace: new.namespace.to_owned(),
            service_account: new.service_account.to_owned(),
            role_arn: new.role_arn.to_owned(),
            association_arn: new.scope.association_arn_prefix(new.cluster) + &id,
            association_id: id,
            tags: BTreeMap::new(),
            created_at: now,
            modified_at: now,
            owner_arn: None,
            disable_session_tags: false,
            target_role_arn: None,
            external_id: None,
            policy: None,
            region: new.scope.region.to_owned(),
            account: new.scope.account.to_owned(),
        }
    }

    /// Inserts the association unless its service account has one.
    pub(crate) fn insert(&mut self, association: Association) -> Result<(), EksError> {
        let key = service_account_key(&association);
        if self.by_service_account.contains_key(&key) {
            let Association {
                namespace,
                service_account,
                ..
            } = &association;
            let message = format!("Association already exists: {namespace}, {service_account}");
            return Err(EksError::in_use(message).in_cluster(&association.cluster_name));
        }
        self.by_service_account
            .insert(key, association.association_arn.clone());
        self.associations
            .insert(association.association_arn.clone(), association);
        Ok(())
    }

    pub(crate) fn remove(&mut self, arn: &str) -> Option<Association> {
        let association = self.associations.remove(arn)?;
        self.by_service_account
            .remove(&service_account_key(&association));
        Some(association)
    }

    /// The time now, as EKS records it.
    pub(crate) fn modification_time(&self) -> SystemTime {
        at_resolution(self.now, self.options.modified_at_resolution)
    }

    fn modify(&mut self, arn: &str, change: impl FnOnce(&mut Association)) {
        let now = self.modification_time();
        let association = self.association_mut(arn);
        change(association);
        association.modified_at = now.max(association.modified_at);
    }

    fn association_mut(&mut self, arn: &str) -> &mut Association {
        self.associations
            .get_mut(arn)
            .unwrap_or_else(|| panic!("a test changes associations that exist, not {arn}"))
    }
}

fn service_account_key(association: &Association) -> (String, String, String) {
    let Association {
        namespace,
        service_account,
        ..
    } = association;
    (
        association.cluster_arn(),
        namespace.clone(),
        service_account.clone(),
    )
}
