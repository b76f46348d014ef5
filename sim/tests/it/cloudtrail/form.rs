//! The events in full, and the options of their form.

use std::time::Duration;

use aws_sdk_eks::config::retry::RetryConfig;
use aws_sdk_eks::operation::RequestId;
use expect_test::{Expect, expect};
use rerole_sim::{CloudTrailTimes, Options, SimulatedAws};
use serde_json::{Value, json};

use crate::cloudtrail::{update_role, with_cloudtrail};
use crate::harness::{
    NEW, NO_LATENCY, OneAssociation, create_cluster, eks, eks_with, in_virtual_time,
};

#[test]
fn the_event_of_a_success_has_the_request_and_the_response() {
    in_virtual_time(async {
        let one = OneAssociation::new(with_cloudtrail());
        let updated = one.update_with_token(NEW).await;
        let response = updated.expect("a valid update");
        let events = one.aws.cloudtrail_events();
        let request_id = response.request_id().expect("a response has one");
        assert_eq!(events[0]["detail"]["requestID"], request_id);
        check(events, &SUCCESS);
    });
}

const SUCCESS: Expect = expect![[r#"
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
"#]];

/// The caller is of another account, in another partition.
#[test]
fn the_event_of_an_error_has_its_code_and_message() {
    in_virtual_time(async {
        let aws = SimulatedAws::new(with_cloudtrail());
        let client = eks_with(&aws, "444455556666", "cn-north-1", RetryConfig::disabled());
        let code = update_role(&client, "absent/a-1", NEW).await;
        assert_eq!(code, "ResourceNotFoundException");
        check(aws.cloudtrail_events(), &ERROR);
    });
}

const ERROR: Expect = expect![[r#"
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
"#]];

/// The user agent depends on this machine and on the SDK's version.
fn check(mut events: Vec<Value>, expected: &Expect) {
    for event in &mut events {
        let agent = event["detail"]["userAgent"].take();
        let is_sdk = agent
            .as_str()
            .is_some_and(|agent| agent.starts_with("aws-sdk-rust/"));
        assert!(is_sdk, "{agent}");
        event["detail"]["userAgent"] = json!("aws-sdk-rust");
    }
    let events: Vec<String> = events.iter().map(|event| format!("{event:#}\n")).collect();
    expected.assert_eq(&events.concat());
}

/// With the option off they are decoded. A name in the body is never encoded.
#[test]
fn names_are_encoded_as_in_the_path() {
    let rows = [
        ("prod", true, "prod"),
        ("prod eu/1", true, "prod%20eu%2F1"),
        ("prod eu/1", false, "prod eu/1"),
        ("é%", true, "%C3%A9%25"),
        ("é%", false, "é%"),
    ];
    for (cluster, cloudtrail_encoded_names, name) in rows {
        in_virtual_time(async {
            let aws = SimulatedAws::new(Options {
                cloudtrail_encoded_names,
                ..with_cloudtrail()
            });
            let client = eks(&aws);
            update_role(&client, &format!("{cluster}/a 1"), NEW).await;
            let _ = create_cluster(&client, cluster).send().await;
            let events = aws.cloudtrail_events();
            let parameters = |at: usize| &events[at]["detail"]["requestParameters"];
            assert_eq!(parameters(0)["name"], name, "{cluster}");
            let is_encoded = parameters(0)["associationId"] == "a%201";
            let is_decoded = parameters(0)["associationId"] == "a 1";
            assert_eq!(is_encoded, cloudtrail_encoded_names, "{cluster}");
            assert_eq!(is_decoded, !cloudtrail_encoded_names, "{cluster}");
            assert_eq!(parameters(1)["name"], cluster);
        });
    }
}

#[test]
fn response_elements_follow_the_options() {
    let times = |cloudtrail_times| Options {
        cloudtrail_times,
        ..with_cloudtrail()
    };
    let without_response = Options {
        cloudtrail_response_elements: false,
        ..with_cloudtrail()
    };
    let rfc3339 = json!("2026-11-23T21:00:02.500Z");
    let english = json!("Nov 23, 2026, 9:00:02 PM");
    let rows = [
        (times(CloudTrailTimes::EpochSeconds), json!(1_795_467_602.5)),
        (times(CloudTrailTimes::Rfc3339), rfc3339),
        (times(CloudTrailTimes::English), english),
        (without_response, Value::Null),
    ];
    for (options, modified_at) in rows {
        in_virtual_time(async {
            let one = OneAssociation::new(Options {
                latency: NO_LATENCY,
                ..options
            });
            tokio::time::advance(Duration::from_millis(2_500)).await;
            one.update_with_token(NEW).await.expect("a valid update");
            let detail = &one.aws.cloudtrail_events()[0]["detail"];
            let association = &detail["responseElements"]["association"];
            assert_eq!(association["modifiedAt"], modified_at);
            assert_eq!(detail["eventTime"], "2026-11-23T21:00:02Z", "whole seconds");
            assert!(detail.get("errorCode").is_none(), "a success in any case");
        });
    }
}
