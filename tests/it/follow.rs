//! What CloudTrail tells of changes, and what the index makes of it: late, twice and in any order.

use std::time::Duration;

use aws_sdk_eks::config::{BehaviorVersion, Credentials, Region};
use rerole::aws::Aws;
use rerole::aws::entries::Stored;
use rerole_sim::{Fault, Options};
use serde_json::{Value, json};

use crate::world::{INDEX, NEW, OLD, THIRD, TIMEOUT, World, in_virtual_time, settings};

/// A world whose EKS calls are told of.
pub fn told(seed: u64) -> World {
    let world = World::new(Options { seed, trail: true, ..Options::default() });
    world.aws.eks(|eks| {
        eks.create_cluster("us-east-1", "prod-1");
        eks.create_cluster("eu-west-1", "prod-2");
    });
    world
}

/// Somebody else's client.
pub fn client(world: &World, region: &str) -> aws_sdk_eks::Client {
    let config = aws_sdk_eks::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(Credentials::new("somebody", "test", None, None, "test"))
        .http_client(world.aws.http_client())
        .time_source(world.aws.time_source())
        .build();
    aws_sdk_eks::Client::from_conf(config)
}

pub async fn create(client: &aws_sdk_eks::Client, cluster: &str, service_account: &str, role: &str) -> String {
    let output = client
        .create_pod_identity_association()
        .cluster_name(cluster)
        .namespace("tools")
        .service_account(service_account)
        .role_arn(role)
        .send()
        .await
        .unwrap();
    output.association().unwrap().association_id().unwrap().to_owned()
}

pub async fn update(client: &aws_sdk_eks::Client, cluster: &str, id: &str, role: &str) {
    let update = client.update_pod_identity_association().cluster_name(cluster).association_id(id).role_arn(role);
    update.send().await.unwrap();
}

async fn delete(client: &aws_sdk_eks::Client, cluster: &str, id: &str) {
    client.delete_pod_identity_association().cluster_name(cluster).association_id(id).send().await.unwrap();
}

/// Shows that the index follows what any client does.
#[tokio::test(start_paused = true)]
async fn the_index_follows_what_others_do() {
    let world = told(1);
    let client = client(&world, "us-east-1");
    let id = create(&client, "prod-1", "api", OLD).await;
    let gone = create(&client, "prod-1", "worker", OLD).await;
    assert_eq!(world.follow(&world.aws.take_trail()).await, Vec::<usize>::new());
    assert_eq!(world.aws.items(INDEX).iter().filter(|item| item["roleArn"] == OLD).count(), 2);
    update(&client, "prod-1", &id, NEW).await;
    delete(&client, "prod-1", &gone).await;
    assert_eq!(world.follow(&world.aws.take_trail()).await, Vec::<usize>::new());
    world.check_index();
    let tombstone = world.aws.items(INDEX).into_iter().find(|item| item["associationId"] == gone.as_str()).unwrap();
    assert!(tombstone.get("roleArn").is_none() && tombstone["expiresAt"].is_number(), "{tombstone:#}");
}

/// Shows that deleting and making anew with the same names ends with the new one, whichever event comes first.
#[test]
fn an_association_that_is_made_anew_is_another() {
    for is_late in [false, true] {
        in_virtual_time(async {
            let world = told(1);
            let client = client(&world, "us-east-1");
            let first = create(&client, "prod-1", "api", OLD).await;
            delete(&client, "prod-1", &first).await;
            create(&client, "prod-1", "api", NEW).await;
            let mut events = world.aws.take_trail();
            if is_late {
                events.reverse();
            }
            // By then EKS is consistent, and knows what is gone.
            tokio::time::sleep(Duration::from_mins(15)).await;
            for event in events {
                assert_eq!(world.follow(&[event]).await, Vec::<usize>::new());
            }
            world.check_index();
        });
    }
}

/// Shows that a cluster's end removes what was in it.
#[tokio::test(start_paused = true)]
async fn a_deleted_cluster_is_followed() {
    let world = told(1);
    let client = client(&world, "us-east-1");
    for number in 0..5 {
        create(&client, "prod-1", &format!("api-{number}"), OLD).await;
    }
    world.follow(&world.aws.take_trail()).await;
    client.delete_cluster().name("prod-1").send().await.unwrap();
    assert_eq!(world.follow(&world.aws.take_trail()).await, Vec::<usize>::new());
    world.check_index();
    // Made anew before the event comes again.
    world.aws.eks(|eks| eks.create_cluster("us-east-1", "prod-1"));
    create(&client, "prod-1", "api-0", NEW).await;
    let events = world.aws.take_trail();
    world.follow(&events).await;
    world.check_index();
}

