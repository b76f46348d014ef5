//! What goes into a step of one association, and what comes out of it.

use std::time::Duration;

use crate::call::CallError;
use crate::resource::{Association, RoleFields};
use crate::rotation::{Settled, Token};
use crate::timestamp::Timestamp;

/// The slices of the rotation before this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlierSlices {
    /// The first of them started then.
    pub started_at: Timestamp,
    /// No update of an earlier slice takes effect after this time.
    pub ended_at: Timestamp,
}

/// An update to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    pub token: Token,
    pub fields: RoleFields,
}

/// An update that was sent, and the observation that justified it.
#[derive(Debug, Clone)]
pub struct Sent<'a> {
    pub update: Update,
    pub before: &'a Association,
}

/// What a step cannot compute: times, and random numbers from 0 to 1 for pauses.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub now: Timestamp,
    /// When the last Describe was sent. It may show the state of that time.
    pub asked_at: Timestamp,
    pub random: fn() -> f64,
}

/// What follows from an observation.
#[derive(Debug)]
pub enum Decision {
    /// Send this update on it, unless the rotation stops.
    Update(Update),
    /// Record in the row that the rotation moves these fields, and describe the association again.
    /// Another actor has put a field on the old role that the row does not plan to move. If a slice
    /// died after it moved such a field, the next slice could not tell that the rotation did.
    Plan(RoleFields),
    Step(Step),
}

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Settle the row.
    Settle(Box<Settled>),
    /// Stop the rotation for this reason, and then settle the row.
    Stop(String, Box<Settled>),
    /// Describe the association again, after this pause.
    DescribeAgain(Duration),
    /// The same, after this retryable error.
    Retry(Duration, CallError),
    /// The same, as soon as the pacer allows it: EKS throttled the call, and did nothing.
    Throttled(CallError),
    /// Leave the row `Pending`, and try another association after this pause: EKS has not accepted
    /// the new role in this region yet.
    GiveWay(Duration),
    /// Leave the row `Pending`: this slice cannot settle it.
    Leave(CallError),
}
