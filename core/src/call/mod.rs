//! Failed calls to AWS, as plain data without any SDK type, and the pauses before another attempt.

mod backoff;
mod error;
mod error_class;

pub use backoff::Backoff;
pub use error::{CallError, FailedCall, Operation};
pub use error_class::{ErrorClass, Failure};
