//! The events: their JSON Schemas, and what is published about which item.

use expect_test::expect_file;
use serde_json::{Value, json};

use super::*;
use crate::keys::LedgerKey;
use crate::request::members::schema;

fn about(image: Value) -> Result<Option<(&'static str, Value)>, InvalidImage> {
    let event = OutgoingEvent::about(image)?;
    Ok(event.map(|event| {
        let detail = serde_json::from_str(&event.detail).unwrap();
        (event.detail_type, detail)
    }))
}

/// The entry with which a rotation starts, with these members set. Those that are null are left
/// out.
fn entry(changes: &Value) -> Value {
    let mut item = json!({
        "rotationId": "r-1", "entry": "timeline#00000007", "at": "2026-11-23T21:17:00.000Z",
        "type": "StatusChanged", "from": "Queued", "to": "Planning", "attempt": 1,
        "by": { "requestId": "q-1" },
    });
    set(&mut item, changes);
    item
}

/// The row of an association that was moved, with these members set.
fn row(changes: &Value) -> Value {
    let arn = "arn:aws:eks:eu-west-1:111122223333:podidentityassociation/prod/a-1";
    let mut item = json!({
        "rotationId": "r-1", "entry": format!("association#{arn}"), "associationArn": arn,
        "clusterName": "prod", "namespace": "shop", "serviceAccount": "api",
        "outcome": "Updated", "attempt": 2, "fields": ["roleArn"],
        "previousRoleArn": "old", "plannedModifiedAt": "2026-11-23T21:00:00.000Z",
        "observedRoleArn": "old", "observedTargetRoleArn": "shared",
        "roleArn": "new", "targetRoleArn": "shared", "settledAt": "2026-11-23T21:17:00.000Z",
    });
    set(&mut item, changes);
    item
}

fn set(item: &mut Value, changes: &Value) {
    let item = item.as_object_mut().unwrap();
    item.extend(changes.as_object().unwrap().clone());
    item.retain(|_, value| !value.is_null());
}

#[test]
fn an_entry_is_published_as_it_is_with_its_number() {
    for (changes, rotation_id) in [
        (json!({}), "r-1"),
        (json!({ "rotationId": "dry-run/r-1" }), "dry-run/r-1"),
        (
            json!({ "rotationId": "rollback/r-1", "reason": "CHG-7" }),
            "rollback/r-1",
        ),
        (
            json!({
                "rotationId": "stack/state", "type": "Frozen", "from": null, "to": null,
                "attempt": null,
            }),
            "stack/state",
        ),
        (
            json!({ "type": "LimitsChanged", "from": null, "to": null, "maxErrors": "5%" }),
            "r-1",
        ),
        (
            json!({ "republishedAt": "2026-11-24T00:00:00.000Z" }),
            "r-1",
        ),
    ] {
        let item = entry(&changes);
        let mut expected = item.clone();
        set(
            &mut expected,
            &json!({ "entry": null, "seq": 7, "schemaVersion": "1" }),
        );
        let (detail_type, detail) = about(item).unwrap().unwrap();
        assert_eq!(detail_type, "Role Rotation Status Changed");
        assert_eq!(detail, expected, "{rotation_id}");
        assert!(LedgerKey::of_timeline(rotation_id).is_some());
    }
}

#[test]
fn a_moved_association_is_published_with_its_roles_before_and_after() {
    let (detail_type, detail) = about(row(&json!({}))).unwrap().unwrap();
    assert_eq!(detail_type, "Association Role Changed");
    let expected = json!({
        "schemaVersion": "1", "rotationId": "r-1", "attempt": 2,
        "associationArn": "arn:aws:eks:eu-west-1:111122223333:podidentityassociation/prod/a-1",
        "region": "eu-west-1", "clusterName": "prod", "namespace": "shop",
        "serviceAccount": "api", "fields": ["roleArn"],
        "from": { "roleArn": "old", "targetRoleArn": "shared" },
        "to": { "roleArn": "new", "targetRoleArn": "shared" },
        "at": "2026-11-23T21:17:00.000Z", "inferred": false,
    });
    assert_eq!(detail, expected);
    // The Describe from which an update was inferred shows the new role already.
    let inferred = json!({ "inferred": true, "observedRoleArn": "new" });
    let (_, detail) = about(row(&inferred)).unwrap().unwrap();
    let planned = json!({ "roleArn": "old", "targetRoleArn": null });
    assert_eq!(
        (&detail["from"], &detail["inferred"]),
        (&planned, &json!(true))
    );
}