/// Shows that random histories, told in any order and with repeats, and in batches that overlap the history, end in the
/// state of EKS.
#[test]
fn any_order_ends_in_the_state_of_eks() {
    for seed in 0..40 {
        in_virtual_time(async {
            let world = told(seed);
            let mut random = fastrand::Rng::with_seed(seed);
            let regions = [("us-east-1", "prod-1"), ("eu-west-1", "prod-2")];
            let clients = regions.map(|(region, _)| client(&world, region));
            let mut alive: Vec<(usize, String)> = Vec::new();
            let mut waiting: Vec<Value> = Vec::new();
            for step in 0..60 {
                let place = random.usize(..2);
                let (client, cluster) = (&clients[place], regions[place].1);
                match (random.u8(..4), random.choice(&alive).cloned()) {
                    (0, Some((place, id))) => {
                        delete(&clients[place], regions[place].1, &id).await;
                        alive.retain(|(_, other)| *other != id);
                    }
                    (1 | 2, Some((place, id))) => {
                        update(&clients[place], regions[place].1, &id, [OLD, NEW, THIRD][step % 3]).await;
                    }
                    _ => {
                        let id = create(client, cluster, &format!("sa-{step}"), OLD).await;
                        alive.push((place, id));
                    }
                }
                waiting.extend(world.aws.take_trail());
                // Some of what has happened arrives, not the oldest first, and some of it will come again.
                if random.u8(..5) == 0 {
                    random.shuffle(&mut waiting);
                    let batch: Vec<_> = waiting.iter().take(10).cloned().collect();
                    if random.bool() {
                        waiting.drain(..batch.len());
                    }
                    let failed = world.follow(&batch).await;
                    waiting.extend(failed.into_iter().map(|place| batch[place].clone()));
                }
            }
            random.shuffle(&mut waiting);
            let repeats: Vec<_> = waiting.iter().filter(|_| random.u8(..3) == 0).cloned().collect();
            waiting.extend(repeats);
            random.shuffle(&mut waiting);
            // What EKS did not show yet comes again after the queue's quarter of an hour.
            tokio::time::sleep(Duration::from_mins(15)).await;
            for batch in waiting.chunks(10) {
                assert_eq!(world.follow(batch).await, Vec::<usize>::new(), "seed {seed}");
            }
            world.check_index();
        });
    }
}

/// Shows that neither a late event nor a look from before the delete resurrects anything, and that a tombstone which was dug
/// too early gives way to what EKS still shows after a while.
#[tokio::test(start_paused = true)]
async fn a_tombstone_holds_until_eks_must_know() {
    let world = told(1);
    let client = client(&world, "us-east-1");
    let id = create(&client, "prod-1", "api", OLD).await;
    let created = world.aws.take_trail();
    let aws = Aws::new(&settings(&[]), world.aws.http_client(), world.aws.time_source());
    let arn = format!("arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod-1/{id}").parse().unwrap();
    let stale = aws.eks.describe(&arn, tokio::time::Instant::now()).await.unwrap().unwrap().association;
    delete(&client, "prod-1", &id).await;
    world.follow(&world.aws.take_trail()).await;
    assert_eq!(world.follow(&created).await, [0], "so young that EKS might only not show it yet");
    world.check_index();
    assert_eq!(aws.index.store(&stale, aws.now()).await.unwrap(), Stored::Buried);
    world.check_index();
    tokio::time::sleep(Duration::from_mins(15)).await;
    assert_eq!(world.follow(&created).await, Vec::<usize>::new());
    world.check_index();
    assert_eq!(aws.index.store(&stale, aws.now()).await.unwrap(), Stored::Added);
}

/// Shows that a change which EKS does not show yet comes again: a create, whose association would be buried alive, and an
/// update, whose role would be missed.
#[tokio::test(start_paused = true)]
async fn a_change_that_does_not_show_yet_comes_again() {
    let world = told(1);
    let client = client(&world, "us-east-1");
    let id = create(&client, "prod-1", "api", OLD).await;
    let created = world.aws.take_trail();
    let not_found = |call: &rerole_sim::Call| {
        let (code, message) = ("ResourceNotFoundException".to_owned(), "not yet".to_owned());
        let is_look = call.operation == "DescribePodIdentityAssociation";
        if is_look { Fault::Error { status: 404, code, message } } else { Fault::None }
    };
    world.aws.on_call(not_found);
    assert_eq!(world.follow(&created).await, [0]);
    world.aws.clear_hook();
    assert_eq!(world.follow(&created).await, Vec::<usize>::new());
    world.check_index();

    tokio::time::sleep(Duration::from_secs(2)).await;
    update(&client, "prod-1", &id, NEW).await;
    let mut updated = world.aws.take_trail();
    // As if EKS still showed the version before.
    let made = updated[0]["detail"]["responseElements"]["association"]["modifiedAt"].as_f64().unwrap();
    updated[0]["detail"]["responseElements"]["association"]["modifiedAt"] = json!(made + 5.0);
    assert_eq!(world.follow(&updated).await, [0]);
    updated[0]["detail"]["responseElements"]["association"]["modifiedAt"] = json!(made);
    assert_eq!(world.follow(&updated).await, Vec::<usize>::new());
    world.check_index();
}

