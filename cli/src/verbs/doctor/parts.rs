//! The parts of the stack: its version, functions and queues.

use std::time::Duration;

use futures_util::future::join_all;

use crate::failure::Failure;
use crate::functions;
use crate::queue::Queue;
use crate::stack::Stack;
use crate::verbs::doctor::finding::{Check, Finding};
use crate::verbs::version;
use crate::words;

/// Changes that wait for longer show that the indexer does not keep up, or does not run.
const WAITING_MAX: Duration = Duration::from_hours(1);

/// Whether CLI and stack are of one version.
pub fn version(stack: &Stack) -> Vec<Finding> {
    let check = Check("version");
    let deployed = stack.origin.version.as_deref();
    vec![match (deployed, version::advice(deployed)) {
        (_, Some(todo)) => check
            .warning("CLI and stack are of different versions")
            .todo(todo),
        (deployed, None) => check.ok(format!(
            "CLI and stack are {}",
            deployed.unwrap_or_default()
        )),
    }]
}

/// Whether all functions can be invoked.
pub async fn functions(stack: &Stack) -> Vec<Finding> {
    let check = Check("functions");
    let mut findings = Vec::new();
    let mut active = Vec::new();
    for (name, looked) in functions::all(stack).await {
        match looked {
            Err(error) if error.code.as_deref() == Some("ResourceNotFoundException") => {
                findings.push(
                    check
                        .problem(format!("{name} does not exist"))
                        .todo("deploy the stack again (docs/deploying.md)"),
                );
            }
            Err(error) => findings.push(check.failed("lambda:GetFunctionConfiguration", &error)),
            Ok(function) if function.arn.is_none() => findings.push(
                check
                    .warning(format!("the stack does not say which function {name} is"))
                    .todo("update the stack (docs/deploying.md)"),
            ),
            Ok(function) if function.is_active() => active.push(name.to_owned()),
            Ok(function) => {
                let text = |text: Option<String>| text.unwrap_or_else(|| "unknown".to_owned());
                let state = text(function.state);
                let update = text(function.last_update_status);
                findings.push(
                    check
                        .problem(format!("{name} is {state}, and its last update {update}"))
                        .todo(
                            function
                                .reason
                                .unwrap_or_else(|| "look at the function in Lambda".to_owned()),
                        ),
                );
            }
        }
    }
    if !active.is_empty() {
        findings.push(check.ok(format!("{} active", words::list(&active, 3))));
    }
    findings
}

/// Whether the queues of what failed are empty, and the indexer keeps up.
pub async fn queues(stack: &Stack) -> Vec<Finding> {
    let looks = Queue::ALL.map(async |queue| {
        let (counted, age) = tokio::join!(queue.count(stack), queue.oldest_age(stack));
        (queue, counted, age)
    });
    let check = Check("queues");
    let mut findings = Vec::new();
    for (queue, counted, age) in join_all(looks).await {
        let name = queue.name();
        match counted {
            Err(Failure::Call(error)) => {
                findings.push(check.failed("sqs:GetQueueAttributes", &error));
            }
            Err(error) => {
                let todo = "update the stack (docs/deploying.md)";
                findings.push(check.warning(error.to_string()).todo(todo));
            }
            Ok(numbers) if queue == Queue::Indexer => {
                let late = age.filter(|age| numbers.waiting > 0 && *age > WAITING_MAX);
                let waiting = words::count(numbers.waiting, "change");
                findings.extend(late.map(|age| {
                    check
                        .warning(format!(
                            "{waiting} in EKS wait for the indexer, for {}",
                            words::duration(age)
                        ))
                        .todo("look at the log of the indexer")
                }));
            }
            Ok(numbers) if numbers.waiting > 0 => {
                let count = words::count(numbers.waiting, "message");
                findings.push(
                    check
                        .problem(format!("{name} has {count}: {}", queue.meaning()))
                        .todo(format!(
                            "rerole queues show {name}, and then rerole queues redrive {name}"
                        )),
                );
            }
            Ok(_) => {}
        }
    }
    if findings.is_empty() {
        findings.push(check.ok("nothing failed or could not be delivered"));
    }
    findings
}
