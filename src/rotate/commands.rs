//! Commands: each is recorded with its verdict, and then what it needs is started. What follows
//! from a command is decided in `rerole_core::command`.

use rerole_core::call::CallError;
use rerole_core::command::{Command, CommandRecord, Order, RotationOrder, StackOrder, Verdict};
use rerole_core::keys::RotationKey;
use rerole_core::request::RequestRules;
use rerole_core::resource::OwnAccount;
use rerole_core::rotation::Author;
use tracing::{info, warn};

use crate::aws::Aws;
use crate::aws::ledger::CarriedOut;
use crate::lambda::metrics::Metrics;
use crate::rotate::executions::ensure_execution;
use crate::rotate::freeze::{follow_stack, start_idle};
use crate::rotate::queue::start_next;

/// Carries out a command, under the rules of the stack. A second delivery of its event starts again
/// what the first one may not have started.
///
/// # Errors
/// If DynamoDB or Step Functions cannot be reached. The verdict may have been recorded.
pub(super) async fn carry_out(
    aws: &Aws,
    metrics: &Metrics,
    (rules, own_account): (&RequestRules, Option<&OwnAccount>),
    command: &Command,
) -> Result<CommandRecord, CallError> {
    let commands = aws.ledger.commands().under(rules, own_account);
    let CarriedOut { record, has_ended } = commands.carry_out(command, || aws.now()).await?;
    log(command, &record);
    if let (true, Order::Rotation(key, _)) = (has_ended, &command.order) {
        metrics.cancelled_in_queue(aws.now(), key);
    }
    if record.verdict == Verdict::Refused {
        return Ok(record);
    }
    let sender = Author::sender(&command.envelope);
    match &command.order {
        Order::Rotation(key, order) => {
            let needs_slice = record.verdict == Verdict::Accepted
                && matches!(
                    order,
                    RotationOrder::Resume | RotationOrder::Cancel | RotationOrder::Rollback(_)
                );
            // What becomes of other rotations is not requested by the sender.
            let by = Author {
                request_id: sender.request_id,
                ..Author::default()
            };
            match order {
                // It holds no role, so nothing but its key leads to it.
                RotationOrder::Rollback(order) if order.dry_run => {
                    follow_up(aws, (&order.key(key), false), &by).await?;
                }
                _ => follow_up(aws, (key, needs_slice), &by).await?,
            }
        }
        Order::Stack(StackOrder::Freeze | StackOrder::Unfreeze) => {
            let stack = aws.ledger.stack().read().await?;
            follow_stack(aws, &stack, &sender).await?;
            if !stack.is_frozen() {
                start_idle(aws).await?;
            }
        }
    }
    Ok(record)
}

/// Starts what a rotation needs after a command: a slice, if none works on it, or the rotation that
/// is next in its queues, if it no longer waits in them.
///
/// If the command needs a slice, an execution starts even while another slice has the lease: that
/// one may have ended without releasing it. The execution waits until the lease is free.
async fn follow_up(
    aws: &Aws,
    (key, needs_slice): (&RotationKey, bool),
    by: &Author,
) -> Result<(), CallError> {
    let Some(record) = aws.ledger.rotations().read(key).await? else {
        return Ok(());
    };
    let is_idle = !record.is_leased_at(aws.now());
    if record.state.work().is_some() && (is_idle || needs_slice) {
        ensure_execution(aws, &record).await?;
    }
    let holds_roles = record.state.work().is_some() || record.request.dry_run;
    if !holds_roles {
        let roles = [&record.old_role_arn, &record.new_role_arn];
        start_next(aws, roles, by).await?;
    }
    Ok(())
}

fn log(command: &Command, record: &CommandRecord) {
    let (ledger_key, name) = (command.order.ledger_key(), record.command);
    let explanation = record.explanation.as_deref();
    match record.verdict {
        Verdict::Accepted => info!(rotationId = %ledger_key, command = ?name, "command accepted"),
        Verdict::NoChange => {
            info!(rotationId = %ledger_key, command = ?name, explanation, "command changes nothing");
        }
        Verdict::Refused => {
            warn!(rotationId = %ledger_key, command = ?name, explanation, "command refused");
        }
    }
}
