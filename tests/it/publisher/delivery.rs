//! Outages, partial failures and repetitions: nothing is lost, nothing is invented, and the order
//! of each timeline holds.

use std::time::Duration;

use rerole_sim::Fault;
use serde_json::{Value, json};

use crate::common::environment::{BUS, LEDGER};
use crate::common::guarantees::events::are_the_timelines;
use crate::common::stream::{deliver, mapping};
use crate::harness::rotation_event;
use crate::publisher::{is_put, publish, refusing, stack};

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_while_the_bus_is_down_for_an_hour() {
    for fault in [
        Fault::ServerError(503),
        Fault::Throttle,
        Fault::LoseRequest,
        Fault::Error {
            status: 400,
            code: "AccessDeniedException".to_owned(),
            message: "no identity-based policy allows events:PutEvents".to_owned(),
        },
    ] {
        let harness = stack(30);
        harness.finish(&rotation_event()).await;
        let since = harness.aws.now();
        let until = since + Duration::from_hours(1);
        let aws = harness.aws.clone();
        harness.inject(fault.clone(), move |call| is_put(call) && aws.now() < until);
        publish(&harness).await;
        let published_at = harness.aws.bus_events()[0].put_at;
        let waited = published_at.duration_since(until).unwrap();
        assert!(waited < Duration::from_mins(2), "{fault:?}: {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn events_that_are_refused_are_put_again() {
    for share in [0.1, 0.5, 0.9] {
        let harness = refusing(share);
        harness.finish(&rotation_event()).await;
        publish(&harness).await;
    }
}

/// The response is lost, so what was put is put again.
#[tokio::test(start_paused = true)]
async fn lost_responses_repeat_events_and_change_nothing_else() {
    let harness = stack(30);
    harness.finish(&rotation_event()).await;
    let mut count = 0;
    harness.inject(Fault::LoseResponse, move |call| {
        count += usize::from(is_put(call));
        is_put(call) && count.is_multiple_of(2)
    });
    publish(&harness).await;
    let events = harness.aws.bus_events().len();
    assert!(events > 30 + 3, "{events}");
}

#[tokio::test(start_paused = true)]
async fn batches_that_are_delivered_twice_change_nothing() {
    let harness = stack(30);
    harness.finish(&rotation_event()).await;
    let mut mapping = mapping();
    mapping.repeats = true;
    deliver(&mut mapping, &harness.aws, &harness.publisher()).await;
    are_the_timelines(&harness.aws);
    assert_eq!(harness.aws.bus_events().len(), 2 * 3);
}

/// Lambda drops nothing by itself before the stream does. What it gives up goes to the queue.
#[tokio::test(start_paused = true)]
async fn what_is_not_published_for_22_hours_is_given_up() {
    let harness = stack(5);
    harness.finish(&rotation_event()).await;
    harness.inject(Fault::ServerError(503), is_put);
    let since = harness.aws.now();
    let mut mapping = mapping();
    deliver(&mut mapping, &harness.aws, &harness.publisher()).await;
    let took = harness.aws.now().duration_since(since).unwrap();
    let expected = Duration::from_hours(22);
    assert!(took.abs_diff(expected) < Duration::from_mins(5), "{took:?}");
    assert_eq!(mapping.given_up.len(), 3);
    assert!(harness.aws.bus_events().is_empty());
}

/// Such an item must not hold up the ones after it. An alarm says that it was left out.
#[tokio::test(start_paused = true)]
async fn an_item_that_cannot_be_published_is_left_out_and_counted() {
    let harness = stack(5);
    let planted = json!({
        "rotationId": "r-0", "entry": "timeline#00000001", "type": "StatusChanged", "to": "Done",
        "at": "2026-11-23T21:17:00.000Z", "by": {},
    });
    harness.aws.put_item(LEDGER, planted);
    harness.finish(&rotation_event()).await;
    let mut mapping = mapping();
    deliver(&mut mapping, &harness.aws, &harness.publisher()).await;
    let events = harness.aws.bus_events();
    assert!(
        events
            .iter()
            .all(|event| event.detail["rotationId"] == "r-1")
    );
    assert_eq!(events.len(), 3);
    assert_eq!(harness.metric_sum("ItemsNotPublished"), 1);
    assert_eq!(harness.metric_sum("EventsPublished"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_does_not_exist_loses_nothing() {
    let harness = stack(5);
    harness.finish(&rotation_event()).await;
    let records = harness.aws.stream_records(LEDGER, None, 100);
    let first = |records: &[Value]| records[0]["dynamodb"]["SequenceNumber"].clone();
    let admitted: Vec<_> = records
        .into_iter()
        .filter(|record| mapping().admits(record))
        .collect();
    let mut settings = crate::common::environment::publisher_settings();
    settings.event_bus_name = format!("{BUS}-2");
    let publisher = harness.publisher_with(&settings);
    let response = publisher.handle(json!({ "Records": admitted })).await;
    let response = serde_json::to_value(response.unwrap()).unwrap();
    let failed = &response["batchItemFailures"][0]["itemIdentifier"];
    assert_eq!(*failed, first(&admitted));
    // The stack's publisher may not put on that bus.
    harness.aws.clear_calls();
}

#[tokio::test(start_paused = true)]
async fn a_payload_of_another_kind_fails() {
    let harness = stack(1);
    for payload in [json!({}), json!("text"), json!({ "Records": 7 })] {
        let error = harness.publisher().handle(payload).await.unwrap_err();
        let problem = error.to_string();
        assert!(
            problem.contains("no batch of a DynamoDB stream"),
            "{problem}"
        );
    }
}
