//! Tables for the rules of the event's `detail`. The JSON Schema is tested in `tests/schema.rs`.

mod schema;

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;
use crate::request::MaxErrors;
use crate::request::testing::{requested, role};
use crate::resource::OwnAccount;

const OLD: &str = "arn:aws:iam::111122223333:role/platform/app-2025";
const NEW: &str = "arn:aws:iam::111122223333:role/platform/app-2026";

/// Returns a valid detail with the members of `changes` set. The value `"(absent)"` removes a
/// member.
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

fn parse(changes: &Value) -> Result<(RotationRequest, Claims), Rejection> {
    parse_detail(
        &detail(changes),
        Some("6a7e8feb-b491-4cf7-a9f1-bf3703467718"),
        &RequestRules::under("/platform/"),
    )
}

fn rejects(changes: &Value, expected: &Expect) {
    expected.assert_eq(&parse(changes).expect_err(&changes.to_string()).to_string());
}

#[test]
fn a_minimal_detail_takes_the_defaults() {
    let (request, claims) = parse(&json!({})).unwrap();
    assert_eq!(request.rotation_id.as_str(), "r-1");
    assert_eq!(request.scope, Scope::default());
    assert!(!request.dry_run);
    assert_eq!(request.max_errors, MaxErrors::Percent(10));
    assert_eq!(request.max_concurrency, None);
    assert_eq!(claims, Claims::default());
}

#[test]
fn a_number_is_the_same_as_its_text() {
    for (number, text) in [(json!(5), "5"), (json!(0), "0")] {
        let request = |value: Value| parse(&json!({ "maxErrors": value })).unwrap();
        assert_eq!(request(number), request(json!(text)));
    }
    let request = |value: Value| parse(&json!({ "maxConcurrency": value })).unwrap();
    assert_eq!(request(json!(16)), request(json!("16")));
}

#[test]
fn a_rotation_without_an_id_gets_the_events_id() {
    let (request, _) = parse(&json!({ "rotationId": "(absent)" })).unwrap();
    assert_eq!(
        request.rotation_id.as_str(),
        "6a7e8feb-b491-4cf7-a9f1-bf3703467718"
    );
}

