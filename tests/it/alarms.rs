//! The alarms of `template.yaml` against the metrics that the functions and Step Functions write.

use std::time::Duration;

use rerole::lambda::metrics::NAMESPACE;
use rerole::rotate::slice::DEADLINE_RESERVE;
use rerole_sim::Options;
use serde_json::json;

use crate::harness::{Harness, OLD, rotation_event, stalled_check_event};
use crate::stack::properties;

/// The threshold lies between the latest time at which a slice hands over and the timeout.
#[test]
fn a_slice_that_hands_over_raises_no_duration_alarm() {
    let timeout = Duration::from_secs(properties("RotateFunction")["Timeout"].as_u64().unwrap());
    let threshold =
        Duration::from_millis(properties("DurationAlarm")["Threshold"].as_u64().unwrap());
    assert!(timeout < threshold + DEADLINE_RESERVE && threshold < timeout);
    // CloudWatch dates the metric at the start of the invocation.
    let number = |name: &str| properties("DurationAlarm")[name].as_u64().unwrap();
    let evaluated = Duration::from_secs(number("Period") * number("EvaluationPeriods"));
    assert!(evaluated >= timeout + Duration::from_mins(10) && number("DatapointsToAlarm") == 1);
}

#[test]
fn each_unsuccessful_end_of_an_execution_raises_an_alarm() {
    for end in ["Failed", "TimedOut", "Aborted"] {
        let alarm = properties(&format!("Execution{end}Alarm"));
        assert_eq!(
            [&alarm["Namespace"], &alarm["MetricName"]],
            ["AWS/States", &format!("Executions{end}")]
        );
        assert_eq!(
            alarm["Dimensions"],
            json!([{ "Name": "StateMachineArn", "Value": { "Ref": "StateMachine" } }])
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_alarms_watch_metrics_that_are_written() {
    let harness = Harness::new(Options::default());
    harness.deliver(&stalled_check_event()).await.unwrap();
    harness.reconcile("full").await;
    let metrics = harness.metrics();
    for (line, alarm) in metrics
        .iter()
        .zip(["StalledRotationAlarm", "StaleIndexAlarm"])
    {
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        let alarm = properties(alarm);
        assert_eq!(alarm["Namespace"], NAMESPACE);
        assert_eq!(alarm["Namespace"], directive["Namespace"]);
        assert_eq!(alarm["MetricName"], directive["Metrics"][0]["Name"]);
        let dimensions: Vec<_> = alarm["Dimensions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|each| &each["Name"])
            .collect();
        assert_eq!(json!([dimensions]), directive["Dimensions"]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_reversion_alarm_watches_a_metric_that_is_written() {
    let harness = Harness::calm(4);
    harness.finish(&rotation_event()).await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    harness
        .aws
        .eks(|eks| eks.associate("us-east-1", "prod-2", "tools", "new", OLD));
    harness.reconcile("full").await;
    let line = harness
        .metrics()
        .into_iter()
        .find(|line| line.get("AssociationsReverted").is_some())
        .unwrap();
    let directive = &line["_aws"]["CloudWatchMetrics"][0];
    let alarm = properties("ReversionAlarm");
    assert_eq!(
        (
            &alarm["MetricName"],
            &alarm["Namespace"],
            &alarm["Dimensions"][0]["Name"]
        ),
        (
            &directive["Metrics"][0]["Name"],
            &directive["Namespace"],
            &directive["Dimensions"][0][0]
        )
    );
}
