//! Commands of the AWS CLI that query the simulated AWS, for the user to copy.

use rerole_core::keys::RotationKey;
use rerole_core::request::RotationRequest;
use rerole_sim::Association;

use crate::demo::simulation::{CREDENTIAL, INDEX_TABLE, LEDGER_TABLE, REGION};

/// The commands, for endpoints at `url`. `example` is an association of the rotation.
pub fn commands(url: &str, request: &RotationRequest, example: &Association) -> String {
    let Association {
        cluster_name,
        association_id,
        region,
        ..
    } = example;
    let key = RotationKey::of(request);
    let new_role = &request.new_role_arn;
    format!(
        r#"  export AWS_ENDPOINT_URL={url} AWS_PAGER=
  export AWS_ACCESS_KEY_ID={CREDENTIAL} AWS_SECRET_ACCESS_KEY={CREDENTIAL}

  # The associations that use the new role, according to the index.
  aws dynamodb query --region {REGION} --table-name {INDEX_TABLE} --index-name ByRole \
    --key-condition-expression 'roleArn = :role' \
    --expression-attribute-values '{{":role":{{"S":"{new_role}"}}}}' \
    --query 'Items[].[clusterName.S,namespace.S,serviceAccount.S]' --output text

  # The rotation in the ledger.
  aws dynamodb get-item --region {REGION} --table-name {LEDGER_TABLE} \
    --key '{{"rotationId":{{"S":"{key}"}},"entry":{{"S":"rotation"}}}}'

  # The outcome of each association.
  aws dynamodb query --region {REGION} --table-name {LEDGER_TABLE} \
    --key-condition-expression 'rotationId = :id and begins_with(entry, :row)' \
    --expression-attribute-values '{{":id":{{"S":"{key}"}},":row":{{"S":"association#"}}}}' \
    --query 'Items[].[outcome.S,clusterName.S,namespace.S,serviceAccount.S]' --output text

  # The associations of a cluster in EKS, and one of them in full.
  aws eks list-pod-identity-associations --region {region} --cluster-name {cluster_name}
  aws eks describe-pod-identity-association --region {region} --cluster-name {cluster_name} \
    --association-id {association_id}"#
    )
}
