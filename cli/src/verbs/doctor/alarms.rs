//! The alarms of the stack, and whom they notify.

use std::collections::BTreeSet;

use aws_sdk_cloudwatch::types::{MetricAlarm, StateValue};
use rerole::aws::call_error::call_error;
use rerole_core::call::{CallError, Operation};

use crate::stack::Stack;
use crate::verbs::doctor::finding::{Check, Finding};

const CHECK: Check = Check("alarms");
/// A stack has about twenty. `CloudWatch` returns up to a hundred at once.
const PAGES_MAX: usize = 20;

/// Checks the alarms.
pub async fn check(stack: &Stack) -> Vec<Finding> {
    let alarms = match alarms(stack).await {
        Ok(alarms) => alarms,
        Err(error) => return vec![CHECK.failed("cloudwatch:DescribeAlarms", &error)],
    };
    if alarms.is_empty() {
        return vec![
            CHECK
                .warning(format!(
                    "there is none whose name starts with {}",
                    prefix(stack)
                ))
                .todo("deploy the stack's template with its alarms"),
        ];
    }
    let mut findings: Vec<_> = alarms.iter().filter_map(in_alarm).collect();
    let topics: BTreeSet<&str> = alarms
        .iter()
        .flat_map(|alarm| alarm.alarm_actions.iter().flatten())
        .filter(|action| action.contains(":sns:"))
        .map(String::as_str)
        .collect();
    let has_action = |alarm: &&MetricAlarm| alarm.alarm_actions.iter().flatten().next().is_some();
    let silent = alarms.iter().filter(|alarm| !has_action(alarm)).count();
    if silent > 0 {
        findings.push(
            CHECK
                .warning(format!("{silent} of {} notify nobody", alarms.len()))
                .todo("deploy with AlarmTopicArn"),
        );
    }
    for topic in topics {
        findings.extend(subscribed(topic, confirmed(stack, topic).await));
    }
    if findings.is_empty() {
        findings.push(CHECK.ok(format!(
            "none of {} fires, and they notify somebody",
            alarms.len()
        )));
    }
    findings
}

/// CloudFormation gives alarms names that start with that of the stack.
fn prefix(stack: &Stack) -> String {
    format!("{}-", stack.origin.stack)
}

async fn alarms(stack: &Stack) -> Result<Vec<MetricAlarm>, CallError> {
    let prefix = prefix(stack);
    let operation = Operation::on("describe the alarms of", &prefix);
    let client = aws_sdk_cloudwatch::Client::new(&stack.sdk);
    let mut alarms = Vec::new();
    let mut token = None;
    for _ in 0..PAGES_MAX {
        let describe = client.describe_alarms().alarm_name_prefix(&prefix);
        let described = describe.set_next_token(token).send().await;
        let described = described.map_err(|error| call_error(operation, &error))?;
        alarms.extend(described.metric_alarms.unwrap_or_default());
        token = described.next_token;
        if token.is_none() {
            break;
        }
    }
    Ok(alarms)
}

/// An alarm that fires. Its description says where the docs say what to do.
fn in_alarm(alarm: &MetricAlarm) -> Option<Finding> {
    if alarm.state_value != Some(StateValue::Alarm) {
        return None;
    }
    let name = alarm.alarm_name.as_deref().unwrap_or_default();
    let todo = alarm.alarm_description.clone();
    let todo = todo.unwrap_or_else(|| "see Alarms in docs/operating.md".to_owned());
    Some(CHECK.problem(format!("{name} fires")).todo(todo))
}

/// How many subscriptions of a topic are confirmed.
async fn confirmed(stack: &Stack, topic: &str) -> Result<usize, CallError> {
    let operation = Operation::on("list the subscriptions of topic", &topic);
    // A topic may be in another region.
    let region = topic.split(':').nth(3).unwrap_or(&stack.origin.region);
    let region = aws_sdk_sns::config::Region::new(region.to_owned());
    let config = aws_sdk_sns::config::Builder::from(&stack.sdk).region(region);
    let client = aws_sdk_sns::Client::from_conf(config.build());
    let mut confirmed = 0;
    let mut token = None;
    for _ in 0..PAGES_MAX {
        let list = client.list_subscriptions_by_topic().topic_arn(topic);
        let listed = list.set_next_token(token).send().await;
        let listed = listed.map_err(|error| call_error(operation, &error))?;
        let arns = listed.subscriptions.unwrap_or_default().into_iter();
        let arns = arns.filter_map(|it| it.subscription_arn);
        confirmed += arns.filter(|arn| arn.starts_with("arn:")).count();
        token = listed.next_token;
        if token.is_none() {
            break;
        }
    }
    Ok(confirmed)
}

fn subscribed(topic: &str, confirmed: Result<usize, CallError>) -> Option<Finding> {
    match confirmed {
        Ok(0) => Some(
            CHECK
                .warning(format!(
                    "{topic} has no confirmed subscription, so alarms reach nobody"
                ))
                .todo("subscribe to the topic, and confirm the subscription"),
        ),
        Ok(_) => None,
        Err(error)
            if error
                .code
                .as_deref()
                .is_some_and(|code| code.contains("NotFound")) =>
        {
            Some(
                CHECK
                    .warning(format!("{topic} does not exist, so alarms reach nobody"))
                    .todo("deploy with another AlarmTopicArn"),
            )
        }
        Err(error) => Some(CHECK.failed("sns:ListSubscriptionsByTopic", &error)),
    }
}
