//! Functions: invocations that a test replies to, configurations and event sources.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, State};
use rerole_sim::{
    EventSourceMapping, Function, FunctionError, FunctionInvocation, InvocationKind, SimulatedAws,
};
use serde_json::{Value, json};

use crate::harness::{at_home, code_of, error_of, in_virtual_time, lambda};

const ARN: &str = "arn:aws:lambda:eu-west-1:111122223333:function:reconciler";

fn with_function() -> (SimulatedAws, Client) {
    let aws = at_home();
    let arn = aws.create_function(Function {
        name: "reconciler".to_owned(),
        variables: BTreeMap::from([("TABLE".to_owned(), "ledger".to_owned())]),
        timeout: Duration::from_mins(15),
        ..Function::default()
    });
    assert_eq!(arn, ARN);
    let client = lambda(&aws);
    (aws, client)
}

/// The function returns its payload in an object, or fails if that is a text.
fn reply(invocation: FunctionInvocation) {
    let result = match &invocation.payload {
        Value::String(message) => Err(FunctionError {
            error_type: "Invalid".to_owned(),
            error_message: message.clone(),
        }),
        payload => Ok(json!({ "payload": payload })),
    };
    let _ = invocation.reply.send(result);
}

#[test]
fn a_caller_waits_for_what_the_function_returns() {
    in_virtual_time(async {
        let (aws, client) = with_function();
        let mut invocations = aws.invocations();
        tokio::spawn(async move {
            while let Some(invocation) = invocations.recv().await {
                tokio::time::sleep(Duration::from_mins(1)).await;
                reply(invocation);
            }
        });
        let invoke = |payload: &str| {
            let invoke = client.invoke().function_name(ARN);
            invoke.payload(Blob::new(payload)).send()
        };
        let payload = |blob: Option<Blob>| -> Value {
            serde_json::from_slice(blob.expect("it returned").as_ref()).unwrap()
        };
        let done = invoke(r#"{"a": null}"#).await.expect("it exists");
        assert_eq!((done.status_code(), done.function_error()), (200, None));
        let expected = json!({ "payload": { "a": null } });
        assert_eq!(payload(done.payload), expected);

        let failed = invoke(r#""no""#).await.expect("the call as such succeeds");
        assert_eq!(failed.function_error(), Some("Unhandled"));
        let expected = json!({ "errorType": "Invalid", "errorMessage": "no" });
        assert_eq!(payload(failed.payload), expected);
        assert_eq!(aws.calls()[0].call.subject, "reconciler");

        let invalid = invoke("{").await;
        assert_eq!(code_of(invalid), "InvalidRequestContentException");
    });
}

#[test]
fn an_asynchronous_caller_does_not_wait() {
    in_virtual_time(async {
        let (aws, client) = with_function();
        let mut invocations = aws.invocations();
        let invoke = client.invoke().function_name("reconciler");
        let invoke = invoke.invocation_type(InvocationType::Event).send().await;
        assert_eq!(invoke.expect("it exists").status_code(), 202);
        let invocation = invocations.recv().await.expect("it was invoked");
        assert_eq!(invocation.kind, InvocationKind::Event);
        assert_eq!(invocation.function, "reconciler");
        assert_eq!(invocation.payload, json!({}));
    });
}

#[test]
fn an_invocation_without_code_fails() {
    in_virtual_time(async {
        let (aws, client) = with_function();
        let invoke = client.invoke().function_name("reconciler");
        let (code, message) = error_of(invoke.clone().send().await);
        let expected = ("ServiceException", "no code is deployed");
        assert_eq!((code.as_str(), message.as_str()), expected);
        let mut invocations = aws.invocations();
        tokio::spawn(async move { drop(invocations.recv().await) });
        let died = invoke.send().await.expect("the call as such succeeds");
        assert_eq!(died.function_error(), Some("Unhandled"));
        let absent = client.invoke().function_name("absent").send().await;
        let (code, message) = error_of(absent);
        assert_eq!(code, "ResourceNotFoundException");
        assert!(message.ends_with("function:absent"), "{message}");
    });
}

#[test]
fn a_function_has_a_configuration() {
    in_virtual_time(async {
        let (_, client) = with_function();
        let get = client.get_function_configuration();
        let configuration = get.function_name("reconciler").send().await.unwrap();
        assert_eq!(configuration.function_arn(), Some(ARN));
        assert_eq!(configuration.state(), Some(&State::Active));
        assert_eq!(configuration.timeout(), Some(900));
        let modified = configuration.last_modified();
        assert_eq!(modified, Some("2026-11-23T21:00:00.000+0000"));
        let variables = configuration.environment().unwrap().variables().unwrap();
        assert_eq!(variables["TABLE"], "ledger");
        let function = client.get_function().function_name(ARN).send().await;
        let configuration = function.unwrap().configuration.expect("it has one");
        assert_eq!(configuration.function_name(), Some("reconciler"));
    });
}

#[test]
fn event_sources_are_listed_by_function() {
    in_virtual_time(async {
        let (aws, client) = with_function();
        let source_arn = "arn:aws:sqs:eu-west-1:111122223333:work";
        for (function, enabled) in [("reconciler", false), ("other", true)] {
            aws.create_event_source_mapping(EventSourceMapping {
                function: function.to_owned(),
                source_arn: source_arn.to_owned(),
                enabled,
            });
        }
        let listed = client.list_event_source_mappings();
        let listed = listed.function_name("reconciler").send().await.unwrap();
        let [mapping] = listed.event_source_mappings() else {
            panic!("one mapping is of this function, not {listed:?}");
        };
        assert_eq!(mapping.state(), Some("Disabled"));
        assert_eq!(mapping.event_source_arn(), Some(source_arn));
        assert_eq!(mapping.function_arn(), Some(ARN));
        assert_eq!(mapping.uuid().map(str::len), Some(36));
    });
}
