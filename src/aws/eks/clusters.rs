//! Lists and describes clusters. rerole changes no cluster.

use aws_sdk_eks::types::ClusterStatus;
use rerole_core::call::CallError;
use rerole_core::resource::Cluster;
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
        const OPERATION: &str = "list clusters";
        let regional = self.regions.get(region);
        let call = async || {
            let call = regional.client.list_clusters();
            call.set_next_token(start.clone())
                .send()
                .await
                .map_err(|error| call_error(OPERATION, region, &error))
        };
        let no_permit = || CallError::no_permit(OPERATION, region);
        let output = read(&regional.lists, until, no_permit, call).await?;
        Ok(NamePage {
            next: output.next_token().map(str::to_owned),
            names: output.clusters.unwrap_or_default(),
        })
    }

    /// Describes a cluster. Returns `None` if EKS does not have it.
    ///
    /// # Errors
    /// As [`Self::describe`].
    pub async fn describe_cluster(
        &self,
        region: &str,
        name: &str,
        until: Instant,
    ) -> Result<Option<DescribedCluster>, CallError> {
        const OPERATION: &str = "describe cluster";
        let regional = self.regions.get(region);
        let subject = || format!("{name} in {region}");
        let call = async || {
            let call = regional.client.describe_cluster().name(name);
            call.send()
                .await
                .map_err(|error| call_error(OPERATION, subject(), &error))
        };
        let no_permit = || CallError::no_permit(OPERATION, subject());
        match read(&regional.lists, until, no_permit, call).await {
            Ok(output) => {
                let described = output.cluster();
                let arn = described.and_then(|cluster| cluster.arn());
                let cluster = Cluster::parse(arn.unwrap_or_default()).map_err(|error| {
                    CallError::malformed_response(OPERATION, subject(), error.to_string())
                })?;
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
