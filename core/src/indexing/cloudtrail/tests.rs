//! Tables of the places in which a CloudTrail event may have its members. The sample events, the
//! times and versions, and the property test are in `tests/`.

mod ignored_and_invalid;
mod properties;
mod samples;
mod times;

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;

const ARN: &str = "arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod-1/a-1";
const CLUSTER_ARN: &str = "arn:aws:eks:us-east-1:111122223333:cluster/prod-1";

/// Returns an update that names cluster and association in its request. `changes` maps paths to new
/// values. The value `"(absent)"` removes a member.
fn event(changes: &Value) -> Value {
    let mut event = json!({
        "id": "e-1",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.eks",
        "account": "111122223333",
        "region": "us-east-1",
        "detail": {
            "userIdentity": { "arn": "arn:aws:sts::111122223333:assumed-role/deploy/terraform" },
            "eventTime": "2026-11-23T21:17:00Z",
            "eventSource": "eks.amazonaws.com",
            "eventName": "UpdatePodIdentityAssociation",
            "awsRegion": "us-east-1",
            "userAgent": "terraform",
            "requestParameters": { "name": "prod-1", "associationId": "a-1" },
            "responseElements": null,
            "recipientAccountId": "111122223333",
        },
    });
    for (path, value) in changes.as_object().unwrap() {
        let (parents, name) = path.rsplit_once('.').unwrap_or(("", path));
        let parent = parents
            .split_terminator('.')
            .fold(&mut event, |parent, name| &mut parent[name]);
        if value == "(absent)" {
            parent.as_object_mut().unwrap().remove(name);
        } else {
            parent[name] = value.clone();
        }
    }
    event
}

fn prod_1() -> Cluster {
    Cluster {
        cluster_arn: CLUSTER_ARN.to_owned(),
        region: "us-east-1".to_owned(),
        account: "111122223333".to_owned(),
        cluster_name: "prod-1".to_owned(),
    }
}

fn shown(subject: &Subject) -> String {
    match subject {
        Subject::Association(arn) => arn.to_string(),
        Subject::ClusterAssociations(cluster) => {
            format!("some association of {}", cluster.cluster_arn)
        }
        Subject::DeletedCluster(cluster) => cluster.cluster_arn.clone(),
    }
}

fn check(event: &Value, expected: &Expect) {
    expected.assert_eq(&match parse(event, None) {
        Ok(Parsed::Change(change)) => {
            format!("{}: {}", change.event_name, shown(&change.subject))
        }
        Ok(Parsed::Ignored(ignored)) => format!("ignore: {ignored}"),
        Err(invalid) => invalid.to_string(),
    });
}

fn change(changes: &Value) -> CloudTrailEvent {
    match parse(&event(changes), None) {
        Ok(Parsed::Change(change)) => *change,
        other => panic!("{changes}: {other:?}"),
    }
}

#[test]
fn an_association_is_found_in_every_place_that_may_name_it() {
    let resources = |arn: &str| {
        let other = json!({ "type": "AWS::EKS::Other" });
        json!([other, { "accountId": "111122223333", "ARN": arn }])
    };
    for changes in [
        json!({}),
        json!({ "detail.requestParameters": { "clusterName": "prod-1", "associationId": "a-1" } }),
        json!({ "detail.requestParameters": { "NAME": "prod-1", "AssociationID": "a-1" } }),
        json!({ "detail.requestParameters": { "name": "prod%2D1", "associationId": "a%2d1" } }),
        json!({
            "detail.requestParameters.associationId": "(absent)",
            "detail.responseElements": { "association": { "associationId": "a-1" } },
        }),
        json!({
            "detail.requestParameters": null,
            "detail.responseElements": {
                "Association": { "ClusterName": "prod-1", "AssociationId": "a-1" },
            },
        }),
        json!({
            "detail.requestParameters": "(absent)",
            "detail.responseElements": { "association": { "associationArn": ARN } },
        }),
        json!({
            "detail.requestParameters": {},
            "detail.responseElements": {
                "association": { "associationArn": ARN.replace(':', "%3A") },
            },
        }),
        json!({ "detail.requestParameters": null, "detail.resources": resources(ARN) }),
        json!({ "detail.requestParameters": null, "detail.resources": [{ "arn": ARN }] }),
        json!({ "detail.requestParameters": null, "resources": [ARN] }),
        json!({
            "detail.requestParameters.name": "(absent)",
            "detail.resources": resources(CLUSTER_ARN),
        }),
        json!({ "detail.awsRegion": "(absent)", "detail.recipientAccountId": "(absent)" }),
        json!({ "region": "eu-west-1", "account": "999999999999" }),
        json!({ "detail.userIdentity": null }),
    ] {
        assert_eq!(
            change(&changes).subject,
            Subject::Association(ARN.parse().unwrap()),
            "{changes}"
        );
    }
}

