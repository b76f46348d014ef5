//! Events on buses: what `PutEvents` accepts and refuses, and who hears of it. Rules as readers see
//! them.

use std::sync::mpsc;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::operation::put_events::PutEventsOutput;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, RuleState};
use rerole_sim::{Options, Rule, RuleTarget, RuleTrigger, SimulatedAws};
use serde_json::json;

use crate::harness::{at_home, code_of, event_bridge, in_virtual_time};

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

#[test]
fn listeners_have_each_event_before_the_caller_has_the_response() {
    in_virtual_time(async {
        let aws = at_home();
        let client = event_bridge(&aws);
        let (sender, receiver) = mpsc::channel();
        let observed = aws.clone();
        aws.on_bus_event(move |event| {
            let delivered = event.as_delivered();
            sender
                .send((delivered, observed.bus_events().len()))
                .unwrap();
        });
        let entries = vec![entry("default", r#"{"a": 1}"#), entry("nowhere", "{}")];
        put(&client, entries).await;
        let (delivered, events) = receiver.try_recv().expect("one event was put");
        assert_eq!(events, 1);
        let expected = json!({
            "version": "0",
            "id": aws.bus_events()[0].id,
            "detail-type": "Test",
            "source": "tests",
            "account": "111122223333",
            "time": "2026-11-23T21:00:00Z",
            "region": "eu-west-1",
            "resources": [],
            "detail": { "a": 1 },
        });
        assert_eq!(delivered, expected);
        assert!(receiver.try_recv().is_err(), "the other one was refused");
    });
}

#[test]
fn a_bus_has_a_policy_and_rules_with_targets() {
    in_virtual_time(async {
        let aws = at_home();
        aws.create_event_bus("platform");
        let policy = json!({ "Statement": [] });
        aws.set_bus_policy("platform", &policy);
        let pattern = json!({ "source": ["tests"] });
        let rule = |name: &str, trigger: RuleTrigger| Rule {
            name: name.to_owned(),
            bus: "platform".to_owned(),
            description: String::new(),
            trigger,
            enabled: name == "events",
            targets: vec![RuleTarget {
                id: "queue".to_owned(),
                arn: "arn:aws:sqs:eu-west-1:111122223333:work".to_owned(),
                ..RuleTarget::default()
            }],
        };
        let arn = aws.create_rule(rule("events", RuleTrigger::Pattern(pattern.clone())));
        aws.create_rule(rule(
            "hourly",
            RuleTrigger::Schedule("rate(1 hour)".to_owned()),
        ));
        let client = event_bridge(&aws);
        let bus = client
            .describe_event_bus()
            .name("platform")
            .send()
            .await
            .unwrap();
        assert_eq!(bus.policy(), Some(policy.to_string().as_str()));
        let bus_arn = "arn:aws:events:eu-west-1:111122223333:event-bus/platform";
        assert_eq!(bus.arn(), Some(bus_arn));

        let listed = client.list_rules().event_bus_name(bus_arn).name_prefix("h");
        let listed = listed.send().await.unwrap();
        assert_eq!(
            listed.rules()[0].schedule_expression(),
            Some("rate(1 hour)")
        );
        assert_eq!(listed.rules()[0].state(), Some(&RuleState::Disabled));
        let described = client.describe_rule().event_bus_name("platform");
        let described = described.name("events").send().await.unwrap();
        assert_eq!(described.arn(), Some(arn.as_str()));
        assert_eq!(
            described.event_pattern(),
            Some(pattern.to_string().as_str())
        );
        let targets = client.list_targets_by_rule().event_bus_name("platform");
        let targets = targets.rule("events").send().await.unwrap();
        assert_eq!(targets.targets()[0].id(), "queue");
        assert_eq!(aws.calls()[2].call.subject, "platform/events");

        let absent = client.describe_rule().name("events").send().await;
        assert_eq!(code_of(absent), "ResourceNotFoundException");
        let absent = client.describe_event_bus().name("nowhere").send().await;
        assert_eq!(code_of(absent), "ResourceNotFoundException");
    });
}
