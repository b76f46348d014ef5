//! The dashboard and the saved queries of `template.yaml`, against what the functions really write:
//! metrics and fields of log lines. Also against the alarms of the template and the commands of the
//! command line tool.

/// The commands in a text, against the page of the command line tool.
mod commands;
/// The names in a query of CloudWatch Logs Insights.
mod query;
/// What the functions write in a simulated run.
mod written;

use std::collections::{BTreeMap, BTreeSet};

use rerole::lambda::metrics::NAMESPACE;
use rerole_core::rotation::Status;
use rerole_sim::template::Rendered;
use serde_json::{Value, json};

use crate::common::template::{REGION, stack};
use crate::dashboard::query::Query;
use crate::dashboard::written::{Metric, written};

/// A dashboard is 24 columns wide.
const COLUMNS: u64 = 24;
/// A dashboard that refers to more metrics than this is not free.
/// <https://aws.amazon.com/cloudwatch/pricing/>
const FREE_METRICS: usize = 50;
/// The metrics of services that the dashboard may show, each with the name of its dimension.
const METRICS_OF_SERVICES: [[&str; 3]; 9] = [
    ["AWS/Lambda", "Duration", "FunctionName"],
    ["AWS/Lambda", "Errors", "FunctionName"],
    ["AWS/Lambda", "IteratorAge", "FunctionName"],
    ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName"],
    ["AWS/States", "ExecutionsAborted", "StateMachineArn"],
    ["AWS/States", "ExecutionsFailed", "StateMachineArn"],
    ["AWS/States", "ExecutionsStarted", "StateMachineArn"],
    ["AWS/States", "ExecutionsSucceeded", "StateMachineArn"],
    ["AWS/States", "ExecutionsTimedOut", "StateMachineArn"],
];
/// The functions of the stack, with their log groups.
const FUNCTIONS: [(&str, &str); 3] = [
    ("RotateFunction", "RotateLogGroup"),
    ("IndexerFunction", "IndexerLogGroup"),
    ("PublisherFunction", "PublisherLogGroup"),
];

#[tokio::test(start_paused = true)]
async fn the_dashboard_shows_metrics_that_are_written() {
    let (stack, written) = (stack(&[]), written().await);
    let shown = shown_metrics(&widgets(&stack));
    assert!(
        shown.len() <= FREE_METRICS,
        "a dashboard of {} metrics is not free",
        shown.len()
    );
    for metric in &shown {
        assert_eq!(unknown(metric, &stack, &written.metrics), None);
    }
    // Each way in which a rotation ends has a line of its own.
    let ends = Status::FINISHED.into_iter().chain([Status::Rejected]);
    let ends = ends.map(|status| json!(status).as_str().unwrap().to_owned());
    let ends: BTreeSet<_> = ends.collect();
    let statuses = shown.iter().filter_map(|metric| metric.last());
    let statuses = statuses.filter(|value| ends.contains(*value)).cloned();
    assert_eq!(statuses.collect::<BTreeSet<_>>(), ends);
    // A metric that is written and not shown would be forgotten.
    let names: BTreeSet<_> = shown.iter().map(|metric| metric[1].as_str()).collect();
    for Metric { name, .. } in &written.metrics {
        assert!(names.contains(name.as_str()), "{name} is not shown");
    }
}

