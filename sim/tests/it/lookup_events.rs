//! The events of pods and other callers that receive credentials, as `LookupEvents` shows them.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use aws_sdk_cloudtrail::primitives::DateTime;
use aws_sdk_cloudtrail::types::{Event, LookupAttribute, LookupAttributeKey};
use expect_test::expect;
use rerole_sim::{
    CredentialCaller, CredentialEvent, EventDelivery, Options, PodFleet, Service, SimulatedAws,
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{
    NEW, OLD, OneAssociation, REGION, at_home, cloudtrail, code_of, in_virtual_time,
};

const HOUR: Duration = Duration::from_hours(1);

fn by(key: LookupAttributeKey, value: &str) -> LookupAttribute {
    let attribute = LookupAttribute::builder();
    let attribute = attribute.attribute_key(key).attribute_value(value);
    attribute.build().expect("it has a key and a value")
}

fn of_role(role: &str) -> LookupAttribute {
    by(LookupAttributeKey::ResourceName, role)
}

/// All events with this attribute, at the rate that CloudTrail admits.
async fn lookup(aws: &SimulatedAws, attribute: LookupAttribute) -> Vec<Event> {
    let client = cloudtrail(aws);
    let mut events = Vec::new();
    let mut token = None;
    loop {
        sleep(Duration::from_millis(500)).await;
        let lookup = client.lookup_events().lookup_attributes(attribute.clone());
        let page = lookup.set_next_token(token).send().await.expect("a page");
        events.extend_from_slice(page.events());
        token = page.next_token;
        if token.is_none() {
            return events;
        }
    }
}

fn record(event: &Event) -> Value {
    let text = event.cloud_trail_event().expect("an event has a record");
    serde_json::from_str(text).expect("a record is JSON")
}

fn time(event: &Event) -> SystemTime {
    let time = *event.event_time().expect("an event has a time");
    time.try_into().expect("it is after 1970")
}

fn with_pods(options: Options) -> OneAssociation {
    let one = OneAssociation::new(options);
    one.aws.run_pods(PodFleet::default());
    one
}

fn delivered(event_delivery: EventDelivery) -> Options {
    Options {
        event_delivery,
        ..Options::default()
    }
}

#[test]
fn an_event_of_a_pod_lists_key_session_and_role() {
    in_virtual_time(async {
        let OneAssociation { aws, .. } = with_pods(Options::default());
        let events = lookup(&aws, of_role(OLD)).await;
        let event = &events[0];
        assert_eq!(event.event_name(), Some("AssumeRole"));
        assert_eq!(event.event_source(), Some("sts.amazonaws.com"));
        assert_eq!(event.read_only(), Some("true"));
        assert_eq!((event.username(), event.access_key_id()), (None, None));
        let kinds = event
            .resources()
            .iter()
            .map(|it| it.resource_type().unwrap());
        let kinds: Vec<&str> = kinds.collect();
        let session = "AWS::STS::AssumedRole";
        let expected = [
            "AWS::IAM::AccessKey",
            session,
            session,
            session,
            "AWS::IAM::Role",
        ];
        assert_eq!(kinds, expected);
        assert_eq!(event.event_id(), record(event)["eventID"].as_str());
        let call = &aws.calls()[0].call;
        assert_eq!(
            (call.service, call.subject.as_str()),
            (Service::CloudTrail, OLD)
        );
    });
}

#[test]
fn the_record_of_a_pod_has_the_members_of_the_sample() {
    in_virtual_time(async {
        let OneAssociation { aws, .. } = with_pods(Options::default());
        let record = record(&lookup(&aws, of_role(OLD)).await[0]);
        expect![[r#"
            {
              "awsRegion": "eu-west-1",
              "eventCategory": "Management",
              "eventID": "c457276e-3e8e-42eb-a671-9762b8602056",
              "eventName": "AssumeRole",
              "eventSource": "sts.amazonaws.com",
              "eventTime": "2026-11-23T19:59:13Z",
              "eventType": "AwsApiCall",
              "eventVersion": "1.08",
              "managementEvent": true,
              "readOnly": true,
              "recipientAccountId": "111122223333",
              "requestID": "8bb86083-a918-4ddc-a59f-07539b1b4536",
              "requestParameters": {
                "durationSeconds": 21600,
                "roleArn": "arn:aws:iam::111122223333:role/old",
                "roleSessionName": "eks-prod-sa-syrmsr3-20f47cd4-91b0-4104-a22d-a33d1c985dc4",
                "tags": [
                  {
                    "key": "eks-cluster-arn",
                    "value": "arn:aws:eks:eu-west-1:111122223333:cluster/prod"
                  },
                  {
                    "key": "eks-cluster-name",
                    "value": "prod"
                  },
                  {
                    "key": "kubernetes-namespace",
                    "value": "ns"
                  },
                  {
                    "key": "kubernetes-service-account",
                    "value": "sa"
                  },
                  {
                    "key": "kubernetes-pod-name",
                    "value": "sa-syrmsr3tv-bz0nc"
                  },
                  {
                    "key": "kubernetes-pod-uid",
                    "value": "55a12af0-0cb3-4d9c-ac3c-7bac7f82b0df"
                  }
                ],
                "transitiveTagKeys": [
                  "eks-cluster-arn",
                  "eks-cluster-name",
                  "kubernetes-namespace",
                  "kubernetes-service-account",
                  "kubernetes-pod-name",
                  "kubernetes-pod-uid"
                ]
              },
              "resources": [
                {
                  "ARN": "arn:aws:iam::111122223333:role/old",
                  "accountId": "111122223333",
                  "type": "AWS::IAM::Role"
                }
              ],
              "responseElements": {
                "assumedRoleUser": {
                  "arn": "arn:aws:sts::111122223333:assumed-role/old/eks-prod-sa-syrmsr3-20f47cd4-91b0-4104-a22d-a33d1c985dc4",
                  "assumedRoleId": "AROA12F2GS35SIKIB5XK0:eks-prod-sa-syrmsr3-20f47cd4-91b0-4104-a22d-a33d1c985dc4"
                },
                "credentials": {
                  "accessKeyId": "ASIAMABN8WYIOHQYXKVH",
                  "expiration": "Nov 24, 2026, 1:59:13 AM",
                  "sessionToken": "55ypus0z1uosczc96m3urxm48p9v4eva0ku9hhbqhl11q5tn47w8ujeq1kzrhw8lzlblughe6np2ycfw"
                },
                "packedPolicySize": 56
              },
              "sharedEventID": "e163f6db-8c28-4249-a995-5d514bdcbccc",
              "sourceIPAddress": "pods.eks.amazonaws.com",
              "userAgent": "pods.eks.amazonaws.com",
              "userIdentity": {
                "invokedBy": "pods.eks.amazonaws.com",
                "type": "AWSService"
              }
            }
        "#]].assert_eq(&format!("{record:#}\n"));
    });
}

#[test]
fn a_pod_fetches_credentials_of_the_role_that_its_association_has_then() {
    in_virtual_time(async {
        let one = with_pods(Options::default());
        sleep(HOUR).await;
        one.set_role(NEW);
        let moved_at = one.aws.now();
        assert_eq!(lookup(&one.aws, of_role(NEW)).await, []);
        sleep(4 * HOUR).await;
        let (old, new) = (
            lookup(&one.aws, of_role(OLD)).await,
            lookup(&one.aws, of_role(NEW)).await,
        );
        assert!(old.iter().all(|event| time(event) < moved_at));
        assert!(new.iter().all(|event| time(event) >= moved_at));
        assert!([1, 2].contains(&new.len()), "every three hours: {new:?}");
        let all = lookup(&one.aws, by(LookupAttributeKey::EventName, "AssumeRole")).await;
        assert_eq!(all, [new, old].concat(), "newest first");
        for pair in all.windows(2) {
            let between = time(&pair[0]).duration_since(time(&pair[1])).unwrap();
            assert!(renewals().contains(&between), "{between:?}");
        }
    });
}

fn renewals() -> RangeInclusive<Duration> {
    Duration::from_mins(174)..=Duration::from_mins(186)
}

#[test]
fn a_restarted_pod_is_another_one_that_fetches_at_once() {
    in_virtual_time(async {
        let one = with_pods(Options::default());
        let before = lookup(&one.aws, of_role(OLD)).await;
        one.set_role(NEW);
        one.aws.restart_pods_of(&one.arn);
        sleep(Duration::from_mins(1)).await;
        let after = lookup(&one.aws, of_role(NEW)).await;
        assert_eq!(after.len(), 1);
        let pod = |event: &Event| record(event)["requestParameters"]["tags"][4].clone();
        assert_eq!(pod(&before[0])["key"], "kubernetes-pod-name");
        assert_ne!(pod(&before[0]), pod(&after[0]));
        assert_eq!(
            lookup(&one.aws, of_role(OLD)).await,
            before,
            "the old pod is gone"
        );
    });
}

#[test]
fn pods_run_as_long_as_their_association_exists() {
    in_virtual_time(async {
        let one = with_pods(Options::default());
        let before = lookup(&one.aws, of_role(OLD)).await;
        one.aws.eks(|eks| eks.delete(&one.arn));
        one.aws
            .eks(|eks| eks.associate(REGION, "prod", "ns", "later", NEW));
        sleep(Duration::from_mins(1)).await;
        assert_eq!(
            lookup(&one.aws, of_role(NEW)).await.len(),
            1,
            "it has just started"
        );
        sleep(12 * HOUR).await;
        assert_eq!(lookup(&one.aws, of_role(OLD)).await, before);
    });
}

#[test]
fn one_seed_has_one_history() {
    in_virtual_time(async {
        let histories = [1, 1, 2].map(|seed| {
            with_pods(Options {
                seed,
                ..Options::default()
            })
        });
        let mut ids = Vec::new();
        for one in &histories {
            let events = lookup(&one.aws, of_role(OLD)).await;
            ids.push(
                events
                    .iter()
                    .map(|it| it.event_id().unwrap().to_owned())
                    .collect::<Vec<_>>(),
            );
        }
        assert_eq!(ids[0], ids[1]);
        assert_ne!(ids[0], ids[2]);
    });
}

#[test]
fn without_pods_there_are_no_events() {
    in_virtual_time(async {
        let OneAssociation { aws, .. } = OneAssociation::new(Options::default());
        assert_eq!(lookup(&aws, of_role(OLD)).await, []);
    });
}

#[test]
fn session_tags_can_be_disabled() {
    in_virtual_time(async {
        let one = with_pods(Options::default());
        one.aws
            .eks(|eks| eks.edit(&one.arn, |it| it.disable_session_tags = true));
        one.aws.restart_pods_of(&one.arn);
        sleep(Duration::from_mins(1)).await;
        let event = record(&lookup(&one.aws, of_role(OLD)).await[0]);
        assert_eq!(event["requestParameters"]["tags"], Value::Null);
        let session = event["requestParameters"]["roleSessionName"]
            .as_str()
            .unwrap();
        assert!(session.starts_with("eks-prod-sa-"), "{session}");
    });
}

#[test]
fn other_callers_leave_events() {
    in_virtual_time(async {
        let aws = at_home();
        let user = "arn:aws:iam::111122223333:user/jane".to_owned();
        let provider_arn =
            "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/1";
        let web = CredentialCaller::WebIdentity {
            provider_arn: provider_arn.to_owned(),
            subject: "system:serviceaccount:ns:sa".to_owned(),
        };
        let session = CredentialCaller::Session {
            role_arn: OLD.to_owned(),
            session_name: "eks-prod".to_owned(),
        };
        // Caller, whether it is refused, event name, type of the identity, user name.
        let rows = [
            (
                CredentialCaller::User(user),
                false,
                "AssumeRole",
                "IAMUser",
                Some("jane"),
            ),
            (
                CredentialCaller::Service("ec2.amazonaws.com".to_owned()),
                false,
                "AssumeRole",
                "AWSService",
                None,
            ),
            (
                web,
                false,
                "AssumeRoleWithWebIdentity",
                "WebIdentityUser",
                Some("system:serviceaccount:ns:sa"),
            ),
            (session, true, "AssumeRole", "AssumedRole", Some("eks-prod")),
            (
                CredentialCaller::Account("444455556666".to_owned()),
                false,
                "AssumeRole",
                "AWSAccount",
                None,
            ),
        ];
        for (caller, is_refused, name, kind, user) in rows {
            sleep(Duration::from_secs(1)).await;
            aws.put_credential_event(&CredentialEvent {
                at: aws.now(),
                role_arn: NEW.to_owned(),
                error_code: is_refused.then(|| "AccessDenied".to_owned()),
                ..CredentialEvent::by(caller)
            });
            let event = lookup(&aws, of_role(NEW)).await.remove(0);
            let record = record(&event);
            assert_eq!(event.event_name(), Some(name));
            assert_eq!(event.username(), user);
            assert_eq!(record["userIdentity"]["type"], kind);
            assert_eq!(record["errorCode"] == "AccessDenied", is_refused);
            assert_eq!(record["responseElements"].is_null(), is_refused);
        }
        // They are in the region of the handle only.
        let elsewhere = SimulatedAws::in_region(&aws, "us-east-1");
        elsewhere.put_event_record(json!({ "eventName": "no time" }));
        assert_eq!(lookup(&aws, of_role(NEW)).await.len(), 5);
    });
}

#[test]
fn events_arrive_late_twice_or_never() {
    in_virtual_time(async {
        let minutes = Duration::from_mins(5)..=Duration::from_mins(5);
        let late = with_pods(delivered(EventDelivery {
            delay: minutes,
            ..EventDelivery::default()
        }));
        let seen = lookup(&late.aws, of_role(OLD)).await;
        late.aws.restart_pods_of(&late.arn);
        sleep(Duration::from_mins(5)).await;
        assert_eq!(lookup(&late.aws, of_role(OLD)).await, seen);
        sleep(Duration::from_mins(1)).await;
        assert_eq!(lookup(&late.aws, of_role(OLD)).await.len(), seen.len() + 1);

        let twice = with_pods(delivered(EventDelivery {
            duplicated_share: 1.0,
            ..EventDelivery::default()
        }));
        let events = lookup(&twice.aws, of_role(OLD)).await;
        assert_eq!(events[0], events[1]);
        let never = with_pods(delivered(EventDelivery {
            lost_share: 1.0,
            ..EventDelivery::default()
        }));
        assert_eq!(lookup(&never.aws, of_role(OLD)).await, []);
    });
}

#[test]
fn values_can_be_hidden() {
    in_virtual_time(async {
        let hidden = with_pods(delivered(EventDelivery {
            redacted: vec!["/requestParameters/roleArn".to_owned()],
            narrow_spaces: true,
            ..EventDelivery::default()
        }));
        let event = record(&lookup(&hidden.aws, of_role(OLD)).await[0]);
        let role = &event["requestParameters"]["roleArn"];
        assert_eq!(role, "HIDDEN_DUE_TO_SECURITY_REASONS");
        let expiration = event["responseElements"]["credentials"]["expiration"].as_str();
        assert!(expiration.unwrap().contains('\u{202f}'), "{expiration:?}");
    });
}

#[test]
fn ten_thousand_events_have_pages() {
    in_virtual_time(async {
        let aws = at_home();
        for number in 0..5_000 {
            let (cluster, account) = (format!("prod-{}", number / 1_000), format!("sa-{number}"));
            aws.eks(|eks| eks.associate(REGION, &cluster, "ns", &account, OLD));
        }
        aws.run_pods(PodFleet::default());
        sleep(6 * HOUR).await;
        let start = DateTime::from(aws.now() - 6 * HOUR);
        let client = cloudtrail(&aws);
        let lookup = || client.lookup_events().start_time(start);
        let first = lookup()
            .lookup_attributes(of_role(OLD))
            .send()
            .await
            .unwrap();
        let (mut token, mut ids) = (first.next_token, Vec::new());
        while let Some(next) = token {
            sleep(Duration::from_millis(500)).await;
            let page = lookup().next_token(next).send().await.unwrap();
            assert!(page.events().len() <= 50);
            ids.extend(
                page.events()
                    .iter()
                    .map(|it| it.event_id().unwrap().to_owned()),
            );
            token = page.next_token;
        }
        assert!(ids.len() > 9_000, "{}", ids.len());
        let listed = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), listed);
    });
}

#[test]
fn two_lookups_a_second_are_admitted() {
    in_virtual_time(async {
        let client = cloudtrail(&at_home());
        for expected in ["", "", "ThrottlingException"] {
            assert_eq!(code_of(client.lookup_events().send().await), expected);
        }
        sleep(Duration::from_secs(1)).await;
        assert_eq!(code_of(client.lookup_events().send().await), "");
    });
}

#[test]
fn invalid_lookups_have_codes_of_their_own() {
    in_virtual_time(async {
        let aws = at_home();
        let client = cloudtrail(&aws);
        let lookup = || client.lookup_events();
        let (now, earlier) = (DateTime::from(aws.now()), DateTime::from(aws.now() - HOUR));
        let both = [of_role(OLD), of_role(NEW)];
        let rows = [
            (lookup().max_results(51), "InvalidMaxResultsException"),
            (lookup().next_token("x"), "InvalidNextTokenException"),
            (
                lookup().start_time(now).end_time(earlier),
                "InvalidTimeRangeException",
            ),
            (
                lookup().set_lookup_attributes(Some(both.to_vec())),
                "InvalidLookupAttributesException",
            ),
        ];
        for (lookup, expected) in rows {
            sleep(Duration::from_secs(1)).await;
            assert_eq!(code_of(lookup.send().await), expected);
        }
    });
}
