//! Executions of state machines: their names, starting twice, and reading them.

use std::sync::mpsc;
use std::time::Duration;

use aws_sdk_sfn::operation::start_execution::builders::StartExecutionFluentBuilder;
use rerole_sim::{ExecutionStatus, Fault, Options, Service, SimulatedAws};
use serde_json::json;

use crate::harness::{code_of, in_virtual_time, step_functions};

const STATE_MACHINE: &str = "arn:aws:states:eu-west-1:111122223333:stateMachine:slices";

/// A name with the same input stands for one execution while that is running. With another input,
/// or after the execution has ended, the name is in use; a redrive makes it run again.
#[test]
fn a_name_identifies_one_execution() {
    in_virtual_time(async {
        let (aws, client) = with_state_machine();
        let start = |input: &str| start(&client).name("r-1").input(input).send();
        let first = start(r#"{"a": 1}"#).await.expect("a new name");
        let arn = "arn:aws:states:eu-west-1:111122223333:execution:slices:r-1";
        assert_eq!(first.execution_arn, arn);
        tokio::time::sleep(Duration::from_secs(5)).await;
        let again = start(r#"{"a":1}"#).await.expect("it is running");
        assert_eq!(again.execution_arn, first.execution_arn);
        assert_eq!(again.start_date, first.start_date);
        let other = start(r#"{"a": 2}"#).await;
        assert_eq!(code_of(other), "ExecutionAlreadyExists");

        aws.set_execution_status("r-1", ExecutionStatus::Failed);
        let ended = start(r#"{"a": 1}"#).await;
        assert_eq!(code_of(ended), "ExecutionAlreadyExists");
        aws.set_execution_status("r-1", ExecutionStatus::Running);
        start(r#"{"a": 1}"#).await.expect("it was redriven");

        let executions = aws.executions();
        assert_eq!(executions.len(), 1);
        assert_eq!(executions[0].input, json!({ "a": 1 }));
        assert_eq!(executions[0].stopped_at, None);
        assert_eq!(aws.calls()[0].call.subject, "slices/r-1");
        let operation = (Service::StepFunctions, "StartExecution".to_owned());
        assert_eq!(aws.call_counts()[&operation], 5);
    });
}

#[test]
fn invalid_starts_are_refused() {
    in_virtual_time(async {
        let (aws, client) = with_state_machine();
        let other = "arn:aws:states:eu-west-1:111122223333:stateMachine:other";
        let too_long = "n".repeat(81);
        let rows = [
            (other, "r-1", "{}", "StateMachineDoesNotExist"),
            ("slices", "r-1", "{}", "InvalidArn"),
            (STATE_MACHINE, "dry-run/r-1", "{}", "InvalidName"),
            (STATE_MACHINE, "r 1", "{}", "InvalidName"),
            (STATE_MACHINE, too_long.as_str(), "{}", "InvalidName"),
            (STATE_MACHINE, "r-1", "{", "InvalidExecutionInput"),
        ];
        for (state_machine, name, input, code) in rows {
            let start = client.start_execution().state_machine_arn(state_machine);
            let result = start.name(name).input(input).send().await;
            assert_eq!(code_of(result), code, "{state_machine} {name} {input}");
        }
        assert_eq!(aws.executions(), []);
    });
}

#[test]
fn faults_have_the_codes_of_step_functions() {
    in_virtual_time(async {
        let (aws, client) = with_state_machine();
        let rows = [
            (Fault::Throttle, "ThrottlingException"),
            (Fault::ServerError(500), "InternalFailure"),
        ];
        for (fault, code) in rows {
            aws.on_call(move |_| fault.clone());
            assert_eq!(code_of(start(&client).send().await), code);
        }
        assert_eq!(aws.executions(), []);
        aws.clear_hook();
        assert!(start(&client).send().await.is_ok());
    });
}

#[test]
fn an_execution_without_a_name_gets_one() {
    in_virtual_time(async {
        let (aws, client) = with_state_machine();
        start(&client).send().await.expect("a valid start");
        assert_eq!(aws.executions()[0].name.len(), 36);
    });
}

#[test]
fn executions_are_described_and_listed_latest_first() {
    in_virtual_time(async {
        let (aws, client) = with_state_machine();
        let (sender, receiver) = mpsc::channel();
        aws.on_execution_started(move |execution| sender.send(execution.name.clone()).unwrap());
        for name in ["r-1", "r-2", "r-2"] {
            start(&client)
                .name(name)
                .input(r#"{"a":1}"#)
                .send()
                .await
                .unwrap();
        }
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), ["r-1", "r-2"]);
        aws.set_execution_status("r-1", ExecutionStatus::Failed);

        let arn = aws.executions()[0].execution_arn.clone();
        let described = client.describe_execution().execution_arn(&arn);
        let described = described.send().await.expect("it exists");
        assert_eq!(described.status().as_str(), "FAILED");
        assert_eq!(described.input(), Some(r#"{"a":1}"#));
        assert!(described.stop_date().is_some());
        let list = || client.list_executions().state_machine_arn(STATE_MACHINE);
        let first = list().max_results(1).send().await.unwrap();
        assert_eq!(first.executions()[0].name(), "r-2");
        let second = list()
            .set_next_token(first.next_token)
            .send()
            .await
            .unwrap();
        assert_eq!(second.executions()[0].name(), "r-1");
        assert_eq!(second.next_token(), None);
        let failed = list().status_filter("FAILED".into()).send().await.unwrap();
        assert_eq!(failed.executions().len(), 1);

        let absent = client.describe_execution().execution_arn(format!("{arn}0"));
        assert_eq!(code_of(absent.send().await), "ExecutionDoesNotExist");
        let absent = client
            .list_executions()
            .state_machine_arn(format!("{STATE_MACHINE}0"));
        assert_eq!(code_of(absent.send().await), "StateMachineDoesNotExist");
    });
}

fn with_state_machine() -> (SimulatedAws, aws_sdk_sfn::Client) {
    let aws = SimulatedAws::new(Options::default());
    aws.create_state_machine(STATE_MACHINE);
    let client = step_functions(&aws);
    (aws, client)
}

fn start(client: &aws_sdk_sfn::Client) -> StartExecutionFluentBuilder {
    client.start_execution().state_machine_arn(STATE_MACHINE)
}
