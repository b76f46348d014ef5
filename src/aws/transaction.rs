//! DynamoDB transactions: all or nothing, tried again while only another transaction stood in the way.

use std::time::Duration;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};

use tokio::time::Instant;

use super::DYNAMODB_OPERATION_TIMEOUT;
use super::error::CallError;
use super::ledger::Ledger;
use crate::classify::{ErrorClass, Failure, classify};

/// A transaction that met another one is cancelled, not queued. Ours conflict only with each other's short ones, so a few
/// tries are plenty.
const TRANSACTION_TRIES: u32 = 8;
/// A transaction takes at most this long: the tries that begin within one operation's time, and that time once more.
pub(crate) const TRANSACTION_TIMEOUT: Duration = DYNAMODB_OPERATION_TIMEOUT.saturating_mul(2);
/// Doubled after each try.
const TRANSACTION_BACKOFF: Duration = Duration::from_millis(50);
/// A transaction that was cancelled for a condition of ours, with DynamoDB's reason for each item.
pub(super) enum Transacted {
    Done,
    Cancelled(Vec<CancellationReason>),
}

impl Ledger {
    /// Writes all of `items` or none, and tries again while only other transactions or throttles stood in the way.
    pub(super) async fn transact(
        &self,
        operation: &'static str,
        subject: &str,
        items: Vec<TransactWriteItem>,
    ) -> Result<Transacted, CallError> {
        let began = Instant::now();
        let mut tries = 0;
        // One token for all tries that may have taken effect without our knowing: DynamoDB answers a repeat of a
        // transaction that it has done with "done", and not with a condition that fails because of it.
        let mut token = idempotency_token();
        loop {
            tries += 1;
            let call = self.client.transact_write_items().set_transact_items(Some(items.clone()));
            let Err(error) = call.client_request_token(&token).send().await else { return Ok(Transacted::Done) };
            let reasons = match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    cancelled.cancellation_reasons().to_vec()
                }
                _ => vec![],
            };
            if reasons.iter().any(is_condition) {
                return Ok(Transacted::Cancelled(reasons));
            }
            // An unknown reason is taken for a definitive one, like an unknown code of a plain bad request.
            let passing = |code| classify(Failure { code: Some(code), status: Some(400), message: None }).is_passing();
            let in_the_way = reasons.iter().filter_map(CancellationReason::code).any(passing);
            let mut call = CallError::new(operation, subject, &error);
            if in_the_way {
                call.class = ErrorClass::Throttled;
            }
            let pause = TRANSACTION_BACKOFF * 2_u32.pow(tries - 1);
            let out_of_time = began.elapsed() + pause >= DYNAMODB_OPERATION_TIMEOUT;
            if !call.class.is_passing() || tries == TRANSACTION_TRIES || out_of_time {
                return Err(call);
            }
            if in_the_way {
                // Cancelled is definitive: the next try is another transaction.
                token = idempotency_token();
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// DynamoDB takes up to 36 characters.
fn idempotency_token() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// Whether a transaction was cancelled because the condition of this item did not hold.
pub(super) fn is_condition(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

/// An item of a transaction; the builders only fail where a required member was left out.
pub(super) fn built<E: std::fmt::Display>(
    operation: &'static str,
    subject: &str,
    item: Result<TransactWriteItem, E>,
) -> Result<TransactWriteItem, CallError> {
    item.map_err(|error| CallError::malformed_answer(operation, subject, error.to_string()))
}
