//! The text of each key.

use super::*;
use crate::request::testing::requested;
use crate::request::{Rollback, RotationId, RotationRequest};

const ARN: &str = "arn:aws-cn:eks:cn-north-1:111122223333:podidentityassociation/prod/a-1";

fn rotation_id() -> RotationId {
    RotationId::new("r-1").unwrap()
}

fn arn() -> AssociationArn {
    ARN.parse().unwrap()
}

#[test]
fn each_partition_key_has_its_text() {
    let role = "arn:aws:iam::111122223333:role/platform/a";
    for (key, text) in [
        (
            RotationKey::Rotation(rotation_id()).into(),
            "r-1".to_owned(),
        ),
        (
            RotationKey::DryRun(rotation_id()).into(),
            "dry-run/r-1".to_owned(),
        ),
        (
            RotationKey::Rollback(rotation_id()).into(),
            "rollback/r-1".to_owned(),
        ),
        (
            RotationKey::RollbackDryRun(rotation_id()).into(),
            "dry-run/rollback/r-1".to_owned(),
        ),
        (
            LedgerKey::Role(role.parse().unwrap()),
            format!("role/{role}"),
        ),
        (
            LedgerKey::Rejected("e-1".to_owned()),
            "rejected/e-1".to_owned(),
        ),
        (LedgerKey::Index, "index".to_owned()),
        (
            LedgerKey::Rates("eu-west-1".to_owned()),
            "rates/eu-west-1".to_owned(),
        ),
    ] {
        assert_eq!(key.to_string(), text);
    }
}

#[test]
fn each_partition_key_of_the_index_has_its_text() {
    let cluster_arn = arn().cluster_arn();
    for (partition, text) in [
        (IndexPartition::Cluster(cluster_arn.clone()), cluster_arn),
        (
            IndexPartition::Region("eu-west-1".to_owned()),
            "clusters/eu-west-1".to_owned(),
        ),
    ] {
        assert_eq!(partition.to_string(), text);
        let region = matches!(partition, IndexPartition::Region(_)).then_some("eu-west-1");
        assert_eq!(IndexPartition::region(&text), region, "{text}");
    }
}

#[test]
fn each_sort_key_has_its_text() {
    let version = Timestamp::from_millis(1_000);
    for (entry, text) in [
        (Entry::Rotation, "rotation".to_owned()),
        (Entry::Association(arn()), format!("association#{ARN}")),
        (
            Entry::Reversion(arn(), version),
            format!("reversion#{ARN}#1970-01-01T00:00:01.000Z"),
        ),
        (Entry::Role, "role".to_owned()),
        (
            Entry::RoleRotation(RoleRotation {
                side: Side::Onto,
                started_at: Timestamp::from_millis(0),
                key: RotationKey::Rotation(rotation_id()),
            }),
            "onto#1970-01-01T00:00:00.000Z#r-1".to_owned(),
        ),
        (Entry::Run, "run".to_owned()),
        (Entry::Next, "next".to_owned()),
        (
            Entry::Region("eu-west-1".to_owned()),
            "region#eu-west-1".to_owned(),
        ),
        (Entry::Rates, "rates".to_owned()),
    ] {
        assert_eq!(entry.to_string(), text);
    }
    assert_eq!(Entry::region("region#eu-west-1"), Some("eu-west-1"));
    assert_eq!(Entry::region("run"), None);
}

#[test]
fn a_dry_run_and_a_rollback_have_keys_of_their_own() {
    for (dry_run, key) in [(false, "r-1"), (true, "dry-run/r-1")] {
        let requested = requested(&serde_json::json!({ "dryRun": dry_run }));
        let found = RotationKey::of(&requested.request);
        assert_eq!(
            (found.to_string().as_str(), found.rotation_id()),
            (key, &rotation_id())
        );
        assert_eq!(found.without_dry_run().to_string(), "r-1");
    }
    let request = requested(&serde_json::json!({})).request;
    for (dry_run, key) in [(false, "rollback/r-1"), (true, "dry-run/rollback/r-1")] {
        let found = RotationKey::of(&RotationRequest {
            dry_run,
            ..request.taken_back(Rollback::default())
        });
        assert_eq!(
            (found.to_string().as_str(), found.rotation_id()),
            (key, &rotation_id())
        );
        assert_eq!(found.without_dry_run().to_string(), "rollback/r-1");
    }
}

#[test]
fn a_rotation_key_is_read_as_it_is_written() {
    for key in [
        RotationKey::Rotation(rotation_id()),
        RotationKey::DryRun(rotation_id()),
        RotationKey::Rollback(rotation_id()),
        RotationKey::RollbackDryRun(rotation_id()),
    ] {
        assert_eq!(key.to_string().parse(), Ok(key.clone()));
        let json = serde_json::to_value(&key).unwrap();
        assert_eq!(json, key.to_string());
        assert_eq!(serde_json::from_value::<RotationKey>(json).unwrap(), key);
    }
    for text in [
        "",
        "role/r-1",
        "dry-run/",
        "dry-run/dry-run/r-1",
        "rollback/",
        "rollback/rollback/r-1",
        "rollback/dry-run/r-1",
        "index/",
        "r 1",
    ] {
        let invalid = text.parse::<RotationKey>().unwrap_err().to_string();
        assert!(
            invalid.starts_with(&format!("\"{text}\" is not allowed")),
            "{invalid}"
        );
    }
}

#[test]
fn a_prefix_covers_its_entries_and_ends_before_all_others() {
    assert_eq!(RowRegion::of(&arn()).name(), "cn-north-1");
    let region = EntryPrefix::AssociationsIn(RowRegion::of(&arn()));
    let row = Entry::Association(arn()).to_string();
    for (prefix, entry, is_covered) in [
        (EntryPrefix::Associations, row.clone(), true),
        (region.clone(), row.clone(), true),
        (
            region.clone(),
            row.replace("cn-north-1", "cn-north-12"),
            false,
        ),
        (region, row.replace("cn-north-1", "cn-northwest-1"), false),
        (EntryPrefix::Regions, "region#eu-west-1".to_owned(), true),
        (EntryPrefix::Regions, row, false),
    ] {
        let start = prefix.to_string();
        assert_eq!(
            entry.starts_with(&start),
            is_covered,
            "{prefix:?} and {entry}"
        );
        let is_between = (start..prefix.end()).contains(&entry);
        assert_eq!(is_between, is_covered, "{prefix:?} and {entry}");
    }
}

#[test]
fn a_rotation_of_a_role_is_read_as_it_is_written() {
    for side in [Side::From, Side::Onto] {
        let rotation = RoleRotation {
            side,
            started_at: Timestamp::from_millis(1_795_467_600_123),
            key: RotationKey::Rotation(rotation_id()),
        };
        assert_eq!(RoleRotation::parse(&rotation.to_string()), Some(rotation));
    }
    for other in ["role", "from#x#r-1", "to#1970-01-01T00:00:00.000Z#r-1", ""] {
        assert_eq!(RoleRotation::parse(other), None, "{other}");
    }
}
