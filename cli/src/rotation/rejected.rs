//! An event that was rejected, as screens and JSON show it. It is no rotation.

use rerole::aws::ledger::RejectedEvent;
use rerole_core::rotation::Status;
use rerole_core::timestamp::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::terminal::{Layout, printable};
use crate::words;

/// A rejected event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RejectedView {
    /// `rejected/<event id>`
    pub id: String,
    #[cfg_attr(test, schemars(with = "String"))]
    pub status: Status,
    #[cfg_attr(test, schemars(with = "String"))]
    pub rejected_at: Timestamp,
    /// The member of the event that is not allowed, its value, and what is allowed.
    pub field: String,
    pub value: String,
    pub allowed: String,
    /// The rotation that the event was about, if it names one.
    pub rotation_id: Option<String>,
    /// Who sent it and why, as it claims.
    pub requested_by: Option<String>,
    pub request_reason: Option<String>,
    /// The event as JSON, truncated if it is long.
    pub event: String,
    /// The invocation that rejected it.
    pub request_id: Option<String>,
}

impl From<&RejectedEvent> for RejectedView {
    fn from(rejected: &RejectedEvent) -> Self {
        // A truncated event is no JSON. What it says of itself is then unknown.
        let event: Value = serde_json::from_str(&rejected.event).unwrap_or_default();
        let member = |name: &str| event["detail"][name].as_str().map(str::to_owned);
        Self {
            id: rejected.key.clone(),
            status: Status::Rejected,
            rejected_at: rejected.at,
            field: rejected.rejection.field.clone(),
            value: rejected.rejection.value.clone(),
            allowed: rejected.rejection.allowed.clone(),
            rotation_id: member("rotationId"),
            requested_by: member("requestedBy"),
            request_reason: member("reason"),
            event: rejected.event.clone(),
            request_id: rejected.request_id.clone(),
        }
    }
}

impl RejectedView {
    /// Why it was rejected, and who sent it.
    pub fn text(&self, layout: &Layout, now: Timestamp) -> String {
        let id = layout.heading(printable(&self.id));
        let mut lines = vec![format!("Event {id}: {}", layout.status(self.status))];
        let mut line = |name: &str, text: &str| {
            lines.push(printable(&format!("  {name:<9} {text}")));
        };
        line("field", &self.field);
        line("value", &self.value);
        line("allowed", &self.allowed);
        if let Some(rotation_id) = &self.rotation_id {
            line("rotation", rotation_id);
        }
        line("sent", &self.sent(layout));
        line("rejected", &words::time(self.rejected_at).seen_at(now));
        lines.join("\n")
    }

    /// By whom it was sent, and why.
    pub fn sent(&self, layout: &Layout) -> String {
        let by = self.requested_by.as_ref();
        let by = by.map_or_else(|| words::UNNAMED.to_owned(), |by| layout.caller(by));
        let reason = self.request_reason.as_ref();
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        format!("by {by}{reason}")
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use rerole_core::request::Rejection;
    use serde_json::json;

    use super::*;
    use crate::stack::flags::Form;

    fn rejected(event: &str) -> RejectedView {
        RejectedView::from(&RejectedEvent {
            key: "rejected/e-1".to_owned(),
            rejection: Rejection::new("detail.newRoleArn", &json!("app"), "the ARN of an IAM role"),
            at: "2026-11-23T21:12:00.000Z".parse().unwrap(),
            event: event.to_owned(),
            request_id: None,
        })
    }

    #[test]
    fn a_rejected_event_says_which_field_is_wrong_and_who_sent_it() {
        let now = "2026-11-23T21:17:00.000Z".parse().unwrap();
        let layout = Layout::plain(Form::Table);
        let detail = json!({ "rotationId": "app", "requestedBy": "jane", "reason": "CHG-7" });
        let event = json!({ "id": "e-1", "detail": detail }).to_string();
        expect![[r#"
            Event rejected/e-1: Rejected
              field     detail.newRoleArn
              value     "app"
              allowed   the ARN of an IAM role
              rotation  app
              sent      by jane: CHG-7
              rejected  2026-11-23 21:12:00 (5 min ago)"#]]
        .assert_eq(&rejected(&event).text(&layout, now));
        let truncated = rejected(&event[..20]).text(&layout, now);
        assert!(truncated.contains(words::UNNAMED), "{truncated}");
    }
}
