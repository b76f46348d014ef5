//! The table that maps an AWS error to its meaning for rerole.
//!
//! Error codes and HTTP statuses decide, never message texts, except for answers about the new role
//! (`ROLE_NOT_READY_MESSAGES`, `ROLE_PERMISSIONS`). `src/aws/call_error.rs` reads code and status
//! from the SDK error.

/// Codes for too many calls: the SDK's own list, and `TooManyRequestsException`, which EKS returns
/// but does not have in its service model.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>
const THROTTLED: &[&str] = &[
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
    // Cancellation reasons in a TransactionCanceledException have other names.
    "ProvisionedThroughputExceeded",
    "ThrottlingError",
];

/// Codes for temporary errors. Expired credentials are among them: a new execution environment has
/// new ones, and the error says nothing about the association.
const TRANSIENT: &[&str] = &[
    "ExpiredToken",
    "ExpiredTokenException",
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "ReplicatedWriteConflictException",
    "RequestExpired",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServerException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "TransactionConflict",
    "TransactionConflictException",
];

const DENIED: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "NotAuthorized",
    "OptInRequired",
    "SignatureDoesNotMatch",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
];

const NOT_FOUND: &[&str] = &["NotFoundException", "ResourceNotFoundException"];

/// A case in which a message text decides. EKS has no code for a role that it cannot use: it
/// returns `InvalidParameterException` for every invalid parameter. Terraform's AWS provider
/// matches the same texts (terraform-provider-aws PR 34717 and issue 41483).
const ROLE_NOT_READY_MESSAGES: &[&str] = &[
    "Role provided in the request does not exist",
    "Trust policy of the role provided is invalid",
];

/// A second such case: the caller may not hand the new role to pods. IAM may not know its
/// permission for a new role yet, so this is also an answer about the role.
const ROLE_PERMISSIONS: &[&str] = &["iam:PassRole", "iam:GetRole"];

/// What an error means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Too many calls. The call had no effect and can be retried.
    Throttled,
    /// A temporary error. Whether the call took effect is unknown. It can be retried.
    Transient,
    /// An answer about the new role: EKS does not see it, its trust policy does not let Pod
    /// Identity assume it, or the caller may not pass it. IAM is eventually consistent, so any of
    /// them may be temporary or permanent.
    RoleNotReady,
    /// The caller has no permission.
    Denied,
    /// The resource does not exist.
    NotFound,
    /// EKS does not support Pod Identity associations for this cluster.
    Unsupported,
    /// A definitive error. A retry would fail again.
    Terminal,
}

impl ErrorClass {
    /// Returns the class of a failed call.
    #[must_use]
    pub fn of(failure: Failure<'_>) -> Self {
        let is = |codes: &[&str]| failure.code.is_some_and(|code| codes.contains(&code));
        if is(THROTTLED) {
            return Self::Throttled;
        }
        if is(TRANSIENT) {
            return Self::Transient;
        }
        let says = |texts: &[&str]| {
            let message = failure.message.unwrap_or_default();
            texts.iter().any(|text| message.contains(text))
        };
        if is(DENIED) {
            return if says(ROLE_PERMISSIONS) {
                Self::RoleNotReady
            } else {
                Self::Denied
            };
        }
        if is(NOT_FOUND) {
            return Self::NotFound;
        }
        if is(&["InvalidParameterException"]) {
            return if says(ROLE_NOT_READY_MESSAGES) {
                Self::RoleNotReady
            } else {
                Self::Terminal
            };
        }
        if is(&["ClientException"]) && says(&["not supported"]) {
            return Self::Unsupported;
        }
        match failure.status {
            Some(429) => Self::Throttled,
            // No response arrived, or the service has an internal error.
            None | Some(500..) => Self::Transient,
            // An unknown code, or a proxy's response without a code. A 404 without a known code is
            // not `NotFound`: a wrong endpoint responds with it, and rerole would then take every
            // association of the fleet for deleted.
            Some(401 | 403) => Self::Denied,
            Some(_) => Self::Terminal,
        }
    }

    /// Returns whether the same call may succeed if it is retried a little later.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Throttled | Self::Transient)
    }
}

