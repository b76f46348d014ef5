//! Stacks, as `DescribeStacks` and the lists of their resources have them.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudformation::types::StackStatus;
use rerole_sim::{Service, Stack, StackOutput, StackResource};

use crate::harness::{at_home, cloudformation, error_of, in_virtual_time};

fn stack() -> Stack {
    Stack {
        name: "prod".to_owned(),
        parameters: BTreeMap::from([("Rate".to_owned(), "5".to_owned())]),
        outputs: vec![StackOutput {
            key: "QueueUrl".to_owned(),
            value: "https://sqs/1/a&b".to_owned(),
            description: "<the queue>".to_owned(),
        }],
        resources: vec![StackResource {
            logical_id: "Queue".to_owned(),
            physical_id: "prod-queue".to_owned(),
            resource_type: "AWS::SQS::Queue".to_owned(),
        }],
        ..Stack::default()
    }
}

#[test]
fn a_stack_has_a_status_parameters_and_outputs() {
    in_virtual_time(async {
        let aws = at_home();
        let id = aws.create_stack(stack());
        tokio::time::sleep(Duration::from_mins(1)).await;
        aws.set_stack_status("prod", "UPDATE_IN_PROGRESS");
        let client = cloudformation(&aws);
        for name in ["prod", &id] {
            let described = client.describe_stacks().stack_name(name).send().await;
            let described = described.expect("it exists");
            let [stack] = described.stacks() else {
                panic!("one stack has this name, not {described:?}");
            };
            assert_eq!(stack.stack_id(), Some(id.as_str()));
            assert_eq!(stack.stack_status(), Some(&StackStatus::UpdateInProgress));
            assert_eq!(stack.parameters()[0].parameter_key(), Some("Rate"));
            assert_eq!(stack.parameters()[0].parameter_value(), Some("5"));
            let output = &stack.outputs()[0];
            assert_eq!(output.output_key(), Some("QueueUrl"));
            assert_eq!(output.output_value(), Some("https://sqs/1/a&b"));
            assert_eq!(output.description(), Some("<the queue>"));
            let age = |time: Option<&aws_sdk_cloudformation::primitives::DateTime>| {
                time.expect("it has a time").secs() - 1_795_467_600
            };
            assert_eq!(age(stack.creation_time()), 0);
            assert_eq!(age(stack.last_updated_time()), 60);
        }
        let operation = (Service::CloudFormation, "DescribeStacks".to_owned());
        assert_eq!(aws.call_counts()[&operation], 2);
        assert_eq!(aws.calls()[0].call.subject, "prod");
    });
}

#[test]
fn a_stack_has_resources() {
    in_virtual_time(async {
        let aws = at_home();
        aws.create_stack(stack());
        let client = cloudformation(&aws);
        let listed = client
            .list_stack_resources()
            .stack_name("prod")
            .send()
            .await;
        let listed = listed.expect("it exists");
        let resource = &listed.stack_resource_summaries()[0];
        assert_eq!(resource.logical_resource_id(), Some("Queue"));
        assert_eq!(resource.physical_resource_id(), Some("prod-queue"));
        assert_eq!(resource.resource_type(), Some("AWS::SQS::Queue"));
        let described = client.describe_stack_resources().stack_name("prod").send();
        let described = described.await.expect("it exists");
        assert_eq!(described.stack_resources().len(), 1);
    });
}

#[test]
fn a_stack_exists_in_its_own_region() {
    in_virtual_time(async {
        let aws = at_home();
        let client = cloudformation(&aws);
        aws.in_region("us-east-1").create_stack(stack());
        let absent = client.describe_stacks().stack_name("prod").send().await;
        let expected = ("ValidationError", "Stack with id prod does not exist");
        let (code, message) = error_of(absent);
        assert_eq!((code.as_str(), message.as_str()), expected);
        let all = client.describe_stacks().send().await.unwrap();
        assert_eq!(all.stacks(), []);
        aws.create_stack(stack());
        let all = client.describe_stacks().send().await.unwrap();
        assert_eq!(all.stacks().len(), 1);
    });
}
