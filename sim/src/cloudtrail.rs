//! CloudTrail events about EKS, as EventBridge delivers them: one event for each call of a write
//! operation, also for a call that failed, whose response was lost, or that was a replay.
//!
//! Reads, requests that did not arrive, and changes that a test makes without the API leave no
//! events. Delivery is not simulated: a test that takes the events can delay, repeat, reorder and
//! lose them, as EventBridge can.
//!
//! The record has the shape of AWS's own record of a `CreateCluster`
//! (<https://docs.aws.amazon.com/eks/latest/userguide/understanding-service-name-entries.html>), in
//! the envelope of
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html>.
//! `Options` has a field for each property that AWS does not document for associations.
//! A record of `AssociateAccessPolicy` shows that names from the path stay percent-encoded:
//! <https://stratus-red-team.cloud/attack-techniques/EKS/eks.lateral-movement.create-access-entry/>

use std::mem;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use chrono::NaiveDateTime;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::clock::rfc3339_secs;
use crate::eks::EksRequest;
use crate::options::{CloudTrailTimes, Options};
use crate::rng::Rng;
use crate::sync::lock;
use crate::wire::{Response, WireRequest};

/// The times among the members of a cluster or association in a response.
const TIMES: [&str; 2] = ["createdAt", "modifiedAt"];
/// The code in the event of a throttle that has none in the response. An event without a code would
/// be a success.
const DEFAULT_ERROR_CODE: &str = "TooManyRequestsException";

type Listener = Arc<Mutex<dyn FnMut(Value) + Send>>;

/// The events that no listener received.
#[derive(Default)]
pub(crate) struct CloudTrail {
    events: Mutex<Vec<Value>>,
    listener: Mutex<Option<Listener>>,
}

impl CloudTrail {
    pub(crate) fn events(&self) -> Vec<Value> {
        lock(&self.events).clone()
    }

    pub(crate) fn take_events(&self) -> Vec<Value> {
        mem::take(&mut *lock(&self.events))
    }

    pub(crate) fn set_listener(&self, listener: impl FnMut(Value) + Send + 'static) {
        *lock(&self.listener) = Some(Arc::new(Mutex::new(listener)));
    }

    /// Passes the event to the listener, or keeps it if there is none.
    pub(crate) fn deliver(&self, event: Value) {
        // While the listener runs, only its own lock is held: it may use the simulated AWS.
        let listener = lock(&self.listener).clone();
        match listener {
            Some(listener) => (*lock(&listener))(event),
            None => lock(&self.events).push(event),
        }
    }
}

/// EventBridge's id of the event, and CloudTrail's id of the record in it.
pub(crate) struct EventIds {
    event: String,
    record: String,
}

impl EventIds {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        Self {
            event: rng.event_id(),
            record: rng.event_id(),
        }
    }
}

/// An EKS call, and the response that the service decided on at `at`.
pub(crate) struct CompletedCall<'a> {
    pub(crate) at: SystemTime,
    pub(crate) request: &'a WireRequest,
    pub(crate) parsed: &'a EksRequest,
    pub(crate) response: &'a Response,
    pub(crate) request_id: &'a str,
}