#[test]
fn region_account_and_partition_are_found_in_the_event() {
    for (changes, expected) in [
        (
            json!({ "detail.awsRegion": "eu-west-1", "detail.recipientAccountId": "999999999999" }),
            expect![
                "UpdatePodIdentityAssociation: arn:aws:eks:eu-west-1:999999999999:podidentityassociation/prod-1/a-1"
            ],
        ),
        (
            json!({ "detail.awsRegion": "(absent)", "region": "eu-west-1" }),
            expect![
                "UpdatePodIdentityAssociation: arn:aws:eks:eu-west-1:111122223333:podidentityassociation/prod-1/a-1"
            ],
        ),
        (
            json!({ "detail.recipientAccountId": "(absent)", "account": "999999999999" }),
            expect![
                "UpdatePodIdentityAssociation: arn:aws:eks:us-east-1:999999999999:podidentityassociation/prod-1/a-1"
            ],
        ),
        (
            json!({
                "detail.recipientAccountId": "(absent)",
                "account": "(absent)",
                "detail.userIdentity": { "accountId": "999999999999" },
            }),
            expect![
                "UpdatePodIdentityAssociation: arn:aws:eks:us-east-1:999999999999:podidentityassociation/prod-1/a-1"
            ],
        ),
        (
            json!({
                "detail.awsRegion": "us-iso-east-1",
                "detail.userIdentity.arn":
                    "arn:aws-iso:sts::111122223333:assumed-role/deploy/terraform",
            }),
            expect![
                "UpdatePodIdentityAssociation: arn:aws-iso:eks:us-iso-east-1:111122223333:podidentityassociation/prod-1/a-1"
            ],
        ),
        (
            json!({ "detail.awsRegion": "cn-north-1", "detail.userIdentity": null }),
            expect![
                "UpdatePodIdentityAssociation: arn:aws-cn:eks:cn-north-1:111122223333:podidentityassociation/prod-1/a-1"
            ],
        ),
        (
            json!({ "detail.awsRegion": "us-gov-west-1", "detail.userIdentity": null }),
            expect![
                "UpdatePodIdentityAssociation: arn:aws-us-gov:eks:us-gov-west-1:111122223333:podidentityassociation/prod-1/a-1"
            ],
        ),
    ] {
        check(&event(&changes), &expected);
    }
}

#[test]
fn each_subject_says_where_it_is_and_is_in_the_own_account() {
    let own = |account: &str| {
        OwnAccount::of_function(&format!(
            "arn:aws:lambda:us-east-1:{account}:function:index"
        ))
    };
    for event_name in [
        "UpdatePodIdentityAssociation",
        "CreateAddon",
        "DeleteCluster",
    ] {
        let changes = json!({ "detail.eventName": event_name });
        let subject = change(&changes).subject;
        let place = (subject.region(), subject.cluster_name());
        assert_eq!(place, ("us-east-1", "prod-1"), "{event_name}");
        for (account, is_own) in [("111122223333", true), ("999999999999", false)] {
            let parsed = parse(&event(&changes), own(account).as_ref());
            assert_eq!(parsed.is_ok(), is_own, "{event_name} in {account}");
        }
    }
}

#[test]
fn an_unnamed_created_or_deleted_association_means_a_diff_of_its_cluster() {
    for (event_name, request, response) in [
        (
            "CreatePodIdentityAssociation",
            json!({ "name": "prod-1" }),
            json!(null),
        ),
        (
            "CreatePodIdentityAssociation",
            json!({ "name": "prod-1" }),
            json!({ "association": { "associationId": HIDDEN } }),
        ),
        (
            "CreatePodIdentityAssociation",
            json!(null),
            json!({ "association": { "clusterName": "prod-1" } }),
        ),
        (
            "DeletePodIdentityAssociation",
            json!({ "name": "prod-1", "associationId": "a/1" }),
            json!(null),
        ),
    ] {
        let changes = json!({
            "detail.eventName": event_name,
            "detail.requestParameters": request,
            "detail.responseElements": response,
        });
        assert_eq!(
            change(&changes).subject,
            Subject::ClusterAssociations(prod_1()),
            "{changes}"
        );
    }
}

#[test]
fn a_deleted_cluster_is_found_in_request_and_response() {
    for (request, response) in [
        (json!({ "name": "prod-1" }), json!(null)),
        (json!(null), json!({ "cluster": { "name": "prod-1" } })),
        (
            json!(null),
            json!({ "cluster": { "clusterName": "prod-1" } }),
        ),
        (json!(null), json!({ "cluster": { "arn": CLUSTER_ARN } })),
    ] {
        let changes = json!({
            "detail.eventName": "DeleteCluster",
            "detail.requestParameters": request,
            "detail.responseElements": response,
        });
        assert_eq!(
            change(&changes).subject,
            Subject::DeletedCluster(prod_1()),
            "{changes}"
        );
    }
}

#[test]
fn the_caller_is_the_most_specific_name_in_the_event() {
    for (identity, caller) in [
        (
            json!({ "arn": "arn:aws:iam::111122223333:user/a", "principalId": "AIDA" }),
            Some("arn:aws:iam::111122223333:user/a"),
        ),
        (
            json!({
                "principalId": "AROA",
                "sessionContext": {
                    "sessionIssuer": { "arn": "arn:aws:iam::111122223333:role/r" },
                },
            }),
            Some("arn:aws:iam::111122223333:role/r"),
        ),
        (
            json!({ "type": "SAMLUser", "principalId": "AROA:someone" }),
            Some("AROA:someone"),
        ),
        (
            json!({ "type": "AWSService", "invokedBy": "eks.amazonaws.com" }),
            Some("eks.amazonaws.com"),
        ),
        (Value::Null, None),
    ] {
        assert_eq!(
            change(&json!({ "detail.userIdentity": identity }))
                .caller
                .as_deref(),
            caller,
            "{identity}"
        );
    }
}
