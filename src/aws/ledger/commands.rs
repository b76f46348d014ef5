//! Commands: each is decided by what the ledger has, and carried out in the transaction that
//! records its verdict. What follows from a command is decided in `rerole_core::command`.
//!
//! A command is a change of the rotation's item, not a message to the slice that works on it. The
//! slice finds the change when it renews its lease, and its writes are refused from then on
//! (`lease.rs`). If the item has changed since it was read, the command is decided again. What an
//! accepted command writes is in `command_writes.rs` and `rollbacks.rs`.

use rerole_core::call::{CallError, Operation};
use rerole_core::command::{
    Command, CommandRecord, Decision, FoundRollback, NeededFacts, NextAttempt, Order,
    RollbackOrder, RotationOrder, StackOrder, Verdict, decide, decide_for_stack,
};
use rerole_core::keys::{Entry, EntryPrefix, LedgerKey, RotationKey};
use rerole_core::request::{RequestRules, check_recorded};
use rerole_core::resource::OwnAccount;
use rerole_core::rotation::{RolePair, RoleRecord, RotationRecord, StackRecord, Transition, admit};
use rerole_core::timestamp::Timestamp;

use crate::aws::dynamodb::{Table, Transacted, TransactionPart, Write, to_item};
use crate::aws::ledger::command_writes::{change_limits, change_stack, change_state, end};
use crate::aws::ledger::roles::Roles;
use crate::aws::ledger::rollbacks::roll_back;
use crate::aws::ledger::rotations::Rotations;
use crate::aws::ledger::stack::Stack;
use crate::aws::ledger::{is_absent, item_key, with_prefix};
use crate::aws::page::{Page, PageStart};

/// Slices, commands and the indexer change the items. If they come first this often, something is
/// wrong, and Lambda delivers the event again.
const ATTEMPTS: u32 = 8;

/// The commands of all rotations and of the stack.
#[derive(Debug, Clone, Copy)]
pub struct Commands<'a> {
    pub(super) table: &'a Table,
    /// What the roles of a rollback are held against.
    pub(super) rules: Option<(&'a RequestRules, Option<&'a OwnAccount>)>,
}

/// The result of [`Commands::carry_out`].
#[derive(Debug)]
pub struct CarriedOut {
    pub record: CommandRecord,
    /// This invocation has ended the rotation, which was queued.
    pub has_ended: bool,
}

/// What the writes of one attempt would do.
struct Plan {
    verdict: CommandRecord,
    has_ended: bool,
    writes: Vec<TransactionPart>,
}

impl<'a> Commands<'a> {
    /// Holds the roles of rollbacks against the rules of the stack, which may have changed since
    /// the rotation. `own_account` is the account of the function, if known.
    #[must_use]
    pub fn under(self, rules: &'a RequestRules, own_account: Option<&'a OwnAccount>) -> Self {
        Self {
            rules: Some((rules, own_account)),
            ..self
        }
    }

    /// Reads a command with its verdict. The read is consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or if the item does not have the form of the contract.
    pub async fn read(
        &self,
        key: &LedgerKey,
        event_id: &str,
    ) -> Result<Option<CommandRecord>, CallError> {
        let operation = Operation::on("read command about", key);
        let entry = Entry::Command(event_id.to_owned());
        self.table.get_as(operation, item_key(key, &entry)).await
    }

