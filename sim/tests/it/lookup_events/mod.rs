//! The events of pods and other callers that receive credentials, as `LookupEvents` shows them.
//! Here is what the tests have in common.

mod callers;
mod pods;
mod requests;

use std::time::{Duration, SystemTime};

use aws_sdk_cloudtrail::types::{Event, LookupAttribute, LookupAttributeKey};
use rerole_sim::{Options, PodFleet, SimulatedAws};
use serde_json::Value;
use tokio::time::sleep;

use crate::harness::{OneAssociation, cloudtrail};

const HOUR: Duration = Duration::from_hours(1);

fn by(key: LookupAttributeKey, value: &str) -> LookupAttribute {
    let attribute = LookupAttribute::builder();
    let attribute = attribute.attribute_key(key).attribute_value(value);
    attribute.build().expect("it has a key and a value")
}

fn of_role(role: &str) -> LookupAttribute {
    by(LookupAttributeKey::ResourceName, role)
}

/// All events with this attribute, at the rate that CloudTrail admits.
async fn lookup(aws: &SimulatedAws, attribute: LookupAttribute) -> Vec<Event> {
    let client = cloudtrail(aws);
    let mut events = Vec::new();
    let mut token = None;
    loop {
        sleep(Duration::from_millis(500)).await;
        let lookup = client.lookup_events().lookup_attributes(attribute.clone());
        let page = lookup.set_next_token(token).send().await.expect("a page");
        events.extend_from_slice(page.events());
        token = page.next_token;
        if token.is_none() {
            return events;
        }
    }
}

fn record(event: &Event) -> Value {
    let text = event.cloud_trail_event().expect("an event has a record");
    serde_json::from_str(text).expect("a record is JSON")
}

fn time(event: &Event) -> SystemTime {
    let time = *event.event_time().expect("an event has a time");
    time.try_into().expect("it is after 1970")
}

fn with_pods(options: Options) -> OneAssociation {
    let one = OneAssociation::new(options);
    one.aws.run_pods(PodFleet::default());
    one
}
