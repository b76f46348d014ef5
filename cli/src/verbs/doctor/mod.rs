//! `rerole doctor`: is this deployment healthy, and what to do where it is not. Each check is a
//! small function that returns what it has found; how that is written is in `text`.

mod alarms;
mod caller;
mod finding;
mod ledger;
#[cfg(not(feature = "evidence"))]
mod no_trails;
mod parts;
mod rules;
mod tables;
mod text;
#[cfg(feature = "evidence")]
mod trails;

use clap::Args;
use serde::Serialize;

use crate::answer::{Answer, Next};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::stack::Stack;
use crate::stack::flags::{OutputFlags, StackFlags};
use crate::verbs::doctor::finding::{Finding, Level};
#[cfg(not(feature = "evidence"))]
use crate::verbs::doctor::no_trails as trails;

#[derive(Debug, Clone, Args)]
pub struct DoctorFlags {
    #[command(flatten)]
    pub stack: StackFlags,
    #[command(flatten)]
    pub output: OutputFlags,
}

/// All that was found.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Diagnosis {
    /// Whether there is no problem and no warning. Null if there is none of what could be looked
    /// at, and the caller may not look at everything.
    healthy: Option<bool>,
    findings: Vec<Finding>,
}

/// Checks the deployment.
///
/// # Errors
/// If the stack cannot be found.
pub async fn run(flags: &DoctorFlags) -> Result<Exit, Failure> {
    let stack = Stack::find(&flags.stack).await?;
    let answer = Answer::start(&stack, &flags.output)?;
    let findings = Box::pin(findings(&stack)).await;
    let diagnosis = Diagnosis {
        healthy: healthy(&findings),
        findings,
    };
    let text = format!("\n{}", text::findings(&diagnosis.findings));
    let next = [Next::new("rerole list --open").to("what is going on")];
    answer.end(&diagnosis, &text, &next)?;
    // What the caller may not look at is no finding.
    Ok(match diagnosis.healthy {
        Some(false) => Exit::FinishedOtherwise,
        Some(true) | None => Exit::Done,
    })
}

/// A warning counts: the check that a failed call has prevented is one.
fn healthy(findings: &[Finding]) -> Option<bool> {
    match findings.iter().map(|it| it.level).max() {
        Some(Level::Warning | Level::Problem) => Some(false),
        Some(Level::Unknown) => None,
        Some(Level::Ok) | None => Some(true),
    }
}

/// Does all checks. Those that call AWS do so side by side.
async fn findings(stack: &Stack) -> Vec<Finding> {
    let (tables, functions, bus, queues, alarms) = tokio::join!(
        tables::check(stack),
        parts::functions(stack),
        rules::bus(stack),
        parts::queues(stack),
        alarms::check(stack),
    );
    let (index, run, rotations, frozen, rates) = tokio::join!(
        ledger::index(stack),
        ledger::index_run(stack),
        ledger::rotations(stack),
        ledger::frozen(stack),
        ledger::rates(stack),
    );
    let (trails, forwarding) = tokio::join!(trails::check(stack), rules::changes(stack));
    let parts = [
        parts::version(stack),
        tables,
        functions,
        bus,
        rotations,
        frozen,
        queues,
        index,
        run,
        trails,
        forwarding,
        rates,
        alarms,
        caller::check(stack),
    ];
    parts.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::finding::Check;
    use super::*;

    #[test]
    fn only_a_deployment_that_was_looked_at_without_findings_is_healthy() {
        let check = Check("rules");
        let (ok, unknown) = (check.ok("fine"), check.unknown("you may not look"));
        let (warning, problem) = (check.warning("late"), check.problem("gone"));
        for (findings, expected) in [
            (vec![ok.clone()], Some(true)),
            (vec![ok.clone(), unknown.clone()], None),
            (vec![unknown, warning, ok.clone()], Some(false)),
            (vec![problem, ok], Some(false)),
        ] {
            assert_eq!(healthy(&findings), expected, "{findings:?}");
        }
    }
}
