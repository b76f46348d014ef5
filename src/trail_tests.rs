//! Tables of the places where CloudTrail may say things, and the sample events in `events/index/`.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;

use super::*;

const ARN: &str = "arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod-1/a-1";
const CLUSTER_ARN: &str = "arn:aws:eks:us-east-1:111122223333:cluster/prod-1";

/// An update that names cluster and association in its request, with these changes: a path and what is put there;
/// `"(absent)"` takes the member out.
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
        let parent = parents.split_terminator('.').fold(&mut event, |parent, name| &mut parent[name]);
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
        Subject::AssociationsOf(cluster) => format!("some association of {}", cluster.cluster_arn),
        Subject::DeletedCluster(cluster) => cluster.cluster_arn.clone(),
    }
}

fn check(event: &Value, expected: &Expect) {
    expected.assert_eq(&match read(event) {
        Ok(Reading::Look(trail)) => format!("{}: {}", trail.event_name, shown(&trail.subject)),
        Ok(Reading::Ignore(ignored)) => format!("ignore: {ignored}"),
        Err(unreadable) => unreadable.to_string(),
    });
}

fn look(changes: &Value) -> TrailEvent {
    match read(&event(changes)) {
        Ok(Reading::Look(trail)) => *trail,
        other => panic!("{changes}: {other:?}"),
    }
}

#[test]
fn every_place_that_names_an_association_is_read() {
    let resources = |arn: &str| json!([{ "type": "AWS::EKS::Other" }, { "accountId": "111122223333", "ARN": arn }]);
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
            "detail.responseElements": { "Association": { "ClusterName": "prod-1", "AssociationId": "a-1" } },
        }),
        json!({
            "detail.requestParameters": "(absent)",
            "detail.responseElements": { "association": { "associationArn": ARN } },
        }),
        json!({
            "detail.requestParameters": {},
            "detail.responseElements": { "association": { "associationArn": ARN.replace(':', "%3A") } },
        }),
        json!({ "detail.requestParameters": null, "detail.resources": resources(ARN) }),
        json!({ "detail.requestParameters": null, "detail.resources": [{ "arn": ARN }] }),
        json!({ "detail.requestParameters": null, "resources": [ARN] }),
        json!({ "detail.requestParameters.name": "(absent)", "detail.resources": resources(CLUSTER_ARN) }),
        json!({ "detail.awsRegion": "(absent)", "detail.recipientAccountId": "(absent)" }),
        json!({ "region": "eu-west-1", "account": "999999999999" }),
        json!({ "detail.userIdentity": null }),
    ] {
        assert_eq!(look(&changes).subject, Subject::Association(ARN.parse().unwrap()), "{changes}");
    }
}

