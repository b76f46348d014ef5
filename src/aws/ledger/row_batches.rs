//! Rows that are written together, each batch in one transaction that checks the lease: those of a
//! plan, those that are not attempted, and those that are opened again.

use rerole_core::call::{CallError, Operation};
use rerole_core::keys::Entry;
use rerole_core::rotation::{
    EarlierResult, Ending, Outcome, RegionCounts, RotationRecord, Row, Settled, SettledAttributes,
};
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::aws::dynamodb::{
    Change, Condition, Refusal, Transacted, TransactionPart, Write, number, text, to_item,
};
use crate::aws::ledger::lease::is_held;
use crate::aws::ledger::rounds::{Round, Rounds};
use crate::aws::ledger::rows::{Rows, is_pending};
use crate::aws::ledger::{LeaseError, is_absent, rotation_key};

/// A transaction has at most 100 items, and one of them checks the fence.
pub const PLAN_BATCH_LEN: usize = 99;
/// As [`PLAN_BATCH_LEN`].
pub const SETTLE_BATCH_LEN: usize = 99;

/// The result of [`Rows::plan`].
#[derive(Debug, Default)]
pub struct Planned {
    /// How many rows are new in each region.
    pub created: RegionCounts,
    /// The rows that already existed, unchanged.
    pub existing: Vec<Row>,
}

