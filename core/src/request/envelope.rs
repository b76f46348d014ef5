//! Where a request came from: what the ledger records of the event around it. The event is parsed
//! in `event.rs`.

use serde::{Deserialize, Serialize};

use crate::request::Claims;
use crate::timestamp::Timestamp;

/// Where a request came from, as the ledger records it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    pub event: EventSummary,
    /// The request ID of the invocation that received the event. The function's log and AWS X-Ray
    /// have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    #[serde(flatten)]
    pub claims: Claims,
}

/// The members of an EventBridge event around its `detail`. `EventBridge` sets all but the source.
/// <https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html>
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventSummary {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default)]
    pub source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
}
