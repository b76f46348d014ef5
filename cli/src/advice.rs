//! What an operator can do about an association that did not move: one table, by how it ended and
//! by the error of EKS. It knows nothing of AWS clients and screens.

use rerole_core::call::{ErrorClass, Failure};
use rerole_core::rotation::UNEXPECTED_RESPONSE;

/// How an association ended, in the words of its row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended<'a> {
    /// The outcome, or `Reverted`.
    pub outcome: &'a str,
    pub error_code: Option<&'a str>,
    pub error_message: Option<&'a str>,
}

/// The status of a response with an error code that says more than the status.
const BAD_REQUEST: u16 = 400;

/// Returns what to do, as a sentence. An outcome that this version does not know has no advice.
pub fn advice(ended: Ended<'_>) -> &'static str {
    match ended.outcome {
        "Pending" => "Wait: the rotation has not reached it yet.",
        "AlreadyCurrent" => "Nothing: it was on the new role before.",
        "Deleted" => "Nothing: it no longer exists in EKS.",
        "Drifted" => {
            "Find out who put it on a third role. rerole does not touch it; if it should be on the \
             new role, change it where it is defined."
        }
        "OwnedByAddon" => {
            "Change the role in the configuration of the add-on (aws eks update-addon), since rerole \
             leaves add-ons alone. Then retry the rotation, which settles it again."
        }
        "NotAttempted" => "Remove what stopped the rotation, which its reason says, and retry it.",
        "ChangedSince" => {
            "Find out who changed it after the rotation. If it should be on the old role all the \
             same, roll back again with --include-changed."
        }
        "Reverted" => {
            "Change its role where it is defined, for example in Terraform, and rotate again: \
             otherwise the same caller moves it back again."
        }
        "Failed" => failure(ended),
        _ => "",
    }
}

/// What to do about an error of EKS.
fn failure(ended: Ended<'_>) -> &'static str {
    let says = |text: &str| ended.error_message.is_some_and(|it| it.contains(text));
    if ended.error_code == Some(UNEXPECTED_RESPONSE) {
        return "Look at the association in EKS and in CloudTrail: another caller changed it in the \
                same moment, or EKS changed more than it was asked to. Then retry the rotation.";
    }
    match class(ended) {
        ErrorClass::Throttled => {
            "EKS throttled every call for half an hour. Find out in CloudTrail who else calls it, \
             and retry the rotation."
        }
        ErrorClass::Transient => {
            "EKS or the network gave nothing but temporary errors for half an hour. Check the \
             cluster and the AWS Health Dashboard, and retry the rotation."
        }
        ErrorClass::RoleNotReady if says("iam:") => {
            "Allow the rotate function iam:PassRole and iam:GetRole on the new role, and retry the \
             rotation."
        }
        ErrorClass::RoleNotReady => {
            "Create the new role, or let its trust policy allow pods.eks.amazonaws.com \
             sts:AssumeRole and sts:TagSession, and retry the rotation."
        }
        ErrorClass::Denied => {
            "Allow the rotate function what the message names; also look for a service control \
             policy that denies it. Then retry the rotation."
        }
        ErrorClass::NotFound => {
            "The cluster or the association disappeared while it was being moved. Build the index, \
             and retry the rotation."
        }
        ErrorClass::Unsupported => {
            "EKS does not support Pod Identity associations for this cluster. Leave it out with the \
             parameter IndexExclude of the stack."
        }
        ErrorClass::Terminal => {
            "EKS refused the update for the reason in its message. Remove the reason, and retry the \
             rotation."
        }
    }
}

/// The class of the error. Without a code of EKS, a row has the name of the class as its code.
fn class(ended: Ended<'_>) -> ErrorClass {
    match ended.error_code {
        Some("Throttled") => ErrorClass::Throttled,
        Some("Transient") => ErrorClass::Transient,
        Some("Denied") => ErrorClass::Denied,
        code => ErrorClass::of(Failure {
            code,
            status: Some(BAD_REQUEST),
            message: ended.error_message,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(code: &str, message: &str) -> &'static str {
        advice(Ended {
            outcome: "Failed",
            error_code: Some(code),
            error_message: Some(message),
        })
    }

    #[test]
    fn each_error_has_its_advice() {
        for (code, message, expected) in [
            ("UnexpectedResponse", "", "another caller changed it"),
            ("TooManyRequestsException", "", "throttled"),
            ("Throttled", "", "throttled"),
            ("Transient", "connection reset", "temporary errors"),
            (
                "InvalidParameterException",
                "Role provided in the request does not exist",
                "Create the new role",
            ),
            (
                "AccessDeniedException",
                "not authorized to perform: iam:PassRole",
                "iam:PassRole",
            ),
            ("AccessDeniedException", "explicit deny", "service control"),
            ("ResourceNotFoundException", "", "disappeared"),
            ("ClientException", "is not supported", "IndexExclude"),
            ("InvalidRequestException", "", "refused"),
        ] {
            let text = failed(code, message);
            assert!(text.contains(expected), "{code} {message}: {text}");
        }
    }

    #[test]
    fn each_outcome_that_did_not_move_has_advice() {
        for outcome in [
            "Pending",
            "AlreadyCurrent",
            "Deleted",
            "Drifted",
            "OwnedByAddon",
            "NotAttempted",
            "ChangedSince",
            "Reverted",
            "Failed",
        ] {
            let ended = Ended {
                outcome,
                ..Ended::default()
            };
            assert_ne!(advice(ended), "", "{outcome}");
        }
    }
}
