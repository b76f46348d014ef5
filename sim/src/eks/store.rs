//! What the operations of the API have in common: reads of the state as of now or, with a lag, of
//! some time ago, and writes that keep what later reads may still show.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::SystemTime;

use fastrand::Rng;

use crate::arn::Scope;
use crate::eks::error::EksError;
use crate::eks::history::{History, Lags};
use crate::eks::resources::{Association, Cluster};
use crate::eks::state::{EksOptions, EksState, NewAssociation};
use crate::eks::times::at_resolution;
use crate::eks::tokens::TokenStore;
use crate::options::Options;
use crate::rng::lowercase_alphanumerics;
use crate::throttle::TokenBuckets;

/// The ids of EKS and its request ids come from different streams of the same seed.
const ID_STREAM: u64 = 0xE5;
const LAG_STREAM: u64 = 0x1A6;

/// What the operations of the API have in common.
impl EksState {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            clusters: BTreeMap::new(),
            associations: BTreeMap::new(),
            by_service_account: HashMap::new(),
            earlier_associations: History::default(),
            earlier_clusters: History::default(),
            all_earlier: None,
            lags: Lags::new(
                options.describe_lag.clone(),
                options.list_lag.clone(),
                Rng::with_seed(options.seed ^ LAG_STREAM),
            ),
            role_states: BTreeMap::new(),
            denied_clusters: BTreeSet::new(),
            tokens: TokenStore::default(),
            buckets: TokenBuckets::new(options.throttle, options.buckets),
            options: EksOptions {
                bare_throttle: options.bare_throttle,
                retry_after_secs: options.retry_after_secs,
                modified_at_resolution: options.modified_at_resolution,
                reformat_policies: options.reformat_policies,
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
        let cluster = self.clusters.get(&scope.cluster_arn(name));
        cluster.ok_or_else(|| EksError::no_cluster(name))
    }

    /// The cluster with this ARN, as a Describe shows it.
    pub(crate) fn describe_cluster(&mut self, arn: &str) -> Option<&Cluster> {
        let time = self.lags.describe_at(self.now);
        self.earlier_clusters.at(arn, time, self.clusters.get(arn))
    }

    /// The clusters whose ARNs start with `prefix`, as a list shows them, in order of their ARNs.
    pub(crate) fn list_clusters(&mut self, prefix: &str) -> Vec<&Cluster> {
        let time = self.lags.list_at(self.now);
        let Self {
            clusters,
            earlier_clusters: earlier,
            ..
        } = self;
        listed(clusters, earlier, prefix, time)
    }

    pub(crate) fn insert_cluster(&mut self, cluster: Cluster) {
        let arn = cluster.arn.clone();
        let before = self.clusters.insert(arn.clone(), cluster);
        let keep_from = self.now - self.lags.max();
        self.earlier_clusters
            .record(&arn, before, self.now, keep_from);
    }

    /// Removes the cluster with its associations.
    pub(crate) fn remove_cluster(&mut self, cluster_arn: &str) -> Option<Cluster> {
        let cluster = self.clusters.remove(cluster_arn)?;
        let keep_from = self.now - self.lags.max();
        let before = Some(cluster.clone());
        self.earlier_clusters
            .record(cluster_arn, before, self.now, keep_from);
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

    /// The association with this ARN, as a Describe shows it.
    pub(crate) fn describe_association(&mut self, arn: &str) -> Option<&Association> {
        let time = self.lags.describe_at(self.now);
        let current = self.associations.get(arn);
        self.earlier_associations.at(arn, time, current)
    }

    /// The associations whose ARNs start with `prefix`, as a list shows them, in order of their
    /// ARNs.
    pub(crate) fn list_associations(&mut self, prefix: &str) -> Vec<&Association> {
        let time = self.lags.list_at(self.now);
        let Self {
            associations,
            earlier_associations: earlier,
            ..
        } = self;
        listed(associations, earlier, prefix, time)
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
        self.put(association);
        Ok(())
    }

    /// Replaces the association, or adds it.
    pub(crate) fn put(&mut self, association: Association) {
        let arn = association.association_arn.clone();
        self.keep_earlier(&arn);
        self.associations.insert(arn, association);
    }

    pub(crate) fn remove(&mut self, arn: &str) -> Option<Association> {
        self.keep_earlier(arn);
        let association = self.associations.remove(arn)?;
        self.by_service_account
            .remove(&service_account_key(&association));
        Some(association)
    }

    /// The time now, as EKS records it.
    pub(crate) fn modification_time(&self) -> SystemTime {
        at_resolution(self.now, self.options.modified_at_resolution)
    }

    pub(super) fn modify(&mut self, arn: &str, change: impl FnOnce(&mut Association)) {
        let now = self.modification_time();
        let association = self.association_mut(arn);
        change(association);
        association.modified_at = now.max(association.modified_at);
    }

    /// Keeps the present state of an association, which is about to change.
    fn keep_earlier(&mut self, arn: &str) {
        let keep_from = self.now - self.lags.max();
        let present = self.associations.get(arn).cloned();
        if let Some(all_earlier) = &mut self.all_earlier {
            all_earlier.record(arn, present.clone(), self.now, SystemTime::UNIX_EPOCH);
        }
        self.earlier_associations
            .record(arn, present, self.now, keep_from);
    }

    pub(super) fn association_mut(&mut self, arn: &str) -> &mut Association {
        self.keep_earlier(arn);
        self.associations
            .get_mut(arn)
            .unwrap_or_else(|| panic!("a test changes associations that exist, not {arn}"))
    }
}

/// The resources whose ARNs start with `prefix`, as they were at `time`, in order of their ARNs.
fn listed<'a, T>(
    current: &'a BTreeMap<String, T>,
    earlier: &'a History<T>,
    prefix: &str,
    time: SystemTime,
) -> Vec<&'a T> {
    let from_prefix = current.range(prefix.to_owned()..).map(|(arn, _)| arn);
    let arns: BTreeSet<&String> = from_prefix
        .take_while(|arn| arn.starts_with(prefix))
        .chain(earlier.with_prefix(prefix))
        .collect();
    let state = |arn: &String| earlier.at(arn, time, current.get(arn));
    arns.into_iter().filter_map(state).collect()
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
