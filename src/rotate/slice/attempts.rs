//! What the attempts at one association have come to in this slice, and how long to pause between
//! them. The loop that makes the attempts is in `associate`.

use std::time::Duration;

use rerole_core::call::CallError;
use rerole_core::rotation::{Settled, Token};

use crate::aws::eks::Permit;

/// Transient errors of one association before it is left to the next slice. With the pauses below
/// they take about a minute.
const RETRYABLE_ERRORS_MAX: u32 = 10;
/// The first pause after a retryable error. The pause doubles each time, up to [`ERROR_PAUSE_MAX`].
const ERROR_PAUSE_MIN: Duration = Duration::from_millis(500);
const ERROR_PAUSE_MAX: Duration = Duration::from_secs(10);
/// The first pause after EKS could not use the new role. The pause doubles each time, up to
/// [`ROLE_PAUSE_MAX`].
const ROLE_PAUSE_MIN: Duration = Duration::from_secs(1);
const ROLE_PAUSE_MAX: Duration = Duration::from_secs(15);

/// What the attempts at one association have come to in this slice.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// Updates that EKS accepted, or may have accepted.
    pub(super) sent: u32,
    /// Definitive refusals, including those of earlier slices.
    pub(super) refusals: u32,
    pub(super) last_refusal: Option<(Token, CallError)>,
    /// The last update that ended in a transient error. It may have taken effect.
    pub(super) lost: Option<(Token, CallError)>,
    /// A permit to update that came when the Describe was already too old. The association keeps
    /// it. Otherwise the next Describe would also be too old when the next permit comes.
    pub(super) permit: Option<Permit>,
    retryable_errors: u32,
}

/// What follows from one attempt.
pub(super) enum Step {
    Settle(Box<Settled>),
    /// Describe the association again, after this pause.
    DescribeAgain(Duration),
    /// Leave the row `Pending`: this slice cannot settle it.
    Leave(CallError),
}

impl Attempts {
    /// No attempt yet, after the refusals of earlier slices.
    pub(super) fn after(refusals: u32) -> Self {
        Self {
            refusals,
            ..Self::default()
        }
    }

    /// Counts a retryable error. The next attempt follows after a pause, unless the limit is
    /// reached.
    pub(super) fn retry(&mut self, error: CallError) -> Step {
        self.retryable_errors += 1;
        if self.retryable_errors > RETRYABLE_ERRORS_MAX {
            return Step::Leave(error);
        }
        let pause = backoff(ERROR_PAUSE_MIN, self.retryable_errors - 1, ERROR_PAUSE_MAX);
        // Half of the pause is random. Otherwise associations that failed together would also
        // retry together.
        Step::DescribeAgain(pause.mul_f64(0.5 + fastrand::f64() / 2.0))
    }

    /// Returns the pause after the latest refusal of the new role.
    pub(super) fn role_pause(&self) -> Duration {
        backoff(ROLE_PAUSE_MIN, self.refusals - 1, ROLE_PAUSE_MAX)
    }
}

/// `first`, doubled `doublings` times, but at most `max`.
fn backoff(first: Duration, doublings: u32, max: Duration) -> Duration {
    first
        .saturating_mul(2_u32.saturating_pow(doublings))
        .min(max)
}