/// The check above fails for a metric that does not exist.
#[tokio::test(start_paused = true)]
async fn a_metric_that_is_not_written_is_found() {
    let (stack, written) = (stack(&[]), written().await);
    let rotate = stack.name("RotateFunction");
    for planted in [
        ["rerole", "AssociationsMoved", "FunctionName", &rotate].as_slice(),
        &["rerole", "StaleIndexRegions", "FunctionName", &rotate],
        &["rerole", "AssociationsUpdated", "Function", &rotate],
        &["rerole", "Rotations", "FunctionName", &rotate],
        &["AWS/Lambda", "Errors", "FunctionName", "another"],
        &["AWS/SQS", "Messages", "QueueName", "another"],
    ] {
        let planted: Vec<_> = planted.iter().map(|&text| text.to_owned()).collect();
        let found = unknown(&planted, &stack, &written.metrics);
        assert!(found.is_some(), "{planted:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_query_asks_for_fields_that_are_logged() {
    let (stack, written) = (stack(&[]), written().await);
    let queries = queries(&stack);
    assert_eq!(queries.len(), 6, "{queries:#?}");
    for (name, query) in &queries {
        assert_eq!(query.problem(&written.lines), None, "{name}");
    }
    for planted in [
        "filter message = 'no such line' | stats count(*) as times by region",
        "filter message = 'calls to EKS' | stats sum(throttled) as times by region",
        "fields @timestamp, span.rotationID",
    ] {
        let query = Query::new(planted, functions());
        assert!(query.problem(&written.lines).is_some(), "{planted}");
    }
}

#[test]
fn the_dashboard_shows_the_state_of_each_alarm() {
    let stack = stack(&[]);
    let widgets = widgets(&stack);
    let panel = widgets.iter().find(|widget| widget["type"] == "alarm");
    let shown = panel.unwrap()["properties"]["alarms"].as_array().unwrap();
    let shown: BTreeSet<_> = shown.iter().map(|arn| arn.as_str().unwrap()).collect();
    let alarms = stack.of_type("AWS::CloudWatch::Alarm").into_iter();
    let alarms: BTreeSet<_> = alarms.map(|alarm| stack.arn(&alarm)).collect();
    assert_eq!(shown, alarms.iter().map(String::as_str).collect());
}

#[test]
fn widgets_do_not_overlap_and_say_what_they_show() {
    let widgets = widgets(&stack(&[]));
    let number = |widget: &Value, name: &str| widget[name].as_u64().unwrap();
    let mut taken = BTreeMap::new();
    for widget in &widgets {
        let [x, y, width, height] = ["x", "y", "width", "height"].map(|name| number(widget, name));
        assert!(x + width <= COLUMNS, "{widget:#}");
        for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            let other = taken.insert(cell, widget);
            assert!(other.is_none(), "{widget:#} covers {other:?}");
        }
        let properties = &widget["properties"];
        match widget["type"].as_str().unwrap() {
            "text" => assert!(properties["markdown"].is_string()),
            "alarm" => assert!(properties["title"].is_string()),
            _ => {
                assert!(properties["title"].is_string(), "{widget:#}");
                assert_eq!(properties["region"], REGION, "{widget:#}");
            }
        }
    }
    // No row is empty.
    let rows: BTreeSet<_> = taken.keys().map(|(_, y)| *y).collect();
    assert_eq!(rows.last(), Some(&(rows.len() as u64 - 1)));
}

#[test]
fn the_text_panel_names_commands_of_the_tool() {
    let widgets = widgets(&stack(&[]));
    let texts = widgets.iter().filter(|widget| widget["type"] == "text");
    let texts: Vec<_> = texts
        .map(|widget| widget["properties"]["markdown"].as_str().unwrap())
        .collect();
    assert!(commands::check(&texts.join("\n")) > 10);
}

#[test]
fn the_page_for_a_night_on_call_names_commands_of_the_tool() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/on-call.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(commands::check(&page) > 20);
}

#[test]
fn a_stack_can_do_without_dashboard_and_queries() {
    let without = stack(&[
        ("CreateDashboard", "false"),
        ("CreateSavedQueries", "false"),
    ]);
    for resource_type in ["AWS::CloudWatch::Dashboard", "AWS::Logs::QueryDefinition"] {
        assert!(!stack(&[]).resources(resource_type).is_empty());
        assert_eq!(without.resources(resource_type), []);
    }
}

/// The widgets of the dashboard.
fn widgets(stack: &Rendered) -> Vec<Value> {
    let dashboard = stack.properties("Dashboard").unwrap();
    let body = dashboard["DashboardBody"].as_str().unwrap();
    let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}\n{body}"));
    body["widgets"].as_array().unwrap().clone()
}

