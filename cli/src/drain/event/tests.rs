//! Records as CloudTrail writes them, and as it may.

use serde_json::json;

use super::*;

pub const ROLE: &str = "arn:aws:iam::111122223333:role/platform/app-2025";

/// A record of EKS Pod Identity for a pod, with the members of an authentic one.
pub fn sample() -> Value {
    json!({
        "eventVersion": "1.08",
        "userIdentity": { "type": "AWSService", "invokedBy": "pods.eks.amazonaws.com" },
        "eventTime": "2026-11-23T21:12:00Z",
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeRole",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "pods.eks.amazonaws.com",
        "userAgent": "pods.eks.amazonaws.com",
        "requestParameters": {
            "roleArn": ROLE,
            "roleSessionName": "eks-prod-1-api-7d4b9c6f5d--498124c2",
            "durationSeconds": 21_600,
            "tags": [
                { "key": "eks-cluster-arn", "value": "arn:aws:eks:eu-west-1:111122223333:cluster/prod-1" },
                { "key": "eks-cluster-name", "value": "prod-1" },
                { "key": "kubernetes-namespace", "value": "payments" },
                { "key": "kubernetes-service-account", "value": "api" },
                { "key": "kubernetes-pod-name", "value": "api-7d4b9c6f5d-x2x9z" },
                { "key": "kubernetes-pod-uid", "value": "0cda7f85" },
            ],
            "transitiveTagKeys": ["eks-cluster-arn", "eks-cluster-name"],
        },
        "responseElements": {
            "credentials": {
                "accessKeyId": "ASIAEXAMPLE",
                "sessionToken": "IQoJb3JpZ2luX2VjE",
                "expiration": "Nov 24, 2026, 3:12:00 AM",
            },
            "assumedRoleUser": { "assumedRoleId": "AROAEXAMPLE:eks", "arn": ROLE },
        },
        "resources": [{ "accountId": "111122223333", "type": "AWS::IAM::Role", "ARN": ROLE }],
        "eventID": "e-1",
        "readOnly": true,
    })
}

/// The sample with the members at these pointers replaced, or removed if null.
fn with(changes: &[(&str, Value)]) -> Value {
    let mut record = sample();
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = record.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        if value.is_null() {
            parent.remove(name);
        } else {
            parent.insert(name.to_owned(), value.clone());
        }
    }
    record
}

fn read_use(record: &Value) -> CredentialUse {
    let record_text = record.to_string();
    match read(Found {
        record: &record_text,
        role: ROLE,
    }) {
        Record::Use(it) => *it,
        other => panic!("{other:?}: {record}"),
    }
}

fn expiry(record: &Value) -> String {
    match read_use(record).result {
        CallResult::ValidUntil(until) => until.to_string(),
        CallResult::Refused(why) => why,
    }
}

fn read_pod(record: &Value) -> Pod {
    match read_use(record).caller {
        Caller::Pod(pod) => pod,
        Caller::Other(other) => panic!("{other:?}: {record}"),
    }
}

#[test]
fn a_record_of_a_pod_says_who_received_what_until_when() {
    let read = read_use(&sample());
    assert_eq!(read.event_id.as_deref(), Some("e-1"));
    assert_eq!(read.at.to_string(), "2026-11-23T21:12:00.000Z");
    assert_eq!(read.region, "us-east-1");
    assert_eq!(expiry(&sample()), "2026-11-24T03:12:00.000Z");
    let text = |text: &str| Some(text.to_owned());
    let expected = Pod {
        region: "eu-west-1".to_owned(),
        cluster_arn: text("arn:aws:eks:eu-west-1:111122223333:cluster/prod-1"),
        cluster: text("prod-1"),
        namespace: text("payments"),
        service_account: text("api"),
        name: text("api-7d4b9c6f5d-x2x9z"),
        uid: text("0cda7f85"),
        session: text("eks-prod-1-api-7d4b9c6f5d--498124c2"),
    };
    assert_eq!(read_pod(&sample()), expected);
}

#[test]
fn the_expiry_is_read_in_each_form_and_else_follows_from_the_duration() {
    const EXPIRATION: &str = "/responseElements/credentials/expiration";
    const DURATION: &str = "/requestParameters/durationSeconds";
    for (changes, expected) in [
        (
            vec![(EXPIRATION, json!("Nov 24, 2026, 3:00:00\u{202f}AM"))],
            "03:00:00",
        ),
        (
            vec![(EXPIRATION, json!("2026-11-24T02:00:00Z"))],
            "02:00:00",
        ),
        (
            vec![(EXPIRATION, json!(HIDDEN)), (DURATION, json!(3_600))],
            "22:12:00",
        ),
        (vec![("/responseElements", json!(HIDDEN))], "03:12:00"),
        (
            vec![("/responseElements", Value::Null), (DURATION, Value::Null)],
            "03:12:00",
        ),
    ] {
        let expiry = expiry(&with(&changes));
        assert!(expiry.contains(expected), "{changes:?}: {expiry}");
    }
}

#[test]
fn a_pod_is_recognized_in_every_partition_and_by_every_form_of_its_tags() {
    const TAGS: &str = "/requestParameters/tags";
    let tags = || json!({ "eks-cluster-name": "prod-1", "kubernetes-pod-name": "api-0" });
    let china = json!("pods.eks.amazonaws.com.cn");
    for changes in [
        vec![("/userIdentity/invokedBy", china)],
        vec![("/userIdentity", json!(HIDDEN))],
        vec![(TAGS, tags())],
        vec![
            (TAGS, Value::Null),
            ("/requestParameters/principalTags", tags()),
        ],
    ] {
        let pod = read_pod(&with(&changes));
        assert_eq!(pod.cluster.as_deref(), Some("prod-1"), "{changes:?}");
        assert!(pod.name.is_some(), "{changes:?}");
    }
}

