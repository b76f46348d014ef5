//! From a typed SDK error to a classified one. This is the last place where the SDK's type is known, and the only one
//! that looks into it.

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::classify::{ErrorClass, Failure, classify};

/// A call to AWS that failed, after what retries the SDK makes itself.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{operation} {subject}: {}{message}", code.as_ref().map(|code| format!("{code}: ")).unwrap_or_default())]
pub struct CallError {
    /// What was being done, in words: `update association`.
    pub operation: &'static str,
    /// What it was done to: `a-1 in cluster prod`.
    pub subject: String,
    pub class: ErrorClass,
    pub code: Option<String>,
    pub message: String,
    pub request_id: Option<String>,
    /// For how many seconds the service asks to wait.
    pub retry_after_secs: Option<u16>,
    /// No answer came: whether the call arrived is unknown, unless there was no turn for it.
    pub is_unanswered: bool,
}

impl CallError {
    /// Classifies `error`, which came of doing `operation` to `subject`.
    pub fn new<E>(operation: &'static str, subject: impl Into<String>, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        SdkError<E, HttpResponse>: RequestId,
    {
        let code = error.code().map(str::to_owned);
        let message = error.message().map(str::to_owned);
        let class = match error {
            // The request never left: repeating it gives the same again.
            SdkError::ConstructionFailure(_) => ErrorClass::Terminal,
            // An answer that cannot be read says nothing about whether the call took effect, whatever its status.
            SdkError::ResponseError(_) | SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) => {
                ErrorClass::Transient
            }
            _ => classify(Failure {
                code: code.as_deref(),
                status: error.raw_response().map(|response| response.status().as_u16()),
                message: message.as_deref(),
            }),
        };
        Self {
            operation,
            subject: subject.into(),
            class,
            message: message.unwrap_or_else(|| DisplayErrorContext(error).to_string()),
            request_id: error.request_id().map(str::to_owned),
            code,
            retry_after_secs: error.raw_response().and_then(retry_after_secs),
            is_unanswered: error.raw_response().is_none(),
        }
    }

    /// Others came first, again and again: a little later they may not.
    pub fn outrun(operation: &'static str, subject: impl Into<String>, message: String) -> Self {
        Self {
            operation,
            subject: subject.into(),
            class: ErrorClass::Transient,
            code: None,
            message,
            request_id: None,
            retry_after_secs: None,
            is_unanswered: false,
        }
    }

    /// The pacer had no turn for the call in the time that there was. Nothing was sent.
    pub fn no_turn(operation: &'static str, subject: impl Into<String>) -> Self {
        Self {
            operation,
            subject: subject.into(),
            class: ErrorClass::Throttled,
            code: None,
            message: "the pace that EKS allows left no turn for it in time".to_owned(),
            request_id: None,
            retry_after_secs: None,
            is_unanswered: true,
        }
    }

    /// An answer of AWS that breaks its own contract.
    pub fn malformed_answer(operation: &'static str, subject: impl Into<String>, problem: String) -> Self {
        Self {
            operation,
            subject: subject.into(),
            class: ErrorClass::Terminal,
            code: Some("MalformedAnswer".to_owned()),
            message: problem,
            request_id: None,
            retry_after_secs: None,
            is_unanswered: false,
        }
    }
}

/// The header as a number of seconds. Its other form, a date, no AWS service sends.
fn retry_after_secs(response: &HttpResponse) -> Option<u16> {
    let secs: u64 = response.headers().get("retry-after")?.trim().parse().ok()?;
    Some(u16::try_from(secs).unwrap_or(u16::MAX))
}
