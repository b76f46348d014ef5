//! The one table from an AWS error to what it means for us. Codes and HTTP statuses decide, never message texts, with the
//! one exception that is marked below.
//!
//! The shell reads code and status off the typed SDK error (`aws/error.rs`) and asks here.

/// What an error means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Too many calls. It passes; nothing was done.
    Throttled,
    /// It passes by itself. Whether the call took effect is unknown.
    Transient,
    /// EKS does not see the new role yet, or its trust policy does not let Pod Identity assume it. IAM is eventually
    /// consistent, so that either may pass within seconds, or not.
    RoleNotReady,
    /// The caller may not do this.
    Denied,
    /// The thing does not exist.
    NotFound,
    /// A definitive no.
    Terminal,
}

impl ErrorClass {
    /// Whether the same call may well succeed a little later, so that the error is not final.
    #[must_use]
    pub fn is_passing(self) -> bool {
        matches!(self, Self::Throttled | Self::Transient)
    }
}

/// How a call failed, without any SDK type.
#[derive(Debug, Clone, Copy, Default)]
pub struct Failure<'a> {
    /// The error code (`x-amzn-errortype` or `__type`). Absent where the answer had none, or none came.
    pub code: Option<&'a str>,
    /// The HTTP status. Absent where no answer came: a timeout, a connection that broke.
    pub status: Option<u16>,
    pub message: Option<&'a str>,
}

/// Codes for "too many calls": those of the SDK's own list, and EKS's unmodelled `TooManyRequestsException`.
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
    // Reasons within a TransactionCanceledException have names of their own.
    "ProvisionedThroughputExceeded",
    "ThrottlingError",
];

/// Codes for what passes by itself. Expired credentials are here because a new sandbox brings new ones: they say nothing
/// about the association at hand.
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

/// EKS has no code for a role that it cannot use: it says `InvalidParameterException` for every bad parameter. These are
/// the texts that Terraform's AWS provider matches, too (terraform-provider-aws PR 34717 and issue 41483).
const ROLE_NOT_READY_MESSAGES: &[&str] =
    &["Role provided in the request does not exist", "Trust policy of the role provided is invalid"];

/// Classifies a failed call.
#[must_use]
pub fn classify(failure: Failure<'_>) -> ErrorClass {
    let is = |codes: &[&str]| failure.code.is_some_and(|code| codes.contains(&code));
    if is(THROTTLED) {
        return ErrorClass::Throttled;
    }
    if is(TRANSIENT) {
        return ErrorClass::Transient;
    }
    if is(DENIED) {
        return ErrorClass::Denied;
    }
    if is(NOT_FOUND) {
        return ErrorClass::NotFound;
    }
    if is(&["InvalidParameterException"]) {
        let message = failure.message.unwrap_or_default();
        let not_ready = ROLE_NOT_READY_MESSAGES.iter().any(|text| message.contains(text));
        return if not_ready { ErrorClass::RoleNotReady } else { ErrorClass::Terminal };
    }
    match failure.status {
        Some(429) => ErrorClass::Throttled,
        // No answer came, or the service is in trouble.
        None | Some(500..) => ErrorClass::Transient,
        // An unknown code with a plain status, or a proxy's answer without a code. A plain 404 is not "not found": it is
        // what a wrong endpoint answers, and would make a whole fleet look deleted.
        Some(401 | 403) => ErrorClass::Denied,
        Some(_) => ErrorClass::Terminal,
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorClass::*;
    use super::*;

    #[test]
    fn every_error_has_its_class() {
        for (code, status, message, expected) in [
            // Throttles: modelled nowhere in EKS.
            (Some("TooManyRequestsException"), Some(429), "", Throttled),
            (Some("ThrottlingException"), Some(400), "", Throttled),
            (None, Some(429), "", Throttled),
            (Some("SomethingNew"), Some(429), "", Throttled),
            (Some("ProvisionedThroughputExceededException"), Some(400), "", Throttled),
            (Some("RequestLimitExceeded"), Some(400), "", Throttled),
            (Some("TransactionInProgressException"), Some(400), "", Throttled),
            (Some("ThrottlingError"), None, "", Throttled),
            // What passes.
            (Some("ServerException"), Some(500), "", Transient),
            (Some("InternalServerError"), Some(500), "", Transient),
            (Some("TransactionConflictException"), Some(400), "", Transient),
            (Some("TransactionConflict"), None, "", Transient),
            (Some("ExpiredTokenException"), Some(400), "", Transient),
            (Some("SomethingNew"), Some(503), "", Transient),
            (None, Some(502), "", Transient),
            (None, None, "connection reset", Transient),
            // The one place where a text decides.
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
            (Some("InvalidParameterException"), Some(400), "something else", Terminal),
            (Some("InvalidRequestException"), Some(400), "Role provided in the request does not exist.", Terminal),
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
            (Some("ConditionalCheckFailedException"), Some(400), "", Terminal),
            (Some("SomethingNew"), Some(400), "", Terminal),
        ] {
            let class = classify(Failure { code, status, message: Some(message) });
            assert_eq!(class, expected, "{code:?} {status:?} {message}");
        }
    }

    #[test]
    fn no_code_stands_in_two_rows() {
        let mut codes: Vec<&str> = [THROTTLED, TRANSIENT, DENIED, NOT_FOUND].concat();
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all);
    }
}
