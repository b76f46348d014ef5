//! Describes an association, and lists the associations of a cluster. Updates are in `update.rs`.

use aws_sdk_eks::types::PodIdentityAssociationSummary;
use rerole_core::call::CallError;
use rerole_core::resource::AssociationArn;
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
        const OPERATION: &str = "describe association";
        let region = self.regions.get(arn.region());
        let call = async || {
            let call = region.client.describe_pod_identity_association();
            let call = call
                .cluster_name(arn.cluster_name())
                .association_id(arn.association_id());
            call.send()
                .await
                .map_err(|error| call_error(OPERATION, subject(arn), &error))
        };
        let no_permit = || CallError::no_permit(OPERATION, subject(arn));
        match read(&region.describes, until, no_permit, call).await {
            Ok(output) => {
                let association = association(arn, output.association(), OPERATION)?;
                Ok(Some(Observed::new(association)))
            }
            Err(error) => none_if_not_found(error),
        }
    }

    /// Returns one page of the IDs of a cluster's associations, or `None` if EKS does not have the
    /// cluster.
    ///
    /// # Errors
    /// As [`Self::describe`].
    pub async fn list_associations(
        &self,
        region: &str,
        cluster: &str,
        start: Option<String>,
        until: Instant,
    ) -> Result<Option<NamePage>, CallError> {
        const OPERATION: &str = "list associations";
        let regional = self.regions.get(region);
        let subject = || format!("cluster {cluster} in {region}");
        let call = async || {
            let call = regional
                .client
                .list_pod_identity_associations()
                .cluster_name(cluster)
                .set_next_token(start.clone());
            call.send()
                .await
                .map_err(|error| call_error(OPERATION, subject(), &error))
        };
        let no_permit = || CallError::no_permit(OPERATION, subject());
        match read(&regional.lists, until, no_permit, call).await {
            Ok(output) => {
                let next = output.next_token().map(str::to_owned);
                let id = |summary: PodIdentityAssociationSummary| summary.association_id;
                let ids = output.associations.unwrap_or_default().into_iter().map(id);
                let names = ids.collect::<Option<Vec<_>>>().ok_or_else(|| {
                    let problem = "an association has no associationId".to_owned();
                    CallError::malformed_response(OPERATION, subject(), problem)
                })?;
                Ok(Some(NamePage { names, next }))
            }
            Err(error) => none_if_not_found(error),
        }
    }
}
