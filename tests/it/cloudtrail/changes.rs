//! The index ends in the state of EKS, whatever other clients change and in whatever order the
//! events arrive.

use std::time::Duration;

use aws_sdk_eks::Client;
use rerole_sim::Options;
use serde_json::{Value, json};

use crate::cloudtrail::{client, create, delete, follow_all, on_save, update};
use crate::harness::{Harness, INDEX, NEW, OLD, THIRD, in_virtual_time, rotation_event};

#[tokio::test(start_paused = true)]
async fn the_index_follows_the_changes_of_other_clients() {
    let harness = on_save(1);
    let client = client(&harness, "us-east-1");
    let updated = create(&client, "prod-1", "api", OLD).await;
    let deleted = create(&client, "prod-1", "worker", OLD).await;
    follow_all(&harness, &harness.aws.take_cloudtrail_events()).await;
    let items = harness.aws.items(INDEX);
    assert_eq!(
        items.iter().filter(|item| item["roleArn"] == OLD).count(),
        2
    );
    update(&client, "prod-1", &updated, NEW).await;
    delete(&client, "prod-1", &deleted).await;
    follow_all(&harness, &harness.aws.take_cloudtrail_events()).await;
    harness.check_index();
    let mut items = harness.aws.items(INDEX).into_iter();
    let tombstone = items
        .find(|item| item["associationId"] == deleted.as_str())
        .unwrap();
    assert!(tombstone.get("roleArn").is_none(), "{tombstone:#}");
    assert!(tombstone["expiresAt"].is_number(), "{tombstone:#}");
}

