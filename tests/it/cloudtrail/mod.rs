//! The index follows the events of CloudTrail, which may arrive late, more than once and in any
//! order. Here are the clients that cause the events; the reconciler, which needs none, is in
//! `reconcile.rs`.

/// Batches of messages, and which messages the queue delivers again.
mod batches;
/// Changes of other clients, in any order.
mod changes;
/// Reads of EKS that do not show a change yet.
mod stale_reads;

use aws_sdk_eks::Client;
use aws_sdk_eks::config::{BehaviorVersion, Credentials, Region};
use rerole_sim::Options;
use serde_json::Value;

use crate::harness::Harness;

/// A harness whose EKS emits CloudTrail events, with one cluster in each of two regions.
pub fn on_save(seed: u64) -> Harness {
    on_save_with(Options {
        seed,
        ..Options::default()
    })
}

/// As [`on_save`], with a state machine that the functions can start.
pub fn on_save_with_state_machine() -> Harness {
    with_clusters(Harness::with_state_machine(Options {
        cloudtrail: true,
        ..Options::default()
    }))
}

/// As [`on_save`], in an AWS with these options.
fn on_save_with(options: Options) -> Harness {
    with_clusters(Harness::new(Options {
        cloudtrail: true,
        ..options
    }))
}

fn with_clusters(harness: Harness) -> Harness {
    harness.aws.eks(|eks| {
        eks.create_cluster("us-east-1", "prod-1");
        eks.create_cluster("eu-west-1", "prod-2");
    });
    harness
}

/// The EKS client of another actor.
pub fn client(harness: &Harness, region: &str) -> Client {
    let config = aws_sdk_eks::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(Credentials::new("operator", "test", None, None, "test"))
        .http_client(harness.aws.http_client())
        .time_source(harness.aws.time_source())
        .build();
    Client::from_conf(config)
}

/// Creates an association and returns its id.
pub async fn create(client: &Client, cluster: &str, service_account: &str, role: &str) -> String {
    let output = client
        .create_pod_identity_association()
        .cluster_name(cluster)
        .namespace("tools")
        .service_account(service_account)
        .role_arn(role)
        .send()
        .await
        .unwrap();
    output
        .association()
        .unwrap()
        .association_id()
        .unwrap()
        .to_owned()
}

pub async fn update(client: &Client, cluster: &str, id: &str, role: &str) {
    let update = client.update_pod_identity_association();
    let update = update
        .cluster_name(cluster)
        .association_id(id)
        .role_arn(role);
    update.send().await.unwrap();
}

async fn delete(client: &Client, cluster: &str, id: &str) {
    let delete = client.delete_pod_identity_association();
    delete
        .cluster_name(cluster)
        .association_id(id)
        .send()
        .await
        .unwrap();
}

/// Delivers these events and expects that none of them fails.
async fn follow_all(harness: &Harness, events: &[Value]) {
    assert_eq!(harness.follow(events).await, Vec::<usize>::new());
}
