//! Moves one association, from its `Pending` row to its outcome: Describe → decide → Update →
//! settle. Here is the loop; the calls of one attempt are in `attempt`. What follows from each
//! result is decided in `rerole_core::rotation::AssociationMove`, and `settle` records the outcome.
//!
//! # The race
//!
//! EKS has no conditional update. Between a Describe and the update that it justifies, another
//! actor can change the association. And at any point the invocation can lose its lease, a
//! response, or its sandbox. None of this can be prevented, so every step is safe to repeat, by
//! this invocation or by its successor. Four rules make it so:
//!
//! 1. After anything but a definitive response, describe again. A throttle, a lost response or a
//!    role that is not ready says nothing about the association. Only a Describe does, and `decide`
//!    knows nothing else. EKS is eventually consistent: a Describe that shows an older version than
//!    the plan or an earlier Describe says nothing either, and one that does not find the
//!    association is repeated, seconds apart, before the association counts as deleted.
//! 2. An update is sent at most 5 s after its Describe (`crate::aws::eks`), and only under a lease
//!    that outlives the call and was renewed within the last 7 s.
//! 3. The token names the update. It is a hash of the rotation, the association, the version
//!    (`modifiedAt`) that Describe showed, the changes, and the number of definitive refusals. Two
//!    invocations that see the same version send the same token, and EKS takes the second request
//!    for a repetition of the first.
//! 4. A row settles once. The write requires that the row is `Pending`, so the first one wins.
//!
//! In the examples, association A is on the old role at version 7. Slice P moves it to the new role
//! at version 8:
//!
//! ```text
//! P: Describe: old, 7 ──▶ Update, token of 7 ──▶ response: new, 8 ──▶ settle: Updated, 8
//! ```
//!
//! **Another actor changes A between Describe and Update.** The update overwrites a change of the
//! role; this is the risk that remains, and rule 2 bounds it. If the other actor changed anything
//! else, EKS's response shows it. That looks like a contradiction: the row fails, and a second one
//! in a row stops the rotation. If the other actor deleted A, EKS does not find A, and Describes
//! some seconds apart settle it as `Deleted`. A change back to the old role after version 8 is a
//! reversion. The sweep or the indexer finds it.
//!
//! **The response is lost.** P waits until the update cannot take effect any more, and describes
//! again:
//!
//! - New role: the update took effect. The row becomes `Updated`, inferred, with the token.
//! - Old role at 7: the update was not applied, or EKS shows an old view. P sends the same token
//!   again, so it does not matter which.
//! - Old role at another version: another actor changed A. P sends an update with a new token.
//! - A third role: another actor changed A after the update, or just before it, and the update has
//!   overwritten the change, but EKS still shows it. So P describes again until its update would
//!   show. Only then does the row become `Drifted`. A successor waits in the same way.
//!
//! **P runs out of time.** P cancels no call. It starts no further step, and a row that is not
//! settled by then stays `Pending`.
//!
//! **P loses its lease, or cannot renew it.** P sends no update from the moment when the lease may
//! expire before the call ends, so every update of P has ended before a successor starts. P may
//! still settle what EKS has confirmed. Anything else that P knows may be older than an update of
//! its successor: a late `AlreadyCurrent`, `Drifted` or `NotAttempted` would win by rule 4 and hide
//! that update. P drops it, and the row stays `Pending`. If P sent such a record in time and got no
//! response, the record may still arrive, so P does not release its lease.
//!
//! **P dies after the update, before it settles.** The lease expires after at most 45 s. Successor
//! S then acquires it under the next fence, and finds the row `Pending`. If S sees the new role at
//! a version that is newer than the plan's, and not from before the rotation, P most likely wrote
//! it: the row becomes `Updated`, inferred, without a token. If S still sees version 7, it sends
//! the token that P sent, so nothing is written twice even if P's request arrives after S's.
//!
//! **P wakes up while S works**, for example after its sandbox was frozen. Plan, stop, renew, close
//! and release fail, since they check the fence. If P was about to send its update, EKS takes it
//! for a repetition of the one that S sent for version 7. If S sent none, because another actor had
//! changed A, P overwrites that change: P's last check is behind it. Settling does not check the
//! fence, but P can settle only an `Updated` that EKS has confirmed. If S has settled A by then, P
//! finds the row settled. If P is first, S finds it so, and S counts the ledger's rows again before
//! it closes the rotation.

