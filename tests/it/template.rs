//! `template.yaml` against the code it deploys: the environment, the tables, what starts the function, the alarms. What the
//! function may do is in `permissions.rs`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::KeySchemaElement;
use rerole::index::run::{Mode, RunRequest, Wanted, wanted};
use rerole::intake::{DETAIL_TYPE, Intake, read};
use rerole::metrics::NAMESPACE;
use rerole::rotation::DEADLINE_RESERVE;
use rerole::settings::{IndexSettings, RotateSettings};
use rerole_sim::Options;
use serde_json::{Value, json};

use crate::stack::{forwarding, properties, template};
use crate::world::{INDEX, LEDGER, MACHINE, World};

/// What Lambda itself puts into every function's environment, and lets no template set.
const SET_BY_LAMBDA: [&str; 5] =
    ["AWS_ACCESS_KEY_ID", "AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
/// For a function that is run by hand, beside a local counterpart of AWS.
const SET_BY_HAND: [&str; 4] =
    ["AWS_CA_BUNDLE", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_EKS", "AWS_ENDPOINT_URL_SFN"];

/// Shows that the template sets what the code reads, and nothing that it does not.
#[test]
fn the_environment_is_what_the_settings_read() {
    for (function, mut read) in [
        ("RotateFunction", read_by(|lookup| drop(RotateSettings::from_lookup(lookup).unwrap()))),
        ("IndexFunction", read_by(|lookup| drop(IndexSettings::from_lookup(lookup).unwrap()))),
    ] {
        let variables = &properties(function)["Environment"]["Variables"];
        let set: BTreeSet<_> = variables.as_object().unwrap().keys().cloned().collect();
        for name in SET_BY_LAMBDA.iter().chain(&SET_BY_HAND) {
            assert!(read.remove(*name), "{name} is not read any more");
        }
        assert_eq!(set, read, "{function}");
        assert_eq!(
            variables["AWS_ENDPOINT_URL"],
            json!({ "Fn::If": ["HasEndpointUrl", { "Ref": "AwsEndpointUrl" }, { "Ref": "AWS::NoValue" }] }),
            "absent when empty"
        );
    }
}

/// The variables that reading settings asks for.
fn read_by(read: impl FnOnce(&dyn Fn(&str) -> Option<String>)) -> BTreeSet<String> {
    // Read apart, before the others: `Settings::log_filter`.
    let asked = RefCell::new(BTreeSet::from(["RUST_LOG".to_owned()]));
    read(&|name| {
        asked.borrow_mut().insert(name.to_owned());
        value(name)
    });
    asked.into_inner()
}

/// Something that each variable may hold.
fn value(name: &str) -> Option<String> {
    let value = match name {
        "ROLE_PATH" => "/platform/",
        "INDEX_REGIONS" => "eu-west-1",
        "CONTINUATION_STATE_MACHINE_ARN" => MACHINE,
        "MAX_CONCURRENCY" | "INDEX_STALE_AFTER_HOURS" => "8",
        // A file that is not there would be an error before the last variable is read.
        "AWS_CA_BUNDLE" => return None,
        name if name.starts_with("AWS_ENDPOINT_URL") => "http://127.0.0.1:1",
        _ => "text",
    };
    Some(value.to_owned())
}

/// Shows that `RolePath` is never somebody else's choice, and that the bounds of numbers are those of the settings.
#[test]
fn parameters_take_what_the_settings_take() {
    let parameters = &template()["Parameters"];
    assert!(parameters["RolePath"].get("Default").is_none());
    for (parameter, variable) in
        [("MaxConcurrency", "MAX_CONCURRENCY"), ("IndexStaleAfterHours", "INDEX_STALE_AFTER_HOURS")]
    {
        let accepts = |number: i64| {
            let lookup = |name: &str| if name == variable { Some(number.to_string()) } else { value(name) };
            IndexSettings::from_lookup(lookup).is_ok()
        };
        let bound = |name: &str| parameters[parameter][name].as_i64().unwrap();
        let (least, most) = (bound("MinValue"), bound("MaxValue"));
        assert_eq!([least - 1, least, most, most + 1].map(accepts), [false, true, true, false], "{parameter}");
    }
}

/// Shows that the tables that are tested against are the tables that are deployed.
#[tokio::test(start_paused = true)]
async fn the_tables_are_those_of_the_simulated_aws() {
    let world = World::new(Options::default());
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
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

/// Shows that the index function's schedules send what its code understands, and that its default regions are its own.
#[test]
fn the_schedules_ask_for_what_the_reconciler_does() {
    let own = ["eu-west-1".to_owned()];
    for (event, mode) in [("Shallow", Some(Mode::Shallow)), ("Deep", Some(Mode::Deep)), ("Resume", None)] {
        let input = &properties("IndexFunction")["Events"][event]["Properties"]["Input"];
        let payload: Value = serde_json::from_str(input.as_str().unwrap()).unwrap();
        let expected = match mode {
            Some(mode) => Wanted::Run(RunRequest { mode, regions: own.to_vec(), cluster_names: None }),
            None => Wanted::Resume,
        };
        assert_eq!(wanted(&payload["reconcile"], &own), Ok(expected));
    }
}

/// Shows that the rule lets through each sample of a change that its function reads, but for what failed and for what the
/// rotate function did.
#[test]
fn the_index_rule_names_the_calls_that_are_read() {
    let pattern = &properties("AssociationChangedRule")["EventPattern"];
    assert_eq!(pattern["detail-type"], json!([rerole::trail::DETAIL_TYPE]));
    let names = pattern["detail"]["eventName"].as_array().unwrap();
    let folder = format!("{}/events/index", env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let event: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        if event.get("Records").is_none() {
            seen += 1;
            assert!(names.contains(&event["detail"]["eventName"]), "{}", path.display());
            assert_eq!(json!([event["source"]]), pattern["source"]);
            assert_eq!(json!([event["detail"]["eventSource"]]), pattern["detail"]["eventSource"]);
        }
    }
    assert!(seen >= names.len());
    assert_eq!(pattern["account"], json!([{ "Ref": "AWS::AccountId" }]));
    assert_eq!(pattern["detail"]["errorCode"], json!([{ "exists": false }]));
    let issuer = |arn: Value| json!({ "userIdentity": { "sessionContext": { "sessionIssuer": { "arn": [arn] } } } });
    let not_ours = json!({ "anything-but": [{ "Fn::GetAtt": "RotateRole.Arn" }] });
    assert_eq!(pattern["detail"]["$or"], json!([issuer(json!({ "exists": false })), issuer(not_ours)]));
}

/// Shows that what is forwarded from other regions is what the rule lets through, but for our own calls, which it knows.
#[test]
fn what_is_forwarded_is_what_is_read() {
    let mut pattern = properties("AssociationChangedRule")["EventPattern"].clone();
    pattern["detail"].as_object_mut().unwrap().remove("$or");
    assert_eq!(forwarding()["Resources"]["AssociationChangedRule"]["Properties"]["EventPattern"], pattern);
}

/// Shows that a queue's messages stay hidden for as long as the function may work on them, as Lambda asks for.
#[test]
fn messages_are_hidden_while_they_are_worked_on() {
    let timeout = properties("IndexFunction")["Timeout"].as_u64().unwrap();
    assert!(properties("IndexQueue")["VisibilityTimeout"].as_u64().unwrap() >= timeout);
    let event = &properties("IndexFunction")["Events"]["AssociationChanged"]["Properties"];
    assert_eq!(event["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
    assert_eq!(event["ScalingConfig"]["MaximumConcurrency"], 2);
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
    // The metric is dated at the invocation's beginning.
    let number = |name: &str| properties("DurationAlarm")[name].as_u64().unwrap();
    let looked_at = Duration::from_secs(number("Period") * number("EvaluationPeriods"));
    assert!(looked_at >= timeout + Duration::from_mins(10) && number("DatapointsToAlarm") == 1);
}

/// Shows that the functions are told of the state machine that is deployed, without depending on it, as it depends on them.
#[test]
fn the_functions_know_the_state_machine_by_name() {
    let machine = properties("Slices");
    assert_eq!(machine["Type"], "STANDARD", "only names of Standard executions are used once");
    let arn = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:";
    let arn = json!({ "Fn::Sub": format!("{arn}{}", machine["Name"]["Fn::Sub"].as_str().unwrap()) });
    for function in ["RotateFunction", "IndexFunction"] {
        assert_eq!(properties(function)["Environment"]["Variables"]["CONTINUATION_STATE_MACHINE_ARN"], arn);
    }
}

/// Shows that each way in which an execution can end without its work being done raises an alarm.
#[test]
fn executions_that_do_not_come_to_their_end_raise_an_alarm() {
    for end in ["Failed", "TimedOut", "Aborted"] {
        let alarm = properties(&format!("Slices{end}Alarm"));
        assert_eq!([&alarm["Namespace"], &alarm["MetricName"]], ["AWS/States", &format!("Executions{end}")]);
        assert_eq!(alarm["Dimensions"], json!([{ "Name": "StateMachineArn", "Value": { "Ref": "Slices" } }]));
    }
}

/// Shows that alarms on our own metrics watch what the functions write.
#[tokio::test(start_paused = true)]
async fn the_alarms_watch_metrics_that_are_written() {
    let world = World::new(Options::default());
    world.deliver(&json!({ "watch": "stalledRotations" })).await.unwrap();
    world.reconcile("deep").await;
    let metrics = world.metrics();
    for (line, alarm) in metrics.iter().zip(["StalledRotationAlarm", "StaleIndexAlarm"]) {
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        let alarm = properties(alarm);
        assert_eq!(alarm["Namespace"], NAMESPACE);
        assert_eq!(alarm["Namespace"], directive["Namespace"]);
        assert_eq!(alarm["MetricName"], directive["Metrics"][0]["Name"]);
        let dimensions: Vec<_> = alarm["Dimensions"].as_array().unwrap().iter().map(|each| &each["Name"]).collect();
        assert_eq!(json!([dimensions]), directive["Dimensions"]);
    }
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
