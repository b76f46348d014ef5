//! `template.yaml` against the code it deploys: the environment, the tables, what starts the function, the alarms. What the
//! function may do is in `permissions.rs`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::KeySchemaElement;
use rerole::intake::{DETAIL_TYPE, Intake, read};
use rerole::metrics::NAMESPACE;
use rerole::rotation::DEADLINE_RESERVE;
use rerole::settings::Settings;
use rerole_sim::Options;
use serde_json::{Value, json};

use crate::stack::{properties, template};
use crate::world::{INDEX, LEDGER, World};

/// What Lambda itself puts into every function's environment, and lets no template set.
const SET_BY_LAMBDA: [&str; 5] =
    ["AWS_ACCESS_KEY_ID", "AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
/// For a function that is run by hand, beside a local counterpart of AWS.
const SET_BY_HAND: [&str; 3] = ["AWS_CA_BUNDLE", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_EKS"];

/// Shows that the template sets what the code reads, and nothing that it does not.
#[test]
fn the_environment_is_what_the_settings_read() {
    let asked = RefCell::new(BTreeSet::new());
    let settings = Settings::from_lookup(|name| {
        asked.borrow_mut().insert(name.to_owned());
        let value = match name {
            "ROLE_PATH" => "/platform/",
            // A file that is not there would be an error before the last variable is read.
            "AWS_CA_BUNDLE" => return None,
            name if name.starts_with("AWS_ENDPOINT_URL") => "http://127.0.0.1:1",
            "MAX_CONCURRENCY" => "8",
            _ => "text",
        };
        Some(value.to_owned())
    });
    settings.unwrap();
    let mut read = asked.into_inner();
    // Read apart, before the others: `Settings::log_filter`.
    read.insert("RUST_LOG".to_owned());

    let variables = &properties("RotateFunction")["Environment"]["Variables"];
    let set: BTreeSet<_> = variables.as_object().unwrap().keys().cloned().collect();
    for name in SET_BY_LAMBDA.iter().chain(&SET_BY_HAND) {
        assert!(read.remove(*name), "{name} is not read any more");
    }
    assert_eq!(set, read);
    assert_eq!(
        variables["AWS_ENDPOINT_URL"],
        json!({ "Fn::If": ["HasEndpointUrl", { "Ref": "AwsEndpointUrl" }, { "Ref": "AWS::NoValue" }] }),
        "absent when empty"
    );
}

/// Shows that `RolePath` is never somebody else's choice, and that the bounds of numbers are those of the settings.
#[test]
fn parameters_take_what_the_settings_take() {
    let parameters = &template()["Parameters"];
    assert!(parameters["RolePath"].get("Default").is_none());
    let concurrency = &parameters["MaxConcurrency"];
    let accepts = |value: i64| {
        let settings = Settings::from_lookup(|name| {
            let value = match name {
                "ROLE_PATH" => "/platform/".to_owned(),
                "MAX_CONCURRENCY" => value.to_string(),
                name if name.starts_with("AWS_ENDPOINT") || name == "AWS_CA_BUNDLE" => return None,
                _ => "text".to_owned(),
            };
            Some(value)
        });
        settings.is_ok()
    };
    let (least, most) = (concurrency["MinValue"].as_i64().unwrap(), concurrency["MaxValue"].as_i64().unwrap());
    assert_eq!([least - 1, least, most, most + 1].map(accepts), [false, true, true, false]);
}

/// Shows that the tables that are tested against are the tables that are deployed.
#[tokio::test(start_paused = true)]
async fn the_tables_are_those_of_the_simulated_aws() {
    let world = World::new(Options::default());
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::from_keys("test", "test", None))
        .http_client(world.aws.http_client())
        .build();
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    for (resource, table) in [("AssociationIndexTable", INDEX), ("RotationLedgerTable", LEDGER)] {
        let output = client.describe_table().table_name(table).send().await.unwrap();
        let simulated = output.table().unwrap();
        let deployed = properties(resource);
        assert_eq!(key_names(&deployed["KeySchema"]), described(simulated.key_schema()), "{table}");
        let mut indexes: Vec<_> = simulated
            .global_secondary_indexes()
            .iter()
            .map(|index| (index.index_name().unwrap().to_owned(), described(index.key_schema())))
            .collect();
        indexes.sort();
        let mut expected: Vec<_> = deployed["GlobalSecondaryIndexes"]
            .as_array()
            .unwrap()
            .iter()
            .inspect(|index| assert_eq!(index["Projection"]["ProjectionType"], "ALL"))
            .map(|index| (index["IndexName"].as_str().unwrap().to_owned(), key_names(&index["KeySchema"])))
            .collect();
        expected.sort();
        assert_eq!(expected, indexes, "{table}");
    }
    // These calls are this test's own, and need no permission of the function's.
    world.aws.clear_calls();
}

/// Partition key, then sort key.
fn key_names(schema: &Value) -> Vec<String> {
    let keys = schema.as_array().unwrap();
    assert_eq!((keys.len(), &keys[0]["KeyType"], &keys[1]["KeyType"]), (2, &json!("HASH"), &json!("RANGE")));
    keys.iter().map(|key| key["AttributeName"].as_str().unwrap().to_owned()).collect()
}

fn described(schema: &[KeySchemaElement]) -> Vec<String> {
    schema.iter().map(|key| key.attribute_name().to_owned()).collect()
}

/// Shows that both tables outlive the stack, and can be restored.
#[test]
fn the_tables_are_kept() {
    for resource in ["AssociationIndexTable", "RotationLedgerTable"] {
        let table = &template()["Resources"][resource];
        assert_eq!([&table["DeletionPolicy"], &table["UpdateReplacePolicy"]], ["Retain", "Retain"]);
        let table = &table["Properties"];
        assert!(table.get("TableName").is_none(), "a fixed name would be in the way of a second stack");
        assert_eq!(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true);
        assert_eq!(table["SSESpecification"]["SSEEnabled"], true);
        assert_eq!(table["DeletionProtectionEnabled"], json!({ "Ref": "TableDeletionProtection" }));
    }
}

/// Shows that the rule lets through what the code takes for a request, from the stack's own account and no other.
#[test]
fn the_rule_is_pinned() {
    let pattern = json!({
        "account": [{ "Ref": "AWS::AccountId" }],
        "source": [{ "Ref": "RotationEventSource" }],
        "detail-type": [DETAIL_TYPE],
    });
    assert_eq!(properties("RotateFunction")["Events"]["RotationRequested"]["Properties"]["Pattern"], pattern);
}

/// Shows that the schedule sends what the code takes for a look at stalled rotations.
#[test]
fn the_schedule_asks_for_a_watch() {
    let input = &properties("RotateFunction")["Events"]["Watch"]["Properties"]["Input"];
    let payload = serde_json::from_str(input.as_str().unwrap()).unwrap();
    assert_eq!(read(&payload, None, "/"), Intake::Watch);
}

/// Shows that the alarm on duration lies between the last moment at which a slice hands over and the timeout.
#[test]
fn a_continuation_is_no_alarm() {
    let timeout = Duration::from_secs(properties("RotateFunction")["Timeout"].as_u64().unwrap());
    let threshold = Duration::from_millis(properties("DurationAlarm")["Threshold"].as_u64().unwrap());
    assert!(timeout < threshold + DEADLINE_RESERVE && threshold < timeout);
}

/// Shows that the alarm on stalled rotations watches the metric that the function writes.
#[tokio::test(start_paused = true)]
async fn the_alarm_watches_a_metric_that_is_written() {
    let world = World::new(Options::default());
    world.deliver(&json!({ "watch": "stalledRotations" })).await.unwrap();
    let metrics = world.metrics();
    let directive = &metrics[0]["_aws"]["CloudWatchMetrics"][0];
    let alarm = properties("StalledRotationAlarm");
    assert_eq!(alarm["Namespace"], NAMESPACE);
    assert_eq!(alarm["Namespace"], directive["Namespace"]);
    assert_eq!(alarm["MetricName"], directive["Metrics"][0]["Name"]);
    let dimensions: Vec<_> = alarm["Dimensions"].as_array().unwrap().iter().map(|each| &each["Name"]).collect();
    assert_eq!(json!([dimensions]), directive["Dimensions"]);
}

/// Shows that the README names every parameter and output.
#[test]
fn the_readme_names_parameters_and_outputs() {
    let readme = std::fs::read_to_string(format!("{}/README.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    for part in ["Parameters", "Outputs"] {
        for name in template()[part].as_object().unwrap().keys() {
            assert!(readme.contains(&format!("`{name}`")), "README.md does not tell what {name} is");
        }
    }
}