/// A client deletes an association and creates one with the same names. The index ends with the
/// new one, whichever event comes first.
#[test]
fn a_recreated_association_is_a_new_one() {
    for is_reversed in [false, true] {
        in_virtual_time(async {
            let harness = on_save(1);
            let client = client(&harness, "us-east-1");
            let first = create(&client, "prod-1", "api", OLD).await;
            delete(&client, "prod-1", &first).await;
            create(&client, "prod-1", "api", NEW).await;
            let mut events = harness.aws.take_cloudtrail_events();
            if is_reversed {
                events.reverse();
            }
            // After this time, the indexer trusts EKS to show every deletion.
            tokio::time::sleep(Duration::from_mins(15)).await;
            for event in events {
                follow_all(&harness, &[event]).await;
            }
            harness.check_index();
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_cluster_takes_its_associations_out_of_the_index() {
    let harness = on_save(1);
    let client = client(&harness, "us-east-1");
    for number in 0..5 {
        create(&client, "prod-1", &format!("api-{number}"), OLD).await;
    }
    harness.follow(&harness.aws.take_cloudtrail_events()).await;
    client.delete_cluster().name("prod-1").send().await.unwrap();
    follow_all(&harness, &harness.aws.take_cloudtrail_events()).await;
    harness.check_index();
    // A cluster of the same name is indexed again.
    harness
        .aws
        .eks(|eks| eks.create_cluster("us-east-1", "prod-1"));
    create(&client, "prod-1", "api-0", NEW).await;
    let events = harness.aws.take_cloudtrail_events();
    harness.follow(&events).await;
    harness.check_index();
}

/// No event reports that the cluster is deleted.
#[tokio::test(start_paused = true)]
async fn the_reconciler_removes_a_cluster_that_only_events_have_indexed() {
    let harness = on_save(1);
    create(&client(&harness, "us-east-1"), "prod-1", "api", OLD).await;
    harness.follow(&harness.aws.take_cloudtrail_events()).await;
    harness
        .aws
        .eks(|eks| eks.delete_cluster("us-east-1", "prod-1"));
    harness.reconcile("listOnly").await;
    harness.check_index();
}

#[tokio::test(start_paused = true)]
async fn an_event_without_an_association_id_lists_the_cluster() {
    let harness = Harness::new(Options {
        cloudtrail: true,
        cloudtrail_response_elements: false,
        ..Options::default()
    });
    harness
        .aws
        .eks(|eks| eks.create_cluster("us-east-1", "prod-1"));
    let client = client(&harness, "us-east-1");
    create(&client, "prod-1", "api", OLD).await;
    follow_all(&harness, &harness.aws.take_cloudtrail_events()).await;
    harness.check_index();
    assert_eq!(harness.calls("ListPodIdentityAssociations").len(), 1);
}

/// Random histories are delivered in any order, with repeats, and in batches that arrive while the
/// history continues.
#[test]
fn any_order_of_events_ends_in_the_state_of_eks() {
    for seed in 0..40 {
        in_virtual_time(follow_random_history(seed));
    }
}

async fn follow_random_history(seed: u64) {
    let harness = on_save(seed);
    let mut history = History {
        random: fastrand::Rng::with_seed(seed),
        clusters: [("us-east-1", "prod-1"), ("eu-west-1", "prod-2")]
            .map(|(region, cluster)| (client(&harness, region), cluster)),
        existing: Vec::new(),
    };
    let mut waiting: Vec<Value> = Vec::new();
    for step in 0..60 {
        history.change(step).await;
        waiting.extend(harness.aws.take_cloudtrail_events());
        if history.random.u8(..5) == 0 {
            follow_some(&harness, &mut history.random, &mut waiting).await;
        }
    }
    let mut random = history.random;
    random.shuffle(&mut waiting);
    let repeats: Vec<_> = waiting
        .iter()
        .filter(|_| random.u8(..3) == 0)
        .cloned()
        .collect();
    waiting.extend(repeats);
    random.shuffle(&mut waiting);
    // The queue delivers failed messages again after a quarter of an hour.
    tokio::time::sleep(Duration::from_mins(15)).await;
    for batch in waiting.chunks(10) {
        assert_eq!(
            harness.follow(batch).await,
            Vec::<usize>::new(),
            "seed {seed}"
        );
    }
    harness.check_index();
}

/// Delivers up to ten of the waiting events, not the oldest first. Some of them are delivered
/// again later, and so are those that fail.
async fn follow_some(harness: &Harness, random: &mut fastrand::Rng, waiting: &mut Vec<Value>) {
    random.shuffle(waiting);
    let batch: Vec<_> = waiting.iter().take(10).cloned().collect();
    if random.bool() {
        waiting.drain(..batch.len());
    }
    let failed = harness.follow(&batch).await;
    waiting.extend(failed.into_iter().map(|position| batch[position].clone()));
}

/// Random changes by other clients in two clusters.
struct History {
    random: fastrand::Rng,
    clusters: [(Client, &'static str); 2],
    /// The associations, each with the position of its cluster.
    existing: Vec<(usize, String)>,
}

impl History {
    /// Deletes, updates or creates an association.
    async fn change(&mut self, step: usize) {
        let position = self.random.usize(..2);
        match (
            self.random.u8(..4),
            self.random.choice(&self.existing).cloned(),
        ) {
            (0, Some((position, id))) => {
                let (client, cluster) = &self.clusters[position];
                delete(client, cluster, &id).await;
                self.existing.retain(|(_, other)| *other != id);
            }
            (1 | 2, Some((position, id))) => {
                let (client, cluster) = &self.clusters[position];
                update(client, cluster, &id, [OLD, NEW, THIRD][step % 3]).await;
            }
            _ => {
                let (client, cluster) = &self.clusters[position];
                let id = create(client, cluster, &format!("sa-{step}"), OLD).await;
                self.existing.push((position, id));
            }
        }
    }
}

/// Case 8: the event of an add-on's update names none of its associations.
#[tokio::test(start_paused = true)]
async fn an_association_that_its_add_on_moves_frees_the_old_role() {
    let harness = Harness::calm(3);
    let owned = harness.associate("owned", OLD);
    let addon = "arn:aws:eks:us-east-1:111122223333:addon/edge/csi/y";
    harness.aws.eks(|eks| eks.set_owner(&owned, Some(addon)));
    harness.aws.index_association(INDEX, &owned);
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["status"], "Incomplete");
    assert_eq!(summary["oldRoleInUseUntil"], Value::Null);

    tokio::time::sleep(Duration::from_hours(1)).await;
    harness.set_role(&owned, NEW);
    for event_name in ["CreateAddon", "UpdateAddon", "DeleteAddon"] {
        let event = json!({
            "detail-type": "AWS API Call via CloudTrail",
            "account": "111122223333",
            "region": "us-east-1",
            "detail": {
                "eventSource": "eks.amazonaws.com", "eventName": event_name,
                "requestParameters": { "name": "edge", "addonName": "csi" },
            },
        });
        assert!(harness.follow(&[event]).await.is_empty());
        harness.check_index();
    }
    let summary = harness.finish(&rotation_event()).await;
    assert!(summary["oldRoleInUseUntil"].is_string(), "{summary:#}");
}
