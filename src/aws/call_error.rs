//! Turns an SDK error into a [`CallError`], which is plain data. No code outside `src/aws` sees the
//! SDK's error types. What an error code means is decided in `rerole_core::call`.

use std::error::Error;
use std::iter::successors;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use rerole_core::call::{CallError, ErrorClass, FailedCall, Failure, Operation};

/// Creates the error of an operation that failed with `error`, and classifies it.
pub fn call_error<E>(operation: Operation<'_>, error: &SdkError<E, HttpResponse>) -> CallError
where
    E: ProvideErrorMetadata + Error + 'static,
    SdkError<E, HttpResponse>: RequestId,
{
    let code = error.code().map(str::to_owned);
    let message = error.message().map(str::to_owned);
    let class = match error {
        // The SDK could not build the request, so a retry would fail in the same way.
        SdkError::ConstructionFailure(_) => ErrorClass::Terminal,
        // Without a response that can be parsed, whether the call took effect is unknown.
        SdkError::ResponseError(_) | SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) => {
            ErrorClass::Transient
        }
        _ => ErrorClass::of(Failure {
            code: code.as_deref(),
            status: error
                .raw_response()
                .map(|response| response.status().as_u16()),
            message: message.as_deref(),
        }),
    };
    CallError::from(FailedCall {
        operation: operation.name,
        subject: operation.subject.to_string(),
        class,
        message: message.unwrap_or_else(|| causes(error)),
        request_id: error.request_id().map(str::to_owned),
        code,
        retry_after_secs: error.raw_response().and_then(retry_after_secs),
        no_response: error.raw_response().is_none(),
    })
}

/// Returns the header `retry-after` as a number of seconds. It can also be a date, but AWS sends
/// none.
fn retry_after_secs(response: &HttpResponse) -> Option<u16> {
    let secs: u64 = response.headers().get("retry-after")?.trim().parse().ok()?;
    Some(u16::try_from(secs).unwrap_or(u16::MAX))
}

/// Returns an error and its causes in one line. One that only repeats its cause is left out.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let chain = successors(Some(error), |&error| error.source());
    let mut texts: Vec<String> = chain
        .map(|error| {
            error
                .to_string()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    texts.dedup();
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<Self>>);

    #[test]
    fn causes_are_one_line_without_repetitions() {
        let io = Layer("connection\n  refused", None);
        let again = Layer("connection refused", Some(Box::new(io)));
        let error = Layer("dispatch failure", Some(Box::new(again)));
        assert_eq!(causes(&error), "dispatch failure: connection refused");
    }
}
