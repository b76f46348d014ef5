//! An event on a bus.

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::clock::rfc3339_secs;

/// An event on a bus.
#[derive(Clone, Debug, PartialEq)]
pub struct BusEvent {
    pub id: String,
    /// The name of the bus.
    pub bus: String,
    /// The account and the region of the caller that put it.
    pub account: String,
    pub region: String,
    pub source: String,
    pub detail_type: String,
    pub detail: Value,
    /// The ARNs of what the event is about.
    pub resources: Vec<String>,
    /// The time that the caller gave, or else when it was put.
    pub time: SystemTime,
    pub put_at: SystemTime,
}

impl BusEvent {
    /// The event as EventBridge matches it against patterns, and delivers it to targets.
    pub fn as_delivered(&self) -> Value {
        json!({
            "version": "0",
            "id": self.id,
            "detail-type": self.detail_type,
            "source": self.source,
            "account": self.account,
            "time": rfc3339_secs(self.time),
            "region": self.region,
            "resources": self.resources,
            "detail": self.detail,
        })
    }
}
