//! How one association gets from its `Pending` row to its outcome: a state machine without I/O. It
//! says what to do next, and `src/rotate/slice/mover.rs`, which does it, explains the race.
//!
//! ```text
//!             ┌──────── describe again, after a pause ◀───────┐
//!             ▼                                               │
//! Pending ──▶ Describe ──▶ decide ──▶ Update ──▶ response ────┤
//!                │           │                      │         │
//!                └───────────┴──────────▶ settle ◀──┘         └──▶ leave Pending
//! ```

mod response;
mod step;

use std::time::Duration;

use crate::call::{Backoff, CallError, ErrorClass, Operation};
use crate::keys::RotationKey;
use crate::request::RotationRequest;
use crate::resource::{Absence, Association, AssociationArn, RoleFields, hidden_for};
use crate::rotation::{
    Action, Ending, KnownRoles, Row, Settled, Token, UnconfirmedUpdates, decide, decide_rollback,
    ending_after_stop, ending_on_new_role,
};
use crate::timestamp::Timestamp;

pub use step::{Decision, EarlierSlices, Moment, Sent, Step, Update};

/// Transient errors of one association before it is left to the next slice. With the pauses below
/// they take about a minute.
const RETRYABLE_ERRORS_MAX: u32 = 10;
/// Pauses after retryable errors.
const ERROR_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(500),
    max: Duration::from_secs(10),
};
/// The roles at a version may be taken for those of another version this close to it: it is not
/// known whether the responses to an update and to a Describe have the same milliseconds.
const ROUNDED_BY_MAX: Duration = Duration::from_secs(1);

/// What the attempts of one slice at one association have come to.
#[derive(Debug)]
pub struct AssociationMove<'a> {
    request: &'a RotationRequest,
    row: &'a Row,
    /// The fields that the row plans to move.
    planned: RoleFields,
    /// The slices that may have sent updates before this one. `None` if none can have sent one.
    earlier: Option<EarlierSlices>,
    /// Updates that EKS accepted, or may have accepted.
    sent: u32,
    /// Definitive refusals, including those of earlier slices.
    refusals: u32,
    /// Those of this slice that are about the new role.
    role_refusals: u32,
    last_refusal: Option<(Update, CallError)>,
    /// The last update that ended in a transient error. It may have taken effect.
    lost: Option<(Update, CallError)>,
    /// When that error came. The update takes effect before, if at all.
    lost_at: Option<Timestamp>,
    retryable_errors: u32,
    /// The latest version that the plan or a Describe has shown.
    latest: KnownRoles,
    /// The Describes in a row that did not find the association.
    absence: Absence,
}

impl<'a> AssociationMove<'a> {
    /// Starts with no attempt, after the refusals of earlier slices.
    #[must_use]
    pub fn new(request: &'a RotationRequest, row: &'a Row, earlier: Option<EarlierSlices>) -> Self {
        Self {
            request,
            row,
            planned: row.fields,
            earlier: earlier.filter(|_| !request.dry_run),
            sent: 0,
            refusals: row.refusals,
            role_refusals: 0,
            last_refusal: None,
            lost: None,
            lost_at: None,
            retryable_errors: 0,
            latest: KnownRoles {
                role_arn: row.previous_role_arn.clone(),
                target_role_arn: row.previous_target_role_arn.clone(),
                modified_at: row.planned_modified_at,
            },
            absence: Absence::default(),
        }
    }

    /// Returns the number of refusals that the row does not have yet, if there are any. The tokens
    /// of the next slice continue from it.
    #[must_use]
    pub fn unsaved_refusals(&self) -> Option<u32> {
        (self.refusals > self.row.refusals).then_some(self.refusals)
    }

    /// Returns what follows from a Describe that does not find the association. One such response
    /// does not prove that the association is deleted.
    pub fn not_found(&mut self, now: Timestamp) -> Step {
        match self.absence.note() {
            Some(pause) => Step::DescribeAgain(pause),
            None => self.settle(Ending::Deleted, None, now),
        }
    }

