//! Commands of the AWS CLI that query the simulated AWS, for the user to copy.

use rerole_sim::Association;

use crate::demo::scene::Scene;

/// The commands. Their example is an association of the rotation.
pub fn commands(scene: &Scene) -> String {
    let example = scene.fleet.rotating.last();
    let example = example.and_then(|arn| scene.before.get(arn));
    let Some(example) = example else {
        return String::new();
    };
    let Association {
        cluster_name,
        association_id,
        region,
        ..
    } = example;
    let (index, ledger) = (&scene.operator.index_table, &scene.operator.ledger_table);
    let (id, old_role) = (&scene.request.rotation_id, &scene.request.old_role_arn);
    format!(
        r#"
Then `rerole status {id} --timeline` works, as every other command does, and so does the AWS CLI:

  # The associations that use the old role, according to the index.
  aws dynamodb query --table-name {index} --index-name ByRole \
    --key-condition-expression 'roleArn = :role' \
    --expression-attribute-values '{{":role":{{"S":"{old_role}"}}}}' \
    --query 'Items[].[clusterName.S,namespace.S,serviceAccount.S]' --output text

  # The rotation in the ledger.
  aws dynamodb get-item --table-name {ledger} \
    --key '{{"rotationId":{{"S":"{id}"}},"entry":{{"S":"rotation"}}}}'

  # The outcome of each association.
  aws dynamodb query --table-name {ledger} \
    --key-condition-expression 'rotationId = :id and begins_with(entry, :row)' \
    --expression-attribute-values '{{":id":{{"S":"{id}"}},":row":{{"S":"association#"}}}}' \
    --query 'Items[].[outcome.S,clusterName.S,namespace.S,serviceAccount.S]' --output text

  # The associations of a cluster in EKS, and one of them in full.
  aws eks list-pod-identity-associations --region {region} --cluster-name {cluster_name}
  aws eks describe-pod-identity-association --region {region} --cluster-name {cluster_name} \
    --association-id {association_id}"#
    )
}