    /// Returns one page of the commands about a rotation or about the stack, in the order of their
    /// event IDs. The read is consistent.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn page(
        &self,
        key: &LedgerKey,
        start: Option<PageStart>,
    ) -> Result<Page<CommandRecord>, CallError> {
        let operation = Operation::on("read commands about", key);
        let query = with_prefix(key, &EntryPrefix::Commands).start(start);
        let page = self.table.query(operation, query).await?;
        page.try_map(|item| self.table.parse(operation, item))
    }

    /// Carries out a command, and records its verdict. A second delivery of its event changes
    /// nothing and returns the recorded verdict.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written, or if others come first at every attempt.
    pub async fn carry_out(
        &self,
        command: &Command,
        now: impl Fn() -> Timestamp,
    ) -> Result<CarriedOut, CallError> {
        let key = command.order.ledger_key();
        let operation = Operation::on("carry out command for", &key);
        for _ in 0..ATTEMPTS {
            let entry = item_key(&key, &Entry::Command(command.event_id.clone()));
            let recorded = self.table.get_as(operation, entry.clone()).await?;
            if let Some(record) = recorded {
                return Ok(CarriedOut {
                    record,
                    has_ended: false,
                });
            }
            let Plan {
                verdict: record,
                has_ended,
                writes,
            } = match &command.order {
                Order::Rotation(key, order) => self.plan((command, *order), key, now()).await?,
                Order::Stack(order) => self.plan_for_stack((command, *order), now()).await?,
            };
            let mut item = to_item(&record);
            item.extend(entry);
            let put = Write::put(item).only_if(is_absent());
            let parts = writes.into_iter().chain([put.into()]).collect();
            match self.table.transact(operation, parts).await? {
                Transacted::Done => return Ok(CarriedOut { record, has_ended }),
                // Something has changed since it was read.
                Transacted::Refused(_) => {}
            }
        }
        let problem = format!("others came first in each of {ATTEMPTS} attempts");
        Err(CallError::contention(operation, problem))
    }

    async fn plan(
        &self,
        (command, order): (&Command, RotationOrder),
        key: &RotationKey,
        now: Timestamp,
    ) -> Result<Plan, CallError> {
        let (rotations, stack) = (Rotations { table: self.table }, Stack { table: self.table });
        let (found, stack) = tokio::try_join!(rotations.read(key), stack.read())?;
        let roles = match &found {
            Some(found) if needs_roles(found, order) => Some(self.roles(found).await?),
            _ => None,
        };
        let needed = match (&found, &roles, order) {
            (Some(found), Some(roles), RotationOrder::Retry) => {
                NeededFacts::NextAttempt(self.next_attempt(found, roles, (&stack, now)).await?)
            }
            (Some(found), roles, RotationOrder::Rollback(order)) => {
                let roles = roles.as_ref();
                let rollback = self.rollback(order, found, roles, (&stack, now)).await?;
                NeededFacts::Rollback(rollback)
            }
            _ => NeededFacts::None,
        };
        let decision = decide((command, order), found.as_ref(), &stack, needed, now);
        let writes = match (&decision, &found) {
            (Decision::RollBack(plan), Some(found)) => roll_back(command, found, plan, roles, now),
            (Decision::Change(open), Some(found)) => {
                TransactionPart::all(change_state(command, found, *open, roles.as_ref(), now))
            }
            (Decision::End, Some(found)) => {
                TransactionPart::all(end(command, found, roles.as_ref(), now))
            }
            (Decision::Limits(request), Some(found)) => {
                TransactionPart::all(change_limits(command, found, request, now))
            }
            _ => Vec::new(),
        };
        let seq = found.map_or(0, |found| found.timeline_seq);
        let has_ended = match &decision {
            Decision::End => true,
            Decision::RollBack(plan) => plan.of_rotation == Transition::Cancelled,
            _ => false,
        };
        Ok(Plan {
            has_ended,
            verdict: verdict(command, decision, seq, now),
            writes,
        })
    }

    async fn plan_for_stack(
        &self,
        (command, order): (&Command, StackOrder),
        now: Timestamp,
    ) -> Result<Plan, CallError> {
        let found = Stack { table: self.table }.read().await?;
        let decision = decide_for_stack((command, order), &found, now);
        let writes = match &decision {
            Decision::Stack(order) => {
                TransactionPart::all(change_stack(command, &found, *order, now))
            }
            _ => Vec::new(),
        };
        Ok(Plan {
            verdict: verdict(command, decision, found.timeline_seq, now),
            has_ended: false,
            writes,
        })
    }

    /// Returns a rotation that has replaced the new role of this one since, or will do so before
    /// the next attempt has its turn.
    async fn replacing_new_role(
        &self,
        found: &RotationRecord,
        new_role: &RoleRecord,
    ) -> Result<Option<RotationKey>, CallError> {
        let (roles, rotations) = (Roles { table: self.table }, Rotations { table: self.table });
        let history = roles.history(&found.new_role_arn).await?;
        for key in history.replacing_since(found) {
            let replacing = rotations.read(key).await?;
            // One that has moved nothing has replaced nothing.
            let has_replaced = |record: &RotationRecord| {
                !record.status().is_final() || record.counts.updated + record.counts.failed > 0
            };
            if replacing.as_ref().is_some_and(has_replaced) {
                return Ok(Some(key.clone()));
            }
        }
        for key in &new_role.waiting {
            let waiting = rotations.read(key).await?;
            let replaces = |record: &RotationRecord| record.old_role_arn == found.new_role_arn;
            if waiting.as_ref().is_some_and(replaces) {
                return Ok(Some(key.clone()));
            }
        }
        Ok(None)
    }

    /// Finds out what becomes of a rollback.
    async fn rollback(
        &self,
        order: RollbackOrder,
        found: &RotationRecord,
        roles: Option<&RolePair>,
        (stack, now): (&StackRecord, Timestamp),
    ) -> Result<FoundRollback, CallError> {
        let request = order.request(&found.request);
        let (rotations, key) = (Rotations { table: self.table }, order.key(&found.key));
        let record = rotations.read(&key).await?;
        let roles = roles.map(|roles| roles.clone().without(&found.key).reversed());
        Ok(FoundRollback {
            record: record.map(Box::new),
            admission: admit(&request, roles.as_ref(), stack, now),
            rejection: self.rules.and_then(|(rules, own_account)| {
                check_recorded(&request, own_account, rules).err()
            }),
        })
    }

    async fn roles(&self, found: &RotationRecord) -> Result<RolePair, CallError> {
        Roles { table: self.table }.pair(&found.request).await
    }

    /// Finds out what becomes of the next attempt of a finished rotation.
    async fn next_attempt(
        &self,
        found: &RotationRecord,
        roles: &RolePair,
        (stack, now): (&StackRecord, Timestamp),
    ) -> Result<NextAttempt, CallError> {
        Ok(match self.replacing_new_role(found, &roles.new).await? {
            Some(by) => NextAttempt::NewRoleReplaced(by),
            None => NextAttempt::Admitted(admit(&found.request, Some(roles), stack, now)),
        })
    }
}

