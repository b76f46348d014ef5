//! Why associations of a rotation failed: rows with the same error and advice are one cause.

use std::cmp::Reverse;

use rerole::aws::ledger::{ROW_PAGES, Select};
use rerole::aws::page::paginate;
use rerole_core::call::CallError;
use rerole_core::keys::RotationKey;
use rerole_core::rotation::{Outcome, Row};

use crate::advice::{Ended, advice};
use crate::stack::Stack;

/// A cause for which associations failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub count: u64,
    /// The code and the message of the first of them.
    pub error: String,
    /// What an operator can do about it.
    pub advice: &'static str,
}

/// Reads the rows of a rotation, and returns why some of them failed, the most frequent cause
/// first.
///
/// # Errors
/// If the ledger cannot be read.
pub async fn read(stack: &Stack, key: &RotationKey) -> Result<Vec<Cause>, CallError> {
    let rows = stack.aws.ledger.rows(key);
    let mut pages = paginate(ROW_PAGES, async |start| rows.page(Select::All, start).await);
    let mut causes = Vec::new();
    while let Some(page) = pages.next::<_, CallError>().await? {
        for row in page.iter().filter(|row| row.outcome == Outcome::Failed) {
            add(&mut causes, row);
        }
    }
    causes.sort_by_key(|cause| Reverse(cause.count));
    Ok(causes)
}

fn add(causes: &mut Vec<Cause>, row: &Row) {
    let code = row.error_code.as_deref();
    let advice = advice(Ended {
        outcome: "Failed",
        error_code: code,
        error_message: row.error_message.as_deref(),
    });
    let code = code.unwrap_or("an unknown error");
    let is_same = |cause: &&mut Cause| cause.error.starts_with(code) && cause.advice == advice;
    if let Some(cause) = causes.iter_mut().find(is_same) {
        cause.count += 1;
        return;
    }
    let message = row.error_message.as_ref();
    let message = message.map_or_else(String::new, |message| format!(": {message}"));
    causes.push(Cause {
        count: 1,
        error: format!("{code}{message}"),
        advice,
    });
}
