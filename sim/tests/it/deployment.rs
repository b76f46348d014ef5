//! A template that is deployed: what happens in its stack by itself.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use rerole_sim::deployment::{Deployment, FunctionCall, Functions, Pace};
use rerole_sim::state_machine::Failure;
use rerole_sim::template::{Rendered, StackIdentity, parse_template};
use rerole_sim::{AlarmState, ExecutionStatus, Options, SimulatedAws};
use serde_json::{Value, json};
use tokio::task::LocalSet;
use tokio::time::sleep;

use crate::harness::{event_bridge, iam, in_virtual_time, lambda, step_functions};

const TEMPLATE: &str = r#"
Resources:
  Bus: { Type: AWS::Events::EventBus, Properties: { Name: !Ref AWS::StackName } }
  FailedQueue: { Type: AWS::SQS::Queue, Properties: {} }
  DeadLetterQueue: { Type: AWS::SQS::Queue, Properties: {} }
  WorkQueue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 60
      RedrivePolicy: { deadLetterTargetArn: !GetAtt DeadLetterQueue.Arn, maxReceiveCount: 3 }
  WorkerRole:
    Type: AWS::IAM::Role
    Properties:
      Path: /functions/
      AssumeRolePolicyDocument:
        Statement:
          - { Effect: Allow, Principal: { Service: lambda.amazonaws.com }, Action: sts:AssumeRole }
      Policies:
        - PolicyName: queue
          PolicyDocument:
            Statement:
              - { Effect: Allow, Action: sqs:ReceiveMessage, Resource: !GetAtt WorkQueue.Arn }
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Role: !GetAtt WorkerRole.Arn
      Timeout: 10
      EventInvokeConfig:
        MaximumRetryAttempts: 2
        DestinationConfig: { OnFailure: { Type: SQS, Destination: !GetAtt FailedQueue.Arn } }
      Environment: { Variables: { QUEUE: !Ref WorkQueue } }
      Events:
        Requested:
          Type: EventBridgeRule
          Properties:
            EventBusName: !Ref Bus
            Pattern: { detail-type: [Work Requested] }
        Nightly:
          Type: Schedule
          Properties: { Schedule: rate(1 day), Input: '{"nightly": true}' }
        Messages:
          Type: SQS
          Properties:
            Queue: !GetAtt WorkQueue.Arn
            FunctionResponseTypes: [ReportBatchItemFailures]
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      Name: !Sub ${AWS::StackName}-machine
      Definition:
        TimeoutSeconds: 3600
        StartAt: Work
        States:
          Work:
            Type: Task
            Resource: !Sub arn:${AWS::Partition}:states:::lambda:invoke
            Parameters: { FunctionName: !GetAtt Worker.Arn, Payload: { number.$: $.number } }
            TimeoutSeconds: 60
            ResultPath: $.done
            Next: Done
          Done: { Type: Succeed, OutputPath: $.done.Payload }
  FailedAlarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      Namespace: AWS/SQS
      MetricName: ApproximateNumberOfMessagesVisible
      Dimensions: [{ Name: QueueName, Value: !GetAtt FailedQueue.QueueName }]
      Statistic: Maximum
      Period: 60
      EvaluationPeriods: 1
      Threshold: 1
      ComparisonOperator: GreaterThanOrEqualToThreshold
      TreatMissingData: notBreaching
Outputs:
  WorkQueueUrl: { Description: Where work waits., Value: !Ref WorkQueue }
"#;

const FAILED_QUEUE: &str = "app-FailedQueue-1A2B3C";

/// The code of the function: records its calls, and fails if the payload says so.
#[derive(Clone, Default)]
struct Worker(Rc<RefCell<Vec<FunctionCall>>>);

impl Functions for Worker {
    async fn invoke(&self, call: FunctionCall) -> Result<Value, Failure> {
        let payload = call.payload.clone();
        self.0.borrow_mut().push(call);
        if payload["detail"]["fails"] == true {
            return Err(("Broken".to_owned(), "it does not work".to_owned()));
        }
        let records = payload["Records"].as_array().into_iter().flatten();
        let failed = records.filter(|record| record["body"] == "poison");
        let failures: Vec<_> = failed
            .map(|record| json!({ "itemIdentifier": record["messageId"] }))
            .collect();
        Ok(json!({ "number": payload["number"], "batchItemFailures": failures }))
    }
}

/// The stack, while it runs.
struct World {
    aws: SimulatedAws,
    deployment: Rc<Deployment>,
    worker: Worker,
}

impl World {
    fn calls(&self) -> Vec<FunctionCall> {
        self.worker.0.borrow().clone()
    }

    async fn put_event(&self, detail_type: &str, detail: &Value) {
        let entry = aws_sdk_eventbridge::types::PutEventsRequestEntry::builder()
            .event_bus_name("app")
            .source("tests")
            .detail_type(detail_type)
            .detail(detail.to_string())
            .build();
        let put = event_bridge(&self.aws).put_events().entries(entry);
        assert_eq!(put.send().await.unwrap().failed_entry_count, 0);
    }

    fn bodies(&self, queue: &str) -> Vec<Value> {
        let messages = self.aws.messages(queue).into_iter();
        messages
            .map(|message| serde_json::from_str(&message.body).unwrap_or(json!(message.body)))
            .collect()
    }
}

