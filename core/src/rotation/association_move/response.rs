//! What follows from EKS's response to an update, or from its error.

use crate::call::{CallError, ErrorClass};
use crate::resource::Association;
use crate::rotation::association_move::{AssociationMove, Moment, Sent, Step, Update};
use crate::rotation::{Ending, RoleVerdict, RowError, Token, UNEXPECTED_RESPONSE, contradictions};
use crate::timestamp::Timestamp;

impl AssociationMove<'_> {
    /// Returns what follows from EKS's response to an update. It must show the requested change, at
    /// a version no older than before, and no other change.
    #[must_use]
    pub fn confirmed(
        &self,
        Sent { update, before }: Sent<'_>,
        after: Association,
        request_id: Option<String>,
        now: Timestamp,
    ) -> Step {
        let Update { token, fields } = update;
        let problems = contradictions(before, fields, &self.request.new_role_arn, &after);
        if problems.is_empty() {
            let ending = Ending::Updated {
                token,
                fields,
                request_id,
                response: Box::new(after),
            };
            return self.settle(ending, Some(before), now);
        }
        let message = format!("EKS's response to the update {}", problems.join(" and "));
        let ending = contradicted(token, message, request_id);
        self.settle(ending, Some(&after), now)
    }

    /// Returns what follows if EKS accepted the update, but its response cannot be parsed.
    #[must_use]
    pub fn malformed(&self, sent: Sent<'_>, error: CallError, now: Timestamp) -> Step {
        let error = error.into_failed_call();
        let ending = contradicted(sent.update.token, error.message, error.request_id);
        self.settle(ending, Some(sent.before), now)
    }

    /// Returns what follows from an error of an update. `verdict` returns what an answer about the
    /// new role means, by the number of such answers that this association got in this slice.
    pub fn failed(
        &mut self,
        Sent { update, before }: Sent<'_>,
        mut error: CallError,
        moment: Moment,
        verdict: impl FnOnce(u32) -> RoleVerdict,
    ) -> Step {
        match error.class {
            ErrorClass::Throttled => Step::Throttled(error),
            ErrorClass::Transient => {
                self.lost = Some((update, error.clone()));
                self.lost_at = Some(moment.now);
                self.retry(error, moment)
            }
            // Most likely deleted between Describe and Update. The next Describe shows it.
            ErrorClass::NotFound => self.describe_again(error, moment),
            ErrorClass::RoleNotReady => {
                // The refusal is definitive, so the next update has another token.
                self.refusals += 1;
                self.role_refusals += 1;
                let verdict = verdict(self.role_refusals);
                let (RoleVerdict::ProbeAgain(pause) | RoleVerdict::TryAgain(pause)) = verdict
                else {
                    let reason = self.unusable(&error.message);
                    if self.request.rollback.is_some() {
                        error.message.clone_from(&reason);
                    }
                    let ending = Ending::failed(Some(update.token), error);
                    let settled = self.settled(ending, Some(before), moment.now);
                    return match verdict {
                        RoleVerdict::Unusable => Step::Stop(reason, settled),
                        _ => Step::Settle(settled),
                    };
                };
                self.last_refusal = Some((update, error));
                match verdict {
                    RoleVerdict::ProbeAgain(_) => Step::GiveWay(pause),
                    _ => Step::DescribeAgain(pause),
                }
            }
            ErrorClass::Denied | ErrorClass::Unsupported | ErrorClass::Terminal => {
                let ending = Ending::failed(Some(update.token), error);
                self.settle(ending, Some(before), moment.now)
            }
        }
    }

    /// Returns why a rotation stops whose new role EKS accepts nowhere, and what to do.
    fn unusable(&self, message: &str) -> String {
        let new_role = &self.request.new_role_arn;
        let (which, parameter) = match self.request.rollback {
            None => ("the new role", "RolePath"),
            Some(_) => ("the role to go back to", "OldRolePath"),
        };
        let advice = if message.contains("not authorized") {
            format!(
                "grant the role of the rotate function iam:PassRole and iam:GetRole on {new_role}, \
                 for example by the parameter {parameter}"
            )
        } else if message.contains("not exist") && self.request.rollback.is_some() {
            format!("create {new_role} again, and then send Retry for the rollback")
        } else {
            "let pods.eks.amazonaws.com assume it with sts:AssumeRole and sts:TagSession".to_owned()
        };
        format!("{which} cannot be used: {message}; {advice}")
    }
}

/// Returns the ending of an association about which EKS's response contradicts the request. EKS
/// then does not behave as this program assumes, and the rotation stops.
fn contradicted(token: Token, message: String, request_id: Option<String>) -> Ending {
    Ending::Failed {
        token: Some(token),
        error: RowError {
            class: ErrorClass::Terminal,
            code: UNEXPECTED_RESPONSE.to_owned(),
            message,
            request_id,
        },
    }
}