    /// Returns whether the last Describe that EKS answered did not find the association.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.absence != Absence::default()
    }

    /// Returns what follows from an error of a Describe.
    pub fn not_described(&mut self, error: CallError, moment: Moment) -> Step {
        match error.class {
            ErrorClass::Throttled => Step::Throttled(error),
            class if class.is_retryable() => self.retry(error, moment),
            _ => {
                let token = self.possible_token();
                self.settle(Ending::failed(token, error), None, moment.now)
            }
        }
    }

    /// Returns what follows from what a Describe shows. A version from before the latest known one
    /// shows nothing.
    pub fn described(&mut self, observed: &Association, moment: Moment) -> Decision {
        self.absence = Absence::default();
        if self.is_outdated(observed) {
            let known = self.latest.modified_at;
            let problem = format!("EKS shows version {}, after {known}", observed.modified_at);
            let operation = Operation::on("describe association", &observed.association_arn);
            let error = CallError::outdated_response(operation, problem);
            return Decision::Step(self.describe_again(error, moment));
        }
        self.latest = KnownRoles {
            role_arn: observed.role_arn.clone(),
            target_role_arn: observed.target_role_arn.clone(),
            modified_at: self.latest.modified_at.max(observed.modified_at),
        };
        let action = match self.request.rollback {
            None => decide(self.request, self.planned, observed),
            Some(rollback) => decide_rollback(self.request, rollback, self.row, observed),
        };
        let ending = match action {
            Action::Update(fields) => {
                let planned = self.planned.union(fields);
                if planned != self.planned && !self.request.dry_run {
                    return Decision::Plan(planned);
                }
                let update = self.update(observed, fields);
                if !self.request.dry_run {
                    return Decision::Update(update);
                }
                let Update { token, fields } = update;
                Ending::WouldUpdate { token, fields }
            }
            Action::AlreadyCurrent(fields) => {
                ending_on_new_role(self.row, observed, fields, self.unconfirmed())
            }
            Action::Drifted => Ending::Drifted,
            Action::OwnedByAddon => Ending::OwnedByAddon,
            Action::ChangedSince => Ending::ChangedSince,
        };
        if let (false, Some(left)) = (
            ending.is_of_this_rotation(),
            self.hidden_for(moment.asked_at),
        ) {
            return Decision::Step(Step::DescribeAgain(left));
        }
        Decision::Step(self.settle(ending, Some(observed), moment.now))
    }

    /// Returns for how long after `asked_at` EKS may not show an update that this rotation may have
    /// sent. `None` if there is no such update, or it shows. Until then, EKS may show a state from
    /// before the update, even one that is newer than what the update was sent for: another actor's
    /// change that the update has overwritten.
    fn hidden_for(&self, asked_at: Timestamp) -> Option<Duration> {
        let of_earlier = self.earlier.map(|earlier| earlier.ended_at);
        let last = of_earlier.max(self.lost_at)?;
        hidden_for(asked_at.since(last))
    }

    /// Returns whether the observation is from before the latest known version. One that is a
    /// little older but has the same roles differs only in how its time is rounded.
    fn is_outdated(&self, observed: &Association) -> bool {
        let latest = &self.latest;
        let has_same_roles = observed.role_arn == latest.role_arn
            && observed.target_role_arn == latest.target_role_arn;
        let is_rounded = latest.modified_at.since(observed.modified_at) < ROUNDED_BY_MAX;
        observed.modified_at < latest.modified_at && !(has_same_roles && is_rounded)
    }

    /// Notes that the row plans to move these fields.
    pub fn note_planned(&mut self, fields: RoleFields) {
        self.planned = fields;
    }

    /// Returns how an association on the old role ends because the rotation has stopped. The last
    /// update may not show yet. So the association is described again once it would.
    pub fn stopped(&mut self, observed: &Association, moment: Moment) -> Step {
        if let Some(left) = self.hidden_for(moment.asked_at) {
            return Step::DescribeAgain(left);
        }
        let sent = self.last_refusal.take().or(self.lost.take());
        let sent = sent.map(|(update, error)| (update.token, error));
        self.settle(ending_after_stop(sent), Some(observed), moment.now)
    }

    /// Counts an update that EKS has processed, or may have processed.
    pub fn count_sent(&mut self) {
        self.sent += 1;
    }

    /// Returns whether an update of this slice may have taken effect although no response confirmed
    /// it.
    #[must_use]
    pub fn has_lost_update(&self) -> bool {
        self.lost.is_some()
    }

    /// Returns the end of an association whose cluster or region has given nothing but retryable
    /// errors for too long.
    #[must_use]
    pub fn give_up(&self, since: Timestamp, mut error: CallError, now: Timestamp) -> Box<Settled> {
        error.message = format!("{}; its calls have failed since {since}", error.message);
        let token = self.possible_token();
        self.settled(Ending::failed(token, error), None, now)
    }

    /// Returns the token of an update that may have taken effect unnoticed: of this slice's last
    /// one, or of the one that an earlier slice may have sent for the planned version.
    fn possible_token(&self) -> Option<Token> {
        let lost = self.lost.as_ref().map(|(update, _)| update.token.clone());
        let of_earlier_slice = || {
            let (arn, version) = (&self.row.association_arn, self.row.planned_modified_at);
            self.earlier.map(|_| self.token(arn, version, self.planned))
        };
        lost.or_else(of_earlier_slice)
    }

    /// Counts a retryable error. The next attempt follows after a pause, unless the limit is
    /// reached.
    fn retry(&mut self, error: CallError, moment: Moment) -> Step {
        self.retryable_errors += 1;
        if self.retryable_errors > RETRYABLE_ERRORS_MAX {
            return Step::Leave(error);
        }
        let pause = ERROR_BACKOFF.jittered(self.retryable_errors, (moment.random)());
        Step::Retry(pause, error)
    }

    /// As [`Self::retry`], if the error says nothing about the cluster: EKS has responded.
    fn describe_again(&mut self, error: CallError, moment: Moment) -> Step {
        match self.retry(error, moment) {
            Step::Retry(pause, _) => Step::DescribeAgain(pause),
            step => step,
        }
    }

    /// Returns the updates of this rotation that may have taken effect unnoticed.
    fn unconfirmed(&self) -> UnconfirmedUpdates<'_> {
        UnconfirmedUpdates {
            of_this_slice: self.lost.as_ref().map(|(update, _)| &update.token),
            of_earlier_slices_since: self.earlier.map(|slices| slices.started_at),
        }
    }

    fn update(&self, observed: &Association, fields: RoleFields) -> Update {
        let token = self.token(&observed.association_arn, observed.modified_at, fields);
        Update { token, fields }
    }

    /// Returns the token of an update of these fields at this version.
    fn token(&self, arn: &AssociationArn, version: Timestamp, fields: RoleFields) -> Token {
        let new_role = self.request.new_role_arn.as_str();
        let changes: Vec<_> = fields
            .iter()
            .map(|field| (field.name(), new_role))
            .collect();
        let rotation = RotationKey::of(self.request);
        Token::new(&rotation, arn, version, &changes, self.refusals)
    }

    fn settle(&self, ending: Ending, observed: Option<&Association>, now: Timestamp) -> Step {
        Step::Settle(self.settled(ending, observed, now))
    }

    fn settled(
        &self,
        ending: Ending,
        observed: Option<&Association>,
        now: Timestamp,
    ) -> Box<Settled> {
        Box::new(Settled {
            ending,
            observed: observed.cloned(),
            attempts: self.sent,
            refusals: self.refusals,
            at: now,
        })
    }
}

#[cfg(test)]
mod tests;