#[test]
fn a_request_survives_the_round_trip_through_the_ledger() {
    let changes = json!({
        "regions": ["!eu-*"], "clusterNames": ["prod-*"], "namespaces": ["pay", "shop-*"],
        "serviceAccounts": ["api.v1"], "maxErrors": "10%",
    });
    let (request, _) = parse(&changes).unwrap();
    let stored = serde_json::to_value(&request).unwrap();
    assert_eq!(
        serde_json::from_value::<RotationRequest>(stored).unwrap(),
        request
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table is as long as its rows")]
fn every_broken_rule_names_the_field_its_value_and_what_is_allowed() {
    let role =
        |text: &str| json!({ "newRoleArn": format!("arn:aws:iam::111122223333:role{text}") });
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
            json!({ "oldRoleArn": "arn:aws:iam::111122223333:role/other/x" }),
            expect![[
                r#"detail.oldRoleArn "arn:aws:iam::111122223333:role/other/x" is not allowed; allowed: a role under the path /platform/ (OLD_ROLE_PATH)"#
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
            role("/aws-reserved/sso.amazonaws.com/AWSReservedSSO_admin_0123456789abcdef"),
            expect![[
                r#"detail.newRoleArn "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_admin_0123456789abcdef" is not allowed; allowed: a role that AWS does not reserve for single sign-on"#
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
            expect![[
                r#"detail.rotationId "" is not allowed; allowed: 1 to 64 letters, digits, "_" or "-""#
            ]],
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
                r#"detail.clusterNames[1] "a/b" is not allowed; allowed: 1 to 100 letters, digits, "-", "_" or "*", and "!" in front to exclude"#
            ]],
        ),
        (
            json!({ "namespaces": [""] }),
            expect![[
                r#"detail.namespaces[0] "" is not allowed; allowed: 1 to 63 letters, digits, "-", "_" or "*", and "!" in front to exclude"#
            ]],
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
            expect![[
                r#"detail.maxConcurrency "0" is not allowed; allowed: a whole number from 1 to 128"#
            ]],
        ),
        (
            json!({ "maxErrors": "-1" }),
            expect![[
                r#"detail.maxErrors "-1" is not allowed; allowed: a count from "0" to "9999999" or a percentage from "0%" to "100%""#
            ]],
        ),
        // Type errors.
        (
            json!({ "dryrun": true }),
            expect![
                "detail.dryrun true is not allowed; allowed: a valid detail: unknown field `dryrun`, expected one of `rotationId`, `oldRoleArn`, `newRoleArn`, `regions`, `clusterNames`, `namespaces`, `serviceAccounts`, `dryRun`, `maxErrors`, `maxConcurrency`, `requestedBy`, `reason`"
            ],
        ),
        (
            json!({ "dryRun": "true" }),
            expect![[
                r#"detail.dryRun "true" is not allowed; allowed: a valid detail: invalid type: string "true", expected a boolean"#
            ]],
        ),
        (
            json!({ "maxErrors": -5 }),
            expect![[
                r#"detail.maxErrors "-5" is not allowed; allowed: a count from "0" to "9999999" or a percentage from "0%" to "100%""#
            ]],
        ),
        (
            json!({ "maxErrors": 1.5 }),
            expect![[
                r#"detail.maxErrors "1.5" is not allowed; allowed: a count from "0" to "9999999" or a percentage from "0%" to "100%""#
            ]],
        ),
        (
            json!({ "maxErrors": true }),
            expect![
                "detail.maxErrors true is not allowed; allowed: a valid detail: expected a string or a number"
            ],
        ),
        (
            json!({ "maxConcurrency": 129 }),
            expect![[
                r#"detail.maxConcurrency "129" is not allowed; allowed: a whole number from 1 to 128"#
            ]],
        ),
        (
            json!({ "regions": ["eu/west"] }),
            expect![[
                r#"detail.regions[0] "eu/west" is not allowed; allowed: 1 to 32 letters, digits, "-", "_" or "*", and "!" in front to exclude"#
            ]],
        ),
        (
            json!({ "serviceAccounts": ["!"] }),
            expect![[
                r#"detail.serviceAccounts[0] "!" is not allowed; allowed: 1 to 253 letters, digits, ".", "-", "_" or "*", and "!" in front to exclude"#
            ]],
        ),
        (
            json!({ "requestedBy": "" }),
            expect![[
                r#"detail.requestedBy "" is not allowed; allowed: a text of 1 to 256 characters without control characters"#
            ]],
        ),
        (
            json!({ "reason": "a\u{1b}[2Jb" }),
            expect![[
                r#"detail.reason "a\u001b[2Jb" is not allowed; allowed: a text of 1 to 256 characters without control characters"#
            ]],
        ),
        (
            json!({ "reason": 7 }),
            expect![
                "detail.reason 7 is not allowed; allowed: a valid detail: invalid type: integer `7`, expected a string"
            ],
        ),
        (
            json!({ "oldRoleArn": ["a"] }),
            expect![[
                r#"detail.oldRoleArn ["a"] is not allowed; allowed: a valid detail: invalid type: sequence, expected a string"#
            ]],
        ),
        (
            json!({ "clusterNames": "prod" }),
            expect![[
                r#"detail.clusterNames "prod" is not allowed; allowed: a valid detail: invalid type: string "prod", expected a sequence"#
            ]],
        ),
        (
            json!({ "clusterNames": ["prod", 7] }),
            expect![
                "detail.clusterNames[1] 7 is not allowed; allowed: a valid detail: invalid type: integer `7`, expected a string"
            ],
        ),
        (
            json!({ "namespaces": null }),
            expect![
                "detail.namespaces (nothing) is not allowed; allowed: a valid detail: invalid type: null, expected a sequence"
            ],
        ),
    ] {
        rejects(&changes, &expected);
    }
}

#[test]
fn an_event_without_an_id_is_rejected() {
    let rejection = parse_detail(
        &detail(&json!({ "rotationId": "(absent)" })),
        None,
        &RequestRules::under("/platform/"),
    )
    .unwrap_err();
    assert_eq!(rejection.field, "id");
}

#[test]
fn a_detail_that_is_not_an_object_is_rejected() {
    for bad in [json!(null), json!("x"), json!([1])] {
        assert_eq!(
            parse_detail(&bad, Some("e"), &RequestRules::under("/"))
                .unwrap_err()
                .field,
            "detail"
        );
    }
}

/// The name of a member can be as long as an event.
#[test]
fn a_long_name_or_value_is_shortened() {
    let rejection = parse(&json!({ "x".repeat(200_000): 1 })).unwrap_err();
    assert!(rejection.to_string().len() < 3_000, "{}", rejection.field);
    let rejection = parse(&json!({ "oldRoleArn": "x".repeat(200_000) })).unwrap_err();
    assert!(rejection.to_string().len() < 3_000, "{}", rejection.value);
}

#[test]
fn a_recorded_request_is_checked_like_one_in_an_event() {
    let changes = json!({
        "regions": ["!eu-*"], "clusterNames": ["prod-*"], "dryRun": true, "maxErrors": "5",
        "maxConcurrency": "3", "requestedBy": "an operator",
    });
    let valid = requested(&changes).request;
    let narrower = |role_path: &str, old_role_path: &str| RequestRules {
        role_path: role_path.to_owned(),
        old_role_path: old_role_path.to_owned(),
        ..RequestRules::under("/")
    };
    let field = |rules: RequestRules, request: &RotationRequest| {
        let own = OwnAccount::of_function("arn:aws:lambda:us-east-1:111122223333:function:rotate");
        let checked = check_recorded(request, own.as_ref(), &rules);
        checked.map_err(|rejection| rejection.field)
    };
    assert_eq!(field(RequestRules::under("/"), &valid), Ok(()));
    let (new, old) = ("detail.newRoleArn", "detail.oldRoleArn");
    assert_eq!(field(narrower("/platform/", "/"), &valid), Err(new.into()));
    assert_eq!(field(narrower("/", "/platform/"), &valid), Err(old.into()));
    for (changes, expected) in [
        (json!({ "newRoleArn": valid.old_role_arn }), new),
        (json!({ "newRoleArn": role("aws-reserved/sso") }), new),
        (json!({ "clusterNames": [] }), "detail.clusterNames"),
        (
            json!({
                "oldRoleArn": "arn:aws-cn:iam::111122223333:role/a",
                "newRoleArn": "arn:aws-cn:iam::111122223333:role/b",
            }),
            old,
        ),
    ] {
        let mut planted = serde_json::to_value(&valid).unwrap();
        for (name, value) in changes.as_object().unwrap() {
            planted[name] = value.clone();
        }
        let planted = serde_json::from_value(planted).unwrap();
        assert_eq!(
            field(RequestRules::under("/"), &planted),
            Err(expected.into())
        );
    }
}
