//! The rules: those of the bus on which rotations are requested, and those that bring changes in
//! EKS to the indexer, in the region of the stack and, forwarded, in the other indexed regions.

use aws_config::Region;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::{Rule, RuleState};
use futures_util::future::join_all;
use rerole::aws::call_error::call_error;
use rerole_core::call::{CallError, Operation};

use crate::stack::{Name, Stack};
use crate::verbs::doctor::finding::{Check, Finding};

const PERMISSION: &str = "events:ListRules";
/// An event that both rules match, of the stack and of `forward-eks-events.yaml`.
const CHANGE: &str = "CreatePodIdentityAssociation";
/// EventBridge allows some hundred rules on a bus, and returns up to a hundred at once.
const PAGES_MAX: usize = 40;

/// Whether a rule of the bus hands requests to the function.
pub async fn bus(stack: &Stack) -> Vec<Finding> {
    let check = Check("bus");
    let Some(bus) = stack.outputs.get(Name::RotationEventBusName) else {
        let todo = "update the stack (docs/deploying.md)";
        return vec![
            check
                .warning("the stack does not say which bus it has")
                .todo(todo),
        ];
    };
    let rules = match rules(&Client::new(&stack.sdk), Some(bus)).await {
        Ok(rules) => rules,
        Err(error) => return vec![check.failed(PERMISSION, &error)],
    };
    let mut requests = rules
        .iter()
        .filter(|rule| mentions(rule, "Role Rotation Requested"));
    vec![match requests.next() {
        None => check
            .problem(format!("no rule of bus {bus} is for requests of rotations"))
            .todo("deploy the stack again (docs/deploying.md)"),
        Some(rule) if !is_enabled(rule) => check
            .problem(format!(
                "the rule of bus {bus} for requests of rotations is disabled"
            ))
            .todo(format!(
                "aws events enable-rule --event-bus-name {bus} --name {}",
                name(rule)
            )),
        Some(_) => check.ok(format!("the rule for requests on {bus} is enabled")),
    }]
}

/// Whether changes in EKS reach the indexer from each indexed region.
pub async fn changes(stack: &Stack) -> Vec<Finding> {
    let regions = stack.index_regions();
    let looks = regions.iter().map(async |region| {
        let config = aws_sdk_eventbridge::config::Builder::from(&stack.sdk);
        let config = config.region(Region::new(region.clone()));
        rules(&Client::from_conf(config.build()), None).await
    });
    let looked = join_all(looks).await;
    let findings = regions.iter().zip(looked);
    findings
        .map(|(region, rules)| change(stack, region, rules))
        .collect()
}

fn change(stack: &Stack, region: &str, rules: Result<Vec<Rule>, CallError>) -> Finding {
    let check = Check("changes");
    let own_region = &stack.origin.region;
    let rules = match rules {
        Ok(rules) => rules,
        Err(error) => return check.failed(PERMISSION, &error),
    };
    let rules: Vec<_> = rules.iter().filter(|rule| mentions(rule, CHANGE)).collect();
    let is_own = region == own_region;
    if rules.iter().any(|rule| is_enabled(rule)) {
        let found = if is_own {
            format!("the rule for changes in EKS of {region} is enabled")
        } else {
            format!("the rule that forwards those of {region} to {own_region} is enabled")
        };
        return check.ok(found);
    }
    match (rules.first(), is_own) {
        (Some(rule), _) => check
            .problem(format!(
                "the rule for changes in EKS of {region} is disabled"
            ))
            .todo(format!(
                "aws events enable-rule --region {region} --name {}",
                name(rule)
            )),
        (None, true) => check
            .problem(format!(
                "no rule brings changes in EKS of {region} to the indexer"
            ))
            .todo("deploy the stack again (docs/deploying.md)"),
        (None, false) => check
            .problem(format!(
                "changes in EKS of {region} are not forwarded, so they are found late"
            ))
            .todo(format!(
                "deploy forward-eks-events.yaml in {region} (docs/deploying.md)"
            )),
    }
}

async fn rules(client: &Client, bus: Option<&str>) -> Result<Vec<Rule>, CallError> {
    let subject = bus.unwrap_or("default");
    let operation = Operation::on("list the rules of bus", &subject);
    let mut rules = Vec::new();
    let mut token = None;
    for _ in 0..PAGES_MAX {
        let list = client
            .list_rules()
            .set_event_bus_name(bus.map(str::to_owned));
        let listed = list.set_next_token(token).send().await;
        let listed = listed.map_err(|error| call_error(operation, &error))?;
        rules.extend(listed.rules.unwrap_or_default());
        token = listed.next_token;
        if token.is_none() {
            break;
        }
    }
    Ok(rules)
}

fn mentions(rule: &Rule, text: &str) -> bool {
    let pattern = rule.event_pattern.as_deref();
    pattern.is_some_and(|pattern| pattern.contains(text))
}

fn is_enabled(rule: &Rule) -> bool {
    rule.state != Some(RuleState::Disabled)
}

fn name(rule: &Rule) -> &str {
    rule.name.as_deref().unwrap_or_default()
}
