//! `rerole freeze` and `unfreeze`: all rotations of the stack pause, or continue.

use clap::Args;
use rerole_core::command::StackOrder;
use rerole_core::keys::LedgerKey;
use rerole_core::rotation::{PauseCause, RotationRecord, Status};
use serde::Serialize;
use serde_json::Map;

use crate::answer::{Answer, Next};
use crate::command::check::{Effect, check_for_stack};
use crate::command::{Outgoing, exit, verdict_text};
use crate::confirm::confirm;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::found::Found;
use crate::frozen::FreezeView;
use crate::request::claims;
use crate::rotation::history::CommandView;
use crate::stack::Stack;
use crate::stack::flags::{OutputFlags, StackFlags};
use crate::terminal::{Layout, printable};

#[derive(Debug, Clone, Args)]
pub struct FreezeFlags {
    /// Why, for example an incident; it is recorded, and shown as long as the stack is frozen
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub stack: StackFlags,
    #[command(flatten)]
    pub output: OutputFlags,
}

/// The verdict, and what it means for the open rotations.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Freeze {
    verdict: CommandView,
    /// The freeze of the stack after the command. Null if it is not frozen.
    frozen: Option<FreezeView>,
    #[serde(flatten)]
    affected: Affected,
}

/// The open rotations.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Affected {
    rotations: Vec<AffectedRotation>,
    /// The keys of items that cannot be read. Another version of rerole may have written them.
    malformed: Vec<String>,
}

/// What becomes of an open rotation.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AffectedRotation {
    id: String,
    #[cfg_attr(test, schemars(with = "String"))]
    status: Status,
    effect: &'static str,
}

/// Freezes the stack, or ends the freeze.
///
/// # Errors
/// If the operator does not confirm, or AWS does not respond.
pub async fn run(order: StackOrder, flags: &FreezeFlags) -> Result<Exit, Failure> {
    let stack = Stack::find(&flags.stack).await?;
    // The text is checked before anything is asked.
    claims(&stack.caller_arn, flags.reason.as_deref())?;
    let answer = Answer::start(&stack, &flags.output)?;
    let (state, found) = tokio::try_join!(
        async { stack.aws.ledger.stack().read().await },
        Found::open(&stack, &Status::OPEN)
    )?;
    let affected = Affected::new(order, &found);
    let verdict = match check_for_stack(order, &state, stack.aws.now()) {
        Effect::NoChange(explanation) => {
            CommandView::unsent(order.name(), explanation, state.timeline_seq)
        }
        Effect::Change => {
            let text = affected.text(order, &answer.layout);
            if flags.yes {
                answer.say(&text)?;
            } else {
                answer.show_before_asking(&text)?;
                if !confirm(&format!("{:?} the stack?", order.name()))? {
                    return Err(Failure::Refused("nothing was changed".to_owned()));
                }
            }
            let outgoing = Outgoing {
                name: order.name(),
                key: LedgerKey::Stack,
                expected_seq: state.timeline_seq,
                members: Map::new(),
            };
            match outgoing.send(&stack, flags.reason.as_deref()).await? {
                Some(verdict) => verdict,
                None => return Ok(Exit::TimedOut),
            }
        }
    };
    show((&stack, &answer), verdict, affected).await
}

async fn show(
    (stack, answer): (&Stack, &Answer<'_>),
    verdict: CommandView,
    affected: Affected,
) -> Result<Exit, Failure> {
    let frozen = FreezeView::of(&stack.aws.ledger.stack().read().await?);
    let freeze = Freeze {
        verdict,
        frozen,
        affected,
    };
    let layout = &answer.layout;
    let mut text = verdict_text(&freeze.verdict, layout);
    let mut next = vec![Next::new("rerole list --open").to("the open rotations")];
    if let Some(frozen) = &freeze.frozen {
        text.push('\n');
        text.push_str(&frozen.text(layout, stack.aws.now()));
        next.push(Next::new("rerole unfreeze").to("let all rotations continue"));
    }
    answer.end(&freeze, &text, &next)?;
    Ok(exit(&freeze.verdict))
}

impl Affected {
    fn new(order: StackOrder, found: &Found) -> Self {
        let rotation = |record: &RotationRecord| AffectedRotation {
            id: record.key.to_string(),
            status: record.status(),
            effect: effect(order, record),
        };
        Self {
            rotations: found.records.iter().map(rotation).collect(),
            malformed: found.malformed.clone(),
        }
    }

    /// What becomes of the open rotations.
    fn text(&self, order: StackOrder, layout: &Layout) -> String {
        let title = match order {
            StackOrder::Freeze => {
                "Freeze: rotations pause, and no queued or new one starts, until `rerole unfreeze`"
            }
            StackOrder::Unfreeze => "Unfreeze: rotations continue that the freeze has paused",
        };
        let mut parts = vec![title.to_owned()];
        if self.rotations.is_empty() {
            parts.push("No rotation is open.".to_owned());
        } else {
            let rows = self.rotations.iter().map(|it| {
                vec![
                    it.id.clone(),
                    format!("{:?}", it.status),
                    it.effect.to_owned(),
                ]
            });
            parts.push(layout.table_of_ids(&["id", "status", "effect"], rows));
        }
        if !self.malformed.is_empty() {
            let keys = self.malformed.join(", ");
            parts.push(printable(&format!("Cannot be read: {keys}")));
        }
        format!("\n{}\n", parts.join("\n\n"))
    }
}

/// What becomes of an open rotation.
fn effect(order: StackOrder, record: &RotationRecord) -> &'static str {
    if record.request.dry_run {
        return "continues: a dry run writes nothing to EKS";
    }
    let cause = record.state.pause_cause();
    match (order, record.status()) {
        (_, Status::Cancelling) => "is cancelled to the end",
        (_, Status::Paused) if cause == Some(PauseCause::Operator) => {
            "stays paused: an operator has paused it"
        }
        (StackOrder::Freeze, Status::Queued) => "waits until the freeze ends",
        (StackOrder::Freeze, Status::Paused) => "stays paused",
        (StackOrder::Freeze, _) => "pauses",
        (StackOrder::Unfreeze, Status::Queued) => "starts when its turn comes",
        (StackOrder::Unfreeze, _) => "continues",
    }
}

#[cfg(test)]
mod tests;
