//! DynamoDB transactions: all parts are carried out or none, with retries while another transaction
//! or a throttle blocks them. Which parts belong together is up to the caller.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, ConditionCheck, TransactWriteItem};
use rerole_core::call::{Backoff, CallError, ErrorClass, Failure, Operation};
use tokio::time::Instant;

use crate::aws::call_error::call_error;
use crate::aws::dynamodb::{Condition, DYNAMODB_OPERATION_TIMEOUT, Item, Write};

/// The longest time that a transaction takes: attempts start within the time of one operation, and
/// the last one may take that time again.
pub(crate) const TRANSACTION_TIMEOUT: Duration = DYNAMODB_OPERATION_TIMEOUT.saturating_mul(2);
/// DynamoDB cancels a transaction that conflicts with another one; it does not queue it. Only
/// rerole's own transactions use these items, and each is short, so a few attempts are enough.
const TRANSACTION_ATTEMPTS: u32 = 8;
/// Pauses between the attempts. The time of one operation limits them.
const TRANSACTION_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    max: DYNAMODB_OPERATION_TIMEOUT,
};

/// A part of a transaction.
#[derive(Debug, Clone)]
pub(crate) enum TransactionPart {
    Write(Write),
    /// The condition must hold for the item under this key, which stays as it is.
    Check(Item, Condition),
}

/// The result of a transaction that DynamoDB decided.
#[derive(Debug)]
pub(crate) enum Transacted {
    Done,
    /// A condition did not hold. There is one entry for each part, in the order of the parts.
    Refused(Vec<Refusal>),
}

/// Whether a part's condition failed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Refusal {
    /// The condition did not fail.
    None,
    /// The condition failed. `found` is the item, if the write asks for it.
    Condition { found: Option<Item> },
}

impl Transacted {
    /// Returns whether this part's condition failed.
    #[must_use]
    pub(crate) fn is_refused(&self, part: usize) -> bool {
        match self {
            Self::Done => false,
            Self::Refused(refusals) => refusals.get(part).is_some_and(Refusal::is_condition),
        }
    }
}

impl Refusal {
    #[must_use]
    pub(crate) fn is_condition(&self) -> bool {
        matches!(self, Self::Condition { .. })
    }

    fn of(reason: &CancellationReason) -> Self {
        match reason.code() {
            Some("ConditionalCheckFailed") => Self::Condition {
                found: reason.item().cloned(),
            },
            _ => Self::None,
        }
    }
}

impl From<Write> for TransactionPart {
    fn from(write: Write) -> Self {
        Self::Write(write)
    }
}

impl TransactionPart {
    /// Returns these writes as parts of a transaction.
    pub(crate) fn all(writes: Vec<Write>) -> Vec<Self> {
        writes.into_iter().map(Self::from).collect()
    }

    #[expect(
        clippy::expect_used,
        reason = "all fields that the SDK requires are set"
    )]
    pub(super) fn into_transact_item(self, table: &str) -> TransactWriteItem {
        let (key, condition) = match self {
            Self::Write(write) => return write.into_transact_item(table),
            Self::Check(key, condition) => (key, condition),
        };
        let (condition, placeholders) = condition.into_parts();
        let (names, values) = placeholders.into_parts();
        let check = ConditionCheck::builder()
            .table_name(table)
            .set_key(Some(key))
            .condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .build()
            .expect("table, key and condition are set");
        TransactWriteItem::builder().condition_check(check).build()
    }
}

/// Carries out all of `items` or none. Retries while only other transactions or throttles are in
/// the way.
pub(super) async fn transact(
    client: &Client,
    operation: Operation<'_>,
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
                cancelled.cancellation_reasons()
            }
            _ => &[],
        };
        let refusals: Vec<Refusal> = reasons.iter().map(Refusal::of).collect();
        if refusals.iter().any(Refusal::is_condition) {
            return Ok(Transacted::Refused(refusals));
        }
        let is_blocked = reasons.iter().any(is_retryable);
        let mut failed = call_error(operation, &error);
        if is_blocked {
            failed.class = ErrorClass::Throttled;
        }
        let pause = TRANSACTION_BACKOFF.pause(attempts);
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

/// Returns whether this part was cancelled for a reason that passes. An unknown reason counts as
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
