//! Batches of messages from the queue: which calls a batch makes, and which of its messages the
//! queue delivers again.

use std::time::Duration;

use rerole_sim::{Fault, Options};
use serde_json::{Value, json};

use crate::cloudtrail::{client, create, follow_all, on_save, update};
use crate::harness::{Harness, NEW, OLD, TIMEOUT, is_describe};

/// A message fails if the indexer cannot parse it, or cannot describe its association.
#[tokio::test(start_paused = true)]
async fn only_the_failed_messages_of_a_batch_are_delivered_again() {
    let harness = on_save(1);
    create(&client(&harness, "us-east-1"), "prod-1", "api", OLD).await;
    let denied = create(&client(&harness, "eu-west-1"), "prod-2", "api", OLD).await;
    harness.aws.eks(|eks| eks.deny("prod-2"));
    let mut events = harness.aws.take_cloudtrail_events();
    events.insert(
        1,
        json!({ "detail-type": "AWS API Call via CloudTrail", "detail": {} }),
    );
    events.push(json!({ "detail-type": "EKS Cluster State Change" }));
    let failed = harness.follow(&events).await;
    assert_eq!(
        failed,
        [1, 2],
        "the detail is empty; describing {denied} is denied"
    );
    harness.aws.eks(|eks| eks.allow("prod-2"));
    assert_eq!(harness.follow(&events).await, [1]);
    harness.check_index();
}

#[tokio::test(start_paused = true)]
async fn a_batch_describes_each_association_once() {
    let harness = on_save(1);
    let client = client(&harness, "us-east-1");
    let id = create(&client, "prod-1", "api", OLD).await;
    for _ in 0..4 {
        update(&client, "prod-1", &id, NEW).await;
        update(&client, "prod-1", &id, OLD).await;
    }
    let events = harness.aws.take_cloudtrail_events();
    assert_eq!(events.len(), 9);
    harness.follow(&events).await;
    assert_eq!(harness.calls("DescribePodIdentityAssociation").len(), 1);
    harness.check_index();
}

#[tokio::test(start_paused = true)]
async fn the_indexer_follows_the_sample_batch() {
    let harness = Harness::new(Options::default());
    let path = format!(
        "{}/events/indexer/sqs-cloudtrail.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let batch: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    // Long after the time of the events, an association that EKS does not show is deleted.
    tokio::time::sleep(Duration::from_hours(24)).await;
    let response = harness.invoke_indexer(batch, TIMEOUT).await.unwrap();
    let response = serde_json::to_value(response).unwrap();
    assert_eq!(response, json!({ "batchItemFailures": [] }));
    let describes = harness.calls("DescribePodIdentityAssociation");
    assert!(
        !describes.is_empty(),
        "the indexer described no association"
    );
}

/// The indexer retries throttles and other retryable errors itself. The queue delivers the message
/// again if an error outlasts the retries.
#[tokio::test(start_paused = true)]
async fn retryable_errors_are_retried_before_a_message_fails() {
    let harness = on_save(1);
    let client = client(&harness, "us-east-1");
    create(&client, "prod-1", "api", OLD).await;
    let events = harness.aws.take_cloudtrail_events();
    let mut describes = 0;
    harness.inject(Fault::Throttle, move |call| {
        describes += u32::from(is_describe(call));
        is_describe(call) && describes < 8
    });
    follow_all(&harness, &events).await;
    harness.check_index();
    harness.inject(Fault::ServerError(503), is_describe);
    assert_eq!(harness.follow(&events).await, [0]);
    tokio::time::sleep(Duration::from_mins(15)).await;
    harness.aws.clear_hook();
    follow_all(&harness, &events).await;
}
