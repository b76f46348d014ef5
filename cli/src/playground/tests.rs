//! The playground, used as an operator's pipeline uses a stack: over HTTP.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use rerole::aws::http::http_client;
use rerole::settings::PublisherSettings;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::playground::Playground;
use crate::playground::flags::{KeptCalls, PlaygroundOptions};
use crate::playground::tour::{NEW_ROLE, OLD_ROLE, TOUR};

/// Far more than a rotation of this fleet takes on a slow machine.
const TIMEOUT: Duration = Duration::from_mins(2);

fn options() -> PlaygroundOptions {
    PlaygroundOptions {
        port: 0,
        seed: 1,
        clusters: 3,
        associations: 50,
        rotating: 20,
        drifted: 1,
        owned_by_addon: 2,
        refused: 0,
        throttle: None,
        eks_latency: None,
        calls: KeptCalls::None,
    }
}

fn in_real_time(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(work);
}

fn credentials() -> Credentials {
    Credentials::new("playground", "playground", None, None, "test")
}

fn client_of_http() -> SharedHttpClient {
    let settings = PublisherSettings::from_lookup(|name| match name {
        "EVENT_BUS_NAME" => Some("rerole".to_owned()),
        "AWS_REGION" => Some("us-east-1".to_owned()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("playground".to_owned()),
        _ => None,
    });
    http_client(&settings.unwrap().clients).unwrap()
}

async fn request(url: &str) {
    let role = |name: &str| format!("arn:aws:iam::111122223333:role/{name}");
    let detail = json!({
        "rotationId": "r-1",
        "oldRoleArn": role(OLD_ROLE),
        "newRoleArn": role(NEW_ROLE),
    });
    let entry = PutEventsRequestEntry::builder()
        .event_bus_name("rerole")
        .source("platform.iam")
        .detail_type("Role Rotation Requested")
        .detail(detail.to_string())
        .build();
    let config = aws_sdk_eventbridge::Config::builder()
        .behavior_version(aws_sdk_eventbridge::config::BehaviorVersion::latest())
        .region(aws_sdk_eventbridge::config::Region::from_static(
            "us-east-1",
        ))
        .credentials_provider(credentials())
        .endpoint_url(url)
        .http_client(client_of_http())
        .build();
    let client = aws_sdk_eventbridge::Client::from_conf(config);
    let put = client.put_events().entries(entry).send().await;
    assert_eq!(put.unwrap().failed_entry_count, 0);
}

#[test]
fn a_request_on_the_bus_moves_the_fleet_and_its_timeline_is_published() {
    in_real_time(async {
        let playground = Playground::start(&options()).await.unwrap();
        let (url, aws) = (playground.url(), playground.deployment.aws().clone());
        let ledger = playground.deployment.rendered().name("RotationLedgerTable");
        let published = || {
            let events = aws.bus_events().into_iter();
            let events = events.filter(|event| event.source == "rerole");
            events
                .map(|event| event.detail["to"].clone())
                .collect::<Vec<_>>()
        };
        let work = async {
            request(&url).await;
            while published().last() != Some(&json!("Incomplete")) {
                sleep(Duration::from_millis(50)).await;
            }
        };
        let work = Box::pin(playground.run_until(work));
        timeout(TIMEOUT, work).await.unwrap();
        assert_eq!(published(), ["Planning", "InProgress", "Incomplete"]);
        let items = aws.items(&ledger).into_iter();
        let outcome = |item: &Value| item["outcome"].as_str().map(str::to_owned);
        let mut outcomes: Vec<_> = items.filter_map(|item| outcome(&item)).collect();
        outcomes.sort_unstable();
        outcomes.dedup();
        assert_eq!(outcomes, ["Drifted", "OwnedByAddon", "Updated"]);
    });
}

/// CloudTrail's event about the change arrives by way of the queue.
#[test]
fn a_change_in_eks_reaches_the_index() {
    in_real_time(async {
        let playground = Playground::start(&options()).await.unwrap();
        let (url, aws) = (playground.url(), playground.deployment.aws().clone());
        let index = playground
            .deployment
            .rendered()
            .name("AssociationIndexTable");
        let arn = playground.fleet.drifted[0].clone();
        let is_indexed = || {
            let items = aws.items(&index).into_iter();
            let role = format!("arn:aws:iam::111122223333:role/{NEW_ROLE}");
            let mut items = items.filter(|item| item["associationArn"] == *arn);
            items.any(|item| item["roleArn"] == *role)
        };
        let association = aws.eks(|eks| eks.association(&arn).cloned()).unwrap();
        let config = aws_sdk_eks::Config::builder()
            .behavior_version(aws_sdk_eks::config::BehaviorVersion::latest())
            .region(aws_sdk_eks::config::Region::new(association.region))
            .credentials_provider(credentials())
            .endpoint_url(&url)
            .http_client(client_of_http())
            .build();
        let update = aws_sdk_eks::Client::from_conf(config)
            .update_pod_identity_association()
            .cluster_name(association.cluster_name)
            .association_id(association.association_id)
            .role_arn(format!("arn:aws:iam::111122223333:role/{NEW_ROLE}"));
        let work = async {
            update.send().await.unwrap();
            while !is_indexed() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        let work = Box::pin(playground.run_until(work));
        timeout(TIMEOUT, work).await.unwrap();
    });
}

#[test]
fn the_tour_has_commands_of_this_tool_only() {
    for step in TOUR {
        assert!(step.command.starts_with("rerole "), "{step:?}");
        assert!(!step.about.is_empty() && !step.exits.is_empty(), "{step:?}");
    }
}
