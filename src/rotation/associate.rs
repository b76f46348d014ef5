//! One association, from its pending row to its settled one: Describe → decide → Update → settle.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

use super::Slice;
use super::progress::Stop;
use crate::association::Association;
use crate::aws::DYNAMODB_OPERATION_TIMEOUT;
use crate::aws::eks::{Observed, UpdateError, Updated};
use crate::aws::error::CallError;
use crate::aws::turnstile::Turn;
use crate::classify::ErrorClass;
use crate::decide::{Action, decide};
use crate::outcome::{Ending, Outcome, Row, RowError, Settled, UNEXPECTED_ANSWER};
use crate::role_field::RoleFields;
use crate::token::Token;

/// Transient errors of one association before it is left to the next slice: about a minute of them.
const PASSING_ERRORS_MAX: u32 = 10;
/// First pause after a passing error; doubled each time, up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// First pause after EKS could not use the new role; doubled each time, up to [`ROLE_PAUSE_MAX`].
const ROLE_PAUSE_MIN: Duration = Duration::from_secs(1);
const ROLE_PAUSE_MAX: Duration = Duration::from_secs(15);
/// A call waits no longer for its turn before it is asked again whether there is time, a lease and a reason to go on.
const TURN_MAX: Duration = Duration::from_secs(10);
/// While the decision to stop is being recorded.
const STOP_PAUSE: Duration = Duration::from_millis(100);

/// What the attempts at one association have come to so far, in this slice.
#[derive(Debug, Default)]
struct Attempts {
    /// Updates that EKS let in, or may have.
    sent: u32,
    passing_errors: u32,
    /// Definitive refusals, those of earlier slices included.
    refusals: u32,
    last_refusal: Option<(Token, CallError)>,
    /// The last update that brought a transient error: it may have taken effect.
    lost: Option<(Token, CallError)>,
    /// A turn to update that came when the last look was too old. It is kept, or the next look would be too old again.
    turn: Option<Turn>,
}

/// What follows from one look at an association.
enum Step {
    Settle(Box<Settled>),
    /// Look again after a pause.
    Again(Duration),
    /// It cannot be settled now.
    Leave(CallError),
}

