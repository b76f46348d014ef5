//! The resources of EKS, and what EKS finds out about roles. Their form on the wire is not here.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::arn::{Scope, partition};

/// The version of a cluster whose creator names none.
pub(crate) const KUBERNETES_VERSION: &str = "1.34";

/// A Pod Identity association, with every field of the API model.
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
    /// The region of the cluster; the API shows it in the ARN only.
    pub region: String,
    pub account: String,
}

impl Association {
    /// The ARN of the association's cluster.
    pub fn cluster_arn(&self) -> String {
        Scope {
            account: &self.account,
            region: &self.region,
        }
        .cluster_arn(&self.cluster_name)
    }
}

/// A cluster, as `CreateCluster` recorded it.
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

impl Cluster {
    /// A cluster that was created without the API.
    pub(crate) fn with_defaults(scope: Scope<'_>, name: &str, created_at: SystemTime) -> Self {
        let Scope { account, region } = scope;
        Self {
            name: name.to_owned(),
            arn: scope.cluster_arn(name),
            region: region.to_owned(),
            account: account.to_owned(),
            created_at,
            version: KUBERNETES_VERSION.to_owned(),
            role_arn: format!("arn:{}:iam::{account}:role/eks-cluster", partition(region)),
            subnet_ids: vec!["subnet-1".to_owned(), "subnet-2".to_owned()],
            security_group_ids: Vec::new(),
            tags: BTreeMap::new(),
            client_request_token: None,
        }
    }

    pub(crate) fn scope(&self) -> Scope<'_> {
        Scope {
            account: &self.account,
            region: &self.region,
        }
    }
}

/// What EKS finds when it checks a role. A role without a state is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleState {
    Ready,
    /// EKS does not see the role until this time, as after a recent change in IAM.
    MissingUntil(SystemTime),
    Missing,
    /// The trust policy does not allow EKS Pod Identity to assume the role.
    BadTrust,
    BadTrustUntil(SystemTime),
}