/// Returns whether a command may change the roles' items: a rotation is opened again, or leaves the
/// queues. A dry run has none.
fn needs_roles(found: &RotationRecord, order: RotationOrder) -> bool {
    let may_change = match order {
        RotationOrder::Retry => found.status().is_final(),
        RotationOrder::Cancel => !found.status().is_final(),
        RotationOrder::Rollback(order) => !order.dry_run,
        RotationOrder::Pause | RotationOrder::Resume | RotationOrder::Change(_) => false,
    };
    may_change && !found.request.dry_run
}

/// Returns the verdict on a command. `seq` is the last entry of the timeline before it.
fn verdict(command: &Command, decision: Decision, seq: u64, now: Timestamp) -> CommandRecord {
    // A finished rotation stays as it is when it is taken back.
    let adds_entry = match &decision {
        Decision::Change(_) | Decision::End | Decision::Limits(_) | Decision::Stack(_) => true,
        Decision::RollBack(plan) => plan.of_rotation != Transition::Stays,
        Decision::NoChange(_) | Decision::Refused { .. } => false,
    };
    let (verdict, explanation, allowed) = match decision {
        Decision::RollBack(plan) => {
            let key = RotationKey::of(&plan.request);
            let explanation = format!("the rollback is {key}");
            (Verdict::Accepted, Some(explanation), Vec::new())
        }
        Decision::Change(_) | Decision::End | Decision::Limits(_) | Decision::Stack(_) => {
            (Verdict::Accepted, None, Vec::new())
        }
        Decision::NoChange(explanation) => (Verdict::NoChange, Some(explanation), Vec::new()),
        Decision::Refused {
            explanation,
            allowed,
        } => (Verdict::Refused, Some(explanation), allowed),
    };
    CommandRecord {
        command: command.order.name(),
        verdict,
        explanation,
        allowed,
        seq: seq + u64::from(adds_entry),
        at: now,
        envelope: command.envelope.clone(),
    }
}
