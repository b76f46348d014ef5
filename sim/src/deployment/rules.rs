//! The rules of a stack, which pass events to functions and queues.

use serde_json::Value;

use crate::deployment::events::events_of_functions;
use crate::event_bridge::{Rule, RuleTarget, RuleTrigger};
use crate::template::Rendered;

/// The bus of the account, to which the services send.
pub(super) const DEFAULT_BUS: &str = "default";

/// The rules of the stack: those of the template, and those that SAM makes for the events of
/// functions.
pub(super) fn rules_of(rendered: &Rendered) -> Vec<Rule> {
    let own = rendered.resources("AWS::Events::Rule").into_iter();
    let own = own.map(|(name, properties)| {
        let targets = properties["Targets"].as_array().into_iter().flatten();
        let target = |target: &Value| RuleTarget {
            id: text(&target["Id"]),
            arn: text(&target["Arn"]),
            role_arn: target["RoleArn"].as_str().map(str::to_owned),
            dead_letter_arn: dead_letter(target),
        };
        rule(
            rendered.name(&name),
            &properties,
            targets.map(target).collect(),
        )
    });
    let of_functions = ["EventBridgeRule", "Schedule"].into_iter();
    let of_functions = of_functions.flat_map(|kind| events_of_functions(rendered, kind));
    let of_functions = of_functions.map(|event| {
        let arn = rendered.arn(&event.logical_id());
        let target = RuleTarget {
            id: format!("{}LambdaTarget", event.logical_id()),
            arn: rendered.arn(&event.function),
            dead_letter_arn: dead_letter(&event.properties),
            ..RuleTarget::default()
        };
        let name = arn.rsplit('/').next().unwrap_or_default().to_owned();
        rule(name, &event.properties, vec![target])
    });
    own.chain(of_functions).collect()
}

fn rule(name: String, properties: &Value, targets: Vec<RuleTarget>) -> Rule {
    let patterns = ["EventPattern", "Pattern"].map(|member| &properties[member]);
    let pattern = patterns.into_iter().find(|pattern| pattern.is_object());
    let schedules = ["ScheduleExpression", "Schedule"].map(|member| &properties[member]);
    let schedule = schedules.into_iter().find(|schedule| schedule.is_string());
    Rule {
        bus: properties["EventBusName"]
            .as_str()
            .unwrap_or(DEFAULT_BUS)
            .to_owned(),
        description: text(&properties["Description"]),
        trigger: match pattern {
            Some(pattern) => RuleTrigger::Pattern(pattern.clone()),
            None => RuleTrigger::Schedule(schedule.map(text).unwrap_or_default()),
        },
        enabled: properties["State"] != "DISABLED",
        targets,
        name,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn dead_letter(properties: &Value) -> Option<String> {
    let arn = properties["DeadLetterConfig"]["Arn"].as_str();
    arn.map(str::to_owned)
}
