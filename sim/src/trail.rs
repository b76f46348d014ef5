//! What CloudTrail tells EventBridge of EKS: one event for each call that is there to change something, also where EKS
//! refused it, where the answer got lost, and where it was a replay.
//!
//! Nothing is told of reads, of requests that never arrived, and of what a test does behind the API's back. Delivery is
//! not here either: whoever takes the events may delay, repeat, reorder and lose them, as EventBridge may.
//!
//! The shape is that of AWS's own record of a `CreateCluster`
//! (<https://docs.aws.amazon.com/eks/latest/userguide/understanding-service-name-entries.html>), in the envelope of
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html>. Where nothing says what
//! CloudTrail writes for associations, `Options` has a switch.

use crate::clock::rfc3339_secs;
use crate::eks::EksRequest;
use crate::options::{Options, TrailTimes};
use crate::wire::{Answer, WireRequest};
use crate::{SimulatedAws, locked};
use chrono::NaiveDateTime;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// The members of an answer's cluster or association that are times.
const TIMES: [&str; 2] = ["createdAt", "modifiedAt"];
/// A throttle may come without a code, and an event without a code would be a success.
const UNNAMED_ERROR: &str = "TooManyRequestsException";

pub(crate) type Listener = Arc<Mutex<dyn FnMut(Value) + Send>>;

impl SimulatedAws {
    /// The events since the start or the last `take_trail`, in order of the effects. Empty unless `Options::trail` is on.
    pub fn trail(&self) -> Vec<Value> {
        locked(&self.0.trail).clone()
    }

    /// The events since the start or the last `take_trail`; the next event is the first again.
    pub fn take_trail(&self) -> Vec<Value> {
        std::mem::take(&mut *locked(&self.0.trail))
    }

    /// Gives each event to `listener` from now on, in place of keeping it, before the client has its answer. The listener
    /// may look at this `SimulatedAws` and change it.
    pub fn on_event(&self, listener: impl FnMut(Value) + Send + 'static) {
        *locked(&self.0.listener) = Some(Arc::new(Mutex::new(listener)));
    }

    pub(crate) fn note_in_trail(&self, call: &AnsweredCall<'_>) {
        let options = &self.0.options;
        if !call.is_logged(options) {
            return;
        }
        let ids = {
            let mut chance = locked(&self.0.chance);
            EventIds { event: chance.event_id(), record: chance.event_id() }
        };
        let event = call.event(options, ids);
        // No lock is held while the listener runs, except its own.
        let listener = locked(&self.0.listener).clone();
        match listener {
            Some(listener) => (*locked(&listener))(event),
            None => locked(&self.0.trail).push(event),
        }
    }
}

/// An EKS call at the moment when it was decided.
pub(crate) struct AnsweredCall<'a> {
    pub(crate) at: SystemTime,
    pub(crate) request: &'a WireRequest,
    pub(crate) parsed: &'a EksRequest,
    pub(crate) answer: &'a Answer,
    pub(crate) request_id: &'a str,
}

/// EventBridge's id of the event, and CloudTrail's of the record in it.
struct EventIds {
    event: String,
    record: String,
}

impl AnsweredCall<'_> {
    fn is_logged(&self, options: &Options) -> bool {
        let is_throttle = self.answer.status == 429;
        options.trail && self.parsed.route.is_write() && (!is_throttle || options.trail_throttles)
    }

    fn event(&self, options: &Options, ids: EventIds) -> Value {
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

    /// CloudTrail's record of the call.
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
        if self.answer.status >= 300 {
            record["errorCode"] = json!(self.answer.error_code.as_deref().unwrap_or(UNNAMED_ERROR));
            record["errorMessage"] = self.answer.body["message"].clone();
        } else if options.trail_response_elements {
            record["responseElements"] = response_elements(self.answer.body.clone(), options.trail_times);
        }
        record
    }

    /// The members of the body, and the names in `/clusters/{name}/pod-identity-associations/{associationId}`.
    ///
    /// A record of `AssociateAccessPolicy` shows that CloudTrail leaves what stood in the path encoded
    /// (<https://stratus-red-team.cloud/attack-techniques/EKS/eks.lateral-movement.create-access-entry/>).
    fn request_parameters(&self, options: &Options) -> Map<String, Value> {
        let mut parameters = self.parsed.body.as_object().cloned().unwrap_or_default();
        let segments: Vec<&str> = self.request.path.trim_matches('/').split('/').collect();
        for (member, at) in [("name", 1), ("associationId", 3)] {
            if let Some(&segment) = segments.get(at) {
                let name = if options.trail_encoded_names {
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

/// The answer of a success, `{"association": …}` or `{"cluster": …}`, with its times as CloudTrail writes them.
fn response_elements(mut body: Value, times: TrailTimes) -> Value {
    for resource in body.as_object_mut().into_iter().flat_map(Map::values_mut) {
        for name in TIMES {
            if let Some(time) = resource.get_mut(name) {
                *time = rewritten(time, times);
            }
        }
    }
    body
}

fn rewritten(epoch_seconds: &Value, times: TrailTimes) -> Value {
    let format = match times {
        TrailTimes::EpochSeconds => return epoch_seconds.clone(),
        TrailTimes::Rfc3339 => "%Y-%m-%dT%H:%M:%S%.3fZ",
        TrailTimes::English => "%b %-d, %Y, %-I:%M:%S %p",
    };
    // Through text, so that no decimal is lost to a binary fraction.
    let time = NaiveDateTime::parse_from_str(&epoch_seconds.to_string(), "%s%.f")
        .expect("EKS writes times as seconds with an optional fraction");
    json!(time.format(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_can_be_written_in_three_ways() {
        let rows = [
            (TrailTimes::EpochSeconds, [json!(1_795_468_620), json!(1_795_468_620.123)]),
            (TrailTimes::Rfc3339, [json!("2026-11-23T21:17:00.000Z"), json!("2026-11-23T21:17:00.123Z")]),
            (TrailTimes::English, [json!("Nov 23, 2026, 9:17:00 PM"), json!("Nov 23, 2026, 9:17:00 PM")]),
        ];
        for (times, [created_at, modified_at]) in rows {
            let body = json!({ "association": { "createdAt": 1_795_468_620, "modifiedAt": 1_795_468_620.123 } });
            let written = json!({ "association": { "createdAt": created_at, "modifiedAt": modified_at } });
            assert_eq!(response_elements(body, times), written, "{times:?}");
        }
    }
}
