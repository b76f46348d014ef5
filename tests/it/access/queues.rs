//! The stack's queues, and who may send to them. `.ci/e2e` has MiniStack evaluate these policies.

use rerole_sim::template::Rendered;
use serde_json::{Value, json};

use crate::access::{OPERATOR, STRANGER};
use crate::common::template::{REQUESTER, forwarding_stack, stack};
use crate::stack::policy::{Request, Verdict, verdict};

/// The rules of the stack. SAM names a rule after its function and event.
const RULES: [&str; 6] = [
    "RotateFunctionRotationRequested",
    "RotateFunctionCheckStalled",
    "AssociationChangedRule",
    "IndexerFunctionListOnly",
    "IndexerFunctionFull",
    "IndexerFunctionResume",
];

/// A principal that may send to every queue by its own policies is denied, unless it is an operator
/// or the queue's own sender.
#[test]
fn a_queue_admits_its_sender_and_the_operators_only() {
    let stack = stack(&[("OperatorArns", OPERATOR)]);
    let principal = |name: &str| ("aws:PrincipalArn", stack.arn(name));
    let of_rule = |name: &str| ("aws:SourceArn", stack.arn(name));
    let senders = |queue: &str| match queue {
        "OnFailureQueue" => vec![
            principal("RotateRole"),
            principal("IndexerRole"),
            principal("PublisherRole"),
        ],
        "UndeliveredQueue" => RULES.map(of_rule).to_vec(),
        "IndexerQueue" => vec![of_rule("AssociationChangedRule")],
        // SQS moves messages there itself.
        "IndexerDeadLetterQueue" => vec![],
        other => panic!("who sends to {other}?"),
    };
    let mut all_senders = RULES.map(of_rule).to_vec();
    all_senders.extend([
        principal("RotateRole"),
        principal("IndexerRole"),
        principal("PublisherRole"),
        principal("StateMachineRole"),
        of_rule("RuleOfAnotherStack"),
        ("aws:PrincipalArn", STRANGER.to_owned()),
        ("aws:PrincipalArn", REQUESTER.to_owned()),
    ]);
    for queue in stack.of_type("AWS::SQS::Queue") {
        let statements = policy_of_queue(&stack, &queue);
        let send = |(key, arn): &(&'static str, String)| {
            let mut request = Request::new("sqs:SendMessage", stack.arn(&queue));
            request = request.key(key, &[arn]);
            if *key == "aws:SourceArn" {
                request = request.key("aws:PrincipalServiceName", &["events.amazonaws.com"]);
            }
            verdict(&statements, &request)
        };
        let operator = ("aws:PrincipalArn", OPERATOR.to_owned());
        assert_eq!(send(&operator), Verdict::Silent, "{queue}");
        for sender in &all_senders {
            let expected = match (senders(&queue).contains(sender), sender.0) {
                (false, _) => Verdict::Deny,
                // A service has no policies of its own.
                (true, "aws:SourceArn") => Verdict::Allow,
                (true, _) => Verdict::Silent,
            };
            assert_eq!(send(sender), expected, "{sender:?} to {queue}");
        }
        let receive = Request::new("sqs:ReceiveMessage", stack.arn(&queue));
        assert_eq!(verdict(&statements, &receive), Verdict::Silent, "{queue}");
    }
}

/// Every target to which an event may not be deliverable names a queue that admits its rule.
#[test]
fn what_eventbridge_cannot_deliver_goes_to_a_queue_that_admits_it() {
    let stack = stack(&[]);
    let undelivered = json!(stack.arn("UndeliveredQueue"));
    let statements = policy_of_queue(&stack, "UndeliveredQueue");
    let admits = |rule: String| {
        let request = Request::new("sqs:SendMessage", stack.arn("UndeliveredQueue"))
            .key("aws:SourceArn", &[&rule])
            .key("aws:PrincipalServiceName", &["events.amazonaws.com"]);
        assert_eq!(verdict(&statements, &request), Verdict::Allow, "{rule}");
    };
    let mut rules = 0;
    for function in ["RotateFunction", "IndexerFunction"] {
        let events = stack.properties(function).unwrap()["Events"].clone();
        for (name, event) in events.as_object().unwrap() {
            if event["Type"] == "SQS" {
                continue;
            }
            rules += 1;
            let properties = &event["Properties"];
            assert_eq!(properties["DeadLetterConfig"]["Arn"], undelivered, "{name}");
            let retry = json!({ "MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185 });
            assert_eq!(properties["RetryPolicy"], retry, "{name}");
            admits(stack.arn(&format!("{function}{name}")));
        }
    }
    assert_eq!(rules, 5);
    let changes = stack.properties("AssociationChangedRule").unwrap();
    assert_eq!(
        changes["Targets"][0]["DeadLetterConfig"]["Arn"],
        undelivered
    );
    admits(stack.arn("AssociationChangedRule"));

    let forward = forwarding_stack(&[]);
    let target = &forward.properties("AssociationChangedRule").unwrap()["Targets"][0];
    let queue = forward.arn("UndeliveredQueue");
    assert_eq!(target["DeadLetterConfig"]["Arn"], json!(queue));
    let statements = policy_of_queue(&forward, "UndeliveredQueue");
    for (rule, expected) in [
        (forward.arn("AssociationChangedRule"), Verdict::Allow),
        (forward.arn("RuleOfAnotherStack"), Verdict::Deny),
    ] {
        let request = Request::new("sqs:SendMessage", queue.as_str())
            .key("aws:SourceArn", &[&rule])
            .key("aws:PrincipalServiceName", &["events.amazonaws.com"]);
        assert_eq!(verdict(&statements, &request), expected, "{rule}");
    }
}

/// The statements of the policy of a queue.
fn policy_of_queue(stack: &Rendered, queue: &str) -> Vec<Value> {
    let policy = stack.properties(&format!("{queue}Policy")).unwrap();
    assert_eq!(policy["Queues"], json!([stack.queue_url(queue)]));
    policy["PolicyDocument"]["Statement"]
        .as_array()
        .unwrap()
        .clone()
}