mod attempt;

use std::time::Duration;

use rerole_core::call::CallError;
use rerole_core::rotation::{AssociationMove, Row, Settled, Step, Unconfirmed};
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::aws::eks::Permit;
use crate::rotate::slice::context::Context;
use crate::rotate::slice::retryable_errors::RetryableErrors;
use crate::rotate::slice::settle::settle;

/// Pause while the lease has to be renewed before the next update.
const RENEWAL_PAUSE: Duration = Duration::from_millis(200);
/// Pause before a cluster that did not respond to its probe is asked again.
const UNREACHABLE_PAUSE: Duration = Duration::from_secs(5);

/// One association in flight.
#[derive(Debug)]
pub(super) struct Mover<'a> {
    slice: &'a Context<'a>,
    row: &'a Row,
    attempts: AssociationMove<'a>,
    /// A permit to update that came when the Describe was already too old. The association keeps
    /// it. Otherwise the next Describe would also be too old when the next permit comes.
    permit: Option<Permit>,
    errors: RetryableErrors<'a>,
}

/// How a mover ended, if not with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MoveEnd {
    /// The row is settled.
    Settled,
    /// The slice is over. The row stays `Pending`.
    SliceOver,
    /// EKS has not accepted the new role in this region yet, and another cluster is asked. If none
    /// is left, the next round starts after this pause. The row stays `Pending`.
    GaveWay {
        pause: Duration,
        /// EKS has refused the role here. Otherwise it has not responded.
        is_refusal: bool,
    },
}

impl<'a> Mover<'a> {
    pub(super) fn new(slice: &'a Context<'a>, row: &'a Row) -> Self {
        Self {
            slice,
            row,
            attempts: AssociationMove::new(slice.request(), row, slice.earlier_slices(row)),
            permit: None,
            errors: RetryableErrors::new(slice, &row.association_arn),
        }
    }

    /// Settles the row, or leaves it `Pending`.
    ///
    /// # Errors
    /// Why this slice could not settle the row.
    pub(super) async fn run(mut self) -> Result<MoveEnd, CallError> {
        if let Some(error) = self.errors.tripped() {
            return Err(error);
        }
        let end = self.attempt_until_end().await;
        self.errors.reset();
        let arn = &self.row.association_arn;
        if self.attempts.is_missing() {
            self.slice
                .change_waiting(arn.region(), |waiting| waiting.missing -= 1);
        }
        let mut state = self.slice.state();
        state.role.end_probe(arn);
        if self.attempts.has_lost_update() && !matches!(end, Ok(MoveEnd::Settled)) {
            state.note_unconfirmed(Unconfirmed::Updates);
        }
        drop(state);
        end
    }

    async fn attempt_until_end(&mut self) -> Result<MoveEnd, CallError> {
        loop {
            if self.slice.check().is_err() {
                self.leave().await?;
                return Ok(MoveEnd::SliceOver);
            }
            if !self.slice.lease.is_fresh() {
                sleep(RENEWAL_PAUSE).await;
                continue;
            }
            let was_missing = usize::from(self.attempts.is_missing());
            let step = self.attempt().await;
            let is_missing = usize::from(self.attempts.is_missing());
            if is_missing != was_missing {
                let region = self.row.association_arn.region();
                self.slice.change_waiting(region, |waiting| {
                    waiting.missing = waiting.missing + is_missing - was_missing;
                });
            }
            if let Some(end) = self.follow(step).await? {
                return Ok(end);
            }
        }
    }

