//! Which permissions the calls of each verb require, held against `docs/cli-permissions.json` in
//! both directions: each is documented, and each documented one is required.

use std::collections::{BTreeMap, BTreeSet};

use expect_test::expect_file;
use rerole_sim::{CallRecord, Service};
use serde_json::{Value, json};

use crate::harness::Stage;

const DOCUMENTED: &str = include_str!("../../../docs/cli-permissions.json");

/// A verb, an IAM action, and what it applies to: a resource of the template, or a type of another
/// service's resources.
type Required = (String, String, String);

/// What the recorded calls of a stack require.
pub fn of(stage: &Stage) -> BTreeSet<Required> {
    let mut all = BTreeSet::new();
    for (verb, record) in stage.recorded() {
        for (action, resource) in required_by(stage, &record) {
            all.insert((verb.clone(), action, resource));
        }
    }
    all
}

/// Holds the permissions against the documented ones.
pub fn check(required: BTreeSet<Required>) {
    let mut verbs: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for (verb, action, resource) in required {
        let actions = verbs.entry(verb).or_default();
        actions.entry(action).or_default().push(resource);
    }
    let mut document: Value = serde_json::from_str(DOCUMENTED).unwrap();
    document["verbs"] = json!(verbs);
    expect_file!["../../../docs/cli-permissions.json"].assert_eq(&format!("{document:#}\n"));
}

fn required_by(stage: &Stage, record: &CallRecord) -> Vec<(String, String)> {
    let call = &record.call;
    let one =
        |prefix: &str, resource: String| vec![(format!("{prefix}:{}", call.operation), resource)];
    let named = |kind: &str| {
        let resource = stage.resource(&call.subject);
        resource.unwrap_or(kind).to_owned()
    };
    match call.service {
        // It needs no permission.
        Service::Sts => Vec::new(),
        Service::DynamoDb => of_tables(stage, record),
        Service::Eks => {
            let resource = match call.operation.as_str() {
                "ListClusters" => "*",
                "DescribeCluster" | "ListPodIdentityAssociations" => "cluster",
                _ => "podidentityassociation",
            };
            one("eks", resource.to_owned())
        }
        Service::EventBridge if call.operation == "PutEvents" => one("events", named("event-bus")),
        Service::EventBridge => one("events", "rule".to_owned()),
        Service::Sqs => match call.operation.as_str() {
            // It receives and deletes messages of the one queue, and sends them to the other one.
            "StartMessageMoveTask" => {
                let dead = "IndexerDeadLetterQueue";
                let mut all = vec![("sqs:SendMessage".to_owned(), "IndexerQueue".to_owned())];
                for action in [
                    "StartMessageMoveTask",
                    "ReceiveMessage",
                    "DeleteMessage",
                    "GetQueueAttributes",
                ] {
                    all.push((format!("sqs:{action}"), dead.to_owned()));
                }
                all
            }
            "DeleteMessageBatch" => vec![("sqs:DeleteMessage".to_owned(), named("queue"))],
            "ChangeMessageVisibilityBatch" => {
                vec![("sqs:ChangeMessageVisibility".to_owned(), named("queue"))]
            }
            "ListMessageMoveTasks" => one("sqs", "IndexerDeadLetterQueue".to_owned()),
            _ => one("sqs", named("queue")),
        },
        Service::Lambda => match call.operation.as_str() {
            "Invoke" => vec![("lambda:InvokeFunction".to_owned(), named("function"))],
            "ListEventSourceMappings" => one("lambda", "*".to_owned()),
            _ => one("lambda", named("function")),
        },
        Service::CloudFormation => one("cloudformation", "stack".to_owned()),
        Service::CloudWatch => one("cloudwatch", "*".to_owned()),
        Service::CloudTrail => {
            let resource = match call.operation.as_str() {
                "DescribeTrails" | "LookupEvents" => "*",
                _ => "trail",
            };
            one("cloudtrail", resource.to_owned())
        }
        Service::Iam => {
            // The ARN of the entity is in the request, and the result is read by its job.
            let resource = match call.operation.as_str() {
                "GetPolicy" | "GetPolicyVersion" => "policy",
                "GetServiceLastAccessedDetails" => "*",
                _ => "role",
            };
            one("iam", resource.to_owned())
        }
        Service::AccessAnalyzer => one("access-analyzer", "*".to_owned()),
        Service::Sns => one("sns", "topic".to_owned()),
        Service::StepFunctions => one("states", "StateMachine".to_owned()),
    }
}

/// A transaction and a batch require the actions of their parts.
fn of_tables(stage: &Stage, record: &CallRecord) -> Vec<(String, String)> {
    let (operation, body) = (record.call.operation.as_str(), &record.call.body);
    let table = |name: &str| stage.resource(name).unwrap_or("table").to_owned();
    let on = |operation: &str, body: &Value| {
        let mut resource = table(body["TableName"].as_str().unwrap());
        if let Some(index) = body["IndexName"].as_str() {
            resource = format!("{resource}/index/{index}");
        }
        (format!("dynamodb:{operation}"), resource)
    };
    match operation {
        "TransactWriteItems" => {
            let items = body["TransactItems"].as_array().unwrap().iter();
            let parts = items.flat_map(|item| item.as_object().unwrap());
            let action = |kind: &str| match kind {
                "ConditionCheck" => "ConditionCheckItem".to_owned(),
                kind => format!("{kind}Item"),
            };
            parts.map(|(kind, part)| on(&action(kind), part)).collect()
        }
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = body["RequestItems"].as_object().unwrap().keys();
            tables
                .map(|name| (format!("dynamodb:{operation}"), table(name)))
                .collect()
        }
        operation => vec![on(operation, body)],
    }
}
