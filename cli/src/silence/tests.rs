//! A stack whose rule is disabled, in virtual time.

use std::collections::BTreeSet;

use expect_test::expect;
use rerole_core::rotation::{RotationRecord, State};
use rerole_sim::{Function, Options, Queue, Rule, RuleTrigger, SimulatedAws};
use serde_json::{Value, json};

use super::explanation;
use crate::bus::{DetailType, RequestResult, Requested, Sent, await_request, put};
use crate::request::Roles;
use crate::stack::{Name, Stack};
use crate::testing::record;

const PERMISSIONS: &str = include_str!("../../../docs/cli-permissions.json");

/// A stack that does not run, and whose rule is disabled.
fn deploy() -> (SimulatedAws, Stack) {
    let aws = SimulatedAws::new(Options::default());
    aws.create_tables("index", "ledger");
    aws.create_event_bus("rerole");
    aws.create_rule(Rule {
        name: "requests".to_owned(),
        bus: "rerole".to_owned(),
        description: String::new(),
        trigger: RuleTrigger::Pattern(json!({})),
        enabled: false,
        targets: Vec::new(),
    });
    let function = aws.create_function(Function {
        name: "rotate".to_owned(),
        ..Function::default()
    });
    let queue = |name: &str| {
        aws.create_queue(Queue {
            name: name.to_owned(),
            ..Queue::default()
        })
    };
    let stack = Stack::simulated(
        &aws,
        &[
            (Name::RotationEventBusName, "rerole".to_owned()),
            (Name::RotateFunctionArn, function),
            (Name::OnFailureQueueUrl, queue("failed")),
            (Name::UndeliveredQueueUrl, queue("undelivered")),
        ],
    );
    (aws, stack)
}

/// The request of this rotation.
fn requested(record: &RotationRecord) -> Requested {
    Requested {
        key: record.key.clone(),
        roles: Roles {
            old: record.old_role_arn.clone(),
            new: record.new_role_arn.clone(),
        },
        scope: record.request.scope.clone(),
    }
}

#[tokio::test(start_paused = true)]
async fn another_rotation_under_the_same_id_does_not_answer_a_request() {
    let (aws, stack) = deploy();
    let recorded = record("app-2026", State::PLANNING);
    let mut item = json!(recorded);
    item["entry"] = json!("rotation");
    aws.put_item("ledger", item);
    let sent = put(&stack, DetailType::Request, &json!({})).await.unwrap();
    let same = requested(&recorded);
    let result = await_request(&stack, &sent, &same).await.unwrap();
    assert!(matches!(result, RequestResult::Recorded), "{result:?}");
    let mut other = same;
    other.roles.new = other.roles.old.clone();
    let result = await_request(&stack, &sent, &other).await.unwrap();
    assert!(matches!(result, RequestResult::Silence), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn after_thirty_seconds_without_a_verdict_the_operator_knows_what_to_look_at() {
    let (aws, stack) = deploy();
    let sent = put(
        &stack,
        DetailType::Request,
        &json!({ "rotationId": "app-2026" }),
    )
    .await
    .unwrap();
    let started = aws.now();
    let recorded = record("app-2026", State::PLANNING);
    let result = await_request(&stack, &sent, &requested(&recorded)).await;
    let result = result.unwrap();
    assert!(matches!(result, RequestResult::Silence), "{result:?}");
    let waited = aws.now().duration_since(started).unwrap().as_secs();
    assert!((30..32).contains(&waited), "{waited}");

    aws.clear_calls();
    let sent = Sent {
        event_id: "e-1".to_owned(),
        event: json!({ "id": "e-1", "detail": { "reason": "Jane's" } }),
    };
    expect![[r#"
        no verdict within 30 s: the bus took event e-1, and the ledger shows nothing of it. What may be wrong:
          rule      1 of 1 rules of bus rerole are disabled
          function  it is active; its log has each event that it got
          queues    0 failed, 0 undelivered events (rerole queues show)
          policy    the rule's own permission to invoke the function, or the policy of a bus of your own
        An event may also be late: EventBridge retries for 24 hours.
        The way without the bus:
          aws lambda invoke --function-name arn:aws:lambda:us-east-1:111122223333:function:rotate --payload fileb://<(printf '%s' '{"detail":{"reason":"Jane'\''s"},"id":"e-1"}') /dev/stdout --region us-east-1"#]].assert_eq(&explanation(&stack, &sent).await);
    let operations: BTreeSet<_> = aws
        .calls()
        .into_iter()
        .map(|record| record.call.operation)
        .collect();
    let documented: Value = serde_json::from_str(PERMISSIONS).unwrap();
    let documented = documented["withoutVerdict"].as_object().unwrap().keys();
    let documented: BTreeSet<_> = documented
        .filter_map(|action| Some(action.split_once(':')?.1.to_owned()))
        .collect();
    assert_eq!(operations, documented);
}
