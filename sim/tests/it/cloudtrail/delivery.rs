//! Which calls leave events, and where the events go.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::Duration;

use aws_sdk_eks::Client;
use futures_util::future::join_all;
use rerole_sim::{Fault, Options, SimulatedAws};
use serde_json::{Value, json};

use crate::cloudtrail::{update_role, with_cloudtrail};
use crate::harness::{
    NEW, OLD, OneAssociation, REGION, TOKEN, create, create_cluster, delete, describe, eks,
    in_virtual_time, list, update,
};

#[test]
fn each_write_leaves_one_event_and_nothing_else_leaves_any() {
    in_virtual_time(async {
        let aws = SimulatedAws::new(with_cloudtrail());
        write_everything(&aws, &eks(&aws)).await;
        let lines: Vec<String> = aws.take_cloudtrail_events().iter().map(line).collect();
        let expected = [
            "CreateCluster prod - ACTIVE",
            "CreatePodIdentityAssociation prod - arn:aws:iam::111122223333:role/old",
            "UpdatePodIdentityAssociation prod - arn:aws:iam::111122223333:role/new",
            "UpdatePodIdentityAssociation prod InvalidParameterException -",
            "UpdatePodIdentityAssociation prod AccessDeniedException -",
            "DeletePodIdentityAssociation prod - arn:aws:iam::111122223333:role/new",
            "DeletePodIdentityAssociation prod ResourceNotFoundException -",
            "DeleteCluster prod - DELETING",
        ];
        assert_eq!(lines, expected);
        let rest = aws.cloudtrail_events();
        assert_eq!(rest, Vec::<Value>::new(), "all were taken");
    });
}

/// The life of a cluster and its association through the API. Reads, and changes without the API,
/// are in between.
async fn write_everything(aws: &SimulatedAws, client: &Client) {
    let cluster = create_cluster(client, "prod").send().await;
    cluster.expect("a new cluster");
    let created = create(client, "prod").send().await;
    let created = created.expect("a valid association").association;
    let id = created.and_then(|it| it.association_id).expect("an id");
    let subject = format!("prod/{id}");
    update_role(client, &subject, NEW).await;
    read_everything(client, &subject).await;
    change_everything_without_the_api(aws);
    update_role(client, &subject, "no role").await;
    aws.eks(|eks| eks.deny("prod"));
    update_role(client, &subject, OLD).await;
    aws.eks(|eks| eks.allow("prod"));
    let deleted = delete(client, &subject).send().await;
    deleted.expect("it exists");
    let deleted = delete(client, &subject).send().await;
    deleted.expect_err("it is deleted");
    let deleted = client.delete_cluster().name("prod").send().await;
    deleted.expect("it exists");
}

async fn read_everything(client: &Client, subject: &str) {
    assert!(client.list_clusters().send().await.is_ok());
    assert!(client.describe_cluster().name("prod").send().await.is_ok());
    assert!(list(client, "prod").send().await.is_ok());
    assert!(describe(client, subject).send().await.is_ok());
}

fn change_everything_without_the_api(aws: &SimulatedAws) {
    let now = aws.now();
    aws.eks(|eks| {
        let other = eks.associate(REGION, "other", "ns", "sa", OLD);
        eks.set_role(&other, NEW, now);
        eks.set_target_role(&other, Some(OLD));
        eks.set_owner(&other, None);
        eks.edit(&other, |association| association.tags.clear());
        assert!(eks.delete(&other) && eks.delete_cluster(REGION, "other"));
    });
}

/// Operation, cluster, error code, and role or status.
fn line(event: &Value) -> String {
    let text = |pointer| {
        let value = event.pointer(pointer);
        value.and_then(Value::as_str).unwrap_or("-")
    };
    let role = text("/detail/responseElements/association/roleArn");
    let status = text("/detail/responseElements/cluster/status");
    format!(
        "{} {} {} {}",
        text("/detail/eventName"),
        text("/detail/requestParameters/name"),
        text("/detail/errorCode"),
        if role == "-" { status } else { role },
    )
}

#[test]
fn an_event_has_the_response_of_the_service_whatever_the_client_receives() {
    for (fault, cloudtrail_throttles, error) in faults() {
        in_virtual_time(async {
            let one = OneAssociation::new(Options {
                cloudtrail_throttles,
                ..with_cloudtrail()
            });
            let injected = fault.clone();
            one.aws.on_call(move |_| injected.clone());
            // A frozen call ends with the timeout.
            let minute = Duration::from_mins(1);
            let _ = tokio::time::timeout(minute, one.update_with_token(NEW)).await;
            let events = one.aws.cloudtrail_events();
            let details = events.iter().map(|event| &event["detail"]);
            let left: Vec<_> = details
                .map(|detail| {
                    let code = detail["errorCode"].as_str();
                    (code, detail["responseElements"].is_object())
                })
                .collect();
            let expected = match error {
                None => vec![],
                Some("") => vec![(None, true)],
                Some(code) => vec![(Some(code), false)],
            };
            let row = format!("{fault:?}, throttles logged: {cloudtrail_throttles}");
            assert_eq!(left, expected, "{row}");
        });
    }
}

