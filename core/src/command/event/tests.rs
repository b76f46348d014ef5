//! The form of a command: its JSON Schema, the samples in `events/`, and what is rejected.

use expect_test::expect_file;
use serde_json::{Value, json};

use super::*;

fn rules() -> RequestRules {
    RequestRules::under("/platform/")
}

/// The event with the command `Pause` for rotation `r-1`, with these members of its detail set.
/// Those that are null are left out.
fn event(changes: &Value) -> Value {
    let mut event = json!({
        "id": "c-1", "detail-type": "Role Rotation Command", "source": "platform.iam",
        "account": "111122223333", "time": "2026-11-23T21:20:00Z",
        "detail": { "rotationId": "r-1", "command": "Pause" },
    });
    for (name, value) in changes.as_object().unwrap() {
        event["detail"][name] = value.clone();
    }
    let detail = event["detail"].as_object_mut().unwrap();
    detail.retain(|_, value| !value.is_null());
    event
}

/// `UPDATE_EXPECT=1 cargo test` writes the schema to `docs/`.
#[test]
fn the_json_schema_in_docs_is_generated_from_the_type() {
    let mut schema = schema::of::<CommandDetail>();
    schema.insert(
        "$comment".to_owned(),
        json!(
            "Rules that a schema cannot express: rotationId is required, except with Freeze and \
             Unfreeze, which must not have it; maxErrors and maxConcurrency are allowed with \
             Change only, which must have one of them; includeChanged and dryRun are allowed with \
             Rollback only."
        ),
    );
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    expect_file!["../../../../docs/role-rotation-command.schema.json"].assert_eq(&text);
}

#[test]
fn every_sample_is_valid_under_the_schema_and_the_rules() {
    let validator = jsonschema::validator_for(schema::of::<CommandDetail>().as_value()).unwrap();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/commands");
    let mut orders = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let event: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert!(validator.is_valid(&event["detail"]), "{}", path.display());
        let command = parse_command(&event, None, &rules());
        let command = command.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        orders.push(command.order.name());
    }
    orders.sort_unstable();
    assert_eq!(
        orders,
        [
            CommandName::Pause,
            CommandName::Resume,
            CommandName::Cancel,
            CommandName::Retry,
            CommandName::Rollback,
            CommandName::Change,
            CommandName::Freeze,
            CommandName::Unfreeze,
        ],
        "each command has a sample"
    );
}

#[test]
fn a_command_is_read_with_its_sender() {
    let change = event(&json!({
        "rotationId": "dry-run/r-1", "command": "Change", "maxErrors": 5, "expectedSeq": 7,
        "requestedBy": "jane", "reason": "CHG-7",
    }));
    let command = parse_command(&change, None, &rules()).unwrap();
    let key: RotationKey = "dry-run/r-1".parse().unwrap();
    let limits = Limits {
        max_errors: Some("5".parse().unwrap()),
        max_concurrency: None,
    };
    assert_eq!(
        command.order,
        Order::Rotation(key, RotationOrder::Change(limits))
    );
    assert_eq!(command.order.ledger_key().to_string(), "dry-run/r-1");
    assert_eq!(command.event_id, "c-1");
    assert_eq!(command.expected_seq, Some(7));
    let claims = &command.envelope.claims;
    assert_eq!(claims.requested_by.as_ref().unwrap().to_string(), "jane");
    assert_eq!(command.envelope.event.id.as_deref(), Some("c-1"));
}

#[test]
fn a_rollback_can_be_a_dry_run_and_include_what_has_changed() {
    for (members, include_changed, dry_run) in [
        (json!({ "command": "Rollback" }), false, false),
        (
            json!({ "command": "Rollback", "includeChanged": true }),
            true,
            false,
        ),
        (
            json!({ "command": "Rollback", "dryRun": true }),
            false,
            true,
        ),
    ] {
        let command = parse_command(&event(&members), None, &rules()).unwrap();
        let order = RotationOrder::Rollback(RollbackOrder {
            rollback: Rollback { include_changed },
            dry_run,
        });
        let key: RotationKey = "r-1".parse().unwrap();
        assert_eq!(command.order, Order::Rotation(key, order));
    }
}

#[test]
fn a_command_that_is_not_well_formed_is_rejected_with_its_field() {
    for (changes, field, value) in [
        (json!({ "command": null }), "detail.command", "(nothing)"),
        (json!({ "command": "Stop" }), "detail.command", r#""Stop""#),
        (
            json!({ "rotationId": null }),
            "detail.rotationId",
            "(nothing)",
        ),
        (
            json!({ "rotationId": "role/a" }),
            "detail.rotationId",
            r#""role/a""#,
        ),
        (
            json!({ "command": "Freeze" }),
            "detail.rotationId",
            r#""r-1""#,
        ),
        (json!({ "maxErrors": 3 }), "detail.maxErrors", r#""3""#),
        (
            json!({ "command": "Change" }),
            "detail.maxErrors",
            "(nothing)",
        ),
        (
            json!({ "command": "Change", "maxErrors": "many" }),
            "detail.maxErrors",
            r#""many""#,
        ),
        (
            json!({ "command": "Change", "maxConcurrency": 0 }),
            "detail.maxConcurrency",
            r#""0""#,
        ),
        (
            json!({ "expectedSeq": "3" }),
            "detail.expectedSeq",
            r#""3""#,
        ),
        (json!({ "expectedSeq": -1 }), "detail.expectedSeq", "-1"),
        (json!({ "requestedBy": "" }), "detail.requestedBy", r#""""#),
        (json!({ "force": true }), "detail.force", "true"),
        (json!({ "dryRun": true }), "detail.dryRun", "true"),
        (
            json!({ "command": "Cancel", "includeChanged": false }),
            "detail.includeChanged",
            "false",
        ),
        (
            json!({ "command": "Rollback", "includeChanged": "yes" }),
            "detail.includeChanged",
            r#""yes""#,
        ),
    ] {
        let rejection = parse_command(&event(&changes), None, &rules()).unwrap_err();
        assert_eq!(
            (rejection.field.as_str(), rejection.value.as_str()),
            (field, value)
        );
    }
    let mut foreign = event(&json!({}));
    foreign["source"] = json!("elsewhere");
    let rejection = parse_command(&foreign, None, &rules()).unwrap_err();
    assert_eq!(rejection.field, "source");
}
