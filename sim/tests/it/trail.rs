//! The events that EKS calls leave, and those that they do not leave.

use crate::{NEW, OLD, REGION, code_of, eks, eks_with, in_virtual_time};
use aws_sdk_eks::config::retry::RetryConfig;
use aws_sdk_eks::operation::RequestId;
use expect_test::{Expect, expect};
use rerole_sim::{Fault, Options, SimulatedAws, TrailTimes};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const TOKEN: &str = "0123456789012345678901234567890123456789";

fn trailing() -> Options {
    Options { trail: true, ..Options::default() }
}

/// One association in one cluster, with its ARN and id.
fn one(options: Options) -> (SimulatedAws, String, String) {
    let aws = SimulatedAws::new(options);
    let arn = aws.eks(|eks| eks.associate(REGION, "prod", "ns", "sa", OLD));
    let id = aws.eks(|eks| eks.association(&arn).expect("just made").association_id.clone());
    (aws, arn, id)
}

/// Asks for a role with a token; the token would otherwise be one of the SDK's own, which are random.
async fn update(client: &aws_sdk_eks::Client, cluster: &str, id: &str, role: &str) -> (String, String) {
    let update = client.update_pod_identity_association().cluster_name(cluster).association_id(id);
    code_of(update.client_request_token(TOKEN).role_arn(role).send().await)
}

/// The user agent names this machine and the SDK's version.
fn check(mut events: Vec<Value>, expected: &Expect) {
    for event in &mut events {
        let agent = event["detail"]["userAgent"].take();
        assert!(agent.as_str().is_some_and(|agent| agent.starts_with("aws-sdk-rust/")), "{agent}");
        event["detail"]["userAgent"] = json!("aws-sdk-rust");
    }
    let events: Vec<String> = events.iter().map(|event| format!("{event:#}\n")).collect();
    expected.assert_eq(&events.concat());
}

