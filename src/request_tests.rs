//! Tables for the rules of the event's detail, and the JSON Schema that is generated from its type.

use expect_test::{Expect, expect, expect_file};
use serde_json::json;

use super::*;

const OLD: &str = "arn:aws:iam::111122223333:role/platform/app-2025";
const NEW: &str = "arn:aws:iam::111122223333:role/platform/app-2026";

/// A good detail with these members put over it; a member that is null in `changes` as `"(absent)"` is taken out.
fn detail(changes: &Value) -> Value {
    let mut detail = json!({ "rotationId": "r-1", "oldRoleArn": OLD, "newRoleArn": NEW });
    for (name, value) in changes.as_object().unwrap() {
        if value == "(absent)" {
            detail.as_object_mut().unwrap().remove(name);
        } else {
            detail[name] = value.clone();
        }
    }
    detail
}

fn parse(changes: &Value) -> Result<RotationRequest, Rejection> {
    parse_detail(&detail(changes), Some("6a7e8feb-b491-4cf7-a9f1-bf3703467718"), "/platform/")
}

fn rejects(changes: &Value, expected: &Expect) {
    expected.assert_eq(&parse(changes).expect_err(&changes.to_string()).to_string());
}

#[test]
fn a_minimal_detail_takes_the_defaults() {
    let request = parse(&json!({})).unwrap();
    assert_eq!(request.rotation_id.as_str(), "r-1");
    assert_eq!(request.scope, Scope::default());
    assert!(!request.dry_run);
    assert_eq!(request.max_errors, MaxErrors::Percent(100));
    assert_eq!(request.ledger_key(), "r-1");
}

#[test]
fn the_events_id_names_a_rotation_that_has_no_id_of_its_own() {
    let request = parse(&json!({ "rotationId": "(absent)" })).unwrap();
    assert_eq!(request.rotation_id.as_str(), "6a7e8feb-b491-4cf7-a9f1-bf3703467718");
}

#[test]
fn a_dry_run_has_a_ledger_key_of_its_own() {
    assert_eq!(parse(&json!({ "dryRun": true })).unwrap().ledger_key(), "dry-run/r-1");
}