/// How a call failed, without any SDK type.
#[derive(Debug, Clone, Copy, Default)]
pub struct Failure<'a> {
    /// The error code (`x-amzn-errortype` or `__type`). `None` if the response has no code or no
    /// response arrived.
    pub code: Option<&'a str>,
    /// The HTTP status. `None` if no response arrived: a timeout, a broken connection.
    pub status: Option<u16>,
    pub message: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::ErrorClass::*;

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table is as long as its rows")]
    fn every_error_has_its_class() {
        for (code, status, message, expected) in [
            // Throttles. EKS's service model has none of these codes.
            (Some("TooManyRequestsException"), Some(429), "", Throttled),
            (Some("ThrottlingException"), Some(400), "", Throttled),
            (None, Some(429), "", Throttled),
            (Some("SomethingNew"), Some(429), "", Throttled),
            (
                Some("ProvisionedThroughputExceededException"),
                Some(400),
                "",
                Throttled,
            ),
            (Some("RequestLimitExceeded"), Some(400), "", Throttled),
            (
                Some("TransactionInProgressException"),
                Some(400),
                "",
                Throttled,
            ),
            (Some("ThrottlingError"), None, "", Throttled),
            // Temporary errors.
            (Some("ServerException"), Some(500), "", Transient),
            (Some("InternalServerError"), Some(500), "", Transient),
            (
                Some("TransactionConflictException"),
                Some(400),
                "",
                Transient,
            ),
            (Some("TransactionConflict"), None, "", Transient),
            (Some("ExpiredTokenException"), Some(400), "", Transient),
            (Some("SomethingNew"), Some(503), "", Transient),
            (None, Some(502), "", Transient),
            (None, None, "connection reset", Transient),
            // The texts that decide.
            (
                Some("InvalidParameterException"),
                Some(400),
                "Role provided in the request does not exist.",
                RoleNotReady,
            ),
            (
                Some("InvalidParameterException"),
                Some(400),
                "Trust policy of the role provided is invalid.",
                RoleNotReady,
            ),
            (
                Some("InvalidParameterException"),
                Some(400),
                "something else",
                Terminal,
            ),
            (
                Some("InvalidRequestException"),
                Some(400),
                "Role provided in the request does not exist.",
                Terminal,
            ),
            (
                Some("AccessDeniedException"),
                Some(403),
                "User: arn:aws:sts::111122223333:assumed-role/rotate/f is not authorized to \
                 perform: iam:PassRole on resource: arn:aws:iam::111122223333:role/new",
                RoleNotReady,
            ),
            (
                Some("AccessDeniedException"),
                Some(403),
                "not authorized to perform: iam:GetRole on resource: role new",
                RoleNotReady,
            ),
            (
                Some("AccessDeniedException"),
                Some(403),
                "not authorized to perform: eks:UpdatePodIdentityAssociation",
                Denied,
            ),
            (
                Some("ClientException"),
                Some(400),
                "This operation is not supported for local EKS clusters",
                Unsupported,
            ),
            (
                Some("ClientException"),
                Some(400),
                "something else",
                Terminal,
            ),
            // The rest.
            (Some("AccessDeniedException"), Some(403), "", Denied),
            (Some("UnrecognizedClientException"), Some(400), "", Denied),
            (None, Some(403), "", Denied),
            (Some("ResourceNotFoundException"), Some(404), "", NotFound),
            (Some("ResourceNotFoundException"), Some(400), "", NotFound),
            (None, Some(404), "", Terminal),
            (Some("UnknownOperationException"), Some(404), "", Terminal),
            (Some("InvalidRequestException"), Some(400), "", Terminal),
            (Some("ValidationException"), Some(400), "", Terminal),
            (
                Some("ConditionalCheckFailedException"),
                Some(400),
                "",
                Terminal,
            ),
            (Some("SomethingNew"), Some(400), "", Terminal),
        ] {
            let class = ErrorClass::of(Failure {
                code,
                status,
                message: Some(message),
            });
            assert_eq!(class, expected, "{code:?} {status:?} {message}");
        }
    }

    #[test]
    fn only_throttles_and_transient_errors_are_retryable() {
        for (class, is_retryable) in [
            (Throttled, true),
            (Transient, true),
            (RoleNotReady, false),
            (Denied, false),
            (NotFound, false),
            (Unsupported, false),
            (Terminal, false),
        ] {
            assert_eq!(class.is_retryable(), is_retryable, "{class:?}");
        }
    }

    #[test]
    fn no_code_has_two_classes() {
        let mut codes: Vec<&str> = [THROTTLED, TRANSIENT, DENIED, NOT_FOUND].concat();
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all);
    }
}
