//! Rules and their targets, as far as a reader sees them. They do not run: a test that needs that
//! listens to the events.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::arn::Scope;
use crate::protocol::{ApiError, ApiRequest, Paging};

const PAGES: Paging = Paging {
    limit: "Limit",
    token: "NextToken",
    default: 100,
};

/// A rule on a bus.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub name: String,
    pub bus: String,
    pub description: String,
    pub trigger: RuleTrigger,
    pub enabled: bool,
    pub targets: Vec<RuleTarget>,
}

/// What triggers a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleTrigger {
    /// Each event that this pattern matches.
    Pattern(Value),
    /// `rate(1 hour)` or `cron(…)`
    Schedule(String),
}

/// A target of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleTarget {
    pub id: String,
    pub arn: String,
    pub role_arn: Option<String>,
    pub dead_letter_arn: Option<String>,
}

/// The rules of an account in a region, by bus and name.
#[derive(Default)]
pub(crate) struct Rules(BTreeMap<(String, String), RuleState>);

struct RuleState {
    rule: Rule,
    arn: String,
}

impl Rules {
    /// Creates a rule, or changes the one with the same bus and name.
    pub(crate) fn put(&mut self, scope: Scope<'_>, rule: Rule) -> String {
        let resource = match rule.bus.as_str() {
            "default" => format!("rule/{}", rule.name),
            bus => format!("rule/{bus}/{}", rule.name),
        };
        let arn = scope.arn("events", &resource);
        let key = (rule.bus.clone(), rule.name.clone());
        let state = RuleState {
            rule,
            arn: arn.clone(),
        };
        self.0.insert(key, state);
        arn
    }

    /// The rules of a bus.
    pub(crate) fn list(&self, request: &ApiRequest, bus: &str) -> Result<Value, ApiError> {
        let prefix = request.text("NamePrefix").unwrap_or_default();
        let on_bus = self.0.values().filter(|state| {
            let rule = &state.rule;
            rule.bus == bus && rule.name.starts_with(prefix)
        });
        let (rules, next) = PAGES.page(request, on_bus.map(RuleState::entry).collect())?;
        Ok(json!({ "Rules": rules, "NextToken": next }))
    }

    pub(crate) fn describe(&self, request: &ApiRequest, bus: &str) -> Result<Value, ApiError> {
        let state = self.rule(bus, request.required("Name")?)?;
        Ok(state.entry())
    }

    pub(crate) fn list_targets(&self, request: &ApiRequest, bus: &str) -> Result<Value, ApiError> {
        let state = self.rule(bus, request.required("Rule")?)?;
        let targets = state.rule.targets.iter().map(|target| {
            let dead_letter = target.dead_letter_arn.as_ref();
            json!({
                "Id": target.id,
                "Arn": target.arn,
                "RoleArn": target.role_arn,
                "DeadLetterConfig": dead_letter.map(|arn| json!({ "Arn": arn })),
            })
        });
        let (targets, next) = PAGES.page(request, targets.collect())?;
        Ok(json!({ "Targets": targets, "NextToken": next }))
    }

    fn rule(&self, bus: &str, name: &str) -> Result<&RuleState, ApiError> {
        let state = self.0.get(&(bus.to_owned(), name.to_owned()));
        state.ok_or_else(|| {
            let message = format!("Rule {name} does not exist on EventBus {bus}.");
            ApiError::new("ResourceNotFoundException", message)
        })
    }
}

impl RuleState {
    fn entry(&self) -> Value {
        let rule = &self.rule;
        let (pattern, schedule) = match &rule.trigger {
            RuleTrigger::Pattern(pattern) => (Some(pattern.to_string()), None),
            RuleTrigger::Schedule(schedule) => (None, Some(schedule)),
        };
        json!({
            "Name": rule.name,
            "Arn": self.arn,
            "EventBusName": rule.bus,
            "EventPattern": pattern,
            "ScheduleExpression": schedule,
            "State": if rule.enabled { "ENABLED" } else { "DISABLED" },
            "Description": rule.description,
        })
    }
}