impl CompletedCall<'_> {
    /// Whether the call leaves an event.
    pub(crate) fn is_logged(&self, options: &Options) -> bool {
        let is_throttle = self.response.status == 429;
        options.cloudtrail
            && self.parsed.route.is_write()
            && (!is_throttle || options.cloudtrail_throttles)
    }

    /// The event about the call.
    pub(crate) fn event(&self, options: &Options, ids: EventIds) -> Value {
        json!({
            "version": "0",
            "id": ids.event,
            "detail-type": "AWS API Call via CloudTrail",
            "source": "aws.eks",
            "account": self.parsed.account,
            "time": rfc3339_secs(self.at),
            "region": self.parsed.region,
            "resources": [],
            "detail": self.record(options, ids.record),
        })
    }

    fn record(&self, options: &Options, id: String) -> Value {
        let (account, access_key) = (&self.parsed.account, &self.request.caller.access_key);
        let mut record = json!({
            "eventVersion": "1.10",
            "userIdentity": {
                "type": "AssumedRole",
                "principalId": format!("{access_key}:session"),
                "arn": self.parsed.caller_arn,
                "accountId": account,
                "accessKeyId": access_key,
            },
            "eventTime": rfc3339_secs(self.at),
            "eventSource": "eks.amazonaws.com",
            "eventName": self.parsed.route.operation(),
            "awsRegion": self.parsed.region,
            "sourceIPAddress": "127.0.0.1",
            "userAgent": self.request.user_agent,
            "requestParameters": self.request_parameters(options),
            "responseElements": null,
            "requestID": self.request_id,
            "eventID": id,
            "readOnly": false,
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": account,
            "eventCategory": "Management",
        });
        let response = self.response;
        if !response.is_success() {
            record["errorCode"] =
                json!(response.error_code.as_deref().unwrap_or(DEFAULT_ERROR_CODE));
            record["errorMessage"] = response.body["message"].clone();
        } else if options.cloudtrail_response_elements {
            record["responseElements"] =
                response_elements(response.body.clone(), options.cloudtrail_times);
        }
        record
    }

    /// The members of the body, and the names in
    /// `/clusters/{name}/pod-identity-associations/{associationId}`.
    fn request_parameters(&self, options: &Options) -> Map<String, Value> {
        let mut parameters = self.parsed.body.as_object().cloned().unwrap_or_default();
        let segments: Vec<&str> = self.request.path.trim_matches('/').split('/').collect();
        for (member, at) in [("name", 1), ("associationId", 3)] {
            if let Some(&segment) = segments.get(at) {
                let name = if options.cloudtrail_encoded_names {
                    segment.to_owned()
                } else {
                    percent_decode_str(segment).decode_utf8_lossy().into_owned()
                };
                parameters.insert(member.to_owned(), Value::String(name));
            }
        }
        parameters
    }
}

/// The body of a success, `{"association": …}` or `{"cluster": …}`, with its times in CloudTrail's
/// format.
fn response_elements(mut body: Value, times: CloudTrailTimes) -> Value {
    for resource in body.as_object_mut().into_iter().flat_map(Map::values_mut) {
        for name in TIMES {
            if let Some(time) = resource.get_mut(name) {
                *time = format_time(time, times);
            }
        }
    }
    body
}

fn format_time(epoch_seconds: &Value, times: CloudTrailTimes) -> Value {
    let format = match times {
        CloudTrailTimes::EpochSeconds => return epoch_seconds.clone(),
        CloudTrailTimes::Rfc3339 => "%Y-%m-%dT%H:%M:%S%.3fZ",
        CloudTrailTimes::English => "%b %-d, %Y, %-I:%M:%S %p",
    };
    // Parsed from text: a binary fraction would lose decimals.
    let time = NaiveDateTime::parse_from_str(&epoch_seconds.to_string(), "%s%.f")
        .expect("EKS writes times as seconds with an optional fraction");
    json!(time.format(format).to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::response_elements;
    use crate::options::CloudTrailTimes;

    #[test]
    fn times_have_three_formats() {
        let rows = [
            (
                CloudTrailTimes::EpochSeconds,
                json!(1_795_468_620),
                json!(1_795_468_620.123),
            ),
            (
                CloudTrailTimes::Rfc3339,
                json!("2026-11-23T21:17:00.000Z"),
                json!("2026-11-23T21:17:00.123Z"),
            ),
            (
                CloudTrailTimes::English,
                json!("Nov 23, 2026, 9:17:00 PM"),
                json!("Nov 23, 2026, 9:17:00 PM"),
            ),
        ];
        for (times, created_at, modified_at) in rows {
            let body = |created_at, modified_at| json!({ "association": { "createdAt": created_at, "modifiedAt": modified_at } });
            assert_eq!(
                response_elements(body(json!(1_795_468_620), json!(1_795_468_620.123)), times),
                body(created_at, modified_at),
                "{times:?}"
            );
        }
    }
}
