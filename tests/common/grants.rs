//! What the template grants the functions, and what their calls require. The calls of every test
//! are checked with it.

use std::collections::BTreeSet;

use rerole_sim::{CallRecord, Service};
use serde_json::Value;

use crate::common::environment::{
    BUS, INDEX, INDEXER_ACCESS_KEY, LEDGER, PUBLISHER_ACCESS_KEY, ROTATE_ACCESS_KEY, STATE_MACHINE,
};
use crate::common::template::properties;

/// An IAM action and the kind of resource that it applies to: a table or one of its indexes, by
/// its name in the template, or the resource type of another service.
pub type Permission = (String, String);

/// The role and the policy for the code of the rotate function.
pub const ROTATE_POLICY: (&str, &str) = ("RotateRole", "rotate");
/// The role and the policy for the code of the indexer.
pub const INDEXER_POLICY: (&str, &str) = ("IndexerRole", "indexer");

/// The role and the policy for the code of the publisher.
pub const PUBLISHER_POLICY: (&str, &str) = ("PublisherRole", "publisher");

/// Panics if one of these calls requires a permission that the template does not grant to the
/// function that made the call.
pub fn check_granted(calls: &[CallRecord]) {
    for (access_key, policy) in [
        (ROTATE_ACCESS_KEY, ROTATE_POLICY),
        (INDEXER_ACCESS_KEY, INDEXER_POLICY),
        (PUBLISHER_ACCESS_KEY, PUBLISHER_POLICY),
    ] {
        let granted = granted_by(policy);
        for record in calls
            .iter()
            .filter(|record| record.call.access_key.starts_with(access_key))
        {
            for permission in required_by(record) {
                let ((action, resource), (role, _)) = (&permission, policy);
                assert!(
                    granted.contains(&permission),
                    "template.yaml does not grant {role} {action} on {resource}"
                );
            }
        }
    }
}

/// The permissions of one policy of a role.
pub fn granted_by(policy: (&str, &str)) -> BTreeSet<Permission> {
    let mut granted = BTreeSet::new();
    for statement in statements(policy) {
        assert_eq!(statement["Effect"], "Allow");
        for action in one_or_more(&statement["Action"]) {
            for resource in one_or_more(&statement["Resource"]) {
                granted.insert((action.as_str().unwrap().to_owned(), resource_kind(resource)));
            }
        }
    }
    granted
}

/// The permissions that a call requires. A transaction has no action of its own: it requires the
/// actions of its parts.
pub fn required_by(record: &CallRecord) -> Vec<Permission> {
    let call = &record.call;
    match call.service {
        Service::Eks => {
            // As in the service authorization reference.
            let resource = match call.operation.as_str() {
                "ListClusters" => "*",
                "DescribeCluster" | "ListPodIdentityAssociations" => "cluster",
                _ => "podidentityassociation",
            };
            vec![(format!("eks:{}", call.operation), resource.to_owned())]
        }
        Service::StepFunctions => {
            assert_eq!(call.body["stateMachineArn"], STATE_MACHINE);
            vec![(
                format!("states:{}", call.operation),
                "StateMachine".to_owned(),
            )]
        }
        Service::EventBridge => {
            assert_eq!(call.subject, BUS);
            vec![(format!("events:{}", call.operation), "event-bus".to_owned())]
        }
        Service::DynamoDb if call.operation == "TransactWriteItems" => {
            let items = call.body["TransactItems"].as_array().unwrap().iter();
            let parts = items.flat_map(|item| item.as_object().unwrap());
            parts
                .map(|(kind, part)| match kind.as_str() {
                    "Put" => table_permission("PutItem", part),
                    "Update" => table_permission("UpdateItem", part),
                    "Delete" => table_permission("DeleteItem", part),
                    "ConditionCheck" => table_permission("ConditionCheckItem", part),
                    other => panic!("a transaction has the unknown part {other}"),
                })
                .collect()
        }
        Service::DynamoDb => vec![table_permission(&call.operation, &call.body)],
        other => panic!("no function calls {other:?}"),
    }
}

/// The statements of a policy of a role.
pub fn statements((role, policy_name): (&str, &str)) -> Vec<&'static Value> {
    let mut policies = properties(role)["Policies"].as_array().unwrap().iter();
    let policy = policies
        .find(|policy| policy["PolicyName"] == policy_name)
        .expect(policy_name);
    policy["PolicyDocument"]["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .collect()
}

/// The values of a member that may be a list or a single value.
pub fn one_or_more(value: &Value) -> Vec<&Value> {
    value
        .as_array()
        .map_or_else(|| vec![value], |values| values.iter().collect())
}

/// The permission for an operation on the table, or the index of a table, that `body` names.
fn table_permission(operation: &str, body: &Value) -> Permission {
    let table = match body["TableName"].as_str().unwrap() {
        INDEX => "AssociationIndexTable",
        LEDGER => "RotationLedgerTable",
        other => panic!("a call names the unknown table {other}"),
    };
    let resource = match body["IndexName"].as_str() {
        Some(index) => format!("{table}/index/{index}"),
        None => table.to_owned(),
    };
    (format!("dynamodb:{operation}"), resource)
}

fn resource_kind(resource: &Value) -> String {
    const STATE_MACHINE_ARN: &str = "arn:${AWS::Partition}:states:${AWS::Region}:\
        ${AWS::AccountId}:stateMachine:${AWS::StackName}-state-machine";
    const ASSOCIATION_ARN: &str =
        "arn:${AWS::Partition}:eks:*:${AWS::AccountId}:podidentityassociation/*/*";
    const CLUSTER_ARN: &str = "arn:${AWS::Partition}:eks:*:${AWS::AccountId}:cluster/*";
    const BUS_ARN: &str =
        "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/${Bus}";
    if resource["Fn::Sub"][0] == BUS_ARN {
        return "event-bus".to_owned();
    }
    for (kind, arn) in [
        ("StateMachine", STATE_MACHINE_ARN),
        ("podidentityassociation", ASSOCIATION_ARN),
        ("cluster", CLUSTER_ARN),
    ] {
        if resource["Fn::Sub"] == arn {
            return kind.to_owned();
        }
    }
    if resource == "*" {
        return "*".to_owned();
    }
    let table_arn = resource["Fn::GetAtt"].as_str();
    if let Some(table) = table_arn.and_then(|name| name.strip_suffix(".Arn")) {
        return table.to_owned();
    }
    let index_arn = resource["Fn::Sub"].as_str();
    match index_arn.and_then(|text| text.strip_prefix("${")?.split_once(".Arn}/index/")) {
        Some((table, index)) => format!("{table}/index/{index}"),
        None => panic!("a policy names a resource of unknown form: {resource}"),
    }
}
