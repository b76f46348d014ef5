//! `rerole queues`.

use rerole_sim::InvocationKind;
use serde_json::json;

use crate::harness::{REGION, World};

fn request(source: &str) -> String {
    json!({
        "id": "e-1", "source": source, "account": "111122223333", "region": REGION,
        "time": "2026-11-23T21:00:00Z", "detail-type": "Role Rotation Requested",
        "detail": { "rotationId": "r-1" },
    })
    .to_string()
}

#[tokio::test]
async fn an_undelivered_request_is_put_again_and_what_is_unknown_stays() {
    let world = World::with_index().await;
    let queue = world.queue("UndeliveredQueueUrl");
    world.sim.send_message(&queue, &request("platform.iam"));
    world.sim.send_message(&queue, &request("elsewhere"));

    let (_, listed) = world.json("queues list").await;
    assert_eq!(listed["queues"][1]["messages"], 2, "{listed}");
    let (code, shown) = world.json("queues show undelivered").await;
    let messages = shown["queues"][0]["messages"].as_array().unwrap();
    assert_eq!((code, messages.len()), (0, 2));
    assert_eq!(messages[0]["event"], "request of rotation r-1");

    let refused = world.run("queues redrive undelivered").await;
    assert_eq!(refused.code, 2, "it cannot be confirmed: {refused:?}");
    assert_eq!(world.sim.bus_events().len(), 0);

    let (code, redriven) = world.json("queues redrive undelivered --yes").await;
    assert_eq!(code, 3, "one message stays: {redriven}");
    let events = world.sim.bus_events();
    assert_eq!(events.len(), 1);
    let left = world.sim.messages(&queue);
    assert_eq!(left.len(), 1);
    assert!(left[0].body.contains("elsewhere"));
}

#[tokio::test]
async fn failed_events_of_eks_become_one_look_at_their_clusters() {
    let world = World::with_index().await;
    let mut invocations = world.sim.invocations();
    let queue = world.queue("UndeliveredQueueUrl");
    for (region, cluster) in [("eu-west-1", "prod-1"), (REGION, "prod-2")] {
        let event = json!({
            "id": "e-2", "source": "aws.eks", "account": "111122223333", "region": region,
            "detail-type": "AWS API Call via CloudTrail",
            "detail": {
                "eventSource": "eks.amazonaws.com", "eventName": "CreatePodIdentityAssociation",
                "awsRegion": region, "requestParameters": { "name": cluster },
                "recipientAccountId": "111122223333",
            },
        });
        world.sim.send_message(&queue, &event.to_string());
    }
    let (code, redriven) = world.json("queues redrive undelivered --yes").await;
    assert_eq!(code, 0, "{redriven}");
    let invocation = invocations.try_recv().unwrap();
    assert_eq!(invocation.kind, InvocationKind::Event);
    let reconcile = json!({
        "mode": "full", "regions": ["eu-west-1", REGION], "clusterNames": ["prod-1", "prod-2"],
    });
    assert_eq!(invocation.payload, json!({ "reconcile": reconcile }));
    assert!(invocations.try_recv().is_err(), "one run looks at both");
    assert_eq!(world.sim.messages(&queue).len(), 0);
}

#[tokio::test]
async fn dead_letters_go_back_to_the_queue_of_the_indexer() {
    let world = World::with_index().await;
    let dead = world.queue("IndexerDeadLetterQueueUrl");
    world.sim.send_message(&dead, "{}");
    let (code, redriven) = world.json("queues redrive indexer-dead-letter --yes").await;
    assert_eq!(
        (code, &redriven["deadLettersMoved"]),
        (0, &json!(1)),
        "{redriven}"
    );
    assert_eq!(world.sim.messages(&dead).len(), 0);
    let indexer = world.queue("IndexerQueueUrl");
    assert_eq!(world.sim.messages(&indexer).len(), 1);
}
