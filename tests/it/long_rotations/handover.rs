//! The start of an execution: how often a rotation starts one, what happens if the start fails, and
//! which inputs an execution accepts.

use std::time::Duration;

use rerole::rotate::response::RotateResponse;
use rerole_sim::state_machine::{End, Played};
use rerole_sim::{ExecutionStatus, Fault, Options, Service, Throttle};
use serde_json::json;

use crate::common::state_machine::slices;
use crate::guarantees::{Before, check};
use crate::harness::{
    Harness, INDEX, OLD, STATE_MACHINE, TIMEOUT, error, in_virtual_time, is_lease_write, is_update,
    rotation_event,
};
use crate::long_rotations::{
    SHORT, SLICE, assert_executions, error_type, hand_over, with_state_machine,
};

#[tokio::test(start_paused = true)]
async fn handing_over_twice_starts_one_execution() {
    let harness = with_state_machine(150);
    hand_over(&harness, &rotation_event()).await;
    hand_over(&harness, &rotation_event()).await;
    assert_eq!(harness.call_count(Service::StepFunctions), 2);
    assert_executions(&harness, &[("r-1-1", ExecutionStatus::Running)]);
}

/// The operator sends the event again after the execution failed. The failed execution does no harm
/// if it is redriven as well.
#[tokio::test(start_paused = true)]
async fn after_a_failed_execution_the_next_one_has_the_next_number() {
    let harness = with_state_machine(300);
    let before = Before::of(&harness);
    hand_over(&harness, &rotation_event()).await;
    harness
        .aws
        .set_execution_status("r-1-1", ExecutionStatus::Failed);
    hand_over(&harness, &rotation_event()).await;
    hand_over(&harness, &rotation_event()).await;
    let (failed, running) = (ExecutionStatus::Failed, ExecutionStatus::Running);
    assert_executions(&harness, &[("r-1-1", failed), ("r-1-2", running)]);
    let played = harness.play(SLICE).await;
    assert_eq!(played.output()["counts"]["updated"], 300);

    harness
        .aws
        .set_execution_status("r-1-1", ExecutionStatus::Running);
    let redriven = harness.play(SLICE).await;
    assert_eq!(redriven.output(), played.output());
    assert_eq!(slices(&redriven), 1);
    assert_eq!(harness.updates().len(), 300);
    check(&harness, &before);
}

/// Whatever is wrong with Step Functions, the invocation fails before its time is up and names the
/// reason. Lambda delivers the event again, and that delivery resumes the rotation.
#[test]
fn a_failed_start_fails_the_invocation() {
    let error = |code: &str| error((400, code), "injected");
    for (fault, expected) in [
        (
            error("AccessDeniedException"),
            "AccessDeniedException: injected",
        ),
        (
            error("StateMachineDoesNotExist"),
            "StateMachineDoesNotExist: injected",
        ),
        (
            error("ExecutionAlreadyExists"),
            "4 executions were closed one after the other",
        ),
        (Fault::ServerError(500), "InternalFailure: "),
        (Fault::Throttle, "ThrottlingException: "),
        (
            Fault::Delay(Duration::from_mins(1)),
            "request has timed out",
        ),
    ] {
        in_virtual_time(fail_to_start(fault, expected));
    }
}