/// An association can leave out the tags, and CloudTrail can hide them.
#[test]
fn a_pod_without_tags_has_its_session() {
    for tags in [
        Value::Null,
        json!(HIDDEN),
        json!([{ "key": HIDDEN }]),
        json!(7),
    ] {
        let pod = read_pod(&with(&[("/requestParameters/tags", tags)]));
        let session = Some("eks-prod-1-api-7d4b9c6f5d--498124c2".to_owned());
        let expected = Pod {
            region: "us-east-1".to_owned(),
            session,
            ..Pod::default()
        };
        assert_eq!(pod, expected);
    }
}

/// The credentials of a target role come from a session that has the tags of the pod.
#[test]
fn inherited_tags_are_believed_and_given_ones_are_not() {
    let person = json!({ "type": "AssumedRole", "arn": "arn:aws:sts::1:assumed-role/a/jane" });
    let from = json!("203.0.113.7");
    let inherited = json!({
        "eks-cluster-arn": "arn:aws-cn:eks:cn-north-1:111122223333:cluster/edge",
        "kubernetes-pod-name": "api-0",
    });
    let mut changes = vec![("/userIdentity", person), ("/sourceIPAddress", from)];
    let claimed = read_use(&with(&changes)).caller;
    let Caller::Other(claimed) = claimed else {
        panic!("{claimed:?}");
    };
    assert_eq!(claimed.kind, OtherKind::Principal);
    assert_eq!(claimed.name, "arn:aws:sts::1:assumed-role/a/jane");
    changes.push(("/requestParameters/incomingTransitiveTags", inherited));
    let pod = read_pod(&with(&changes));
    assert_eq!(
        (pod.region.as_str(), pod.cluster.as_deref()),
        ("cn-north-1", Some("edge"))
    );
}

#[test]
fn other_callers_are_named_by_what_they_are() {
    use OtherKind::{Principal, Service, WebIdentity};
    let irsa = json!({ "type": "WebIdentityUser", "userName": "system:serviceaccount:a:b" });
    for (event, identity, kind, name) in [
        (
            "AssumeRoleWithWebIdentity",
            irsa,
            WebIdentity,
            "system:serviceaccount:a:b",
        ),
        (
            "AssumeRole",
            json!({ "type": "AWSService", "invokedBy": "ec2.amazonaws.com" }),
            Service,
            "ec2.amazonaws.com",
        ),
        (
            "AssumeRole",
            json!({ "type": "AWSAccount", "accountId": "4" }),
            Principal,
            "4",
        ),
        (
            "AssumeRoleWithSAML",
            json!({ "principalId": "jane" }),
            Principal,
            "jane",
        ),
        (
            "AssumeRole",
            json!({}),
            Principal,
            "a caller that the record does not name",
        ),
    ] {
        let record = with(&[
            ("/eventName", json!(event)),
            ("/userIdentity", identity),
            ("/sourceIPAddress", Value::Null),
        ]);
        let expected = Caller::Other(OtherCaller {
            kind,
            name: name.to_owned(),
        });
        assert_eq!(read_use(&record).caller, expected);
    }
}

#[test]
fn a_refusal_has_its_error() {
    let denied = ("/errorCode", json!("AccessDenied"));
    let message = ("/errorMessage", json!("not authorized"));
    let record = with(&[denied.clone(), message]);
    let refused = CallResult::Refused("AccessDenied: not authorized".to_owned());
    assert_eq!(read_use(&record).result, refused);
    let refused = CallResult::Refused("AccessDenied".to_owned());
    assert_eq!(read_use(&with(&[denied])).result, refused);
}

#[test]
fn what_cannot_be_read_is_told_apart_from_what_is_no_use() {
    let missing = |pointer: &str| with(&[(pointer, Value::Null)]).to_string();
    let other_role = with(&[("/requestParameters/roleArn", json!("arn:aws:iam::1:role/b"))]);
    for (record, is_no_use) in [
        ("{".to_owned(), false),
        ("[]".to_owned(), false),
        (missing("/eventName"), false),
        (missing("/eventTime"), false),
        (with(&[("/eventTime", json!("soon"))]).to_string(), false),
        (
            with(&[("/eventName", json!("PutRolePolicy"))]).to_string(),
            true,
        ),
        (other_role.to_string(), true),
    ] {
        let read = read(Found {
            record: &record,
            role: ROLE,
        });
        assert_eq!(read == Record::NoUse, is_no_use, "{record}");
        assert_eq!(
            matches!(read, Record::Unreadable(_)),
            !is_no_use,
            "{record}"
        );
    }
}

#[test]
fn names_of_a_record_cannot_write_to_a_terminal() {
    let tags = json!({ "kubernetes-pod-name": format!("a\u{1b}[2J{}", "b".repeat(500)) });
    let pod = read_pod(&with(&[("/requestParameters/tags", tags)]));
    let name = pod.name.unwrap();
    assert!(name.starts_with("a\\u001b[2Jbbb"), "{name}");
    assert!(name.len() <= TEXT_LEN_MAX + '…'.len_utf8());
}
