//! What to say if the ledger shows nothing of an event: what may be wrong between the bus and the
//! function, and the way without the bus.

use aws_sdk_eventbridge::types::RuleState;

use crate::bus::{Sent, VERDICT_TIMEOUT};
use crate::stack::{Name, Stack};
use crate::terminal::note;

#[cfg(test)]
mod tests;

/// Tells the operator what may be wrong.
pub async fn explain(stack: &Stack, sent: &Sent) {
    note(&explanation(stack, sent).await);
}

/// What may be wrong. A look that fails says so, and the others go on.
async fn explanation(stack: &Stack, sent: &Sent) -> String {
    let mut lines = vec![format!(
        "no verdict within {} s: the bus took event {}, and the ledger shows nothing of it. What \
         may be wrong:",
        VERDICT_TIMEOUT.as_secs(),
        sent.event_id
    )];
    lines.push(format!("  rule      {}", rules(stack).await));
    lines.push(format!("  function  {}", function(stack).await));
    lines.push(format!("  queues    {}", queues(stack).await));
    lines.push(
        "  policy    the rule's own permission to invoke the function, or the policy of a bus of \
         your own"
            .to_owned(),
    );
    lines.push("An event may also be late: EventBridge retries for 24 hours.".to_owned());
    if let Some(function) = stack.outputs.get(Name::RotateFunctionArn) {
        let command = format!(
            "aws lambda invoke --function-name {function} --payload fileb://<(printf '%s' '{}') \
             /dev/stdout",
            sent.event.to_string().replace('\'', "'\\''")
        );
        lines.push(format!(
            "The way without the bus:\n  {}",
            stack.pasted_to_aws(&command)
        ));
    }
    lines.join("\n")
}

/// Looks whether the rules of the bus are enabled.
async fn rules(stack: &Stack) -> String {
    let Some(bus) = stack.outputs.get(Name::RotationEventBusName) else {
        return "unknown: the stack names no bus".to_owned();
    };
    let client = aws_sdk_eventbridge::Client::new(&stack.sdk);
    match client.list_rules().event_bus_name(bus).send().await {
        Err(_) => format!("could not be looked at (events:ListRules on bus {bus})"),
        Ok(listed) => {
            let rules = listed.rules.unwrap_or_default();
            let is_on =
                |rule: &&aws_sdk_eventbridge::types::Rule| rule.state == Some(RuleState::Enabled);
            match (rules.len(), rules.iter().filter(is_on).count()) {
                (0, _) => format!("bus {bus} has no rule"),
                (all, enabled) if enabled < all => {
                    format!("{} of {all} rules of bus {bus} are disabled", all - enabled)
                }
                (all, _) => format!("all {all} rules of bus {bus} are enabled"),
            }
        }
    }
}

/// Looks whether the function is there and active.
async fn function(stack: &Stack) -> String {
    let Some(arn) = stack.outputs.get(Name::RotateFunctionArn) else {
        return "unknown: the stack names no function".to_owned();
    };
    let client = aws_sdk_lambda::Client::new(&stack.sdk);
    let described = client
        .get_function_configuration()
        .function_name(arn)
        .send()
        .await;
    match described {
        Err(_) => format!("could not be looked at (lambda:GetFunctionConfiguration on {arn})"),
        Ok(function) => {
            let state = function.state.map_or_else(
                || "of unknown state".to_owned(),
                |state| state.as_str().to_lowercase(),
            );
            format!("it is {state}; its log has each event that it got")
        }
    }
}

/// Looks whether something waits in the queues of what failed.
async fn queues(stack: &Stack) -> String {
    let mut texts = Vec::new();
    let queues = [
        (Name::OnFailureQueueUrl, "failed"),
        (Name::UndeliveredQueueUrl, "undelivered"),
    ];
    let client = aws_sdk_sqs::Client::new(&stack.sdk);
    let attribute = aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessages;
    for (name, what) in queues {
        let Some(url) = stack.outputs.get(name) else {
            continue;
        };
        let get = client.get_queue_attributes().queue_url(url);
        let attributes = get.attribute_names(attribute.clone()).send().await;
        let attributes = attributes.ok().and_then(|output| output.attributes);
        let count = attributes.and_then(|attributes| attributes.get(&attribute).cloned());
        let count = count.unwrap_or_else(|| "an unknown number of".to_owned());
        texts.push(format!("{count} {what}"));
    }
    format!("{} events (rerole queues show)", texts.join(", "))
}
