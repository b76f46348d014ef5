//! The alarms of `template.yaml` against the metrics that the functions and Step Functions write.

use std::time::Duration;

use rerole::lambda::metrics::NAMESPACE;
use rerole::rotate::slice::DEADLINE_RESERVE;
use rerole_sim::Options;
use serde_json::{Value, json};

use crate::common::grants::one_or_more;
use crate::common::template::{forwarding_stack, properties, stack};
use crate::harness::{
    Harness, OLD, THIRD, TIMEOUT, error, event, is_update, rotation_event, stalled_check_event,
};

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

/// Its description names the section, so an operator who sees only the alarm finds it.
#[test]
fn each_alarm_has_a_section_in_the_manual() {
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    for stack in [stack(&[]), forwarding_stack(&[])] {
        for alarm in stack.of_type("AWS::CloudWatch::Alarm") {
            let description = stack.properties(&alarm).unwrap()["AlarmDescription"].clone();
            let description = description.as_str().unwrap();
            let section = description
                .strip_suffix("\" in docs/operating.md.")
                .and_then(|text| text.rsplit_once("See \""))
                .map(|(_, section)| section);
            let section = section.unwrap_or_else(|| panic!("{alarm} names no section"));
            let (_, below) = manual
                .split_once(&format!("\n### {section}\n"))
                .unwrap_or_else(|| panic!("docs/operating.md has no section {section}"));
            let below = below.split("\n### ").next().unwrap();
            assert!(
                below.contains(&format!("`{alarm}`")),
                "{alarm} in {section}"
            );
        }
    }
}

/// A section says what to run, how to decide, how to fix it, and when it is over.
#[test]
fn each_alarm_has_a_section_for_a_night_on_call() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/on-call.md");
    let page = std::fs::read_to_string(page).unwrap();
    let sections: Vec<_> = page.split("\n### ").skip(1).collect();
    for stack in [stack(&[]), forwarding_stack(&[])] {
        for alarm in stack.of_type("AWS::CloudWatch::Alarm") {
            let is_about = |section: &&&str| {
                let mut names = section.lines().next().unwrap().split([' ', ',']);
                names.any(|name| name == alarm)
            };
            let section = sections.iter().find(is_about);
            let section = section.unwrap_or_else(|| panic!("no section for {alarm}"));
            let parts = [
                "- **Run** `rerole ",
                "- **Decide.** ",
                "- **Fix.** ",
                "- **Over** ",
            ];
            for part in parts {
                assert!(section.contains(part), "{alarm} has no {part:?}");
            }
            let description = stack.properties(&alarm).unwrap()["AlarmDescription"].clone();
            let description = description.as_str().unwrap();
            let (_, manual) = description.rsplit_once("See \"").unwrap();
            let (manual, _) = manual.split_once('"').unwrap();
            let anchor = manual.to_lowercase().replace(' ', "-");
            let link = format!("[Background](operating.md#{anchor})");
            assert!(section.contains(&link), "{alarm} has no {link}");
        }
    }
}

/// A rotation that ends as `Incomplete` raises none: add-ons make that an everyday result.
#[tokio::test(start_paused = true)]
async fn a_rejected_request_and_a_rotation_with_failures_raise_an_alarm() {
    for (status, alarm) in [
        ("Rejected", Some("RequestRejectedAlarm")),
        ("Failed", Some("RotationFailedAlarm")),
        (
            "CompletedWithFailures",
            Some("RotationCompletedWithFailuresAlarm"),
        ),
        ("Incomplete", None),
        ("Succeeded", None),
    ] {
        let harness = Harness::calm(4);
        if status == "Incomplete" {
            let arn = harness.associate("of-an-add-on", OLD);
            harness
                .aws
                .eks(|eks| eks.set_owner(&arn, Some("arn:aws:eks:::addon")));
        }
        let detail = match status {
            "Rejected" => json!({ "dryrun": true }),
            "Failed" => json!({ "maxErrors": "0" }),
            _ => json!({}),
        };
        if ["Failed", "CompletedWithFailures"].contains(&status) {
            let mut updates = 0;
            let refusal = error((400, "InvalidRequestException"), "refused");
            harness.inject(refusal, move |call| {
                updates += u32::from(is_update(call));
                is_update(call) && updates == 3
            });
        }
        harness.deliver(&event(&detail)).await.unwrap();
        let line = harness.metrics().pop().unwrap();
        assert_eq!(line["Status"], status, "{line:#}");
        let expected: Vec<_> = alarm.into_iter().map(str::to_owned).collect();
        assert_eq!(raised_by(&line), expected, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_raises_an_alarm_only_if_it_has_left_something() {
    for (changed, alarms) in [(0, &[][..]), (1, &["RollbackIncompleteAlarm"])] {
        let harness = Harness::with_state_machine(Options::default());
        harness.fleet(4);
        harness.finish(&event(&json!({}))).await;
        tokio::time::sleep(Duration::from_hours(1)).await;
        for row in &harness.rows("r-1")[..changed] {
            harness.set_role(row["associationArn"].as_str().unwrap(), THIRD);
        }
        let verdict = harness.command("Rollback", json!({})).await;
        assert_eq!(verdict["verdict"], "Accepted", "{verdict:#}");
        harness.play(TIMEOUT).await;
        let line = harness.metrics().pop().unwrap();
        assert_eq!(line["rotationId"], "rollback/r-1", "{line:#}");
        assert_eq!(raised_by(&line), alarms, "{line:#}");
    }
}

/// The alarms that a line with metrics raises.
fn raised_by(line: &Value) -> Vec<String> {
    let alarms = stack(&[]).of_type("AWS::CloudWatch::Alarm").into_iter();
    alarms
        .filter(|alarm| watches(properties(alarm), line))
        .collect()
}

/// Whether a line has a metric of the alarm, with the alarm's dimensions, and fires it.
fn watches(alarm: &Value, line: &Value) -> bool {
    let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap().iter();
    let names: Vec<_> = one_or_more(&alarm["Dimensions"]);
    let names: Vec<_> = names.iter().map(|dimension| &dimension["Name"]).collect();
    let has_metric = directives.into_iter().any(|directive| {
        directive["Metrics"]
            .as_array()
            .unwrap()
            .iter()
            .any(|metric| metric["Name"] == alarm["MetricName"])
            && directive["Dimensions"] == json!([names])
    });
    let is_of_status = one_or_more(&alarm["Dimensions"])
        .iter()
        .filter(|dimension| dimension["Name"] == "Status")
        .all(|dimension| dimension["Value"] == line["Status"]);
    let value = line[alarm["MetricName"].as_str().unwrap()].as_f64();
    let threshold = alarm["Threshold"].as_f64().unwrap();
    alarm["Namespace"] == NAMESPACE
        && has_metric
        && is_of_status
        && value.is_some_and(|value| value >= threshold)
}

/// If the check does not run, a stalled rotation would never be noticed.
#[test]
fn the_alarm_for_stalled_rotations_fires_if_the_check_does_not_run() {
    let alarm = properties("StalledRotationAlarm");
    let schedule =
        &properties("RotateFunction")["Events"]["CheckStalled"]["Properties"]["Schedule"];
    assert_eq!(
        [schedule, &alarm["Period"]],
        [&json!("rate(5 minutes)"), &json!(300)]
    );
    let periods = [&alarm["EvaluationPeriods"], &alarm["DatapointsToAlarm"]];
    assert_eq!(periods, [3, 3]);
    assert_eq!(alarm["TreatMissingData"], "breaching");
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