/// Shows that a cluster which only events have told of is removed when it is gone, also where no event tells that.
#[tokio::test(start_paused = true)]
async fn a_cluster_that_only_events_knew_is_removed() {
    let world = told(1);
    create(&client(&world, "us-east-1"), "prod-1", "api", OLD).await;
    world.follow(&world.aws.take_trail()).await;
    world.aws.eks(|eks| eks.delete_cluster("us-east-1", "prod-1"));
    world.reconcile("shallow").await;
    world.check_index();
}

/// Shows that a deletion which EKS does not show yet comes again.
#[tokio::test(start_paused = true)]
async fn a_deletion_that_does_not_show_yet_comes_again() {
    let world = told(1);
    let client = client(&world, "us-east-1");
    let id = create(&client, "prod-1", "api", OLD).await;
    let created = world.aws.take_trail();
    world.follow(&created).await;
    // The event is there before the association is gone.
    let mut event = created[0].clone();
    event["detail"]["eventName"] = json!("DeletePodIdentityAssociation");
    assert_eq!(world.follow(&[event.clone()]).await, [0]);
    delete(&client, "prod-1", &id).await;
    assert_eq!(world.follow(&[event]).await, Vec::<usize>::new());
    world.check_index();
}

/// Shows that of a batch only what cannot be read, or looked at, comes again.
#[tokio::test(start_paused = true)]
async fn only_what_failed_comes_again() {
    let world = told(1);
    let client = client(&world, "us-east-1");
    create(&client, "prod-1", "api", OLD).await;
    let denied = create(&self::client(&world, "eu-west-1"), "prod-2", "api", OLD).await;
    world.aws.eks(|eks| eks.deny("prod-2"));
    let mut events = world.aws.take_trail();
    events.insert(1, json!({ "detail-type": "AWS API Call via CloudTrail", "detail": {} }));
    events.push(json!({ "detail-type": "EKS Cluster State Change" }));
    assert_eq!(world.follow(&events).await, [1, 2], "{denied} may not be described, and the second says nothing");
    world.aws.eks(|eks| eks.allow("prod-2"));
    assert_eq!(world.follow(&events).await, [1]);
    world.check_index();
}

/// Shows that a burst of events about one association is one look.
#[tokio::test(start_paused = true)]
async fn an_association_is_looked_at_once_a_batch() {
    let world = told(1);
    let client = client(&world, "us-east-1");
    let id = create(&client, "prod-1", "api", OLD).await;
    for _ in 0..4 {
        update(&client, "prod-1", &id, NEW).await;
        update(&client, "prod-1", &id, OLD).await;
    }
    let events = world.aws.take_trail();
    assert_eq!(events.len(), 9);
    world.follow(&events).await;
    assert_eq!(world.calls("DescribePodIdentityAssociation").len(), 1);
    world.check_index();
}

/// Shows that an event which names no association has the whole cluster's list looked at.
#[tokio::test(start_paused = true)]
async fn an_event_without_an_id_is_a_look_at_the_list() {
    let world = World::new(Options { trail: true, trail_response_elements: false, ..Options::default() });
    world.aws.eks(|eks| eks.create_cluster("us-east-1", "prod-1"));
    let client = client(&world, "us-east-1");
    create(&client, "prod-1", "api", OLD).await;
    assert_eq!(world.follow(&world.aws.take_trail()).await, Vec::<usize>::new());
    world.check_index();
    assert_eq!(world.calls("ListPodIdentityAssociations").len(), 1);
}

/// Shows that the sample batch is understood.
#[tokio::test(start_paused = true)]
async fn the_sample_batch_is_understood() {
    let world = World::new(Options::default());
    let path = format!("{}/events/index/sqs-cloudtrail.json", env!("CARGO_MANIFEST_DIR"));
    let batch: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    // Long after the events' time: what EKS does not know is gone.
    tokio::time::sleep(Duration::from_hours(24)).await;
    let reply = serde_json::to_value(world.invoke_index(batch, TIMEOUT).await.unwrap()).unwrap();
    assert_eq!(reply, json!({ "batchItemFailures": [] }));
    assert!(!world.calls("DescribePodIdentityAssociation").is_empty(), "EKS was asked, and knows nothing of it");
}

/// Shows that throttles and passing errors are waited out, and that what lasts brings the message back.
#[tokio::test(start_paused = true)]
async fn passing_errors_pass() {
    let world = told(1);
    let client = client(&world, "us-east-1");
    create(&client, "prod-1", "api", OLD).await;
    let events = world.aws.take_trail();
    let mut describes = 0;
    world.aws.on_call(move |call| {
        describes += u32::from(call.operation == "DescribePodIdentityAssociation");
        if call.operation == "DescribePodIdentityAssociation" && describes < 8 { Fault::Throttle } else { Fault::None }
    });
    assert_eq!(world.follow(&events).await, Vec::<usize>::new());
    world.check_index();
    world
        .aws
        .on_call(|call| if call.operation.starts_with("Describe") { Fault::ServerError(503) } else { Fault::None });
    assert_eq!(world.follow(&events).await, [0]);
    tokio::time::sleep(Duration::from_mins(15)).await;
    world.aws.clear_hook();
    assert_eq!(world.follow(&events).await, Vec::<usize>::new());
}
