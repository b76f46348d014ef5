//! Creates the resources of a stack.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cloudformation::{Stack, StackOutput, StackResource};
use crate::cloudwatch::Alarm;
use crate::deployment::rules::rules_of;
use crate::deployment::sources::{queue_sources, stream_sources};
use crate::iam::Role;
use crate::lambda::{EventSourceMapping, Function};
use crate::simulated_aws::SimulatedAws;
use crate::sqs::{DeadLetter, Queue};
use crate::template::Rendered;
use crate::trails::Trail;

/// The members of a table's properties that a `CreateTable` request has.
const TABLE_MEMBERS: [&str; 4] = [
    "AttributeDefinitions",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "KeySchema",
];
/// The types of resources that SAM makes of its own types.
const TYPES_OF_SAM: [(&str, &str); 2] = [
    ("AWS::Serverless::Function", "AWS::Lambda::Function"),
    (
        "AWS::Serverless::StateMachine",
        "AWS::StepFunctions::StateMachine",
    ),
];

/// Creates the resources, and the stack that has them.
pub(super) fn create(aws: &SimulatedAws, rendered: &Rendered) {
    for (name, properties) in rendered.resources("AWS::DynamoDB::Table") {
        let table = rendered.name(&name);
        aws.create_table(create_table(&table, &properties));
        if properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] == true {
            aws.enable_recovery(&table);
        }
    }
    for (name, properties) in rendered.resources("AWS::Events::EventBus") {
        let bus = rendered.name(&name);
        aws.create_event_bus(&bus);
        if properties["Policy"].is_object() {
            aws.set_bus_policy(
                &bus,
                &bus_policy(&rendered.arn(&name), &properties["Policy"]),
            );
        }
    }
    for (name, properties) in rendered.resources("AWS::SQS::Queue") {
        aws.create_queue(queue(rendered.name(&name), &properties));
    }
    for (name, _) in rendered.resources("AWS::SNS::Topic") {
        aws.create_topic(&rendered.name(&name));
    }
    for (name, properties) in rendered.resources("AWS::IAM::Role") {
        aws.put_role(role(&rendered.arn(&name), &properties));
    }
    create_functions(aws, rendered);
    for rule in rules_of(rendered) {
        aws.create_rule(rule);
    }
    for (name, _) in rendered.resources("AWS::Serverless::StateMachine") {
        aws.create_state_machine(&rendered.arn(&name));
    }
    for (name, properties) in rendered.resources("AWS::CloudWatch::Alarm") {
        let actions = properties["AlarmActions"].as_array().into_iter().flatten();
        aws.create_alarm(Alarm {
            name: rendered.name(&name),
            description: text(&properties["AlarmDescription"]),
            actions: actions.map(text).collect(),
            ..Alarm::default()
        });
    }
    // An account has one, or its rules hear of no change.
    aws.create_trail(Trail::default());
    aws.create_stack(stack(rendered));
}

fn create_functions(aws: &SimulatedAws, rendered: &Rendered) {
    for (name, properties) in rendered.resources("AWS::Serverless::Function") {
        let variables = properties["Environment"]["Variables"].as_object();
        let variables = variables.into_iter().flatten();
        let variables = variables.map(|(name, value)| (name.clone(), text(value)));
        let seconds = |member: &str| properties[member].as_u64().map(Duration::from_secs);
        let memory = properties["MemorySize"].as_u64();
        let memory = memory.and_then(|mb| u32::try_from(mb).ok());
        let default = Function::default();
        aws.create_function(Function {
            name: rendered.name(&name),
            variables: variables.collect(),
            timeout: seconds("Timeout").unwrap_or(default.timeout),
            memory_mb: memory.unwrap_or(default.memory_mb),
            role_arn: properties["Role"].as_str().map(str::to_owned),
            ..default
        });
    }
    let of_queues = queue_sources(rendered).into_iter();
    let of_queues = of_queues.map(|source| (source.function, source.queue_arn));
    let of_streams = stream_sources(rendered).into_iter();
    let of_streams = of_streams.map(|source| (source.function, source.stream_arn));
    for (function, source_arn) in of_queues.chain(of_streams) {
        aws.create_event_source_mapping(EventSourceMapping {
            function: rendered.name(&function),
            source_arn,
            enabled: true,
        });
    }
}

fn create_table(name: &str, properties: &Value) -> Value {
    let mut request = json!({ "TableName": name });
    for member in TABLE_MEMBERS {
        if !properties[member].is_null() {
            request[member] = properties[member].clone();
        }
    }
    let stream = &properties["StreamSpecification"];
    if stream.is_object() {
        request["StreamSpecification"] = json!({
            "StreamEnabled": true,
            "StreamViewType": stream["StreamViewType"],
        });
    }
    request
}

fn role(arn: &str, properties: &Value) -> Role {
    let attached = properties["ManagedPolicyArns"].as_array();
    let inline = properties["Policies"].as_array().into_iter().flatten();
    let inline = inline.map(|it| (text(&it["PolicyName"]), text(&it["PolicyDocument"])));
    Role {
        trust_policy: text(&properties["AssumeRolePolicyDocument"]),
        permissions_boundary: properties["PermissionsBoundary"]
            .as_str()
            .map(str::to_owned),
        attached_policies: attached.into_iter().flatten().map(text).collect(),
        inline_policies: inline.collect(),
        ..Role::new(arn)
    }
}

fn queue(name: String, properties: &Value) -> Queue {
    let seconds = |member: &str| properties[member].as_u64().map(Duration::from_secs);
    let default = Queue::default();
    let redrive = &properties["RedrivePolicy"];
    let dead_letter = redrive["deadLetterTargetArn"].as_str().map(|arn| {
        let receives = redrive["maxReceiveCount"].as_u64();
        let receives = receives.and_then(|count| u32::try_from(count).ok());
        DeadLetter {
            queue: arn.rsplit(':').next().unwrap_or_default().to_owned(),
            receives_max: receives.expect("a redrive policy has a count"),
        }
    });
    Queue {
        name,
        visibility_timeout: seconds("VisibilityTimeout").unwrap_or(default.visibility_timeout),
        retention: seconds("MessageRetentionPeriod").unwrap_or(default.retention),
        dead_letter,
    }
}

/// CloudFormation adds the resource to each statement that has none.
fn bus_policy(bus_arn: &str, policy: &Value) -> Value {
    let mut policy = policy.clone();
    let statements = policy["Statement"].as_array_mut().into_iter().flatten();
    for statement in statements {
        if statement["Resource"].is_null() {
            statement["Resource"] = json!(bus_arn);
        }
    }
    policy
}

fn stack(rendered: &Rendered) -> Stack {
    let outputs = rendered.outputs().into_iter().map(|key| StackOutput {
        value: text(&rendered.output(&key)),
        description: rendered.description_of_output(&key),
        key,
    });
    let resources = rendered.types().into_iter();
    let resources = resources.map(|(logical_id, resource_type)| {
        let of_sam = TYPES_OF_SAM.iter().find(|(sam, _)| *sam == resource_type);
        StackResource {
            physical_id: rendered.physical_id(&logical_id),
            resource_type: of_sam.map_or(resource_type, |(_, made)| (*made).to_owned()),
            logical_id,
        }
    });
    Stack {
        name: rendered.stack().name.clone(),
        parameters: rendered.parameters(),
        outputs: outputs.collect(),
        resources: resources.collect(),
        ..Stack::default()
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