#[test]
fn a_request_comes_back_from_the_ledger_unchanged() {
    let changes = json!({ "clusterNames": ["prod-*"], "namespaces": ["pay", "shop-*"], "maxErrors": "10%" });
    let request = parse(&changes).unwrap();
    let stored = serde_json::to_value(&request).unwrap();
    assert_eq!(serde_json::from_value::<RotationRequest>(stored).unwrap(), request);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table is as long as its rows")]
fn every_rule_of_the_contract_names_field_value_and_what_is_allowed() {
    let role = |text: &str| json!({ "newRoleArn": format!("arn:aws:iam::111122223333:role{text}") });
    for (changes, expected) in [
        (
            json!({ "newRoleArn": OLD }),
            expect![[
                r#"detail.newRoleArn "arn:aws:iam::111122223333:role/platform/app-2025" is not allowed; allowed: a role other than oldRoleArn"#
            ]],
        ),
        (
            json!({ "newRoleArn": "arn:aws:iam::999999999999:role/platform/x" }),
            expect![[
                r#"detail.newRoleArn "arn:aws:iam::999999999999:role/platform/x" is not allowed; allowed: a role in oldRoleArn's account, 111122223333"#
            ]],
        ),
        (
            json!({ "newRoleArn": "arn:aws-cn:iam::111122223333:role/platform/x" }),
            expect![[
                r#"detail.newRoleArn "arn:aws-cn:iam::111122223333:role/platform/x" is not allowed; allowed: a role in oldRoleArn's partition, aws"#
            ]],
        ),
        (
            role("/other/x"),
            expect![[
                r#"detail.newRoleArn "arn:aws:iam::111122223333:role/other/x" is not allowed; allowed: a role under the path /platform/ (ROLE_PATH)"#
            ]],
        ),
        (
            role("/platform-x"),
            expect![[
                r#"detail.newRoleArn "arn:aws:iam::111122223333:role/platform-x" is not allowed; allowed: a role under the path /platform/ (ROLE_PATH)"#
            ]],
        ),
        (
            role("/aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS"),
            expect![[
                r#"detail.newRoleArn "arn:aws:iam::111122223333:role/aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS" is not allowed; allowed: a role that is not service-linked"#
            ]],
        ),
        (
            json!({ "oldRoleArn": "app" }),
            expect![[
                r#"detail.oldRoleArn "app" is not allowed; allowed: an IAM role ARN, arn:<partition>:iam::<12-digit account>:role/<path/><name>"#
            ]],
        ),
        (
            json!({ "oldRoleArn": "(absent)" }),
            expect![
                "detail.oldRoleArn (nothing) is not allowed; allowed: an IAM role ARN, arn:<partition>:iam::<12-digit account>:role/<path/><name>"
            ],
        ),
        (
            json!({ "newRoleArn": "(absent)" }),
            expect![
                "detail.newRoleArn (nothing) is not allowed; allowed: an IAM role ARN, arn:<partition>:iam::<12-digit account>:role/<path/><name>"
            ],
        ),
        (
            json!({ "rotationId": "r".repeat(65) }),
            expect![[
                r#"detail.rotationId "rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr" is not allowed; allowed: 1 to 64 letters, digits, "_" or "-""#
            ]],
        ),
        (
            json!({ "rotationId": "" }),
            expect![[r#"detail.rotationId "" is not allowed; allowed: 1 to 64 letters, digits, "_" or "-""#]],
        ),
        (
            json!({ "rotationId": "dry-run/r-1" }),
            expect![[
                r#"detail.rotationId "dry-run/r-1" is not allowed; allowed: 1 to 64 letters, digits, "_" or "-""#
            ]],
        ),
        (
            json!({ "clusterNames": [] }),
            expect![
                "detail.clusterNames [] is not allowed; allowed: 1 to 100 entries, not 0; leave the field out to cover all"
            ],
        ),
        (
            json!({ "clusterNames": ["prod", "a/b"] }),
            expect![[
                r#"detail.clusterNames[1] "a/b" is not allowed; allowed: 1 to 100 letters, digits, "-", "_" or "*""#
            ]],
        ),
        (
            json!({ "namespaces": [""] }),
            expect![[r#"detail.namespaces[0] "" is not allowed; allowed: 1 to 63 letters, digits, "-", "_" or "*""#]],
        ),
        (
            json!({ "namespaces": vec!["x"; 101] }),
            expect![[
                r#"detail.namespaces ["x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x","x"… is not allowed; allowed: 1 to 100 entries, not 101; leave the field out to cover all"#
            ]],
        ),
        (
            json!({ "maxErrors": "101%" }),
            expect![[
                r#"detail.maxErrors "101%" is not allowed; allowed: a count from "0" to "9999999" or a percentage from "0%" to "100%""#
            ]],
        ),
        (
            json!({ "maxConcurrency": "0" }),
            expect![[r#"detail.maxConcurrency "0" is not allowed; allowed: a whole number from 1 to 128"#]],
        ),
        (
            json!({ "maxErrors": "-1" }),
            expect![[
                r#"detail.maxErrors "-1" is not allowed; allowed: a count from "0" to "9999999" or a percentage from "0%" to "100%""#
            ]],
        ),
        // Types.
        (
            json!({ "dryrun": true }),
            expect![
                "detail.dryrun true is not allowed; allowed: unknown field `dryrun`, expected one of `rotationId`, `oldRoleArn`, `newRoleArn`, `clusterNames`, `namespaces`, `dryRun`, `maxErrors`, `maxConcurrency`"
            ],
        ),
        (
            json!({ "dryRun": "true" }),
            expect![[
                r#"detail.dryRun "true" is not allowed; allowed: invalid type: string "true", expected a boolean"#
            ]],
        ),
        (
            json!({ "maxErrors": 5 }),
            expect!["detail.maxErrors 5 is not allowed; allowed: invalid type: integer `5`, expected a string"],
        ),
        (
            json!({ "oldRoleArn": ["a"] }),
            expect![[r#"detail.oldRoleArn ["a"] is not allowed; allowed: invalid type: sequence, expected a string"#]],
        ),
        (
            json!({ "clusterNames": "prod" }),
            expect![[
                r#"detail.clusterNames "prod" is not allowed; allowed: invalid type: string "prod", expected a sequence"#
            ]],
        ),
        (
            json!({ "clusterNames": ["prod", 7] }),
            expect!["detail.clusterNames[1] 7 is not allowed; allowed: invalid type: integer `7`, expected a string"],
        ),
        (
            json!({ "namespaces": null }),
            expect!["detail.namespaces (nothing) is not allowed; allowed: invalid type: null, expected a sequence"],
        ),
    ] {
        rejects(&changes, &expected);
    }
}

#[test]
fn an_event_without_any_id_is_rejected() {
    let rejection = parse_detail(&detail(&json!({ "rotationId": "(absent)" })), None, "/platform/").unwrap_err();
    assert_eq!(rejection.field, "id");
}

#[test]
fn a_detail_that_is_no_object_is_rejected() {
    for bad in [json!(null), json!("x"), json!([1])] {
        assert_eq!(parse_detail(&bad, Some("e"), "/").unwrap_err().field, "detail");
    }
}

/// The schema of the type. An optional member's default is to be left out, not null.
fn schema() -> schemars::Schema {
    let mut schema = schemars::schema_for!(RotationDetail);
    for property in schema.get_mut("properties").and_then(Value::as_object_mut).unwrap().values_mut() {
        let property = property.as_object_mut().unwrap();
        if property.get("default").is_some_and(Value::is_null) {
            property.remove("default");
        }
    }
    schema
}

/// The schema as it stands in `docs/`. `UPDATE_EXPECT=1 cargo test` writes it anew.
#[test]
fn the_json_schema_in_docs_is_the_one_of_the_type() {
    let mut schema = schema();
    schema.insert(
        "$comment".to_owned(),
        json!(
            "Rules that a schema cannot express: newRoleArn differs from oldRoleArn; both are in the same partition and \
             in the account that the event comes from; neither is service-linked; newRoleArn lies under the stack's \
             RolePath; an IAM path has 512 characters at most and no empty segment; the same rotationId always comes \
             with the same request."
        ),
    );
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    expect_file!["../docs/role-rotation-requested.schema.json"].assert_eq(&text);
}

/// Every event in `events/` and whether its detail fits the schema and the rules.
#[test]
fn every_sample_event_is_valid_or_listed_as_deliberately_invalid() {
    /// File, whether the schema takes it, whether the rules take it.
    const INVALID: &[(&str, bool, bool)] = &[
        ("misspelt-field.json", false, false),
        ("same-role-twice.json", true, false),
        ("role-outside-path.json", true, false),
    ];
    let validator = jsonschema::validator_for(schema().as_value()).unwrap();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // The index function's samples are in a folder of their own.
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
        let (fits_schema, fits_rules) = listed.map_or((true, true), |(_, schema, rules)| (*schema, *rules));
        assert_eq!(validator.is_valid(&event["detail"]), fits_schema, "{name} against the schema");
        let parsed = parse_detail(&event["detail"], event["id"].as_str(), "/platform/");
        assert_eq!(parsed.is_ok(), fits_rules, "{name}: {parsed:?}");
    }
    assert!(seen > INVALID.len(), "there are valid samples, too");
}

#[test]
fn the_schemas_patterns_agree_with_the_types() {
    let validator = jsonschema::validator_for(schema().as_value()).unwrap();
    for changes in [
        json!({ "oldRoleArn": "arn:aws:iam::111122223333:role/a/b/c" }),
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
        assert_eq!(validator.is_valid(&detail(&changes)), parse(&changes).is_ok(), "{changes}");
    }
}