impl Slice<'_> {
    /// Settles the row, or leaves it pending: with the error where it could not be settled for now, without one where the
    /// slice is over.
    pub(super) async fn associate(&self, row: Row) -> Result<(), CallError> {
        let region = row.association_arn.region();
        let trouble = self.progress().trouble_in(region);
        if let Some(error) = trouble {
            return Err(error);
        }
        let mut attempts = Attempts { refusals: row.refusals, ..Attempts::default() };
        loop {
            if self.check().is_err() {
                return self.leave(&row, &attempts).await;
            }
            match self.step(&row, &mut attempts).await {
                Step::Settle(settled) => {
                    self.progress().no_trouble_in(region);
                    return self.settle(&row, *settled).await;
                }
                Step::Again(pause) => {
                    let until = (Instant::now() + pause).min(self.ends_at);
                    tokio::time::sleep_until(until).await;
                }
                Step::Leave(error) => {
                    warn!(association = %row.association_arn, %error, "the association stays pending");
                    self.progress().note_trouble_in(region, &error);
                    self.leave(&row, &attempts).await?;
                    return Err(error);
                }
            }
        }
    }

    /// One look at the association, and what it justifies.
    async fn step(&self, row: &Row, attempts: &mut Attempts) -> Step {
        let observed = match self.aws.eks.describe(&row.association_arn, self.turn_until()).await {
            Ok(observed) => observed,
            Err(error) if error.class == ErrorClass::Throttled => return Step::Again(Duration::ZERO),
            Err(error) if error.class.is_passing() => return attempts.passing(error),
            Err(error) => return self.end(attempts, None, failed(None, error)),
        };
        let association = observed.as_ref().map(|observed| &observed.association);
        let ending = match (decide(self.request(), association), &observed) {
            (Action::Update(fields), Some(observed)) => return self.update(attempts, observed, fields).await,
            // Only what was observed is ever on the old role.
            (Action::Deleted | Action::Update(_), _) => Ending::Deleted,
            (Action::Drifted, _) => Ending::Drifted,
            (Action::OwnedByAddon, _) => Ending::OwnedByAddon,
            (Action::AlreadyCurrent, _) => self.already_current(row, attempts, association),
        };
        self.end(attempts, association, ending)
    }

    /// The association shows the new role. Where a write of ours can have done it, it most likely has.
    fn already_current(&self, row: &Row, attempts: &Attempts, association: Option<&Association>) -> Ending {
        // Some counterparts of AWS keep whole seconds, so that a version of ours can read as up to a second too old.
        let started_at = self.record.started_at;
        let newer = association.is_some_and(|seen| {
            seen.modified_at > row.planned_modified_at && seen.modified_at + Duration::from_secs(1) > started_at
        });
        match &attempts.lost {
            Some((token, _)) => Ending::InferredUpdated { token: Some(token.clone()) },
            None if newer && self.is_resumed() && !self.request().dry_run => Ending::InferredUpdated { token: None },
            None => Ending::AlreadyCurrent,
        }
    }

    /// The association is on the old role and ours to move: moves it, unless this rotation does not write.
    async fn update(&self, attempts: &mut Attempts, observed: &Observed, fields: RoleFields) -> Step {
        let request = self.request();
        let association = &observed.association;
        let changes: Vec<_> = fields.iter().map(|field| (field.name(), request.new_role_arn.as_str())).collect();
        let token = Token::new(
            &request.rotation_id,
            &association.association_arn,
            association.modified_at,
            &changes,
            attempts.refusals,
        );
        if request.dry_run {
            return self.end(attempts, Some(association), Ending::WouldUpdate { token, fields });
        }
        match &self.progress().stop {
            Stop::No => {}
            Stop::Deciding | Stop::Unrecorded => return Step::Again(STOP_PAUSE),
            Stop::Recorded(_) => {
                // An update that was sent is never called "not attempted", whatever came of it.
                let ending = match attempts.last_refusal.take().or(attempts.lost.take()) {
                    Some((token, error)) => failed(Some(token), error),
                    None => Ending::NotAttempted,
                };
                return self.end(attempts, Some(association), ending);
            }
        }
        let kept = attempts.turn.take().filter(|turn| !turn.is_over());
        let turn = match kept {
            Some(_) => kept,
            None => self.aws.eks.update_turn(association.association_arn.region(), self.turn_until()).await,
        };
        let Some(turn) = turn else { return Step::Again(Duration::ZERO) };
        // Look and turn may have taken their time: the lease must outlive the write, and the rotation may have to stop.
        if self.check().is_err() || self.progress().stop != Stop::No {
            return Step::Again(Duration::ZERO);
        }
        let end = self.aws.eks.update_role(turn, observed, fields, &request.new_role_arn, &token).await;
        attempts.sent += u32::from(!end.as_ref().is_err_and(UpdateError::is_left_out));
        match end {
            Ok(updated) => self.updated(attempts, association, fields, token, updated),
            Err(UpdateError::Stale(turn)) => {
                attempts.turn = Some(turn);
                Step::Again(Duration::ZERO)
            }
            Err(UpdateError::Malformed(error)) => {
                self.contradicted(attempts, association, token, error.message, error.request_id)
            }
            Err(UpdateError::Call(error)) => self.refused(attempts, association, token, error).await,
        }
    }

    /// Until when a call waits for its turn at most.
    fn turn_until(&self) -> Instant {
        (Instant::now() + TURN_MAX).min(self.ends_at)
    }

    /// EKS answered. The answer must show what was asked for, at a version no older, and nothing else changed; an EKS that
    /// answers otherwise is not the one that this program was written for, and the rotation stops.
    fn updated(
        &self,
        attempts: &Attempts,
        before: &Association,
        fields: RoleFields,
        token: Token,
        updated: Updated,
    ) -> Step {
        let Updated { association: answer, request_id } = updated;
        let mut problems = Vec::new();
        for field in fields.iter() {
            let role = answer.role_in(field).unwrap_or("none");
            if role != self.request().new_role_arn.as_str() {
                problems.push(format!("shows the {} {role}", field.name()));
            }
        }
        if answer.modified_at < before.modified_at {
            problems.push(format!("is of {}, before {}", answer.modified_at, before.modified_at));
        }
        let changed = before.fields_changed_besides(fields, &answer);
        if !changed.is_empty() {
            problems.push(format!("changes {}", changed.join(", ")));
        }
        if problems.is_empty() {
            self.progress().role_works();
            let ending = Ending::Updated { token, fields, request_id, answer: Box::new(answer) };
            return self.end(attempts, Some(before), ending);
        }
        let message = format!("EKS's answer to the update {}", problems.join(" and "));
        self.contradicted(attempts, &answer, token, message, request_id)
    }

    /// From here on nothing else is written. The row is settled first and the stop recorded after it, so that the next
    /// slice finds at least the row.
    fn contradicted(
        &self,
        attempts: &Attempts,
        seen: &Association,
        token: Token,
        message: String,
        request_id: Option<String>,
    ) -> Step {
        self.progress().decide_to_stop();
        let error = RowError { class: ErrorClass::Terminal, code: UNEXPECTED_ANSWER.to_owned(), message, request_id };
        self.end(attempts, Some(seen), Ending::Failed { token: Some(token), error })
    }

    /// The update brought an error.
    async fn refused(&self, attempts: &mut Attempts, before: &Association, token: Token, error: CallError) -> Step {
        match error.class {
            // Nothing was done, and the pacer knows.
            ErrorClass::Throttled => Step::Again(Duration::ZERO),
            ErrorClass::Transient => {
                attempts.lost = Some((token, error.clone()));
                attempts.passing(error)
            }
            // It went between the look and the write. The next look tells.
            ErrorClass::NotFound => attempts.passing(error),
            ErrorClass::RoleNotReady => self.role_not_ready(attempts, before, token, error).await,
            ErrorClass::Denied | ErrorClass::Terminal => self.end(attempts, Some(before), failed(Some(token), error)),
        }
    }

    /// EKS cannot use the new role, yet or at all. The refusal is definitive, so that the next try has another token.
    async fn role_not_ready(
        &self,
        attempts: &mut Attempts,
        before: &Association,
        token: Token,
        error: CallError,
    ) -> Step {
        attempts.refusals += 1;
        let hope = self.progress().role_not_ready(Instant::now());
        if hope.is_zero() {
            let reason = format!("the new role cannot be used: {}", error.message);
            let first = self.progress().decide_to_stop();
            if first && let Err(error) = self.stop(&reason).await {
                return Step::Leave(error);
            }
            return self.end(attempts, Some(before), failed(Some(token), error));
        }
        let pause = doubled(ROLE_PAUSE_MIN, attempts.refusals - 1, ROLE_PAUSE_MAX).min(hope);
        debug!(%error, ?pause, "the new role is not ready");
        attempts.last_refusal = Some((token, error));
        Step::Again(pause)
    }

    /// Records the end in the ledger and brings the index to it. Neither waits for the other; resume and sweep mend
    /// whichever is missing.
    async fn settle(&self, row: &Row, settled: Settled) -> Result<(), CallError> {
        let outcome = settled.ending.outcome();
        // What EKS has confirmed may be recorded at any time. Anything else may be the view from before a successor's
        // write, so that it is recorded only where it arrives under the lease.
        let confirmed = matches!(settled.ending, Ending::Updated { .. });
        if !confirmed && !self.lease.outlives(DYNAMODB_OPERATION_TIMEOUT) {
            return Ok(());
        }
        let (recorded, mended) = tokio::join!(self.aws.ledger.settle(row, &settled), self.mend_index(row, &settled));
        if let Err(error) = mended {
            warn!(association = %row.association_arn, %error, "the index is left to the sweep");
        }
        let contradicted = match &settled.ending {
            Ending::Failed { error, .. } if error.code == UNEXPECTED_ANSWER => {
                Some(format!("{}: {}", row.association_arn, error.message))
            }
            _ => None,
        };
        if contradicted.is_some() && recorded.is_err() {
            self.progress().stop = Stop::Unrecorded;
        }
        let recorded = recorded?;
        match (&settled.ending, recorded) {
            (Ending::Failed { error, .. }, _) => {
                warn!(association = %row.association_arn, code = error.code, message = error.message, "association failed");
            }
            (_, true) => debug!(association = %row.association_arn, ?outcome, "association settled"),
            // Most likely our own write, whose answer was lost and which the SDK repeated.
            (_, false) => debug!(association = %row.association_arn, ?outcome, "association was settled before"),
        }
        let must_stop = {
            let mut progress = self.progress();
            if self.request().dry_run {
                progress.counts.settle(outcome);
                None
            } else {
                progress.settle(outcome, self.request().max_errors)
            }
        };
        match contradicted.or(must_stop) {
            Some(reason) => self.stop(&reason).await,
            None => Ok(()),
        }
    }

    /// The index item, where EKS showed it to be behind. A dry run leaves the index alone.
    async fn mend_index(&self, row: &Row, settled: &Settled) -> Result<(), CallError> {
        if self.request().dry_run {
            return Ok(());
        }
        let index = &self.aws.index;
        match (settled.ending.outcome(), settled.last_seen()) {
            (Outcome::Updated | Outcome::AlreadyCurrent | Outcome::Drifted, Some(seen)) => {
                index.mend(seen, settled.at).await.map(drop)
            }
            (Outcome::Deleted, _) => {
                index.bury_version(&row.association_arn, row.planned_modified_at, settled.at).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Leaves the row pending.
    async fn leave(&self, row: &Row, attempts: &Attempts) -> Result<(), CallError> {
        if attempts.refusals > row.refusals && self.lease.is_held() {
            self.aws.ledger.note_refusals(row, attempts.refusals).await?;
        }
        Ok(())
    }

    fn end(&self, attempts: &Attempts, observed: Option<&Association>, ending: Ending) -> Step {
        Step::Settle(Box::new(Settled {
            ending,
            observed: observed.cloned(),
            attempts: attempts.sent,
            at: self.aws.now(),
        }))
    }
}

impl Attempts {
    /// Another passing error: look again after a pause, or leave it to the next slice.
    fn passing(&mut self, error: CallError) -> Step {
        self.passing_errors += 1;
        if self.passing_errors > PASSING_ERRORS_MAX {
            return Step::Leave(error);
        }
        let pause = doubled(PAUSE_MIN, self.passing_errors - 1, PAUSE_MAX);
        // Half of it at random, so that those who were throttled together do not come back together.
        Step::Again(pause.mul_f64(0.5 + fastrand::f64() / 2.0))
    }
}

fn failed(token: Option<Token>, error: CallError) -> Ending {
    let code = error.code.clone().unwrap_or_else(|| format!("{:?}", error.class));
    let error = RowError { class: error.class, code, message: error.message, request_id: error.request_id };
    Ending::Failed { token, error }
}

fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(most)
}