/// The metrics of the widgets: namespace, name, and the names and values of the dimensions.
fn shown_metrics(widgets: &[Value]) -> BTreeSet<Vec<String>> {
    let mut shown = BTreeSet::new();
    for widget in widgets {
        let mut previous = Vec::new();
        let rows = widget["properties"]["metrics"].as_array().into_iter();
        for row in rows.flatten() {
            let values = row.as_array().unwrap().iter();
            let values: Vec<_> = values.filter_map(Value::as_str).collect();
            // An expression of other metrics has none of its own.
            if !values.is_empty() {
                previous = expanded(&values, &previous);
                shown.insert(previous.clone());
            }
        }
    }
    shown
}

/// A metric without the shorthand: `.` is the value of the metric above, and `...` are its first
/// values.
fn expanded(values: &[&str], above: &[String]) -> Vec<String> {
    if let ["...", own @ ..] = values {
        let shared = above[..above.len() - own.len()].iter().cloned();
        return shared
            .chain(own.iter().map(|&value| value.to_owned()))
            .collect();
    }
    let value = |(at, value): (usize, &&str)| match *value {
        "." => above[at].clone(),
        value => value.to_owned(),
    };
    values.iter().enumerate().map(value).collect()
}

/// What is wrong with a metric, if no function of the stack and no service writes it.
fn unknown(metric: &[String], stack: &Rendered, written: &BTreeSet<Metric>) -> Option<String> {
    let problem = |what: &str| Some(format!("{what}: {metric:?}"));
    let [namespace, name, dimension, value, rest @ ..] = metric else {
        return problem("not a metric");
    };
    if namespace == NAMESPACE {
        let mut functions = FUNCTIONS.map(|(function, _)| function).into_iter();
        let Some(function) = functions.find(|function| stack.name(function) == *value) else {
            return problem("no such function");
        };
        let mut dimensions = vec![dimension.clone()];
        dimensions.extend(rest.first().cloned());
        let metric = Metric {
            function,
            name: name.clone(),
            dimensions,
        };
        return if written.contains(&metric) {
            None
        } else {
            problem("not written")
        };
    }
    let known = [namespace, name, dimension].map(String::as_str);
    if !METRICS_OF_SERVICES.contains(&known) || !rest.is_empty() {
        return problem("not a metric of a service");
    }
    let resources = stack.types().into_iter();
    let mut ids =
        resources.flat_map(|(resource, _)| [stack.name(&resource), stack.physical_id(&resource)]);
    if ids.any(|id| id == *value) {
        None
    } else {
        problem("no such resource")
    }
}

/// The queries of the dashboard and the saved ones, by title or name.
fn queries(stack: &Rendered) -> Vec<(String, Query)> {
    let widgets = widgets(stack).into_iter();
    let widgets = widgets.filter(|widget| widget["type"] == "log");
    let of_widgets = widgets.map(|widget| {
        let properties = &widget["properties"];
        let query = properties["query"].as_str().unwrap();
        // The names of the log groups are in quotes.
        let (sources, query) = query.split_once("| filter").unwrap();
        let sources = sources.split('\'').skip(1).step_by(2);
        let functions = sources.map(|group| function_of(stack, group)).collect();
        let query = Query::new(&format!("filter{query}"), functions);
        (properties["title"].as_str().unwrap().to_owned(), query)
    });
    let saved = stack.resources("AWS::Logs::QueryDefinition").into_iter();
    let saved = saved.map(|(_, properties)| {
        let name = properties["Name"].as_str().unwrap().to_owned();
        assert!(name.starts_with("rerole/"), "{name} is not in the folder");
        let groups = properties["LogGroupNames"].as_array().unwrap().iter();
        let groups = groups.map(|group| function_of(stack, group.as_str().unwrap()));
        let query = properties["QueryString"].as_str().unwrap();
        (name, Query::new(query, groups.collect()))
    });
    of_widgets.chain(saved).collect()
}

/// The function that writes to a log group.
fn function_of(stack: &Rendered, group: &str) -> &'static str {
    let found = FUNCTIONS
        .iter()
        .find(|(_, resource)| stack.name(resource) == group);
    let found = found.unwrap_or_else(|| panic!("{group} is the log group of no function"));
    found.0
}

fn functions() -> BTreeSet<&'static str> {
    FUNCTIONS.map(|(function, _)| function).into()
}