    /// Does what follows from an attempt. Returns `None` if that is another attempt.
    async fn follow(&mut self, step: Step) -> Result<Option<MoveEnd>, CallError> {
        match step {
            Step::DescribeAgain(pause) => {
                self.errors.reset();
                self.pause(pause).await;
                Ok(None)
            }
            Step::Throttled(error) => {
                self.errors.reset();
                self.errors.note_throttle();
                match self.given_up(&error) {
                    Some(settled) => self.settle(settled).await.map(Some),
                    None => Ok(None),
                }
            }
            Step::Retry(pause, error) => self.retry(pause, error).await,
            Step::GiveWay(pause) => {
                self.leave().await?;
                let is_refusal = true;
                Ok(Some(MoveEnd::GaveWay { pause, is_refusal }))
            }
            Step::Settle(settled) => {
                self.errors.note_settled();
                self.settle(settled).await.map(Some)
            }
            Step::Stop(reason, settled) => {
                let is_first = self.slice.state().decide_to_stop();
                if is_first && let Err(error) = self.slice.stop(&reason).await {
                    return self.leave_because_of(error).await.map(Some);
                }
                self.errors.note_settled();
                self.settle(settled).await.map(Some)
            }
            Step::Leave(error) => match self.given_up(&error) {
                Some(settled) => self.settle(settled).await.map(Some),
                None => self.leave_because_of(error).await.map(Some),
            },
        }
    }

    /// Pauses after a retryable error. What an update of the probe has done has to be found out.
    /// But Describes that fail say nothing of the role, so another cluster is asked.
    async fn retry(
        &mut self,
        pause: Duration,
        error: CallError,
    ) -> Result<Option<MoveEnd>, CallError> {
        if let Some(settled) = self.given_up(&error) {
            return self.settle(settled).await.map(Some);
        }
        self.errors.count();
        if self.errors.is_failing() && self.is_unproven() && !self.attempts.has_lost_update() {
            self.errors.note_unsettled(&error);
            self.leave().await?;
            return Ok(Some(MoveEnd::GaveWay {
                pause: UNREACHABLE_PAUSE,
                is_refusal: false,
            }));
        }
        self.pause(pause).await;
        Ok(None)
    }

    async fn settle(&self, settled: Box<Settled>) -> Result<MoveEnd, CallError> {
        settle(self.slice, self.row, *settled).await?;
        Ok(MoveEnd::Settled)
    }

    /// Returns how the row fails, if its cluster has had retryable errors for too long, or its
    /// region throttles.
    fn given_up(&self, error: &CallError) -> Option<Box<Settled>> {
        let since = self.errors.given_up_since(error)?;
        let now = self.slice.aws.now();
        Some(self.attempts.give_up(since, error.clone(), now))
    }

    /// Returns whether EKS has not accepted the new role in this region yet.
    fn is_unproven(&self) -> bool {
        self.slice.probes_in(self.row.association_arn.region())
    }

    /// Returns whether the association may be updated: EKS has accepted the new role in its region,
    /// or it is the region's probe. Another one may be if EKS did not find this one at first.
    fn may_be_updated(&self) -> bool {
        !self.is_unproven() || {
            let mut state = self.slice.state();
            state.role.begin_probe(&self.row.association_arn)
        }
    }

    /// Waits before the next call. Meanwhile others of the region may be started.
    async fn pause(&self, pause: Duration) {
        if pause.is_zero() {
            return;
        }
        let region = self.row.association_arn.region();
        self.slice
            .change_waiting(region, |waiting| waiting.pausing += 1);
        self.slice.wake.notify_one();
        let until = (Instant::now() + pause).min(self.slice.ends_at);
        tokio::time::sleep_until(until).await;
        self.slice
            .change_waiting(region, |waiting| waiting.pausing -= 1);
    }

    /// Leaves the row `Pending` because of an error.
    async fn leave_because_of(&self, error: CallError) -> Result<MoveEnd, CallError> {
        let arn = &self.row.association_arn;
        warn!(association = %arn, %error, "association stays pending");
        self.errors.note_unsettled(&error);
        self.leave().await?;
        Err(error)
    }

    /// Leaves the row `Pending`, with the refusals that the next slice's tokens continue from.
    async fn leave(&self) -> Result<(), CallError> {
        match self.attempts.unsaved_refusals() {
            Some(refusals) if self.slice.lease.is_held() => {
                let rows = self.slice.aws.ledger.rows(self.slice.key());
                rows.save_refusals(self.row, refusals).await
            }
            _ => Ok(()),
        }
    }
}