impl Rows<'_> {
    /// Writes each of these pending rows that does not exist, if `rotation` still has its lease. An
    /// existing row stays as it is.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] if another invocation has taken over the rotation.
    ///
    /// # Panics
    /// If there are more than [`PLAN_BATCH_LEN`] rows.
    pub async fn plan(
        &self,
        rotation: &RotationRecord,
        mut rows: Vec<Row>,
    ) -> Result<Planned, LeaseError> {
        assert!(
            rows.len() <= PLAN_BATCH_LEN,
            "a batch has at most {PLAN_BATCH_LEN} rows"
        );
        let operation = Operation::on("plan associations", self.key);
        let mut planned = Planned::default();
        // A transaction is refused if some of its rows exist. The next round is without them.
        let mut rounds = Rounds::new(operation, Round::Write);
        while !rows.is_empty() {
            rounds.start()?;
            let mut parts = vec![self.check(rotation)];
            parts.extend(rows.iter().map(|row| self.put_new(row).into()));
            match self.table.transact(operation, parts).await? {
                Transacted::Done => {
                    for row in &rows {
                        planned
                            .created
                            .add(row.association_arn.region(), row.outcome);
                    }
                    break;
                }
                Transacted::Refused(refusals) => {
                    if refusals.first().is_some_and(Refusal::is_condition) {
                        return Err(LeaseError::Lost);
                    }
                    let found = self.found(&rows, &refusals[1..])?;
                    let mut is_found = found.iter().map(Option::is_some);
                    rows.retain(|_| is_found.next() == Some(false));
                    planned.existing.extend(found.into_iter().flatten());
                }
            }
        }
        Ok(planned)
    }

    /// Records that these rows, which cannot have been updated, are not attempted, if `rotation`
    /// still has its lease and its status. Rows that are settled stay as they are.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] if another invocation has taken over the rotation.
    ///
    /// # Panics
    /// If there are more than [`SETTLE_BATCH_LEN`] rows.
    pub async fn settle_not_attempted(
        &self,
        rotation: &RotationRecord,
        rows: &[Row],
        now: Timestamp,
    ) -> Result<(), LeaseError> {
        let settled = Settled {
            ending: Ending::NotAttempted,
            observed: None,
            attempts: 0,
            refusals: 0,
            at: now,
        };
        let change = Change::default().set_all(&settled.row_attributes());
        self.change_batch(rotation, rows, |row| {
            let update = Write::update(self.row_key(row), change.clone());
            update.only_if(is_pending(row))
        })
        .await
    }

    /// Opens rows again, as [`Row::reopened`] returns them, if `rotation` still has its lease and
    /// its status. Rows that were opened already stay as they are.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] if another invocation has taken over the rotation.
    ///
    /// # Panics
    /// If there are more than [`SETTLE_BATCH_LEN`] rows.
    pub async fn reopen(&self, rotation: &RotationRecord, rows: &[Row]) -> Result<(), LeaseError> {
        self.change_batch(rotation, rows, |row| {
            Write::update(self.row_key(row), reopen(row)).only_if(has_last_result(row))
        })
        .await
    }

    /// Writes rows in one transaction. Leaves out those whose condition does not hold.
    async fn change_batch(
        &self,
        rotation: &RotationRecord,
        rows: &[Row],
        write: impl Fn(&Row) -> Write,
    ) -> Result<(), LeaseError> {
        assert!(
            rows.len() <= SETTLE_BATCH_LEN,
            "a batch has at most {SETTLE_BATCH_LEN} rows"
        );
        let operation = Operation::on("change associations", self.key);
        let mut rows: Vec<&Row> = rows.iter().collect();
        // The next round is without the rows whose condition does not hold.
        let mut rounds = Rounds::new(operation, Round::Write);
        while !rows.is_empty() {
            rounds.start()?;
            let mut parts = vec![self.check(rotation)];
            parts.extend(rows.iter().map(|row| write(row).into()));
            match self.table.transact(operation, parts).await? {
                Transacted::Done => break,
                Transacted::Refused(refusals) => {
                    if refusals.first().is_some_and(Refusal::is_condition) {
                        return Err(LeaseError::Lost);
                    }
                    let mut is_refused = refusals[1..].iter().map(Refusal::is_condition);
                    rows.retain(|_| is_refused.next() == Some(false));
                }
            }
        }
        Ok(())
    }

    /// Returns the check that `rotation` still has its lease and its status.
    fn check(&self, rotation: &RotationRecord) -> TransactionPart {
        let key = rotation_key(self.key, &Entry::Rotation);
        TransactionPart::Check(key, is_held(rotation))
    }

    /// Returns the put of a row that must not exist yet. If it exists, the refusal contains it.
    fn put_new(&self, row: &Row) -> Write {
        let mut item = to_item(row);
        item.extend(self.row_key(row));
        Write::put(item).only_if(is_absent()).returning_old()
    }

    /// Returns, for each of these rows, the one that the ledger already has.
    fn found(&self, rows: &[Row], refusals: &[Refusal]) -> Result<Vec<Option<Row>>, CallError> {
        let operation = Operation::on("plan associations", self.key);
        let found = rows
            .iter()
            .zip(refusals)
            .map(|(row, refusal)| match refusal {
                Refusal::None => Ok(None),
                Refusal::Condition { found: Some(item) } => {
                    self.table.parse(operation, item.clone()).map(Some)
                }
                Refusal::Condition { found: None } => {
                    let arn = &row.association_arn;
                    let problem = format!("DynamoDB did not return the existing row of {arn}");
                    Err(CallError::malformed_response(operation, problem))
                }
            });
        found.collect()
    }
}

/// The condition that a row that was opened again ended as its last earlier result says.
fn has_last_result(row: &Row) -> Condition {
    let last = row.earlier_results.last();
    let (outcome, attempt) = last.map_or((row.outcome, 0), |last| (last.outcome, last.attempt));
    Condition::new("#outcome = :seenOutcome AND attempt = :seenAttempt")
        .name("outcome")
        .value("seenOutcome", text(format!("{outcome:?}")))
        .value("seenAttempt", number(attempt.into()))
}

/// Sets what a row has when it is opened again, and removes what settling has added to it.
fn reopen(row: &Row) -> Change {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Attributes<'a> {
        outcome: Outcome,
        attempt: u32,
        refusals: u32,
        earlier_results: &'a [EarlierResult],
    }
    let change = Change::default().set_all(&Attributes {
        outcome: row.outcome,
        attempt: row.attempt,
        refusals: row.refusals,
        earlier_results: &row.earlier_results,
    });
    SettledAttributes::REMOVED_WHEN_REOPENED
        .iter()
        .fold(change, |change, name| change.remove(name))
}
