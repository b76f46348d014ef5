//! The JSON Schema that is generated from the type of the `detail`, compared with the rules.

use expect_test::expect_file;
use serde_json::{Value, json};

use super::{detail, parse};
use crate::request::RequestRules;
use crate::request::detail::{RotationDetail, parse_detail};
use crate::request::members::schema;

/// `UPDATE_EXPECT=1 cargo test` writes the schema to `docs/`.
#[test]
fn the_json_schema_in_docs_is_generated_from_the_type() {
    let mut schema = schema::of::<RotationDetail>();
    schema.insert(
        "$comment".to_owned(),
        json!(
            "Rules that a schema cannot express: newRoleArn differs from oldRoleArn; both roles \
             are in the same partition and in the same account, which need not be the event's; \
             neither is service-linked or reserved for single sign-on; the path of newRoleArn \
             starts with the stack's RolePath, and that of oldRoleArn with its OldRolePath; an IAM \
             path has at most 512 characters and no empty segment; every event with the \
             same rotationId has the same roles, scope and dryRun."
        ),
    );
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    expect_file!["../../../../../docs/role-rotation-requested.schema.json"].assert_eq(&text);
}

#[test]
fn every_sample_event_in_events_is_valid_or_listed_as_invalid() {
    /// File, whether it is valid under the schema, and whether it is valid under the rules.
    const INVALID: &[(&str, bool, bool)] = &[
        ("misspelt-field.json", false, false),
        ("same-role-twice.json", true, false),
        ("role-outside-path.json", true, false),
    ];
    let validator = jsonschema::validator_for(schema::of::<RotationDetail>().as_value()).unwrap();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // The samples for the indexer are in a folder.
        if path.is_dir() {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        let event: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        if event["detail-type"] != "Role Rotation Requested" {
            continue;
        }
        seen += 1;
        let listed = INVALID.iter().find(|(listed, ..)| *listed == name);
        let (fits_schema, fits_rules) =
            listed.map_or((true, true), |(_, schema, rules)| (*schema, *rules));
        assert_eq!(
            validator.is_valid(&event["detail"]),
            fits_schema,
            "{name} against the schema"
        );
        let parsed = parse_detail(
            &event["detail"],
            event["id"].as_str(),
            &RequestRules::under("/platform/"),
        );
        assert_eq!(parsed.is_ok(), fits_rules, "{name}: {parsed:?}");
    }
    assert!(seen > INVALID.len(), "there are also valid samples");
}

#[test]
fn the_schema_and_the_rules_accept_the_same_details() {
    let validator = jsonschema::validator_for(schema::of::<RotationDetail>().as_value()).unwrap();
    for changes in [
        json!({ "oldRoleArn": "arn:aws:iam::111122223333:role/platform/a/b/c" }),
        json!({ "oldRoleArn": "arn:aws:iam::111122223333:role/platform/.a/..b/.../c" }),
        json!({ "oldRoleArn": "arn:aws:iam::111122223333:role/platform/./c" }),
        json!({ "oldRoleArn": "arn:aws:iam::111122223333:role/platform/../c" }),
        json!({ "oldRoleArn": "arn:aws:iam::111122223333:role/platform/a*/c" }),
        json!({ "oldRoleArn": "arn:aws:iam::111122223333:role/platform/a?b/c" }),
        json!({ "oldRoleArn": "arn:aws:iam::111122223333:role/platform/$/c" }),
        json!({ "oldRoleArn": "arn:aws:iam::111122223333:role/platform//c" }),
        json!({ "oldRoleArn": "arn:aws:iam::1:role/a" }),
        json!({ "oldRoleArn": "arn:aws:iam::111122223333:user/a" }),
        json!({ "oldRoleArn": "arn:aws:iam::111122223333:role/" }),
        json!({ "maxErrors": "100%" }),
        json!({ "maxErrors": "101%" }),
        json!({ "maxErrors": "05" }),
        json!({ "maxErrors": "9999999" }),
        json!({ "maxConcurrency": "1" }),
        json!({ "maxConcurrency": "99" }),
        json!({ "maxConcurrency": "128" }),
        json!({ "maxConcurrency": "129" }),
        json!({ "maxConcurrency": "260" }),
        json!({ "maxConcurrency": "10%" }),
        json!({ "rotationId": "r".repeat(64) }),
        json!({ "rotationId": "r".repeat(65) }),
        json!({ "namespaces": ["n".repeat(63)] }),
        json!({ "namespaces": ["n".repeat(64)] }),
        json!({ "clusterNames": ["n".repeat(100)] }),
        json!({ "clusterNames": [] }),
        json!({ "clusterNames": null }),
        json!({ "oldRoleArn": "(absent)" }),
        json!({ "unknown": 1 }),
    ] {
        assert_eq!(
            validator.is_valid(&detail(&changes)),
            parse(&changes).is_ok(),
            "{changes}"
        );
    }
}
