//! `template.yaml` against the code that it deploys: environment, parameters, tables, and the state
//! machine's name. What invokes the functions is in `triggers.rs`, alarms are in `alarms.rs`, and
//! permissions in `permissions/`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::KeySchemaElement;
use rerole::settings::{IndexerSettings, PublisherSettings, RotateSettings};
use rerole_sim::Options;
use serde_json::{Value, json};

use crate::common::template::{properties, template};
use crate::harness::{Harness, INDEX, LEDGER, STATE_MACHINE};

/// Lambda sets these variables itself and reserves them.
const SET_BY_LAMBDA: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];
/// An operator sets these to run a function by hand against an AWS emulator.
const SET_BY_HAND: [&str; 3] = [
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_ENDPOINT_URL_EVENTBRIDGE",
    "AWS_ENDPOINT_URL_SFN",
];

#[test]
fn the_template_sets_exactly_the_variables_that_the_settings_read() {
    for (function, mut read) in [
        (
            "RotateFunction",
            variables_read_by(|lookup| drop(RotateSettings::from_lookup(lookup).unwrap())),
        ),
        (
            "IndexerFunction",
            variables_read_by(|lookup| drop(IndexerSettings::from_lookup(lookup).unwrap())),
        ),
        (
            "PublisherFunction",
            variables_read_by(|lookup| drop(PublisherSettings::from_lookup(lookup).unwrap())),
        ),
    ] {
        let variables = &properties(function)["Environment"]["Variables"];
        let set: BTreeSet<_> = variables.as_object().unwrap().keys().cloned().collect();
        for name in SET_BY_LAMBDA.iter().chain(&SET_BY_HAND) {
            assert!(read.remove(*name), "{name} is no longer read");
        }
        if function == "PublisherFunction" {
            // All clients read it, and this function has none of EKS.
            read.remove("AWS_ENDPOINT_URL_EKS");
        }
        assert_eq!(set, read, "{function}");
        assert_eq!(
            variables["AWS_ENDPOINT_URL"],
            json!({
                "Fn::If": [
                    "HasEndpointUrl",
                    { "Ref": "AwsEndpointUrl" },
                    { "Ref": "AWS::NoValue" },
                ],
            }),
            "the variable must be absent if the parameter is empty"
        );
    }
}

/// The variables that `read` looks up.
fn variables_read_by(read: impl FnOnce(&dyn Fn(&str) -> Option<String>)) -> BTreeSet<String> {
    // `Settings::log_filter` reads this one separately, before the others.
    let names = RefCell::new(BTreeSet::from(["RUST_LOG".to_owned()]));
    read(&|name| {
        names.borrow_mut().insert(name.to_owned());
        value(name)
    });
    names.into_inner()
}

/// A valid value for each variable.
fn value(name: &str) -> Option<String> {
    let value = match name {
        "ROLE_PATH" | "OLD_ROLE_PATH" => "/platform/",
        "ROTATION_EVENT_SOURCE" => "platform.iam",
        "EVENT_BUS_NAME" => "rerole",
        "INDEX_REGIONS" => "eu-west-1",
        "INDEX_EXCLUDE" => "local-*",
        "STATE_MACHINE_ARN" => STATE_MACHINE,
        "MAX_CONCURRENCY" | "INDEX_STALE_AFTER_HOURS" => "8",
        "RATE_SHARE" => "80",
        "AWS_USE_FIPS_ENDPOINT" | "AWS_USE_DUALSTACK_ENDPOINT" => "false",
        // With a missing file, the settings would fail before they read the last variable.
        "AWS_CA_BUNDLE" => return None,
        name if name.starts_with("AWS_ENDPOINT_URL") => "http://127.0.0.1:1",
        _ => "text",
    };
    Some(value.to_owned())
}