/// Deploys the template, and runs the stack while `work` goes on.
fn deployed(work: impl AsyncFnOnce(&World)) {
    in_virtual_time(async {
        let aws = SimulatedAws::new(Options::default()).in_region(crate::harness::REGION);
        let stack = StackIdentity {
            name: "app".to_owned(),
            account: "111122223333".to_owned(),
            region: crate::harness::REGION.to_owned(),
        };
        let rendered = Rendered::new(parse_template(TEMPLATE), stack, &[]);
        let deployment = Rc::new(Deployment::new(&aws, rendered, Pace::default()));
        let world = World {
            aws,
            deployment,
            worker: Worker::default(),
        };
        let running = async {
            tokio::select! {
                never = world.deployment.run(world.worker.clone()) => match never {},
                () = work(&world) => {}
            }
        };
        LocalSet::new().run_until(running).await;
    });
}

#[test]
fn a_function_has_the_role_of_the_template() {
    deployed(async |world| {
        let name = world.deployment.rendered().physical_id("Worker");
        let function = lambda(&world.aws).get_function_configuration();
        let function = function.function_name(name).send().await.unwrap();
        let arn = function.role().expect("it has a role");
        assert!(arn.starts_with("arn:aws:iam::111122223333:role/functions/"));
        let role = arn.rsplit('/').next().unwrap();
        let policy = iam(&world.aws).get_role_policy().role_name(role);
        let policy = policy.policy_name("queue").send().await.unwrap();
        assert!(policy.policy_document().contains("sqs%3AReceiveMessage"));
    });
}

#[test]
fn an_event_reaches_the_function_of_the_rule_that_matches() {
    deployed(async |world| {
        world.put_event("Work Requested", &json!({ "id": 7 })).await;
        world.put_event("Work Done", &json!({ "id": 8 })).await;
        sleep(Duration::from_secs(1)).await;
        let calls = world.calls();
        assert_eq!(calls.len(), 1, "{calls:?}");
        assert_eq!(calls[0].function, "Worker");
        let payload = &calls[0].payload;
        assert_eq!(payload["detail"], json!({ "id": 7 }));
        assert_eq!(payload["account"], "111122223333");
    });
}

#[test]
fn a_failed_event_is_retried_twice_and_then_goes_to_the_destination() {
    deployed(async |world| {
        world
            .put_event("Work Requested", &json!({ "fails": true }))
            .await;
        sleep(Duration::from_mins(10)).await;
        let calls = world.calls();
        let first = calls[0].deadline;
        let later = calls.iter().map(|call| call.deadline.duration_since(first));
        let later: Vec<_> = later.map(|since| since.unwrap().as_secs()).collect();
        assert_eq!(later, [0, 60, 180]);
        assert!(
            calls
                .iter()
                .all(|call| call.request_id == calls[0].request_id)
        );
        let failed = world.bodies(FAILED_QUEUE);
        assert_eq!(failed.len(), 1);
        let message = &failed[0];
        assert_eq!(message["requestContext"]["condition"], "RetriesExhausted");
        assert_eq!(message["requestContext"]["approximateInvokeCount"], 3);
        assert_eq!(message["requestPayload"], calls[0].payload);
        let response = json!({ "errorType": "Broken", "errorMessage": "it does not work" });
        assert_eq!(message["responsePayload"], response);
    });
}

#[test]
fn a_message_that_always_fails_goes_to_the_dead_letter_queue() {
    deployed(async |world| {
        for body in ["poison", "work"] {
            world.aws.send_message("app-WorkQueue-1A2B3C", body);
        }
        sleep(Duration::from_mins(10)).await;
        let received = world.calls().into_iter().flat_map(|call| {
            let records = call.payload["Records"].as_array().cloned();
            records.unwrap_or_default()
        });
        let bodies: Vec<_> = received.map(|record| record["body"].clone()).collect();
        assert_eq!(bodies, ["poison", "work", "poison", "poison"]);
        assert_eq!(world.bodies("app-DeadLetterQueue-1A2B3C"), ["poison"]);
        assert!(world.bodies("app-WorkQueue-1A2B3C").is_empty());
    });
}

#[test]
fn an_alarm_fires_while_its_queue_has_messages() {
    deployed(async |world| {
        let state = || world.aws.alarms().remove(0).state;
        assert_eq!(state(), AlarmState::InsufficientData);
        sleep(Duration::from_secs(61)).await;
        assert_eq!(state(), AlarmState::Ok);
        world.aws.send_message(FAILED_QUEUE, "an event");
        sleep(Duration::from_mins(1)).await;
        assert_eq!(state(), AlarmState::Alarm);
        let messages = world.aws.receive_messages(FAILED_QUEUE, 10);
        let receipt = messages[0].receipt.as_deref().unwrap();
        world.aws.delete_message(FAILED_QUEUE, receipt);
        sleep(Duration::from_mins(2)).await;
        assert_eq!(state(), AlarmState::Ok);
    });
}

#[test]
fn an_execution_is_played_to_its_end() {
    deployed(async |world| {
        let start = step_functions(&world.aws)
            .start_execution()
            .state_machine_arn(world.deployment.rendered().arn("Machine"));
        let start = start.name("one").input(r#"{"number": 7}"#);
        start.send().await.unwrap();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(world.calls()[0].payload, json!({ "number": 7 }));
        assert_eq!(world.aws.executions()[0].status, ExecutionStatus::Succeeded);
    });
}

#[test]
fn a_schedule_fires_after_its_period_and_when_it_is_told_to() {
    deployed(async |world| {
        world.deployment.fire_schedule("WorkerNightly");
        sleep(Duration::from_hours(23)).await;
        let nightly = json!({ "nightly": true });
        let payloads = || -> Vec<Value> {
            let calls = world.calls().into_iter();
            calls.map(|call| call.payload).collect()
        };
        assert_eq!(payloads(), std::slice::from_ref(&nightly));
        sleep(Duration::from_hours(2)).await;
        assert_eq!(payloads(), [nightly.clone(), nightly]);
    });
}