/// A success in full, with the request id that the client saw.
#[test]
fn a_success_tells_what_was_asked_and_what_was_answered() {
    in_virtual_time(async {
        let (aws, _, id) = one(trailing());
        let update = eks(&aws).update_pod_identity_association().cluster_name("prod").association_id(id);
        let answer = update.client_request_token(TOKEN).role_arn(NEW).send().await.expect("a valid update");
        let events = aws.trail();
        assert_eq!(events[0]["detail"]["requestID"], answer.request_id().expect("an answer has one"));
        check(
            events,
            &expect![[r#"
            {
              "account": "111122223333",
              "detail": {
                "awsRegion": "eu-west-1",
                "eventCategory": "Management",
                "eventID": "da72f51c-39ce-4796-a8ad-426533ff21fe",
                "eventName": "UpdatePodIdentityAssociation",
                "eventSource": "eks.amazonaws.com",
                "eventTime": "2026-11-23T21:00:00Z",
                "eventType": "AwsApiCall",
                "eventVersion": "1.10",
                "managementEvent": true,
                "readOnly": false,
                "recipientAccountId": "111122223333",
                "requestID": "132e579d-0b66-4975-a5e3-ad74f9c0d626",
                "requestParameters": {
                  "associationId": "a-bm6586dv42zq8vdxg",
                  "clientRequestToken": "0123456789012345678901234567890123456789",
                  "name": "prod",
                  "roleArn": "arn:aws:iam::111122223333:role/new"
                },
                "responseElements": {
                  "association": {
                    "associationArn": "arn:aws:eks:eu-west-1:111122223333:podidentityassociation/prod/a-bm6586dv42zq8vdxg",
                    "associationId": "a-bm6586dv42zq8vdxg",
                    "clusterName": "prod",
                    "createdAt": 1795467600,
                    "disableSessionTags": false,
                    "modifiedAt": 1795467600.019,
                    "namespace": "ns",
                    "roleArn": "arn:aws:iam::111122223333:role/new",
                    "serviceAccount": "sa",
                    "tags": {}
                  }
                },
                "sourceIPAddress": "127.0.0.1",
                "userAgent": "aws-sdk-rust",
                "userIdentity": {
                  "accessKeyId": "AKIDEXAMPLE",
                  "accountId": "111122223333",
                  "arn": "arn:aws:sts::111122223333:assumed-role/AKIDEXAMPLE/session",
                  "principalId": "AKIDEXAMPLE:session",
                  "type": "AssumedRole"
                }
              },
              "detail-type": "AWS API Call via CloudTrail",
              "id": "962b1b6e-f980-4898-ad7f-7fde631cfd9d",
              "region": "eu-west-1",
              "resources": [],
              "source": "aws.eks",
              "time": "2026-11-23T21:00:00Z",
              "version": "0"
            }
        "#]],
        );
    });
}

/// A refusal in full: of a missing association, by another account's caller in another partition.
#[test]
fn a_refusal_tells_why() {
    in_virtual_time(async {
        let aws = SimulatedAws::new(trailing());
        let client = eks_with(&aws, "444455556666", "cn-north-1", RetryConfig::disabled());
        let (code, _) = update(&client, "absent", "a-1", NEW).await;
        assert_eq!(code, "ResourceNotFoundException");
        check(
            aws.trail(),
            &expect![[r#"
            {
              "account": "444455556666",
              "detail": {
                "awsRegion": "cn-north-1",
                "errorCode": "ResourceNotFoundException",
                "errorMessage": "No cluster found for name: absent.",
                "eventCategory": "Management",
                "eventID": "da72f51c-39ce-4796-a8ad-426533ff21fe",
                "eventName": "UpdatePodIdentityAssociation",
                "eventSource": "eks.amazonaws.com",
                "eventTime": "2026-11-23T21:00:00Z",
                "eventType": "AwsApiCall",
                "eventVersion": "1.10",
                "managementEvent": true,
                "readOnly": false,
                "recipientAccountId": "444455556666",
                "requestID": "132e579d-0b66-4975-a5e3-ad74f9c0d626",
                "requestParameters": {
                  "associationId": "a-1",
                  "clientRequestToken": "0123456789012345678901234567890123456789",
                  "name": "absent",
                  "roleArn": "arn:aws:iam::111122223333:role/new"
                },
                "responseElements": null,
                "sourceIPAddress": "127.0.0.1",
                "userAgent": "aws-sdk-rust",
                "userIdentity": {
                  "accessKeyId": "444455556666",
                  "accountId": "444455556666",
                  "arn": "arn:aws-cn:sts::444455556666:assumed-role/444455556666/session",
                  "principalId": "444455556666:session",
                  "type": "AssumedRole"
                }
              },
              "detail-type": "AWS API Call via CloudTrail",
              "id": "962b1b6e-f980-4898-ad7f-7fde631cfd9d",
              "region": "cn-north-1",
              "resources": [],
              "source": "aws.eks",
              "time": "2026-11-23T21:00:00Z",
              "version": "0"
            }
        "#]],
        );
    });
}

/// Name, cluster, error and resource of each event that a life through the API leaves; reads and edits behind the API's
/// back are in between, and leave none.
#[test]
fn each_write_leaves_one_event_and_nothing_else_does() {
    in_virtual_time(async {
        let aws = SimulatedAws::new(trailing());
        let client = eks(&aws);
        let vpc = aws_sdk_eks::types::VpcConfigRequest::builder().subnet_ids("subnet-1").build();
        let create = client.create_cluster().name("prod").role_arn(OLD).resources_vpc_config(vpc);
        create.send().await.expect("a new cluster");
        let create = client.create_pod_identity_association().cluster_name("prod").namespace("ns");
        let created = create.service_account("sa").role_arn(OLD).send().await.expect("valid").association;
        let id = created.expect("the answer has it").association_id.expect("it has an id");
        update(&client, "prod", &id, NEW).await;
        read_everything(&client, &id).await;
        edit_everything(&aws);
        update(&client, "prod", &id, "no role").await;
        aws.eks(|eks| eks.deny("prod"));
        update(&client, "prod", &id, OLD).await;
        aws.eks(|eks| eks.allow("prod"));
        let delete = || client.delete_pod_identity_association().cluster_name("prod").association_id(&id).send();
        delete().await.expect("it exists");
        delete().await.expect_err("it is gone");
        client.delete_cluster().name("prod").send().await.expect("it exists");
        let lines: Vec<String> = aws.take_trail().iter().map(line).collect();
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
        assert_eq!(aws.trail(), Vec::<Value>::new(), "what was taken does not come again");
    });
}

fn line(event: &Value) -> String {
    let detail = &event["detail"];
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let (association, cluster) = (&detail["responseElements"]["association"], &detail["responseElements"]["cluster"]);
    let answer = if association.is_null() { text(&cluster["status"]) } else { text(&association["roleArn"]) };
    format!(
        "{} {} {} {answer}",
        text(&detail["eventName"]),
        text(&detail["requestParameters"]["name"]),
        text(&detail["errorCode"])
    )
}

async fn read_everything(client: &aws_sdk_eks::Client, id: &str) {
    assert!(client.list_clusters().send().await.is_ok());
    assert!(client.describe_cluster().name("prod").send().await.is_ok());
    assert!(client.list_pod_identity_associations().cluster_name("prod").send().await.is_ok());
    let describe = client.describe_pod_identity_association().cluster_name("prod");
    assert!(describe.association_id(id).send().await.is_ok());
}

fn edit_everything(aws: &SimulatedAws) {
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

/// Each row is a fault, whether throttles are logged, and the error of the event that the call leaves: "" in a success,
/// none where there is no event.
#[test]
fn an_event_is_of_what_the_service_decided_not_of_what_the_client_saw() {
    let denied = Fault::Error { status: 403, code: "AccessDeniedException".to_owned(), message: "no".to_owned() };
    let rows = [
        (Fault::None, false, Some("")),
        (Fault::LoseAnswer, false, Some("")),
        (Fault::FreezeAfter, false, Some("")),
        (Fault::DelayAnswer(Duration::from_secs(3)), false, Some("")),
        (Fault::FailBefore, false, None),
        (Fault::FreezeBefore, false, None),
        (denied, false, Some("AccessDeniedException")),
        (Fault::ServerError(500), false, Some("ServerException")),
        (Fault::Throttle, false, None),
        (Fault::BareThrottle, false, None),
        (Fault::Throttle, true, Some("TooManyRequestsException")),
        (Fault::BareThrottle, true, Some("TooManyRequestsException")),
    ];
    for (fault, trail_throttles, error) in rows {
        in_virtual_time(async {
            let (aws, _, id) = one(Options { trail_throttles, ..trailing() });
            let injected = fault.clone();
            aws.on_call(move |_| injected.clone());
            // A frozen call is given up.
            let _ = tokio::time::timeout(Duration::from_mins(1), update(&eks(&aws), "prod", &id, NEW)).await;
            let errors: Vec<Value> = aws.trail().iter().map(|event| event["detail"]["errorCode"].clone()).collect();
            let expected: Vec<Value> =
                error.iter().map(|code| if code.is_empty() { Value::Null } else { json!(code) }).collect();
            assert_eq!(errors, expected, "{fault:?}, throttles logged: {trail_throttles}");
            let has_answer = aws.trail().iter().any(|event| event["detail"]["responseElements"].is_object());
            assert_eq!(has_answer, error == Some(""), "{fault:?}: responseElements");
        });
    }
}

/// A client that gives up before the effect leaves no event.
#[test]
fn what_never_took_effect_leaves_nothing() {
    in_virtual_time(async {
        let latency = Duration::from_secs(2);
        let (aws, _, id) = one(Options { latency: latency..=latency, ..trailing() });
        let client = eks(&aws);
        for (patience_ms, events) in [(900, 0), (1_100, 1)] {
            let patience = Duration::from_millis(patience_ms);
            let given_up = tokio::time::timeout(patience, update(&client, "prod", &id, NEW)).await;
            assert!(given_up.is_err(), "the answer takes longer than {patience_ms} ms");
            assert_eq!(aws.take_trail().len(), events, "after {patience_ms} ms");
        }
    });
}

/// A replay is a call like the first: the same answer, though the association is elsewhere by now, in an event of its own.
#[test]
fn a_replay_leaves_an_event_of_its_own() {
    in_virtual_time(async {
        let (aws, arn, id) = one(trailing());
        let client = eks(&aws);
        update(&client, "prod", &id, NEW).await;
        let now = aws.now();
        aws.eks(|eks| eks.set_role(&arn, OLD, now));
        update(&client, "prod", &id, NEW).await;
        let events = aws.trail();
        let of_each = |pointer: &str| events.iter().map(|event| event.pointer(pointer).cloned()).collect::<Vec<_>>();
        let answers = of_each("/detail/responseElements");
        assert!(answers.len() == 2 && answers[0] == answers[1], "{answers:?}");
        assert_eq!(events[1]["detail"]["responseElements"]["association"]["roleArn"], NEW);
        for id in ["/id", "/detail/eventID", "/detail/requestID"] {
            let ids: BTreeSet<String> = of_each(id).into_iter().map(|id| id.unwrap_or_default().to_string()).collect();
            assert_eq!(ids.len(), 2, "{id}");
        }
    });
}

/// Names stand as they did in the path, or decoded by the switch. A name in the body never was in a path.
#[test]
fn names_are_encoded_as_in_the_path() {
    let rows = [
        ("prod", true, "prod"),
        ("prod eu/1", true, "prod%20eu%2F1"),
        ("prod eu/1", false, "prod eu/1"),
        ("é%", true, "%C3%A9%25"),
        ("é%", false, "é%"),
    ];
    for (cluster, trail_encoded_names, written) in rows {
        in_virtual_time(async {
            let aws = SimulatedAws::new(Options { trail_encoded_names, ..trailing() });
            let client = eks(&aws);
            update(&client, cluster, "a 1", NEW).await;
            let parameters = aws.trail()[0]["detail"]["requestParameters"].clone();
            assert_eq!(parameters["name"], written, "{cluster}");
            assert_eq!(parameters["associationId"], if trail_encoded_names { "a%201" } else { "a 1" }, "{cluster}");
            let vpc = aws_sdk_eks::types::VpcConfigRequest::builder().build();
            let create = client.create_cluster().name(cluster).role_arn(OLD).resources_vpc_config(vpc);
            let _ = create.send().await;
            assert_eq!(aws.trail()[1]["detail"]["requestParameters"]["name"], cluster);
        });
    }
}

/// The switches of the shape: times in their three forms, and no answer at all.
#[test]
fn answers_can_be_written_in_other_ways() {
    let rows = [
        (Options { trail_times: TrailTimes::EpochSeconds, ..trailing() }, json!(1_795_467_602.5)),
        (Options { trail_times: TrailTimes::Rfc3339, ..trailing() }, json!("2026-11-23T21:00:02.500Z")),
        (Options { trail_times: TrailTimes::English, ..trailing() }, json!("Nov 23, 2026, 9:00:02 PM")),
        (Options { trail_response_elements: false, ..trailing() }, Value::Null),
    ];
    for (options, modified_at) in rows {
        in_virtual_time(async {
            let (aws, _, id) = one(Options { latency: Duration::ZERO..=Duration::ZERO, ..options });
            tokio::time::advance(Duration::from_millis(2_500)).await;
            update(&eks(&aws), "prod", &id, NEW).await;
            let detail = &aws.trail()[0]["detail"];
            assert_eq!(detail["responseElements"]["association"]["modifiedAt"], modified_at);
            assert_eq!(detail["eventTime"], "2026-11-23T21:00:02Z", "whole seconds");
            assert!(detail.get("errorCode").is_none(), "a success all the same");
        });
    }
}

/// Without the switch nothing is kept; with a listener, events go there at their effect, and nothing is kept either.
#[test]
fn events_are_kept_only_where_they_are_wanted() {
    in_virtual_time(async {
        let (aws, _, id) = one(Options::default());
        assert_eq!(update(&eks(&aws), "prod", &id, NEW).await.0, "");
        assert_eq!(aws.trail().len(), 0);
    });
    in_virtual_time(async {
        let (aws, arn, id) = one(trailing());
        let (told, told_of) = std::sync::mpsc::channel();
        let looks_at = aws.clone();
        aws.on_event(move |event| {
            let role = looks_at.eks(|eks| eks.association(&arn).map(|it| it.role_arn.clone()));
            told.send((event["detail"]["eventName"].clone(), role)).expect("the test waits for it");
        });
        aws.on_call(|_| Fault::LoseAnswer);
        update(&eks(&aws), "prod", &id, NEW).await;
        let told: Vec<_> = told_of.try_iter().collect();
        assert_eq!(told, [(json!("UpdatePodIdentityAssociation"), Some(NEW.to_owned()))]);
        assert_eq!(aws.trail().len(), 0);
    });
}

/// Twenty updates at once, twice with one seed and once with another.
#[test]
fn one_seed_leaves_one_trail() {
    let trail = |seed| {
        in_virtual_time(async {
            let aws = SimulatedAws::new(Options { seed, ..trailing() });
            let arns: Vec<String> =
                (0..20).map(|n| aws.eks(|eks| eks.associate(REGION, "prod", "ns", &format!("sa-{n}"), OLD))).collect();
            let client = eks(&aws);
            let updates = arns.iter().map(|arn| async {
                let id = arn.rsplit('/').next().expect("an ARN ends with the id");
                let update = client.update_pod_identity_association().cluster_name("prod").association_id(id);
                update.client_request_token(format!("{TOKEN}-{id}")).role_arn(NEW).send().await.expect("valid");
            });
            futures_util::future::join_all(updates).await;
            aws.take_trail()
        })
    };
    assert_eq!(trail(1).len(), 20);
    assert_eq!(trail(1), trail(1));
    assert_ne!(trail(1), trail(2));
}
