//! Executions of state machines: their names, and starting twice.

use crate::{REGION, code_of, in_virtual_time};
use aws_credential_types::Credentials;
use aws_sdk_sfn::config::retry::RetryConfig;
use aws_sdk_sfn::config::{BehaviorVersion, Region};
use rerole_sim::{ExecutionStatus, Fault, Options, Service, SimulatedAws};
use serde_json::json;
use std::time::Duration;

const MACHINE: &str = "arn:aws:states:eu-west-1:111122223333:stateMachine:slices";

fn with_machine() -> (SimulatedAws, aws_sdk_sfn::Client) {
    let aws = SimulatedAws::new(Options::default());
    aws.create_state_machine(MACHINE);
    let config = aws_sdk_sfn::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(aws.http_client())
        .time_source(aws.time_source())
        .build();
    (aws, aws_sdk_sfn::Client::from_conf(config))
}

/// The same name with the same input is one execution for as long as it runs. With another input, or once it is closed,
/// the name is taken; a redrive opens it again.
#[test]
fn a_name_is_used_once() {
    in_virtual_time(async {
        let (aws, client) = with_machine();
        let start = |input: &str| client.start_execution().state_machine_arn(MACHINE).name("r-1").input(input).send();
        let first = start(r#"{"a": 1}"#).await.expect("a new name");
        assert_eq!(first.execution_arn, "arn:aws:states:eu-west-1:111122223333:execution:slices:r-1");
        tokio::time::sleep(Duration::from_secs(5)).await;
        let again = start(r#"{"a":1}"#).await.expect("it runs");
        assert_eq!((again.execution_arn, again.start_date), (first.execution_arn, first.start_date));
        assert_eq!(code_of(start(r#"{"a": 2}"#).await).0, "ExecutionAlreadyExists");

        aws.set_execution("r-1", ExecutionStatus::Failed);
        assert_eq!(code_of(start(r#"{"a": 1}"#).await).0, "ExecutionAlreadyExists");
        aws.set_execution("r-1", ExecutionStatus::Running);
        start(r#"{"a": 1}"#).await.expect("it was redriven");

        let executions = aws.executions();
        assert_eq!(executions.len(), 1);
        assert_eq!((&executions[0].input, executions[0].stopped_at), (&json!({ "a": 1 }), None));
        assert_eq!(aws.calls()[0].call.subject, "slices/r-1");
        assert_eq!(aws.call_counts()[&(Service::StepFunctions, "StartExecution".to_owned())], 5);
    });
}

/// Each row is a request that may not be made, and what is said to it.
#[test]
fn what_cannot_be_started_is_refused() {
    in_virtual_time(async {
        let (aws, client) = with_machine();
        let too_long = "n".repeat(81);
        for (machine, name, input, code) in [
            ("arn:aws:states:eu-west-1:111122223333:stateMachine:other", "r-1", "{}", "StateMachineDoesNotExist"),
            ("slices", "r-1", "{}", "InvalidArn"),
            (MACHINE, "dry-run/r-1", "{}", "InvalidName"),
            (MACHINE, "r 1", "{}", "InvalidName"),
            (MACHINE, too_long.as_str(), "{}", "InvalidName"),
            (MACHINE, "r-1", "{", "InvalidExecutionInput"),
        ] {
            let start = client.start_execution().state_machine_arn(machine).name(name).input(input);
            assert_eq!(code_of(start.send().await).0, code, "{machine} {name} {input}");
        }
        for (fault, code) in [(Fault::Throttle, "ThrottlingException"), (Fault::ServerError(500), "InternalFailure")] {
            aws.on_call(move |_| fault.clone());
            assert_eq!(code_of(client.start_execution().state_machine_arn(MACHINE).send().await).0, code);
        }
        assert_eq!(aws.executions(), []);
        aws.clear_hook();
        client.start_execution().state_machine_arn(MACHINE).send().await.expect("a name is made up");
        assert_eq!(aws.executions()[0].name.len(), 36);
    });
}
