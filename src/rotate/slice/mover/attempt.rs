//! The calls of one attempt: Describe, the permit, and the update. The loop over attempts, and the
//! race between them and other actors, are in `mover`.

use std::time::Duration;

use rerole_core::resource::RoleFields;
use rerole_core::rotation::{Decision, Moment, Sent, Step, Stop, Update};
use tokio::time::Instant;
use tracing::debug;

use crate::aws::eks::{Observed, Permit, UpdateError};
use crate::rotate::slice::mover::Mover;

/// The longest that a call waits for its permit. After that the loop checks again whether there is
/// time, a lease, and a reason to continue.
const PERMIT_WAIT_MAX: Duration = Duration::from_secs(10);
/// Pause while another association is the probe of the region.
const PROBE_PAUSE: Duration = Duration::from_secs(1);
/// Pause while the ledger records the decision to stop.
const STOP_PAUSE: Duration = Duration::from_millis(100);

impl Mover<'_> {
    /// Describes the association, and updates it if that is to be done.
    pub(super) async fn attempt(&mut self) -> Step {
        let eks = &self.slice.aws.eks;
        let arn = &self.row.association_arn;
        let described = eks.describe(arn, self.permit_deadline()).await;
        let observed = match described {
            Ok(Some(observed)) => observed,
            Ok(None) => return self.attempts.not_found(self.slice.aws.now()),
            Err(error) => {
                let moment = self.moment(Duration::ZERO);
                return self.attempts.not_described(error, moment);
            }
        };
        let moment = self.moment(observed.age());
        match self.attempts.described(&observed.association, moment) {
            Decision::Update(update) => self.update(update, &observed).await,
            Decision::Plan(fields) => self.plan(fields).await,
            Decision::Step(step) => step,
        }
    }

    /// Records in the row which fields the rotation moves.
    async fn plan(&mut self, fields: RoleFields) -> Step {
        let rows = self.slice.aws.ledger.rows(self.slice.key());
        match rows.save_fields(self.row, fields).await {
            Ok(()) => {
                self.attempts.note_planned(fields);
                Step::DescribeAgain(Duration::ZERO)
            }
            Err(error) => Step::Leave(error),
        }
    }

    /// Sends the update, unless the rotation stops.
    async fn update(&mut self, update: Update, observed: &Observed) -> Step {
        if let Some(step) = self.step_while_stopping(observed) {
            return step;
        }
        if !self.may_be_updated() {
            return Step::DescribeAgain(PROBE_PAUSE);
        }
        let Some(permit) = self.acquire_permit().await else {
            return Step::DescribeAgain(Duration::ZERO);
        };
        // Describe and permit may have taken a while. The lease must outlive the update, and must
        // have been renewed a moment ago, and the rotation may have to stop by now.
        if self.slice.check().is_err() || self.slice.state().stop != Stop::No {
            return Step::DescribeAgain(Duration::ZERO);
        }
        if !self.slice.lease.is_fresh() {
            self.permit = Some(permit);
            return Step::DescribeAgain(Duration::ZERO);
        }
        let new_role = &self.slice.request().new_role_arn;
        let eks = &self.slice.aws.eks;
        let result = eks.update_role(permit, observed, &update, new_role).await;
        if !result.as_ref().is_err_and(UpdateError::had_no_effect) {
            self.attempts.count_sent();
        }
        let moment = self.moment(observed.age());
        let sent = Sent {
            update,
            before: &observed.association,
        };
        match result {
            Ok(updated) => {
                let (after, request_id) = (updated.association, updated.request_id);
                self.attempts.confirmed(sent, after, request_id, moment.now)
            }
            Err(UpdateError::Stale(permit)) => {
                self.permit = Some(permit);
                Step::DescribeAgain(Duration::ZERO)
            }
            Err(UpdateError::Malformed(error)) => self.attempts.malformed(sent, error, moment.now),
            Err(UpdateError::Call(error)) => {
                debug!(association = %self.row.association_arn, %error, "update failed");
                let (slice, region) = (self.slice, self.row.association_arn.region());
                let verdict = |own_refusals| {
                    let elapsed = slice.elapsed();
                    slice
                        .state()
                        .role
                        .note_refusal(region, own_refusals, elapsed)
                };
                self.attempts.failed(sent, error, moment, verdict)
            }
        }
    }

    /// Returns what follows if the rotation stops, or may have to. `None` if the update may be
    /// sent.
    fn step_while_stopping(&mut self, observed: &Observed) -> Option<Step> {
        match &self.slice.state().stop {
            Stop::No => None,
            Stop::Deciding | Stop::NotRecorded | Stop::Unconfirmed => {
                Some(Step::DescribeAgain(STOP_PAUSE))
            }
            Stop::Recorded(_) => {
                let moment = self.moment(observed.age());
                Some(self.attempts.stopped(&observed.association, moment))
            }
        }
    }

    /// Returns the permit that an earlier attempt kept, or waits for the next one of the region.
    async fn acquire_permit(&mut self) -> Option<Permit> {
        let kept = self.permit.take().filter(|permit| !permit.is_expired());
        if kept.is_some() {
            return kept;
        }
        let region = self.row.association_arn.region();
        let eks = &self.slice.aws.eks;
        eks.acquire_update(region, self.permit_deadline()).await
    }

    /// Returns until when a call may wait for its permit.
    fn permit_deadline(&self) -> Instant {
        (Instant::now() + PERMIT_WAIT_MAX).min(self.slice.ends_at)
    }

    /// Now, that long after the last Describe was sent.
    fn moment(&self, age: Duration) -> Moment {
        let now = self.slice.aws.now();
        Moment {
            now,
            asked_at: now - age,
            random: fastrand::f64,
        }
    }
}
