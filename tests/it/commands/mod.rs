//! Commands: what each of them does to a rotation, and how soon.

/// Cancelling, before, during and after the updates.
mod cancel;
/// Freezing the whole stack.
mod freeze;
/// Commands that are refused, come too late, twice, or at once.
mod refusals;
/// Trying again what failed.
mod retry;
/// Taking back what a rotation has moved.
mod rollback;
/// Pausing and resuming, at each point of a rotation.
mod ten_seconds;
