//! The events of pods: what they contain, and when there is one.

use std::ops::RangeInclusive;
use std::time::Duration;

use aws_sdk_cloudtrail::config::{BehaviorVersion, Region};
use aws_sdk_cloudtrail::types::{Event, LookupAttributeKey};
use expect_test::expect;
use rerole_sim::{Options, PodFleet, Service, SimulatedAws};
use serde_json::Value;
use tokio::time::sleep;

use crate::harness::{NEW, OLD, OneAssociation, REGION, credentials, in_virtual_time};
use crate::lookup_events::{HOUR, by, lookup, of_role, record, time, with_pods};

/// How often a pod renews its credentials.
const RENEWALS: RangeInclusive<Duration> = Duration::from_mins(174)..=Duration::from_mins(186);

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
                "roleSessionName": "eks-prod-sa-482w42d-20f47cd4-91b0-4104-a22d-a33d1c985dc4",
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
                    "value": "sa-482w42d56-l9bwm"
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
                  "arn": "arn:aws:sts::111122223333:assumed-role/old/eks-prod-sa-482w42d-20f47cd4-91b0-4104-a22d-a33d1c985dc4",
                  "assumedRoleId": "AROA12F2GS35SIKIB5XK0:eks-prod-sa-482w42d-20f47cd4-91b0-4104-a22d-a33d1c985dc4"
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
            assert!(RENEWALS.contains(&between), "{between:?}");
        }
    });
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
fn other_partitions_have_arns_of_their_own() {
    in_virtual_time(async {
        for (region, partition) in [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")] {
            let aws = SimulatedAws::new(Options::default());
            let role = format!("arn:{partition}:iam::111122223333:role/teams/app");
            aws.eks(|eks| eks.associate(region, "prod", "ns", "sa", &role));
            aws.run_pods(PodFleet::default());
            let config = aws_sdk_cloudtrail::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::from_static(region))
                .credentials_provider(credentials("AKIDEXAMPLE"))
                .http_client(aws.http_client())
                .time_source(aws.time_source())
                .build();
            let client = aws_sdk_cloudtrail::Client::from_conf(config);
            let found = client.lookup_events().lookup_attributes(of_role(&role));
            let event = record(&found.send().await.unwrap().events()[0]);
            let session = event["responseElements"]["assumedRoleUser"]["arn"].as_str();
            let expected =
                format!("arn:{partition}:sts::111122223333:assumed-role/app/eks-prod-sa-");
            assert!(session.unwrap().starts_with(&expected), "{session:?}");
            let cluster = &event["requestParameters"]["tags"][0]["value"];
            assert_eq!(
                *cluster,
                format!("arn:{partition}:eks:{region}:111122223333:cluster/prod")
            );
        }
    });
}
