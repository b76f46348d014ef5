//! The state of EKS, and how tests read and change it without the API.
//!
//! The operations of the API are in the sibling modules, and what they have in common in `store`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use fastrand::Rng;

use crate::arn::Scope;
use crate::eks::history::{History, Lags};
use crate::eks::resources::{Association, Cluster, RoleState};
use crate::eks::tokens::TokenStore;
use crate::options::{AddonUpdates, SameRoleUpdates, Throttle};
use crate::rng::uuid;
use crate::throttle::TokenBuckets;

/// Everything in EKS, of every account and region.
pub struct EksState {
    /// By ARN: the clusters of a region are adjacent.
    pub(super) clusters: BTreeMap<String, Cluster>,
    /// By ARN: the associations of a cluster are adjacent.
    pub(super) associations: BTreeMap<String, Association>,
    /// The ARN of the association of each (cluster ARN, namespace, service account), which has at
    /// most one.
    pub(super) by_service_account: HashMap<(String, String, String), String>,
    pub(super) earlier_associations: History<Association>,
    pub(super) earlier_clusters: History<Cluster>,
    /// All earlier states of associations, since pods run.
    pub(super) all_earlier: Option<History<Association>>,
    pub(super) lags: Lags,
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
    pub(crate) reformat_policies: bool,
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
        if !self.clusters.contains_key(&arn) {
            self.insert_cluster(cluster);
        }
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

    /// Every read shows what there is now, as if nothing had been changed for a while.
    pub fn catch_up(&mut self) {
        self.earlier_associations = History::default();
        self.earlier_clusters = History::default();
    }
}
