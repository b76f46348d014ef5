//! What invokes the functions: the rules, schedules and the queue of the templates against the
//! payloads that the code parses.

use rerole::rotate::payload::{COMMAND_DETAIL_TYPE, DETAIL_TYPE, Payload, Task};
use rerole_core::indexing::{Coverage, Mode, ReconcileRequest, RunRequest, cloudtrail};
use serde_json::{Value, json};

use crate::common::template::{forwarding, properties};
use crate::harness::rules;

#[test]
fn the_rule_admits_requests_and_commands_of_the_own_account_only() {
    let pattern = json!({
        "account": [{ "Ref": "AWS::AccountId" }],
        "source": [{ "Ref": "RotationEventSource" }],
        "detail-type": [DETAIL_TYPE, COMMAND_DETAIL_TYPE],
    });
    assert_eq!(
        properties("RotateFunction")["Events"]["RotationRequested"]["Properties"]["Pattern"],
        pattern
    );
}

/// It leaves out failed calls and the calls of the rotate function.
#[test]
fn the_rule_of_the_indexer_admits_every_sample_change() {
    let pattern = &properties("AssociationChangedRule")["EventPattern"];
    assert_eq!(pattern["detail-type"], json!([cloudtrail::DETAIL_TYPE]));
    let names = pattern["detail"]["eventName"].as_array().unwrap();
    let folder = format!("{}/events/indexer", env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let event: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        if event.get("Records").is_none() {
            seen += 1;
            assert!(
                names.contains(&event["detail"]["eventName"]),
                "{}",
                path.display()
            );
            assert_eq!(json!([event["source"]]), pattern["source"]);
            assert_eq!(
                json!([event["detail"]["eventSource"]]),
                pattern["detail"]["eventSource"]
            );
        }
    }
    assert!(seen >= names.len());
    assert_eq!(pattern["account"], json!([{ "Ref": "AWS::AccountId" }]));
    assert_eq!(pattern["detail"]["errorCode"], json!([{ "exists": false }]));
    let issuer = |arn: Value| {
        let session = json!({ "sessionIssuer": { "arn": [arn] } });
        json!({ "userIdentity": { "sessionContext": session } })
    };
    let other_than_rotate = json!({ "anything-but": [{ "Fn::GetAtt": "RotateRole.Arn" }] });
    assert_eq!(
        pattern["detail"]["$or"],
        json!([
            issuer(json!({ "exists": false })),
            issuer(other_than_rotate)
        ])
    );
}

/// Only that rule knows the role of the rotate function, so the other regions forward its calls.
#[test]
fn other_regions_forward_what_the_rule_of_the_indexer_admits() {
    let mut pattern = properties("AssociationChangedRule")["EventPattern"].clone();
    pattern["detail"].as_object_mut().unwrap().remove("$or");
    assert_eq!(
        forwarding()["Resources"]["AssociationChangedRule"]["Properties"]["EventPattern"],
        pattern
    );
}

/// Lambda asks for a visibility timeout of at least the function's timeout.
#[test]
fn messages_stay_hidden_while_the_indexer_may_process_them() {
    let timeout = properties("IndexerFunction")["Timeout"].as_u64().unwrap();
    assert!(
        properties("IndexerQueue")["VisibilityTimeout"]
            .as_u64()
            .unwrap()
            >= timeout
    );
    let event = &properties("IndexerFunction")["Events"]["AssociationChanged"]["Properties"];
    assert_eq!(
        event["FunctionResponseTypes"],
        json!(["ReportBatchItemFailures"])
    );
    assert_eq!(event["ScalingConfig"]["MaximumConcurrency"], 2);
}

/// They name no regions, so the indexer uses its own.
#[test]
fn the_schedules_send_reconcile_requests_that_the_indexer_parses() {
    let own = ["eu-west-1".to_owned()];
    for (event, mode) in [
        ("ListOnly", Some(Mode::ListOnly)),
        ("Full", Some(Mode::Full)),
        ("Resume", None),
    ] {
        let input = &properties("IndexerFunction")["Events"][event]["Properties"]["Input"];
        let payload: Value = serde_json::from_str(input.as_str().unwrap()).unwrap();
        let expected = match mode {
            Some(mode) => ReconcileRequest::Run(RunRequest {
                mode,
                regions: own.to_vec(),
                cluster_names: None,
                exclude_clusters: Vec::new(),
            }),
            None => ReconcileRequest::Resume,
        };
        assert_eq!(
            ReconcileRequest::parse(&payload["reconcile"], &Coverage::of(&own)),
            Ok(expected)
        );
    }
}

#[test]
fn the_schedule_requests_the_check_for_stalled_rotations() {
    let input = &properties("RotateFunction")["Events"]["CheckStalled"]["Properties"]["Input"];
    let payload = serde_json::from_str(input.as_str().unwrap()).unwrap();
    assert_eq!(
        Payload::parse(&payload, None, &rules()).task,
        Task::CheckStalled
    );
}