#[test]
fn region_account_and_partition_are_the_events() {
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
                "detail.userIdentity.arn": "arn:aws-iso:sts::111122223333:assumed-role/deploy/terraform",
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
fn an_association_that_came_or_went_unnamed_is_looked_for_in_its_cluster() {
    for (event_name, request, response) in [
        ("CreatePodIdentityAssociation", json!({ "name": "prod-1" }), json!(null)),
        (
            "CreatePodIdentityAssociation",
            json!({ "name": "prod-1" }),
            json!({ "association": { "associationId": HIDDEN } }),
        ),
        ("CreatePodIdentityAssociation", json!(null), json!({ "association": { "clusterName": "prod-1" } })),
        ("DeletePodIdentityAssociation", json!({ "name": "prod-1", "associationId": "a/1" }), json!(null)),
    ] {
        let changes = json!({
            "detail.eventName": event_name,
            "detail.requestParameters": request,
            "detail.responseElements": response,
        });
        assert_eq!(look(&changes).subject, Subject::AssociationsOf(prod_1()), "{changes}");
    }
}

#[test]
fn a_deleted_cluster_is_read_from_request_and_response() {
    for (request, response) in [
        (json!({ "name": "prod-1" }), json!(null)),
        (json!(null), json!({ "cluster": { "name": "prod-1" } })),
        (json!(null), json!({ "cluster": { "clusterName": "prod-1" } })),
        (json!(null), json!({ "cluster": { "arn": CLUSTER_ARN } })),
    ] {
        let changes = json!({
            "detail.eventName": "DeleteCluster",
            "detail.requestParameters": request,
            "detail.responseElements": response,
        });
        assert_eq!(look(&changes).subject, Subject::DeletedCluster(prod_1()), "{changes}");
    }
}

#[test]
fn what_is_not_ours_or_changed_nothing_is_ignored() {
    for (changes, expected) in [
        (
            json!({ "detail-type": "EKS Cluster State Change" }),
            expect!["ignore: detail-type is EKS Cluster State Change"],
        ),
        (
            json!({ "detail.eventSource": "eks-auth.amazonaws.com" }),
            expect!["ignore: detail.eventSource is eks-auth.amazonaws.com"],
        ),
        (json!({ "detail.eventName": "CreateNodegroup" }), expect!["ignore: detail.eventName is CreateNodegroup"]),
        (json!({ "detail.errorCode": "AccessDenied" }), expect!["ignore: detail.errorCode is AccessDenied"]),
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
fn an_event_that_does_not_say_where_to_look_tells_what_it_lacks() {
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
        (json!({ "detail.eventName": "(absent)" }), expect!["read CloudTrail event e-1: detail.eventName is missing"]),
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

#[test]
fn the_caller_is_named_as_well_as_the_event_can() {
    for (identity, caller) in [
        (
            json!({ "arn": "arn:aws:iam::111122223333:user/a", "principalId": "AIDA" }),
            Some("arn:aws:iam::111122223333:user/a"),
        ),
        (
            json!({ "principalId": "AROA", "sessionContext": { "sessionIssuer": { "arn": "arn:aws:iam::111122223333:role/r" } } }),
            Some("arn:aws:iam::111122223333:role/r"),
        ),
        (json!({ "type": "SAMLUser", "principalId": "AROA:someone" }), Some("AROA:someone")),
        (json!({ "type": "AWSService", "invokedBy": "eks.amazonaws.com" }), Some("eks.amazonaws.com")),
        (Value::Null, None),
    ] {
        assert_eq!(look(&json!({ "detail.userIdentity": identity })).caller.as_deref(), caller, "{identity}");
    }
}

#[test]
fn a_time_is_read_in_each_of_its_forms() {
    for (value, expected) in [
        (json!(1_795_468_620), Some("2026-11-23T21:17:00.000Z")),
        (json!(1_795_468_620.402), Some("2026-11-23T21:17:00.402Z")),
        (json!("1795468620.402"), Some("2026-11-23T21:17:00.402Z")),
        (json!("2026-11-23T21:17:00Z"), Some("2026-11-23T21:17:00.000Z")),
        (json!("2026-11-23T22:17:00.402+01:00"), Some("2026-11-23T21:17:00.402Z")),
        (json!("Nov 23, 2026, 9:17:00 PM"), Some("2026-11-23T21:17:00.000Z")),
        (json!("Nov 23, 2026 9:17:00 PM"), Some("2026-11-23T21:17:00.000Z")),
        // Java 20 and later put a narrow no-break space before PM.
        (json!("Nov 23, 2026, 9:17:00\u{202f}PM"), Some("2026-11-23T21:17:00.000Z")),
        (json!("Nov 31, 2026, 9:17:00 PM"), None),
        (json!("yesterday"), None),
        (json!("NaN"), None),
        (json!("inf"), None),
        (json!(-1), None),
        (json!(1e300), None),
        (json!([]), None),
        (json!(null), None),
    ] {
        assert_eq!(time(&value).map(|time| time.to_string()).as_deref(), expected, "{value}");
    }
}

#[test]
fn a_call_is_known_by_the_version_that_it_made() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let made = |event_name: &str, modified_at: Value| {
        look(&json!({
            "detail.eventName": event_name,
            "detail.responseElements": { "association": { "modifiedAt": modified_at } },
        }))
    };
    let exact = made("UpdatePodIdentityAssociation", json!(1_795_468_620.402));
    assert!(exact.made(at("2026-11-23T21:17:00.402Z")));
    assert!(!exact.made(at("2026-11-23T21:17:00.403Z")));
    let cut = made("CreatePodIdentityAssociation", json!("Nov 23, 2026, 9:17:00 PM"));
    assert!(cut.made(at("2026-11-23T21:17:00.402Z")));
    assert!(!cut.made(at("2026-11-23T21:17:01.000Z")));
    let deletion = made("DeletePodIdentityAssociation", json!(1_795_468_620.402));
    assert!(!deletion.made(at("2026-11-23T21:17:00.402Z")));
    assert!(!look(&json!({})).made(at("2026-11-23T21:17:00.402Z")));
}

fn sample(name: &str) -> Value {
    let path = format!("{}/events/index/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Shows that every sample in `events/index/` is read as its name says.
#[test]
fn every_sample_is_read_as_its_name_says() {
    let samples = [
        (
            "cloudtrail-create",
            expect![
                "CreatePodIdentityAssociation: arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod-1/a-pj5zr9qm2kx7vt4ud"
            ],
        ),
        (
            "cloudtrail-create-without-response",
            expect![
                "CreatePodIdentityAssociation: some association of arn:aws:eks:us-east-1:111122223333:cluster/prod-1"
            ],
        ),
        (
            "cloudtrail-delete",
            expect![
                "DeletePodIdentityAssociation: arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod-1/a-pj5zr9qm2kx7vt4ud"
            ],
        ),
        ("cloudtrail-delete-cluster", expect!["DeleteCluster: arn:aws:eks:us-east-1:111122223333:cluster/prod-1"]),
        ("cloudtrail-failed-call", expect!["ignore: detail.errorCode is InvalidParameterException"]),
        (
            "cloudtrail-own-update",
            expect![
                "UpdatePodIdentityAssociation: arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod-1/a-pj5zr9qm2kx7vt4ud"
            ],
        ),
        (
            "cloudtrail-resources-only",
            expect![
                "CreatePodIdentityAssociation: arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod-1/a-pj5zr9qm2kx7vt4ud"
            ],
        ),
        (
            "cloudtrail-update",
            expect![
                "UpdatePodIdentityAssociation: arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod-1/a-pj5zr9qm2kx7vt4ud"
            ],
        ),
        (
            "cloudtrail-update-percent-encoded",
            expect![
                "UpdatePodIdentityAssociation: arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod-1/a-pj5zr9qm2kx7vt4ud"
            ],
        ),
    ];
    for (name, expected) in &samples {
        check(&sample(name), expected);
    }
    let files = std::fs::read_dir(format!("{}/events/index", env!("CARGO_MANIFEST_DIR"))).unwrap().count();
    assert_eq!(files, samples.len() + 1, "each sample has a row here, but for the queue's");
}

#[test]
fn the_queues_sample_holds_two_of_the_others() {
    let bodies: Vec<Value> = sample("sqs-cloudtrail")["Records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| serde_json::from_str(record["body"].as_str().unwrap()).unwrap())
        .collect();
    assert_eq!(bodies, [sample("cloudtrail-create"), sample("cloudtrail-update")]);
}

#[test]
fn rotations_own_updates_can_be_told_by_their_caller() {
    let Ok(Reading::Look(trail)) = read(&sample("cloudtrail-own-update")) else { panic!("an update") };
    expect!["arn:aws:sts::111122223333:assumed-role/rerole-RotateRole-1A2B3C4D5E6F/rerole-RotateFunction-7G8H9I0J1K2L"]
        .assert_eq(trail.caller.as_deref().unwrap());
    expect!["aws-sdk-rust/1.3.16 ua/2.1 api/eks/1.160.0 os/linux lang/rust/1.94.1 exec-env/AWS_Lambda_provided.al2023"]
        .assert_eq(trail.user_agent.as_deref().unwrap());
}

/// JSON whose names and texts are often those that are looked for.
fn json_value() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("association".to_owned()),
        Just("associationArn".to_owned()),
        Just("associationId".to_owned()),
        Just("ARN".to_owned()),
        Just("name".to_owned()),
        Just("modifiedAt".to_owned()),
        ".*",
    ];
    let text = prop_oneof![
        Just(ARN.to_owned()),
        Just(CLUSTER_ARN.to_owned()),
        Just("DeleteCluster".to_owned()),
        "[A-Z][a-z]{2} [0-9]{1,2}, [0-9]{4}, [0-9]{1,2}:[0-9]{2}:[0-9]{2} [AP]M",
        "(arn:|aws|:|/|cluster|%[0-9a-f]{0,2}|[a-z0-9-]){0,12}",
        ".*",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Where odd values are put.
const PATHS: &[&str] = &[
    "id",
    "region",
    "resources",
    "detail",
    "detail.awsRegion",
    "detail.errorCode",
    "detail.eventName",
    "detail.eventTime",
    "detail.recipientAccountId",
    "detail.requestParameters",
    "detail.requestParameters.name",
    "detail.requestParameters.associationId",
    "detail.resources",
    "detail.responseElements",
    "detail.userIdentity",
];

proptest! {
    #[test]
    fn nothing_that_an_event_can_hold_makes_it_panic(path in prop::sample::select(PATHS), value in json_value()) {
        let _: Result<_, _> = read(&value);
        let _: Result<_, _> = read(&event(&json!({ path: value })));
    }
}
