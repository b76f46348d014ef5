//! Events on buses: what `PutEvents` accepts and refuses.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::operation::put_events::PutEventsOutput;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use rerole_sim::{Options, SimulatedAws};
use serde_json::json;

use crate::harness::{code_of, event_bridge, in_virtual_time};

fn entry(bus: &str, detail: &str) -> PutEventsRequestEntry {
    PutEventsRequestEntry::builder()
        .event_bus_name(bus)
        .source("tests")
        .detail_type("Test")
        .detail(detail)
        .build()
}

async fn put(client: &Client, entries: Vec<PutEventsRequestEntry>) -> PutEventsOutput {
    let call = client.put_events().set_entries(Some(entries)).send();
    call.await.expect("the call as such is valid")
}

#[test]
fn events_stay_on_their_bus_in_order() {
    in_virtual_time(async {
        let aws = SimulatedAws::new(Options::default());
        aws.create_event_bus("platform");
        let client = event_bridge(&aws);
        let mut timed = entry(
            "arn:aws:events:eu-west-1:1:event-bus/platform",
            r#"{"a": 2}"#,
        );
        timed.time = Some(DateTime::from_millis(1_795_467_600_123));
        let response = put(&client, vec![entry("default", r#"{"a": 1}"#), timed]).await;
        assert_eq!(response.failed_entry_count(), 0);
        let events = aws.bus_events();
        let ids: Vec<_> = response
            .entries()
            .iter()
            .map(|entry| entry.event_id().unwrap())
            .collect();
        assert_eq!(ids, [events[0].id.as_str(), events[1].id.as_str()]);
        let shown = |at: usize| (events[at].bus.as_str(), events[at].detail.clone());
        assert_eq!(shown(0), ("default", json!({ "a": 1 })));
        assert_eq!(shown(1), ("platform", json!({ "a": 2 })));
        assert_eq!(events[0].time, events[0].put_at);
        let time = rerole_sim::rfc3339_millis(events[1].time);
        assert_eq!(time, "2026-11-23T21:00:00.123Z");
    });
}

#[test]
fn each_event_is_refused_by_itself() {
    in_virtual_time(async {
        let aws = SimulatedAws::new(Options::default());
        let client = event_bridge(&aws);
        let entries = vec![
            entry("default", "{}"),
            entry("default", "no JSON"),
            entry("default", "[]"),
            entry("nowhere", "{}"),
            PutEventsRequestEntry::builder()
                .source("tests")
                .detail("{}")
                .build(),
            entry("default", r#"{"last": true}"#),
        ];
        let response = put(&client, entries).await;
        let codes: Vec<_> = response
            .entries()
            .iter()
            .map(|entry| entry.error_code())
            .collect();
        let expected = [
            None,
            Some("MalformedDetail"),
            Some("MalformedDetail"),
            Some("ResourceNotFoundException"),
            Some("InvalidArgument"),
            None,
        ];
        assert_eq!(codes, expected);
        assert_eq!(response.failed_entry_count(), 4);
        assert_eq!(aws.bus_events().len(), 2);
    });
}

#[test]
fn a_call_has_limits() {
    in_virtual_time(async {
        let aws = SimulatedAws::new(Options::default());
        let client = event_bridge(&aws);
        let large = format!(r#"{{"a": "{}"}}"#, "x".repeat(100_000));
        for entries in [
            vec![entry("default", "{}"); 11],
            vec![entry("default", &large); 3],
        ] {
            let call = client.put_events().set_entries(Some(entries)).send().await;
            assert_eq!(code_of(call), "ValidationException");
        }
        assert!(aws.bus_events().is_empty());
    });
}

#[test]
fn a_share_of_the_events_is_refused() {
    in_virtual_time(async {
        let aws = SimulatedAws::new(Options {
            refused_event_share: 0.5,
            ..Options::default()
        });
        let client = event_bridge(&aws);
        for _ in 0..20 {
            put(&client, vec![entry("default", "{}"); 10]).await;
        }
        let accepted = aws.bus_events().len();
        assert!((70..130).contains(&accepted), "{accepted}");
    });
}
