//! The sample events in `events/indexer/`.

use expect_test::expect;
use serde_json::Value;

use super::check;
use crate::indexing::cloudtrail::{Parsed, parse};

fn sample(name: &str) -> Value {
    let path = format!(
        "{}/../events/indexer/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn every_sample_is_parsed_as_its_name_says() {
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
        (
            "cloudtrail-delete-cluster",
            expect!["DeleteCluster: arn:aws:eks:us-east-1:111122223333:cluster/prod-1"],
        ),
        (
            "cloudtrail-failed-call",
            expect!["ignore: detail.errorCode is InvalidParameterException"],
        ),
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
            "cloudtrail-update-addon",
            expect![
                "UpdateAddon: some association of arn:aws:eks:us-east-1:111122223333:cluster/prod-1"
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
    let files = std::fs::read_dir(format!("{}/../events/indexer", env!("CARGO_MANIFEST_DIR")))
        .unwrap()
        .count();
    assert_eq!(
        files,
        samples.len() + 1,
        "each sample except the queue's has a row here"
    );
}

#[test]
fn the_queues_sample_has_two_of_the_other_samples() {
    let bodies: Vec<Value> = sample("sqs-cloudtrail")["Records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| serde_json::from_str(record["body"].as_str().unwrap()).unwrap())
        .collect();
    assert_eq!(
        bodies,
        [sample("cloudtrail-create"), sample("cloudtrail-update")]
    );
}

#[test]
fn a_rotations_own_updates_are_recognized_by_their_caller() {
    let Ok(Parsed::Change(change)) = parse(&sample("cloudtrail-own-update"), None) else {
        panic!("an update")
    };
    expect!["arn:aws:sts::111122223333:assumed-role/rerole-RotateRole-1A2B3C4D5E6F/rerole-RotateFunction-7G8H9I0J1K2L"]
        .assert_eq(change.caller.as_deref().unwrap());
    expect!["aws-sdk-rust/1.3.16 ua/2.1 api/eks/1.160.0 os/linux lang/rust/1.94.1 exec-env/AWS_Lambda_provided.al2023"]
        .assert_eq(change.user_agent.as_deref().unwrap());
}
