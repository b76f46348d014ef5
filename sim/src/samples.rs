//! What `rerole-sim --samples` creates: a resource of each service that operators' tools read, for
//! clients to call.

use std::collections::BTreeMap;

use rerole_sim::{
    Alarm, CredentialCaller, CredentialEvent, DeadLetter, EventSourceMapping, Function, LastUse,
    Policy, Queue, Role, Rule, RuleTarget, RuleTrigger, ServiceUse, SimulatedAws, Stack,
    StackOutput, StackResource, Subscription, Trail,
};
use serde_json::{Value, json};

/// The name of each sample.
pub const NAME: &str = "sample";

/// Creates the samples, and starts the function, which returns its payload.
pub fn create(aws: &SimulatedAws) {
    let dead_letter_queue = format!("{NAME}-dlq");
    aws.create_queue(Queue {
        name: dead_letter_queue.clone(),
        ..Queue::default()
    });
    let url = aws.create_queue(Queue {
        name: NAME.to_owned(),
        dead_letter: Some(DeadLetter {
            queue: dead_letter_queue.clone(),
            receives_max: 1,
        }),
        ..Queue::default()
    });
    let topic = aws.create_topic(NAME);
    let subscription = Subscription {
        protocol: "email".to_owned(),
        endpoint: "jane@example.com".to_owned(),
        confirmed: true,
    };
    aws.subscribe(&topic, subscription);
    aws.create_alarm(Alarm {
        name: NAME.to_owned(),
        actions: vec![topic],
        ..Alarm::default()
    });
    aws.create_trail(Trail {
        name: NAME.to_owned(),
        ..Trail::default()
    });
    create_function(aws);
    create_stack(aws, &url);
    create_role(aws);
}

fn create_function(aws: &SimulatedAws) {
    let arn = aws.create_function(Function {
        name: NAME.to_owned(),
        variables: BTreeMap::from([("NAME".to_owned(), NAME.to_owned())]),
        ..Function::default()
    });
    aws.create_event_source_mapping(EventSourceMapping {
        function: NAME.to_owned(),
        source_arn: arn.replace(":lambda:", ":sqs:").replace(":function:", ":"),
        enabled: true,
    });
    aws.create_rule(Rule {
        name: NAME.to_owned(),
        bus: "default".to_owned(),
        description: "Passes the events of one source to the function".to_owned(),
        trigger: RuleTrigger::Pattern(json!({ "source": [NAME] })),
        enabled: true,
        targets: vec![RuleTarget {
            id: NAME.to_owned(),
            arn,
            ..RuleTarget::default()
        }],
    });
    let mut invocations = aws.invocations();
    tokio::spawn(async move {
        while let Some(invocation) = invocations.recv().await {
            let payload: Value = invocation.payload;
            // The caller may not wait for it.
            let _ = invocation.reply.send(Ok(payload));
        }
    });
}

fn create_stack(aws: &SimulatedAws, queue_url: &str) {
    aws.create_stack(Stack {
        name: NAME.to_owned(),
        parameters: BTreeMap::from([("Rate".to_owned(), "5".to_owned())]),
        outputs: vec![StackOutput {
            key: "QueueUrl".to_owned(),
            value: queue_url.to_owned(),
            description: "The queue".to_owned(),
        }],
        resources: vec![StackResource {
            logical_id: "Queue".to_owned(),
            physical_id: queue_url.to_owned(),
            resource_type: "AWS::SQS::Queue".to_owned(),
        }],
        ..Stack::default()
    });
}

/// A role with a policy of each kind, whose credentials somebody has.
fn create_role(aws: &SimulatedAws) {
    let account = &aws.options().account;
    let policy_arn = format!("arn:aws:iam::{account}:policy/{NAME}");
    let document = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*" }],
    });
    aws.put_policy(Policy {
        arn: policy_arn.clone(),
        description: None,
        document: document.to_string(),
    });
    let role_arn = format!("arn:aws:iam::{account}:role/{NAME}");
    let last_used = LastUse {
        at: aws.now(),
        region: aws.options().region.clone(),
    };
    aws.put_role(Role {
        tags: BTreeMap::from([("name".to_owned(), NAME.to_owned())]),
        permissions_boundary: Some(policy_arn.clone()),
        inline_policies: BTreeMap::from([(NAME.to_owned(), document.to_string())]),
        attached_policies: vec![policy_arn],
        last_used: Some(last_used.clone()),
        services: vec![ServiceUse {
            namespace: "s3".to_owned(),
            name: "Amazon S3".to_owned(),
            last_used: Some(last_used),
        }],
        ..Role::new(&role_arn)
    });
    let user = format!("arn:aws:iam::{account}:user/jane");
    aws.put_credential_event(&CredentialEvent {
        at: aws.now(),
        role_arn,
        ..CredentialEvent::by(CredentialCaller::User(user))
    });
}
