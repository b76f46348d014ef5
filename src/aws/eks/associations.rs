//! Describes an association, and lists the associations of a cluster. Updates are in `update.rs`.

use aws_sdk_eks::types::PodIdentityAssociationSummary;
use rerole_core::call::{CallError, Operation};
use rerole_core::resource::{AssociationArn, ClusterName};
use tokio::time::Instant;

use crate::aws::call_error::call_error;
use crate::aws::eks::read::{none_if_not_found, read};
use crate::aws::eks::response::{association, subject};
use crate::aws::eks::{Eks, NamePage, Observed};

impl Eks {
    /// Describes the association. Returns `None` if EKS does not have it. Waits for a permit until
    /// `until`.
    ///
    /// # Errors
    /// If the call fails, or with
    /// [`ErrorClass::Throttled`](rerole_core::call::ErrorClass::Throttled) if there was no permit
    /// in time.
    pub async fn describe(
        &self,
        arn: &AssociationArn,
        until: Instant,
    ) -> Result<Option<Observed>, CallError> {
        let subject = subject(arn);
        let operation = Operation::on("describe association", &subject);
        let region = self.regions.get(arn.region());
        let call = async || {
            let call = region.client.describe_pod_identity_association();
            let call = call
                .cluster_name(arn.cluster_name())
                .association_id(arn.association_id());
            let sent_at = Instant::now();
            let output = call.send().await;
            let output = output.map_err(|error| call_error(operation, &error))?;
            Ok((output, sent_at))
        };
        match read(&region.rate_limiter, operation, until, call).await {
            Ok((output, sent_at)) => {
                let association = association(arn, output.association(), operation)?;
                Ok(Some(Observed::new(association, sent_at)))
            }
            Err(error) => none_if_not_found(error),
        }
    }

    /// Returns one page of the IDs of a cluster's associations.
    ///
    /// # Errors
    /// As [`Self::describe`], and with
    /// [`ErrorClass::NotFound`](rerole_core::call::ErrorClass::NotFound) if EKS does not have the
    /// cluster.
    pub async fn list_associations(
        &self,
        cluster: ClusterName<'_>,
        start: Option<String>,
        until: Instant,
    ) -> Result<NamePage, CallError> {
        let operation = Operation::on("list associations of", &cluster);
        let regional = self.regions.get(cluster.region);
        let call = async || {
            let call = regional
                .client
                .list_pod_identity_associations()
                .cluster_name(cluster.name)
                .set_next_token(start.clone());
            call.send()
                .await
                .map_err(|error| call_error(operation, &error))
        };
        let output = read(&regional.rate_limiter, operation, until, call).await?;
        let next = output.next_token().map(str::to_owned);
        let id = |summary: PodIdentityAssociationSummary| {
            if let Some(of) = summary.cluster_name().filter(|of| *of != cluster.name) {
                return Err(format!("an association is of the cluster {of}"));
            }
            let id = summary.association_id;
            id.ok_or_else(|| "an association has no associationId".to_owned())
        };
        let ids = output.associations.unwrap_or_default().into_iter().map(id);
        let items = ids.collect::<Result<Vec<_>, _>>();
        let items = items.map_err(|problem| CallError::malformed_response(operation, problem))?;
        Ok(NamePage { items, next })
    }
}
