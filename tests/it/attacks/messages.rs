//! Messages in the indexer's queue. The attacker may send to it, so the message need not come from
//! CloudTrail.

use rerole_sim::Service;
use serde_json::{Value, json};

use crate::harness::{Harness, OLD, error, is_describe, rotation_event};

const OWN: &str = "arn:aws:eks:us-east-1:111122223333:podidentityassociation";

/// The event of a call that changed the association with this ARN.
fn message(event_name: &str, arn: &str) -> Value {
    json!({
        "detail-type": "AWS API Call via CloudTrail",
        "account": "111122223333",
        "detail": {
            "eventSource": "eks.amazonaws.com", "eventName": event_name,
            "responseElements": { "association": { "associationArn": arn } },
        },
    })
}

/// Delivers the message to a stack with a real association, `edge/a-…`. Returns whether the queue
/// delivers the message again. Whatever it does, the index stays as it is, and a rotation moves the
/// association.
async fn deliver(forge: impl FnOnce(&str) -> Value) -> (bool, usize) {
    let harness = Harness::calm(3);
    let real = harness.associate("api", OLD);
    let before = harness.aws.items("association-index");
    let failed = harness.follow(&[forge(&real)]).await;
    let eks_calls = harness.call_count(Service::Eks);
    let live = |items: Vec<Value>| -> Vec<Value> {
        let is_live = |item: &Value| item.get("roleArn").is_some();
        items.into_iter().filter(is_live).collect()
    };
    let after = harness.aws.items("association-index");
    assert_eq!(live(after), live(before));
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["status"], "Succeeded", "{summary:#}");
    assert_eq!(summary["counts"]["updated"], 4, "{summary:#}");
    (!failed.is_empty(), eks_calls)
}

/// Before, the association was stored under the foreign key. Its role's rotations failed, and no
/// reconcile removed the item.
#[tokio::test(start_paused = true)]
async fn to_store_an_association_under_another_account_or_partition() {
    for (own, foreign) in [
        (":111122223333:", ":999999999999:"),
        ("arn:aws:", "arn:aws-cn:"),
    ] {
        for event_name in [
            "UpdatePodIdentityAssociation",
            "DeletePodIdentityAssociation",
        ] {
            let forge = |real: &str| message(event_name, &real.replacen(own, foreign, 1));
            // The message ends in the dead-letter queue, whose alarm fires. EKS is not asked.
            assert_eq!(deliver(forge).await, (true, 0), "{foreign} {event_name}");
        }
    }
    let forge = |_: &str| {
        let mut event = message("DeleteCluster", "");
        event["detail"]["responseElements"] =
            json!({ "cluster": { "arn": "arn:aws:eks:us-east-1:999999999999:cluster/edge" } });
        event["detail"]["recipientAccountId"] = json!("999999999999");
        event["detail"]["awsRegion"] = json!("us-east-1");
        event
    };
    assert_eq!(deliver(forge).await, (true, 0));
}

#[tokio::test(start_paused = true)]
async fn to_make_the_indexer_call_regions_that_the_stack_does_not_index() {
    for region in ["ap-south-1", "evil-1"] {
        let forge = |real: &str| {
            message(
                "UpdatePodIdentityAssociation",
                &real.replacen("us-east-1", region, 1),
            )
        };
        assert_eq!(deliver(forge).await, (false, 0), "{region}");
    }
}

/// EKS does not know the association that the message names.
#[tokio::test(start_paused = true)]
async fn to_delete_an_association_by_naming_it_in_another_region_cluster_or_id() {
    for name in [
        |real: &str| real.replacen("us-east-1", "eu-west-1", 1),
        |real: &str| real.replacen("/edge/", "/other/", 1),
        |_: &str| format!("{OWN}/edge/a-unknown"),
    ] {
        for event_name in [
            "DeletePodIdentityAssociation",
            "UpdatePodIdentityAssociation",
        ] {
            let (fails, calls) = deliver(|real| message(event_name, &name(real))).await;
            assert!(!fails && calls > 0, "{event_name}");
        }
    }
}

/// EKS shows the association, so the message is retried and ends in the dead-letter queue.
#[tokio::test(start_paused = true)]
async fn to_hide_an_association_by_saying_that_it_is_deleted() {
    let (fails, _) = deliver(|real| message("DeletePodIdentityAssociation", real)).await;
    assert!(fails);
    let forge = |_: &str| {
        let mut event = message("DeleteCluster", "");
        event["detail"]["responseElements"] = Value::Null;
        event["detail"]["requestParameters"] = json!({ "name": "edge" });
        event["detail"]["recipientAccountId"] = json!("111122223333");
        event["detail"]["awsRegion"] = json!("us-east-1");
        event
    };
    let (fails, _) = deliver(forge).await;
    assert!(!fails);
}

#[tokio::test(start_paused = true)]
async fn to_exhaust_the_indexer_with_a_large_or_deep_message() {
    let long = "x".repeat(200_000);
    for (forge, fails) in [
        (message(&long, &format!("{OWN}/edge/a-1")), false),
        (message("UpdatePodIdentityAssociation", &long), true),
        (
            message(
                "UpdatePodIdentityAssociation",
                &format!("{OWN}/edge/{long}"),
            ),
            true,
        ),
        (json!({ long.clone(): long }), true),
    ] {
        assert_eq!(deliver(|_| forge).await, (fails, 0));
    }
    // Deeper than any JSON parser of the function goes, so it is not even an event.
    let harness = Harness::calm(1);
    let body = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let records = json!({ "Records": [{ "messageId": "m-1", "body": body }] });
    let response = harness
        .invoke_indexer(records, crate::harness::TIMEOUT)
        .await;
    let response = serde_json::to_value(response.unwrap()).unwrap();
    assert_eq!(response["batchItemFailures"][0]["itemIdentifier"], "m-1");
    assert_eq!(harness.call_count(Service::Eks), 0);
}

/// A message costs EKS at most the calls of one association or cluster.
#[tokio::test(start_paused = true)]
async fn to_block_the_queue_with_messages_that_fail() {
    let harness = Harness::calm(2);
    harness.inject(
        error((400, "InvalidParameterException"), "invalid"),
        is_describe,
    );
    let forged = format!("{OWN}/edge/a-1");
    let mut events = vec![message("UpdatePodIdentityAssociation", &forged); 9];
    events.push(message(
        "UpdatePodIdentityAssociation",
        &forged.replacen("a-1", "a-2", 1),
    ));
    let failed = harness.follow(&events).await;
    assert_eq!(failed.len(), 10);
    // Each association is described once, however many messages name it.
    assert_eq!(harness.call_count(Service::Eks), 2);
}
