//! Moves one association, from its `Pending` row to its outcome: Describe → decide → Update →
//! settle. Here are the loop and what follows from each Describe. `update` sends the write and
//! checks the response, `attempts` counts and backs off, `settle` records the outcome.
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
//!    knows nothing else.
//! 2. An update is sent at most 5 s after its Describe (`crate::aws::eks`), and only under a lease
//!    that outlives the call.
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
//! else, EKS's response shows it. That looks like a contradiction, and the rotation stops. If the
//! other actor deleted A, EKS does not find A, and the next Describe settles it as `Deleted`. A
//! change back to the old role after version 8 is a reversion. The sweep or the indexer finds it.
//!
//! **The response is lost.** P describes again:
//!
//! - New role: the update took effect. The row becomes `Updated`, inferred, with the token.
//! - Old role at 7: the update was not applied, or is still on its way, or EKS shows an old view.
//!   P sends the same token again, so it does not matter which.
//! - Old role at another version: another actor changed A. P sends an update with a new token.
//!
//! **P runs out of time.** P cancels no call. It starts no further step, and a row that is not
//! settled by then stays `Pending`.
//!
//! **P loses its lease, or cannot renew it.** P sends no update from the moment when the lease may
//! expire before the call ends, so every update of P has ended before a successor starts. P may
//! still settle what EKS has confirmed. Anything else that P knows may be older than an update of
//! its successor: a late `AlreadyCurrent`, `Drifted` or `NotAttempted` would win by rule 4 and hide
//! that update. P drops it, and the row stays `Pending`.
//!
//! **P dies after the update, before it settles.** The lease expires after at most 45 s. Successor
//! S then acquires it under the next fence, and finds the row `Pending`. If S sees the new role at
//! a version that is newer than the plan's, and not from before the rotation, P most likely wrote
//! it: the row becomes `Updated`, inferred, without a token. If S still sees version 7, it sends
//! the token that P sent, so nothing is written twice even if P's request arrives after S's.
//!
//! **P wakes up while S works**, for example after its sandbox was frozen. Plan, stop, renew, close
//! and release fail, since they check the fence. If P was about to send its update, EKS takes it
//! for a repetition of the one that S sent for version 7. Settling does not check the fence, but P
//! can settle only an `Updated` that EKS has confirmed. If S has settled A by then, P finds the row
//! settled. If P is first, S finds it so, and S counts the ledger's rows again before it closes the
//! rotation.

use std::time::Duration;

use rerole_core::call::{CallError, ErrorClass};
use rerole_core::resource::Association;
use rerole_core::rotation::{
    Action, Ending, Row, Settled, UnconfirmedUpdates, decide, ending_on_new_role,
};
use tokio::time::Instant;
use tracing::warn;

use crate::rotate::slice::attempts::{Attempts, Step};
use crate::rotate::slice::context::Slice;

/// The longest that a call waits for its permit. After that the loop checks again whether there is
/// time, a lease, and a reason to continue.
const PERMIT_WAIT_MAX: Duration = Duration::from_secs(10);

impl Slice<'_> {
    /// Settles the row, or leaves it `Pending` because the slice is over.
    ///
    /// # Errors
    /// Why this slice could not settle the row.
    pub(super) async fn associate(&self, row: Row) -> Result<(), CallError> {
        let region = row.association_arn.region();
        let tripped = self.state().circuit_breaker.tripped(region);
        if let Some(error) = tripped {
            return Err(error);
        }
        let mut attempts = Attempts::after(row.refusals);
        loop {
            if self.check().is_err() {
                return self.leave(&row, &attempts).await;
            }
            match self.attempt(&row, &mut attempts).await {
                Step::Settle(settled) => {
                    self.state().circuit_breaker.note_success(region);
                    return self.settle(&row, *settled).await;
                }
                Step::DescribeAgain(pause) => {
                    let until = (Instant::now() + pause).min(self.ends_at);
                    tokio::time::sleep_until(until).await;
                }
                Step::Leave(error) => {
                    warn!(association = %row.association_arn, %error, "association stays pending");
                    self.state().circuit_breaker.note_failure(region, &error);
                    self.leave(&row, &attempts).await?;
                    return Err(error);
                }
            }
        }
    }

    /// Describes the association, and does what `decide` says.
    async fn attempt(&self, row: &Row, attempts: &mut Attempts) -> Step {
        let observed = match self
            .aws
            .eks
            .describe(&row.association_arn, self.permit_deadline())
            .await
        {
            Ok(observed) => observed,
            Err(error) if error.class == ErrorClass::Throttled => {
                return Step::DescribeAgain(Duration::ZERO);
            }
            Err(error) if error.class.is_retryable() => return attempts.retry(error),
            Err(error) => return self.settle_as(attempts, None, Ending::failed(None, error)),
        };
        let association = observed.as_ref().map(|observed| &observed.association);
        let ending = match (decide(self.request(), association), &observed) {
            (Action::Update(fields), Some(observed)) => {
                return self.update(attempts, observed, fields).await;
            }
            (Action::AlreadyCurrent, Some(observed)) => {
                ending_on_new_role(row, &observed.association, self.unconfirmed(attempts))
            }
            (Action::Drifted, _) => Ending::Drifted,
            (Action::OwnedByAddon, _) => Ending::OwnedByAddon,
            // `decide` returns the other actions only for an association that EKS showed.
            (Action::Deleted | Action::Update(_) | Action::AlreadyCurrent, _) => Ending::Deleted,
        };
        self.settle_as(attempts, association, ending)
    }

    /// Returns the updates of this rotation that may have taken effect unnoticed.
    fn unconfirmed<'a>(&self, attempts: &'a Attempts) -> UnconfirmedUpdates<'a> {
        let may_have_written = self.is_resumed() && !self.request().dry_run;
        UnconfirmedUpdates {
            of_this_slice: attempts.lost.as_ref().map(|(token, _)| token),
            of_earlier_slices_since: may_have_written.then_some(self.record.started_at),
        }
    }

    /// Leaves the row `Pending`, with the refusals that the next slice's tokens continue from.
    async fn leave(&self, row: &Row, attempts: &Attempts) -> Result<(), CallError> {
        if attempts.refusals > row.refusals && self.lease.is_held() {
            self.aws
                .ledger
                .save_refusals(row, attempts.refusals)
                .await?;
        }
        Ok(())
    }

    pub(super) fn settle_as(
        &self,
        attempts: &Attempts,
        observed: Option<&Association>,
        ending: Ending,
    ) -> Step {
        Step::Settle(Box::new(Settled {
            ending,
            observed: observed.cloned(),
            attempts: attempts.sent,
            at: self.aws.now(),
        }))
    }

    /// Returns until when a call may wait for its permit.
    pub(super) fn permit_deadline(&self) -> Instant {
        (Instant::now() + PERMIT_WAIT_MAX).min(self.ends_at)
    }
}
