//! The way of every command about a rotation: read it, refuse what is refused for sure, show what
//! will change, ask, send it, and show the verdict and the rotation.

use rerole_core::command::{CommandName, RotationOrder, Verdict};
use rerole_core::keys::RotationKey;
use rerole_core::rotation::Status;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::command::check::{Effect, Ledgered, check};
use crate::command::preview::{Preview, View};
use crate::command::{Outgoing, allowed, exit, verdict_text};
use crate::confirm::confirm;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{Patience, Until, Wait, follow, note_interrupted};
use crate::named::find_rotation;
use crate::request::claims;
use crate::rotation::RotationView;
use crate::rotation::history::CommandView;
use crate::rotation::next::next;
use crate::rotation::text::{self, Context};
use crate::stack::Stack;
use crate::stack::flags::{OutputFlags, StackFlags};
use crate::verbs::ChangeFlags;

/// What the flags of a command say.
#[derive(Debug, Clone, Copy)]
pub struct Flags<'a> {
    pub id: &'a str,
    pub change: &'a ChangeFlags,
    pub stack: &'a StackFlags,
    pub output: &'a OutputFlags,
}

/// A command's verdict, and the rotation after it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Steered {
    verdict: CommandView,
    /// The rotation, or for `rollback` the rollback of it.
    rotation: RotationView,
}

/// Sends a command about a rotation, and follows the rotation with `--wait`.
///
/// # Errors
/// If there is no such rotation, the command is refused for sure, the operator does not confirm, or
/// AWS does not respond.
pub async fn run(order: RotationOrder, flags: Flags<'_>) -> Result<Exit, Failure> {
    let stack = Stack::find(flags.stack).await?;
    // The text is checked before anything is asked.
    claims(&stack.caller_arn, flags.change.reason.as_deref())?;
    let answer = Answer::start(&stack, flags.output)?;
    let record = find_rotation(&stack, flags.id).await?;
    let ledger = &stack.aws.ledger;
    let state = ledger.stack().read().await?;
    let rollback = match order {
        RotationOrder::Rollback(order) => ledger.rotations().read(&order.key(&record.key)).await?,
        _ => None,
    };
    let ledgered = Ledgered {
        record: &record,
        rollback: rollback.as_ref(),
        stack: &state,
    };
    let key = record.key.clone();
    let effect = check(order, ledgered, stack.aws.now());
    let effect = effect.map_err(|refusal| Failure::Refused(refusal.text(|it| stack.pasted(it))))?;
    let verdict = match effect {
        Effect::NoChange(explanation) => {
            CommandView::unsent(order.name(), explanation, record.timeline_seq)
        }
        Effect::Change => {
            let outgoing = Outgoing {
                name: order.name(),
                key: key.clone().into(),
                expected_seq: record.timeline_seq,
                members: members(order),
            };
            let preview = Preview::read(&stack, order, record, rollback.as_ref()).await?;
            ask(&preview, (&stack, &answer), flags.change)?;
            match outgoing
                .send(&stack, flags.change.reason.as_deref())
                .await?
            {
                Some(verdict) => verdict,
                None => return Ok(Exit::TimedOut),
            }
        }
    };
    let shown = match order {
        RotationOrder::Rollback(order) if verdict.verdict != Verdict::Refused => order.key(&key),
        _ => key,
    };
    Box::pin(show((&stack, &answer), &shown, verdict, flags.change.wait)).await
}

/// Shows what will change, and asks unless `--yes` is given.
fn ask(
    preview: &Preview,
    (stack, answer): (&Stack, &Answer<'_>),
    flags: &ChangeFlags,
) -> Result<(), Failure> {
    let text = preview.text(View {
        account: &stack.origin.account,
        now: stack.aws.now(),
        layout: &answer.layout,
    });
    if flags.yes {
        return Ok(answer.say(&text)?);
    }
    answer.show_before_asking(&text)?;
    if confirm(&preview.question())? {
        Ok(())
    } else {
        Err(Failure::Refused("nothing was changed".to_owned()))
    }
}

/// Follows the rotation if asked to, and shows it below the verdict.
async fn show(
    (stack, answer): (&Stack, &Answer<'_>),
    key: &RotationKey,
    verdict: CommandView,
    wait: Option<Patience>,
) -> Result<Exit, Failure> {
    let layout = &answer.layout;
    answer.say(&format!("{}\n", verdict_text(&verdict, layout)))?;
    let mut ends = exit(&verdict);
    if let (Some(patience), Exit::Done) = (wait, ends) {
        let until = match verdict.command {
            CommandName::Pause => Until::Idle,
            _ => Until::Finished,
        };
        let known_seq = match verdict.command {
            // The timeline is that of the rollback.
            CommandName::Rollback => 0,
            _ => verdict.seq.saturating_sub(1),
        };
        let wait = Wait {
            until,
            patience,
            known_seq,
        };
        let followed = follow((stack, answer), key, wait).await?;
        ends = wanted(&verdict, followed.record.status(), followed.exit);
    }
    let rotation = Box::pin(RotationView::read(stack, key)).await?;
    let context = Context {
        account: &stack.origin.account,
        now: stack.aws.now(),
        layout,
    };
    let text = format!("\n{}", text::rotation(&rotation, context));
    let next = match verdict.verdict {
        Verdict::Refused => allowed(&verdict.allowed, &rotation.id),
        _ => next(&rotation),
    };
    let steered = Steered { verdict, rotation };
    answer.end(&steered, &text, &next)?;
    if ends == Exit::Interrupted {
        note_interrupted(stack, key);
    }
    Ok(ends)
}

/// How a command ends that has waited: a rotation that is cancelled on request is done.
fn wanted(verdict: &CommandView, status: Status, followed: Exit) -> Exit {
    match (verdict.command, status) {
        (CommandName::Cancel, Status::Cancelled) => Exit::Done,
        _ => followed,
    }
}

/// The members of a command besides its name and its rotation.
fn members(order: RotationOrder) -> Map<String, Value> {
    let members = match order {
        RotationOrder::Change(limits) => [
            (
                "maxErrors",
                limits.max_errors.map(|it| json!(it.to_string())),
            ),
            (
                "maxConcurrency",
                limits.max_concurrency.map(|it| json!(it.to_string())),
            ),
        ],
        RotationOrder::Rollback(order) => [
            (
                "includeChanged",
                order.rollback.include_changed.then_some(json!(true)),
            ),
            ("dryRun", order.dry_run.then_some(json!(true))),
        ],
        _ => return Map::new(),
    };
    let given = members.into_iter();
    let given = given.filter_map(|(name, value)| Some((name.to_owned(), value?)));
    given.collect()
}
