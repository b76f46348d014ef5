//! Sends the update of one association, and decides what follows from EKS's response or error. Why
//! each error leads back to Describe is explained in `associate`.

use std::time::Duration;

use rerole_core::call::{CallError, ErrorClass};
use rerole_core::resource::{Association, RoleFields};
use rerole_core::rotation::{
    Ending, RowError, Stop, Token, UNEXPECTED_RESPONSE, contradictions, ending_after_stop,
};
use tracing::debug;

use crate::aws::eks::{Observed, Permit, UpdateError, Updated};
use crate::rotate::slice::attempts::{Attempts, Step};
use crate::rotate::slice::context::Slice;

/// Pause while the ledger records the decision to stop.
const STOP_PAUSE: Duration = Duration::from_millis(100);

impl Slice<'_> {
    /// Updates an association that is on the old role and may be moved, unless this is a dry run or
    /// the rotation stops.
    pub(super) async fn update(
        &self,
        attempts: &mut Attempts,
        observed: &Observed,
        fields: RoleFields,
    ) -> Step {
        let association = &observed.association;
        let token = self.token(attempts, association, fields);
        if self.request().dry_run {
            let ending = Ending::WouldUpdate { token, fields };
            return self.settle_as(attempts, Some(association), ending);
        }
        if let Some(step) = self.step_while_stopping(attempts, association) {
            return step;
        }
        let region = association.association_arn.region();
        let Some(permit) = self.acquire_permit(attempts, region).await else {
            return Step::DescribeAgain(Duration::ZERO);
        };
        // Describe and permit may have taken a while. The lease must outlive the update, and the
        // rotation may have to stop by now.
        if self.check().is_err() || self.state().stop != Stop::No {
            return Step::DescribeAgain(Duration::ZERO);
        }
        let new_role = &self.request().new_role_arn;
        let result = self
            .aws
            .eks
            .update_role(permit, observed, fields, new_role, &token)
            .await;
        attempts.sent += u32::from(!result.as_ref().is_err_and(UpdateError::had_no_effect));
        match result {
            Ok(updated) => self.check_response(attempts, association, fields, token, updated),
            Err(UpdateError::Stale(permit)) => {
                attempts.permit = Some(permit);
                Step::DescribeAgain(Duration::ZERO)
            }
            Err(UpdateError::Malformed(CallError {
                message,
                request_id,
                ..
            })) => self.contradicted(attempts, association, token, message, request_id),
            Err(UpdateError::Call(error)) => {
                self.handle_error(attempts, association, token, error).await
            }
        }
    }

    fn token(&self, attempts: &Attempts, observed: &Association, fields: RoleFields) -> Token {
        let request = self.request();
        let changes: Vec<_> = fields
            .iter()
            .map(|field| (field.name(), request.new_role_arn.as_str()))
            .collect();
        Token::new(
            &request.rotation_id,
            &observed.association_arn,
            observed.modified_at,
            &changes,
            attempts.refusals,
        )
    }

    /// Returns what follows if the rotation stops, or may have to. `None` if the update may be
    /// sent.
    fn step_while_stopping(&self, attempts: &mut Attempts, observed: &Association) -> Option<Step> {
        match &self.state().stop {
            Stop::No => None,
            Stop::Deciding | Stop::Unrecorded => Some(Step::DescribeAgain(STOP_PAUSE)),
            Stop::Recorded(_) => {
                let sent = attempts.last_refusal.take().or(attempts.lost.take());
                let ending = ending_after_stop(sent);
                Some(self.settle_as(attempts, Some(observed), ending))
            }
        }
    }

    /// Returns the permit that an earlier attempt kept, or waits for the next one of the region.
    async fn acquire_permit(&self, attempts: &mut Attempts, region: &str) -> Option<Permit> {
        let kept = attempts.permit.take().filter(|permit| !permit.is_expired());
        match kept {
            Some(_) => kept,
            None => {
                self.aws
                    .eks
                    .acquire_update(region, self.permit_deadline())
                    .await
            }
        }
    }

    /// Checks the response to an update. It must show the requested change, at a version no older
    /// than before, and no other change. If it shows anything else, EKS does not behave as this
    /// program assumes, and the rotation stops.
    fn check_response(
        &self,
        attempts: &Attempts,
        before: &Association,
        fields: RoleFields,
        token: Token,
        updated: Updated,
    ) -> Step {
        let Updated {
            association: after,
            request_id,
        } = updated;
        let problems = contradictions(before, fields, &self.request().new_role_arn, &after);
        if problems.is_empty() {
            self.state().note_role_works();
            let ending = Ending::Updated {
                token,
                fields,
                request_id,
                response: Box::new(after),
            };
            return self.settle_as(attempts, Some(before), ending);
        }
        let message = format!("EKS's response to the update {}", problems.join(" and "));
        self.contradicted(attempts, &after, token, message, request_id)
    }

    /// Settles an association whose response contradicts the request, and stops all writes from
    /// here on. The row is settled first and the stop recorded after it, so the next slice finds at
    /// least the row.
    fn contradicted(
        &self,
        attempts: &Attempts,
        seen: &Association,
        token: Token,
        message: String,
        request_id: Option<String>,
    ) -> Step {
        self.state().decide_to_stop();
        let ending = Ending::Failed {
            token: Some(token),
            error: RowError {
                class: ErrorClass::Terminal,
                code: UNEXPECTED_RESPONSE.to_owned(),
                message,
                request_id,
            },
        };
        self.settle_as(attempts, Some(seen), ending)
    }

    async fn handle_error(
        &self,
        attempts: &mut Attempts,
        before: &Association,
        token: Token,
        error: CallError,
    ) -> Step {
        match error.class {
            // EKS did nothing, and the pacer knows of the throttle.
            ErrorClass::Throttled => Step::DescribeAgain(Duration::ZERO),
            ErrorClass::Transient => {
                attempts.lost = Some((token, error.clone()));
                attempts.retry(error)
            }
            // Most likely deleted between Describe and Update. The next Describe shows it.
            ErrorClass::NotFound => attempts.retry(error),
            ErrorClass::RoleNotReady => self.wait_for_role(attempts, before, token, error).await,
            ErrorClass::Denied | ErrorClass::Terminal => {
                self.settle_as(attempts, Some(before), Ending::failed(Some(token), error))
            }
        }
    }

    /// EKS cannot use the new role yet, or not at all. The refusal is definitive, so the next
    /// update has another token.
    async fn wait_for_role(
        &self,
        attempts: &mut Attempts,
        before: &Association,
        token: Token,
        error: CallError,
    ) -> Step {
        attempts.refusals += 1;
        let wait_left = self.state().role_not_ready(self.elapsed());
        if wait_left.is_zero() {
            let reason = format!("the new role cannot be used: {}", error.message);
            let is_first = self.state().decide_to_stop();
            if is_first && let Err(error) = self.stop(&reason).await {
                return Step::Leave(error);
            }
            return self.settle_as(attempts, Some(before), Ending::failed(Some(token), error));
        }
        let pause = attempts.role_pause().min(wait_left);
        debug!(%error, ?pause, "new role not ready");
        attempts.last_refusal = Some((token, error));
        Step::DescribeAgain(pause)
    }
}
