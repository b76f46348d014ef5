//! Parses the association in a response of EKS.

use aws_sdk_eks::primitives::DateTime;
use aws_sdk_eks::types::PodIdentityAssociation;
use rerole_core::call::{CallError, Operation};
use rerole_core::resource::{Association, AssociationArn};
use rerole_core::timestamp::Timestamp;

/// Returns the subject of an error about an association.
pub(super) fn subject(arn: &AssociationArn) -> String {
    format!(
        "{} in cluster {} in {}",
        arn.association_id(),
        arn.cluster_name(),
        arn.region()
    )
}

/// Parses a response. The fields that every response has are required. ARN, cluster and ID must be
/// the requested ones, because every decision relies on that: the ARN in a message or an item may
/// name another account or region than the one that EKS was asked in.
pub(super) fn association(
    arn: &AssociationArn,
    response: Option<&PodIdentityAssociation>,
    operation: Operation<'_>,
) -> Result<Association, CallError> {
    let malformed = |problem: String| CallError::malformed_response(operation, problem);
    let response =
        response.ok_or_else(|| malformed("the response has no association".to_owned()))?;
    let required = |value: Option<&str>, name: &str| {
        value
            .map(str::to_owned)
            .ok_or_else(|| malformed(format!("the response has no {name}")))
    };
    let non_empty = |value: Option<&str>| value.filter(|text| !text.is_empty()).map(str::to_owned);
    for (value, name, requested) in [
        (response.association_arn(), "associationArn", arn.as_str()),
        (response.cluster_name(), "clusterName", arn.cluster_name()),
        (
            response.association_id(),
            "associationId",
            arn.association_id(),
        ),
    ] {
        let value = required(value, name)?;
        if value != requested {
            let problem = format!("the response has {name} {value}, and {requested} was requested");
            return Err(malformed(problem));
        }
    }
    let modified_at = response
        .modified_at()
        .ok_or_else(|| malformed("the response has no modifiedAt".to_owned()))?;
    Ok(Association {
        association_arn: arn.clone(),
        namespace: required(response.namespace(), "namespace")?,
        service_account: required(response.service_account(), "serviceAccount")?,
        role_arn: required(response.role_arn(), "roleArn")?,
        target_role_arn: non_empty(response.target_role_arn()),
        disable_session_tags: response.disable_session_tags(),
        policy: non_empty(response.policy()),
        external_id: non_empty(response.external_id()),
        owner_arn: non_empty(response.owner_arn()),
        tags: response
            .tags()
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        created_at: response.created_at().and_then(timestamp),
        modified_at: timestamp(modified_at)
            .ok_or_else(|| malformed(format!("modifiedAt is out of range: {modified_at:?}")))?,
    })
}

/// Rounds the time to milliseconds. EKS sends seconds since the epoch as a JSON float, in which
/// `.123` reads as 122,999,9xx ns. If that were truncated, it would not equal the same version in
/// the index. Returns `None` if the time is out of range.
fn timestamp(time: &DateTime) -> Option<Timestamp> {
    const NANOS_PER_MILLI: i64 = 1_000_000;
    let millis = (i64::from(time.subsec_nanos()) + NANOS_PER_MILLI / 2) / NANOS_PER_MILLI;
    time.secs()
        .checked_mul(1_000)?
        .checked_add(millis)
        .map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The response may be to another question: a message, an item or a response was forged.
    #[test]
    fn a_response_is_about_what_was_requested() {
        let arn: AssociationArn =
            "arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod/a-1"
                .parse()
                .unwrap();
        let response = |arn: &str, cluster: &str, id: &str| {
            PodIdentityAssociation::builder()
                .association_arn(arn)
                .cluster_name(cluster)
                .association_id(id)
                .namespace("pay")
                .service_account("api")
                .role_arn("arn:aws:iam::111122223333:role/app")
                .modified_at(DateTime::from_secs(1))
                .build()
        };
        for (of, cluster, id, expected) in [
            (arn.as_str(), "prod", "a-1", None),
            (
                "arn:aws:eks:us-east-1:999999999999:podidentityassociation/prod/a-1",
                "prod",
                "a-1",
                Some("associationArn"),
            ),
            (
                "arn:aws:eks:eu-west-1:111122223333:podidentityassociation/prod/a-1",
                "prod",
                "a-1",
                Some("associationArn"),
            ),
            (
                "arn:aws-cn:eks:us-east-1:111122223333:podidentityassociation/prod/a-1",
                "prod",
                "a-1",
                Some("associationArn"),
            ),
            (arn.as_str(), "other", "a-1", Some("clusterName")),
            (arn.as_str(), "prod", "a-2", Some("associationId")),
        ] {
            let response = response(of, cluster, id);
            let operation = Operation::on("describe association", &arn);
            let problem = association(&arn, Some(&response), operation)
                .err()
                .map(|error| error.to_string());
            match expected {
                None => assert_eq!(problem, None),
                Some(name) => {
                    let problem = problem.unwrap();
                    let expected = format!("the response has {name}");
                    assert!(problem.contains(&expected), "{problem}");
                }
            }
        }
        let without_arn = PodIdentityAssociation::builder()
            .association_id("a-1")
            .build();
        let operation = Operation::on("describe association", &arn);
        association(&arn, Some(&without_arn), operation).unwrap_err();
    }

    #[test]
    fn float_seconds_are_rounded_to_the_milliseconds_that_eks_sent() {
        for millis in (0..1_000).map(|fraction| 1_795_467_600_000 + fraction) {
            #[expect(clippy::cast_precision_loss, reason = "what EKS does")]
            let sent = DateTime::from_secs_f64(millis as f64 / 1_000.0);
            assert_eq!(timestamp(&sent), Some(Timestamp::from_millis(millis)));
        }
    }
}
