//! What the template lets the function do, against what the code does. Every test's calls are checked when its world ends;
//! here is what that check rests on, and its other direction.

use std::collections::BTreeSet;
use std::time::Duration;

use rerole::index::reconcile::RECONCILE_RESERVE;
use rerole::rotation::DEADLINE_RESERVE;
use rerole_sim::{CallRecord, Options, Service};
use serde_json::{Value, json};

use crate::stack::properties;
use crate::world::{ACCESS_KEY, INDEX, INDEX_ACCESS_KEY, LEDGER, MACHINE, OLD, TIMEOUT, World, event, plain};

/// An IAM action, and the kind of resource that it is for: the template's name of a table, with its index where it is
/// about one, or `podidentityassociation`.
type Permission = (String, String);

/// Panics where one of these calls needs what the template does not grant the function that made it.
pub fn check(calls: &[CallRecord]) {
    for (access_key, policy) in [(ACCESS_KEY, ROTATE), (INDEX_ACCESS_KEY, INDEX_POLICY)] {
        let granted = granted(policy);
        for record in calls.iter().filter(|record| record.call.access_key == access_key) {
            for permission in needed(record) {
                let ((action, resource), (role, _)) = (&permission, policy);
                assert!(granted.contains(&permission), "template.yaml does not grant {role} {action} on {resource}");
            }
        }
    }
}

/// Role and policy of what each function's code does.
const ROTATE: (&str, &str) = ("RotateRole", "rotate");
const INDEX_POLICY: (&str, &str) = ("IndexRole", "index");

/// The permissions of one policy of a role.
fn granted(policy: (&str, &str)) -> BTreeSet<Permission> {
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

fn statements((role, policy_name): (&str, &str)) -> Vec<&'static Value> {
    let policies = properties(role)["Policies"].as_array().unwrap();
    let policy = policies.iter().find(|policy| policy["PolicyName"] == policy_name).expect(policy_name);
    policy["PolicyDocument"]["Statement"].as_array().unwrap().iter().collect()
}

fn one_or_more(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |values| values.iter().collect())
}

fn resource_kind(resource: &Value) -> String {
    for (kind, arn) in [
        (
            "Slices",
            "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:${AWS::StackName}-slices",
        ),
        ("podidentityassociation", "arn:${AWS::Partition}:eks:*:${AWS::AccountId}:podidentityassociation/*/*"),
        ("cluster", "arn:${AWS::Partition}:eks:*:${AWS::AccountId}:cluster/*"),
    ] {
        if resource["Fn::Sub"] == arn {
            return kind.to_owned();
        }
    }
    if resource == "*" {
        return "*".to_owned();
    }
    if let Some(table) = resource["Fn::GetAtt"].as_str().and_then(|name| name.strip_suffix(".Arn")) {
        return table.to_owned();
    }
    match resource["Fn::Sub"].as_str().and_then(|text| text.strip_prefix("${")?.split_once(".Arn}/index/")) {
        Some((table, index)) => format!("{table}/index/{index}"),
        None => panic!("a resource of another form: {resource}"),
    }
}

/// What a call needs. A transaction needs the actions of its parts; there is no action of its own.
fn needed(record: &CallRecord) -> Vec<Permission> {
    let call = &record.call;
    if call.service == Service::Eks {
        // As the service authorization reference has it.
        let resource = match call.operation.as_str() {
            "ListClusters" => "*",
            "DescribeCluster" | "ListPodIdentityAssociations" => "cluster",
            _ => "podidentityassociation",
        };
        return vec![(format!("eks:{}", call.operation), resource.to_owned())];
    }
    if call.service == Service::StepFunctions {
        assert_eq!(call.body["stateMachineArn"], MACHINE);
        return vec![(format!("states:{}", call.operation), "Slices".to_owned())];
    }
    let on = |operation: &str, body: &Value| {
        let table = match body["TableName"].as_str().unwrap() {
            INDEX => "AssociationIndexTable",
            LEDGER => "RotationLedgerTable",
            other => panic!("a call to table {other}"),
        };
        let resource =
            body["IndexName"].as_str().map_or_else(|| table.to_owned(), |index| format!("{table}/index/{index}"));
        (format!("dynamodb:{operation}"), resource)
    };
    if call.operation != "TransactWriteItems" {
        return vec![on(&call.operation, &call.body)];
    }
    let items = call.body["TransactItems"].as_array().unwrap().iter();
    let parts = items.flat_map(|item| item.as_object().unwrap());
    parts
        .map(|(kind, part)| match kind.as_str() {
            "Put" => on("PutItem", part),
            "Update" => on("UpdateItem", part),
            "Delete" => on("DeleteItem", part),
            "ConditionCheck" => on("ConditionCheckItem", part),
            other => panic!("a transaction with {other}"),
        })
        .collect()
}

