//! EventBridge: the way of an event to the targets of the rules that match it.

use std::rc::Rc;

use serde_json::{Value, json};
use tokio::task::spawn_local;

use crate::clock::rfc3339_secs;
use crate::deployment::functions::Functions;
use crate::deployment::rules::DEFAULT_BUS;
use crate::deployment::runner::Runner;
use crate::event_bridge::{BusEvent, RuleTarget, RuleTrigger};
use crate::event_pattern::matches;

impl<F: Functions> Runner<F> {
    /// Passes an event that a caller has put on a bus to the targets of the rules that match.
    pub(super) fn route_bus_event(self: &Rc<Self>, event: &BusEvent) {
        let stack = self.stack.rendered.stack();
        let delivered = json!({
            "version": "0",
            "id": event.id,
            "detail-type": event.detail_type,
            "source": event.source,
            "account": stack.account,
            "time": rfc3339_secs(event.time),
            "region": stack.region,
            "resources": [],
            "detail": event.detail,
        });
        self.route(&event.bus, &delivered);
    }

    /// Passes an event of CloudTrail on, which also says which role has called. Events of other
    /// regions count as forwarded to the region of the stack.
    pub(super) fn route_cloudtrail_event(self: &Rc<Self>, mut event: Value) {
        let caller = event["detail"]["userIdentity"]["accessKeyId"].as_str();
        let role = self
            .stack
            .roles
            .iter()
            .find(|(name, _)| Some(name.as_str()) == caller);
        if let Some((name, arn)) = role {
            let issuer = json!({ "type": "Role", "userName": name, "arn": arn });
            event["detail"]["userIdentity"]["sessionContext"] = json!({ "sessionIssuer": issuer });
        }
        self.route(DEFAULT_BUS, &event);
    }

    fn route(self: &Rc<Self>, bus: &str, event: &Value) {
        for rule in &self.stack.rules {
            let RuleTrigger::Pattern(pattern) = &rule.trigger else {
                continue;
            };
            if rule.enabled && rule.bus == bus && matches(pattern, event) {
                for target in &rule.targets {
                    self.pass(target, event);
                }
            }
        }
    }

    /// Passes an event to a target. What does not exist cannot be reached.
    fn pass(self: &Rc<Self>, target: &RuleTarget, event: &Value) {
        if let Some(function) = self.stack.function_of(&target.arn) {
            spawn_local(Rc::clone(self).deliver(function, event.clone()));
        } else if self.stack.has_queue(&target.arn) {
            self.stack.send(&target.arn, &event.to_string());
        } else if let Some(queue) = &target.dead_letter_arn {
            self.stack.send(queue, &event.to_string());
        }
    }
}
