//! Lists and describes clusters. rerole changes no cluster.

use aws_sdk_eks::types::ClusterStatus;
use rerole_core::call::{CallError, Operation};
use rerole_core::resource::{Cluster, ClusterName};
use tokio::time::Instant;

use crate::aws::call_error::call_error;
use crate::aws::eks::read::{none_if_not_found, read};
use crate::aws::eks::{Eks, NamePage};

/// A cluster as EKS described it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedCluster {
    pub cluster: Cluster,
    /// Deleting a cluster takes minutes. Until it is deleted, EKS describes it with this status.
    pub is_being_deleted: bool,
}

impl Eks {
    /// Returns one page of the names of a region's clusters.
    ///
    /// # Errors
    /// As [`Self::describe`].
    pub async fn list_clusters(
        &self,
        region: &str,
        start: Option<String>,
        until: Instant,
    ) -> Result<NamePage, CallError> {
        let operation = Operation::on("list clusters", &region);
        let regional = self.regions.get(region);
        let call = async || {
            let call = regional.client.list_clusters();
            call.set_next_token(start.clone())
                .send()
                .await
                .map_err(|error| call_error(operation, &error))
        };
        let output = read(&regional.rate_limiter, operation, until, call).await?;
        let next = output.next_token().map(str::to_owned);
        let items = output.clusters.unwrap_or_default();
        let is_valid = |name: &String| ClusterName { region, name }.is_valid();
        match items.iter().find(|name| !is_valid(name)) {
            None => Ok(NamePage { items, next }),
            Some(name) => {
                let problem = format!("{name:?} is not the name of a cluster");
                Err(CallError::malformed_response(operation, problem))
            }
        }
    }

    /// Describes a cluster. Returns `None` if EKS does not have it.
    ///
    /// # Errors
    /// As [`Self::describe`].
    pub async fn describe_cluster(
        &self,
        asked: ClusterName<'_>,
        until: Instant,
    ) -> Result<Option<DescribedCluster>, CallError> {
        let operation = Operation::on("describe", &asked);
        let regional = self.regions.get(asked.region);
        let call = async || {
            let call = regional.client.describe_cluster().name(asked.name);
            call.send()
                .await
                .map_err(|error| call_error(operation, &error))
        };
        match read(&regional.rate_limiter, operation, until, call).await {
            Ok(output) => {
                let described = output.cluster();
                let arn = described.and_then(|cluster| cluster.arn());
                let cluster = Cluster::parse(arn.unwrap_or_default())
                    .map_err(|error| CallError::malformed_response(operation, error.to_string()))?;
                if cluster.name() != asked {
                    let problem = format!("the response is about {}", cluster.cluster_arn);
                    return Err(CallError::malformed_response(operation, problem));
                }
                let status = described.and_then(|cluster| cluster.status());
                Ok(Some(DescribedCluster {
                    cluster,
                    is_being_deleted: status == Some(&ClusterStatus::Deleting),
                }))
            }
            Err(error) => none_if_not_found(error),
        }
    }
}
