//! `ListClusters`, `DescribeCluster`, `CreateCluster`, `DeleteCluster`.
//!
//! A cluster is only a record: it is ACTIVE at once and deleted at once, and nothing runs in it
//! that would prevent its deletion.

use serde_json::{Value, json};

use crate::eks::error::EksError;
use crate::eks::members::{required, strings, tags, text};
use crate::eks::query::next_token;
use crate::eks::request::EksRequest;
use crate::eks::resources::{Cluster, KUBERNETES_VERSION};
use crate::eks::state::EksState;
use crate::eks::times::epoch_seconds;

/// The default quota of clusters per account and region.
const CLUSTERS_MAX: usize = 100;

pub(crate) fn list(state: &mut EksState, request: &EksRequest) -> Result<Value, EksError> {
    let page_len = request.query.page_len()?;
    let start_after = request.query.start_after()?;
    let listed = state.list_clusters(&request.scope().cluster_arn(""));
    let mut rest = listed.into_iter().filter(|cluster| {
        start_after
            .as_ref()
            .is_none_or(|after| cluster.arn > *after)
    });
    let page: Vec<&Cluster> = rest.by_ref().take(page_len).collect();
    let names: Vec<&str> = page.iter().map(|cluster| cluster.name.as_str()).collect();
    let mut body = json!({ "clusters": names });
    if let (Some(last), Some(_)) = (page.last(), rest.next()) {
        body["nextToken"] = json!(next_token(&last.arn));
    }
    Ok(body)
}

pub(crate) fn describe(
    state: &mut EksState,
    request: &EksRequest,
    name: &str,
) -> Result<Value, EksError> {
    let cluster = state.describe_cluster(&request.scope().cluster_arn(name));
    let cluster = cluster.ok_or_else(|| EksError::no_cluster(name))?;
    Ok(json!({ "cluster": cluster_body(cluster) }))
}

pub(crate) fn create(state: &mut EksState, request: &EksRequest) -> Result<Value, EksError> {
    let body = &request.body;
    let name = required(body, "name")?;
    let role_arn = required(body, "roleArn")?;
    if !is_cluster_name(name) {
        let message = format!("The cluster name {name} is not valid");
        return Err(EksError::invalid_parameter(message));
    }
    let Some(vpc_config) = body.get("resourcesVpcConfig").and_then(Value::as_object) else {
        return Err(EksError::invalid_parameter(
            "resourcesVpcConfig is required",
        ));
    };
    check_cluster_is_new(state, request, name)?;
    let cluster = Cluster {
        version: text(body, "version")?
            .unwrap_or(KUBERNETES_VERSION)
            .to_owned(),
        role_arn: role_arn.to_owned(),
        subnet_ids: strings(vpc_config, "subnetIds"),
        security_group_ids: strings(vpc_config, "securityGroupIds"),
        tags: tags(body)?,
        client_request_token: request.token().map(str::to_owned),
        ..Cluster::with_defaults(request.scope(), name, state.modification_time())
    };
    let body = json!({ "cluster": cluster_body(&cluster) });
    state.insert_cluster(cluster);
    Ok(body)
}

pub(crate) fn delete(
    state: &mut EksState,
    request: &EksRequest,
    name: &str,
) -> Result<Value, EksError> {
    let arn = state.cluster(request.scope(), name)?.arn.clone();
    let deleted = state
        .remove_cluster(&arn)
        .expect("the cluster was found just now");
    let mut body = cluster_body(&deleted);
    body["status"] = json!("DELETING");
    Ok(json!({ "cluster": body }))
}

fn check_cluster_is_new(
    state: &EksState,
    request: &EksRequest,
    name: &str,
) -> Result<(), EksError> {
    if state.cluster(request.scope(), name).is_ok() {
        let message = format!("Cluster already exists with name: {name}");
        return Err(EksError::in_use(message).in_cluster(name));
    }
    let prefix = request.scope().cluster_arn("");
    let arns = state.clusters().map(|cluster| &cluster.arn);
    if arns.filter(|arn| arn.starts_with(&prefix)).count() >= CLUSTERS_MAX {
        let message = "Maximum number of clusters for this account reached";
        return Err(EksError::limit_exceeded(message));
    }
    Ok(())
}

fn cluster_body(cluster: &Cluster) -> Value {
    let Cluster { name, region, .. } = cluster;
    let mut body = json!({
        "name": name,
        "arn": cluster.arn,
        "createdAt": epoch_seconds(cluster.created_at),
        "version": cluster.version,
        "endpoint": format!("https://{name}.{region}.eks.example"),
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
        "identity": {
            "oidc": { "issuer": format!("https://oidc.eks.{region}.example/id/{name}") },
        },
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

/// The model's pattern: 1–100 letters, digits, hyphens and underscores; the first is a letter or
/// digit.
fn is_cluster_name(name: &str) -> bool {
    name.len() <= 100
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