#[test]
fn nothing_else_is_published() {
    for item in [
        row(&json!({ "outcome": "Pending", "settledAt": null, "roleArn": null })),
        row(&json!({ "outcome": "AlreadyCurrent" })),
        row(&json!({ "outcome": "WouldUpdate" })),
        json!({ "rotationId": "r-1", "entry": "rotation", "status": "Succeeded" }),
        json!({ "rotationId": "r-1", "entry": "command#c-1" }),
        json!({ "rotationId": "r-1", "entry": "timeline#x" }),
        // The image of an item that was deleted.
        json!({}),
    ] {
        assert_eq!(about(item.clone()), Ok(None), "{item}");
    }
}

#[test]
fn an_item_of_another_form_is_named() {
    for (item, named) in [
        (entry(&json!({ "to": "Sleeping" })), "Sleeping"),
        (entry(&json!({ "at": null })), "at"),
        (
            entry(&json!({ "rotationId": "role/x" })),
            "no rotation has this key",
        ),
        (row(&json!({ "associationArn": "a-1" })), "a-1"),
        (
            entry(&json!({ "by": "\u{1b}[2J" })),
            "r-1 timeline#00000007",
        ),
    ] {
        let problem = about(item).unwrap_err().to_string();
        assert!(problem.contains(named), "{problem}");
        assert!(!problem.contains('\u{1b}'), "{problem}");
    }
}

#[test]
fn what_is_asked_to_be_published_again_is_checked() {
    for (members, expected) in [
        (json!({ "rotationId": "r-1" }), Ok(("r-1", 1, 1_000))),
        (
            json!({ "rotationId": "stack/state", "fromSeq": 3, "toSeq": 3 }),
            Ok(("stack/state", 3, 3)),
        ),
        (
            json!({ "rotationId": "rollback/r-1", "fromSeq": 5 }),
            Ok(("rollback/r-1", 5, 1_004)),
        ),
        (json!({}), Err("republish")),
        (json!("r-1"), Err("republish")),
        (
            json!({ "rotationId": "role/x" }),
            Err("republish.rotationId"),
        ),
        (json!({ "rotationId": "r-1", "seq": 1 }), Err("republish")),
        (
            json!({ "rotationId": "r-1", "fromSeq": 0 }),
            Err("republish.fromSeq"),
        ),
        (
            json!({ "rotationId": "r-1", "fromSeq": 4, "toSeq": 3 }),
            Err("republish.toSeq"),
        ),
        (
            json!({ "rotationId": "r-1", "toSeq": 1_001 }),
            Err("republish.toSeq"),
        ),
        (
            json!({ "rotationId": "r-1", "toSeq": "7" }),
            Err("republish"),
        ),
    ] {
        let parsed = Republish::parse(&members);
        let found = parsed
            .as_ref()
            .map(|parsed| (parsed.key.to_string(), parsed.from_seq, parsed.to_seq))
            .map_err(|rejection| rejection.field.as_str());
        let expected = expected.map(|(key, from, to)| (key.to_owned(), from, to));
        assert_eq!(found, expected, "{members}");
    }
}

/// `UPDATE_EXPECT=1 cargo test` writes the schemas to `docs/`.
#[test]
fn the_json_schemas_in_docs_are_generated_from_the_types() {
    let schema = schema::of::<RotationStatusChanged>();
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    expect_file!["../../../docs/role-rotation-status-changed.schema.json"].assert_eq(&text);
    let schema = schema::of::<AssociationRoleChanged>();
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    expect_file!["../../../docs/association-role-changed.schema.json"].assert_eq(&text);
}

#[test]
fn the_samples_in_events_fit_the_schemas_and_the_types() {
    let schemas = [
        (
            RotationStatusChanged::DETAIL_TYPE,
            schema::of::<RotationStatusChanged>(),
        ),
        (
            AssociationRoleChanged::DETAIL_TYPE,
            schema::of::<AssociationRoleChanged>(),
        ),
    ];
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/published");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let event: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let name = path.display();
        let schema = schemas
            .iter()
            .find(|(name, _)| event["detail-type"] == **name);
        let (detail_type, schema) = schema.unwrap();
        let validator = jsonschema::validator_for(schema.as_value()).unwrap();
        let errors: Vec<_> = validator.iter_errors(&event["detail"]).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        let detail = &event["detail"];
        let again = if *detail_type == RotationStatusChanged::DETAIL_TYPE {
            serde_json::to_value(RotationStatusChanged::deserialize(detail).unwrap())
        } else {
            serde_json::to_value(AssociationRoleChanged::deserialize(detail).unwrap())
        };
        assert_eq!(&again.unwrap(), detail, "{name}");
        assert_eq!(event["source"], "rerole", "{name}");
        seen += 1;
    }
    assert!(seen >= 4, "{seen} samples");
}
