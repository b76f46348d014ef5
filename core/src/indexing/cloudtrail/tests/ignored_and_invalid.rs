//! Events that are ignored, and events that cannot be parsed.

use expect_test::expect;
use serde_json::json;

use super::{Parsed, check, event, parse};

#[test]
fn other_events_and_failed_calls_are_ignored() {
    for (changes, expected) in [
        (
            json!({ "detail-type": "EKS Cluster State Change" }),
            expect!["ignore: detail-type is EKS Cluster State Change"],
        ),
        (
            json!({ "detail.eventSource": "eks-auth.amazonaws.com" }),
            expect!["ignore: detail.eventSource is eks-auth.amazonaws.com"],
        ),
        (
            json!({ "detail.eventName": "CreateNodegroup" }),
            expect!["ignore: detail.eventName is CreateNodegroup"],
        ),
        (
            json!({ "detail.errorCode": "AccessDenied" }),
            expect!["ignore: detail.errorCode is AccessDenied"],
        ),
        (
            json!({ "detail.errorCode": null, "detail.errorMessage": null }),
            expect![
                "UpdatePodIdentityAssociation: arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod-1/a-1"
            ],
        ),
    ] {
        check(&event(&changes), &expected);
    }
}

#[test]
fn an_event_without_a_subject_is_an_error_that_names_what_is_missing() {
    for (changes, expected) in [
        (
            json!({ "detail.requestParameters": null }),
            expect![
                "read CloudTrail event e-1: detail.requestParameters.name or detail.requestParameters.clusterName or detail.responseElements.association.clusterName or detail.responseElements.cluster.name or detail.responseElements.cluster.clusterName is missing"
            ],
        ),
        (
            json!({ "detail.requestParameters.associationId": 7 }),
            expect![
                "read CloudTrail event e-1: detail.requestParameters.associationId or detail.responseElements.association.associationId is missing"
            ],
        ),
        (
            json!({ "detail.requestParameters.associationId": "%ff" }),
            expect![[
                r#"read CloudTrail event e-1: "arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod-1/�" is not allowed; allowed: arn:<partition>:eks:<region>:<12-digit account>:podidentityassociation/<cluster>/<associationId>"#
            ]],
        ),
        (
            json!({ "detail.requestParameters.name": "prod/1" }),
            expect![[
                r#"read CloudTrail event e-1: "arn:aws:eks:us-east-1:111122223333:cluster/prod/1" is not allowed; allowed: arn:<partition>:eks:<region>:<account>:cluster/<name>"#
            ]],
        ),
        (
            json!({ "detail.awsRegion": null, "region": "" }),
            expect!["read CloudTrail event e-1: detail.awsRegion or region is missing"],
        ),
        (
            json!({ "detail.awsRegion": "nowhere" }),
            expect![[
                r#"read CloudTrail event e-1: "arn:aws:eks:nowhere:111122223333:cluster/prod-1" is not allowed; allowed: arn:<partition>:eks:<region>:<account>:cluster/<name>"#
            ]],
        ),
        (
            json!({ "detail.recipientAccountId": "(absent)", "account": "(absent)" }),
            expect![
                "read CloudTrail event e-1: detail.recipientAccountId or account or detail.userIdentity.accountId is missing"
            ],
        ),
        (
            json!({ "detail.eventName": "(absent)" }),
            expect!["read CloudTrail event e-1: detail.eventName is missing"],
        ),
        (
            json!({ "detail": null, "id": "(absent)" }),
            expect![
                "read CloudTrail event 25b0577ad5e36732f432683169df8f6d545335e841cd7c41bf9575005fa281ca: detail.eventSource is missing"
            ],
        ),
    ] {
        check(&event(&changes), &expected);
    }
    check(
        &json!([]),
        &expect![
            "read CloudTrail event 4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945: detail-type is missing"
        ],
    );
}

/// The log would have all of it, and a log line has a limit.
#[test]
fn long_texts_are_shortened() {
    let long = "x".repeat(200_000);
    let ignored = match parse(&event(&json!({ "detail.eventName": long })), None) {
        Ok(Parsed::Ignored(ignored)) => ignored.value,
        other => panic!("{other:?}"),
    };
    let region = parse(&event(&json!({ "detail.awsRegion": long })), None).unwrap_err();
    let change = match parse(&event(&json!({ "detail.userAgent": long })), None) {
        Ok(Parsed::Change(change)) => change.user_agent.unwrap(),
        other => panic!("{other:?}"),
    };
    for text in [ignored, region.problem, change] {
        assert!((1_000..1_100).contains(&text.len()), "{}", text.len());
    }
}
