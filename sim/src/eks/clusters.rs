//! `ListClusters`, `DescribeCluster`, `CreateCluster`, `DeleteCluster`. A cluster is a record here: ACTIVE at once, gone at
//! once, and nothing runs in it that would keep it from being deleted.

use super::errors::EksError;
use super::routes::next_token;
use super::world::{Cluster, EksWorld, arn, at_resolution, epoch_seconds};
use super::{EksRequest, associations};
use serde_json::{Map, Value, json};
use std::ops::Bound;

/// Clusters in one region of an account, by default.
const CLUSTERS_MAX: usize = 100;
/// What `CreateCluster` takes where the caller names no version.
const KUBERNETES_VERSION: &str = "1.34";

impl EksWorld {
    pub(crate) fn list_clusters(&self, request: &EksRequest) -> Result<Value, EksError> {
        let page_len = request.query.page_len()?;
        let prefix = arn(&request.region, &request.account, "cluster/");
        let start = request.query.start_after()?.map_or(Bound::Included(prefix.clone()), Bound::Excluded);
        let mut rest = self.clusters.range((start, Bound::Unbounded)).take_while(|(arn, _)| arn.starts_with(&prefix));
        let page: Vec<(&String, &Cluster)> = rest.by_ref().take(page_len).collect();
        let names: Vec<&str> = page.iter().map(|(_, cluster)| cluster.name.as_str()).collect();
        let mut body = json!({ "clusters": names });
        if let (Some((last, _)), Some(_)) = (page.last(), rest.next()) {
            body["nextToken"] = json!(next_token(last));
        }
        Ok(body)
    }

    pub(crate) fn describe_cluster(&self, request: &EksRequest, name: &str) -> Result<Value, EksError> {
        self.cluster(&request.account, &request.region, name).map(|cluster| json!({ "cluster": cluster_body(cluster) }))
    }

    pub(crate) fn create_cluster_as_asked(&mut self, request: &EksRequest) -> Result<Value, EksError> {
        let name = associations::required(&request.body, "name")?;
        let role_arn = associations::required(&request.body, "roleArn")?;
        if !is_cluster_name(name) {
            return Err(EksError::invalid_parameter(format!("The cluster name {name} is not valid")));
        }
        let Some(vpc_config) = request.body.get("resourcesVpcConfig").and_then(Value::as_object) else {
            return Err(EksError::invalid_parameter("resourcesVpcConfig is required"));
        };
        let arn_in_region = arn(&request.region, &request.account, &format!("cluster/{name}"));
        if self.clusters.contains_key(&arn_in_region) {
            return Err(EksError::in_use(format!("Cluster already exists with name: {name}")).in_cluster(name));
        }
        let prefix = arn(&request.region, &request.account, "cluster/");
        if self.clusters.keys().filter(|arn| arn.starts_with(&prefix)).count() >= CLUSTERS_MAX {
            return Err(EksError::limit_exceeded("Maximum number of clusters for this account reached"));
        }
        let cluster = Cluster {
            name: name.to_owned(),
            arn: arn_in_region.clone(),
            region: request.region.clone(),
            account: request.account.clone(),
            created_at: at_resolution(self.now, self.rules.modified_at_resolution),
            version: associations::text(&request.body, "version")?.unwrap_or(KUBERNETES_VERSION).to_owned(),
            role_arn: role_arn.to_owned(),
            subnet_ids: strings(vpc_config, "subnetIds"),
            security_group_ids: strings(vpc_config, "securityGroupIds"),
            tags: associations::tags(&request.body)?,
            client_request_token: request.token().map(str::to_owned),
        };
        let body = json!({ "cluster": cluster_body(&cluster) });
        self.clusters.insert(arn_in_region, cluster);
        Ok(body)
    }

    pub(crate) fn delete_cluster_as_asked(&mut self, request: &EksRequest, name: &str) -> Result<Value, EksError> {
        let arn = self.cluster(&request.account, &request.region, name)?.arn.clone();
        let deleted = self.remove_cluster(&arn).expect("a cluster that was just found is there");
        let mut body = cluster_body(&deleted);
        body["status"] = json!("DELETING");
        Ok(json!({ "cluster": body }))
    }

    /// Removes the cluster with its associations.
    pub(crate) fn remove_cluster(&mut self, cluster_arn: &str) -> Option<Cluster> {
        let cluster = self.clusters.remove(cluster_arn)?;
        let prefix = arn(&cluster.region, &cluster.account, &format!("podidentityassociation/{}/", cluster.name));
        let in_cluster = self.associations.range(prefix.clone()..).take_while(|(arn, _)| arn.starts_with(&prefix));
        let arns: Vec<String> = in_cluster.map(|(arn, _)| arn.clone()).collect();
        for arn in arns {
            self.remove(&arn);
        }
        Some(cluster)
    }

    /// The cluster with this name in the caller's account and region.
    pub(crate) fn cluster(&self, account: &str, region: &str, name: &str) -> Result<&Cluster, EksError> {
        self.clusters
            .get(&arn(region, account, &format!("cluster/{name}")))
            .ok_or_else(|| EksError::not_found(format!("No cluster found for name: {name}.")).in_cluster(name))
    }
}

impl Cluster {
    /// A cluster that nobody asked for through the API.
    pub(crate) fn plain(account: &str, region: &str, name: &str, created_at: std::time::SystemTime) -> Self {
        Self {
            name: name.to_owned(),
            arn: arn(region, account, &format!("cluster/{name}")),
            region: region.to_owned(),
            account: account.to_owned(),
            created_at,
            version: KUBERNETES_VERSION.to_owned(),
            role_arn: format!("arn:{}:iam::{account}:role/eks-cluster", super::world::partition(region)),
            subnet_ids: vec!["subnet-1".to_owned(), "subnet-2".to_owned()],
            security_group_ids: Vec::new(),
            tags: std::collections::BTreeMap::new(),
            client_request_token: None,
        }
    }
}

fn cluster_body(cluster: &Cluster) -> Value {
    let region = &cluster.region;
    let mut body = json!({
        "name": cluster.name,
        "arn": cluster.arn,
        "createdAt": epoch_seconds(cluster.created_at),
        "version": cluster.version,
        "endpoint": format!("https://{}.{region}.eks.example", cluster.name),
        "roleArn": cluster.role_arn,
        "resourcesVpcConfig": {
            "subnetIds": cluster.subnet_ids,
            "securityGroupIds": cluster.security_group_ids,
            "vpcId": "vpc-1",
            "endpointPublicAccess": true,
            "endpointPrivateAccess": false,
            "publicAccessCidrs": ["0.0.0.0/0"],
        },
        "kubernetesNetworkConfig": { "serviceIpv4Cidr": "10.100.0.0/16", "ipFamily": "ipv4" },
        "identity": { "oidc": { "issuer": format!("https://oidc.eks.{region}.example/id/{}", cluster.name) } },
        "status": "ACTIVE",
        "certificateAuthority": { "data": "" },
        "platformVersion": "eks.1",
        "tags": cluster.tags,
        "accessConfig": { "authenticationMode": "API" },
    });
    if let Some(token) = &cluster.client_request_token {
        body["clientRequestToken"] = json!(token);
    }
    body
}

/// The model's pattern: 1–100 letters, digits, hyphens and underscores, beginning with a letter or digit.
fn is_cluster_name(name: &str) -> bool {
    name.len() <= 100
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn strings(members: &Map<String, Value>, name: &str) -> Vec<String> {
    let list = members.get(name).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}
