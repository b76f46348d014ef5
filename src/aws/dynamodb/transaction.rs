//! DynamoDB transactions: all items are written or none, with retries while another transaction or
//! a throttle blocks them. Which items belong together is up to the caller.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use rerole_core::call::{CallError, ErrorClass, Failure};
use tokio::time::Instant;

use crate::aws::call_error::call_error;
use crate::aws::dynamodb::DYNAMODB_OPERATION_TIMEOUT;

/// The longest time that [`transact`] takes: attempts start within the time of one operation, and
/// the last one may take that time again.
pub const TRANSACTION_TIMEOUT: Duration = DYNAMODB_OPERATION_TIMEOUT.saturating_mul(2);
/// DynamoDB cancels a transaction that conflicts with another one; it does not queue it. Only
/// rerole's own transactions use these items, and each is short, so a few attempts are enough.
const TRANSACTION_ATTEMPTS: u32 = 8;
/// The pause after the first attempt. It doubles after each attempt.
const TRANSACTION_BACKOFF: Duration = Duration::from_millis(50);

/// The result of a transaction that DynamoDB decided.
pub enum Transacted {
    Done,
    /// A condition did not hold. There is one reason for each item, in the order of the items.
    Cancelled(Vec<CancellationReason>),
}

/// Writes all of `items` or none. Retries while only other transactions or throttles are in the
/// way.
///
/// # Errors
/// If DynamoDB cannot be written, or if the retries are used up.
pub async fn transact(
    client: &Client,
    operation: &'static str,
    subject: &str,
    items: Vec<TransactWriteItem>,
) -> Result<Transacted, CallError> {
    let started_at = Instant::now();
    let mut attempts = 0;
    // An attempt may take effect although its response is lost. With the token of that attempt,
    // DynamoDB reports success for the retry. Without it, a condition would fail because of our own
    // write.
    let mut token = idempotency_token();
    loop {
        attempts += 1;
        let call = client
            .transact_write_items()
            .set_transact_items(Some(items.clone()));
        let Err(error) = call.client_request_token(&token).send().await else {
            return Ok(Transacted::Done);
        };
        let reasons = match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                cancelled.cancellation_reasons().to_vec()
            }
            _ => vec![],
        };
        if reasons.iter().any(is_failed_condition) {
            return Ok(Transacted::Cancelled(reasons));
        }
        let is_blocked = reasons.iter().any(is_retryable);
        let mut failed = call_error(operation, subject, &error);
        if is_blocked {
            failed.class = ErrorClass::Throttled;
        }
        let pause = TRANSACTION_BACKOFF * 2_u32.pow(attempts - 1);
        let is_out_of_time = started_at.elapsed() + pause >= DYNAMODB_OPERATION_TIMEOUT;
        if !failed.class.is_retryable() || attempts == TRANSACTION_ATTEMPTS || is_out_of_time {
            return Err(failed);
        }
        if is_blocked {
            // A cancelled transaction has certainly had no effect, so the retry is a new one.
            token = idempotency_token();
        }
        tokio::time::sleep(pause).await;
    }
}

/// Returns whether a transaction was cancelled because the condition of this item did not hold.
pub fn is_failed_condition(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

/// Creates an item of a transaction.
///
/// # Errors
/// If a required field of the item is missing.
pub fn build<E: std::fmt::Display>(
    operation: &'static str,
    subject: &str,
    item: Result<TransactWriteItem, E>,
) -> Result<TransactWriteItem, CallError> {
    item.map_err(|error| CallError::malformed_response(operation, subject, error.to_string()))
}

/// Returns whether this item was cancelled for a reason that passes. An unknown reason counts as
/// permanent, as an unknown code of a response with status 400 does.
fn is_retryable(reason: &CancellationReason) -> bool {
    reason.code().is_some_and(|code| {
        ErrorClass::of(Failure {
            code: Some(code),
            status: Some(400),
            message: None,
        })
        .is_retryable()
    })
}

/// Returns a random token. DynamoDB accepts up to 36 characters.
fn idempotency_token() -> String {
    format!("{:032x}", fastrand::u128(..))
}
