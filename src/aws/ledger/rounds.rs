//! Changes that are tried again if other writers come first: their items are read again, or what
//! the transaction says of them is taken over. All rounds together are short enough for the
//! reserve of a slice (`crate::rotate::slice::DEADLINE_RESERVE`).

use std::time::Duration;

use rerole_core::call::{CallError, Operation};
use tokio::time::Instant;

use crate::aws::dynamodb::{DYNAMODB_OPERATION_TIMEOUT, TRANSACTION_TIMEOUT};

/// Commands and the indexer change the same items only now and then. More rounds than this mean
/// that something is wrong.
const ROUNDS_MAX: u32 = 4;
/// The longest time that all rounds take. Two transactions always fit: the first one often finds
/// rows that exist already.
pub(crate) const ROUNDS_TIMEOUT: Duration = TRANSACTION_TIMEOUT.saturating_mul(2);

/// What a round does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Round {
    /// One transaction.
    Write,
    /// Reads items side by side, and then one transaction.
    ReadAndWrite,
}

/// The rounds of one change.
pub(super) struct Rounds<'a> {
    operation: Operation<'a>,
    left: u32,
    last_start: Instant,
}

impl Round {
    const fn timeout(self) -> Duration {
        match self {
            Self::Write => TRANSACTION_TIMEOUT,
            Self::ReadAndWrite => DYNAMODB_OPERATION_TIMEOUT.saturating_add(TRANSACTION_TIMEOUT),
        }
    }
}

impl<'a> Rounds<'a> {
    #[must_use]
    pub(super) fn new(operation: Operation<'a>, round: Round) -> Self {
        Self {
            operation,
            left: ROUNDS_MAX,
            last_start: Instant::now() + ROUNDS_TIMEOUT.saturating_sub(round.timeout()),
        }
    }

    /// Starts the next round.
    ///
    /// # Errors
    /// If there were too many, or if another one could take too long.
    pub(super) fn start(&mut self) -> Result<(), CallError> {
        if self.left == 0 || Instant::now() > self.last_start {
            let rounds = ROUNDS_MAX - self.left;
            let problem = format!("others changed the items during each of {rounds} attempts");
            return Err(CallError::contention(self.operation, problem));
        }
        self.left -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rounds_end_by_number_and_by_time() {
        for (round, pause, expected) in [
            (Round::ReadAndWrite, 0, 4),
            (Round::ReadAndWrite, 2_900, 3),
            (Round::ReadAndWrite, 6_100, 1),
            (Round::Write, 6_100, 2),
            (Round::Write, 12_000, 2),
            (Round::Write, 12_100, 1),
        ] {
            let mut rounds = Rounds::new(Operation::on("close rotation", &"r-1"), round);
            let mut started = 0;
            let error = loop {
                match rounds.start() {
                    Ok(()) => started += 1,
                    Err(error) => break error,
                }
                tokio::time::sleep(Duration::from_millis(pause)).await;
            };
            assert_eq!(started, expected, "{round:?} of {pause} ms");
            let expected = format!("during each of {expected} attempts");
            assert!(error.to_string().contains(&expected), "{error}");
        }
    }
}