/// Each fault with whether throttles are logged, and the error code of the event: "" in a success,
/// none without an event.
fn faults() -> Vec<(Fault, bool, Option<&'static str>)> {
    let denied = Fault::Error {
        status: 403,
        code: "AccessDeniedException".to_owned(),
        message: "no".to_owned(),
    };
    let delay = Duration::from_secs(3);
    vec![
        (Fault::None, false, Some("")),
        (Fault::LoseResponse, false, Some("")),
        (Fault::FreezeAfter, false, Some("")),
        (Fault::DelayResponse(delay), false, Some("")),
        (Fault::LoseRequest, false, None),
        (Fault::FreezeBefore, false, None),
        (denied, false, Some("AccessDeniedException")),
        (Fault::ServerError(500), false, Some("ServerException")),
        (Fault::Throttle, false, None),
        (Fault::BareThrottle, false, None),
        (Fault::Throttle, true, Some("TooManyRequestsException")),
        (Fault::BareThrottle, true, Some("TooManyRequestsException")),
    ]
}

#[test]
fn a_call_that_is_dropped_before_its_effect_leaves_no_event() {
    in_virtual_time(async {
        let latency = Duration::from_secs(2);
        let one = OneAssociation::new(Options {
            latency: latency..=latency,
            ..with_cloudtrail()
        });
        for (timeout_ms, events) in [(900, 0), (1_100, 1)] {
            let timeout = Duration::from_millis(timeout_ms);
            let result = tokio::time::timeout(timeout, one.update_with_token(NEW)).await;
            assert!(result.is_err(), "{timeout_ms} ms are too short");
            let left = one.aws.take_cloudtrail_events().len();
            assert_eq!(left, events, "after {timeout_ms} ms");
        }
    });
}

/// The association is on another role by then.
#[test]
fn a_replay_leaves_an_event_with_the_first_response_and_its_own_ids() {
    in_virtual_time(async {
        let one = OneAssociation::new(with_cloudtrail());
        one.update_with_token(NEW).await.expect("a valid update");
        one.set_role(OLD);
        one.update_with_token(NEW).await.expect("a replay");
        let events = one.aws.cloudtrail_events();
        let of_each = |pointer| events.iter().map(move |event| event.pointer(pointer));
        let responses: Vec<_> = of_each("/detail/responseElements").collect();
        assert_eq!(responses.len(), 2);
        assert_eq!(responses[0], responses[1]);
        let role = events[1].pointer("/detail/responseElements/association/roleArn");
        assert_eq!(role, Some(&json!(NEW)));
        for id in ["/id", "/detail/eventID", "/detail/requestID"] {
            let ids: BTreeSet<String> = of_each(id).flatten().map(Value::to_string).collect();
            assert_eq!(ids.len(), 2, "{id}");
        }
    });
}

#[test]
fn without_the_option_there_are_no_events() {
    in_virtual_time(async {
        let one = OneAssociation::new(Options::default());
        assert!(one.update(NEW).await.is_ok());
        assert_eq!(one.aws.cloudtrail_events().len(), 0);
    });
}

/// It receives them even if the response is lost, and may read the state.
#[test]
fn a_listener_receives_the_events_at_their_effect_and_none_are_kept() {
    in_virtual_time(async {
        let one = OneAssociation::new(with_cloudtrail());
        let (sender, events) = mpsc::channel();
        let (aws, arn) = (one.aws.clone(), one.arn.clone());
        one.aws.on_cloudtrail_event(move |event| {
            let role = aws.eks(|eks| eks.association(&arn).map(|it| it.role_arn.clone()));
            let name = event["detail"]["eventName"].clone();
            sender.send((name, role)).expect("the test receives it");
        });
        one.aws.on_call(|_| Fault::LoseResponse);
        let _ = one.update(NEW).await;
        let received: Vec<_> = events.try_iter().collect();
        let expected = (json!("UpdatePodIdentityAssociation"), Some(NEW.to_owned()));
        assert_eq!(received, [expected]);
        assert_eq!(one.aws.cloudtrail_events().len(), 0);
    });
}

#[test]
fn one_seed_leaves_the_same_events_and_another_seed_others() {
    let first = events_of_twenty_updates(1);
    assert_eq!(first.len(), 20);
    assert_eq!(events_of_twenty_updates(1), first);
    assert_ne!(events_of_twenty_updates(2), first);
}

/// The updates are in flight at once.
fn events_of_twenty_updates(seed: u64) -> Vec<Value> {
    in_virtual_time(async {
        let aws = SimulatedAws::new(Options {
            seed,
            ..with_cloudtrail()
        });
        let client = eks(&aws);
        let updates = (0..20).map(|n| {
            let account = format!("sa-{n}");
            let arn = aws.eks(|eks| eks.associate(REGION, "prod", "ns", &account, OLD));
            let (_, subject) = arn.split_once('/').expect("an ARN ends with the subject");
            let (_, id) = subject.split_once('/').expect("a cluster and an id");
            let update = update(&client, subject).client_request_token(format!("{TOKEN}-{id}"));
            update.role_arn(NEW).send()
        });
        let updates: Vec<_> = updates.collect();
        for result in join_all(updates).await {
            result.expect("a valid update");
        }
        aws.take_cloudtrail_events()
    })
}
