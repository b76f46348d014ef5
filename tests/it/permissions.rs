//! The template grants each role exactly the permissions that its code uses. The harness checks in
//! every test that each call is granted; the tests here check that each grant is used.

use std::collections::BTreeSet;
use std::time::Duration;

use rerole::indexer::reconciler::RECONCILE_RESERVE;
use rerole::rotate::slice::DEADLINE_RESERVE;
use rerole_sim::Options;
use serde_json::json;

use crate::common::grants::{
    INDEXER_POLICY, PUBLISHER_POLICY, Permission, ROTATE_POLICY, granted_by, one_or_more,
    required_by, statements,
};
use crate::common::stream::{deliver, mapping};
use crate::common::template::properties;
use crate::harness::{Harness, OLD, TIMEOUT, event, rotation_event, stalled_check_event};

/// A few invocations use every permission that the functions are granted.
#[tokio::test(start_paused = true)]
async fn every_granted_permission_is_used() {
    let harness = Harness::with_state_machine(Options {
        ledger_stream: true,
        ..Options::default()
    });
    harness.fleet(5);
    let short = DEADLINE_RESERVE + Duration::from_millis(500);
    harness
        .deliver_within(&rotation_event(), short)
        .await
        .unwrap();
    let deleted = harness.associate("deleted", OLD);
    harness.aws.eks(|eks| eks.delete(&deleted));
    harness.finish(&rotation_event()).await;
    harness
        .deliver(&event(&json!({ "dryrun": true })))
        .await
        .unwrap();
    harness.deliver(&stalled_check_event()).await.unwrap();
    assert_eq!(granted_by(ROTATE_POLICY), used(&harness));

    harness.aws.clear_calls();
    Box::pin(use_every_permission_of_the_indexer(&harness)).await;
    assert_eq!(granted_by(INDEXER_POLICY), used(&harness));

    harness.aws.clear_calls();
    deliver(&mut mapping(), &harness.aws, &harness.publisher()).await;
    assert_eq!(granted_by(PUBLISHER_POLICY), used(&harness));
}

/// Reconciles an index that differs from EKS, after a rotation.
async fn use_every_permission_of_the_indexer(harness: &Harness) {
    // Another actor moves an association back.
    let rows = harness.rows("r-1");
    let reverted = rows
        .into_iter()
        .find(|row| row["outcome"] == "Updated")
        .unwrap();
    tokio::time::sleep(Duration::from_hours(1)).await;
    harness.set_role(reverted["associationArn"].as_str().unwrap(), OLD);
    let deleted = harness.associate("deleted-also", OLD);
    harness.aws.eks(|eks| {
        eks.delete(&deleted);
        eks.delete_cluster("us-east-1", "prod-2");
    });
    let moved = "arn:aws:eks:us-east-1:111122223333:podidentityassociation/edge/a-1";
    let event = json!({
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {
            "eventSource": "eks.amazonaws.com", "eventName": "DeletePodIdentityAssociation",
            "responseElements": { "association": { "associationArn": moved } },
        },
    });
    assert!(harness.follow(&[event]).await.is_empty());
    for _ in 0..2 {
        harness.reconcile("full").await;
        let cluster = harness
            .aws
            .eks(|eks| eks.clusters().next().unwrap().name.clone());
        harness
            .aws
            .eks(|eks| eks.delete_cluster("eu-west-1", &cluster));
    }
    // The ledger keeps a full run that has to wait, and drops it when the run starts.
    let list_only = json!({ "mode": "listOnly" });
    let (first, _) = tokio::join!(harness.reconcile_within(&list_only, TIMEOUT), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        harness.reconcile("full").await
    });
    assert_eq!(first["status"], "Finished");
    harness.reconcile("resume").await;
    let short = RECONCILE_RESERVE + Duration::from_millis(500);
    harness
        .reconcile_within(&json!({ "mode": "full" }), short)
        .await;
}

fn used(harness: &Harness) -> BTreeSet<Permission> {
    harness.aws.calls().iter().flat_map(required_by).collect()
}

/// Apart from two functions, the state machine reaches only logs and traces.
#[test]
fn the_state_machine_may_only_invoke_the_functions() {
    let functions = json!([
        { "Fn::GetAtt": "RotateFunction.Arn" },
        { "Fn::GetAtt": "IndexerFunction.Arn" },
    ]);
    for statement in statements(("StateMachineRole", "state-machine")) {
        if statement["Resource"] == "*" {
            let is_telemetry =
                |action: &str| action.starts_with("logs:") || action.starts_with("xray:");
            for action in one_or_more(&statement["Action"]) {
                assert!(is_telemetry(action.as_str().unwrap()), "{statement:#}");
            }
        } else {
            assert_eq!(statement["Action"], "lambda:InvokeFunction");
            assert_eq!(statement["Resource"], functions);
        }
    }
}

/// A managed policy would grant actions that no test compares with the calls.
#[test]
fn each_role_has_only_these_policies() {
    for (function, role, policies) in [
        (
            "RotateFunction",
            "RotateRole",
            vec!["rotate", "pass-roles", "lambda-service"],
        ),
        (
            "IndexerFunction",
            "IndexerRole",
            vec!["indexer", "lambda-service"],
        ),
        (
            "PublisherFunction",
            "PublisherRole",
            vec!["publisher", "lambda-service"],
        ),
        ("StateMachine", "StateMachineRole", vec!["state-machine"]),
    ] {
        let role_properties = properties(role);
        let found = role_properties["Policies"].as_array().unwrap().iter();
        assert_eq!(
            found
                .map(|policy| &policy["PolicyName"])
                .collect::<Vec<_>>(),
            policies
        );
        assert!(role_properties.get("ManagedPolicyArns").is_none());
        assert_eq!(
            properties(function)["Role"],
            json!({ "Fn::GetAtt": format!("{role}.Arn") })
        );
    }
}