/// `RolePath` has no default: the operator decides which roles rerole may assign.
#[test]
fn number_parameters_have_the_bounds_of_the_settings() {
    let parameters = &template()["Parameters"];
    assert!(parameters["RolePath"].get("Default").is_none());
    for (parameter, variable) in [
        ("MaxConcurrency", "MAX_CONCURRENCY"),
        ("RateShare", "RATE_SHARE"),
        ("IndexStaleAfterHours", "INDEX_STALE_AFTER_HOURS"),
    ] {
        let accepts = |number: i64| {
            let lookup = |name: &str| {
                if name == variable {
                    Some(number.to_string())
                } else {
                    value(name)
                }
            };
            IndexerSettings::from_lookup(lookup).is_ok()
        };
        let bound = |name: &str| parameters[parameter][name].as_i64().unwrap();
        let (least, most) = (bound("MinValue"), bound("MaxValue"));
        assert_eq!(
            [least - 1, least, most, most + 1].map(accepts),
            [false, true, true, false],
            "{parameter}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_simulated_tables_have_the_keys_of_the_deployed_ones() {
    let harness = Harness::new(Options::default());
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .http_client(harness.aws.http_client())
        .build();
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    for (resource, table) in [
        ("AssociationIndexTable", INDEX),
        ("RotationLedgerTable", LEDGER),
    ] {
        let output = client
            .describe_table()
            .table_name(table)
            .send()
            .await
            .unwrap();
        let simulated = output.table().unwrap();
        let deployed = properties(resource);
        assert_eq!(
            deployed_key_names(&deployed["KeySchema"]),
            simulated_key_names(simulated.key_schema()),
            "{table}"
        );
        let indexes = simulated.global_secondary_indexes().iter().map(|index| {
            let name = index.index_name().unwrap().to_owned();
            (name, simulated_key_names(index.key_schema()))
        });
        assert_eq!(
            deployed_indexes(deployed),
            indexes.collect::<BTreeMap<_, _>>(),
            "{table}"
        );
    }
}

/// The key names of each global secondary index in the template.
fn deployed_indexes(table: &Value) -> BTreeMap<String, Vec<String>> {
    let indexes = table["GlobalSecondaryIndexes"].as_array().unwrap();
    let names: BTreeMap<_, _> = indexes
        .iter()
        .inspect(|index| assert_eq!(index["Projection"]["ProjectionType"], "ALL"))
        .map(|index| {
            let name = index["IndexName"].as_str().unwrap().to_owned();
            (name, deployed_key_names(&index["KeySchema"]))
        })
        .collect();
    assert_eq!(names.len(), indexes.len(), "two indexes have the same name");
    names
}

/// Partition key and sort key of a table or an index in the template.
fn deployed_key_names(schema: &Value) -> Vec<String> {
    let keys = schema.as_array().unwrap();
    assert_eq!(
        (keys.len(), &keys[0]["KeyType"], &keys[1]["KeyType"]),
        (2, &json!("HASH"), &json!("RANGE"))
    );
    keys.iter()
        .map(|key| key["AttributeName"].as_str().unwrap().to_owned())
        .collect()
}

fn simulated_key_names(schema: &[KeySchemaElement]) -> Vec<String> {
    schema
        .iter()
        .map(|key| key.attribute_name().to_owned())
        .collect()
}

#[test]
fn the_tables_outlive_the_stack_and_can_be_restored() {
    for resource in ["AssociationIndexTable", "RotationLedgerTable"] {
        let table = &template()["Resources"][resource];
        assert_eq!(
            [&table["DeletionPolicy"], &table["UpdateReplacePolicy"]],
            ["Retain", "Retain"]
        );
        let table = &table["Properties"];
        assert!(
            table.get("TableName").is_none(),
            "with a fixed name, a second stack could not be created"
        );
        assert_eq!(
            table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"],
            true
        );
        assert_eq!(table["SSESpecification"]["SSEEnabled"], true);
        assert_eq!(
            table["DeletionProtectionEnabled"],
            json!({ "Ref": "TableDeletionProtection" })
        );
    }
}

/// The state machine depends on the functions, so they cannot refer to it as a resource.
#[test]
fn the_functions_know_the_state_machine_by_name() {
    let state_machine = properties("StateMachine");
    assert_eq!(
        state_machine["Type"], "STANDARD",
        "only for Standard workflows does Step Functions refuse a name that was used"
    );
    let arn = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:";
    let name = state_machine["Name"]["Fn::Sub"].as_str().unwrap();
    let arn = json!({ "Fn::Sub": format!("{arn}{name}") });
    for function in ["RotateFunction", "IndexerFunction"] {
        assert_eq!(
            properties(function)["Environment"]["Variables"]["STATE_MACHINE_ARN"],
            arn
        );
    }
}

#[test]
fn the_manual_names_every_parameter_and_output() {
    let manual =
        std::fs::read_to_string(format!("{}/docs/deploying.md", env!("CARGO_MANIFEST_DIR")))
            .unwrap();
    for part in ["Parameters", "Outputs"] {
        for name in template()[part].as_object().unwrap().keys() {
            assert!(
                manual.contains(&format!("`{name}`")),
                "docs/deploying.md does not describe {name}"
            );
        }
    }
}
