//! EKS may show a change later than CloudTrail reports it, and a client may still hold an older
//! read. Neither leaves the index behind or brings a deleted association back.

use std::time::Duration;

use rerole::aws::index_table::Stored;
use rerole_sim::Options;
use serde_json::json;
use tokio::time::Instant;

use crate::cloudtrail::{client, create, delete, follow_all, on_save, on_save_with, update};
use crate::harness::{NEW, OLD, error, is_describe};

/// Neither a late event nor a read from before the deletion brings the association back. After a
/// quarter of an hour, EKS must show the deletion, so a tombstone written too early yields to what
/// EKS still shows then.
#[tokio::test(start_paused = true)]
async fn a_tombstone_holds_until_eks_must_show_the_deletion() {
    let harness = on_save(1);
    let client = client(&harness, "us-east-1");
    let id = create(&client, "prod-1", "api", OLD).await;
    let created = harness.aws.take_cloudtrail_events();
    let aws = harness.clients();
    let arn = format!("arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod-1/{id}");
    let described = aws
        .eks
        .describe(&arn.parse().unwrap(), Instant::now())
        .await;
    let stale = described.unwrap().unwrap().association;
    delete(&client, "prod-1", &id).await;
    let deleted = harness.aws.take_cloudtrail_events();
    assert_eq!(
        harness.follow(&created).await,
        [0],
        "EKS may not show a young association yet"
    );
    follow_all(&harness, &deleted).await;
    follow_all(&harness, &created).await;
    harness.check_index();
    assert_eq!(
        aws.index.store(&stale, None, aws.now()).await.unwrap(),
        Stored::Tombstone
    );
    harness.check_index();
    tokio::time::sleep(Duration::from_mins(15)).await;
    follow_all(&harness, &created).await;
    harness.check_index();
    assert_eq!(
        aws.index.store(&stale, None, aws.now()).await.unwrap(),
        Stored::Added
    );
}

/// If the indexer trusted the read, it would write a tombstone for a new association, or miss the
/// role of an update.
#[tokio::test(start_paused = true)]
async fn a_change_that_eks_does_not_show_yet_is_delivered_again() {
    let harness = on_save(1);
    let client = client(&harness, "us-east-1");
    let id = create(&client, "prod-1", "api", OLD).await;
    let created = harness.aws.take_cloudtrail_events();
    let not_found = error((404, "ResourceNotFoundException"), "not yet");
    harness.inject(not_found, is_describe);
    assert_eq!(harness.follow(&created).await, [0]);
    harness.aws.clear_hook();
    follow_all(&harness, &created).await;
    harness.check_index();

    tokio::time::sleep(Duration::from_secs(2)).await;
    update(&client, "prod-1", &id, NEW).await;
    let mut updated = harness.aws.take_cloudtrail_events();
    let modified_at = "/detail/responseElements/association/modifiedAt";
    let modified_at = updated[0].pointer_mut(modified_at).unwrap();
    // The event reports a later version than the one that EKS shows.
    let version = modified_at.as_f64().unwrap();
    *modified_at = json!(version + 5.0);
    assert_eq!(harness.follow(&updated).await, [0]);
    updated[0]["detail"]["responseElements"]["association"]["modifiedAt"] = json!(version);
    follow_all(&harness, &updated).await;
    harness.check_index();
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_eks_does_not_show_yet_is_delivered_again() {
    let harness = on_save(1);
    let client = client(&harness, "us-east-1");
    let id = create(&client, "prod-1", "api", OLD).await;
    let created = harness.aws.take_cloudtrail_events();
    harness.follow(&created).await;
    // The event arrives before the association is deleted.
    let mut event = created[0].clone();
    event["detail"]["eventName"] = json!("DeletePodIdentityAssociation");
    assert_eq!(harness.follow(&[event.clone()]).await, [0]);
    delete(&client, "prod-1", &id).await;
    follow_all(&harness, &[event]).await;
    harness.check_index();
}

/// EKS may still describe a cluster, and list its associations, for seconds after it was deleted.
#[tokio::test(start_paused = true)]
async fn a_deletion_of_a_cluster_that_eks_does_not_show_yet_is_waited_for() {
    let lag = Duration::from_secs(8);
    for list_lag in [Duration::ZERO, lag] {
        let harness = on_save_with(Options {
            describe_lag: lag..=lag,
            list_lag: list_lag..=list_lag,
            ..Options::default()
        });
        let arn = harness.associate("api", OLD);
        tokio::time::sleep(Duration::from_mins(1)).await;
        let client = client(&harness, "us-east-1");
        client.delete_cluster().name("edge").send().await.unwrap();
        let events = harness.aws.take_cloudtrail_events();
        follow_all(&harness, &events).await;
        assert!(
            harness.index_item(&arn).is_none(),
            "a list lag of {list_lag:?}"
        );
    }
}