async fn fail_to_start(fault: Fault, expected: &str) {
    let harness = with_state_machine(150);
    harness.inject(fault.clone(), |call| call.service == Service::StepFunctions);
    let started = harness.aws.now();
    let error = harness
        .deliver_within(&rotation_event(), SHORT)
        .await
        .unwrap_err();
    let elapsed = harness.aws.now().duration_since(started).unwrap();
    assert!(elapsed < SHORT, "{fault:?}: the slice took {elapsed:?}");
    let message = error.to_string();
    assert!(
        message.contains("the state machine could not be started"),
        "{fault:?}: {message}"
    );
    assert!(message.contains(expected), "{fault:?}: {message}");
    assert_eq!(error_type(error), "Incomplete");
    assert_executions(&harness, &[]);
    harness.aws.clear_hook();
    assert_eq!(
        harness.finish(&rotation_event()).await["counts"]["updated"],
        150
    );
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_response_is_lost_starts_one_execution() {
    let harness = with_state_machine(150);
    let mut lost = false;
    harness.inject(Fault::LoseResponse, move |call| {
        call.service == Service::StepFunctions && !std::mem::replace(&mut lost, true)
    });
    hand_over(&harness, &rotation_event()).await;
    assert_executions(&harness, &[("r-1-1", ExecutionStatus::Running)]);
}

/// Delivers the event to a function that has all its time, and expects it to hand the rotation
/// over. Plays the state machine until its end.
async fn deliver_and_play(harness: &Harness) -> Played {
    let response = harness.deliver(&rotation_event()).await.unwrap();
    assert!(
        matches!(response, RotateResponse::Open { .. }),
        "{response:?}"
    );
    harness.play(TIMEOUT).await
}

/// Lambda would deliver the event again only twice. The state machine retries until the rotation
/// ends: half an hour later, the cluster is given up.
#[tokio::test(start_paused = true)]
async fn rows_that_stay_pending_because_of_errors_are_handed_over_and_fail_in_the_end() {
    let harness = with_state_machine(30);
    let started_at = harness.aws.now();
    harness.inject(Fault::ServerError(503), |call| {
        call.service == Service::Eks && call.subject.starts_with("prod-1/")
    });
    let played = deliver_and_play(&harness).await;
    let output = played.output();
    assert_eq!(output["status"], "CompletedWithFailures", "{played:#?}");
    assert!(output["counts"]["updated"].as_u64() > Some(5), "{output:#}");
    let took = harness.aws.now().duration_since(started_at).unwrap();
    let expected = Duration::from_mins(30)..Duration::from_mins(45);
    assert!(expected.contains(&took), "{took:?}");
    let rows = harness.rows("r-1");
    let failed = rows.iter().find(|row| row["outcome"] == "Failed").unwrap();
    let message = failed["errorMessage"].as_str().unwrap();
    assert!(message.contains("its calls have failed since"), "{message}");
}

/// The index cannot be read for longer than Lambda delivers the event.
#[tokio::test(start_paused = true)]
async fn a_rotation_whose_index_cannot_be_read_is_handed_over() {
    let harness = with_state_machine(30);
    let (aws, started_at) = (harness.aws.clone(), harness.aws.now());
    harness.inject(Fault::ServerError(500), move |call| {
        let is_down = aws.now().duration_since(started_at).unwrap() < Duration::from_mins(10);
        is_down && call.operation == "Query" && call.subject.starts_with(INDEX)
    });
    let played = deliver_and_play(&harness).await;
    assert_eq!(played.output()["counts"]["updated"], 30, "{played:#?}");
}

/// The lease expires while the slice works, and no other invocation takes it.
#[tokio::test(start_paused = true)]
async fn a_rotation_whose_lease_cannot_be_renewed_is_handed_over() {
    let harness = Harness::with_state_machine(Options {
        throttle: Some(Throttle {
            rate_per_sec: 4.0,
            burst: 4.0,
        }),
        ..Options::default()
    });
    harness.fleet(300);
    let (aws, started_at) = (harness.aws.clone(), harness.aws.now());
    harness.inject(Fault::ServerError(500), move |call| {
        let is_down = aws.now().duration_since(started_at).unwrap() < Duration::from_mins(10);
        is_down && is_lease_write(call)
    });
    let played = deliver_and_play(&harness).await;
    assert_eq!(played.output()["counts"]["updated"], 300, "{played:#?}");
}

/// No row is settled in half an hour. That is the same for all clusters of a region, so it does not
/// take half an hour for each.
#[tokio::test(start_paused = true)]
async fn a_rotation_that_is_throttled_for_ever_ends() {
    let harness = with_state_machine(0);
    for number in 0..5 {
        let (cluster, account) = (format!("prod-{number}"), "api");
        let arn = harness
            .aws
            .eks(|eks| eks.associate("us-east-1", &cluster, "shop", account, OLD));
        harness.aws.index_association(INDEX, &arn);
    }
    harness.inject(Fault::Throttle, is_update);
    let started_at = harness.aws.now();
    let played = deliver_and_play(&harness).await;
    let output = played.output();
    assert_eq!(output["status"], "CompletedWithFailures", "{played:#?}");
    let took = harness.aws.now().duration_since(started_at).unwrap();
    assert!(took < Duration::from_mins(45), "{took:?}");
    let row = &harness.rows("r-1")[0];
    assert_eq!(row["errorCode"], "TooManyRequestsException");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_rotation_fails_its_execution_at_once() {
    let harness = with_state_machine(1);
    start_by_hand(&harness, "r-7").await;
    let played = harness.play(SLICE).await;
    let cause = "the ledger has no rotation r-7";
    assert_eq!(
        played.end,
        End::Failed("UnknownRotation".to_owned(), cause.to_owned())
    );
    assert_eq!(played.path, ["ChooseTask", "Rotate", "(UnknownRotation)"]);
}

/// Starts an execution as an operator can.
async fn start_by_hand(harness: &Harness, rotation_id: &str) {
    use aws_sdk_sfn::config::{BehaviorVersion, Credentials, Region};
    let config = aws_sdk_sfn::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("operator", "test", None, None, "test"))
        .http_client(harness.aws.http_client())
        .build();
    let input = json!({ "rotationId": rotation_id }).to_string();
    let start = aws_sdk_sfn::Client::from_conf(config).start_execution();
    start
        .state_machine_arn(STATE_MACHINE)
        .input(input)
        .send()
        .await
        .unwrap();
}

/// The payload of a slice has no options. One that has them is rejected, and the rejection is
/// recorded.
#[tokio::test(start_paused = true)]
async fn the_payload_of_a_slice_has_only_the_rotation_id() {
    let harness = with_state_machine(1);
    let payload = json!({ "rotationId": "r-1", "dryRun": true });
    let response = serde_json::to_value(harness.deliver(&payload).await.unwrap()).unwrap();
    let reason = "dryRun true is not allowed; allowed: rotationId as the only member";
    assert_eq!(response["reason"], reason);
    let key = format!("rejected/{}", response["eventId"].as_str().unwrap());
    assert_eq!(harness.rotation(&key)["status"], "Rejected");
}