/// Shows that nothing is granted which the code does not use: a few invocations need all of it.
#[tokio::test(start_paused = true)]
async fn nothing_is_granted_in_vain() {
    let world = World::in_slices(Options::default());
    world.fleet(5);
    world.deliver_within(&plain(), DEADLINE_RESERVE + Duration::from_millis(500)).await.unwrap();
    let deleted = world.associate("gone", OLD);
    world.aws.eks(|eks| eks.delete(&deleted));
    world.finish(&plain()).await;
    world.deliver(&event(&json!({ "dryrun": true }))).await.unwrap();
    world.deliver(&json!({ "watch": "stalledRotations" })).await.unwrap();
    assert_eq!(granted(ROTATE), used(&world));

    world.aws.clear_calls();
    // Somebody moves one back.
    let returning = world.rows("r-1").into_iter().find(|row| row["outcome"] == "Updated").unwrap();
    tokio::time::sleep(Duration::from_hours(1)).await;
    world.set_role(returning["associationArn"].as_str().unwrap(), OLD);
    let gone = world.associate("gone-too", OLD);
    world.aws.eks(|eks| {
        eks.delete(&gone);
        eks.delete_cluster("us-east-1", "prod-2");
    });
    for mode in ["deep", "deep"] {
        world.reconcile(mode).await;
        let cluster = world.aws.eks(|eks| eks.clusters().next().unwrap().name.clone());
        world.aws.eks(|eks| eks.delete_cluster("eu-west-1", &cluster));
    }
    // A deep run that has to wait is kept, and forgotten once it has its turn.
    let slow = json!({ "mode": "shallow" });
    let (first, _) = tokio::join!(world.reconcile_within(&slow, TIMEOUT), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        world.reconcile("deep").await
    });
    assert_eq!(first["status"], "Finished");
    world.reconcile("resume").await;
    world.reconcile_within(&json!({ "mode": "deep" }), RECONCILE_RESERVE + Duration::from_millis(500)).await;
    assert_eq!(granted(INDEX_POLICY), used(&world));
}

fn used(world: &World) -> BTreeSet<Permission> {
    world.aws.calls().iter().flat_map(needed).collect()
}

/// Shows that roles can be passed to pods only, and only those under `RolePath`. No call of ours shows this permission:
/// EKS asks for it when an association gets its role.
#[test]
fn only_roles_under_the_path_are_passed_and_only_to_pods() {
    let expected = json!({
        "Sid": "NewRoles",
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": { "Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role${RolePath}*" },
        "Condition": { "StringEquals": { "iam:PassedToService": "pods.eks.amazonaws.com" } },
    });
    assert_eq!(statements(("RotateRole", "pass-new-roles")), [&expected]);
}

/// Shows that the state machine may invoke the two functions, and can do nothing else to anything of ours.
#[test]
fn the_state_machine_invokes_the_functions_and_no_more() {
    let functions = json!([{ "Fn::GetAtt": "RotateFunction.Arn" }, { "Fn::GetAtt": "IndexFunction.Arn" }]);
    for statement in statements(("SlicesRole", "slices")) {
        if statement["Resource"] == "*" {
            let actions = one_or_more(&statement["Action"]);
            let is_of_service = |action: &str| action.starts_with("logs:") || action.starts_with("xray:");
            assert!(actions.iter().all(|action| is_of_service(action.as_str().unwrap())), "{statement:#}");
        } else {
            assert_eq!(statement["Action"], "lambda:InvokeFunction");
            assert_eq!(statement["Resource"], functions);
        }
    }
}

/// Shows that each role has these policies and no managed one, which would bring actions of its own.
#[test]
fn there_are_no_other_policies() {
    for (function, role, policies) in [
        ("RotateFunction", "RotateRole", vec!["rotate", "pass-new-roles", "lambda-service"]),
        ("IndexFunction", "IndexRole", vec!["index", "lambda-service"]),
        ("Slices", "SlicesRole", vec!["slices"]),
    ] {
        let role_properties = properties(role);
        let found = role_properties["Policies"].as_array().unwrap().iter();
        assert_eq!(found.map(|policy| &policy["PolicyName"]).collect::<Vec<_>>(), policies);
        assert!(role_properties.get("ManagedPolicyArns").is_none());
        assert_eq!(properties(function)["Role"], json!({ "Fn::GetAtt": format!("{role}.Arn") }));
    }
}
