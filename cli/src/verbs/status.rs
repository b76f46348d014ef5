//! `rerole status`: a rotation, what happened to it, and its associations; or why an event was
//! rejected.

use clap::Args;
use rerole_core::keys::RotationKey;
use rerole_core::rotation::RotationRecord;
use serde::Serialize;

use crate::answer::{Answer, Next};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{Followed, Patience, Until, Wait, follow, note_interrupted};
use crate::frozen::FreezeView;
use crate::named::{Named, find};
use crate::rotation::RotationView;
use crate::rotation::history::{self, History};
use crate::rotation::next::next;
use crate::rotation::rejected::RejectedView;
use crate::rotation::rows::{self, RowView, Shown};
use crate::rotation::text::{self, Context};
use crate::stack::Stack;
use crate::stack::flags::{OutputFlags, StackFlags};

#[derive(Debug, Clone, Args)]
pub struct StatusFlags {
    /// ID of the rotation, with `dry-run/` or `rollback/` in front for one of these; or the ID of
    /// an event that was rejected
    #[arg(value_name = "ID")]
    pub id: String,
    /// Also show associations with these outcomes: pending, updated, alreadyCurrent, drifted,
    /// deleted, addon, failed, notAttempted, wouldUpdate, changedSince, reverted, all
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub rows: Vec<String>,
    /// Show all of the timeline, and not only its end
    #[arg(long)]
    pub timeline: bool,
    /// Watch it until it is finished: in place on a terminal, and else with a line for each change
    #[arg(long, conflicts_with = "wait")]
    pub watch: bool,
    /// Wait until it is finished or waits for a person, at most for this time, such as 30m
    #[arg(
        long,
        value_name = "TIMEOUT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = Patience::UNLIMITED,
    )]
    pub wait: Option<Patience>,
    #[command(flatten)]
    pub stack: StackFlags,
    #[command(flatten)]
    pub output: OutputFlags,
}

/// A rotation with its history.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RotationStatus {
    /// The freeze of the stack. Null if it is not frozen.
    frozen: Option<FreezeView>,
    #[serde(flatten)]
    rotation: RotationView,
    #[serde(flatten)]
    history: History,
    /// The associations that `--rows` names. Null without it.
    associations: Option<Vec<RowView>>,
}

/// A rejected event.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RejectedStatus {
    /// The freeze of the stack. Null if it is not frozen.
    frozen: Option<FreezeView>,
    #[serde(flatten)]
    rejected: RejectedView,
}

/// Shows a rotation or a rejected event.
///
/// # Errors
/// If there is no such ID, or AWS does not respond.
pub async fn run(flags: &StatusFlags) -> Result<Exit, Failure> {
    let shown = flags.rows.iter().map(|name| Shown::parse(name.trim()));
    let shown = shown.collect::<Result<Vec<_>, _>>()?;
    let stack = Stack::find(&flags.stack).await?;
    let answer = Answer::start(&stack, &flags.output)?;
    let frozen = FreezeView::of(&stack.aws.ledger.stack().read().await?);
    if let Some(frozen) = &frozen {
        answer.say(&format!(
            "\n{}\n",
            frozen.text(&answer.layout, stack.aws.now())
        ))?;
    }
    match find(&stack, &flags.id).await? {
        Named::Rejected(rejected) => show_rejected(frozen, *rejected, (&stack, &answer)),
        Named::Rotation(record) => {
            let (record, exit) = Box::pin(wait((&stack, &answer), *record, flags)).await?;
            // It may have changed while the rotation was followed.
            let frozen = FreezeView::of(&stack.aws.ledger.stack().read().await?);
            let key = record.key.clone();
            let most = if flags.timeline {
                usize::MAX
            } else {
                history::SHOWN_MAX
            };
            let ledger_key = key.clone().into();
            let (rotation, history) = tokio::try_join!(
                RotationView::of(&stack, &record),
                History::read(&stack, &ledger_key)
            )?;
            let associations = match shown.as_slice() {
                [] => None,
                shown => Some(rows::read(&stack, &key, &rotation.old_role_arn, shown).await?),
            };
            let status = RotationStatus {
                frozen,
                rotation,
                history,
                associations,
            };
            let text = status.text((&stack, &answer), most);
            answer.end(&status, &text, &next(&status.rotation))?;
            if exit == Some(Exit::Interrupted) {
                note_interrupted(&stack, &key);
            }
            Ok(exit.unwrap_or(Exit::of(status.rotation.status)))
        }
    }
}

/// Follows the rotation if asked to. Returns how the command ends then.
async fn wait(
    place: (&Stack, &Answer<'_>),
    record: RotationRecord,
    flags: &StatusFlags,
) -> Result<(RotationRecord, Option<Exit>), Failure> {
    let (until, patience) = match flags.wait {
        Some(patience) => (Until::Finished, patience),
        None if flags.watch => (Until::Closed, Patience::Unlimited),
        None => return Ok((record, None)),
    };
    let wait = Wait {
        until,
        patience,
        // The last change is shown again.
        known_seq: record.timeline_seq.saturating_sub(1),
    };
    let key: RotationKey = record.key;
    let Followed { record, exit } = follow(place, &key, wait).await?;
    Ok((record, Some(exit)))
}

fn show_rejected(
    frozen: Option<FreezeView>,
    rejected: RejectedView,
    (stack, answer): (&Stack, &Answer<'_>),
) -> Result<Exit, Failure> {
    let text = format!("\n{}", rejected.text(&answer.layout, stack.aws.now()));
    let next = Next::new("rerole list --rejected").to("which events were rejected");
    let status = RejectedStatus { frozen, rejected };
    answer.end(&status, &text, &[next])?;
    Ok(Exit::of(status.rejected.status))
}

impl RotationStatus {
    fn text(&self, (stack, answer): (&Stack, &Answer<'_>), most: usize) -> String {
        let layout = &answer.layout;
        let account = &stack.origin.account;
        let context = Context {
            account,
            now: stack.aws.now(),
            layout,
        };
        let mut parts = vec![
            text::rotation(&self.rotation, context),
            self.history.text(layout, most),
        ];
        match self.associations.as_deref() {
            None => {}
            Some([]) => parts.push("No association has such an outcome.".to_owned()),
            Some(rows) => parts.push(rows::table(rows, account, layout)),
        }
        format!("\n{}", parts.join("\n\n"))
    }
}
